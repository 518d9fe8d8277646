//! `attach.toml`: serial lines of other machines that programs here use as devices.

use std::fmt;

use super::{LineSettings, Protocol};

/// A serial line of another machine: a `[NAME]` of `attach.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, which is the device's, below `/dev/modemd`.
    pub name: String,
    /// Where it is.
    pub server: Target,
    /// What is spoken there: telnet with COM port control, unless said otherwise.
    pub protocol: Protocol,
    /// What the line is set to when a program opens the device; none: as it is there. Data bits and parity
    /// can only be set here, since a pseudo terminal does not tell what a program makes of them.
    pub line: Option<LineSettings>,
}

/// Where a server is to be found: `HOST:PORT`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name or address, without brackets.
    pub host: String,
    /// The TCP port, not 0.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
