//! What another process needs to go on with a relay, and when it is written down.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::attendant::{self, Attendance, Attendant};
use super::direction::Direction;
use super::failure::Failure;
use super::guarded::Wires;
use super::interpreter::{self, Interpreter, Order};
use super::receipts::Receipts;
use super::turn::{Turns, longest};
use super::{End, Limits, Moved, Relay};
use crate::client::Client;
use crate::ledger::{Ledger, Turn, Unreadable, Way};
use crate::line::{self, Line};

/// A relay and its line at the end of a turn, but for the octets that are kept, which are in the
/// ledger themselves.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    line: line::Memo,
    interpreter: Option<interpreter::Memo>,
    order: Option<Order>,
    #[serde(with = "hex")]
    undecoded: Vec<u8>,
    client_closed: bool,
    client_deaf: Option<Failure>,
    end: Option<End>,
    attendant: Option<attendant::Memo>,
    #[serde(with = "hex")]
    held: Vec<u8>,
}

impl Memo {
    /// What is in a ledger.
    pub fn read(ledger: &Ledger) -> Result<Memo, Unreadable> {
        ledger.body()
    }

    /// Whether what is of the calls is there, if it has to be.
    #[must_use]
    pub fn is_attended_as(&self, attendance: Option<&Attendance>) -> bool {
        match (attendance, &self.attendant) {
            (Some(attendance), Some(memo)) => memo.has_guard() == attendance.rules.is_some(),
            (attendance, memo) => attendance.is_none() && memo.is_none(),
        }
    }

    /// What is of the calls, which is taken out.
    pub fn take_attendant(&mut self) -> Option<attendant::Memo> {
        self.attendant.take()
    }

    /// What is of the line.
    #[must_use]
    pub fn line(&self) -> line::Memo {
        self.line
    }
}

impl Moved {
    /// What is in a ledger.
    #[must_use]
    pub fn counted(ledger: &Ledger) -> Moved {
        Moved {
            to_line: ledger.counted(Way::ToLine),
            to_client: ledger.counted(Way::ToClient),
        }
    }
}

impl<'a> Relay<'a> {
    /// Goes on with a relay that another process has left.
    #[must_use]
    pub fn resume(
        client: &'a Client,
        limits: Limits,
        memo: Memo,
        ledger: Ledger,
        attendant: Option<Attendant<'a>>,
    ) -> Self {
        let now = Instant::now();
        let translated = ledger.counted(Way::ToClient);
        let mut relay = Relay {
            client,
            limits,
            interpreter: memo
                .interpreter
                .map(|memo| Interpreter::found(memo, translated)),
            order: memo.order,
            order_since: now,
            undecoded: memo.undecoded,
            to_line: Direction::found(&ledger, Way::ToLine),
            to_client: Direction::found(&ledger, Way::ToClient),
            client_closed: memo.client_closed,
            client_deaf: memo.client_deaf,
            receipts: Receipts::new(limits.keepalive),
            wanted: false,
            last_byte: now,
            last_look: now,
            unsent: 0,
            end: memo.end,
            ledger: Some(ledger),
            noted: None,
            turns: Turns::new(),
            taps: Vec::new(),
            attendant: attendant.map(Box::new),
            held: memo.held,
            wires: Wires::default(),
        };
        // What is on its way to the client may never arrive.
        relay.receipts.expect(now);
        relay
    }

    /// A turn begins that may move octets.
    pub(super) fn begin(&mut self, way: Way) {
        self.begin_with(way, longest(way));
    }

    /// So many octets are moved in this turn.
    pub(super) fn begin_with(&mut self, way: Way, octets: usize) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(Turn::Moving(way, octets));
        }
    }

    /// A turn begins that does something else.
    pub(super) fn begin_acting(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(Turn::Acting);
        }
    }

    /// A turn begins that looks whether there is something to do.
    pub(super) fn begin_looking(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(Turn::Looking);
        }
    }

    /// What is kept for one side is about to be written: whether it was, nobody could know who finds
    /// the ledger, and twice would be worse than not at all.
    pub(super) fn begin_kept(&mut self, way: Way) {
        let direction = match way {
            Way::ToLine => &self.to_line,
            Way::ToClient => &self.to_client,
        };
        let octets = direction.next();
        self.begin_with(way, octets);
        if let Some(ledger) = &mut self.ledger {
            ledger.release(way, octets);
        }
    }

    /// The turn is over: everything that came of it is written down.
    pub fn note(&mut self, line: &Line) {
        let moved = self.moved();
        let Some(mut ledger) = self.ledger.take() else {
            return;
        };
        self.to_line.note(&mut ledger);
        self.to_client.note(&mut ledger);
        ledger.count(Way::ToLine, moved.to_line);
        ledger.count(Way::ToClient, moved.to_client);
        let memo = Memo {
            line: line.memo(),
            interpreter: self.interpreter.as_ref().map(Interpreter::memo),
            order: self.order.clone(),
            undecoded: self.undecoded.clone(),
            client_closed: self.client_closed,
            client_deaf: self.client_deaf,
            end: self.end,
            attendant: self.attendant.as_ref().map(|of| of.memo()),
            held: self.held.clone(),
        };
        if self.noted.as_ref() != Some(&memo) {
            // It has room for everything that there can be.
            if let Err(error) = ledger.write_body(&memo) {
                tracing::error!("the state of a session cannot be written down: {error}");
            }
            self.noted = Some(memo);
        }
        ledger.end();
        self.ledger = Some(ledger);
    }

    /// The relay has ended; what is left is to deliver.
    pub fn note_end(&mut self, end: End, line: &Line) {
        self.end = Some(end);
        let moved = self.moved();
        if let Some(attendant) = &mut self.attendant {
            attendant.moved(moved);
        }
        self.note(line);
    }

    /// Why the relay has ended, in the process that had it before.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Leaves the relay for the next process.
    pub fn hand_over(mut self, line: &Line) {
        self.note(line);
        if let Some(ledger) = &mut self.ledger {
            ledger.hand_over();
        }
        if let Some(attendant) = self.attendant.take() {
            attendant.leave();
        }
    }

    /// How many octets may have been lost when a process died, at the most.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ledger.as_ref().map_or(0, Ledger::lost)
    }
}
