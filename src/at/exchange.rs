//! The telephone exchange between emulated modems and built-in services.
//!
//! Sans-IO: each line's terminal hands its bytes in with [`Exchange::receive`] and fetches what
//! the modem says from [`Exchange::output`]; time moves with [`Exchange::advance`]. Every buffer
//! on the way is bounded: a terminal that does not read stops the far side's terminal, and
//! [`Exchange::receive`] then takes less than it is given.

mod call;

use std::time::{Duration, Instant, SystemTime};

use self::call::{Call, Party, Phase};
use super::modem::{Caller, Modem, Request};
use super::plan::{self, Destination};
use super::service::Service;
use super::temperament::Temperament;

/// From one ring to the next: 2 s of bell and 4 s of silence, as in North America.
const RING_CYCLE: Duration = Duration::from_secs(6);

/// From the answer to carrier on both sides, and from dialling to a service's answer or the busy
/// tone: longer than the 125 ms in which a line feed after `ATD…` does no harm.
const SET_UP: Duration = Duration::from_millis(200);

/// The exchange and all modems on it.
#[derive(Debug)]
pub struct Exchange {
    lines: Vec<Line>,
    calls: Vec<Option<Call>>,
    /// The same moment on both clocks, for the service that tells the time.
    started: (Instant, SystemTime),
}

#[derive(Debug)]
struct Line {
    modem: Modem,
    /// DTR is off, though there may be a terminal.
    hung_up: bool,
    /// Index of its call in `calls`, also while it is only ringing.
    call: Option<usize>,
}

impl Exchange {
    /// An exchange with this many lines, at most [`plan::MOST_LINES`], each with a modem whose
    /// number is [`plan::number`]. `now` and `time` are the same moment.
    #[must_use]
    pub fn new(lines: usize, now: Instant, time: SystemTime) -> Self {
        Self::with(&vec![Temperament::default(); lines], now, time)
    }

    /// An exchange with a line for each of these modems.
    #[must_use]
    pub fn with(temperaments: &[Temperament], now: Instant, time: SystemTime) -> Self {
        let line = |(line, temperament): (usize, &Temperament)| Line {
            modem: Modem::with_temperament(plan::number(line), temperament.clone()),
            hung_up: false,
            call: None,
        };
        Self {
            lines: temperaments
                .iter()
                .take(plan::MOST_LINES)
                .enumerate()
                .map(line)
                .collect(),
            calls: Vec::new(),
            started: (now, time),
        }
    }

    /// Takes bytes from the terminal of `line`, and returns how many. The others are to be handed
    /// in again after some [`Self::output`] was taken or the time moved on.
    pub fn receive(&mut self, line: usize, data: &[u8], now: Instant) -> usize {
        self.advance(now);
        if !self.lines[line].hung_up {
            self.lines[line].modem.set_terminal_ready(true);
        }
        let mut taken = 0;
        loop {
            let count = self.lines[line].modem.receive(&data[taken..], now);
            taken += count;
            self.settle(line, now);
            if count == 0 || taken == data.len() {
                break;
            }
        }
        // A number without a pause in it is dialled at once.
        self.advance(now);
        taken
    }

    /// What the terminal of `line` is to get next; empty for nothing, otherwise there may be more
    /// behind it.
    #[must_use]
    pub fn output(&self, line: usize) -> &[u8] {
        self.lines[line].modem.output()
    }

    /// The terminal has got the first `count` bytes of [`Self::output`].
    pub fn sent(&mut self, line: usize, count: usize, now: Instant) {
        self.lines[line].modem.sent(count);
        self.settle(line, now);
    }

    /// There is a terminal on this line, though it has not sent anything yet (DTR on).
    pub fn terminal_came(&mut self, line: usize) {
        self.lines[line].hung_up = false;
        self.lines[line].modem.set_terminal_ready(true);
    }

    /// The terminal is gone (DTR off). Bytes are a sign of the next one.
    pub fn terminal_gone(&mut self, line: usize, now: Instant) {
        self.set_terminal_ready(line, false, now);
        self.lines[line].hung_up = false;
    }

    /// DTR itself: while it is off bytes are carried and commands heard, but they do not count as
    /// a sign of a terminal.
    pub fn set_terminal_ready(&mut self, line: usize, ready: bool, now: Instant) {
        self.advance(now);
        self.lines[line].hung_up = !ready;
        self.lines[line].modem.set_terminal_ready(ready);
        self.settle(line, now);
    }

    /// Throws away what the modem has to say at this moment: nobody is there to read it.
    pub fn discard_output(&mut self, line: usize, now: Instant) {
        self.lines[line].modem.discard_output();
        self.settle(line, now);
    }

    /// Every number that this line's modem has really dialled; see [`Modem::dialled`].
    #[must_use]
    pub fn dialled(&self, line: usize) -> &[String] {
        self.lines[line].modem.dialled()
    }

    /// DCD of this line's modem.
    #[must_use]
    pub fn carrier(&self, line: usize) -> bool {
        self.lines[line].modem.carrier()
    }

    /// Ends the call of this line, if it is in one, from the other side and at once: what is on
    /// its way is lost.
    pub fn hang_up_far(&mut self, line: usize, now: Instant) {
        self.advance(now);
        if let Some(call) = self.lines[line].call {
            self.end_call(call, now);
        }
    }

    /// When [`Self::advance`] is to be called at the latest; `None` if time changes nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let modems = self
            .lines
            .iter()
            .filter_map(|line| line.modem.next_deadline());
        let calls = self.calls.iter().flatten().filter_map(Call::next_deadline);
        modems.chain(calls).min()
    }

    /// Does everything due up to `now`, in the order in which it became due.
    pub fn advance(&mut self, now: Instant) {
        while let Some(due) = self.next_deadline().filter(|&due| due <= now) {
            for line in 0..self.lines.len() {
                self.lines[line].modem.advance(due);
                self.settle(line, due);
            }
            for call in 0..self.calls.len() {
                self.advance_call(call, due);
            }
        }
    }

    /// Works off what the modem wants and moves what its call can carry.
    fn settle(&mut self, line: usize, now: Instant) {
        while let Some(request) = self.lines[line].modem.take_request() {
            match request {
                Request::Call(number) => self.place_call(line, &number, now),
                Request::Answer => self.answer(line, now),
                Request::HangUp => self.hang_up(line, now),
            }
        }
        if let Some(call) = self.lines[line].call {
            self.carry(call, now);
        }
    }

    fn place_call(&mut self, from: usize, number: &str, now: Instant) {
        if self.lines[from].call.is_some() {
            // Whoever lifts the receiver while the bell rings has the caller, not a dial tone.
            return self.answer(from, now);
        }
        let destination = match plan::destination(number) {
            Destination::Line(line) => match self.lines.get(line) {
                Some(line) if line.call.is_some() || line.modem.is_off_hook() => Destination::Busy,
                Some(_) => Destination::Line(line),
                None => Destination::Nowhere,
            },
            other => other,
        };
        let (party, phase) = match destination {
            Destination::Nowhere => return,
            Destination::Line(line) => (Party::Line(line), Phase::Ringing(now)),
            Destination::NobodyHome => (Party::gone(), Phase::Idle),
            Destination::Busy => (Party::gone(), Phase::Busy(now + SET_UP)),
            Destination::Service(kind) => {
                let (started, time) = self.started;
                let time = time + now.saturating_duration_since(started);
                let service = Service::answer(kind, time);
                (Party::Service(service), Phase::SetUp(now + SET_UP))
            }
        };
        let free = self.calls.iter().position(Option::is_none);
        let index = free.unwrap_or(self.calls.len());
        if free.is_none() {
            self.calls.push(None);
        }
        let call = Call {
            parties: [Party::Line(from), party],
            phase,
        };
        for line in call.lines() {
            self.lines[line].call = Some(index);
        }
        self.calls[index] = Some(call);
        if matches!(destination, Destination::Line(_) | Destination::NobodyHome) {
            self.lines[from].modem.ringing_tone();
        }
        self.advance_call(index, now);
    }

    fn answer(&mut self, line: usize, now: Instant) {
        if let Some(index) = self.lines[line].call
            && let Some(call) = self.calls[index].as_mut()
            && matches!(call.phase, Phase::Ringing(_))
        {
            call.phase = Phase::SetUp(now + SET_UP);
        }
    }

    /// Takes the line out of its call. What its modem had taken from the terminal is still
    /// carried over.
    fn hang_up(&mut self, line: usize, now: Instant) {
        let unsaid = self.lines[line].modem.take_unsaid();
        let Some(index) = self.lines[line].call.take() else {
            return;
        };
        let Some(call) = self.calls[index].as_mut() else {
            return;
        };
        if let Some(party) = call.parties.iter_mut().find(|party| party.is_line(line)) {
            *party = Party::Gone(unsaid);
        }
        if call.phase == Phase::Connected && call.lines().next().is_some() {
            self.carry(index, now);
        } else {
            self.end_call(index, now);
        }
    }

    fn advance_call(&mut self, index: usize, now: Instant) {
        let Some(call) = self.calls[index].as_mut() else {
            return;
        };
        if call.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match call.phase {
            Phase::Ringing(_) => {
                call.phase = Phase::Ringing(now + RING_CYCLE);
                if let Party::Line(line) = call.parties[1] {
                    let caller = Caller {
                        number: match call.parties[0] {
                            Party::Line(from) => plan::number(from),
                            _ => String::new(),
                        },
                        time: self.started.1 + now.saturating_duration_since(self.started.0),
                    };
                    self.lines[line].modem.ring(&caller, now);
                }
            }
            Phase::Busy(_) => {
                call.phase = Phase::Idle;
                if let Party::Line(line) = call.parties[0] {
                    self.lines[line].modem.busy_tone(now);
                    self.settle(line, now);
                }
            }
            Phase::SetUp(_) => {
                call.phase = Phase::Connected;
                let lines: Vec<usize> = call.lines().collect();
                for line in lines {
                    self.lines[line].modem.connected(now);
                }
                self.carry(index, now);
            }
            Phase::Idle | Phase::Connected => {}
        }
    }

    /// Moves bytes both ways as far as they go, and ends the call when one side is gone and all
    /// it said is heard.
    fn carry(&mut self, index: usize, now: Instant) {
        let Some(call) = self.calls[index]
            .as_mut()
            .filter(|call| call.phase == Phase::Connected)
        else {
            return;
        };
        loop {
            let [one, other] = &mut call.parties;
            let there = call::carry(&mut self.lines, one, other);
            let back = call::carry(&mut self.lines, other, one);
            if !there && !back {
                break;
            }
        }
        let over = call.parties.iter().any(Party::is_done)
            || call.lines().any(|line| {
                // Whoever is in command state takes nothing more; it is told at once.
                !self.lines[line].modem.is_online() && call.parties.iter().any(Party::has_left)
            });
        if over {
            self.end_call(index, now);
        }
    }

    fn end_call(&mut self, index: usize, now: Instant) {
        let Some(call) = self.calls[index].take() else {
            return;
        };
        for line in call.lines() {
            let line = &mut self.lines[line];
            line.call = None;
            line.modem.ringing_stopped();
            line.modem.carrier_lost(now);
            line.modem.take_unsaid();
            // The hanging up that carrier_lost asks for has just been done.
            while line.modem.take_request().is_some() {}
        }
    }
}
