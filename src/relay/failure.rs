//! Why the system would not read or write, so that another process can tell it as well.

use std::fmt;
use std::io;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// An error of the system, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i32", into = "i32")]
pub struct Failure(Errno);

impl From<i32> for Failure {
    fn from(number: i32) -> Self {
        Failure(Errno::from_raw(number))
    }
}

impl From<Failure> for i32 {
    fn from(failure: Failure) -> Self {
        failure.0 as i32
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::from(error.raw_os_error().unwrap_or(Errno::EIO as i32))
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure(errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(self.0).fmt(f)
    }
}
