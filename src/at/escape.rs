//! Notices the escape sequence in a stream of data: silence, three times S2, silence.

use std::time::{Duration, Instant};

/// Length of the escape sequence, as Hayes made it.
const LENGTH: usize = 3;

/// Watches what the terminal sends while online; never holds a byte back.
///
/// A file may contain `+++`, so the guard time must be kept before the first and after the last
/// character, and the three must not be further apart than that either.
#[derive(Debug, Clone, Copy)]
pub struct EscapeWatch {
    last_byte: Instant,
    seen: usize,
    /// Escape characters at the end of the data so far.
    in_a_row: usize,
}

impl EscapeWatch {
    /// Begins to watch; the silence before the sequence counts from `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            last_byte: now,
            seen: 0,
            in_a_row: 0,
        }
    }

    /// Takes note of data that came at `now`, all of it together.
    ///
    /// Bytes of one piece have no time between them: the outcome is the same as for the bytes one
    /// by one at that time.
    pub fn data(&mut self, data: &[u8], escape: Option<u8>, guard: Duration, now: Instant) {
        if data.is_empty() {
            return;
        }
        let silence = now.saturating_duration_since(self.last_byte);
        if silence >= guard {
            // Too late to go on with a sequence, in time to begin one.
            self.seen = 0;
        }
        let continues = self.seen > 0 || silence >= guard;
        let only_escapes = self.seen + data.len() <= LENGTH
            && escape.is_some_and(|escape| data.iter().all(|&byte| byte == escape));
        self.seen = if continues && only_escapes {
            self.seen + data.len()
        } else {
            0
        };
        self.last_byte = now;
        // Only those at the end count: every octet of a call comes by here.
        let at_end = data.iter().rev().take_while(|byte| Some(**byte) == escape);
        let row = at_end.count();
        self.in_a_row = if row == data.len() {
            self.in_a_row + row
        } else {
            row
        };
    }

    /// Where in this data, which comes next, the third of three escape characters is, whatever the
    /// time between them.
    #[must_use]
    pub fn third(&self, data: &[u8], escape: Option<u8>) -> Option<usize> {
        let mut ahead = *self;
        data.iter().position(|&byte| {
            ahead.in_a_row = ahead.row_with(byte, escape);
            ahead.in_a_row == LENGTH
        })
    }

    fn row_with(&self, byte: u8, escape: Option<u8>) -> usize {
        if Some(byte) == escape {
            self.in_a_row + 1
        } else {
            0
        }
    }

    /// When the modem is to fall into command state, should nothing more come; `None` if no
    /// sequence is complete.
    #[must_use]
    pub fn due(&self, guard: Duration) -> Option<Instant> {
        (self.seen == LENGTH).then(|| self.last_byte + guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(1);

    /// Feeds pieces, each with the milliseconds since the one before; true if the escape is due.
    fn escapes(pieces: &[(u64, &[u8])]) -> bool {
        let mut now = Instant::now();
        let mut watch = EscapeWatch::new(now);
        for (silence, data) in pieces {
            now += Duration::from_millis(*silence);
            watch.data(data, Some(b'+'), GUARD, now);
        }
        watch.due(GUARD) == Some(now + GUARD)
    }

    #[test]
    fn three_escape_characters_after_silence_are_an_escape() {
        assert!(escapes(&[(1000, b"+++")]));
        assert!(escapes(&[(1000, b"+"), (999, b"++")]));
        assert!(escapes(&[(0, b"data"), (1000, b"+++")]));
    }

    #[test]
    fn without_silence_before_them_they_are_data() {
        assert!(!escapes(&[(999, b"+++")]));
        assert!(!escapes(&[(5000, b"x+++")]));
        assert!(!escapes(&[(5000, b"x"), (500, b"+++")]));
    }

    #[test]
    fn anything_after_them_makes_them_data() {
        assert!(!escapes(&[(1000, b"+++"), (10, b"x")]));
        assert!(!escapes(&[(1000, b"++++")]));
        assert!(!escapes(&[(1000, b"++"), (0, b"++")]));
    }

    #[test]
    fn a_sequence_too_slow_begins_anew() {
        assert!(!escapes(&[(1000, b"++"), (1000, b"+")]));
        assert!(escapes(&[(1000, b"+"), (1000, b"+++")]));
    }

    #[test]
    fn with_no_escape_character_there_is_no_escape() {
        let now = Instant::now();
        let mut watch = EscapeWatch::new(now);
        assert_eq!(watch.third(b"+++", None), None);
        watch.data(b"+++", None, GUARD, now + GUARD);
        assert_eq!(watch.due(GUARD), None);
    }

    #[test]
    fn the_third_in_a_row_is_found_wherever_it_comes() {
        let now = Instant::now();
        let mut watch = EscapeWatch::new(now);
        assert_eq!(watch.third(b"+++", Some(b'+')), Some(2));
        for (data, found) in [
            (&b"a++b+"[..], None),
            (b"+", None),
            (b"x+", None),
            (b"+", None),
            (b"+ATH", Some(0)),
            (b"x+++++", Some(3)),
        ] {
            assert_eq!(watch.third(data, Some(b'+')), found, "{data:?}");
            watch.data(data, Some(b'+'), GUARD, now);
        }
    }
}
