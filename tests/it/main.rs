//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod clients;
mod peers;
mod relay;
mod support;
mod terminal;
mod units;
