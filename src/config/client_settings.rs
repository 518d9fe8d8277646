//! `client_settings`: what a client may change about its line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeValue;

use super::problem::{Mistake, quoted};
use super::section::{Section, repeats};
use super::suggest::nearest;

/// One thing that a telnet client can change about its line (RFC 2217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientSetting {
    /// `baud`: the speed.
    Baud,
    /// `data`: the bits in a character.
    DataBits,
    /// `parity`: the check bit.
    Parity,
    /// `stop`: the pause after a character.
    StopBits,
    /// `flow`: how either side holds the other up.
    Flow,
    /// `dtr`: data terminal ready.
    Dtr,
    /// `rts`: request to send.
    Rts,
    /// `break`: whether a BREAK is being sent.
    Break,
}

impl ClientSetting {
    /// Each of them, those of `line` first and in its order.
    pub const ALL: [Self; 8] = [
        Self::Baud,
        Self::DataBits,
        Self::Parity,
        Self::StopBits,
        Self::Flow,
        Self::Dtr,
        Self::Rts,
        Self::Break,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Baud => "baud",
            Self::DataBits => "data",
            Self::Parity => "parity",
            Self::StopBits => "stop",
            Self::Flow => "flow",
            Self::Dtr => "dtr",
            Self::Rts => "rts",
            Self::Break => "break",
        }
    }
}

impl FromStr for ClientSetting {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        if let Some(setting) = Self::ALL.into_iter().find(|of| of.name() == text) {
            return Ok(setting);
        }
        let names = Self::ALL.map(Self::name);
        let list = format!("the settings are `{}`", names.join("`, `"));
        let remedy = match (text, nearest(text, names.into_iter())) {
            ("any" | "none", _) => format!("write `client_settings = \"{text}\"`, without a list"),
            (_, Some(name)) => format!("did you mean `{name}`? {list}"),
            (_, None) => list,
        };
        Err(Mistake::new(
            format!("{} is not a setting that a client can change", quoted(text)),
            remedy,
        ))
    }
}

impl fmt::Display for ClientSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which settings of its line a telnet client may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// A bit for each [`ClientSetting`].
    allowed: u8,
}

impl ClientSettings {
    /// All of them.
    pub const ANY: Self = Self { allowed: u8::MAX };

    /// Not one.
    pub const NONE: Self = Self { allowed: 0 };

    /// Whether a client may change this.
    #[must_use]
    pub fn allows(self, which: ClientSetting) -> bool {
        self.allowed & bit(which) != 0
    }

    /// Reads `"any"`, `"none"` or a list of settings.
    pub(super) fn read(
        section: &mut Section<'_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Self> {
        let mistake = match value.get_ref() {
            DeValue::String(_) => return section.string(key, value, any_or_none),
            DeValue::Array(items) if items.is_empty() => Mistake::new(
                "the list is empty",
                format!("write `{key} = \"none\"` if clients may change nothing"),
            ),
            DeValue::Array(_) => {
                let remedy = "leave one of them out";
                let (settings, _) = section.distinct_list(key, value, str::parse, repeats, remedy);
                return Some(settings.into_iter().collect());
            }
            other => section.wrong_type(key, "`any`, `none` or a list", other),
        };
        section.report(key, value.span(), mistake);
        None
    }
}

fn bit(which: ClientSetting) -> u8 {
    1 << which as u8
}

/// A list is meant, too, where only its brackets are missing.
fn any_or_none(text: &str) -> Result<ClientSettings, Mistake> {
    let words = || text.split(',').map(str::trim);
    let remedy = match text {
        "any" => return Ok(ClientSettings::ANY),
        "none" => return Ok(ClientSettings::NONE),
        _ if words().all(|word| word.parse::<ClientSetting>().is_ok()) => {
            let list: Vec<_> = words().collect();
            format!("write `client_settings = [\"{}\"]`", list.join("\", \""))
        }
        _ => "write `any`, `none`, or a list, for example `[\"baud\", \"parity\"]`".to_owned(),
    };
    Err(Mistake::new(
        format!("{} is neither `any` nor `none`, and no list", quoted(text)),
        remedy,
    ))
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self::ANY
    }
}

impl FromIterator<ClientSetting> for ClientSettings {
    fn from_iter<I: IntoIterator<Item = ClientSetting>>(settings: I) -> Self {
        let bits = settings.into_iter().map(bit);
        Self {
            allowed: bits.fold(0, |all, one| all | one),
        }
    }
}

/// `any`, `none` or `baud, parity`.
impl fmt::Display for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANY => f.write_str("any"),
            Self::NONE => f.write_str("none"),
            some => {
                let allowed = ClientSetting::ALL.into_iter().filter(|of| some.allows(*of));
                let names: Vec<_> = allowed.map(ClientSetting::name).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_from_its_name() {
        for setting in ClientSetting::ALL {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
    }

    #[test]
    fn any_is_each_of_them_and_none_is_not_one() {
        for setting in ClientSetting::ALL {
            assert!(ClientSettings::ANY.allows(setting), "{setting}");
            assert!(!ClientSettings::NONE.allows(setting), "{setting}");
        }
        let all: ClientSettings = ClientSetting::ALL.into_iter().collect();
        assert_eq!(all, ClientSettings::ANY);
        let none: ClientSettings = [].into_iter().collect();
        assert_eq!(none, ClientSettings::NONE);
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let listed = [ClientSetting::Break, ClientSetting::Baud];
        let settings: ClientSettings = listed.into_iter().collect();
        for setting in ClientSetting::ALL {
            let is_listed = listed.contains(&setting);
            assert_eq!(settings.allows(setting), is_listed, "{setting}");
        }
        assert_eq!(settings.to_string(), "baud, break");
    }

    #[test]
    fn a_slip_is_told_what_was_meant_and_what_there_is() {
        for (text, remedy) in [
            (
                "Parity",
                "did you mean `parity`? the settings are `baud`, `data`,",
            ),
            ("speed", "the settings are `baud`, `data`,"),
            ("any", "write `client_settings = \"any\"`, without a list"),
        ] {
            let mistake = text.parse::<ClientSetting>().unwrap_err();
            assert!(mistake.remedy.starts_with(remedy), "{mistake}");
        }
    }

    #[test]
    fn settings_without_brackets_are_shown_with_them() {
        for (text, remedy) in [
            ("baud", "write `client_settings = [\"baud\"]`"),
            ("baud,dtr", "write `client_settings = [\"baud\", \"dtr\"]`"),
            ("all", "write `any`, `none`, or a list"),
            ("", "write `any`, `none`, or a list"),
        ] {
            let mistake = any_or_none(text).unwrap_err();
            assert!(mistake.remedy.starts_with(remedy), "{mistake}");
        }
    }
}
