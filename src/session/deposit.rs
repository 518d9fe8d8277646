//! What systemd keeps of a session, so that another process can go on with it.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::client::{Client, Peer};
use crate::ledger::Ledger;
use crate::line::{Found, Line};
use crate::relay::{Attendance, Limits};
use crate::store::{Kept, Store};

/// What stays the same while a session is in one stage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) port: String,
    pub(super) peer: Peer,
    pub(super) stage: Stage,
}

/// How far a session has come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// It may not even be allowed.
    Arrived,
    /// It waits for a line.
    Waits(Wait),
    /// It has one.
    Serves(Box<Beginning>),
}

impl Stage {
    pub(super) fn wait(&self) -> Option<Wait> {
        match self {
            Stage::Waits(wait) => Some(*wait),
            Stage::Arrived | Stage::Serves(_) => None,
        }
    }
}

/// A place in a queue. Times are those of the machine's clock that nobody sets.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Wait {
    /// Who came first is first.
    pub(super) since: Duration,
    pub(super) until: Duration,
    /// The place that the client was told last.
    pub(super) told: Option<usize>,
}

/// What a session with a line began with, and keeps whatever becomes of its port.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beginning {
    pub(super) began: Duration,
    pub(super) device: PathBuf,
    pub(super) lock_files: Vec<PathBuf>,
    pub(super) found: Found,
    pub(super) limits: Limits,
    pub(super) attendance: Option<Attendance>,
}

/// A session's descriptors with systemd, and the ledger that is one of them.
#[derive(Debug)]
pub(super) struct Deposit {
    pub(super) kept: Kept,
    pub(super) ledger: Ledger,
}

impl Deposit {
    /// Deposits a client, with its line if it has one. Nothing where that is impossible: such a session
    /// ends with the process.
    pub(super) fn make(
        store: &Store,
        session: u64,
        client: &Client,
        line: Option<&Line>,
        head: &Head,
    ) -> Option<Deposit> {
        let (mut ledger, memory) = Ledger::new()
            .inspect_err(|error| warn!("{}: a session cannot be kept: {error}", head.port))
            .ok()?;
        write(&mut ledger, head)?;
        let client = client.socket().get_ref().as_fd();
        let mut descriptors = vec![client, memory.as_fd()];
        descriptors.extend(line.map(|line| line.tty().get_ref().as_fd()));
        let kept = store.keep(session, &descriptors)?;
        Some(Deposit { kept, ledger })
    }

    /// The client has got a line.
    pub(super) fn add_line(mut self, line: &Line, head: &Head) -> Option<Deposit> {
        write(&mut self.ledger, head)?;
        let added = self.kept.add(&[line.tty().get_ref().as_fd()]);
        added.then_some(self)
    }

    /// Writes down another stage.
    pub(super) fn write(&mut self, head: &Head) {
        let _ = write(&mut self.ledger, head);
    }

    /// Leaves everything to the next process.
    pub(super) fn leave(mut self) {
        self.ledger.hand_over();
        self.kept.leave();
    }
}

fn write(ledger: &mut Ledger, head: &Head) -> Option<()> {
    ledger
        .write_head(head)
        .inspect_err(|error| warn!("{}: a session cannot be kept: {error}", head.port))
        .ok()
}
