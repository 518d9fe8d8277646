//! Data state: what the client sends goes through, and the guard sees to it that it stays data.

use std::time::{Duration, Instant};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::hazard::Hazard;
use super::pacer::Pacer;
use super::{Guard, State, Taken, World};
use crate::at::escape::EscapeWatch;
use crate::at::profile::Profile;
use crate::at::result::ResultCode;
use crate::call::CallEnd;

/// What a modem says when carrier is lost.
const LOST: &[u8] = b"NO CARRIER\r\n";

/// What may come after that from a modem in command state.
const AFTER_LOST: &[u8] = b"\r\nRING";

/// How often DCD is looked at; and before something is sent, if the last look is older than that.
const LOOK: Duration = Duration::from_secs(1);
const FRESH: Duration = Duration::from_millis(100);

/// DCD has to go on within this time after `CONNECT`, or it is not what it seems to be.
const CARRIER_COMES: Duration = Duration::from_secs(2);

/// How long DCD may stay on after [`LOST`] was read, and how long a modem without DCD must say nothing more,
/// until it is known what that meant.
const DOUBT: Duration = Duration::from_secs(2);
const DOUBT_WITHOUT_CARRIER: Duration = Duration::from_secs(1);
const LOOK_IN_DOUBT: Duration = Duration::from_millis(50);

/// How often it is looked whether all was sent.
pub(super) const DRAIN_POLL: Duration = Duration::from_millis(5);

/// How long a modem that has just got all that was sent has to say that it lost carrier, or gave up a fax, before.
pub(super) const SETTLING: Duration = Duration::from_millis(20);

/// Data state of one call.
#[derive(Debug)]
pub(super) struct Data {
    began: Instant,
    /// DCD tells whether there is carrier.
    pub(super) trusts_carrier: bool,
    /// It did tell so.
    has_seen_carrier: bool,
    last_look: Instant,
    /// The client's own escape.
    watch: EscapeWatch,
    /// How many octets at the front of what is handed in next it has seen already.
    watched: usize,
    pacer: Option<Pacer>,
    hazard: Hazard,
    hold: Option<Hold>,
    /// The last octets of the modem's, as far as they are the beginning of [`LOST`].
    tail: Vec<u8>,
    /// The modem has said that carrier is lost, or the far side has.
    doubt: Option<Instant>,
    has_said_lost: bool,
    /// The octet after that.
    followed_by: Option<u8>,
}

/// What was heard of the modem that matters to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Heard {
    tail: Vec<u8>,
    is_in_doubt: bool,
}

/// Why the client has to wait.
#[derive(Debug, Clone, Copy)]
enum Hold {
    /// Until everything has reached the modem: since then, if it has.
    Checkpoint(Option<Instant>),
    /// Until it was silent between two escape characters: since everything has reached the modem.
    Silence(Option<Instant>),
}

impl Data {
    pub(super) fn new(trusts_carrier: bool, guard_time: Option<Duration>, now: Instant) -> Self {
        Data {
            began: now,
            trusts_carrier,
            has_seen_carrier: false,
            last_look: now,
            watch: EscapeWatch::new(now),
            watched: 0,
            pacer: guard_time.map(|guard_time| Pacer::new(guard_time, now)),
            hazard: Hazard::default(),
            hold: None,
            tail: Vec::new(),
            doubt: None,
            has_said_lost: false,
            followed_by: None,
        }
    }

    /// What another process needs beside [`Self::trusts_carrier`].
    pub(super) fn heard(&self) -> Heard {
        Heard {
            tail: self.tail.clone(),
            is_in_doubt: self.doubt.is_some(),
        }
    }

    /// As another process has left it.
    pub(super) fn found(
        trusts_carrier: bool,
        heard: Heard,
        guard_time: Option<Duration>,
        now: Instant,
    ) -> Self {
        let mut data = Data::new(trusts_carrier, guard_time, now);
        data.has_seen_carrier = true;
        data.tail = heard.tail;
        if heard.is_in_doubt {
            data.has_said_lost = true;
            data.doubt = Some(if trusts_carrier { now + DOUBT } else { now });
        }
        data.hazard = Hazard::inherited();
        data.hold = Some(match guard_time {
            // It may have sent two of the escape characters.
            Some(_) => Hold::Silence(None),
            None => Hold::Checkpoint(None),
        });
        data
    }

    /// After the client's command state.
    pub(super) fn back(mut data: Data, now: Instant) -> Self {
        data.watch = EscapeWatch::new(now);
        data.watched = 0;
        data
    }

    /// Whether DCD tells how it stands with the call.
    pub(super) fn shows_carrier(&self) -> bool {
        self.trusts_carrier && self.has_seen_carrier
    }

    /// Whether the client has to wait.
    pub(super) fn is_waiting(&self) -> bool {
        self.hold.is_some() || self.doubt.is_some() || self.awaits_carrier()
    }

    /// DCD has not gone on yet, and if carrier was lost at once it never will.
    fn awaits_carrier(&self) -> bool {
        self.trusts_carrier && !self.has_seen_carrier
    }

    /// What of the escape sequence was not sent, of so many octets that are handed in.
    pub(super) fn take_unsent(&mut self, of: usize) -> usize {
        let unsent = self.watched.min(of);
        self.watched -= unsent;
        unsent
    }

    /// What was handed in and not taken will not be handed in again.
    pub(super) fn forget_held(&mut self) {
        self.watched = 0;
    }

    /// When DCD is to be looked at.
    pub(super) fn look_due(&self) -> Option<Instant> {
        self.trusts_carrier.then_some(self.last_look + LOOK)
    }

    pub(super) fn next_deadline(&self, view: &Profile) -> Option<Instant> {
        let escape = self.watch.due(view.registers.guard_time());
        let doubt = self.doubt.map(|until| {
            let look = self.last_look + LOOK_IN_DOUBT;
            if self.trusts_carrier {
                until.min(look)
            } else {
                until
            }
        });
        // The client waits for the end of the doubt anyway.
        let carrier = self
            .awaits_carrier()
            .then_some(self.last_look + LOOK_IN_DOUBT);
        let hold = self.hold.filter(|_| self.doubt.is_none());
        let hold = hold.map(|hold| match hold {
            Hold::Checkpoint(Some(since)) => since + SETTLING,
            Hold::Silence(Some(since)) => since + self.silence(),
            Hold::Checkpoint(None) | Hold::Silence(None) => self.last_look + DRAIN_POLL,
        });
        [escape, doubt, carrier, hold, self.look_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at DCD. False if carrier is lost.
    pub(super) fn has_carrier(&mut self, now: Instant, world: &dyn World) -> bool {
        self.last_look = now;
        if !self.trusts_carrier {
            return true;
        }
        match world.carrier() {
            Some(true) => self.has_seen_carrier = true,
            Some(false) if self.has_seen_carrier => return false,
            _ => self.trusts_carrier = now < self.began + CARRIER_COMES,
        }
        true
    }

    /// How long it has to be silent between two escape characters.
    fn silence(&self) -> Duration {
        self.pacer.as_ref().map_or(Duration::ZERO, Pacer::silence)
    }

    /// Whether what the client waits for has come about.
    fn is_over(&mut self, now: Instant, world: &dyn World) -> bool {
        let silence = self.silence();
        let (since, time) = match &mut self.hold {
            // What was sent has to have reached the modem while it was in data state. Nobody could tell when it
            // has come to the other side of a pseudo terminal.
            Some(Hold::Checkpoint(_)) if self.doubt.is_some() => return false,
            Some(Hold::Checkpoint(_)) if world.carrier().is_none() => return true,
            Some(Hold::Checkpoint(since)) => (since, SETTLING),
            Some(Hold::Silence(since)) => (since, silence),
            None => return false,
        };
        if world.unsent() > 0 {
            *since = None;
            return false;
        }
        now >= *since.get_or_insert(now) + time
    }

    /// Looks for words by which the modem, or the far side, says that carrier is lost.
    fn listen(&mut self, data: &[u8], now: Instant) {
        let after = if let Some(at) = memmem::find_iter(data, LOST).last() {
            Some(&data[at + LOST.len()..])
        } else {
            let before = self.tail.len();
            self.tail.extend(&data[..data.len().min(LOST.len() - 1)]);
            let found = memmem::rfind(&self.tail, LOST);
            self.tail.truncate(before);
            found.map(|at| &data[at + LOST.len() - before..])
        };
        let rest = after.unwrap_or(data);
        if after.is_some() {
            self.followed_by = None;
        }
        if after.is_some() || self.doubt.is_some() {
            self.followed_by = self.followed_by.or(rest.first().copied());
        }
        // What a modem in command state says by itself begins with a line end (V.250 5.7.1).
        let begins_a_line = matches!(self.followed_by, Some(b'\r' | b'\n'));
        let may_be_the_modem = !self.trusts_carrier && (self.hazard.has_spoken() || begins_a_line);
        if rest.iter().any(|octet| !AFTER_LOST.contains(octet)) && !may_be_the_modem {
            // Only a modem in data state says that.
            self.doubt = None;
        } else if after.is_some() {
            self.has_said_lost = true;
            self.doubt = Some(
                now + match self.trusts_carrier {
                    true => DOUBT,
                    // What follows could be its answers to what is still on its way there, and it is about
                    // to dial.
                    false if self.hazard.has_spoken() => Duration::ZERO,
                    false => DOUBT_WITHOUT_CARRIER,
                },
            );
        }
        // What may become those words with the next octets; nothing else, since another process is told of it.
        if data.len() >= LOST.len() {
            self.tail.clear();
        }
        self.tail
            .extend(&data[data.len().saturating_sub(LOST.len() - 1)..]);
        let begins = |from: &usize| LOST.starts_with(&self.tail[*from..]);
        let from = (0..self.tail.len()).find(begins);
        self.tail.drain(..from.unwrap_or(self.tail.len()));
    }
}

impl Guard {
    /// Octets of the client for the far side.
    pub(super) fn sent(&mut self, data: &[u8], now: Instant, world: &dyn World) -> Taken {
        let State::Data(state) = &mut self.state else {
            return Taken::Here(0);
        };
        let registers = &self.view.registers;
        let unseen = data.get(state.watched..).unwrap_or_default();
        let guard_time = registers.guard_time();
        state
            .watch
            .data(unseen, registers.escape(), guard_time, now);
        state.watched = data.len();
        if state.is_waiting() {
            return Taken::Here(0);
        }
        if now >= state.last_look + FRESH && !state.has_carrier(now, world) {
            self.lost(now);
            return Taken::Here(0);
        }
        let mut passed = state.hazard.pass(data);
        if passed < data.len() {
            state.hold = Some(Hold::Checkpoint(None));
            // What was just let through is not on its way yet.
            state.last_look = now;
        }
        if let Some(pacer) = &mut state.pacer
            && passed > 0
        {
            // After that, since what is held up makes no escape harmless. What this holds up in turn is looked
            // at twice, which makes no command harmless either.
            let paced = pacer.pass(&data[..passed], now);
            if paced < passed {
                passed = paced;
                state.hold = Some(Hold::Silence(None));
                state.last_look = now;
            }
        }
        state.watched = data.len() - passed;
        if passed == 0 {
            self.look(now, world);
            return Taken::Here(0);
        }
        Taken::Through(passed)
    }

    /// Octets of the modem for the client.
    pub(super) fn came(&mut self, data: &[u8], now: Instant, world: &dyn World) {
        let State::Data(state) = &mut self.state else {
            return;
        };
        state.listen(data, now);
        if state.doubt.is_some() {
            self.look(now, world);
        }
    }

    /// Looks after a call in data state.
    pub(super) fn look(&mut self, now: Instant, world: &dyn World) {
        let State::Data(state) = &mut self.state else {
            return;
        };
        let looks = state.look_due().is_some_and(|due| due <= now);
        if (looks || state.is_waiting()) && !state.has_carrier(now, world) {
            return self.lost(now);
        }
        if state.doubt.is_some_and(|until| until <= now) {
            if !state.trusts_carrier || state.awaits_carrier() {
                return self.lost(now);
            }
            // Carrier is still there: it was the far side that said so.
            state.doubt = None;
            state.has_said_lost = false;
        }
        if state.is_over(now, world)
            && let Some(Hold::Checkpoint(_)) = state.hold.take()
        {
            state.hazard.clear();
        }
        let guard_time = self.view.registers.guard_time();
        if state.watch.due(guard_time).is_some_and(|due| due <= now) {
            self.hold_the_call();
        }
    }

    fn hold_the_call(&mut self) {
        if let State::Data(data) = std::mem::replace(&mut self.state, State::Command) {
            self.state = State::Held(data);
            self.editor.clear();
            self.tell(ResultCode::Ok);
        }
    }

    /// Looks after a call whose client is in command state.
    pub(super) fn look_while_held(&mut self, now: Instant, world: &dyn World) {
        if let State::Held(state) = &mut self.state
            && state.look_due().is_some_and(|due| due <= now)
            && !state.has_carrier(now, world)
        {
            self.lost(now);
        }
    }

    /// Carrier is lost: the modem is in command state, and what is on its way there may be commands to it.
    fn lost(&mut self, now: Instant) {
        let is_told = match &self.state {
            State::Data(data) => data.has_said_lost && self.view.verbose && !self.view.quiet,
            _ => false,
        };
        self.end(CallEnd::CarrierLost);
        if !is_told {
            self.tell(ResultCode::NoCarrier);
        }
        self.part_at_once(now);
    }
}
