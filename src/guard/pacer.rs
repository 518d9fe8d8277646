//! Escape characters that are no escape, because there is silence between them.
//!
//! How long it has been silent is not known here but for the time in which nothing was on its way: the modem, and
//! the far side through it, can have anything wait on the line. So nothing is made of silence before an escape
//! character; no three of them are sent without silence in between, or something else right behind.

use std::time::Duration;

/// The most of them that are sent in a row with nothing behind them (Hayes: three are an escape).
const LONGEST_RUN: usize = 2;

/// Keeps the escape characters apart for a modem that cannot switch the escape off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    guard_time: Duration,
    /// How many of them are the last that was sent.
    run: usize,
}

impl Pacer {
    pub(super) fn new(guard_time: Duration) -> Self {
        Pacer { guard_time, run: 0 }
    }

    /// How many octets can be sent now. The rest has to wait until it has been silent for [`Self::silence`], which is
    /// told by [`Self::was_silent`].
    pub(super) fn pass(&mut self, data: &[u8]) -> usize {
        // A modem may look at seven bits.
        let is_escape = |octet: &&u8| **octet & 0x7f == b'+';
        let at_the_end = data.iter().rev().take_while(is_escape).count();
        let before = if at_the_end == data.len() {
            self.run
        } else {
            0
        };
        let held = (before + at_the_end).saturating_sub(LONGEST_RUN);
        self.run = before + at_the_end - held;
        data.len() - held
    }

    /// For so long.
    pub(super) fn silence(&self) -> Duration {
        silence(self.guard_time)
    }

    pub(super) fn was_silent(&mut self) {
        self.run = 0;
    }
}

/// A little more than the modem wants: its clock is not ours.
pub(super) fn silence(guard_time: Duration) -> Duration {
    guard_time * 5 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes out at once, piece by piece.
    fn passed(pieces: &[&str]) -> Vec<usize> {
        let mut pacer = Pacer::new(Duration::from_secs(1));
        let pass = |piece: &&str| pacer.pass(piece.as_bytes());
        pieces.iter().map(pass).collect()
    }

    #[test]
    fn the_third_in_a_row_waits_unless_something_is_behind_it() {
        assert_eq!(passed(&["+++"]), [2]);
        assert_eq!(passed(&["x+++"]), [3]);
        assert_eq!(passed(&["+++++"]), [2]);
        assert_eq!(passed(&["+", "+", "+", ""]), [1, 1, 0, 0]);
        assert_eq!(passed(&["+", "++"]), [1, 1]);
        assert_eq!(passed(&["+++x", "++", "x+"]), [4, 2, 2]);
        assert_eq!(passed(&["++", "+x"]), [2, 2]);
    }

    #[test]
    fn after_silence_it_goes_on() {
        let mut pacer = Pacer::new(Duration::from_secs(1));
        assert_eq!(pacer.pass(b"+++"), 2);
        pacer.was_silent();
        assert_eq!(pacer.pass(b"+"), 1);
        assert_eq!(pacer.pass(b"+++"), 1);
    }
}
