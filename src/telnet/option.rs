//! The options that are spoken here, and who agrees to which.

use serde::{Deserialize, Serialize};

/// An option that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TelnetOption {
    /// Eight-bit data as it is, without the line ends of the network virtual terminal (RFC 856).
    Binary,
    /// The server echoes (RFC 857): a modem does that itself.
    Echo,
    /// No GO AHEAD (RFC 858); together with ECHO a person's client sends each character at once.
    SuppressGoAhead,
    /// COM port control (RFC 2217).
    ComPort,
}

impl TelnetOption {
    pub(super) const ALL: [TelnetOption; 4] = [
        TelnetOption::Binary,
        TelnetOption::Echo,
        TelnetOption::SuppressGoAhead,
        TelnetOption::ComPort,
    ];

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            TelnetOption::Binary => 0,
            TelnetOption::Echo => 1,
            TelnetOption::SuppressGoAhead => 3,
            TelnetOption::ComPort => 44,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<TelnetOption> {
        Self::ALL.into_iter().find(|option| option.code() == code)
    }
}

/// Whose option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We do it: we say WILL, the other side DO.
    Us,
    /// The other side does it: we say DO, it says WILL.
    Them,
}

/// Which end of the connection this is, and so what is agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The one with the line: it echoes, and takes COM port commands.
    Server,
    /// The one who uses it.
    Client,
}

impl Role {
    /// Whether an option that the other side asks for is agreed to.
    pub(super) fn agrees(self, option: TelnetOption, side: Side) -> bool {
        match option {
            TelnetOption::Binary | TelnetOption::SuppressGoAhead | TelnetOption::ComPort => true,
            TelnetOption::Echo => {
                (self, side) == (Role::Server, Side::Us)
                    || (self, side) == (Role::Client, Side::Them)
            }
        }
    }
}
