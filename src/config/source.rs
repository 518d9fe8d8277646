//! One file's text, and which line and column a byte of it is in.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::problem::{Mistake, Place};

/// The text of one configuration file.
pub(super) struct Source<'f> {
    file: &'f Path,
    text: Cow<'f, str>,
    /// Where each line begins, the first one left out.
    line_starts: Vec<usize>,
    /// The first byte that is no text, and why.
    encoding: Option<(Range<usize>, Mistake)>,
}

impl<'f> Source<'f> {
    /// Takes the bytes for text even if they are none, so that there is a line to show.
    pub(super) fn new(file: &'f Path, bytes: &'f [u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let encoding = str::from_utf8(bytes).err().map(|error| {
            // Until here the bytes and their replacement are the same.
            let start = error.valid_up_to();
            let message = format!("byte 0x{:02X} is not UTF-8", bytes[start]);
            let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
            let remedy = format!(
                "save the file as UTF-8, for example with `iconv -f {} -t UTF-8`; until then \
                 nothing in it is used",
                if utf16 { "UTF-16" } else { "ISO-8859-1" }
            );
            (start..start + 1, Mistake::new(message, remedy))
        });
        let newlines = text.match_indices('\n');
        Self {
            file,
            line_starts: newlines.map(|(at, _)| at + 1).collect(),
            encoding,
            text,
        }
    }

    /// What is in the file, or the first of what makes it something else than TOML; `header` is how
    /// a table of it begins.
    ///
    /// `toml` reports what it notices last first at times: a list that does not end because a string
    /// in it does not.
    pub(super) fn table(
        &self,
        header: &str,
    ) -> Result<Spanned<DeTable<'_>>, (Range<usize>, Mistake)> {
        if let Some(encoding) = &self.encoding {
            return Err(encoding.clone());
        }
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let end = self.text.len();
        let span = |error: &toml::de::Error| error.span().unwrap_or(end..end);
        let by_place = |error: &&toml::de::Error| (span(error).start, span(error).end);
        let Some(first) = errors.iter().rev().min_by_key(by_place) else {
            return Ok(table);
        };
        let remedy = if first.message() == "duplicate key" {
            format!(
                "a key, or a `{header}`, can be in a file once; until this is mended nothing in it \
                 is used"
            )
        } else {
            "until this is mended nothing in this file is used".to_owned()
        };
        let message = format!("not TOML: {}", first.message());
        Err((span(first), Mistake::new(message, remedy)))
    }

    /// What stands in the file at `span`, if it is on one line.
    pub(super) fn one_line(&self, span: Range<usize>) -> Option<&str> {
        self.text.get(span).filter(|text| !text.contains('\n'))
    }

    /// Where `span`, a range of bytes, begins; as much of it as is on that line.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let text = self.text.as_ref();
        // What is missing at the end of the file is shown at the end of its last line.
        let end_of_last_line = text.strip_suffix('\n').unwrap_or(text).len();
        let start = floor(text, span.start.min(end_of_last_line));
        let end = floor(text, span.end.min(text.len()));
        let lines_before = self.line_starts.partition_point(|begin| *begin <= start);
        let line_start = match lines_before {
            0 => 0,
            lines => self.line_starts[lines - 1],
        };
        let line = text[line_start..].split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        // A byte order mark is nothing that an editor shows or counts.
        let mark = if line_start == 0 && line.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let line_end = line_start + line.len();
        let count = |from: usize, to: usize| text.get(from..to).map_or(0, |s| s.chars().count());
        let printable = |c: char| {
            if c.is_control() && c != '\t' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        Place {
            file: self.file.to_owned(),
            line: lines_before + 1,
            column: count(line_start + mark, start.min(line_end)) + 1,
            text: line[mark..].chars().map(printable).collect(),
            width: count(start, end.min(line_end)).max(1),
        }
    }
}

/// The nearest boundary of a character at or before `index`.
fn floor(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str, span: Range<usize>) -> (usize, usize, usize) {
        let source = Source::new(Path::new("f"), text.as_bytes());
        let place = source.place(span);
        (place.line, place.column, place.width)
    }

    proptest! {
        #[test]
        fn every_place_lies_in_the_file(
            text in "(\\PC|[\t\r\n\u{feff}]){0,40}",
            start in 0_usize..200,
            length in 0_usize..200,
        ) {
            let source = Source::new(Path::new("f"), text.as_bytes());
            prop_assert_eq!(&source.encoding, &None);
            let place = source.place(start..start + length);
            prop_assert!(place.line <= text.split('\n').count());
            prop_assert!(place.column <= place.text.chars().count() + 1);
            prop_assert!(place.width >= 1);
            prop_assert!(place.column + place.width <= place.text.chars().count() + 2);
        }
    }

    proptest! {
        #[test]
        fn a_line_is_counted_by_the_ends_of_those_before(
            text in "[ab\n]{0,40}",
            start in 0_usize..40,
        ) {
            let start = start.min(text.strip_suffix('\n').unwrap_or(&text).len());
            let before = &text[..start];
            let column = before.rsplit('\n').next().unwrap_or_default().len() + 1;
            let (line, found, _) = place(&text, start..start);
            prop_assert_eq!((line, found), (before.matches('\n').count() + 1, column));
        }
    }

    #[test]
    fn columns_count_characters_and_not_bytes() {
        assert_eq!(place("é = \"ü\"\n", 5..9), (1, 5, 3));
    }

    #[test]
    fn a_byte_order_mark_and_a_carriage_return_are_not_counted() {
        assert_eq!(place("\u{feff}a = 1\r\n", 3..4), (1, 1, 1));
        assert_eq!(place("a = 1\r\n", 4..7), (1, 5, 1));
    }

    #[test]
    fn what_is_missing_at_the_end_is_shown_behind_the_last_line() {
        assert_eq!(place("a = 1\nb =\n", 10..10), (2, 4, 1));
        assert_eq!(place("", 0..0), (1, 1, 1));
    }

    #[test]
    fn a_piece_of_several_lines_is_underlined_on_its_first() {
        assert_eq!(place("a = [\n1,\n]\n", 4..10), (1, 5, 1));
    }

    #[test]
    fn the_first_byte_of_another_encoding_is_the_place() {
        let source = Source::new(Path::new("f"), b"# \xc3\xbc\n# caf\xe9\n");
        let (span, mistake) = source.table("[NAME]").unwrap_err();
        let place = source.place(span);
        assert_eq!(mistake.message, "byte 0xE9 is not UTF-8");
        assert_eq!((place.line, place.column), (2, 6));
    }
}
