//! What observers tell of the calls between two modems, and what these have done.

use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use crate::at::exchange::Exchange;
use crate::at::plan;
use crate::at::temperament::{Escape, Temperament};
use crate::call::CallEvent::{self, Answered, Ended};
use crate::call::observer::passing::TYPED;
use crate::call::observer::{MOST_EVENTS, Observer};

/// Two modems, and an observer at each.
struct Model {
    exchange: Exchange,
    now: Instant,
    observers: [Observer; 2],
    told: [Vec<CallEvent>; 2],
    /// How long the pieces are that are read and written.
    cuts: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Model {
    fn new(temperaments: &[Temperament], cuts: Vec<usize>) -> Self {
        let now = Instant::now();
        let mut model = Model {
            exchange: Exchange::with(temperaments, now, SystemTime::UNIX_EPOCH),
            now,
            observers: Default::default(),
            told: Default::default(),
            cuts: cuts.into_iter().cycle(),
        };
        for line in [0, 1] {
            model.say(line, b"ATQ0S7=30\r", 5_000);
        }
        model
    }

    fn cut(&mut self) -> usize {
        self.cuts.next().unwrap()
    }

    /// The client of a line says this, and then so many milliseconds pass.
    fn say(&mut self, line: usize, data: &[u8], milliseconds: u64) {
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.cut().min(rest.len()));
            self.observers[line].client(piece, self.now);
            let mut sent = 0;
            while sent < piece.len() {
                sent += self.exchange.receive(line, &piece[sent..], self.now);
                self.read();
            }
            rest = behind;
        }
        self.wait(milliseconds);
    }

    /// The clients read all there is.
    fn read(&mut self) {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for line in [0, 1] {
                let cut = self.cut();
                let output = self.exchange.output(line);
                let piece = output[..cut.min(output.len())].to_vec();
                if !piece.is_empty() {
                    is_quiet = false;
                    self.observers[line].modem(&piece, self.now);
                    self.exchange.sent(line, piece.len(), self.now);
                }
                self.told[line].extend(self.observers[line].take_events());
            }
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.exchange.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.exchange.advance(self.now);
            self.read();
        }
        self.now = end;
        self.exchange.advance(end);
        self.read();
    }

    fn carrier(&self, line: usize) -> bool {
        self.exchange.carrier(line)
    }

    fn act(&mut self, line: usize, act: &Act) {
        match act {
            Act::Call { number, then } if !self.carrier(line) => {
                let number = number.replace('N', &plan::number(1 - line));
                self.say(line, format!("ATDT{number}\r").as_bytes(), 4_000);
                match then {
                    Then::Answer if !self.carrier(1 - line) => self.say(1 - line, b"ATA\r", 2_000),
                    Then::GiveUp if !self.carrier(line) => self.say(line, b" ", 2_000),
                    _ => {}
                }
                self.wait(90_000);
            }
            Act::AutoAnswer(rings) if !self.carrier(line) => {
                self.say(line, format!("ATS0={rings}\r").as_bytes(), 3_000);
            }
            Act::Data(data) if self.carrier(line) => self.say(line, data, 100),
            Act::Escape(then) if self.carrier(line) => {
                self.wait(1_500);
                self.say(line, b"+++", 3_000);
                self.say(line, then.as_bytes(), 3_000);
            }
            Act::Dtr => {
                self.observers[line].dtr(false);
                self.exchange.terminal_gone(line, self.now);
                self.wait(1_000);
                self.exchange.terminal_came(line);
                self.observers[line].dtr(true);
            }
            Act::LineBreaks => {
                self.exchange.hang_up_far(line, self.now);
                self.wait(3_000);
            }
            _ => {}
        }
    }

    /// Whether the observers tell what the exchange has done.
    fn check(&self) -> Result<(), TestCaseError> {
        for line in [0, 1] {
            let told = &self.told[line];
            let numbers: Vec<&String> = told
                .iter()
                .filter_map(|event| match event {
                    CallEvent::Dialled(number) => Some(number),
                    _ => None,
                })
                .collect();
            let really: Vec<_> = self.exchange.dialled(line).iter().collect();
            prop_assert_eq!(numbers, really, "line {}: {:?}", line, told);
            let mut is_up = false;
            let mut is_begun = false;
            for event in told {
                match event {
                    CallEvent::Dialled(_) | Answered => {
                        prop_assert!(!is_up && !is_begun, "line {line}: {told:?}");
                        is_begun = true;
                    }
                    CallEvent::Connected(_) => {
                        prop_assert!(!is_up && is_begun, "line {line}: {told:?}");
                        (is_up, is_begun) = (true, false);
                    }
                    CallEvent::Failed(_) => {
                        prop_assert!(!is_up && is_begun, "line {line}: {told:?}");
                        is_begun = false;
                    }
                    Ended(_) => {
                        prop_assert!(is_up || is_begun, "line {line}: {told:?}");
                        (is_up, is_begun) = (false, false);
                    }
                    _ => {}
                }
            }
            prop_assert!(!is_begun, "line {}: {:?}", line, told);
            prop_assert_eq!(is_up, self.carrier(line), "line {}: {:?}", line, told);
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Act {
    Call { number: String, then: Then },
    AutoAnswer(u8),
    Data(Vec<u8>),
    Escape(String),
    Dtr,
    LineBreaks,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Wait,
    Answer,
    GiveUp,
}

/// Data in which nothing is feigned, whatever pieces it comes in and whoever the modem is.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("+++x".to_owned()),
        Just("NO CARRIER\n".to_owned()),
        Just("CONNECT".to_owned()),
        Just("ATDT0900\n".to_owned()),
        "[ -*,-~\n\u{80}]{1,300}",
    ];
    prop::collection::vec(piece, 1..4)
        .prop_map(|pieces| format!("x{}x", pieces.concat()).into_bytes())
}

fn act() -> impl Strategy<Value = Act> {
    let number = prop_oneof![
        4 => Just("N".to_owned()),
        1 => prop::sample::select(vec![plan::ECHO, plan::TIME, plan::GREETING, plan::BUSY, plan::NOBODY_HOME, "117"])
            .prop_map(str::to_owned),
    ];
    let then = prop::sample::select(vec![Then::Wait, Then::Answer, Then::Answer, Then::GiveUp]);
    let escape = prop::sample::select(vec!["ATH\r", "ATO\r", "ATI3\rATH0\r", "ATE0O0\r"]);
    prop_oneof![
        4 => (number, then).prop_map(|(number, then)| Act::Call { number, then }),
        1 => (0..3_u8).prop_map(Act::AutoAnswer),
        2 => data().prop_map(Act::Data),
        2 => escape.prop_map(|then| Act::Escape(then.to_owned())),
        1 => Just(Act::Dtr),
        1 => Just(Act::LineBreaks),
    ]
}

proptest! {
    #[test]
    fn what_is_told_is_what_the_exchange_has_done(
        kinds in (0..5_usize, 0..5_usize),
        acts in prop::collection::vec((0..2_usize, act()), 1..12),
        cuts in prop::collection::vec(prop_oneof![1..4_usize, 1..2000_usize], 1..20),
    ) {
        let all = Temperament::all();
        let temperaments = [all[kinds.0].clone(), all[kinds.1].clone()];
        let mut model = Model::new(&temperaments, cuts);
        for (line, act) in &acts {
            // That escapes in the midst of the data.
            let escapes = temperaments[*line].escape == Escape::AtOnce;
            if escapes && matches!(act, Act::Data(data) if data.windows(3).any(|of| of == b"+++")) {
                continue;
            }
            model.act(*line, act);
            model.check()?;
        }
    }

    #[test]
    fn any_octets_are_taken_and_little_is_kept(
        pieces in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..600),
            "(AT(D[0-9]{0,4};?|A|H|O|Z|\\+FCLASS=[01]){1,9}\r|A/|\\+\\+\\+|x){0,50}".prop_map(String::into_bytes),
            "(\r\n(RING|OK|CONNECT|NO CARRIER|BUSY|NMBR=1|ERROR)\r\n|[0-9]\r){0,60}".prop_map(String::into_bytes),
        ]), 0..20),
    ) {
        let mut observer = Observer::default();
        let mut now = Instant::now();
        for (is_client, piece) in pieces {
            now += Duration::from_millis(200);
            if is_client {
                observer.client(&piece, now);
            } else {
                observer.modem(&piece, now);
            }
            prop_assert!(observer.passing.typed.as_ref().is_none_or(|typed| typed.len() <= TYPED));
            prop_assert!(serde_json::to_string(&observer).unwrap().len() < 2_000);
            prop_assert!(observer.take_events().len() <= MOST_EVENTS);
        }
    }
}
