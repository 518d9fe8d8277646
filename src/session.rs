//! One client's life, from accept to release; the same code for the shared daemon, the
//! per-connection instance and classic inetd.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::access::admit;
use crate::board::Board;
use crate::client::{Client, Peer};
use crate::config::{Busy, Instance, display_duration};
use crate::journal;
use crate::line::Line;
use crate::pool::NoLine;
use crate::port::Port;
use crate::relay::{End, Moved, Protocol, Relay};

/// Becomes true when the service stops.
pub type Stop = watch::Receiver<bool>;

/// Completes when the service stops.
pub async fn stopped(mut stop: Stop) {
    // An error means that the sender is gone, and so is the service.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves one client on one line of `port`.
///
/// `before_relay` runs when the line is ours and before anything of the client is read: where the
/// privileges go that were only needed to get the line. If it fails, the line is released and
/// nothing else happens.
pub async fn run<E>(
    client: Client,
    port: &Port,
    board: &Board,
    stop: Stop,
    before_relay: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let peer = client.peer();
    if let Err(denied) = admit(peer, &port.admission).await {
        warn!(
            MESSAGE_ID = journal::CLIENT_DENIED,
            MODEMD_PORT = port.name,
            MODEMD_CLIENT = %peer,
            MODEMD_REASON = "denied",
            "{}: {peer} refused: {denied}",
            port.name
        );
        return Ok(());
    }
    if let Err(error) = client.prepare(port.keepalive) {
        // It reset the connection while it waited to be accepted.
        tracing::debug!("{}: {peer} left at once: {error}", port.name);
        return Ok(());
    }
    let Some((client, mut line)) = get_line(client, port, stop.clone()).await else {
        return Ok(());
    };
    before_relay()?;
    let mut record = Record::begin(port, peer, &line);
    let seat = board.enter(record.session, line.device(), peer);
    let mut relay = Relay::new(&client, port.protocol, port.limits);
    let end = relay
        .run(&mut line, stopped(stop), port.pool.wanted())
        .await;
    let releasing = port.pool.releasing();
    relay.finish(&end, &line).await;
    record.moved = relay.moved();
    record.end = Some(end);
    let release = async {
        line.hang_up().await;
        line.close().await;
        drop((seat, record));
        port.pool.release();
        drop(releasing);
    };
    // Neither waits for the other: the client hears at once that it is over, and one that does not
    // listen keeps no line.
    tokio::join!(client.part_with(&[]), release);
    Ok(())
}

/// The line for this client, or nothing, after it was told why.
async fn get_line(client: Client, port: &Port, stop: Stop) -> Option<(Client, Line)> {
    let peer = client.peer();
    let waits = matches!(port.busy, Busy::Wait(_));
    let in_words = matches!(port.protocol, Protocol::Telnet(_));
    let mut told = false;
    let place = |number| {
        if waits && in_words {
            client.mention(&words_of_place(number, port.instance, told));
            told = true;
        }
    };
    let line = tokio::select! {
        biased;
        line = port.pool.acquire(port.busy, place) => line,
        () = stopped(stop) => return None,
        () = client.gone(), if waits => {
            info!(
                MODEMD_PORT = port.name,
                MODEMD_CLIENT = %peer,
                "{}: {peer} left while it waited for a line",
                port.name
            );
            return None;
        }
    };
    let refusal = match line {
        Ok(line) if waits => match client.watched_anew() {
            Ok(client) => {
                if told {
                    client.mention("You have a modem now.\r\n");
                }
                return Some((client, line));
            }
            Err(error) => {
                warn!("{}: {peer} cannot be served: {error}", port.name);
                drop(line);
                port.pool.release();
                return None;
            }
        },
        Ok(line) => return Some((client, line)),
        Err(refusal) => refusal,
    };
    let (words, reason) = match &refusal {
        NoLine::Busy(_) if in_words => (
            "\r\nAll modems are busy. Please try again later.\r\n".to_owned(),
            "busy",
        ),
        NoLine::Busy(_) => ("\r\nBUSY\r\n".to_owned(), "busy"),
        NoLine::Broken(_) => (
            format!("\r\nERROR: no modem here works: {refusal}\r\n"),
            "broken",
        ),
    };
    warn!(
        MESSAGE_ID = journal::NO_LINE,
        MODEMD_PORT = port.name,
        MODEMD_CLIENT = %peer,
        MODEMD_REASON = reason,
        "{}: no line for {peer}: {refusal}",
        port.name
    );
    client.part_with(words.as_bytes()).await;
    None
}

/// What a person who waits is told. An instance of its own does not know who else waits.
fn words_of_place(number: usize, instance: Instance, told: bool) -> String {
    match instance {
        Instance::PerConnection => "\r\nAll modems are busy. Please wait.\r\n".to_owned(),
        Instance::Shared if told => format!("You are number {number} in the queue.\r\n"),
        Instance::Shared => format!(
            "\r\nAll modems are busy. You are number {number} in the queue. Please wait.\r\n"
        ),
    }
}

/// What the journal will say of a session, however it ends.
struct Record<'a> {
    session: u64,
    port: &'a str,
    peer: Peer,
    device: PathBuf,
    began: Instant,
    moved: Moved,
    end: Option<End>,
}

impl<'a> Record<'a> {
    fn begin(port: &'a Port, peer: Peer, line: &Line) -> Self {
        let record = Record {
            // Every hasher of the standard library is made with a random key.
            session: RandomState::new().hash_one(std::process::id()),
            port: &port.name,
            peer,
            device: line.device().to_owned(),
            began: Instant::now(),
            moved: Moved::default(),
            end: None,
        };
        info!(
            MESSAGE_ID = journal::SESSION_BEGAN,
            MODEMD_PORT = record.port,
            MODEMD_LINE = %record.device.display(),
            MODEMD_CLIENT = %peer,
            MODEMD_SESSION = format_args!("{:016x}", record.session),
            "{}: {peer} is on {}",
            record.port,
            record.device.display()
        );
        record
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let (reason, why) = match &self.end {
            Some(End::ClientClosed) => ("client-closed", "the client closed".to_owned()),
            Some(End::ClientLost(error)) => {
                ("client-lost", format!("the client was lost: {error}"))
            }
            Some(End::LineLost(error)) => (
                "line-lost",
                format!("the line was unplugged or hung up: {error}"),
            ),
            Some(End::LineStalled) => (
                "line-stalled",
                "the client left, and the line took none of the rest".to_owned(),
            ),
            Some(End::Idle(limit)) => (
                "idle",
                format!("nothing moved for {}", display_duration(*limit)),
            ),
            Some(End::Stopped) => ("stopped", "modemd stops".to_owned()),
            None => ("failed", "modemd failed, please report this".to_owned()),
        };
        let lasted = self.began.elapsed();
        let shown = display_duration(Duration::from_secs(lasted.as_secs()));
        let Moved { to_line, to_client } = self.moved;
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
            "{}: {} left {} after {shown}, {to_line} bytes to the line, {to_client} from it: {why}",
            self.port,
            self.peer,
            self.device.display(),
        );
    }
}
