//! What can happen, and on what kind of line.

use std::fmt;
use std::time::Duration;

use modemd::at::temperament::Temperament;
use modemd::config::{DialRules, Refusal};
use modemd::guard::Rules;

use super::Model;

/// What the modem is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hayes,
    EscapesAtOnce,
    Terse,
    SlowInPieces,
    Gsm,
}

/// A line with a modem.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    /// What one octet takes.
    pub(crate) octet_usec: u64,
    /// From the kernel to the modem.
    pub(crate) hidden_msec: u64,
    /// So many octets of it nobody can call back.
    pub(crate) fifo: usize,
    /// How long DTR has to be off to matter.
    pub(crate) dtr_msec: u64,
    /// From the modem to the guard.
    pub(crate) back_msec: u64,
    /// From the modem's losing carrier to DCD; none: there is no DCD.
    pub(crate) carrier_msec: Option<u64>,
    /// So many octets arrive together.
    pub(crate) burst: usize,
    /// So many are read together from the client.
    pub(crate) piece: usize,
    pub(crate) minutes_per_call: Option<u32>,
    pub(crate) refusal: Refusal,
    /// The operator has told the guard time, though the modem has S2.
    pub(crate) has_guard_time: bool,
    pub(crate) by_escape: bool,
}

/// What happens next.
#[derive(Clone)]
pub(crate) enum Act {
    Client(Vec<u8>),
    Far(Vec<u8>),
    Wait(Duration),
    FarHangsUp,
    Dtr(bool),
    HandOver,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(data) => write!(f, "Client(b\"{}\")", data.escape_ascii()),
            Self::Far(data) => write!(f, "Far(b\"{}\")", data.escape_ascii()),
            Self::Wait(span) => write!(f, "Wait({span:?})"),
            Self::FarHangsUp => f.write_str("FarHangsUp"),
            Self::Dtr(on) => write!(f, "Dtr({on})"),
            Self::HandOver => f.write_str("HandOver"),
        }
    }
}

/// A line and all that happens.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) line: Line,
    /// A call is made first, as it should be.
    pub(crate) has_call: bool,
    pub(crate) acts: Vec<Act>,
    /// How a call that may still be up is ended at the end.
    pub(crate) ends_by_dtr: bool,
}

/// What [`Line::rules`] permit, in other words; or the beginning of such a number, behind which no dial tone came
/// (`ATD080W0123`) or the client gave up.
pub(crate) fn is_permitted(number: &str) -> bool {
    let begins = |whole: &str| number.starts_with(whole) || whole.starts_with(number);
    let is_of_here = begins("5551") || begins("0800") || "5552001".starts_with(number);
    number.bytes().all(|digit| digit.is_ascii_digit()) && is_of_here && !number.contains("0900")
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Hayes,
        Self::EscapesAtOnce,
        Self::Terse,
        Self::SlowInPieces,
        Self::Gsm,
    ];

    pub(crate) fn temperament(self) -> Temperament {
        match self {
            Self::Hayes => Temperament::hayes(),
            Self::EscapesAtOnce => Temperament::escapes_at_once(),
            Self::Terse => Temperament::terse(),
            Self::SlowInPieces => Temperament::slow_in_pieces(),
            Self::Gsm => Temperament::gsm(),
        }
    }
}

impl Line {
    pub(crate) fn rules(&self) -> Rules {
        let patterns = |of: &[&str]| of.iter().map(|of| of.parse().unwrap()).collect();
        let needs_time = self.kind == Kind::Gsm || self.has_guard_time;
        Rules {
            dial: DialRules {
                allow: patterns(&["5551*", "5552001", "0800*"]),
                deny: patterns(&["*0900*"]),
                minutes_per_call: self.minutes_per_call,
                ..DialRules::default()
            },
            refusal: self.refusal,
            commands: Vec::new(),
            init: Vec::new(),
            timeout: Duration::from_secs(5),
            guard_time: needs_time.then_some(Duration::from_secs(1)),
            by_escape: needs_time && self.by_escape,
        }
    }
}

impl Scene {
    /// Plays it, and then finds out whether the guard can still be talked to.
    pub(crate) fn play(&self) -> Model {
        let mut model = Model::new(&self.line);
        if self.has_call {
            model.client(b"ATDT5551002\r");
            model.wait(Duration::from_secs(8));
        }
        for act in &self.acts {
            model.act(act);
        }
        self.find_out(&mut model);
        model
    }

    fn find_out(&self, model: &mut Model) {
        const LONG: Duration = Duration::from_secs(400);
        model.dtr(true);
        model.wait(LONG);
        model.far_hangs_up();
        model.wait(LONG);
        if self.ends_by_dtr {
            model.dtr(false);
            model.wait(Duration::from_secs(2));
            model.dtr(true);
        } else {
            // Whatever was begun to be typed; and then a fax that has begun by that.
            for _ in 0..2 {
                model.client(&[model.register(3)]);
                model.wait(LONG);
                model.far_hangs_up();
                model.wait(LONG);
            }
        }
        model.wait(LONG);
        assert!(model.weight() < 100_000, "{}", model.describe());
        if model.is_lost() {
            // Of its own accord no modem here ceases to answer. Without DCD a client can make it; and one that
            // thinks long can have so many lines of data to answer that its answers are taken for others.
            let is_fair = self.line.carrier_msec.is_none() || self.line.kind == Kind::SlowInPieces;
            assert!(is_fair, "lost: {}", model.describe());
            return;
        }
        assert!(model.is_drained(), "not drained: {}", model.describe());
        let terminator = model.register(3);
        // In letters that do not end the line themselves.
        let reset = if terminator == b'Z' { b"ATz" } else { b"ATZ" };
        model.client(reset);
        model.client(&[terminator]);
        model.wait(LONG);
        model.heard.clear();
        model.client(b"AT\r");
        model.wait(LONG);
        let heard = String::from_utf8_lossy(&model.heard).into_owned();
        assert_eq!(heard, "AT\r\r\nOK\r\n", "{}", model.describe());
    }
}
