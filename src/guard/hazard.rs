//! Finds in the data of a call what a modem would dial, or be changed by, if it were not in data state any more.
//!
//! Between the moment when carrier is lost and the one when that is noticed here, a modem reads as commands
//! what is still under way to it. Such a command ends with a carriage return; if that return is only sent when
//! all in front of it has reached the modem and the call is still there, the modem has taken the beginning of
//! the line for data, and no command comes of the rest.

use memchr::memchr2;

/// What was sent since the modem was last known to be in data state.
#[derive(Debug, Clone, Default)]
pub(super) struct Hazard {
    line: Line,
    has_spoken: bool,
}

/// What a modem would have read since the last carriage return. Its length does not count: there are characters
/// of which no modem keeps any, and nobody knows the longest line of all modems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    #[default]
    NoCommand,
    /// Its last octet is the first of a prefix.
    HalfAPrefix,
    Command,
    /// There was a `D` in the command.
    Dialling,
    /// A modem could dial, or be changed.
    Dangerous,
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

/// Whether a modem could send something that costs money when it reads this in a command line; or would not show
/// any more that carrier is lost (`&C0`), or read other lines than those that are looked for here (`S3=88`), or do
/// either after a profile came back (`Z`, `&F`).
fn changes(octet: u8) -> bool {
    // The extended syntax of V.250 5.4 and of its neighbours, and prefixes of makers' letters.
    b"+#$*-:@^_~!)|&%\\=Z".contains(&octet)
}

/// Whether it could dial this after a `D`.
fn can_be_dialled(octet: u8) -> bool {
    matches!(octet, b'0'..=b'9' | b'A'..=b'D' | b'S' | b'L' | b'>' | b'"')
}

impl Line {
    /// The same with the next octets, among which is no carriage return; and whether there was a prefix.
    fn read(mut self, mut data: &[u8]) -> (Self, bool) {
        let mut has_prefix = false;
        if self == Line::HalfAPrefix
            && let Some((next, rest)) = data.split_first()
        {
            self = Line::NoCommand;
            if let Some(then) = after_prefix(*next) {
                (self, data, has_prefix) = (then, rest, true);
            }
        }
        while self == Line::NoCommand
            && let Some(at) = prefix(data)
        {
            has_prefix = true;
            self = after_prefix(data[at + 1]).unwrap_or_default();
            data = &data[at + 2..];
        }
        if self == Line::NoCommand && data.last().is_some_and(|last| folded(*last) == b'A') {
            self = Line::HalfAPrefix;
        }
        for octet in data.iter().map(|octet| folded(*octet)) {
            self = match self {
                Line::Command | Line::Dialling if changes(octet) => Line::Dangerous,
                Line::Dialling if can_be_dialled(octet) => Line::Dangerous,
                Line::Command if octet == b'D' => Line::Dialling,
                Line::Command | Line::Dialling => continue,
                Line::NoCommand | Line::HalfAPrefix | Line::Dangerous => break,
            };
        }
        (self, has_prefix)
    }
}

/// What comes of the second octet of a prefix.
fn after_prefix(octet: u8) -> Option<Line> {
    match folded(octet) {
        b'T' => Some(Line::Command),
        b'/' => Some(Line::NoCommand),
        _ => None,
    }
}

impl Hazard {
    /// After others whom nobody has told what they have sent: the worst that it can have been.
    pub(super) fn inherited() -> Self {
        Hazard {
            line: Line::Dangerous,
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
        let mut at = 0;
        loop {
            let rest = &data[at..];
            let end = memchr2(b'\r', b'\r' | 0x80, rest);
            let (line, has_prefix) = self.line.read(&rest[..end.unwrap_or(rest.len())]);
            self.has_spoken |= has_prefix;
            self.line = line;
            let Some(end) = end else {
                return data.len();
            };
            at += end;
            if line == Line::Dangerous {
                return at;
            }
            self.line = Line::NoCommand;
            at += 1;
        }
    }

    /// All that was sent has reached the modem in data state.
    pub(super) fn clear(&mut self) {
        self.line = Line::NoCommand;
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
    fn a_command_is_found_however_long_its_line_is() {
        for filler in ["x", " ", "\x01", "x\x08", "AT"] {
            let text = format!("AT{}D0900\r", filler.repeat(1000));
            assert_eq!(stops_of(&text), [text.len() - 1]);
        }
    }

    /// Whether some `AT` is followed by a return with a dial between, or with a change.
    fn naive(data: &[u8]) -> bool {
        let lines = data.split(|octet| octet & 0x7f == b'\r');
        // What is behind the last return is no line yet.
        let count = lines.clone().count() - 1;
        lines.take(count).any(|line| {
            let line: Vec<_> = line.iter().map(|octet| folded(*octet)).collect();
            (2..=line.len()).any(|at| {
                let dials = |dial: usize| {
                    line[dial] == b'D' && line[dial + 1..].iter().copied().any(can_be_dialled)
                };
                line[at - 2..at] == *b"AT"
                    && (line[at..].iter().copied().any(changes) || (at..line.len()).any(dials))
            })
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
