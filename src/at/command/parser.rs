//! Takes command lines apart.

use super::{Basic, Command, CommandError, Dial, DialItem, Extended, Mistake, Store};

/// What begins a command with a whole name: V.250's `+`, and what makers took for their own.
///
/// Some of these makers' commands are a letter with a number (`*H1`, `-K0`) and may be followed by the
/// next command at once; that is then part of the name here, which nobody knows or lets pass.
const SIGILS: &[u8] = b"+#$*-:@^_~!)|";

/// Takes the body of a command line apart, the text between `AT` and the terminator.
///
/// Commands before a mistake are carried out (V.250 5.6: a line is worked off from left to
/// right), hence an iterator; after its first error it ends. Case does not matter (5.4.1),
/// spaces and control characters are skipped (5.2.2), and only the lower seven bits of each character count (5.1).
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
            b'D' => Ok(Command::Dial(self.dial_string())),
            b'S' => self.register(),
            b'?' => Ok(Command::ReadRegister(None)),
            b'=' => self.value().map(|value| Command::WriteRegister {
                register: None,
                value,
            }),
            b'A'..=b'Z' => self.basic(None, first),
            b'&' | b'%' | b'\\' => match self.peek() {
                Some(b'Z') if first == b'&' => {
                    self.at += 1;
                    self.store()
                }
                Some(letter @ b'A'..=b'Z') => {
                    self.at += 1;
                    self.basic(Some(first), letter)
                }
                _ => Err(Mistake::NoLetter(first)),
            },
            sigil if SIGILS.contains(&sigil) => self.extended(sigil),
            _ => Err(Mistake::NoCommand(first)),
        };
        Some(command.map_err(|mistake| {
            self.at = self.body.len();
            CommandError { column, mistake }
        }))
    }
}

impl Commands<'_> {
    /// The next character that counts, as it was typed; `at` stands on it afterwards.
    fn peek_as_typed(&mut self) -> Option<u8> {
        loop {
            let byte = self.body.get(self.at)? & 0x7f;
            if byte > b' ' {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The same in upper case.
    fn peek(&mut self) -> Option<u8> {
        self.peek_as_typed().map(|byte| byte.to_ascii_uppercase())
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

    fn store(&mut self) -> Result<Command, Mistake> {
        let begin = self.at;
        let place = self.value();
        let place = if self.peek() == Some(b'=') {
            self.at += 1;
            Some(place?)
        } else {
            // The digits are the number itself.
            self.at = begin;
            None
        };
        Ok(Command::Store(Store {
            place,
            dial: self.dial_string(),
        }))
    }

    fn dial_string(&mut self) -> Dial {
        let mut dial = Dial::default();
        while let Some(byte) = self.peek_as_typed() {
            self.at += 1;
            dial.items.push(match byte.to_ascii_uppercase() {
                b';' => {
                    dial.stays_in_command_state = true;
                    return dial;
                }
                digit @ (b'0'..=b'9' | b'*' | b'#' | b'+' | b'A'..=b'D') => DialItem::Digit(digit),
                b'T' => DialItem::Tone,
                b'P' => DialItem::Pulse,
                b',' => DialItem::Pause,
                b'W' => DialItem::WaitForDialTone,
                b'@' => DialItem::WaitForQuiet,
                b'!' => DialItem::HookFlash,
                b'L' => DialItem::Redial,
                b'R' => DialItem::AnswerTone,
                b'S' => self.stored_number(),
                _ => DialItem::Other(byte),
            });
        }
        dial
    }

    fn stored_number(&mut self) -> DialItem {
        let begin = self.at;
        if self.peek() == Some(b'=') {
            self.at += 1;
        }
        if let Ok(place) = self.value() {
            DialItem::Stored(place)
        } else {
            // No modem stores so many: the digits stay digits.
            self.at = begin;
            DialItem::Other(b'S')
        }
    }

    /// The name's characters are those of V.250 5.4.1, and what ends the command is a semicolon
    /// outside a string constant (5.4.2.2), or the end of the line.
    fn extended(&mut self, sigil: u8) -> Result<Command, Mistake> {
        let mut name = String::new();
        while let Some(
            byte @ (b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'%' | b'-' | b'.' | b'/' | b':' | b'_'),
        ) = self.peek()
        {
            if name.is_empty() && !byte.is_ascii_uppercase() {
                break;
            }
            self.at += 1;
            name.push(char::from(byte));
        }
        if name.is_empty() {
            return Err(Mistake::NoName(sigil));
        }
        let rest = self.rest()?;
        Ok(Command::Extended(Extended { sigil, name, rest }))
    }

    fn rest(&mut self) -> Result<String, Mistake> {
        let mut rest = String::new();
        let mut in_string = false;
        while let Some(byte) = self.body.get(self.at).map(|byte| byte & 0x7f) {
            self.at += 1;
            match byte {
                b';' if in_string => rest.push_str("\\3B"),
                b';' => break,
                b'"' => {
                    in_string = !in_string;
                    rest.push('"');
                }
                b' ' if in_string => rest.push(' '),
                ..=b' ' => {}
                0x7f => return Err(Mistake::Delete),
                _ if in_string => rest.push(char::from(byte)),
                _ => rest.push(char::from(byte.to_ascii_uppercase())),
            }
        }
        if in_string {
            return Err(Mistake::OpenString);
        }
        Ok(rest)
    }
}
