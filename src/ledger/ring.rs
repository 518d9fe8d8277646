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
    /// As in the map.
    to: u64,
}

impl Ring {
    pub(super) fn new(way: Way) -> Self {
        Ring {
            way,
            generation: 0,
            to: 0,
        }
    }

    /// As another process has left it.
    pub(super) fn found(way: Way, map: &[u8]) -> Self {
        Ring {
            way,
            generation: 0,
            to: layout::read(map, way.to()),
        }
    }

    pub(super) fn follow(&mut self, map: &mut [u8], generation: u64, from: u64, kept: &[u8]) {
        if generation != self.generation {
            self.generation = generation;
            self.set_to(map, 0);
            layout::write(map, self.way.from(), 0);
        }
        let to = from + kept.len() as u64;
        // Nothing is kept that has no room; no relay keeps so much.
        let to = to.min(from + RING as u64);
        if self.to < to {
            let known = self.to.saturating_sub(from) as usize;
            let new = &kept[known..(to - from) as usize];
            self.put(map, from + known as u64, new);
            self.set_to(map, to);
        }
        if layout::read(map, self.way.from()) != from {
            layout::write(map, self.way.from(), from);
        }
    }

    pub(super) fn release(&self, map: &mut [u8], octets: usize) {
        let from = layout::read(map, self.way.from());
        layout::write(map, self.way.from(), (from + octets as u64).min(self.to));
    }

    pub(super) fn kept(&self, map: &[u8]) -> (u64, Vec<u8>) {
        let from = layout::read(map, self.way.from());
        let length = self.to.saturating_sub(from).min(RING as u64) as usize;
        let ring = &map[self.place()..self.place() + RING];
        let begin = (from % RING as u64) as usize;
        let octets = ring.iter().cycle().skip(begin).take(length).copied();
        (from, octets.collect())
    }

    fn put(&self, map: &mut [u8], at: u64, octets: &[u8]) {
        let ring = &mut map[self.place()..self.place() + RING];
        let begin = (at % RING as u64) as usize;
        let first = octets.len().min(RING - begin);
        ring[begin..begin + first].copy_from_slice(&octets[..first]);
        ring[..octets.len() - first].copy_from_slice(&octets[first..]);
    }

    fn set_to(&mut self, map: &mut [u8], to: u64) {
        self.to = to;
        layout::write(map, self.way.to(), to);
    }

    fn place(&self) -> usize {
        RINGS + self.way as usize * RING
    }
}
