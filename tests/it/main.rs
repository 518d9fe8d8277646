//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod support;
mod terminal;

mod lock_files;
mod many;
mod peers;
mod pool;
mod queue;
mod relay;
mod units;
