//! COM port control (RFC 2217): a client changes the settings of a line and watches its signals.
//!
//! [`Message`] is what goes over the wire, both ways; [`Control`] is the server's side, which knows
//! the line as a [`Uart`]; [`Remote`] is the client's.

mod control;
mod message;
mod remote;
#[cfg(test)]
mod tests;
mod uart;

pub use control::{Control, Rights};
pub use message::{BaudRate, Message, Sender, line_state, modem_state, set_control};
pub use remote::{Remote, Told, Wanted};
pub use uart::{Counts, Setting, Signals, State, Uart};
