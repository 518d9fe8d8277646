//! Finds in the data of a call what a modem would dial, or be changed by, if it were not in data state any more.
//!
//! Between the moment when carrier is lost and the one when that is noticed here, a modem reads as commands
//! what is still under way to it. Such a command ends with a carriage return; if that return is only sent when
//! all in front of it has reached the modem and the call is still there, the modem has taken the beginning of
//! the line for data, and no command comes of the rest.

use memchr::memchr2;

/// The most that stands between `AT` and the end of the line. V.250 5.2.2 asks modems for 40 characters; none
/// takes more than this.
const LONGEST: usize = 300;

/// The most that a command line has in front of its end.
const REACH: usize = LONGEST + 1;

/// What was sent since the modem was last known to be in data state.
#[derive(Debug, Clone, Default)]
pub(super) struct Hazard {
    /// Since the last carriage return, as far back as a command line could begin.
    line: Vec<u8>,
    has_spoken: bool,
}

/// The lower seven bits of an octet, in upper case: V.250 5.1 has no eighth one.
fn folded(octet: u8) -> u8 {
    (octet & 0x7f).to_ascii_uppercase()
}

/// Where the first prefix is, `AT` or `A/`.
fn prefix(data: &[u8]) -> Option<usize> {
    let begins = |at: &usize| {
        let next = data.get(at + 1).map(|next| folded(*next));
        folded(data[*at]) == b'A' && matches!(next, Some(b'T' | b'/'))
    };
    let mut at = 0;
    // Eight places at a time; and most of these have no `A`.
    while let Some(first) = word(data, at) {
        let first = equal(first, 0x5f, b'A');
        let may_begin = |second| {
            let second = equal(second, 0x5f, b'T') | equal(second, 0x7f, b'/');
            first & second != 0
        };
        if first != 0
            && word(data, at + 1).is_none_or(may_begin)
            && let Some(found) = (at..at + 8).find(begins)
        {
            return Some(found);
        }
        at += 8;
    }
    (at..data.len()).find(begins)
}

/// The body of what may be a command line at the end of `data`: with those that begin later within it.
fn body(mut data: &[u8]) -> Option<&[u8]> {
    while let Some(at) = prefix(data) {
        let (prefix, rest) = data[at..].split_at(2);
        if folded(prefix[1]) == b'T' {
            return Some(rest);
        }
        data = rest;
    }
    None
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    let octets = data.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*octets))
}

/// The highest bit of each octet that is `to` as far as `mask` goes, and now and then that of another one.
fn equal(word: u64, mask: u8, to: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let differs = (word & (EACH * u64::from(mask))) ^ (EACH * u64::from(to));
    differs.wrapping_sub(EACH) & !differs & (EACH << 7)
}

/// Whether a modem could dial, or send something that costs money, when it reads this as the body of a
/// command line; or would not show any more that carrier is lost (`&C0`), or read other lines than those that
/// are looked for here (`S3=88`), or do either after a profile came back (`Z`, `&F`).
fn dials(body: &[u8]) -> bool {
    let body = || body.iter().map(|octet| folded(*octet));
    // The extended syntax of V.250 5.4 and of its neighbours, and prefixes of makers' letters.
    let changes = |octet| {
        matches!(
            octet,
            b'+' | b'#' | b'^' | b'$' | b'*' | b'&' | b'%' | b'\\' | b'=' | b'Z'
        )
    };
    let can_be_dialled =
        |octet| matches!(octet, b'0'..=b'9' | b'A'..=b'D' | b'S' | b'L' | b'>' | b'"');
    body().any(changes)
        || body()
            .skip_while(|octet| *octet != b'D')
            .skip(1)
            .any(can_be_dialled)
}

impl Hazard {
    /// After others whom nobody has told what they have sent: the worst that it can have been.
    pub(super) fn inherited() -> Self {
        Hazard {
            line: b"ATD0".to_vec(),
            has_spoken: true,
        }
    }

    /// Whether a modem in command state could have had reason to answer anything since the call began.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// How many octets of `data` can be sent until the modem has to be known to be in data state.
    /// They count as sent.
    pub(super) fn pass(&mut self, data: &[u8]) -> usize {
        let before = self.line.last().copied();
        let passed = self.pass_lines(data);
        if !self.has_spoken {
            let data = &data[..passed];
            let across = before.zip(data.first().copied());
            let across = across.is_some_and(|(last, first)| prefix(&[last, first]).is_some());
            self.has_spoken = across || prefix(data).is_some();
        }
        passed
    }

    /// Without its return no line is a command: what has none in reach need not be looked at.
    fn pass_lines(&mut self, data: &[u8]) -> usize {
        let mut at = 0;
        while let Some(length) = memchr2(b'\r', b'\r' | 0x80, &data[at..]) {
            self.extend_line(&data[at..at + length]);
            at += length;
            if body(&self.line).is_some_and(dials) {
                return at;
            }
            self.line.clear();
            at += 1;
        }
        self.extend_line(&data[at..]);
        data.len()
    }

    fn extend_line(&mut self, data: &[u8]) {
        self.line.extend(&data[data.len().saturating_sub(REACH)..]);
        let beyond = self.line.len().saturating_sub(REACH);
        self.line.drain(..beyond);
    }

    /// All that was sent has reached the modem in data state.
    pub(super) fn clear(&mut self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the checkpoints are, with the data in pieces of these lengths.
    fn stops(data: &[u8], pieces: &[usize]) -> Vec<usize> {
        let mut hazard = Hazard::default();
        let (mut stops, mut at) = (Vec::new(), 0);
        let mut pieces = pieces.iter().copied().cycle();
        while at < data.len() {
            let end = data.len().min(at + pieces.next().unwrap().max(1));
            while at < end {
                at += hazard.pass(&data[at..end]);
                if at < end {
                    stops.push(at);
                    hazard.clear();
                }
            }
        }
        stops
    }

    fn stops_of(data: &str) -> Vec<usize> {
        stops(data.as_bytes(), &[usize::MAX / 2])
    }

    #[test]
    fn a_command_that_dials_is_held_up_at_its_end() {
        assert_eq!(stops_of("ATDT0900\r"), [8]);
        assert_eq!(stops_of("xxatd0900\ratdl\r\n"), [9, 14]);
        assert_eq!(stops_of("AT&FE0S7=60D5\r"), [13]);
        assert_eq!(stops_of("AT+CUSD=1\r"), [9]);
        // Keypads of the military have four keys more.
        assert_eq!(stops_of("ATDTATH\r"), [7]);
        assert_eq!(stops_of("AT&C0\rATS3=88\rATZ\r"), [5, 13, 17]);
        assert_eq!(stops(b"A\xd4D\xb1\x8d", &[1]), [4]);
    }

    #[test]
    fn a_prefix_is_found_wherever_it_is_and_nothing_else() {
        for (first, next) in (0..=255).flat_map(|first| (0..=255).map(move |next| (first, next))) {
            let is_prefix = folded(first) == b'A' && b"T/".contains(&folded(next));
            for at in [0, 7, 9] {
                let mut data = [b'@'; 18];
                (data[at], data[at + 1]) = (first, next);
                let expected = is_prefix.then_some(at);
                assert_eq!(prefix(&data), expected, "{first} {next} at {at}");
            }
        }
        assert_eq!(prefix(b"12345678a"), None);
        assert_eq!(prefix(b"12345678at"), Some(8));
    }

    #[test]
    fn a_modem_could_have_answered_after_a_prefix_that_was_sent() {
        let has_spoken = |pieces: &[&[u8]]| {
            let mut hazard = Hazard::default();
            for piece in pieces {
                hazard.pass(piece);
            }
            hazard.has_spoken()
        };
        assert!(has_spoken(&[b"xAT"]));
        assert!(has_spoken(&[b"xa", b"/x"]));
        assert!(has_spoken(&[b"", b"A", b"", b"\xd4"]));
        assert!(!has_spoken(&[b"A", b"\rT", b"a t", b""]));
        // Only what is let through was sent.
        let mut hazard = Hazard::inherited();
        hazard.has_spoken = false;
        assert_eq!(hazard.pass(b"\rAT"), 0);
        assert!(!hazard.has_spoken());
    }

    #[test]
    fn what_dials_nothing_goes_on() {
        for text in [
            "ATE1Q1V0\r",
            "A TDT0900\r",
            "ATDT0900\n",
            "data at rest\r",
            "no prefix D0900\r",
            "AT\rD0900\r",
        ] {
            assert!(stops_of(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_command_within_a_long_line_is_found() {
        let mut text = format!("AT{}", "x".repeat(LONGEST - 4));
        text.push_str("ATDT0900\r");
        assert_eq!(stops_of(&text), [text.len() - 1]);
        let mut text = "AT".repeat(400);
        text.push_str("D1\r");
        assert_eq!(stops_of(&text), [text.len() - 1]);
    }

    /// Whether some `AT` is followed within reach by a return with a dial between.
    fn naive(data: &[u8]) -> bool {
        (0..data.len().saturating_sub(1)).any(|at| {
            let body = &data[at + 2..data.len().min(at + 2 + LONGEST)];
            folded(data[at]) == b'A'
                && folded(data[at + 1]) == b'T'
                && body
                    .iter()
                    .position(|octet| octet & 0x7f == b'\r')
                    .is_some_and(|end| dials(&body[..end]))
        })
    }

    proptest! {
        #[test]
        fn between_two_checkpoints_no_command_dials(
            data in prop::collection::vec(prop_oneof![
                Just(b'A'), Just(b'a'), Just(b'T'), Just(b't'), Just(0xd4), Just(b'D'), Just(b'd'),
                Just(b'9'), Just(b'\r'), Just(0x8d), any::<u8>()
            ], 0..700),
            pieces in prop::collection::vec(1..400_usize, 1..20),
        ) {
            let mut from = 0;
            let stops = stops(&data, &pieces);
            for stop in stops.iter().copied().chain([data.len()]) {
                prop_assert!(!naive(&data[from..stop]), "{from}..{stop}");
                from = stop;
            }
            prop_assert_eq!(stops.is_empty(), !naive(&data));
        }
    }
}
