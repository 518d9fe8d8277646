//! From `D` to digits on the line.

use std::time::{Duration, Instant};

use super::command_state::{Outcome, Rest};
use super::{Modem, Request, State};
use crate::at::command::{Dial, DialItem};
use crate::at::plan;
use crate::at::result::ResultCode;
use crate::at::temperament::Style;

/// How long `@` waits for silence (V.250 6.3.1.1: five seconds after ringing).
const QUIET: Duration = Duration::from_secs(5);

/// How long `!` keeps the hook down, half a second as Hayes' modems did.
const HOOK_FLASH: Duration = Duration::from_millis(500);

/// Digits kept of a number, more than any telephone network takes.
const LONGEST_NUMBER: usize = 64;

/// Numbers kept in the record of those dialled.
const MOST_DIALLED: usize = 10_000;

/// A call being made or answered.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) began: Instant,
    /// Digits still to go out, and when the first of them does: a modem that gives up before that
    /// has dialled nothing.
    digits: Option<(Instant, String)>,
    /// They go on where `D…;` left off.
    continues: bool,
    /// When all pauses are over, and what to do then.
    dialled: Option<(Instant, Dialled)>,
    /// When S7 runs out.
    gives_up: Instant,
    /// What to tell then.
    pub(super) failure: ResultCode,
    /// `@` was in the number: silence after ringing is told whatever `X` says.
    pub(super) waits_for_answer: bool,
}

#[derive(Debug)]
enum Dialled {
    /// Carrier is waited for.
    Call(String),
    /// A semicolon ended this number, and there is this rest of the line.
    GoesOn(String, Rest),
}

/// A dial string put together.
#[derive(Debug, Default)]
struct Plan {
    number: String,
    before_first_digit: Duration,
    pauses: Duration,
    no_dial_tone: bool,
    waits_for_answer: bool,
}

impl Attempt {
    pub(super) fn answer(now: Instant, carrier_wait: Duration) -> Self {
        Self {
            began: now,
            digits: None,
            continues: false,
            dialled: None,
            gives_up: now + carrier_wait,
            failure: ResultCode::NoCarrier,
            waits_for_answer: false,
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let digits = self.digits.as_ref().map(|(at, _)| *at);
        let dialled = self.dialled.as_ref().map(|(at, _)| *at);
        digits.or(dialled).unwrap_or(self.gives_up)
    }
}

impl Modem {
    /// Every number that has really been dialled, the oldest first: the digits that went out on
    /// the line, and where else the network was sent a number (USSD codes, the recipients of
    /// messages).
    ///
    /// A number counts in full from its first digit on. Of some ten thousand the oldest are
    /// forgotten.
    #[must_use]
    pub fn dialled(&self) -> &[String] {
        &self.dialled
    }

    pub(super) fn dial(&mut self, mut dial: Dial, rest: Rest, now: Instant) -> Outcome {
        if matches!(self.state, State::OnlineCommand) {
            return Outcome::Ends(ResultCode::Error);
        }
        if self.temperament.style == Style::Gsm && dial.items.contains(&DialItem::Other(b'>')) {
            let Some(number) = self.mobile.number_in_book(&dial.items) else {
                return Outcome::Ends(ResultCode::NoCarrier);
            };
            dial.items = digits(&number);
        }
        let mut plan = Plan::default();
        let continues = !self.begun.is_empty();
        plan.number = std::mem::take(&mut self.begun);
        if !continues {
            let registers = &self.profile.registers;
            plan.pauses = if self.profile.progress.hears_dial_tone() {
                self.temperament.dial_tone_after
            } else {
                registers.blind_dialling()
            };
        }
        plan.before_first_digit = plan.pauses;
        let before = plan.number.len();
        let Some(()) = self.put_together(&dial.items, before, &mut plan) else {
            return Outcome::Ends(ResultCode::Error);
        };
        // `ATDLL` doubles it each time; ITU-T E.164 knows 15 digits at most.
        plan.number.truncate(LONGEST_NUMBER);
        self.ringing_stopped();
        let stays = dial.stays_in_command_state;
        if !stays {
            self.last_number.clone_from(&plan.number);
        }
        let dialled_at = now + plan.pauses;
        let failure = if plan.no_dial_tone {
            ResultCode::NoDialtone
        } else {
            ResultCode::NoCarrier
        };
        let call = if stays {
            Some(Dialled::GoesOn(plan.number.clone(), rest))
        } else {
            (!plan.no_dial_tone).then(|| Dialled::Call(plan.number.clone()))
        };
        self.state = State::Connecting(Attempt {
            began: now,
            digits: Some((now + plan.before_first_digit, plan.number)),
            continues,
            dialled: call.map(|call| (dialled_at, call)),
            gives_up: dialled_at + self.profile.registers.carrier_wait(),
            failure,
            waits_for_answer: plan.waits_for_answer,
        });
        if stays && dialled_at <= now {
            // It is over before anybody has noticed.
            self.advance_attempt(now);
            self.advance_attempt(now);
        }
        Outcome::Later
    }

    /// Works through the dial string; `None` where it names a number that is not stored.
    fn put_together(&self, items: &[DialItem], before: usize, plan: &mut Plan) -> Option<()> {
        for item in items {
            match *item {
                // Behind the dial tone that did not come nothing goes out any more.
                _ if plan.no_dial_tone => {}
                DialItem::Digit(digit) => plan.number.push(char::from(digit)),
                DialItem::Redial => plan.number.push_str(&self.last_number),
                DialItem::Pause => plan.pauses += self.profile.registers.comma(),
                DialItem::HookFlash => plan.pauses += HOOK_FLASH,
                DialItem::WaitForQuiet => {
                    plan.pauses += QUIET;
                    plan.waits_for_answer = true;
                }
                DialItem::WaitForDialTone => {
                    plan.no_dial_tone |= !plan::gives_dial_tone(&plan.number);
                }
                DialItem::Stored(n) => {
                    let stored = self.stored_numbers.get(usize::from(n))?;
                    // A stored number that names a stored number is nothing to follow.
                    let items: Vec<_> = stored
                        .items
                        .iter()
                        .filter(|item| !matches!(item, DialItem::Stored(_)))
                        .copied()
                        .collect();
                    self.put_together(&items, before, plan)?;
                }
                DialItem::Tone | DialItem::Pulse | DialItem::AnswerTone | DialItem::Other(_) => {}
            }
            if plan.number.len() == before {
                plan.before_first_digit = plan.pauses;
            }
        }
        Some(())
    }

    /// Does the next thing that is due.
    pub(super) fn advance_attempt(&mut self, now: Instant) {
        let State::Connecting(attempt) = &mut self.state else {
            return;
        };
        if let Some((_, number)) = attempt.digits.take() {
            if attempt.continues {
                self.dialled.pop();
            }
            if !number.is_empty() {
                self.record(number);
            }
            return;
        }
        match attempt.dialled.take() {
            Some((_, Dialled::Call(number))) => self.requests.push_back(Request::Call(number)),
            Some((_, Dialled::GoesOn(number, rest))) => {
                self.state = State::Command { off_hook: true };
                // A mobile phone calls at once; the next number is another one.
                if self.temperament.style == Style::Hayes {
                    self.begun = number;
                }
                self.go_on(rest, now);
            }
            None => {
                let failure = attempt.failure;
                self.go_on_hook();
                self.tell(failure, now);
            }
        }
    }

    pub(super) fn record(&mut self, number: String) {
        if self.dialled.len() >= 2 * MOST_DIALLED {
            self.dialled.drain(..MOST_DIALLED);
        }
        self.dialled.push(number);
    }
}

/// A number out of the telephone book as what stands behind `D`.
fn digits(number: &str) -> Vec<DialItem> {
    number.bytes().map(DialItem::Digit).collect()
}
