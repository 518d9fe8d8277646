//! What a shell reads as it was meant: root pastes these commands, and names are chosen by others.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use crate::modemctl::printable::printable;

/// Whether a shell takes each character for itself.
pub(super) fn is_plain(text: &OsStr) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:@=,%".contains(b);
    !text.is_empty() && text.as_bytes().iter().all(is_plain)
}

/// A word of a command, as [`printable`] leaves it.
pub(super) fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    match word.to_str() {
        Some(text) if is_plain(word) => text.to_owned(),
        Some(text) if printable(text) == text => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        // dash does not know $'...', and must not see an end in it.
        _ => {
            let mut ansi = "$'".to_owned();
            for byte in word.as_bytes() {
                let _ = match byte {
                    b'\'' | b'\\' | ..b' ' | 0x7F.. => write!(ansi, "\\x{byte:02x}"),
                    _ => write!(ansi, "{}", char::from(*byte)),
                };
            }
            ansi + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// What a command gets from `shell` for this word.
    fn read_by(shell: &str, word: &[u8]) -> Vec<u8> {
        let command = format!("printf %s {}", quoted(OsStr::from_bytes(word)));
        let done = Command::new(shell).args(["-c", &command]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{command}");
        done.stdout
    }

    #[test]
    fn what_is_plain_has_no_quotes() {
        for word in ["/dev/ttyS1", "modem-fax.socket", "a=b,c:d@e%f+g"] {
            assert_eq!(quoted(word), word);
        }
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("our locks"), "'our locks'");
        assert_eq!(quoted("a'\nb"), "$'a\\x27\\x0ab'");
    }

    #[test]
    fn a_command_gets_the_name_whatever_is_in_it() {
        for word in [
            "a b", "a;b", "$(id)", "`id`", "a'b", "'", "a\"b", "a\\b", "*", "~", "#", "!!", "&",
            "ttyä",
        ] {
            assert_eq!(read_by("sh", word.as_bytes()), word.as_bytes());
        }
        for word in [
            &b"a\nb"[..],
            b"\x1b[31m'\\",
            b"';id;'\n",
            b"\xff;id",
            "\u{202e}\u{3042}".as_bytes(),
        ] {
            assert_eq!(read_by("bash", word), word);
        }
    }

    #[test]
    fn no_shell_takes_a_piece_of_a_name_for_a_command() {
        for word in [
            &b"';echo found;'\n"[..],
            b"\\';echo found;'\xff",
            b"\n$(echo found)",
        ] {
            let read = read_by("sh", word);
            assert!(!read.ends_with(b"found\n"), "{}", read.escape_ascii());
            assert!(!read.starts_with(b"found"), "{}", read.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_word_is_on_one_line_and_ends_where_it_says(word in any::<Vec<u8>>()) {
            let quoted = quoted(OsStr::from_bytes(&word));
            prop_assert_eq!(printable(&quoted), quoted.as_str());
            if let Some(inner) = quoted.strip_prefix("$'").and_then(|of| of.strip_suffix('\'')) {
                prop_assert!(!inner.contains('\''));
            } else if let Some(inner) = quoted.strip_prefix('\'').and_then(|of| of.strip_suffix('\'')) {
                prop_assert!(!inner.replace("'\\''", "").contains('\''));
            } else {
                prop_assert!(is_plain(OsStr::from_bytes(&word)));
            }
        }
    }
}
