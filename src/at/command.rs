//! The body of a command line as typed commands (V.250 5.3 and 5.4).
//!
//! The parser knows the grammar, not what a modem can do: every command it yields still has to be
//! judged by whoever carries it out or lets it pass. [`Command`]'s `Display` is the canonical form:
//! upper case, numbers written out, so that modems of all makers find the same end of it.

mod canonical;
mod parser;

use std::fmt;

pub use parser::{Commands, parse};

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
    /// `&Zn=…`: a number to be stored in the modem. V.250 does not have it, Hayes and most others do.
    Store(Store),
    /// `+NAME…`, the extended syntax (V.250 5.4), or a maker's own such as `#CID=1`.
    Extended(Extended),
}

/// A command of the basic syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basic {
    /// What stands before the letter: V.250 knows only `&`, makers added `%` and `\`.
    ///
    /// Few makers have whole names after `%` (`%TSR`). Those fall apart into letters here, which is
    /// harmless as each of them is written with its number: `%T0`, `S…`.
    pub prefix: Option<u8>,
    /// The letter, in upper case.
    pub letter: u8,
    /// The number after it; left out it means 0 (V.250 5.3.1).
    pub number: Option<u32>,
}

/// An extended command, taken apart no further than needed to find its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// `+` for those of V.250 and of GSM, one of `#$*-:@^_~!)|` for a maker's own.
    pub sigil: u8,
    /// The name in upper case, without the sigil.
    pub name: String,
    /// What follows the name: empty, `?`, `=?` or `=` and values, in upper case outside of string
    /// constants. Inside of them a semicolon is written `\3B` (V.250 5.4.2.2), lest a modem that knows
    /// no strings ends the command there.
    pub rest: String,
}

/// A number to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Where; older modems have one place and no `n=`.
    pub place: Option<u8>,
    /// What will be dialled by `DS=n`.
    pub dial: Dial,
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
    /// `S=n`: the number stored under `n`; `S` alone is the first.
    Stored(u8),
    /// Anything else but a space, as it was typed. V.250 has the modem ignore it, and most skip `-`, `(`
    /// and `)`; but a GSM modem reads `>` and `"` as a name in its telephone book, `I` and `i` as two
    /// different things (3GPP TS 27.007, 6.2), and one of U.S. Robotics dials letters after `"`, so
    /// nothing is dropped here. What stands in quotes is not kept together.
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
    /// `+` or a maker's sigil without a name, which begins with a letter.
    NoName(u8),
    /// A string constant whose second quote is missing.
    OpenString,
    /// The delete character among values, with which some modems take back what stands before it.
    Delete,
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
            Self::NoName(sigil) => write!(
                f,
                "`{}`: the name of a command must follow",
                sigil.escape_ascii()
            ),
            Self::OpenString => write!(f, "`\"`: the string is not closed"),
            Self::Delete => write!(f, "`\\x7f`: not among values"),
        }
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
