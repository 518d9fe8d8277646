//! Other people's text on this terminal: names, messages and traffic. Nothing in it moves the cursor,
//! rings the bell, turns the writing round, or is wider than one column a character.

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;

/// What stands for the part of a text that has no room.
const CUT: char = '…';

/// Whether every terminal shows `c` in one column and does nothing else.
fn is_plain(c: char) -> bool {
    let is_latin = matches!(c, ' '..='~' | '\u{a1}'..='\u{24f}');
    let is_greek = matches!(c, '\u{384}'..='\u{3ff}');
    // Without its combining marks.
    let is_cyrillic = matches!(c, '\u{400}'..='\u{482}' | '\u{48a}'..='\u{52f}');
    let is_punctuation = matches!(c, '–' | '—' | '‘'..='„' | CUT);
    let is_soft_hyphen = c == '\u{ad}';
    (is_latin || is_greek || is_cyrillic || is_punctuation) && !is_soft_hyphen
}

/// `text` with every character escaped that might be anything but one column of writing.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_plain(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    Cow::Owned(shown)
}

/// Traffic: what can be printed in ASCII as it is, everything else as in Rust or C, and a backslash
/// twice, so that nothing is shown like something else.
pub(super) fn visible(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        match byte {
            b'\\' => shown.push_str("\\\\"),
            b'\r' => shown.push_str("\\r"),
            b'\n' => shown.push_str("\\n"),
            b'\t' => shown.push_str("\\t"),
            b' '..=b'~' => shown.push(char::from(byte)),
            _ => {
                let _ = write!(shown, "\\x{byte:02x}");
            }
        }
    }
    shown
}

/// How many columns printable text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Printable text in at most so many columns: its beginning.
pub(super) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let Some(kept) = room.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let mut shown: String = text.chars().take(kept).collect();
    shown.push(CUT);
    Cow::Owned(shown)
}

/// Printable text in at most so many columns: its end, where paths differ.
pub(super) fn cut_front(text: &str, room: usize) -> Cow<'_, str> {
    let beyond = width(text).saturating_sub(room);
    if beyond == 0 || room == 0 {
        return cut(text, room);
    }
    let mut shown = String::from(CUT);
    shown.extend(text.chars().skip(beyond + 1));
    Cow::Owned(shown)
}

/// Printable text in lines of at most so many columns, those after the first indented.
pub(super) fn fold(text: &str, room: usize) -> Vec<String> {
    const INDENT: &str = "  ";
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let is_first = line.is_empty() || line == INDENT;
        if !is_first && width(&line) + 1 + width(word) > room {
            lines.push(cut(&line, room).into_owned());
            INDENT.clone_into(&mut line);
        } else if !is_first {
            line.push(' ');
        }
        line += word;
    }
    lines.push(cut(&line, room).into_owned());
    lines
}

/// `text` as this locale can show it: not everybody's terminal has more than ASCII.
pub(super) fn in_locale(text: &str) -> Cow<'_, str> {
    // locale(7)
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).unwrap_or_default());
    let name = names.into_iter().find(|name| !name.is_empty());
    let name = name.unwrap_or_default().to_lowercase();
    if name.contains("utf-8") || name.contains("utf8") {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(ascii).collect())
    }
}

fn ascii(c: char) -> char {
    match c {
        CUT => '~',
        '▁' => '.',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '%',
        '█' => '#',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What [`visible`] was made of.
    fn undo(shown: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = shown.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            bytes.push(match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        bytes
    }

    #[test]
    fn what_could_harm_a_terminal_is_escaped() {
        assert_eq!(
            printable("a\x1b[2Jb\u{9b}31m\u{202e}\u{200b}c"),
            r"a\u{1b}[2Jb\u{9b}31m\u{202e}\u{200b}c"
        );
        assert_eq!(printable("Büro/ttyS1 „eins“"), "Büro/ttyS1 „eins“");
        assert_eq!(
            visible(b"AT\\Q3\r\n\x1b]0;x\x07\xc2\x9b"),
            r"AT\\Q3\r\n\x1b]0;x\x07\xc2\x9b"
        );
    }

    #[test]
    fn what_is_cut_off_shows() {
        assert_eq!(cut("192.168.2.7:50112", 10), "192.168.2…");
        assert_eq!(cut_front("/dev/serial/by-id/usb-if00", 9), "…usb-if00");
        assert_eq!((cut("a", 0), cut_front("ab", 1)), ("".into(), "…".into()));
    }

    #[test]
    fn what_does_not_fit_into_a_line_goes_on_in_the_next() {
        let text = "fax: no connection to modemhost:2007";
        assert_eq!(fold(text, 80), [text]);
        assert_eq!(
            fold(text, 19),
            ["fax: no connection", "  to modemhost:2007"]
        );
        assert_eq!(
            fold(text, 12),
            ["fax: no", "  connection", "  to", "  modemhost…"]
        );
    }

    #[test]
    fn a_terminal_that_has_only_ascii_gets_no_more() {
        let shown: String = "Büro… ▁▂▃▄▅▆▇█\x1b[0m".chars().map(ascii).collect();
        assert_eq!(shown, "B?ro~ .:-=+*%#\x1b[0m");
    }

    proptest! {
        #[test]
        fn traffic_is_ascii_and_can_be_told_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let shown = visible(&bytes);
            prop_assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown:?}");
            prop_assert_eq!(undo(&shown), bytes);
        }

        #[test]
        fn no_text_is_shown_raw_or_wider_than_its_room(text in any::<String>(), room in 0..40_usize) {
            let shown = printable(&text);
            prop_assert!(shown.chars().all(|c| is_plain(c) && !c.is_control()));
            for cut in [cut(&shown, room), cut_front(&shown, room)] {
                prop_assert!(width(&cut) <= room);
                prop_assert!(cut.chars().all(is_plain));
            }
            for line in fold(&shown, room) {
                prop_assert!(width(&line) <= room);
            }
        }
    }
}
