//! What each client has spent: calls and minutes, in a file that all processes share.

mod file;

use std::cell::{Cell, RefCell};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

pub use self::file::spent_of;
use self::file::{AccountFile, Key, Records};
use crate::uptime::uptime;

/// What a client has spent at a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls in the last hour.
    pub calls: u32,
    /// The time of all calls of the last 24 hours.
    pub talked: Duration,
}

/// The accounts of this machine. Without a file they are those of this process.
#[derive(Debug, Default)]
pub struct Accounts {
    file: Option<PathBuf>,
    own: RefCell<Records>,
    /// Something has failed, and that was told.
    is_broken: Cell<bool>,
}

/// A call on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    place: u64,
    /// Tells it from a later call that has the same place.
    began: Duration,
}

impl Accounts {
    /// In this file, which is made when it is needed.
    #[must_use]
    pub fn in_file(file: PathBuf) -> Self {
        Accounts {
            file: Some(file),
            ..Accounts::default()
        }
    }

    /// What this client has spent at this port until now. That a file cannot be read must not make calls
    /// free: then an error.
    pub fn spent(&self, port: &str, client: &str) -> io::Result<Spent> {
        let key = Key::new(port, client)?;
        match self.open()? {
            Some(file) => self.named(file.spent(&key)),
            None => Ok(self.own.borrow().spent(&key, uptime())),
        }
    }

    /// A call begins. That a file cannot be written to must not make calls free: then an error.
    pub fn begin(&self, port: &str, client: &str) -> io::Result<Booking> {
        let key = Key::new(port, client)?;
        match self.open()? {
            Some(file) => self.named(file.begin(&key)),
            None => self.own.borrow_mut().begin(&key, uptime()),
        }
    }

    /// A call has lasted so long by now.
    pub fn update(&self, booking: Booking, lasted: Duration) {
        // What has not happened yet is no call.
        let lasted = lasted.min(uptime().saturating_sub(booking.began));
        let updated = self.open().and_then(|file| match file {
            Some(file) => self.named(file.update(booking, lasted)),
            None => self.own.borrow_mut().update(booking, lasted),
        });
        if let Err(error) = updated
            && !self.is_broken.replace(true)
        {
            warn!("{error}");
        }
    }

    fn open(&self) -> io::Result<Option<AccountFile>> {
        let file = self.file.as_deref().map(AccountFile::open);
        self.named(file.transpose())
    }

    /// An error says which file it is about.
    fn named<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| match &self.file {
            Some(file) => {
                let what = format!("{}: calls cannot be counted: {error}", file.display());
                io::Error::new(error.kind(), what)
            }
            None => error,
        })
    }
}

#[cfg(test)]
mod tests;
