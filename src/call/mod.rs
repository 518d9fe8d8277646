//! Calls: what the journal will say of each.

mod number;
mod observer;
pub mod record;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use self::number::shown_number;
pub use self::observer::Observer;
use self::record::{Over, Record, tell_refusal};
use crate::config::ShownNumbers;
use crate::events::usec;
use crate::relay::Moved;
use crate::uptime::uptime;

/// After so long a silence the bell has stopped: then modems clear their own count of rings, S1, too. It rings
/// each 6 seconds in America and each 5 in most of Europe.
const BELL_STOPPED: Duration = Duration::from_secs(8);

/// How long after a ring a `CONNECT` that nobody has asked for is the answer to it.
pub const RING_LASTS: Duration = Duration::from_secs(15);

/// Something that happened to a call, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// A number was given to the modem to be dialled.
    Dialled(String),
    /// A number was not given to the modem.
    Refused {
        /// The number, or as much of it as there is.
        number: String,
        /// Which rule it is against.
        why: String,
    },
    /// The bell rang once.
    Ring,
    /// The modem told who calls.
    Caller(String),
    /// A call that comes in was answered.
    Answered,
    /// The modem's `CONNECT`, as it was worded.
    Connected(String),
    /// No call came about: the modem's result code, as it was worded.
    Failed(String),
    /// A call that was connected, or was to be, is over.
    Ended(CallEnd),
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallEnd {
    /// The far side hung up, or the telephone line broke.
    CarrierLost,
    /// The client hung up, or gave up dialling.
    HungUp,
    /// It lasted as long as it may.
    TimeLimit,
    /// The session ended.
    SessionEnded,
    /// The modem does not do any more what it is told.
    ModemLost,
}

/// On whose account calls are made.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The port.
    pub port: String,
    /// The line.
    pub line: PathBuf,
    /// The client's address.
    pub client: String,
    /// The session.
    pub session: u64,
}

/// Who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Outgoing,
    Incoming,
}

/// What another process needs to go on with a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMemo {
    direction: Direction,
    /// As it is shown.
    number: Option<String>,
    rings: u32,
    /// Microseconds since 1970.
    began_usec: u64,
    /// Since when the bell is silent, until the call is answered; as [`uptime`] has it.
    silent_since: Option<Duration>,
    connection: Option<Connection>,
}

/// A call that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Connection {
    result: String,
    /// As [`uptime`] has it.
    since: Duration,
    /// How many octets had moved in the session until then, to the line and to the client.
    before: (u64, u64),
}

/// The calls of one session, one after the other. Each is told to the journal when it is over; one that is
/// not when this is dropped ended with the session.
#[derive(Debug)]
pub struct Calls {
    caller: Caller,
    shown: ShownNumbers,
    call: Option<CallMemo>,
    moved: Moved,
    /// A moment of this process, and what [`uptime`] it was.
    moment: (Instant, Duration),
}

impl Calls {
    /// None yet.
    #[must_use]
    pub fn new(caller: Caller, shown: ShownNumbers) -> Calls {
        Calls::resume(caller, shown, None)
    }

    /// With the one that another process has left.
    #[must_use]
    pub fn resume(caller: Caller, shown: ShownNumbers, call: Option<CallMemo>) -> Calls {
        Calls {
            caller,
            shown,
            call,
            moved: Moved::default(),
            moment: (Instant::now(), uptime()),
        }
    }

    /// What another process needs to go on.
    #[must_use]
    pub fn memo(&self) -> Option<CallMemo> {
        self.call.clone()
    }

    /// Nothing is over: another process goes on with the call, by [`Self::memo`].
    pub fn leave(mut self) {
        self.call = None;
    }

    /// So many octets have moved in this session by now. That is what counts for a call that ends with it.
    pub fn moved(&mut self, moved: Moved) {
        self.moved = moved;
    }

    /// Something happened, when so many octets had moved in this session.
    pub fn note(&mut self, event: &CallEvent, moved: Moved, now: Instant) {
        self.advance(now);
        self.moved = moved;
        let (uptime, is_connected) = (self.uptime(now), self.is_connected());
        match event {
            CallEvent::Dialled(number) => {
                self.end_before_the_next(now);
                let number = shown_number(number, self.shown);
                self.under_way(Direction::Outgoing).number = Some(number);
            }
            CallEvent::Refused { number, why } => {
                tell_refusal(&self.caller, &shown_number(number, self.shown), why);
            }
            CallEvent::Connected(result) if !is_connected => {
                // What nobody has dialled has come in.
                let call = self.under_way(Direction::Incoming);
                call.silent_since = None;
                call.connection = Some(Connection {
                    result: result.clone(),
                    since: uptime,
                    before: (moved.to_line, moved.to_client),
                });
            }
            CallEvent::Failed(_) if is_connected => {
                self.end(Over::Ended(CallEnd::CarrierLost), now);
            }
            CallEvent::Failed(result) => self.end(Over::Failed(result), now),
            CallEvent::Ended(end) => self.end(Over::Ended(*end), now),
            // Who else calls meanwhile is none of a call's business.
            _ if is_connected => {}
            CallEvent::Ring => {
                let call = self.under_way(Direction::Incoming);
                call.rings = call.rings.saturating_add(1);
                call.hear(uptime);
            }
            CallEvent::Caller(number) => {
                let number = shown_number(number, self.shown);
                let call = self.under_way(Direction::Incoming);
                if call.direction == Direction::Incoming {
                    call.number = Some(number);
                    call.hear(uptime);
                }
            }
            CallEvent::Answered => {
                if self.is(Direction::Outgoing) {
                    self.end_before_the_next(now);
                }
                self.under_way(Direction::Incoming).silent_since = None;
            }
            CallEvent::Connected(_) => {}
        }
    }

    /// When [`Self::advance`] is to be called: a bell that rings no more is heard by nobody.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let silent_since = self.call.as_ref()?.silent_since?;
        let (moment, uptime) = self.moment;
        let at = silent_since + BELL_STOPPED;
        // A process that went on with it may have begun only after that.
        Some(moment + at.saturating_sub(uptime))
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|at| at <= now) {
            self.end(Over::Unanswered, now);
        }
    }

    fn uptime(&self, now: Instant) -> Duration {
        let (moment, uptime) = self.moment;
        let before = moment.saturating_duration_since(now);
        (uptime + now.saturating_duration_since(moment)).saturating_sub(before)
    }

    fn is_connected(&self) -> bool {
        let call = self.call.as_ref();
        call.is_some_and(|call| call.connection.is_some())
    }

    fn is(&self, direction: Direction) -> bool {
        let call = self.call.as_ref();
        call.is_some_and(|call| call.direction == direction)
    }

    /// The call that there is, or else one that begins now.
    fn under_way(&mut self, direction: Direction) -> &mut CallMemo {
        self.call.get_or_insert_with(|| CallMemo {
            direction,
            number: None,
            rings: 0,
            began_usec: usec(SystemTime::now()),
            silent_since: None,
            connection: None,
        })
    }

    /// Whoever can dial or answer has no other call any more, whether or not its end was seen.
    fn end_before_the_next(&mut self, now: Instant) {
        let call = self.call.as_ref();
        let was_ringing = call.is_some_and(|call| call.silent_since.is_some());
        self.end(
            if was_ringing {
                Over::Unanswered
            } else {
                Over::Ended(CallEnd::HungUp)
            },
            now,
        );
    }

    /// Tells the journal, if there is a call.
    fn end(&mut self, over: Over<'_>, now: Instant) {
        if let Some(call) = self.call.take() {
            let lasted = call.connection.as_ref().map(|of| of.since);
            let lasted = lasted.map(|since| self.uptime(now).saturating_sub(since));
            Record {
                caller: &self.caller,
                call: &call,
                over,
                lasted: lasted.unwrap_or_default(),
                moved: self.moved,
            }
            .tell();
        }
    }
}

impl CallMemo {
    /// The bell rings.
    fn hear(&mut self, uptime: Duration) {
        if self.direction == Direction::Incoming {
            self.silent_since = Some(uptime);
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.end(Over::Ended(CallEnd::SessionEnded), Instant::now());
    }
}

#[cfg(test)]
mod tests;
