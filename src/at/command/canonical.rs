//! How commands are written so that all modems read the same.

use std::fmt::{self, Display, Formatter, Write};

use super::{Basic, Command, Dial, DialItem, Extended, Store};

impl Display for Command {
    /// The command alone on its line. If another one is to follow, an extended command needs a semicolon
    /// in between; one that dials or stores has its own or is the last.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(basic) => basic.fmt(f),
            Self::SelectRegister(register) => write!(f, "S{register}"),
            Self::ReadRegister(Some(register)) => write!(f, "S{register}?"),
            Self::ReadRegister(None) => f.write_char('?'),
            Self::WriteRegister {
                register: Some(register),
                value,
            } => write!(f, "S{register}={value}"),
            Self::WriteRegister {
                register: None,
                value,
            } => write!(f, "={value}"),
            Self::Dial(dial) => dial.fmt(f),
            Self::Store(store) => store.fmt(f),
            Self::Extended(extended) => extended.fmt(f),
        }
    }
}

impl Display for Basic {
    /// With its number, 0 where it was left out (V.250 5.3.1), but for the three that have none in
    /// V.250 (6.3.2, 6.3.3, 6.3.5): a strict modem takes no `A0`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(prefix) = self.prefix {
            f.write_char(char::from(prefix))?;
        }
        f.write_char(char::from(self.letter))?;
        match (self.prefix, self.letter, self.number) {
            (None, b'A' | b'P' | b'T', None) => Ok(()),
            (_, _, number) => number.unwrap_or(0).fmt(f),
        }
    }
}

impl Display for Dial {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('D')?;
        self.string(f)
    }
}

impl Dial {
    /// What follows the `D`.
    fn string(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            item.fmt(f)?;
        }
        if self.stays_in_command_state {
            f.write_char(';')?;
        }
        Ok(())
    }
}

impl Display for DialItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let byte = match *self {
            Self::Digit(byte) | Self::Other(byte) => byte,
            Self::Tone => b'T',
            Self::Pulse => b'P',
            Self::Pause => b',',
            Self::WaitForDialTone => b'W',
            Self::WaitForQuiet => b'@',
            Self::HookFlash => b'!',
            Self::Redial => b'L',
            Self::AnswerTone => b'R',
            Self::Stored(place) => return write!(f, "S={place}"),
        };
        f.write_char(char::from(byte))
    }
}

impl Display for Store {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("&Z")?;
        if let Some(place) = self.place {
            write!(f, "{place}=")?;
        }
        self.dial.string(f)
    }
}

impl Display for Extended {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", char::from(self.sigil), self.name, self.rest)
    }
}

impl Extended {
    /// Whether what follows the name is one that no modem can take for the beginning of other commands.
    ///
    /// Not all modems want a semicolon behind an extended command: one that takes `#CID=1` as a letter's
    /// number would find a second command in `#CID=1DT0900`, or in `+MS=V34S2=43`. So values may be
    /// numbers, string constants, and words like `V34`, `V32B` and `B103`.
    #[must_use]
    pub fn is_unmistakable(&self) -> bool {
        let Some(values) = self.rest.strip_prefix('=') else {
            return matches!(self.rest.as_str(), "" | "?");
        };
        let mut in_string = false;
        let outside_of_strings = |&character: &char| {
            let is_quote = character == '"';
            in_string ^= is_quote;
            is_quote || !in_string
        };
        let values: String = values.chars().filter(outside_of_strings).collect();
        values == "?" || values.split(',').all(is_plain)
    }
}

/// Whether this is a number or a word that says which modulation, or what is left of a string constant.
fn is_plain(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    let word = value.strip_prefix(['V', 'B', 'K']).unwrap_or_default();
    let suffix = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let is_word = word.len() > suffix.len() && matches!(suffix, "" | "B" | "C" | "S" | "TC");
    is_number || is_word || value == "\"\""
}
