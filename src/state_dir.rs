//! The directory where the processes of modemd find what they share: the counts, the lines that are out
//! of service or set aside, what clients have spent on calls, and the sockets by which the shared daemon
//! reaches those that serve one client each.
//!
//! It is in `/run`: it outlives every process, and ends with the machine.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::unistd::{Gid, Uid};
use tracing::warn;

use crate::account::Accounts;
use crate::aside::Aside;
use crate::drained::Drained;
use crate::tally::Tally;

/// The directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    /// Whose everything in it is, if not its maker's.
    owner: Option<(Uid, Gid)>,
}

impl StateDir {
    /// The one that systemd has made for us (`RuntimeDirectory=`, systemd.exec(5)).
    #[must_use]
    pub fn of_systemd() -> Option<StateDir> {
        let paths = std::env::var_os("RUNTIME_DIRECTORY")?;
        let first = paths.as_bytes().split(|&octet| octet == b':').next()?;
        Some(StateDir {
            path: OsStr::from_bytes(first).into(),
            owner: None,
        })
    }

    /// Makes one that only `owner` can look into; root makes it for whom it is about to become.
    pub fn make(path: PathBuf, owner: Option<(Uid, Gid)>) -> io::Result<StateDir> {
        let directory = StateDir { path, owner };
        directory.make_directory(&directory.path)?;
        Ok(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(path)?;
        self.give_away(path)
    }

    /// Makes the owner of the directory the owner of a new file in it.
    pub fn give_away(&self, path: &Path) -> io::Result<()> {
        match self.owner {
            Some((user, group)) => chown(path, Some(user.as_raw()), Some(group.as_raw())),
            None => Ok(()),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the counts.
    #[must_use]
    pub fn tally(&self) -> PathBuf {
        self.path.join("tally")
    }

    /// The file that names the lines that are out of service.
    #[must_use]
    pub fn drained(&self) -> PathBuf {
        self.path.join("drained")
    }

    /// The file of what clients have spent on calls.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.path.join("accounts")
    }

    /// The file that names the lines that are set aside.
    #[must_use]
    pub fn aside(&self) -> PathBuf {
        self.path.join("aside")
    }

    /// Where events of other processes are sent to, while somebody watches.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.path.join("events")
    }

    /// The directory of the sockets of processes that serve one client each; it may be still to be
    /// made.
    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.path.join("sessions")
    }

    /// The socket of the process that serves this session alone.
    #[must_use]
    pub fn socket_of(&self, session: u64) -> PathBuf {
        self.sessions().join(format!("{session:016x}"))
    }

    /// Makes sure that there is a directory for those sockets.
    pub fn make_sessions(&self) -> io::Result<()> {
        self.make_directory(&self.sessions())
    }
}

/// What the processes of modemd share.
#[derive(Default)]
pub struct SharedState {
    /// Where it is.
    pub directory: Option<StateDir>,
    /// What was counted.
    pub tally: Rc<Tally>,
    /// Which lines are out of service.
    pub drained: Rc<Drained>,
    /// What clients have spent on calls.
    pub accounts: Rc<Accounts>,
    /// Which lines are set aside.
    pub aside: Rc<Aside>,
}

impl SharedState {
    /// As it is in this directory.
    #[must_use]
    pub fn in_directory(directory: StateDir) -> Self {
        let path = directory.tally();
        let tally = Tally::in_file(&path).and_then(|tally| {
            directory.give_away(&path)?;
            Ok(tally)
        });
        let tally = tally.unwrap_or_else(|error| {
            warn!("{}: nothing is counted: {error}", path.display());
            Tally::default()
        });
        SharedState {
            tally: tally.into(),
            drained: Drained::in_file(directory.drained()).into(),
            accounts: Accounts::in_file(directory.accounts()).into(),
            aside: Aside::in_directory(directory.clone()).into(),
            directory: Some(directory),
        }
    }
}
