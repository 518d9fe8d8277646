//! COM port control (RFC 2217): a client changes the settings of a line and watches its signals.

mod uart;

pub use uart::{Counts, Setting, Signals, State, Uart};
