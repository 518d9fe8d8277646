//! Finds and edits command lines in what a terminal types (V.250 5.2).

use serde::{Deserialize, Serialize};

/// Characters a command line's body may have.
///
/// V.250 5.2.2 asks for at least 40; real modems take between 40 and 255.
pub const LONGEST_BODY: usize = 255;

/// Collects one command line from single characters.
///
/// The body stays in place after the line is complete, until the next `AT`: that is what `A/`
/// repeats (V.250 5.2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLineEditor {
    body: Vec<u8>,
    too_long: bool,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Place {
    #[default]
    BeforePrefix,
    AfterA(u8),
    InBody,
}

/// The characters that edit, from the S-registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EditKeys {
    /// S3: ends the line.
    pub terminator: u8,
    /// S5: takes the last character back.
    pub backspace: u8,
}

/// A line that a character completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered<'a> {
    /// This body is to be carried out, either typed now or repeated by `A/`.
    Line(&'a [u8]),
    /// The body had more than [`LONGEST_BODY`] characters; nothing of it may be carried out.
    TooLong,
}

impl CommandLineEditor {
    /// Takes one character, of which only the lower seven bits count (V.250 5.1).
    ///
    /// A prefix is `AT` or `at`, not `At` (V.250 5.2.1), as with Hayes' modems; those that take `At`
    /// as well are no help to a program that wants to work with all. Control characters other than
    /// the two `keys` are dropped (5.2.2), and so is all that is no command line. Where DEL is not the
    /// backspace it stays in the line, in which it is a mistake.
    pub fn push(&mut self, byte: u8, keys: EditKeys) -> Option<Entered<'_>> {
        let byte = byte & 0x7f;
        match self.place {
            Place::AfterA(a) if byte == a + (b'T' - b'A') => {
                self.body.clear();
                self.too_long = false;
                self.place = Place::InBody;
            }
            Place::AfterA(_) if byte == b'/' => {
                self.place = Place::BeforePrefix;
                return Some(self.entered());
            }
            Place::BeforePrefix | Place::AfterA(_) => {
                self.place = match byte {
                    b'A' | b'a' => Place::AfterA(byte),
                    _ => Place::BeforePrefix,
                };
            }
            // The terminator is looked for before the backspace (V.250 5.2.2), which decides
            // where S3 and S5 are the same.
            Place::InBody if byte == keys.terminator => {
                self.place = Place::BeforePrefix;
                return Some(self.entered());
            }
            // A line that was too long once stays so: what it lost cannot be taken back.
            Place::InBody if byte == keys.backspace => {
                self.body.pop();
            }
            Place::InBody if byte < b' ' => {}
            Place::InBody if self.body.len() == LONGEST_BODY => self.too_long = true,
            Place::InBody => self.body.push(byte),
        }
        None
    }

    /// Whether a prefix has begun a line that is not complete.
    #[must_use]
    pub fn is_in_line(&self) -> bool {
        matches!(self.place, Place::InBody)
    }

    /// Forgets the line being typed and the one before.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn entered(&self) -> Entered<'_> {
        if self.too_long {
            Entered::TooLong
        } else {
            Entered::Line(&self.body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: EditKeys = EditKeys {
        terminator: b'\r',
        backspace: 8,
    };

    const TOO_LONG: &str = "(too long)";

    fn typed(text: &[u8]) -> Vec<String> {
        let mut editor = CommandLineEditor::default();
        let mut lines = Vec::new();
        for &byte in text {
            match editor.push(byte, KEYS) {
                Some(Entered::Line(body)) => lines.push(String::from_utf8(body.to_vec()).unwrap()),
                Some(Entered::TooLong) => lines.push(TOO_LONG.into()),
                None => {}
            }
        }
        lines
    }

    #[test]
    fn a_line_begins_with_at_in_one_case_and_ends_with_the_terminator() {
        let lines = typed(b"ATE1\r\natv1\rAtz\raTz\rxyz\rAAT\r");
        assert_eq!(lines, ["E1", "v1", ""]);
    }

    #[test]
    fn backspace_takes_back_and_never_eats_the_prefix() {
        assert_eq!(typed(b"AT\x08\x08E0\x081\r"), ["E1"]);
    }

    #[test]
    fn control_characters_and_the_eighth_bit_are_dropped() {
        assert_eq!(typed(b"\xc1\xd4\x11E\n\xb1\r"), ["E1"]);
    }

    #[test]
    fn a_slash_repeats_the_last_line_at_once() {
        assert_eq!(typed(b"ATE1\rA/a/"), ["E1", "E1", "E1"]);
    }

    #[test]
    fn a_line_too_long_is_refused_whole_even_after_backspace() {
        let mut text = b"AT".to_vec();
        text.extend([b'E'; LONGEST_BODY]);
        let longest = typed(&[&text[..], b"\r"].concat());
        assert_eq!(longest, ["E".repeat(LONGEST_BODY)]);
        assert_eq!(
            typed(&[&text[..], b"E\x08\x08\rA/"].concat()),
            [TOO_LONG, TOO_LONG]
        );
        assert_eq!(typed(&[&text[..], b"E\rAT\r"].concat()), [TOO_LONG, ""]);
    }

    #[test]
    fn the_keys_follow_the_registers() {
        let keys = EditKeys {
            terminator: b'!',
            backspace: b'<',
        };
        let mut editor = CommandLineEditor::default();
        let lines: Vec<_> = b"ATE\rX<1!"
            .iter()
            .filter_map(|&byte| match editor.push(byte, keys) {
                Some(Entered::Line(body)) => Some(body.to_vec()),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [b"E1".to_vec()]);
    }

    #[test]
    fn a_line_lasts_from_its_prefix_to_its_terminator() {
        let mut editor = CommandLineEditor::default();
        let states: Vec<_> = b"xA/ATE\x08\x08\ra/AT"
            .iter()
            .map(|&byte| {
                editor.push(byte, KEYS);
                editor.is_in_line()
            })
            .collect();
        assert_eq!(
            states,
            [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1].map(|on| on == 1)
        );
        editor.clear();
        assert!(!editor.is_in_line());
    }

    #[test]
    fn a_terminator_that_is_the_backspace_too_terminates() {
        let keys = EditKeys {
            terminator: 8,
            backspace: 8,
        };
        let mut editor = CommandLineEditor::default();
        for &byte in b"ATE1" {
            assert_eq!(editor.push(byte, keys), None);
        }
        assert_eq!(editor.push(8, keys), Some(Entered::Line(b"E1")));
    }

    proptest! {
        #[test]
        fn no_input_makes_a_body_longer_than_the_limit(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for line in typed(&[b"AT", &text[..], b"\r"].concat()) {
                prop_assert!(line.len() <= LONGEST_BODY);
            }
        }
    }
}
