//! The octets that are kept for one side.

use super::layout::{self, Number, RING, RINGS};

/// Which way octets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the line.
    ToLine,
    /// From the line to the client.
    ToClient,
}

impl Way {
    pub(super) fn moved(self) -> Number {
        match self {
            Way::ToLine => Number::MovedToLine,
            Way::ToClient => Number::MovedToClient,
        }
    }

    fn from(self) -> Number {
        match self {
            Way::ToLine => Number::ToLineFrom,
            Way::ToClient => Number::ToClientFrom,
        }
    }

    fn to(self) -> Number {
        match self {
            Way::ToLine => Number::ToLineTo,
            Way::ToClient => Number::ToClientTo,
        }
    }
}

/// A ring in the map. The octet at position p stands at p modulo the ring's size; those from
/// [`Way::from`] to [`Way::to`] are kept.
#[derive(Debug)]
pub(super) struct Ring {
    way: Way,
    generation: u64,
}

impl Ring {
    pub(super) fn new(way: Way) -> Self {
        Ring { way, generation: 0 }
    }

    pub(super) fn follow(&mut self, map: &mut [u8], generation: u64, from: usize, kept: &[u8]) {
        if generation != self.generation {
            self.generation = generation;
            write(map, self.way.to(), 0);
            write(map, self.way.from(), 0);
        }
        // What has no room is not kept; but no relay keeps so much.
        let kept = &kept[..kept.len().min(RING)];
        let (known, to) = (read(map, self.way.to()), from + kept.len());
        if known < to {
            let begin = known.max(from);
            self.put(map, begin, &kept[begin - from..]);
            write(map, self.way.to(), to);
        }
        write(map, self.way.from(), from);
    }

    pub(super) fn release(&self, map: &mut [u8], octets: usize) {
        let from = read(map, self.way.from());
        write(map, self.way.from(), from.saturating_add(octets));
    }

    pub(super) fn kept(&self, map: &[u8]) -> (usize, Vec<u8>) {
        let from = read(map, self.way.from());
        let length = read(map, self.way.to()).saturating_sub(from).min(RING);
        let ring = &map[self.place()..self.place() + RING];
        let begin = from % RING;
        let first = length.min(RING - begin);
        let octets = [&ring[begin..begin + first], &ring[..length - first]];
        (from, octets.concat())
    }

    fn put(&self, map: &mut [u8], at: usize, octets: &[u8]) {
        let ring = &mut map[self.place()..self.place() + RING];
        let begin = at % RING;
        let first = octets.len().min(RING - begin);
        ring[begin..begin + first].copy_from_slice(&octets[..first]);
        ring[..octets.len() - first].copy_from_slice(&octets[first..]);
    }

    fn place(&self) -> usize {
        RINGS + self.way as usize * RING
    }
}

fn read(map: &[u8], number: Number) -> usize {
    usize::try_from(layout::read(map, number)).unwrap_or(usize::MAX)
}

fn write(map: &mut [u8], number: Number, value: usize) {
    layout::write(map, number, value as u64);
}
