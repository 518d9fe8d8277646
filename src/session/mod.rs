//! One client's life, from accept to release; the same code for the shared daemon, the
//! per-connection instance and classic inetd, and for a client whom another process has left.

mod attendance;
mod deposit;
mod queue;
mod record;
mod revival;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use tokio::sync::watch;
use tracing::warn;

use crate::access::admit;
use crate::account::Accounts;
use crate::board::{Board, Look, Seat};
use crate::client::Client;
use crate::com_port::{Counts, Uart as _};
use crate::journal;
use crate::line::Line;
use crate::pool::Pool;
use crate::port::Port;
use crate::relay::{Attendant, End, Relay};
use crate::store::{self, Kept, Store};
use crate::tally::{Entry, PortWord, Tally};
use crate::uptime::uptime;
use attendance::{attendance, host};
use deposit::{Beginning, Deposit, Head, Stage};
use queue::{Guest, get_line};
use record::{Reason, Record};
pub use revival::{Revived, revive};

/// How a service takes leave of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// They end.
    Stop,
    /// Another process goes on with them.
    HandOver,
}

/// What a session needs of the process that it runs in.
pub struct Process<'a> {
    /// Where people see it.
    pub board: &'a Board,
    /// Where it is counted.
    pub tally: &'a Tally,
    /// Where calls are counted, for each client.
    pub accounts: &'a Accounts,
    /// Who keeps it while there is no process, if anybody does.
    pub store: Option<&'a Store>,
    /// Becomes something when the service ends.
    pub farewell: watch::Receiver<Option<Farewell>>,
}

impl Process<'_> {
    /// Completes when all sessions are to end.
    async fn stopped(&self) {
        // Without anybody who keeps them, there is nothing to hand over.
        let ends = |farewell| farewell == Farewell::Stop || self.store.is_none();
        self.told(ends).await;
    }

    /// Completes when all sessions are to be left to another process.
    async fn handed_over(&self) {
        let leaves = |farewell| farewell == Farewell::HandOver && self.store.is_some();
        self.told(leaves).await;
    }

    async fn told(&self, what: impl Fn(Farewell) -> bool) {
        let mut farewell = self.farewell.clone();
        if farewell
            .wait_for(|told| told.is_some_and(&what))
            .await
            .is_err()
        {
            // The sender is gone, and so is the service.
            std::future::pending::<()>().await;
        }
    }
}

/// A number for a session. Every hasher of the standard library is made with a random key.
#[must_use]
pub fn new_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Serves one client on one line of `port`, as the session of this number.
///
/// `before_relay` runs when the line is ours and before anything of the client is read: where the
/// privileges go that were only needed to get the line. If it fails, the line is released and
/// nothing else happens.
pub async fn run<E>(
    number: u64,
    client: Client,
    port: &Port,
    process: &Process<'_>,
    before_relay: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    // A stage has memory of its own only while it lasts: most of a session's life is one of them.
    let seat = process.board.arrive(number, &port.name, client.peer());
    let guest = Guest::new(number, client, port);
    match Box::pin(welcome(guest, port, process, &seat)).await {
        Some(guest) => enter(guest, port, process, seat, before_relay).await,
        None => Ok(()),
    }
}

/// The client, if it may use the port.
async fn welcome(
    guest: Guest,
    port: &Port,
    process: &Process<'_>,
    seat: &Seat<'_>,
) -> Option<Guest> {
    let peer = guest.client.peer();
    let admitted = tokio::select! {
        biased;
        admitted = admit(peer, &port.admission) => admitted,
        () = process.handed_over() => {
            guest.leave(process);
            return None;
        }
        () = seat.mailbox.told_to_hang_up() => return None,
    };
    if let Err(denied) = admitted {
        process.tally.add(&port.name, PortWord::Denied, 1);
        warn!(
            MESSAGE_ID = journal::CLIENT_DENIED,
            MODEMD_PORT = port.name,
            MODEMD_CLIENT = %peer,
            MODEMD_REASON = "denied",
            "{}: {peer} refused: {denied}",
            port.name
        );
        return None;
    }
    if let Err(error) = guest.client.prepare(port.keepalive, port.max_unsent) {
        // It reset the connection while it waited to be accepted.
        tracing::debug!("{}: {peer} left at once: {error}", port.name);
        return None;
    }
    Some(guest)
}

/// Gets the client a line, and serves it there.
async fn enter<E>(
    guest: Guest,
    port: &Port,
    process: &Process<'_>,
    seat: Seat<'_>,
    before_relay: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    // Names are looked up in threads, which have to be over when the privileges go.
    let attendance = Box::pin(attendance(port, guest.client.peer())).await;
    let Some((guest, line)) = Box::pin(get_line(guest, port, process, &seat)).await else {
        return Ok(());
    };
    before_relay()?;
    let Guest {
        session,
        client,
        deposit,
        ..
    } = guest;
    let record = Record::new(session, &port.name, client.peer(), line.device());
    record.tell_beginning();
    let head = || Head {
        port: port.name.clone(),
        peer: client.peer(),
        stage: Stage::Serves(Box::new(Beginning {
            began: uptime(),
            device: line.device().to_owned(),
            lock_files: line.locks().map(ToOwned::to_owned).collect(),
            found: line.found().clone(),
            limits: port.limits,
            attendance: attendance.clone(),
        })),
    };
    let deposit = match (deposit, process.store) {
        (Some(deposit), _) => deposit.add_line(&line, &head()),
        (None, Some(store)) => Deposit::make(store, session, &client, Some(&line), &head()),
        (None, None) => None,
    };
    let (kept, ledger) = deposit.map(|of| (of.kept, of.ledger)).unzip();
    let attendant = attendance.map(|attendance| {
        let caller = record.caller();
        Attendant::new(attendance, caller, host(client.peer()), process.accounts)
    });
    let call = Box::new(Call {
        relay: Relay::new(&client, port.protocol, port.limits, ledger, attendant),
        entry: process
            .tally
            .begin(&port.name, line.device(), line.counts()),
        line,
        record,
        kept,
    });
    if let Some(parted) = serve(call, &port.pool, process, seat).await {
        Box::pin(part(parted, client, process.tally)).await;
    }
    Ok(())
}

/// A client on its line.
struct Call<'c> {
    relay: Relay<'c>,
    line: Line,
    record: Record,
    entry: Entry,
    kept: Option<Kept>,
}

/// Counts what has happened in a session until now.
fn count(entry: &mut Entry, relay: &Relay<'_>, line: &Line, tally: &Tally) -> Option<Counts> {
    let counts = line.counts();
    entry.update(relay.moved(), counts);
    tally.note(entry);
    counts
}

/// What is left of a session that has ended.
struct Parted<'a> {
    line: Line,
    record: Record,
    entry: Entry,
    kept: Option<Kept>,
    pool: &'a Pool,
    seat: Seat<'a>,
}

/// Relays until the end, or until another process is to go on.
async fn serve<'a>(
    mut call: Box<Call<'_>>,
    pool: &'a Pool,
    process: &Process<'a>,
    seat: Seat<'a>,
) -> Option<Parted<'a>> {
    seat.take_line(call.line.device(), call.record.began);
    process.tally.note(&call.entry);
    let end = Box::pin(until_parted(&mut call, pool, process, &seat)).await;
    let Call {
        relay,
        line,
        mut record,
        mut entry,
        kept,
    } = *call;
    count(&mut entry, &relay, &line, process.tally);
    record.moved = relay.moved();
    record.lost = relay.lost();
    let Some(end) = end else {
        relay.hand_over(&line);
        line.leave();
        record.leave();
        if let Some(kept) = kept {
            kept.leave();
        }
        return None;
    };
    record.reason = Some(Reason::Ended(end));
    Some(Parted {
        line,
        record,
        entry,
        kept,
        pool,
        seat,
    })
}

/// Relays until the end, and tells why it came; nothing if another process is to go on.
async fn until_parted(
    call: &mut Call<'_>,
    pool: &Pool,
    process: &Process<'_>,
    seat: &Seat<'_>,
) -> Option<End> {
    let Call {
        relay,
        line,
        entry,
        kept,
        ..
    } = call;
    let show = |relay: &Relay<'_>, line: &Line| {
        let counts = count(entry, relay, line, process.tally);
        seat.show(Look {
            at: Instant::now(),
            moved: relay.moved(),
            lost: relay.lost(),
            kept: relay.kept(),
            last_byte: relay.last_byte().into_std(),
            state: line.state(),
            signals: line.has_signals().then(|| line.signals()),
            errors: entry.errors(counts),
        });
    };
    let relayed = async {
        let end = if let Some(end) = relay.end() {
            end
        } else {
            tokio::select! {
                biased;
                () = process.stopped() => End::Stopped,
                // Nobody keeps this one.
                () = process.handed_over(), if kept.is_none() => End::Stopped,
                end = relay.run(line, pool.wanted(), &seat.mailbox, show) => end,
            }
        };
        seat.ends();
        relay.note_end(end, line);
        let _releasing = pool.releasing();
        relay.finish(end, line).await;
        end
    };
    tokio::select! {
        biased;
        () = process.handed_over(), if kept.is_some() => None,
        end = relayed => Some(end),
    }
}

/// Hangs up and releases the line, and closes the connection.
async fn part(parted: Parted<'_>, client: Client, tally: &Tally) {
    let Parted {
        line,
        record,
        mut entry,
        kept,
        pool,
        seat,
    } = parted;
    let release = async {
        let releasing = pool.releasing();
        release(line, kept, pool).await;
        entry.end();
        tally.note(&entry);
        drop(seat);
        pool.release(&record.device);
        drop(record);
        drop(releasing);
    };
    // Neither waits for the other: the client hears at once that it is over, and one that does not
    // listen keeps no line.
    tokio::join!(client.part_with(&[]), release);
}

/// Hangs up, and gives the line back.
async fn release(mut line: Line, kept: Option<Kept>, pool: &Pool) {
    pool.hang_up(&mut line).await;
    if kept.is_some() {
        drop(kept);
        if line.unsent() > 0 {
            // Whoever closes such a line last may have to wait for it.
            store::settled().await;
        }
    }
    line.close().await;
}
