//! What was typed.

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Char(char),
}

/// `^C`, which is a key like others on a raw terminal.
pub(super) const INTERRUPT: char = '\u{3}';

/// The keys in what a terminal sent in one go (ECMA-48; xterm's control sequences).
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = rest;
        if first != b'\x1b' {
            match first {
                b'j' => keys.push(Key::Down),
                b'k' => keys.push(Key::Up),
                _ => keys.push(Key::Char(char::from(first))),
            }
            continue;
        }
        let Some((b'[' | b'O', rest)) = bytes.split_first() else {
            keys.push(Key::Char('\x1b'));
            continue;
        };
        let length = rest.iter().position(|byte| (b'@'..=b'~').contains(byte));
        let length = length.map_or(rest.len(), |at| at + 1);
        let (sequence, rest) = rest.split_at(length);
        bytes = rest;
        keys.extend(match sequence {
            b"A" => Some(Key::Up),
            b"B" => Some(Key::Down),
            b"5~" => Some(Key::PageUp),
            b"6~" => Some(Key::PageDown),
            b"H" | b"1~" | b"7~" => Some(Key::Home),
            b"F" | b"4~" | b"8~" => Some(Key::End),
            _ => None,
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_what_they_send() {
        use Key::{Char, Down, End, Home, PageDown, PageUp, Up};

        assert_eq!(
            keys(b"j\x1b[A\x1bOB\x1b[5~\x1b[6~q\x1b[H\x1b[4~k\x1b[200~\x1b"),
            [
                Down,
                Up,
                Down,
                PageUp,
                PageDown,
                Char('q'),
                Home,
                End,
                Up,
                Char('\x1b')
            ]
        );
        assert_eq!(keys(b"\x1b["), []);
    }
}
