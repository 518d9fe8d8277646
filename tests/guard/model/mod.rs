//! A client, the guard, a serial line, a modem on a telephone line, and somebody at the other end of it.
//!
//! The clock stands still until somebody wants to do something. What the modem dials is compared after
//! each step with what the rules permit, by other means than the guard's.

mod scene;
mod wire;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use modemd::account::Spent;
use modemd::at::dialogue::Dialogue;
use modemd::at::exchange::Exchange;
use modemd::at::temperament::Temperament;
use modemd::guard::{Guard, Memo, Moment, Output, Rules, Taken, World, setup};

pub(crate) use scene::{Act, Kind, Line, Scene, is_permitted};
use wire::Wire;

/// The modem that is guarded, and the one it can call.
pub(crate) const HERE: usize = 0;
pub(crate) const FAR: usize = 1;

/// So often may somebody want to do something without the time going on.
const PATIENCE: u32 = 20_000;

/// All of it.
pub(crate) struct Model {
    start: Instant,
    now: Instant,
    exchange: Exchange,
    rules: Rules,
    guard: Guard,
    there: Wire,
    back: Wire,
    /// How long after the modem DCD changes; none where the line has none.
    carrier_after: Option<Duration>,
    carrier: VecDeque<(Instant, bool)>,
    dtr: bool,
    /// How long it has to be off until the modem takes notice (S25), and when that is.
    dtr_after: Duration,
    dtr_falls: Option<Instant>,
    /// In pieces of so many octets the guard is given what the client sends.
    piece: usize,
    to_guard: VecDeque<u8>,
    to_far: VecDeque<u8>,
    /// What the client has heard.
    pub(crate) heard: Vec<u8>,
    /// What the far terminal has.
    pub(crate) far_heard: Vec<u8>,
    judged: usize,
    calm: u32,
    is_traced: bool,
}

/// What the guard sees.
struct Sight {
    carrier: Option<bool>,
    unsent: u32,
    uptime: Duration,
}

impl World for Sight {
    fn carrier(&self) -> Option<bool> {
        self.carrier
    }

    fn unsent(&self) -> u32 {
        self.unsent
    }

    fn uptime(&self) -> Duration {
        self.uptime
    }

    fn moment(&self) -> Moment {
        Moment {
            weekday: 0,
            minute: 600,
        }
    }

    fn spent(&self) -> Result<Spent, String> {
        Ok(Spent::default())
    }

    fn book(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Model {
    /// With the modem prepared as modemd does it.
    pub(crate) fn new(line: &Line) -> Self {
        let now = Instant::now();
        let temperaments = [line.kind.temperament(), Temperament::hayes()];
        let exchange = Exchange::with(&temperaments, now, SystemTime::UNIX_EPOCH);
        let rules = line.rules();
        let milliseconds = Duration::from_millis;
        let octet = Duration::from_micros(line.octet_usec);
        let mut model = Model {
            start: now,
            now,
            exchange,
            guard: Guard::new(rules.clone()),
            rules,
            there: Wire::new(octet, milliseconds(line.hidden_msec), line.burst, line.fifo),
            back: Wire::new(octet, milliseconds(line.back_msec), line.burst, 0),
            carrier_after: line.carrier_msec.map(milliseconds),
            carrier: VecDeque::new(),
            dtr: true,
            dtr_after: milliseconds(line.dtr_msec),
            dtr_falls: None,
            piece: line.piece.max(1),
            to_guard: VecDeque::new(),
            to_far: VecDeque::new(),
            heard: Vec::new(),
            far_heard: Vec::new(),
            judged: 0,
            calm: 0,
            is_traced: std::env::var_os("MODEMD_GUARD_TRACE").is_some(),
        };
        model.exchange.terminal_came(HERE);
        model.prepare();
        model.far(b"ATE0S0=1\r");
        model
    }

    fn prepare(&mut self) {
        let steps = setup::steps(self.rules.guard_time);
        let mut dialogue = Dialogue::new(steps, self.rules.timeout, self.now);
        while dialogue.outcome().is_none() {
            let line = dialogue.output();
            assert_eq!(self.exchange.receive(HERE, &line, self.now), line.len());
            let said = self.exchange.output(HERE).to_vec();
            self.exchange.sent(HERE, said.len(), self.now);
            dialogue.hear(&said, self.now);
            if said.is_empty() && line.is_empty() {
                self.now = self.exchange.next_deadline().unwrap();
                self.exchange.advance(self.now);
            }
        }
        dialogue.outcome().unwrap().unwrap();
    }

    pub(crate) fn act(&mut self, act: &Act) {
        match act {
            Act::Client(data) => self.client(data),
            Act::Far(data) => self.far(data),
            Act::Wait(span) => self.wait(*span),
            Act::FarHangsUp => self.far_hangs_up(),
            Act::Dtr(on) => self.dtr(*on),
            Act::HandOver => self.hand_over(),
        }
    }

    /// The client sends this.
    pub(crate) fn client(&mut self, data: &[u8]) {
        self.to_guard.extend(data);
        self.settle();
    }

    /// The far terminal sends this to its modem.
    pub(crate) fn far(&mut self, data: &[u8]) {
        self.to_far.extend(data);
        self.settle();
    }

    /// The far side is gone at once.
    pub(crate) fn far_hangs_up(&mut self) {
        self.exchange.hang_up_far(HERE, self.now);
        self.settle();
    }

    /// The client switches DTR.
    pub(crate) fn dtr(&mut self, on: bool) {
        self.guard.dtr(on, self.now);
        self.do_what_came_of_it();
        self.settle();
    }

    /// Another process goes on.
    pub(crate) fn hand_over(&mut self) {
        let memo = serde_json::to_vec(&self.guard.memo()).unwrap();
        let rules = serde_json::to_vec(&self.rules).unwrap();
        let memo: Memo = serde_json::from_slice(&memo).unwrap();
        let rules: Rules = serde_json::from_slice(&rules).unwrap();
        self.guard = Guard::resume(rules, memo, self.now, &self.sight());
        self.do_what_came_of_it();
        self.settle();
    }

    /// The time goes on.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.settle();
            let next = [
                self.guard.next_deadline(),
                self.exchange.next_deadline(),
                self.there.next(self.now),
                self.back.next(self.now),
                self.carrier_due(),
                self.dtr_falls,
            ];
            match next.into_iter().flatten().min() {
                Some(next) if next <= until => self.go_to(next),
                _ => break,
            }
        }
        self.go_to(until);
        self.settle();
    }

    fn go_to(&mut self, time: Instant) {
        if time > self.now {
            self.now = time;
            self.calm = 0;
        }
        self.calm += 1;
        assert!(
            self.calm < PATIENCE,
            "the time stands still: {:?}",
            self.guard
        );
    }

    /// A register of the client's view.
    pub(crate) fn register(&self, place: usize) -> u8 {
        let memo = serde_json::to_value(self.guard.memo()).unwrap();
        let value = memo["view"]["registers"][place].as_u64().unwrap();
        u8::try_from(value).unwrap()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.guard.is_lost().is_some()
    }

    /// How much the guard keeps in mind, roughly.
    pub(crate) fn weight(&self) -> usize {
        format!("{:?}", self.guard).len()
    }

    pub(crate) fn describe(&self) -> String {
        let all = format!("{:?}", self.guard);
        all.split_once("view:")
            .map_or(all.clone(), |(_, rest)| rest.to_owned())
    }

    fn state(&self) -> String {
        let all = self.describe();
        let (_, state) = all.split_once("state: ").unwrap_or_default();
        state
            .split(['(', ','])
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Nothing is on its way to the modem, or waits for the guard.
    pub(crate) fn is_drained(&self) -> bool {
        self.to_guard.is_empty() && self.there.is_empty()
    }

    // What goes on at one moment.

    fn settle(&mut self) {
        while self.modem_hears() | self.modem_speaks() | self.far_side_speaks() | self.guard_works()
        {
            self.calm += 1;
            assert!(
                self.calm < PATIENCE,
                "never at rest: {:?} {:?} {}",
                self.now,
                self.guard.next_deadline(),
                self.describe()
            );
        }
        self.judge();
    }

    fn modem_hears(&mut self) -> bool {
        self.exchange.advance(self.now);
        self.watch_dtr();
        self.watch_carrier();
        let data = self.there.arrived(self.now);
        if data.is_empty() {
            return false;
        }
        let taken = self.exchange.receive(HERE, &data, self.now);
        self.trace("> modem", &data[..taken]);
        if !self.dtr && self.dtr_falls.is_none() {
            // A modem may listen without DTR; it does not begin anything that lasts.
            self.exchange.terminal_gone(HERE, self.now);
        }
        self.there.take(taken);
        self.watch_carrier();
        taken > 0
    }

    fn modem_speaks(&mut self) -> bool {
        let mut moved = false;
        loop {
            let said = self.exchange.output(HERE);
            let said = said[..said.len().min(self.back.room())].to_vec();
            if said.is_empty() {
                return moved;
            }
            self.exchange.sent(HERE, said.len(), self.now);
            self.trace("< modem", &said);
            self.back.push(&said, self.now);
            moved = true;
        }
    }

    fn far_side_speaks(&mut self) -> bool {
        let taken = self
            .exchange
            .receive(FAR, self.to_far.make_contiguous(), self.now);
        self.to_far.drain(..taken);
        let said = self.exchange.output(FAR).to_vec();
        self.exchange.sent(FAR, said.len(), self.now);
        self.far_heard.extend(&said);
        taken > 0 || !said.is_empty()
    }

    fn guard_works(&mut self) -> bool {
        let mut moved = false;
        if self.guard.listens_to_modem() {
            moved |= self.guard_hears_the_modem();
        }
        if self.guard.listens_to_client() {
            moved |= self.guard_hears_the_client();
        }
        if self
            .guard
            .next_deadline()
            .is_some_and(|due| due <= self.now)
        {
            let sight = self.sight();
            self.guard.advance(self.now, &sight);
            self.do_what_came_of_it();
            moved = true;
        }
        moved
    }

    fn guard_hears_the_modem(&mut self) -> bool {
        let data = self.back.arrived(self.now);
        if data.is_empty() {
            return false;
        }
        let sight = self.sight();
        let taken = match self.guard.modem(&data, self.now, &sight) {
            Taken::Through(count) => {
                self.heard.extend(&data[..count]);
                count
            }
            Taken::Here(count) => count,
        };
        self.back.take(taken);
        self.do_what_came_of_it();
        taken > 0
    }

    fn guard_hears_the_client(&mut self) -> bool {
        let count = self.to_guard.len().min(self.piece).min(self.there.room());
        if count == 0 {
            return false;
        }
        let sight = self.sight();
        let data = self.to_guard.range(..count).copied().collect::<Vec<_>>();
        let data = &data[..];
        let taken = match self.guard.client(data, self.now, &sight) {
            Taken::Through(count) => {
                self.trace("client", &data[..count]);
                self.there.push(&data[..count], self.now);
                count
            }
            Taken::Here(count) => count,
        };
        self.to_guard.drain(..taken);
        self.do_what_came_of_it();
        taken > 0
    }

    fn do_what_came_of_it(&mut self) {
        let Output {
            discard,
            dtr,
            to_modem,
            to_client,
            events: _,
        } = self.guard.take_output();
        assert!(to_modem.len() + to_client.len() < 100_000);
        if discard {
            self.there.discard(self.now);
        }
        if let Some(on) = dtr {
            self.set_dtr(on);
        }
        self.there.push(&to_modem, self.now);
        self.heard.extend(to_client);
    }

    /// For whoever looks for the cause of something: `MODEMD_GUARD_TRACE=1`.
    fn trace(&self, what: &str, data: &[u8]) {
        if self.is_traced {
            let at = self.now - self.start;
            println!("{at:?} {what} {} {}", data.escape_ascii(), self.state());
        }
    }

    fn set_dtr(&mut self, on: bool) {
        self.trace(if on { "DTR on" } else { "DTR off" }, b"");
        let was_on = std::mem::replace(&mut self.dtr, on);
        if on {
            self.dtr_falls = None;
            self.exchange.terminal_came(HERE);
        } else if was_on {
            self.dtr_falls = Some(self.now + self.dtr_after);
        }
        self.watch_dtr();
    }

    fn watch_dtr(&mut self) {
        if self.dtr_falls.is_some_and(|at| at <= self.now) {
            self.dtr_falls = None;
            self.exchange.terminal_gone(HERE, self.now);
            self.watch_carrier();
        }
    }

    fn sight(&self) -> Sight {
        let last = self.carrier.front().is_some_and(|(_, is)| *is);
        Sight {
            carrier: self.carrier_after.map(|_| last),
            unsent: u32::try_from(self.there.unsent(self.now)).unwrap(),
            uptime: self.now - self.start,
        }
    }

    /// Keeps in front what DCD is now.
    fn watch_carrier(&mut self) {
        let Some(after) = self.carrier_after else {
            return;
        };
        let is = self.exchange.carrier(HERE);
        if self.carrier.back().is_none_or(|(_, was)| *was != is) {
            self.carrier.push_back((self.now + after, is));
        }
        while self.carrier.get(1).is_some_and(|(at, _)| *at <= self.now) {
            self.carrier.pop_front();
        }
    }

    fn carrier_due(&self) -> Option<Instant> {
        self.carrier.get(1).map(|(at, _)| *at)
    }

    #[track_caller]
    fn judge(&mut self) {
        for number in &self.exchange.dialled(HERE)[self.judged..] {
            assert!(is_permitted(number), "dialled: {number}");
        }
        self.judged = self.exchange.dialled(HERE).len();
    }
}
