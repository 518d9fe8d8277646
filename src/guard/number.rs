//! Telephone numbers out of dial strings: what is dialled, and how it is written to the modem.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::at::command::{Dial, DialItem};

/// More digits than any telephone network takes (ITU-T E.164 knows 15), and fewer than any modem.
const LONGEST: usize = 40;

/// A number to be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Number {
    /// What goes out on the telephone line: `+` in front, digits, `*`, `#`, `A` to `D`.
    pub(super) digits: String,
    /// The dial command for the modem, without `AT`: the same with its pauses.
    pub(super) command: String,
}

/// Why a dial string is not given to the modem, whatever number it may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undialable {
    /// Nothing to dial.
    #[error("it has no digits")]
    NoDigits,
    /// More than [`LONGEST`] digits.
    #[error("it has more than {LONGEST} digits")]
    TooLong,
    /// A semicolon at its end: the modem would stay in command state with the line open, and take the rest
    /// of a number later.
    #[error("`;` would leave the call open for more digits")]
    Continued,
    /// `S`, or a name in a telephone book: only the modem knows what is stored there.
    #[error("a stored number is not known here")]
    Stored,
    /// `!`: what follows may be a call of its own.
    #[error("`!` would begin another call")]
    HookFlash,
    /// `R`: calls as the answering side, which then waits for nothing.
    #[error("`R` is not let through")]
    AnswerTone,
    /// A character that modems read in different ways.
    #[error("it has a character that modems read in different ways: `{}`", .0.escape_ascii())]
    Odd(u8),
}

impl Number {
    /// What a dial string means. `last` is the number that was dialled last, for `L`.
    pub(super) fn of(dial: &Dial, last: Option<&Number>) -> Result<Number, Undialable> {
        if dial.stays_in_command_state {
            return Err(Undialable::Continued);
        }
        if dial.items == [DialItem::Redial] {
            return last.cloned().ok_or(Undialable::Stored);
        }
        let mut number = Number {
            digits: String::new(),
            command: "D".to_owned(),
        };
        for item in &dial.items {
            match *item {
                // Elsewhere than in front it is no part of a number, and modems skip it or do not.
                DialItem::Digit(b'+') if !number.digits.is_empty() => {
                    return Err(Undialable::Odd(b'+'));
                }
                DialItem::Digit(digit) => {
                    number.digits.push(char::from(digit));
                    number.command.push(char::from(digit));
                }
                DialItem::Tone => number.command.push('T'),
                DialItem::Pulse => number.command.push('P'),
                DialItem::Pause => number.command.push(','),
                DialItem::WaitForDialTone => number.command.push('W'),
                DialItem::WaitForQuiet => number.command.push('@'),
                DialItem::HookFlash => return Err(Undialable::HookFlash),
                DialItem::AnswerTone => return Err(Undialable::AnswerTone),
                DialItem::Redial | DialItem::Stored(_) | DialItem::Other(b'>' | b'"') => {
                    return Err(Undialable::Stored);
                }
                DialItem::Other(b'-' | b'(' | b')' | b'.' | b'/') => {}
                DialItem::Other(other) => return Err(Undialable::Odd(other)),
            }
        }
        if !number.digits.bytes().any(|digit| digit.is_ascii_digit()) {
            return Err(Undialable::NoDigits);
        }
        if number.command.len() > LONGEST {
            return Err(Undialable::TooLong);
        }
        Ok(number)
    }
}

/// As much of a dial string as can be shown of one that is not dialled.
#[must_use]
pub(super) fn shown(dial: &Dial) -> String {
    let mut text = String::new();
    for item in dial.items.iter().take(LONGEST) {
        match item {
            DialItem::Digit(digit) => text.push(char::from(*digit)),
            DialItem::Stored(place) => {
                let _ = write!(text, "S={place}");
            }
            DialItem::Redial => text.push('L'),
            DialItem::HookFlash => text.push('!'),
            DialItem::AnswerTone => text.push('R'),
            DialItem::Other(other) => text.push(char::from(*other)),
            DialItem::Tone
            | DialItem::Pulse
            | DialItem::Pause
            | DialItem::WaitForDialTone
            | DialItem::WaitForQuiet => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::command::{Command, parse};
    use proptest::prelude::*;

    fn dial(text: &str) -> Dial {
        match parse(text.as_bytes()).next() {
            Some(Ok(Command::Dial(dial))) => dial,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn of(text: &str) -> Result<(String, String), Undialable> {
        let number = Number::of(&dial(text), None)?;
        Ok((number.digits, number.command))
    }

    fn digits(text: &str) -> String {
        of(text).unwrap().0
    }

    #[test]
    fn a_number_is_its_digits_however_it_is_written() {
        for text in [
            "D0301234",
            "DT0301234",
            "dp 030 1234",
            "DT(030)1234",
            "D030-12-34",
            "DT0,30W1234@",
        ] {
            assert_eq!(digits(text), "0301234", "{text}");
        }
        assert_eq!(digits("D+49 30 1234"), "+49301234");
        assert_eq!(digits("DT*21*0900#"), "*21*0900#");
    }

    #[test]
    fn the_modem_gets_the_pauses_and_nothing_that_it_would_skip() {
        assert_eq!(of("DT 0,(030)-12@w3").unwrap().1, "DT0,03012@W3");
    }

    #[test]
    fn what_only_the_modem_could_make_a_number_of_is_not_dialled() {
        for (text, why) in [
            ("D", Undialable::NoDigits),
            ("DT,,", Undialable::NoDigits),
            ("D#*", Undialable::NoDigits),
            ("D0800;", Undialable::Continued),
            ("D0800!0900", Undialable::HookFlash),
            ("DS=1", Undialable::Stored),
            ("D0800S1", Undialable::Stored),
            ("DL", Undialable::Stored),
            ("D0800L", Undialable::Stored),
            ("D0800R", Undialable::AnswerTone),
            ("D08+00", Undialable::Odd(b'+')),
        ] {
            assert_eq!(of(text), Err(why), "{text}");
        }
        for text in [
            "D>ME1",
            "D\"MUM\"",
            "D>\"MUM\"",
            "D0800X",
            "DT1-800-FLOWERS",
            "D08&00",
            "D8^8",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert_eq!(
            of(&format!("D{}", "1".repeat(50))),
            Err(Undialable::TooLong)
        );
    }

    #[test]
    fn the_last_number_is_dialled_again_as_it_was() {
        let last = Number::of(&dial("DT0,0301234"), None).unwrap();
        assert_eq!(Number::of(&dial("DL"), Some(&last)), Ok(last));
    }

    proptest! {
        #[test]
        fn what_the_modem_gets_is_read_back_as_the_same_number(text in "[ -~]{0,60}") {
            let dial = match parse(format!("D{text}").as_bytes()).next() {
                Some(Ok(Command::Dial(dial))) => dial,
                other => panic!("{text}: {other:?}"),
            };
            if let Ok(number) = Number::of(&dial, None) {
                let again: Vec<_> = parse(number.command.as_bytes()).collect();
                prop_assert_eq!(again.len(), 1);
                let Some(Ok(Command::Dial(again))) = again.into_iter().next() else {
                    panic!("{}", number.command);
                };
                prop_assert_eq!(again.digits(), number.digits.clone());
                prop_assert_eq!(Number::of(&again, None), Ok(number));
            }
        }
    }
}
