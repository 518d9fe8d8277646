//! What the journal will say of a session, however it ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::info;

use crate::call::Caller;
use crate::client::Peer;
use crate::config::display_duration;
use crate::journal;
use crate::ledger::Left;
use crate::relay::{End, Moved};

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its relay ended.
    Ended(End),
    /// modemd died twice in a row while it was busy with it.
    Crashed,
    /// What another process has left of it is of no use.
    Useless(String),
}

/// One session, for the journal. It is told that the session is over when this is dropped.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) session: u64,
    pub(super) port: String,
    pub(super) peer: Peer,
    pub(super) device: PathBuf,
    pub(super) began: Instant,
    pub(super) moved: Moved,
    pub(super) lost: u64,
    pub(super) reason: Option<Reason>,
}

impl Record {
    pub(super) fn new(session: u64, port: &str, peer: Peer, device: &Path) -> Self {
        Record {
            session,
            port: port.to_owned(),
            peer,
            device: device.to_owned(),
            began: Instant::now(),
            moved: Moved::default(),
            lost: 0,
            reason: None,
        }
    }

    /// On whose account calls are made.
    pub(super) fn caller(&self) -> Caller {
        Caller {
            port: self.port.clone(),
            line: self.device.clone(),
            client: self.peer.to_string(),
            session: self.session,
        }
    }

    pub(super) fn tell_beginning(&self) {
        info!(
            MESSAGE_ID = journal::SESSION_BEGAN,
            MODEMD_PORT = self.port,
            MODEMD_LINE = %self.device.display(),
            MODEMD_CLIENT = %self.peer,
            MODEMD_SESSION = format_args!("{:016x}", self.session),
            "{}: {} is on {}",
            self.port,
            self.peer,
            self.device.display()
        );
    }

    pub(super) fn tell_resumption(&self, left: Left) {
        let lost = self.lost;
        let why = match left {
            Left::HandedOver => "after a restart",
            Left::Waiting | Left::In(_) => "after modemd died",
        };
        let lost_so_far = match lost {
            0 => String::new(),
            lost => format!("; up to {lost} bytes of this session were lost so far"),
        };
        info!(
            MESSAGE_ID = journal::SESSION_RESUMED,
            MODEMD_PORT = self.port,
            MODEMD_LINE = %self.device.display(),
            MODEMD_CLIENT = %self.peer,
            MODEMD_SESSION = format_args!("{:016x}", self.session),
            MODEMD_BYTES_LOST = lost,
            "{}: {} is still on {} {why}{lost_so_far}",
            self.port,
            self.peer,
            self.device.display()
        );
    }

    /// Nothing is over: another process goes on with the session.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (reason, why) = match &self.reason {
            Some(Reason::Ended(End::ClientClosed)) => {
                ("client-closed", "the client closed".to_owned())
            }
            Some(Reason::Ended(End::ClientLost(error))) => {
                ("client-lost", format!("the client was lost: {error}"))
            }
            Some(Reason::Ended(End::LineLost(error))) => (
                "line-lost",
                format!("the line was unplugged or hung up: {error}"),
            ),
            Some(Reason::Ended(End::LineStalled)) => (
                "line-stalled",
                "the client left, and the line took none of the rest".to_owned(),
            ),
            Some(Reason::Ended(End::Idle(limit))) => (
                "idle",
                format!("nothing moved for {}", display_duration(*limit)),
            ),
            Some(Reason::Ended(End::Stopped)) => ("stopped", "modemd stops".to_owned()),
            Some(Reason::Ended(End::HungUp)) => {
                ("hung-up", "it was ended by `modemctl hangup`".to_owned())
            }
            Some(Reason::Ended(End::ModemLost)) => (
                "modem-lost",
                "the modem did not do what it was told".to_owned(),
            ),
            Some(Reason::Crashed) => (
                "crashed",
                "modemd died twice in a row over it, please report this".to_owned(),
            ),
            Some(Reason::Useless(why)) => (
                "unreadable",
                format!("what the modemd before has left of it is of no use: {why}"),
            ),
            None => ("failed", "modemd failed, please report this".to_owned()),
        };
        let lasted = self.began.elapsed();
        let shown = display_duration(Duration::from_secs(lasted.as_secs()));
        let Moved { to_line, to_client } = self.moved;
        let lost = match self.lost {
            0 => String::new(),
            lost => format!(" (up to {lost} more were lost when modemd died)"),
        };
        info!(
            MESSAGE_ID = journal::SESSION_ENDED,
            MODEMD_PORT = self.port,
            MODEMD_LINE = %self.device.display(),
            MODEMD_CLIENT = %self.peer,
            MODEMD_SESSION = format_args!("{:016x}", self.session),
            MODEMD_REASON = reason,
            MODEMD_DURATION_USEC = u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX),
            MODEMD_BYTES_TO_LINE = to_line,
            MODEMD_BYTES_TO_CLIENT = to_client,
            MODEMD_BYTES_LOST = self.lost,
            "{}: {} left {} after {shown}, {to_line} bytes to the line, {to_client} from it{lost}: {why}",
            self.port,
            self.peer,
            self.device.display(),
        );
    }
}
