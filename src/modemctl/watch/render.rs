//! Events and traffic as lines of text, none of which can do anything to a terminal.

use std::fmt::Write as _;

use serde::Serialize;

use crate::control::interface::{Traffic, Watched, Way};
use crate::modemctl::moment;
use crate::modemctl::paint::{Colour, Paint};
use crate::modemctl::printable::{cut, printable, visible};

/// How many bytes a line of `hexdump -C` shows.
const ROW: usize = 16;

/// For programs: an object a line.
pub(super) fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).expect("it is plain data")
}

/// An event, and how many there were before it that nobody has seen.
pub(super) fn event(watched: &Watched, room: Option<usize>, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    match watched.missed {
        0 => {}
        1 => lines.push(paint.paint(Colour::Yellow, "(1 event was missed)")),
        missed => {
            let text = format!("({missed} events were missed)");
            lines.push(paint.paint(Colour::Yellow, &text));
        }
    }
    if let Some(event) = &watched.event {
        let at = moment::date_and_time(event.time_usec);
        let text = format!("{at} {}", printable(&event.message));
        lines.push(cut(&text, room.unwrap_or(usize::MAX)).into_owned());
    }
    lines
}

/// The head of each line: when, and where to.
fn head(traffic: &Traffic, paint: Paint) -> String {
    let arrow = match traffic.way {
        Way::ToLine => paint.paint(Colour::Green, ">"),
        Way::ToClient => paint.paint(Colour::Blue, "<"),
    };
    format!("{} {arrow} ", moment::time(traffic.time_usec))
}

/// As wide as what [`head`] writes.
const HEAD: usize = "14:03:22.123 > ".len();

fn missed(traffic: &Traffic, paint: Paint) -> Option<String> {
    let at = moment::time(traffic.time_usec);
    let text = match traffic.missed {
        0 => return None,
        1 => format!("{at} (1 byte was missed)"),
        missed => format!("{at} ({missed} bytes were missed)"),
    };
    Some(paint.paint(Colour::Yellow, &text))
}

/// A line of text for each line of traffic, and more if the room is too small.
pub(super) fn text(traffic: &Traffic, room: Option<usize>, paint: Paint) -> Vec<String> {
    let mut lines: Vec<_> = missed(traffic, paint).into_iter().collect();
    let head = head(traffic, paint);
    let room = room.map_or(usize::MAX, |room| room.saturating_sub(HEAD).max(8));
    for part in traffic.data.split_inclusive(|byte| *byte == b'\n') {
        let mut line = head.clone();
        let mut wide = 0;
        for byte in part {
            let shown = visible(std::slice::from_ref(byte));
            if wide + shown.len() > room {
                lines.push(std::mem::replace(&mut line, head.clone()));
                wide = 0;
            }
            wide += shown.len();
            line += &shown;
        }
        lines.push(line);
    }
    lines
}

/// As `hexdump -C` has it, below a line that says when and where to.
pub(super) fn hex(traffic: &Traffic, paint: Paint) -> Vec<String> {
    let mut lines: Vec<_> = missed(traffic, paint).into_iter().collect();
    if traffic.data.is_empty() {
        return lines;
    }
    let bytes = match traffic.data.len() {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    };
    lines.push(format!("{}{bytes}", head(traffic, paint)));
    for (row, bytes) in traffic.data.chunks(ROW).enumerate() {
        let mut line = format!("{:08x} ", row * ROW);
        for index in 0..ROW {
            if index % 8 == 0 {
                line.push(' ');
            }
            match bytes.get(index) {
                Some(byte) => {
                    let _ = write!(line, "{byte:02x} ");
                }
                None => line += "   ",
            }
        }
        line += " |";
        for &byte in bytes {
            let is_plain = (b' '..=b'~').contains(&byte);
            line.push(if is_plain { char::from(byte) } else { '.' });
        }
        line.push('|');
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::interface::Event;
    use proptest::prelude::*;

    fn traffic(data: &[u8], missed: u64) -> Traffic {
        Traffic {
            time_usec: 1_795_000_000_123_456,
            way: Way::ToLine,
            data: data.to_vec(),
            missed,
        }
    }

    /// Without the time, which is a local one.
    fn timeless(lines: &[String]) -> Vec<&str> {
        let time = "14:03:22.123 ".len();
        lines.iter().map(|line| &line[time..]).collect()
    }

    #[test]
    fn traffic_is_shown_line_by_line_in_the_room_that_there_is() {
        let shown = text(
            &traffic(b"ATI1\r\r\nLinux ISDN\x1b[2J\r\nOK", 7),
            None,
            Paint::OFF,
        );
        assert_eq!(
            timeless(&shown),
            [
                "(7 bytes were missed)",
                r"> ATI1\r\r\n",
                r"> Linux ISDN\x1b[2J\r\n",
                "> OK"
            ]
        );
        let shown = text(&traffic(b"0123456\r8", 0), Some(24), Paint::OFF);
        assert_eq!(timeless(&shown), [r"> 0123456\r", "> 8"]);
    }

    #[test]
    fn traffic_in_hex_looks_as_hexdump_has_it() {
        let shown = hex(&traffic(b"ATDT 0123456789\r\n|\xff", 0), Paint::OFF);
        assert_eq!(
            shown[1..],
            [
                "00000000  41 54 44 54 20 30 31 32  33 34 35 36 37 38 39 0d  |ATDT 0123456789.|",
                "00000010  0a 7c ff                                          |.|.|",
            ]
        );
        assert_eq!(timeless(&shown[..1]), ["> 19 bytes"]);
    }

    #[test]
    fn an_event_is_a_line_whatever_its_message_has() {
        let event = Event {
            message: "modem: 192.168.2.7:50112\nis\x1b[2J on /dev/ttyS1".to_owned(),
            ..Event::default()
        };
        let watched = Watched {
            event: Some(event),
            missed: 2,
        };
        let shown = super::event(&watched, None, Paint::OFF);
        assert_eq!(shown[0], "(2 events were missed)");
        assert!(
            shown[1].ends_with(r" modem: 192.168.2.7:50112\nis\u{1b}[2J on /dev/ttyS1"),
            "{shown:?}"
        );
    }

    proptest! {
        #[test]
        fn no_traffic_reaches_the_terminal_raw_or_is_wider_than_it(
            data in prop::collection::vec(any::<u8>(), 0..300), room in 24..120_usize
        ) {
            let traffic = traffic(&data, 1);
            for line in text(&traffic, Some(room), Paint::OFF) {
                prop_assert!(line.len() <= room.max("14:03:22.123 (1 byte was missed)".len()));
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
            for line in hex(&traffic, Paint::OFF) {
                prop_assert!(line.len() <= 80);
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
