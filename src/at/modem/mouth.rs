//! What a modem has to say to its terminal, and when.

use std::collections::VecDeque;
use std::time::Instant;

use super::CAPACITY;
use crate::at::temperament::Pieces;

/// What is on its way to the terminal: first what it can have now, then what comes later.
#[derive(Debug, Default)]
pub(super) struct Mouth {
    said: VecDeque<u8>,
    later: VecDeque<(Instant, Vec<u8>)>,
}

impl Mouth {
    /// What the terminal is to get next; empty for nothing.
    pub(super) fn output(&self) -> &[u8] {
        self.said.as_slices().0
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.said.drain(..count.min(self.said.len()));
    }

    /// Nobody is there to hear it.
    pub(super) fn discard(&mut self) {
        self.said.clear();
        self.later.clear();
    }

    /// Takes no more, except for what has to be told.
    pub(super) fn is_full(&self) -> bool {
        let later = self.later.iter().map(|(_, text)| text.len()).sum::<usize>();
        self.said.len() + later >= CAPACITY
    }

    /// An echo, which comes at once, though never before what is said already.
    pub(super) fn echo(&mut self, byte: u8) {
        match self.later.back_mut() {
            None => self.said.push_back(byte),
            Some((_, text)) => text.push(byte),
        }
    }

    /// An answer, from `at` on.
    pub(super) fn tell(&mut self, text: &[u8], at: Instant, now: Instant, pieces: Option<Pieces>) {
        let (octets, apart) = pieces.map_or((text.len(), None), |pieces| {
            (pieces.octets, Some(pieces.apart))
        });
        let behind = self.later.back().map(|(last, _)| *last);
        let mut due = behind.map_or(at, |last| at.max(last + apart.unwrap_or_default()));
        for piece in text.chunks(octets.max(1)) {
            if self.later.is_empty() && due <= now {
                self.said.extend(piece);
            } else {
                self.later.push_back((due, piece.to_vec()));
            }
            due += apart.unwrap_or_default();
        }
    }

    /// Data of a call, which is not slowed down, but stands behind every answer.
    pub(super) fn pass(&mut self, data: &[u8]) -> usize {
        if !self.later.is_empty() {
            return 0;
        }
        let taken = data.len().min(CAPACITY.saturating_sub(self.said.len()));
        self.said.extend(&data[..taken]);
        taken
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.later.front().map(|(due, _)| *due)
    }

    pub(super) fn advance(&mut self, now: Instant) {
        while self.next_deadline().is_some_and(|due| due <= now)
            && let Some((_, text)) = self.later.pop_front()
        {
            self.said.extend(text);
        }
    }
}
