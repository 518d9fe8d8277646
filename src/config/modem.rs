//! `[ports.NAME.modem]`: how the modems of a port are prepared and hung up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::duration::{MILLISECOND, SECOND, parse_within};
use super::problem::{Mistake, quoted};
use super::read::hint;
use super::section::{Key, Section, set};

pub(super) const KEYS: &[Key] = &[
    ("init", r#"init = ["ATZ"]"#),
    ("timeout", r#"timeout = "5s""#),
    ("hangup", r#"hangup = "dtr""#),
    ("guard_time", r#"guard_time = "1s""#),
    ("numbers", r#"numbers = "full""#),
];

/// Of a command line, in characters.
const LONGEST_LINE: usize = 255;

/// `[ports.NAME.modem]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// Command lines before each session, each of which has to be answered with `OK`.
    pub init: Vec<String>,
    /// How long the modem may take for one answer: 1 s to 60 s.
    pub timeout: Duration,
    /// How a call is ended.
    pub hangup: HangUp,
    /// The silence that a modem wants around `+++`: 20 ms to 5 s; for modems that cannot switch the
    /// escape off.
    pub guard_time: Option<Duration>,
    /// What the call records show of numbers.
    pub numbers: ShownNumbers,
}

/// How a call is ended, first of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HangUp {
    /// DTR goes off for a moment.
    #[default]
    Dtr,
    /// `+++`, and `ATH` after it.
    Escape,
    /// Not at all: whatever is on the line stays on it.
    None,
}

impl FromStr for HangUp {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        match text {
            "dtr" => Ok(Self::Dtr),
            "escape" => Ok(Self::Escape),
            "none" => Ok(Self::None),
            _ => Err(Mistake::new(
                format!("{} is no way to hang up", quoted(text)),
                "write `dtr`, `escape` for `+++` and `ATH`, or `none`",
            )),
        }
    }
}

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dtr => "dtr",
            Self::Escape => "escape",
            Self::None => "none",
        })
    }
}

/// What the call records show of telephone numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShownNumbers {
    /// All digits.
    #[default]
    Full,
    /// All but the last three.
    Masked,
    /// None.
    Hidden,
}

impl FromStr for ShownNumbers {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        match text {
            "full" => Ok(Self::Full),
            "masked" => Ok(Self::Masked),
            "hidden" => Ok(Self::Hidden),
            _ => Err(Mistake::new(
                format!("{} is no way to show numbers", quoted(text)),
                "write `full`, `masked` for all but the last three digits, or `hidden`",
            )),
        }
    }
}

impl fmt::Display for ShownNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Masked => "masked",
            Self::Hidden => "hidden",
        })
    }
}

impl Default for Modem {
    fn default() -> Self {
        Modem {
            init: Vec::new(),
            timeout: Duration::from_secs(5),
            hangup: HangUp::default(),
            guard_time: None,
            numbers: ShownNumbers::default(),
        }
    }
}

impl Modem {
    /// Reads the table `modem` of the port of `port`; `guarded` if that has a `dial`.
    pub(super) fn read(
        port: &mut Section<'_>,
        value: &Spanned<DeValue<'_>>,
        guarded: bool,
    ) -> Self {
        let mut modem = Self::default();
        let mut section = port.inner("modem", KEYS);
        let (mut hangup, mut has_guard_time) = (None, false);
        for (key, value) in section.table("", value).unwrap_or_default() {
            let name = key.get_ref().as_ref();
            let section = &mut section;
            match name {
                "init" => {
                    let lines = section.list(name, value, init_line);
                    modem.init = lines.into_iter().flatten().map(|(line, _)| line).collect();
                }
                "timeout" => set(
                    &mut modem.timeout,
                    section.string(name, value, |text| parse_within(text, SECOND..=60 * SECOND)),
                ),
                "hangup" => {
                    hangup = Some(value.span());
                    set(&mut modem.hangup, section.string(name, value, str::parse));
                }
                "guard_time" => {
                    has_guard_time = true;
                    modem.guard_time = section.string(name, value, |text| {
                        parse_within(text, 20 * MILLISECOND..=5 * SECOND)
                    });
                }
                "numbers" => set(&mut modem.numbers, section.string(name, value, str::parse)),
                _ => {
                    let meant = section.unknown(key, hint(name, value.get_ref()));
                    has_guard_time |= meant == Some("guard_time");
                }
            }
        }
        if let (true, Some(place)) = (guarded, hangup) {
            match modem.hangup {
                HangUp::None => section.report("hangup", place, no_end_of_calls()),
                HangUp::Escape if !has_guard_time => {
                    section.report("hangup", place, no_escape());
                }
                HangUp::Dtr | HangUp::Escape => {}
            }
        }
        port.problems.append(&mut section.problems);
        modem
    }
}

fn no_end_of_calls() -> Mistake {
    Mistake::new(
        "`none` would leave calls on that the rules of `dial` want to end",
        "write `dtr`, or `escape` with a `guard_time`",
    )
}

fn no_escape() -> Mistake {
    Mistake::new(
        "`escape` does not work where `dial` is, since the guard switches `+++` off in the modem",
        "write `dtr`, or give the modem's `guard_time` too if it cannot switch `+++` off",
    )
}

/// A command line, whatever it does but dial.
fn init_line(text: &str) -> Result<String, Mistake> {
    let refuse =
        |why: &str, remedy: &str| Err(Mistake::new(format!("{} {why}", quoted(text)), remedy));
    if text.chars().any(|c| !(' '..='~').contains(&c)) {
        return refuse(
            "has a character that no command line has",
            "write letters, digits and signs, and each line as a text of its own: the end of the line is \
             added",
        );
    }
    // Both in the same case (V.250 5.2.1).
    let Some(body) = text.strip_prefix("AT").or_else(|| text.strip_prefix("at")) else {
        return refuse(
            "does not begin with `AT`",
            "write for example `ATZ` or `AT&F`",
        );
    };
    if text.len() > LONGEST_LINE {
        return refuse(
            &format!("is longer than {LONGEST_LINE} characters"),
            "write the commands in several lines",
        );
    }
    if dials(body) {
        return refuse(
            "dials, before each session",
            "leave the `D` out: clients dial",
        );
    }
    Ok(text.to_owned())
}

/// Whether there is a `D` among the commands of a line.
///
/// Where it cannot be known how long the name of a maker's command is, as in `#CID=1`, all until a
/// semicolon is taken for one.
fn dials(body: &str) -> bool {
    let commands = body
        .bytes()
        .filter(|b| *b != b' ')
        .map(|b| b.to_ascii_uppercase());
    let commands: Vec<u8> = commands.collect();
    let mut rest = &commands[..];
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'D', _) => return true,
            (b'&' | b'\\', [_, after @ ..]) => after,
            (b'+', _) => behind_semicolon(after),
            (sign, [b'A'..=b'Z', b'A'..=b'Z', ..]) if is_prefix(*sign) => behind_semicolon(after),
            (sign, [b'A'..=b'Z', after @ ..]) if is_prefix(*sign) => after,
            _ => after,
        };
    }
    false
}

fn is_prefix(byte: u8) -> bool {
    byte.is_ascii_punctuation() && !b"=?;,\"".contains(&byte)
}

/// What follows the next semicolon outside of quotes.
fn behind_semicolon(commands: &[u8]) -> &[u8] {
    let mut quotes = 0;
    let end = commands.iter().position(|byte| {
        quotes += usize::from(*byte == b'"');
        *byte == b';' && quotes % 2 == 0
    });
    end.map_or(&[], |end| &commands[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_is_too_strange(text in "\\PC*|AT[ -~]{0,20}") {
            if let Ok(line) = init_line(&text) {
                prop_assert_eq!(line, text);
            }
        }
    }

    #[test]
    fn preparing_a_modem_does_not_dial() {
        for line in [
            "ATD",
            "atdt0900",
            "ATZD1",
            "AT E0 D T 1",
            "AT&K3D1",
            r"AT\N3D1",
            "AT%C1D1",
            "ATS0=0D1",
            "AT+CMEE=1;D1",
            "AT+CGDCONT=1,\"IP\",\"a;b\";D1",
            "AT#CID=1;D1",
        ] {
            let mistake = init_line(line).unwrap_err();
            assert!(mistake.message.contains("dials"), "{line}: {mistake}");
        }
    }

    #[test]
    fn other_lines_are_the_operators_own() {
        for line in [
            "AT",
            "ATZ",
            "AT&D2&C1",
            r"AT\D1",
            "AT+IPR=115200",
            "AT+CGDCONT=1,\"IP\",\"d;d\"",
            "AT#CID=1",
            "AT%CCID",
            "AT^CARDLOCK=\"D\"",
            "AT%D5",
            "AT*D1",
            "ATS7=60S0=0",
            "AT&F1;&W",
        ] {
            assert_eq!(init_line(line).as_deref(), Ok(line));
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_why() {
        for (line, said) in [
            ("", "does not begin with `AT`"),
            ("Z", "does not begin with `AT`"),
            ("At&F", "does not begin with `AT`"),
            ("ATZ\r", "has a character that no command line has"),
            ("AT&F\nATZ", "has a character that no command line has"),
            ("ATÄ", "has a character that no command line has"),
            (&("AT".to_owned() + &"E0".repeat(127)), "is longer than 255"),
        ] {
            let mistake = init_line(line).unwrap_err();
            assert!(mistake.message.contains(said), "{mistake}");
        }
        assert!(init_line(&format!("ATL{}", "E0".repeat(126))).is_ok());
    }
}
