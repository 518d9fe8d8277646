//! A telnet client's orders: carried out in their place among the data.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attendant::Attendant;
use super::guarded::Shown;
use super::interpreter::{Interpreter, Order, When};
use super::{End, Relay};
use crate::com_port::Uart as _;
use crate::line::Line;

/// How long a line may take nothing until an order is carried out although data in front of it has
/// not left: the order may be the way out (another flow control), and clients wait 3 s for an
/// answer.
pub(super) const ORDER_PATIENCE: Duration = Duration::from_secs(1);

/// How much may wait for the line until nothing more is read from a telnet client: a command that is
/// to free the line, or to throw away what waits, stands behind that.
pub(super) const DATA: usize = 64 * 1024;

/// How much may wait for a telnet client until nothing more is read from it: the data of one turn,
/// and the answers to what it asks without reading them.
pub(super) const ANSWERS: usize = 16 * 1024;

/// What an order waits for.
pub(super) type Patience<'l> = Option<Pin<Box<dyn Future<Output = ()> + 'l>>>;

/// Completes when what an order waits for is over.
pub(super) async fn over(patience: &mut Patience<'_>) {
    if let Some(patience) = patience {
        patience.await;
    }
}

impl Relay<'_> {
    /// The order that is to be carried out now. If there is one that has to wait, `patience` says
    /// for what; if there is none, what the client sent behind the last one is decoded.
    pub(super) fn order_now<'l>(
        &mut self,
        line: &'l Line,
        patience: &mut Patience<'l>,
    ) -> Result<Option<Order>, End> {
        if self.order.is_none() && !self.undecoded.is_empty() {
            self.begin_acting();
            let undecoded = std::mem::take(&mut self.undecoded);
            self.interpret(&undecoded, line)?;
            self.note(line);
        }
        let when = self.order.as_ref().map(Order::when);
        if when == Some(When::AtOnce) {
            return Ok(self.order.take());
        }
        if patience.is_none() {
            *patience = match when {
                Some(When::AfterData) if self.line_has_all() => {
                    Some(Box::pin(line.sent(ORDER_PATIENCE)))
                }
                Some(When::After(time)) => Some(Box::pin(sleep(time))),
                _ => None,
            };
        }
        Ok(None)
    }

    /// Whether the client has asked for silence.
    pub(super) fn is_suspended(&self) -> bool {
        let interpreter = self.interpreter.as_ref();
        interpreter.is_some_and(Interpreter::is_suspended)
    }

    /// What TCP calls urgent is still to come, or was read: with or without its data mark.
    pub(super) fn synch(&mut self, urgent: bool) {
        if let Some(interpreter) = &mut self.interpreter {
            interpreter.synch(urgent);
        }
    }

    /// What octets of a telnet client mean, up to the first order.
    pub(super) fn interpret(&mut self, mut bytes: &[u8], line: &Line) -> Result<(), End> {
        let Some(interpreter) = &mut self.interpreter else {
            return Ok(());
        };
        let meaning = interpreter.interpret(&mut bytes);
        self.undecoded = bytes.to_vec();
        self.order = meaning.order;
        self.order_since = Instant::now();
        if meaning.ends {
            self.client_closed = true;
            self.last_byte = self.order_since;
        }
        if !meaning.data.is_empty() {
            self.say(&meaning.data, line)?;
        }
        if self.order.is_some() {
            self.unsent = line.unsent();
        }
        self.tell(&meaning.answers)
    }

    /// Does what an order says, and tells the client.
    pub(super) fn carry_out(&mut self, order: Order, line: &mut Line) -> Result<(), End> {
        self.begin_acting();
        let Some(interpreter) = &mut self.interpreter else {
            return Ok(());
        };
        let discards = order.discards_unsent();
        let attendant = self.attendant.as_deref();
        let is_guarded = attendant.is_some_and(Attendant::is_guard);
        let mut shown = Shown::new(line, attendant);
        let (answer, next) = interpreter.carry_out(order, &mut shown);
        let dtr = shown.dtr();
        if discards && is_guarded {
            self.held = Vec::new();
            if let Some(attendant) = &mut self.attendant {
                attendant.forget_held();
            }
        } else if discards {
            self.to_line.forget();
        }
        self.order = next;
        if let Some(on) = dtr {
            self.dtr_was_switched(on, line)?;
        }
        self.tell(&answer)
    }

    /// Octets for a telnet client that the line did not say.
    pub(super) fn tell(&mut self, octets: &[u8]) -> Result<(), End> {
        if octets.is_empty() || self.client_deaf.is_some() {
            return Ok(());
        }
        if self.is_suspended() {
            self.to_client.keep(octets);
            // Who asks on and on for answers that it does not want gets them.
            if self.to_client.kept() >= ANSWERS
                && let Some(interpreter) = &mut self.interpreter
            {
                interpreter.resume();
            }
            return Ok(());
        }
        self.receipts.expect(Instant::now());
        let passed = self.to_client.pass(octets, self.client.socket());
        passed.or_else(|error| self.deafened(error))
    }
}
