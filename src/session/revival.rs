//! A session that another process has left: taken up, or released if that cannot be.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::warn;

use super::attendance::host;
use super::deposit::{Deposit, Head, Stage};
use super::queue::Guest;
use super::record::{Reason, Record};
use super::{Call, Process, enter, part, release, serve, welcome};
use crate::activation::Stored;
use crate::claim::{Claim, LockDirectory, Unavailable};
use crate::client::{Client, Peer};
use crate::com_port::Uart as _;
use crate::ledger::{Ledger, Left};
use crate::line::Line;
use crate::pool::Pool;
use crate::port::Port;
use crate::relay::{Attendance, Attendant, Limits, Memo, Moved, Relay};
use crate::store::{Kept, Store};
use crate::uptime::uptime;

/// How often it is tried to get a lock that somebody has taken after our predecessor's death. Who
/// looks at nothing but the file finds the line closed, and goes.
const ATTEMPTS: u32 = 20;

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A client whom another process has left, and what there is to do for it.
pub enum Revived {
    /// It wants a line.
    Guest(Box<Guest>),
    /// It has one.
    Session(Box<Session>),
    /// Nobody can go on with it.
    Wreck(Box<Wreck>),
}

/// A session with its line.
pub struct Session {
    client: Client,
    line: Line,
    lock_files: Vec<PathBuf>,
    /// Why one of them could not be had.
    missing: Option<Unavailable>,
    limits: Limits,
    attendance: Option<Attendance>,
    memo: Memo,
    deposit: Deposit,
    record: Record,
}

/// What is there of a session with which nobody can go on.
pub struct Wreck {
    client: Option<Client>,
    line: Option<Line>,
    kept: Kept,
    record: Record,
}

/// What is there of a session, all of it looked at.
struct Remains {
    stored: Stored,
    kept: Kept,
    ledger: Option<Ledger>,
    left: Left,
    head: Option<Head>,
    memo: Option<Memo>,
}

/// Takes up what another process has left of a session, as far as it goes at once: from here on its
/// line is locked for this process. Must be called in a tokio runtime.
///
/// Fails if this machine has no more memory for descriptors to be watched; then everything of the
/// session is closed.
pub fn revive(stored: Stored, store: &Store, locks: &LockDirectory) -> io::Result<Revived> {
    let mut remains = Remains {
        kept: store.found(stored.session, stored.count),
        stored,
        ledger: None,
        left: Left::Waiting,
        head: None,
        memo: None,
    };
    match remains.look() {
        Ok(()) => remains.go_on(),
        Err(reason) => remains.give_up(reason, locks),
    }
}

impl Remains {
    /// Whether everything is there and makes sense.
    fn look(&mut self) -> Result<(), Reason> {
        let file = self.stored.ledger.take().ok_or_else(|| missing("ledger"))?;
        let ledger = self.ledger.insert(Ledger::open(&file).map_err(useless)?);
        self.left = ledger.take_up();
        let head = self.head.insert(ledger.head().map_err(useless)?);
        if ledger.is_to_blame() {
            return Err(Reason::Crashed);
        }
        if let Some(surplus) = self.stored.surplus {
            return Err(Reason::Useless(format!("there is {surplus}")));
        }
        if self.stored.client.is_none() {
            return Err(missing("client"));
        }
        if let Stage::Serves(beginning) = &head.stage {
            if self.stored.line.is_none() {
                return Err(missing("line"));
            }
            let memo = self.memo.insert(Memo::read(ledger).map_err(useless)?);
            // Nobody goes on without it who began with it.
            if !memo.is_attended_as(beginning.attendance.as_ref()) {
                return Err(missing("guard"));
            }
        }
        Ok(())
    }

    fn go_on(self) -> io::Result<Revived> {
        let (Some(mut ledger), Some(head), Some(socket)) =
            (self.ledger, self.head, self.stored.client)
        else {
            unreachable!("it was looked at");
        };
        let (session, kept) = (self.stored.session, self.kept);
        let client = Client::resume(socket, head.peer)?;
        let (beginning, memo, line) = match (head.stage, self.memo, self.stored.line) {
            (Stage::Serves(beginning), Some(memo), Some(line)) => (beginning, memo, line),
            (stage, ..) => {
                ledger.end();
                return Ok(Revived::Guest(Box::new(Guest {
                    session,
                    client,
                    port: head.port,
                    wait: stage.wait(),
                    deposit: Some(Deposit { kept, ledger }),
                })));
            }
        };
        let mut record = Record::new(session, &head.port, head.peer, &beginning.device);
        record.began = since(beginning.began);
        record.lost = ledger.lost();
        record.tell_resumption(self.left);
        let mut claim = Claim::without_files(&beginning.device);
        let missing = claim.take_over(&beginning.lock_files);
        let line = Line::resume(line, &beginning.device, beginning.found, memo.line(), claim)?;
        Ok(Revived::Session(Box::new(Session {
            client,
            line,
            lock_files: beginning.lock_files,
            missing,
            limits: beginning.limits,
            attendance: beginning.attendance,
            memo,
            deposit: Deposit { kept, ledger },
            record,
        })))
    }

    /// As much as can be released is released.
    fn give_up(self, reason: Reason, locks: &LockDirectory) -> io::Result<Revived> {
        let Remains {
            stored,
            kept,
            ledger,
            head,
            ..
        } = self;
        let (port, peer, stage) = match head {
            Some(head) => (head.port, Some(head.peer), Some(head.stage)),
            None => ("?".to_owned(), None, None),
        };
        let client = match (stored.client, peer) {
            (Some(socket), Some(peer)) => Some(Client::resume(socket, peer)?),
            // One that has gone has no name any more.
            (Some(socket), None) => Client::new(socket).ok(),
            (None, _) => None,
        };
        let beginning = match stage {
            Some(Stage::Serves(beginning)) => Some(beginning),
            _ => None,
        };
        let device = match (&beginning, &stored.line) {
            (Some(beginning), _) => beginning.device.clone(),
            (None, Some(line)) => path_of(line),
            (None, None) => PathBuf::new(),
        };
        let peer = peer.or(client.as_ref().map(Client::peer));
        let peer = peer.unwrap_or(Peer::Local { pid: None });
        let mut record = Record::new(stored.session, &port, peer, &device);
        record.reason = Some(reason);
        if let Some(beginning) = &beginning {
            record.began = since(beginning.began);
        }
        if let Some(ledger) = &ledger {
            record.moved = Moved::counted(ledger);
            record.lost = ledger.lost();
        }
        let line = stored.line.and_then(|line| {
            let mut claim = Claim::without_files(&device);
            let found = if let Some(beginning) = beginning {
                claim.take_over(&beginning.lock_files);
                Some(beginning.found)
            } else {
                claim.take_over(&locks.files_for(&device));
                None
            };
            Line::salvage(line, &device, found, claim)
                .inspect_err(|why| warn!("{}: {why}", device.display()))
                .ok()
        });
        Ok(Revived::Wreck(Box::new(Wreck {
            client,
            line,
            kept,
            record,
        })))
    }
}

fn missing(what: &str) -> Reason {
    Reason::Useless(format!("its {what} is missing"))
}

fn useless(error: impl std::fmt::Display) -> Reason {
    Reason::Useless(error.to_string())
}

/// The device that a descriptor was opened by.
fn path_of(line: &File) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", line.as_raw_fd())).unwrap_or_default()
}

fn since(uptime_then: Duration) -> Instant {
    let now = Instant::now();
    let ago = uptime().saturating_sub(uptime_then);
    now.checked_sub(ago).unwrap_or(now)
}

impl Revived {
    /// Goes on with it, to its end.
    pub async fn resume(self, port: &Port, process: &Process<'_>) {
        let nothing_left = || Ok::<_, Infallible>(());
        match self {
            Revived::Guest(guest) => {
                let seat = process
                    .board
                    .arrive(guest.session, &port.name, guest.client.peer());
                if let Some(wait) = guest.wait {
                    seat.came(since(wait.since));
                }
                let guest = if guest.wait.is_none() {
                    welcome(*guest, port, process, &seat).await
                } else {
                    Some(*guest)
                };
                if let Some(guest) = guest {
                    let Ok(()) = enter(guest, port, process, seat, nothing_left).await;
                }
            }
            Revived::Session(session) => session.resume(port, process).await,
            Revived::Wreck(wreck) => wreck.clear(&port.pool).await,
        }
    }

    /// The port that the client came to, if it has still to be served there.
    #[must_use]
    pub fn port(&self) -> &str {
        match self {
            Revived::Guest(guest) => &guest.port,
            Revived::Session(session) => &session.record.port,
            Revived::Wreck(wreck) => &wreck.record.port,
        }
    }

    /// Who came first is first in the queue.
    #[must_use]
    pub fn since(&self) -> Option<Duration> {
        match self {
            Revived::Guest(guest) => guest.wait.map(|wait| wait.since),
            Revived::Session(_) | Revived::Wreck(_) => None,
        }
    }

    /// The line that it is on, or was.
    #[must_use]
    pub fn device(&self) -> PathBuf {
        match self {
            Revived::Guest(_) => PathBuf::new(),
            Revived::Session(session) => session.record.device.clone(),
            Revived::Wreck(wreck) => wreck.record.device.clone(),
        }
    }
}

impl Session {
    async fn resume(mut self, port: &Port, process: &Process<'_>) {
        port.pool.occupy(self.line.device());
        self.get_locks().await;
        let seat = process
            .board
            .arrive(self.record.session, &port.name, self.record.peer);
        let counts = self.line.counts();
        let Deposit { kept, ledger } = self.deposit;
        let peer = self.record.peer;
        let attendant = self.attendance.zip(self.memo.take_attendant());
        let attendant = attendant.map(|(attendance, memo)| {
            let caller = self.record.caller();
            let accounts = process.accounts;
            Attendant::resume(attendance, memo, caller, host(peer), accounts, &self.line)
        });
        let call = Box::new(Call {
            relay: Relay::resume(&self.client, self.limits, self.memo, ledger, attendant),
            entry: process.tally.resume(&port.name, self.line.device(), counts),
            line: self.line,
            record: self.record,
            kept: Some(kept),
        });
        if let Some(parted) = serve(call, &port.pool, process, seat).await {
            Box::pin(part(parted, self.client, process.tally)).await;
        }
    }

    /// The line is ours in any case: without its lock files it is a matter of politeness.
    async fn get_locks(&mut self) {
        for _ in 0..ATTEMPTS {
            if self.missing.is_none() {
                return;
            }
            sleep(BETWEEN_ATTEMPTS).await;
            self.missing = self.line.take_over_locks(&self.lock_files);
        }
        if let Some(missing) = &self.missing {
            warn!("{missing}; the session goes on without that lock");
        }
    }
}

impl Wreck {
    async fn clear(self, pool: &Pool) {
        let Wreck {
            client,
            line,
            kept,
            record,
        } = self;
        // First: should this be what modemd dies of, the next process does not try it again.
        drop(kept);
        let release = async {
            if let Some(line) = line {
                release(line, None, pool).await;
            }
            drop(record);
        };
        let part = async {
            if let Some(client) = client {
                client.part_with(&[]).await;
            }
        };
        tokio::join!(part, release);
    }
}
