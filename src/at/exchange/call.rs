//! One call: who is in it and how far it has come.

use std::collections::VecDeque;
use std::time::Instant;

use super::Line;
use crate::at::service::Service;

#[derive(Debug)]
pub(super) struct Call {
    /// Who called, and who was called.
    pub(super) parties: [Party; 2],
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Party {
    /// The modem on this line.
    Line(usize),
    Service(Service),
    /// Hung up, or was never there; what it said before that.
    Gone(VecDeque<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The called side is rung at this time.
    Ringing(Instant),
    /// The caller hears the busy tone from this time on.
    Busy(Instant),
    /// Nothing more will come of it.
    Idle,
    /// The called side has answered, and carrier is up at this time.
    SetUp(Instant),
    Connected,
}

impl Call {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ringing(at) | Phase::Busy(at) | Phase::SetUp(at) => Some(at),
            Phase::Idle | Phase::Connected => None,
        }
    }

    /// The lines that are in it.
    pub(super) fn lines(&self) -> impl Iterator<Item = usize> {
        self.parties.iter().filter_map(|party| match party {
            Party::Line(line) => Some(*line),
            Party::Service(_) | Party::Gone(_) => None,
        })
    }
}

impl Party {
    pub(super) fn gone() -> Self {
        Self::Gone(VecDeque::new())
    }

    pub(super) fn is_line(&self, line: usize) -> bool {
        matches!(self, Self::Line(this) if *this == line)
    }

    pub(super) fn has_left(&self) -> bool {
        matches!(self, Self::Gone(_))
    }

    /// Says nothing any more, and all it said is heard.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Line(_) => false,
            Self::Service(service) => service.is_done(),
            Self::Gone(unsaid) => unsaid.is_empty(),
        }
    }

    fn saying<'a>(&'a self, lines: &'a [Line]) -> &'a [u8] {
        match self {
            Self::Line(line) => lines[*line].modem.saying(),
            Self::Service(service) => service.saying(),
            Self::Gone(unsaid) => unsaid.as_slices().0,
        }
    }
}

/// Moves bytes one way; true if some moved.
pub(super) fn carry(lines: &mut [Line], from: &mut Party, to: &mut Party) -> bool {
    // Two modems are two elements of one slice, of which only one can be borrowed to write.
    let count = match (&*from, &mut *to) {
        (Party::Line(from), Party::Line(to)) => {
            let Ok([from, to]) = lines.get_disjoint_mut([*from, *to]) else {
                return false;
            };
            to.modem.hear(from.modem.saying())
        }
        (from, Party::Line(to)) => lines[*to].modem.hear(from.saying(&[])),
        (from, Party::Service(service)) => service.listen(from.saying(lines)),
        (from, Party::Gone(_)) => from.saying(lines).len(),
    };
    match from {
        Party::Line(line) => lines[*line].modem.said(count),
        Party::Service(service) => service.said(count),
        Party::Gone(unsaid) => {
            unsaid.drain(..count.min(unsaid.len()));
        }
    }
    count > 0
}
