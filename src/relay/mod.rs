//! Bytes both ways between a client and a line, until there is a reason to stop.
//!
//! A byte is read into one buffer that all sessions share, and written on at once; only what the
//! other side would not take is kept, and while it is kept nothing more is read from this side. So
//! an idle session owns no memory, a stalled one owns one turn's worth, and backpressure reaches
//! the one who sends. Each turn is one read, so that a transfer on one line delays a keystroke on
//! another by one turn at the most.

mod direction;
mod receipts;

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::Client;
use crate::com_port::Uart as _;
use crate::line::{Line, Tty};
use direction::{Direction, Read, has_hung_up, read, rest};
use receipts::Receipts;

/// How long unsent data may take to leave when the service stops.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How long the line must be silent to be given to somebody who waits for it, when its own client
/// has closed its sending side: most that do so have left.
const LINGER_WHEN_WANTED: Duration = Duration::from_secs(1);

/// How often at the most a stalled relay looks whether both sides are still there.
const STALL_CHECK: Duration = Duration::from_secs(1);

/// The time limits of one relay.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No byte either way for so long ends the session.
    pub idle: Option<Duration>,
    /// How long the line may be silent after the client has closed its sending side, and how long
    /// either side may take nothing when the other one has gone.
    pub linger: Duration,
    /// How long a client may be gone unnoticed.
    pub keepalive: Duration,
}

/// Why a relay ended.
#[derive(Debug)]
pub enum End {
    /// The client closed its side, and the line had no more to say.
    ClientClosed,
    /// The connection to the client broke.
    ClientLost(io::Error),
    /// The line was unplugged or hung up.
    LineLost(io::Error),
    /// The client is gone and the line takes none of what it had sent.
    LineStalled,
    /// No byte either way for the time allowed.
    Idle(Duration),
    /// The service stops.
    Stopped,
}

/// How many bytes went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// From the client to the line.
    pub to_line: u64,
    /// From the line to the client.
    pub to_client: u64,
}

/// Moves bytes between `client` and `line`.
///
/// `stopped` completes when the service stops, `wanted` when somebody else waits for a line.
pub async fn run(
    client: &Client,
    line: &Line,
    limits: Limits,
    stopped: impl Future<Output = ()>,
    wanted: impl Future<Output = ()>,
    moved: &mut Moved,
) -> End {
    let now = Instant::now();
    let mut relay = Relay {
        client,
        line,
        limits,
        to_line: Direction::new(),
        to_client: Direction::new(),
        client_closed: false,
        client_deaf: None,
        receipts: Receipts::new(limits.keepalive),
        wanted: false,
        last_byte: now,
        last_look: now,
        unsent: 0,
    };
    let end = tokio::select! {
        biased;
        () = stopped => End::Stopped,
        end = relay.until_end(wanted) => end,
    };
    relay.finish(&end).await;
    moved.to_line += relay.to_line.moved;
    moved.to_client += relay.to_client.moved;
    end
}

struct Relay<'a> {
    client: &'a Client,
    line: &'a Line,
    limits: Limits,
    to_line: Direction,
    to_client: Direction,
    /// The client has closed its sending side.
    client_closed: bool,
    /// Writing to the client failed; what it sent before may still be there to be read.
    client_deaf: Option<io::Error>,
    receipts: Receipts,
    /// Somebody else waits for a line.
    wanted: bool,
    last_byte: Instant,
    last_look: Instant,
    /// What the kernel had still to send at the last look.
    unsent: u32,
}

impl Relay<'_> {
    async fn until_end(&mut self, wanted: impl Future<Output = ()>) -> End {
        let client = self.client.socket();
        let line = self.line.tty();
        let alarm = sleep_until(self.last_byte);
        tokio::pin!(alarm, wanted);
        loop {
            let due = self.due();
            // A time that moved on with the last byte is looked at when it comes, not at each byte.
            if let Some(due) = due
                && (alarm.is_elapsed() || due < alarm.deadline())
            {
                alarm.as_mut().reset(due);
            }
            let step = tokio::select! {
                ready = client.readable(), if !self.client_closed && self.to_line.is_clear() => {
                    self.client_turn(ready).await
                }
                ready = line.readable(), if self.to_client.is_clear() => self.line_turn(ready).await,
                ready = line.writable(), if !self.to_line.is_clear() => self.kept_to_line(ready),
                ready = client.writable(), if !self.to_client.is_clear() => {
                    self.kept_to_client(ready)
                }
                () = &mut alarm, if due.is_some() => self.overdue(),
                () = &mut wanted, if self.client_closed && !self.wanted => {
                    self.wanted = true;
                    Ok(())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn client_turn(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
    ) -> Result<(), End> {
        let mut ready = ready.map_err(End::ClientLost)?;
        let line = self.line.tty().get_ref();
        let read = read(ready.get_inner(), |bytes| {
            self.to_line.pass(bytes, line).map_err(End::LineLost)
        });
        match read.map_err(End::ClientLost)? {
            Read::End => {
                if let Some(error) = self.client_deaf.take() {
                    return Err(End::ClientLost(error));
                }
                self.client_closed = true;
                self.last_byte = Instant::now();
            }
            Read::Some { passed, more } => {
                passed?;
                self.last_byte = Instant::now();
                rest(&mut ready, more).await;
            }
            Read::Nothing => ready.clear_ready(),
        }
        Ok(())
    }

    async fn line_turn(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Tty>>,
    ) -> Result<(), End> {
        let mut ready = ready.map_err(End::LineLost)?;
        let client = self.client.socket().get_ref();
        let read = read(ready.get_inner(), |bytes| match self.client_deaf {
            Some(_) => Ok(()),
            None => self.to_client.pass(bytes, client),
        });
        match read.map_err(End::LineLost)? {
            // A terminal has no end of file but the loss of its other side.
            Read::End => return Err(End::LineLost(Errno::EIO.into())),
            Read::Some { passed, more } => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
                rest(&mut ready, more).await;
                passed.or_else(|error| self.deafened(error))?;
            }
            Read::Nothing => ready.clear_ready(),
        }
        Ok(())
    }

    fn kept_to_line(&mut self, ready: io::Result<AsyncFdReadyGuard<'_, Tty>>) -> Result<(), End> {
        let written = ready.and_then(|mut ready| self.to_line.pass_kept(&mut ready));
        if written.map_err(End::LineLost)? > 0 {
            self.last_byte = Instant::now();
        }
        Ok(())
    }

    fn kept_to_client(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
    ) -> Result<(), End> {
        match ready.and_then(|mut ready| self.to_client.pass_kept(&mut ready)) {
            Ok(0) => Ok(()),
            Ok(_) => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
                Ok(())
            }
            Err(error) => self.deafened(error),
        }
    }

    /// The client takes nothing any more. What it sent before it left is still to be read.
    fn deafened(&mut self, error: io::Error) -> Result<(), End> {
        self.to_client.forget();
        if self.client_closed {
            return Err(End::ClientLost(error));
        }
        self.client_deaf = Some(error);
        Ok(())
    }

    fn is_stalled(&self) -> bool {
        !self.to_line.is_clear() || !self.to_client.is_clear()
    }

    /// Whether the modem has got more of what the kernel keeps for it since the last time: at 300
    /// baud that can take two minutes, and the answer comes after it.
    fn is_still_sending(&mut self) -> bool {
        let before = std::mem::replace(&mut self.unsent, self.line.unsent());
        self.unsent != before
    }

    /// When something may have to end, if nothing moves until then.
    fn due(&self) -> Option<Instant> {
        let idle = self.limits.idle.map(|limit| self.last_byte + limit);
        let linger = self.client_closed.then(|| self.last_byte + self.linger());
        let look = self
            .is_stalled()
            .then(|| self.last_byte.max(self.last_look) + self.linger().max(STALL_CHECK));
        let arrival = self.receipts.due();
        [idle, linger, look, arrival].into_iter().flatten().min()
    }

    fn linger(&self) -> Duration {
        if self.wanted {
            self.limits.linger.min(LINGER_WHEN_WANTED)
        } else {
            self.limits.linger
        }
    }

    /// Whether something has ended, now that nothing has moved for so long.
    fn overdue(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.receipts.due().is_some_and(|due| due <= now) {
            let client = self.client.socket().get_ref();
            self.receipts.look(client, now).map_err(End::ClientLost)?;
        }
        if self.client_closed && self.is_still_sending() {
            self.last_byte = now;
        }
        let silent_for = self.last_byte.elapsed();
        if let Some(limit) = self.limits.idle
            && silent_for >= limit
        {
            return Err(End::Idle(limit));
        }
        if silent_for < self.linger() {
            return Ok(());
        }
        let client_gone = self.client_closed || has_hung_up(self.client.socket());
        if !self.to_line.is_clear() && client_gone {
            return Err(End::LineStalled);
        }
        if self.client_closed {
            return Err(End::ClientClosed);
        }
        if !self.to_client.is_clear() && has_hung_up(self.line.tty()) {
            return Err(End::LineLost(Errno::EIO.into()));
        }
        self.last_look = Instant::now();
        Ok(())
    }

    /// Delivers what has been read to whoever is still there, for as long as it is taken.
    async fn finish(&mut self, end: &End) {
        let patience = self.limits.linger;
        let delivery = async {
            if !matches!(end, End::LineLost(_) | End::LineStalled) {
                self.to_line.deliver(self.line.tty(), patience).await;
                self.line.sent(patience).await;
            }
            if !matches!(end, End::ClientLost(_)) {
                self.to_client.deliver(self.client.socket(), patience).await;
            }
        };
        match end {
            End::Stopped => drop(timeout(STOP_LIMIT, delivery).await),
            _ => delivery.await,
        }
    }
}
