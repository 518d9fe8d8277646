//! The AT command language (ITU-T V.250), and modems that speak it without hardware.
//!
//! Nothing here has a descriptor, a clock or a task: bytes and the time go in, bytes and the time
//! of the next event come out. [`editor`] finds command lines in what a terminal sends,
//! [`command`] turns a line into typed commands, [`result`] words the answers. [`modem`] is one
//! emulated modem, of the kind that its [`temperament`] says, and [`exchange`] the telephone network between several of them.
pub mod command;
pub mod dialogue;
pub mod editor;
pub mod escape;
pub mod exchange;
pub mod modem;
pub mod plan;
pub mod profile;
pub mod registers;
pub mod response;
pub mod result;
pub mod service;
pub mod temperament;

use std::time::Duration;

/// How long after the command line a character is no reason to give up dialling yet: it may be the line feed
/// after the carriage return (V.250 5.6.1).
pub const ABORT_GRACE: Duration = Duration::from_millis(125);

#[cfg(test)]
mod tests;
