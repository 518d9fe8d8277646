//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod clients;
mod half_close;
mod peers;
mod relay;
mod support;
mod terminal;
mod transfer;
mod units;
mod vanish;
