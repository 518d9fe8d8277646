//! One direction of a serial line.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the kernel keeps for a line.
const CAPACITY: usize = 4096;

/// Octets on their way: first in the kernel, where they can be counted and thrown away, then in the UART and
/// on the wire, where they cannot.
#[derive(Debug)]
pub(crate) struct Wire {
    /// When each octet arrives.
    queue: VecDeque<(Instant, u8)>,
    /// What one octet takes.
    octet: Duration,
    /// From leaving the kernel to the other end.
    hidden: Duration,
    /// So many arrive together.
    burst: usize,
    /// What the UART keeps, behind the kernel's back.
    fifo: usize,
}

impl Wire {
    pub(crate) fn new(octet: Duration, hidden: Duration, burst: usize, fifo: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            octet,
            hidden,
            burst: burst.max(1),
            fifo,
        }
    }

    pub(crate) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.queue.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn push(&mut self, data: &[u8], now: Instant) {
        for octet in data {
            let last = self.queue.back().map(|(at, _)| *at);
            let begins = last.map_or(now + self.hidden, |last| last.max(now + self.hidden));
            self.queue.push_back((begins + self.octet, *octet));
        }
    }

    /// How many have left the kernel.
    fn gone(&self, now: Instant) -> usize {
        let is_gone = |(at, _): &&(Instant, u8)| *at <= now + self.hidden;
        self.queue
            .iter()
            .take(self.fifo)
            .take_while(is_gone)
            .count()
    }

    /// What the kernel still has.
    pub(crate) fn unsent(&self, now: Instant) -> usize {
        self.queue.len() - self.gone(now)
    }

    pub(crate) fn discard(&mut self, now: Instant) {
        self.queue.truncate(self.gone(now));
    }

    /// What has come to the other end.
    pub(crate) fn arrived(&self, now: Instant) -> Vec<u8> {
        let has_come = |(at, _): &&(Instant, u8)| *at <= now;
        self.queue
            .iter()
            .take_while(has_come)
            .map(|(_, octet)| *octet)
            .collect()
    }

    pub(crate) fn take(&mut self, count: usize) {
        self.queue.drain(..count);
    }

    /// When more arrives, in bursts.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let mut coming = self.queue.iter().filter(|(at, _)| *at > now);
        let first = coming.next()?;
        Some(coming.take(self.burst - 1).last().unwrap_or(first).0)
    }
}
