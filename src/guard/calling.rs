//! A number is dialled, or a call answered, until there is a connection or none.

use std::time::{Duration, Instant};

use super::data::Data;
use super::fax::Fax;
use super::policy::FaxPhase;
use super::{Guard, State, World};
use crate::at::ABORT_GRACE;
use crate::at::response::Outcome;
use crate::at::result::ResultCode;
use crate::call::{CallEnd, CallEvent, RING_LASTS};

/// How long dialling may take: the longest that S7 can be set to, and some.
pub(super) const LONGEST_DIALLING: Duration = Duration::from_secs(300);

/// A call being made or answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) began: Instant,
    pub(super) due: Instant,
    /// The client has given up.
    pub(super) aborted: bool,
    /// A call that comes in.
    pub(super) answers: bool,
    /// DCD was off before, so that its going on means something.
    pub(super) trusts_carrier: bool,
}

impl Guard {
    /// A result that nobody waits for.
    pub(super) fn unasked(&mut self, outcome: &Outcome, now: Instant, world: &dyn World) {
        if !matches!(outcome.code, ResultCode::Connect(_)) {
            return self.tell_outcome(outcome);
        }
        let rang = self
            .last_ring
            .filter(|(at, _)| now.saturating_duration_since(*at) < RING_LASTS);
        if let Some((_, trusts_carrier)) = rang
            && self.view.registers.answer_at_ring() > 0
        {
            self.out.events.push(CallEvent::Answered);
            let attempt = Attempt {
                began: now,
                due: now,
                aborted: false,
                answers: true,
                trusts_carrier,
            };
            self.dialled(outcome, attempt, now, world);
        } else {
            // Nobody here has called.
            self.part(now);
        }
    }

    /// How dialling or answering has ended.
    pub(super) fn dialled(
        &mut self,
        outcome: &Outcome,
        attempt: Attempt,
        now: Instant,
        world: &dyn World,
    ) {
        if !matches!(outcome.code, ResultCode::Connect(_)) {
            let event = if attempt.aborted {
                CallEvent::Ended(CallEnd::HungUp)
            } else {
                CallEvent::Failed(outcome.text.clone())
            };
            self.out.events.push(event);
            self.state = State::Command;
            if outcome.code == ResultCode::Ok {
                // A voice call, perhaps: nothing that anybody here has asked for.
                self.tell(ResultCode::NoCarrier);
                self.part(now);
            } else {
                self.tell_outcome(outcome);
            }
            return;
        }
        self.out
            .events
            .push(CallEvent::Connected(outcome.text.clone()));
        self.tell_outcome(outcome);
        if attempt.aborted {
            self.end(CallEnd::HungUp);
            self.tell(ResultCode::NoCarrier);
            return self.part(now);
        }
        let spent = self.spent(world).unwrap_or_default();
        let longest = self.rules.longest_call(spent);
        self.ends = longest.map(|longest| (now + longest, world.uptime() + longest));
        if self.fax {
            self.in_fax_call = true;
            // T.31, 8.3.3: who has called hears the other one's frames first.
            self.state = State::Fax(Fax::new(if attempt.answers {
                FaxPhase::Send
            } else {
                FaxPhase::Receive
            }));
        } else {
            let mut data = Data::new(attempt.trusts_carrier, self.rules.guard_time, now);
            data.has_carrier(now, world);
            self.state = State::Data(Box::new(data));
        }
    }

    /// The client types while the modem dials.
    pub(super) fn given_up(&mut self, data: &[u8], now: Instant) {
        let State::Calling(attempt) = &mut self.state else {
            return;
        };
        if !attempt.aborted && !data.is_empty() && now >= attempt.began + ABORT_GRACE {
            attempt.aborted = true;
            attempt.due = now + self.rules.timeout;
            self.out.to_modem.push(b'\r');
        }
    }
}
