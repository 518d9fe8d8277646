//! How one session on a line stands, as the tally has it.

use std::time::Duration;

use super::file::{LineWord, Record, Words};
use crate::com_port::Counts;
use crate::relay::Moved;
use crate::uptime::uptime;

/// Marks that the line is in use: then the rest of the word says since when it would be, had it been in
/// use without a break for as long as it was in all. So that one word, which is written at once, tells how
/// long that is, at any moment.
const IN_USE: u64 = 1 << 63;

/// A session on a line.
#[derive(Debug)]
pub struct Entry {
    /// Where its words are in the file.
    place: Option<u64>,
    words: Words,
}

fn usec(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX) & !IN_USE
}

fn in_use(word: u64, now: Duration) -> u64 {
    if word & IN_USE == 0 {
        word
    } else {
        usec(now).saturating_sub(word & !IN_USE)
    }
}

/// What the driver counts, in the order of the words.
fn driver(counts: Option<Counts>) -> Option<[u32; 4]> {
    counts.map(|of| [of.framing, of.parity, of.overrun, of.breaks])
}

impl Record {
    /// How long the line was in use.
    ///
    /// A process that was killed has left it in use; that lasts until the next session.
    #[must_use]
    pub fn in_use(&self) -> Duration {
        Duration::from_micros(in_use(self.words[LineWord::InUse as usize], uptime()))
    }

    /// A count of a line.
    #[must_use]
    pub fn of_line(&self, word: LineWord) -> u64 {
        self.words[word as usize]
    }

    /// A count of a port.
    #[must_use]
    pub fn of_port(&self, word: super::PortWord) -> u64 {
        self.words[word as usize]
    }
}

impl Entry {
    pub(super) fn begin(place: Option<u64>, words: &Words, counts: Option<Counts>) -> Self {
        let mut entry = Entry {
            place,
            words: *words,
        };
        entry.words[LineWord::Sessions as usize] += 1;
        let now = uptime();
        let so_far = in_use(words[LineWord::InUse as usize], now);
        entry.words[LineWord::InUse as usize] = IN_USE | usec(now).saturating_sub(so_far);
        let (counted, before) = (LineWord::ToLine as usize, LineWord::Before as usize);
        entry.words.copy_within(counted..before, before);
        entry.set_driver(counts);
        entry
    }

    pub(super) fn resume(place: Option<u64>, words: &Words, counts: Option<Counts>) -> Self {
        if words[LineWord::InUse as usize] & IN_USE != 0 {
            return Entry {
                place,
                words: *words,
            };
        }
        // Nobody has counted its beginning.
        Entry::begin(place, words, counts)
    }

    fn set_driver(&mut self, counts: Option<Counts>) {
        let driver = driver(counts).unwrap_or_default();
        for (word, count) in self.words[LineWord::Driver as usize..]
            .iter_mut()
            .zip(driver)
        {
            *word = count.into();
        }
    }

    pub(super) fn place(&self) -> Option<u64> {
        self.place
    }

    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    /// What the driver has counted since the session began.
    #[must_use]
    pub fn errors(&self, counts: Option<Counts>) -> Option<[u64; 4]> {
        let began = &self.words[LineWord::Driver as usize..];
        let mut errors = driver(counts)?.map(u64::from);
        for (count, began) in errors.iter_mut().zip(began) {
            // They wrap around at 32 bits.
            *count = count.wrapping_sub(*began) & u64::from(u32::MAX);
        }
        Some(errors)
    }

    /// So much was moved and counted in this session until now.
    pub fn update(&mut self, moved: Moved, counts: Option<Counts>) {
        self.set(LineWord::ToLine, 0, moved.to_line);
        self.set(LineWord::ToClient, 1, moved.to_client);
        let words = [
            LineWord::Framing,
            LineWord::Parity,
            LineWord::Overrun,
            LineWord::Breaks,
        ];
        for (number, (word, count)) in words
            .into_iter()
            .zip(self.errors(counts).unwrap_or_default())
            .enumerate()
        {
            self.set(word, 2 + number, count);
        }
    }

    /// A count is what it was before and what came with the session; never less than it was.
    fn set(&mut self, word: LineWord, number: usize, count: u64) {
        let sum = self.words[LineWord::Before as usize + number].wrapping_add(count);
        let word = &mut self.words[word as usize];
        *word = sum.max(*word);
    }

    /// The line is free.
    pub fn end(&mut self) {
        let word = &mut self.words[LineWord::InUse as usize];
        *word = in_use(*word, uptime());
    }
}
