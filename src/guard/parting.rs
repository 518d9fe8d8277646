//! Hanging up, and setting the modem up anew: after that it is known again in which state it is.

use std::time::{Duration, Instant};

use super::command_state::Commands;
use super::setup::{self, silence};
use super::{Guard, State, World};
use crate::at::dialogue::{Dialogue, Step, Wants};

/// How long DTR stays off: twelve times what a modem needs to see it ([`setup`] has S25 at five hundredths of a
/// second).
const DTR_DOWN: Duration = Duration::from_millis(600);

/// How long a modem may need after DTR is on again until it listens.
const RECOVERY: Duration = Duration::from_millis(200);

/// A way to end a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Dtr,
    Escape(Duration),
    /// There is none to end.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Parting {
    /// Those that are still to be tried, the next one last.
    ways: Vec<Way>,
    phase: Phase,
    /// What the client has still to be done for.
    rest: Option<Commands>,
    /// DCD went on with the call, and has to go off with it.
    shows_carrier: bool,
}

#[derive(Debug)]
enum Phase {
    DtrDown(Instant),
    /// By the client, for as long as it likes.
    DtrDownByClient,
    Recovery(Instant),
    /// Silence before the escape sequence, and after it.
    Before(Instant, Duration),
    After(Instant),
    SetUp(Dialogue),
}

impl Parting {
    /// The modem has said this.
    pub(super) fn hear(&mut self, data: &[u8], now: Instant) {
        if let Phase::SetUp(dialogue) = &mut self.phase {
            dialogue.hear(data, now);
        }
    }

    /// The client has switched DTR. Returns what it is to be: the client cannot make it too short for the
    /// modem to notice.
    pub(super) fn dtr(&mut self, on: bool, now: Instant) -> bool {
        match self.phase {
            _ if !on => self.phase = Phase::DtrDownByClient,
            Phase::DtrDown(_) | Phase::DtrDownByClient => {
                self.phase = Phase::DtrDown(now + DTR_DOWN);
                return false;
            }
            _ => {}
        }
        on
    }

    /// The client keeps DTR off: a modem would not listen either.
    pub(super) fn is_deaf(&self) -> bool {
        matches!(self.phase, Phase::DtrDownByClient)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::DtrDown(at) | Phase::Recovery(at) | Phase::Before(at, _) | Phase::After(at) => {
                Some(*at)
            }
            Phase::DtrDownByClient => None,
            Phase::SetUp(dialogue) => dialogue.next_deadline(),
        }
    }
}

impl Guard {
    /// Hangs up, whatever the modem does.
    pub(super) fn part(&mut self, now: Instant) {
        self.part_by(None, true, self.rules.by_escape, now);
    }

    /// The same of a modem that is in command state already, and may be about to dial: an escape would only give
    /// it the time for that.
    pub(super) fn part_at_once(&mut self, now: Instant) {
        self.part_by(None, true, false, now);
    }

    /// Hangs up, if there is a call, sets the modem up as it was at the beginning, and goes on with `rest`.
    pub(super) fn part_and(&mut self, rest: Commands, has_call: bool, now: Instant) {
        self.part_by(Some(rest), has_call, self.rules.by_escape, now);
    }

    fn part_by(&mut self, rest: Option<Commands>, has_call: bool, by_escape: bool, now: Instant) {
        let escape = self.rules.guard_time.map(Way::Escape);
        let mut ways = vec![Way::Dtr];
        if by_escape {
            ways.extend(escape);
        } else {
            ways.splice(0..0, escape);
        }
        if has_call {
            self.out.discard = true;
            self.out.to_modem.clear();
        } else {
            ways.push(Way::Nothing);
        }
        let shows_carrier = match &self.state {
            State::Data(data) | State::Held(data) => data.shows_carrier(),
            State::Parting(parting) => parting.shows_carrier,
            _ => false,
        };
        self.fax = false;
        self.ends = None;
        self.responses.clear();
        let mut parting = Parting {
            ways,
            phase: Phase::DtrDownByClient,
            rest,
            shows_carrier,
        };
        self.try_next_way(&mut parting, now);
        self.state = State::Parting(Box::new(parting));
    }

    /// False if there is none.
    fn try_next_way(&mut self, parting: &mut Parting, now: Instant) -> bool {
        parting.phase = match parting.ways.pop() {
            None => return false,
            Some(Way::Dtr) => {
                self.out.dtr = Some(false);
                Phase::DtrDown(now + DTR_DOWN)
            }
            Some(Way::Escape(guard_time)) => {
                let silence = silence(guard_time);
                Phase::Before(now + silence, silence)
            }
            Some(Way::Nothing) => self.set_up(now),
        };
        true
    }

    fn set_up(&mut self, now: Instant) -> Phase {
        let init = self.rules.init.iter().map(|line| Step {
            line: line.clone(),
            wants: Wants::Ok,
        });
        let clearing = std::iter::once(setup::clearing());
        let steps = clearing
            .chain(init)
            .chain(setup::steps(self.rules.guard_time))
            .collect();
        let mut dialogue = Dialogue::after_others(steps, self.rules.timeout, now);
        self.out.to_modem.extend(dialogue.output());
        Phase::SetUp(dialogue)
    }

    /// Does what comes next, if it is time.
    pub(super) fn go_on(&mut self, now: Instant, world: &dyn World) {
        let State::Parting(mut parting) = std::mem::replace(&mut self.state, State::Command) else {
            return;
        };
        match &mut parting.phase {
            Phase::DtrDown(at) if *at <= now => {
                self.out.dtr = Some(true);
                parting.phase = Phase::Recovery(now + RECOVERY);
            }
            Phase::Recovery(at) | Phase::After(at) if *at <= now => {
                parting.phase = self.set_up(now);
            }
            Phase::Before(at, silence) if *at <= now => {
                self.out.to_modem.extend(b"+++");
                parting.phase = Phase::After(now + *silence);
            }
            Phase::SetUp(dialogue) => {
                dialogue.advance(now);
                self.out.to_modem.extend(dialogue.output());
                let failed = match dialogue.outcome() {
                    None => None,
                    // Perhaps it was the far side that said so.
                    Some(Ok(())) if parting.shows_carrier && world.carrier() == Some(true) => {
                        Some("DCD is still on".to_owned())
                    }
                    Some(Ok(())) => {
                        if let Some(rest) = parting.rest {
                            self.carry_out(rest, now, world);
                        }
                        return;
                    }
                    Some(Err(failed)) => Some(failed.to_string()),
                };
                if let Some(failed) = failed
                    && !self.try_next_way(&mut parting, now)
                {
                    self.state = State::Lost(failed);
                    return;
                }
            }
            _ => {}
        }
        self.state = State::Parting(parting);
    }
}
