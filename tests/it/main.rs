//! modemd as a whole, with real programs at both ends: one binary, a module for each subject.

mod support;

mod half_close;
mod relay;
mod transfer;
mod vanish;
