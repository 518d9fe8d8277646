//! When a relay ends, and what is still delivered then.

use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::direction::has_hung_up;
use super::failure::Failure;
use super::interpreter::{Interpreter, Order};
use super::orders::ORDER_PATIENCE;
use super::{Relay, client_lost};
use crate::com_port::Uart as _;
use crate::line::Line;

/// How long unsent data may take to leave when the session is to end at once.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How long the line must be silent to be given to somebody who waits for it, when its own client
/// has closed its sending side: most that do so have left.
const LINGER_WHEN_WANTED: Duration = Duration::from_secs(1);

/// How often at the most a stalled relay looks whether both sides are still there.
const STALL_CHECK: Duration = Duration::from_secs(1);

/// The time limits of one relay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The client closed its side, and the line had no more to say.
    ClientClosed,
    /// The connection to the client broke.
    ClientLost(Failure),
    /// The line was unplugged or hung up.
    LineLost(Failure),
    /// The client is gone and the line takes none of what it had sent.
    LineStalled,
    /// No byte either way for the time allowed.
    Idle(Duration),
    /// The service stops.
    Stopped,
    /// Somebody who runs the server has ended it.
    HungUp,
    /// The modem does not do any more what the guard tells it.
    ModemLost,
}

impl Relay<'_> {
    fn is_stalled(&self) -> bool {
        !self.to_line.is_clear() || !self.to_client.is_clear() || !self.held.is_empty()
    }

    /// Whether the line has got all that the client has sent.
    pub(super) fn line_has_all(&self) -> bool {
        self.to_line.is_clear() && self.held.is_empty()
    }

    /// Whether the modem has got more of what the kernel keeps for it since the last time: at 300
    /// baud that can take two minutes, and the answer comes after it.
    fn is_still_sending(&mut self, line: &Line) -> bool {
        let before = std::mem::replace(&mut self.unsent, line.unsent());
        self.unsent != before
    }

    /// When something may have to end, if nothing moves until then, or is to be looked at.
    pub(super) fn due(&self, line: &Line) -> Option<Instant> {
        let idle = self.limits.idle.map(|limit| self.last_byte + limit);
        let is_silent = self.client_closed && self.line_has_all();
        let linger = is_silent.then(|| self.last_byte + self.linger());
        let look = self
            .is_stalled()
            .then(|| self.last_byte.max(self.last_look) + self.patience());
        let arrival = self.receipts.due();
        let signals = self.signals_due(line);
        let attendance = self.attendance_due();
        [
            idle,
            linger,
            look,
            arrival,
            signals,
            self.order_due(),
            attendance,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When an order is carried out although the line takes none of the data in front of it.
    fn order_due(&self) -> Option<Instant> {
        let stuck = self.order.is_some() && !self.line_has_all();
        stuck.then(|| self.order_since + ORDER_PATIENCE)
    }

    /// When to look for signals that have changed: for a client who can hear of it.
    fn signals_due(&self, line: &Line) -> Option<Instant> {
        let due = self.interpreter.as_ref().and_then(Interpreter::look_due);
        due.filter(|_| line.has_signals() && self.to_client.is_clear())
    }

    fn linger(&self) -> Duration {
        let with_com_port = self
            .interpreter
            .as_ref()
            .is_some_and(Interpreter::has_com_port);
        let all_is_done = self.line_has_all() && self.order.is_none() && self.undecoded.is_empty();
        if self.client_closed && with_com_port && all_is_done {
            // Closing a COM port hangs up. Such a program reads no answer after it: pyserial, for
            // one, shuts both sides down, of which only one is seen here.
            return Duration::ZERO;
        }
        if self.wanted {
            self.limits.linger.min(LINGER_WHEN_WANTED)
        } else {
            self.limits.linger
        }
    }

    /// How long either side may take nothing of what is for it, when the other one has gone. Without any
    /// linger time it is still given all that it takes.
    fn patience(&self) -> Duration {
        self.linger().max(STALL_CHECK)
    }

    /// Whether something has ended, now that nothing has moved for so long, or an order can wait no
    /// longer.
    pub(super) fn overdue(&mut self, line: &Line) -> Result<Option<Order>, End> {
        self.begin_looking();
        let now = Instant::now();
        self.attend_when_due(line)?;
        if self.receipts.due().is_some_and(|due| due <= now) {
            let client = self.client.socket().get_ref();
            self.receipts.look(client, now).map_err(client_lost)?;
        }
        if self.signals_due(line).is_some_and(|due| due <= now)
            && let Some(interpreter) = &mut self.interpreter
        {
            let notices = interpreter.look(line, now);
            self.tell(&notices)?;
        }
        let order_is_due = self.order_due().is_some_and(|due| due <= now);
        let is_sending = (order_is_due || self.client_closed) && self.is_still_sending(line);
        if order_is_due {
            // A driver asks for more only when it has nearly sent what it has.
            if !is_sending {
                return Ok(self.order.take());
            }
            self.order_since = now;
        }
        if self.client_closed && is_sending {
            self.last_byte = now;
        }
        let silent_for = self.last_byte.elapsed();
        if let Some(limit) = self.limits.idle
            && silent_for >= limit
        {
            return Err(End::Idle(limit));
        }
        if silent_for < self.linger() {
            return Ok(None);
        }
        let client_gone = self.client_closed || has_hung_up(self.client.socket());
        if !self.line_has_all() && client_gone {
            if silent_for >= self.patience() {
                return Err(End::LineStalled);
            }
        } else if self.client_closed {
            return Err(End::ClientClosed);
        }
        if !self.to_client.is_clear() && has_hung_up(line.tty()) {
            return Err(End::LineLost(Errno::EIO.into()));
        }
        self.last_look = Instant::now();
        Ok(None)
    }

    /// Delivers what has been read to whoever is still there, for as long as it is taken.
    pub async fn finish(&mut self, end: End, line: &Line) {
        let patience = self.limits.linger.max(STALL_CHECK);
        let delivery = async {
            if !matches!(end, End::LineLost(_) | End::LineStalled) {
                self.deliver_held(line, patience).await;
                self.deliver_to_line(line, patience).await;
                line.sent(patience).await;
            }
            if !matches!(end, End::ClientLost(_)) {
                self.deliver_to_client(line, patience).await;
            }
        };
        match end {
            End::Stopped | End::HungUp => drop(timeout(STOP_LIMIT, delivery).await),
            _ => delivery.await,
        }
    }

    async fn deliver_to_line(&mut self, line: &Line, patience: Duration) {
        while !self.to_line.is_clear() {
            let ready = timeout(patience, line.tty().writable()).await;
            if ready.is_err() || ready.is_ok_and(|ready| self.kept_to_line(ready).is_err()) {
                return;
            }
            self.note(line);
        }
    }

    async fn deliver_to_client(&mut self, line: &Line, patience: Duration) {
        let client = self.client.socket();
        while !self.to_client.is_clear() {
            let ready = timeout(patience, client.writable()).await;
            if ready.is_err() || ready.is_ok_and(|ready| self.kept_to_client(ready).is_err()) {
                return;
            }
            self.note(line);
        }
    }
}
