//! The body of a command line as typed commands (V.250 5.3 and 5.4).
//!
//! The parser knows the grammar, not what a modem can do: every command it yields still has to be
//! judged by whoever carries it out or lets it pass.

use std::fmt;

/// One command out of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A letter with an optional number, such as `E1` or `&D2` (V.250 5.3.1).
    Basic(Basic),
    /// `Sn`: later `?` and `=` mean this register.
    SelectRegister(u8),
    /// `Sn?`, or `?` alone (register `None`) for the one selected last.
    ReadRegister(Option<u8>),
    /// `Sn=v`, or `=v` alone (register `None`) for the one selected last.
    WriteRegister {
        /// The register's number, `None` for the one selected last.
        register: Option<u8>,
        /// Its new value; a missing one counts as 0 (V.250 5.3.2).
        value: u8,
    },
    /// `D` and everything up to a semicolon or the end of the line (V.250 6.3.1).
    Dial(Dial),
    /// `+NAME…`, the extended syntax (V.250 5.4).
    Extended(Extended),
}

/// A command of the basic syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basic {
    /// What stands before the letter: V.250 knows only `&`, makers added `%`, `\`, `*`, `-`, `#`,
    /// `$`, `~`, `^`, `@`, `!`, `:` and others.
    pub prefix: Option<u8>,
    /// The letter, in upper case.
    pub letter: u8,
    /// The number after it; left out it means 0 (V.250 5.3.1).
    pub number: Option<u32>,
}

/// An extended command, taken apart no further than needed to find its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// The name in upper case, without the `+`.
    pub name: String,
    /// What follows the name as it was typed: empty, `?`, `=?` or `=` and values.
    pub rest: String,
}

/// A call to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dial {
    /// Digits and modifiers in their order.
    pub items: Vec<DialItem>,
    /// A semicolon ended the string: dial, but stay in command state (V.250 6.3.1.2).
    pub stays_in_command_state: bool,
}

/// One character of a dial string (V.250 6.3.1.1), or what belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialItem {
    /// `0`–`9`, `*`, `#`, `+` or `A`–`D`.
    Digit(u8),
    /// `T`: dial with tones.
    Tone,
    /// `P`: dial with pulses.
    Pulse,
    /// `,`: pause for the seconds in S8.
    Pause,
    /// `W`: wait for dial tone.
    WaitForDialTone,
    /// `@`: wait for an answer and then for silence.
    WaitForQuiet,
    /// `!`: register recall, the hook held down for a moment.
    HookFlash,
    /// `L`: the number dialled last, once more.
    Redial,
    /// `R`: call as the answering side.
    AnswerTone,
    /// `S=n`: the number stored under `n`.
    Stored(u8),
    /// Anything else. V.250 has the modem ignore it, and most skip `-`, `(` and `)`; but a GSM
    /// modem reads `>` as a name in its telephone book, so nothing is dropped here.
    Other(u8),
}

/// Why a command line cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("command line: column {column}: {mistake}")]
pub struct CommandError {
    /// Where in the body, counted from 1, spaces included and `AT` not.
    pub column: usize,
    /// What is wrong there.
    pub mistake: Mistake,
}

/// What can be wrong in a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A character that begins no command.
    NoCommand(u8),
    /// A prefix such as `&` with no letter after it.
    NoLetter(u8),
    /// A number that does not fit: an S-register and its value are octets (V.250 5.3.2), other
    /// values have 32 bits, for makers who put a speed or a subscriber's number there.
    TooLarge,
    /// `S` without a register's number.
    NoRegister,
    /// `+` without a name.
    NoName,
    /// A string constant whose second quote is missing.
    OpenString,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand(byte) => {
                write!(f, "`{}`: begins no command", byte.escape_ascii())
            }
            Self::NoLetter(prefix) => {
                write!(f, "`{}`: a letter must follow", prefix.escape_ascii())
            }
            Self::TooLarge => write!(f, "number too large: an S-register takes 255 at most"),
            Self::NoRegister => write!(f, "`S`: the number of a register must follow"),
            Self::NoName => write!(f, "`+`: the name of a command must follow"),
            Self::OpenString => write!(f, "`\"`: the string is not closed"),
        }
    }
}

/// Takes the body of a command line apart, the text between `AT` and the terminator.
///
/// Commands before a mistake are carried out (V.250 5.6: a line is worked off from left to
/// right), hence an iterator; after its first error it ends. Case does not matter (5.4.1),
/// spaces are skipped (5.2.2), and only the lower seven bits of each character count (5.1).
#[must_use]
pub fn parse(body: &[u8]) -> Commands<'_> {
    Commands { body, at: 0 }
}

/// The commands of one line; see [`parse`].
#[derive(Debug, Clone)]
pub struct Commands<'a> {
    body: &'a [u8],
    at: usize,
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.peek()?;
        let column = self.at + 1;
        self.at += 1;
        let command = match first {
            b'D' => Ok(Command::Dial(self.dial())),
            b'S' => self.register(),
            b'?' => Ok(Command::ReadRegister(None)),
            b'=' => self.value().map(|value| Command::WriteRegister {
                register: None,
                value,
            }),
            b'+' => self.extended(),
            b'A'..=b'Z' => self.basic(None, first),
            b'!'..=b'/' | b':'..=b'@' | b'['..=b'`' | b'{'..=b'~' => match self.peek() {
                Some(letter @ b'A'..=b'Z') => {
                    self.at += 1;
                    self.basic(Some(first), letter)
                }
                _ => Err(Mistake::NoLetter(first)),
            },
            _ => Err(Mistake::NoCommand(first)),
        };
        Some(command.map_err(|mistake| {
            self.at = self.body.len();
            CommandError { column, mistake }
        }))
    }
}

impl Commands<'_> {
    /// The next character that is no space, in upper case; `at` stands on it afterwards.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = (self.body.get(self.at)? & 0x7f).to_ascii_uppercase();
            if byte != b' ' {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Option<u32>, Mistake> {
        let mut number: Option<u32> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            let next = number
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u32::from(digit - b'0')));
            number = Some(next.ok_or(Mistake::TooLarge)?);
        }
        Ok(number)
    }

    fn octet(&mut self) -> Result<Option<u8>, Mistake> {
        let number = self.number()?;
        number
            .map(|number| u8::try_from(number).map_err(|_| Mistake::TooLarge))
            .transpose()
    }

    fn value(&mut self) -> Result<u8, Mistake> {
        self.octet().map(Option::unwrap_or_default)
    }

    fn basic(&mut self, prefix: Option<u8>, letter: u8) -> Result<Command, Mistake> {
        let number = self.number()?;
        Ok(Command::Basic(Basic {
            prefix,
            letter,
            number,
        }))
    }

    fn register(&mut self) -> Result<Command, Mistake> {
        let register = self.octet()?.ok_or(Mistake::NoRegister)?;
        match self.peek() {
            Some(b'?') => {
                self.at += 1;
                Ok(Command::ReadRegister(Some(register)))
            }
            Some(b'=') => {
                self.at += 1;
                let value = self.value()?;
                Ok(Command::WriteRegister {
                    register: Some(register),
                    value,
                })
            }
            _ => Ok(Command::SelectRegister(register)),
        }
    }

    fn dial(&mut self) -> Dial {
        let mut dial = Dial::default();
        while let Some(byte) = self.peek() {
            self.at += 1;
            dial.items.push(match byte {
                b';' => {
                    dial.stays_in_command_state = true;
                    return dial;
                }
                b'0'..=b'9' | b'*' | b'#' | b'+' | b'A'..=b'D' => DialItem::Digit(byte),
                b'T' => DialItem::Tone,
                b'P' => DialItem::Pulse,
                b',' => DialItem::Pause,
                b'W' => DialItem::WaitForDialTone,
                b'@' => DialItem::WaitForQuiet,
                b'!' => DialItem::HookFlash,
                b'L' => DialItem::Redial,
                b'R' => DialItem::AnswerTone,
                b'S' => self.stored_number(),
                other => DialItem::Other(other),
            });
        }
        dial
    }

    fn stored_number(&mut self) -> DialItem {
        if self.peek() == Some(b'=') {
            self.at += 1;
        }
        match self.peek() {
            Some(digit @ b'0'..=b'9') => {
                self.at += 1;
                DialItem::Stored(digit - b'0')
            }
            // `DS` alone is the first stored number.
            _ => DialItem::Stored(0),
        }
    }

    /// The name's characters are those of V.250 5.4.1, and what ends the command is a semicolon
    /// outside a string constant (5.4.2.2), or the end of the line.
    fn extended(&mut self) -> Result<Command, Mistake> {
        let mut name = String::new();
        while let Some(
            byte @ (b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'%' | b'-' | b'.' | b'/' | b':' | b'_'),
        ) = self.peek()
        {
            self.at += 1;
            name.push(char::from(byte));
        }
        if name.is_empty() {
            return Err(Mistake::NoName);
        }
        let mut rest = String::new();
        let mut in_string = false;
        while let Some(byte) = self.body.get(self.at).map(|byte| byte & 0x7f) {
            self.at += 1;
            match byte {
                b';' if !in_string => break,
                b' ' if !in_string => continue,
                b'"' => in_string = !in_string,
                _ => {}
            }
            rest.push(char::from(byte));
        }
        if in_string {
            return Err(Mistake::OpenString);
        }
        Ok(Command::Extended(Extended { name, rest }))
    }
}

impl Dial {
    /// The digits alone: the number, as far as it stands in the string itself.
    #[must_use]
    pub fn digits(&self) -> String {
        self.items
            .iter()
            .filter_map(|item| match item {
                DialItem::Digit(digit) => Some(char::from(*digit)),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
