//! `[ports.NAME.dial]`: which numbers may be dialled, by whom, when, and for how long.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeValue;

use super::command::let_through;
use super::problem::{Mistake, quoted};
use super::read::hint;
use super::section::{Entry, Key, Section, set};
use super::{AllowList, Hours, NumberPattern};

pub(super) const KEYS: &[Key] = &[
    ("allow", r#"allow = ["030*", "0800*"]"#),
    ("deny", r#"deny = ["*0900*"]"#),
    ("hours", r#"hours = ["Mon-Fri 08:00-18:00"]"#),
    ("calls_per_hour", "calls_per_hour = 20"),
    ("minutes_per_call", "minutes_per_call = 60"),
    ("minutes_per_day", "minutes_per_day = 120"),
    ("refuse", r#"refuse = "NO CARRIER""#),
    ("commands", r#"commands = ["&A", "+CGDCONT"]"#),
    ("clients", "[[ports.NAME.dial.clients]]"),
];

pub(super) const KEYS_OF_CLIENTS: &[Key] = &[
    ("hosts", r#"hosts = ["192.168.2.7"]"#),
    ("allow", r#"allow = ["030*", "0800*"]"#),
    ("deny", r#"deny = ["*0900*"]"#),
    ("hours", r#"hours = ["Mon-Fri 08:00-18:00"]"#),
    ("calls_per_hour", "calls_per_hour = 20"),
    ("minutes_per_call", "minutes_per_call = 60"),
    ("minutes_per_day", "minutes_per_day = 120"),
];

/// How many patterns and hours a port may have: a session keeps those that hold for it.
const MOST_RULES: usize = 500;

/// Of calls or minutes. No calls at all is what an empty `allow` says.
const LIMIT: RangeInclusive<u32> = 1..=100_000;

/// `[ports.NAME.dial]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dial {
    /// What holds for everybody who is not in `clients`.
    pub rules: DialRules,
    /// `[[ports.NAME.dial.clients]]`: the first that a client is in holds for it, instead of `rules`.
    pub clients: Vec<DialClients>,
    /// What a client is told whose call is refused.
    pub refusal: Refusal,
    /// Commands that are let through to the modem beside those that always are: `&A`, `+CGDCONT`, `S91`;
    /// with any value, in capitals.
    pub commands: Vec<String>,
}

/// `[[ports.NAME.dial.clients]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialClients {
    /// Who: never nobody in a port that was read from a file.
    pub hosts: AllowList,
    /// What holds for them; a key that is not given there is as in `[ports.NAME.dial]`.
    pub rules: DialRules,
}

/// What one client may dial. By default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRules {
    /// Numbers that may be dialled.
    pub allow: Vec<NumberPattern>,
    /// Numbers that may not, even if they are in `allow`.
    pub deny: Vec<NumberPattern>,
    /// When; empty: at any time.
    pub hours: Vec<Hours>,
    /// How many calls in any hour.
    pub calls_per_hour: Option<u32>,
    /// How long one call may last.
    pub minutes_per_call: Option<u32>,
    /// How long all calls of 24 hours may last together.
    pub minutes_per_day: Option<u32>,
}

/// What a client is told whose call is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// `NO CARRIER`.
    #[default]
    NoCarrier,
    /// `ERROR`.
    Error,
}

impl FromStr for Refusal {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        match text {
            "NO CARRIER" => Ok(Self::NoCarrier),
            "ERROR" => Ok(Self::Error),
            _ => Err(Mistake::new(
                format!("{} is no answer to a call", quoted(text)),
                "write `NO CARRIER` or `ERROR`",
            )),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCarrier => "NO CARRIER",
            Self::Error => "ERROR",
        })
    }
}

impl Dial {
    /// Reads the table `dial` of the port of `port`; `header` is where that begins.
    pub(super) fn read(
        port: &mut Section<'_>,
        header: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Self {
        let mut dial = Self::default();
        let mut section = port.inner("dial", KEYS);
        let (mut has_allow, mut count) = (false, 0);
        let mut clients = None;
        let entries = section.table("", value);
        if entries.is_none() {
            has_allow = true;
        }
        for (key, value) in entries.unwrap_or_default() {
            let name = key.get_ref().as_ref();
            has_allow |= name == "allow";
            if let Some(rules) = dial.rules.read(&mut section, name, value) {
                count += rules;
                continue;
            }
            match name {
                "refuse" => set(&mut dial.refusal, section.string(name, value, str::parse)),
                "commands" => {
                    let commands = section.list(name, value, let_through);
                    let commands = commands.into_iter().flatten();
                    dial.commands = commands.map(|(command, _)| command).collect();
                }
                "clients" => clients = Some(value),
                _ => {
                    let meant = section.unknown(key, hint(name, value.get_ref()));
                    has_allow |= meant == Some("allow");
                }
            }
        }
        if !has_allow {
            section.missing("allow", header.clone());
        }
        if let Some(value) = clients {
            for (header, entries) in section.tables("clients", value) {
                let (clients, rules) =
                    DialClients::read(&mut section, header, entries, dial.rules.clone());
                dial.clients.push(clients);
                count += rules;
            }
        }
        if count > MOST_RULES {
            let message =
                format!("{count} patterns and hours are more than the {MOST_RULES} of a port");
            let remedy =
                "write fewer: a `*` stands for all numbers that begin with the same digits";
            section.report("", header, Mistake::new(message, remedy));
        }
        port.problems.append(&mut section.problems);
        dial
    }
}

impl DialClients {
    /// Reads one table of `clients`, in which what is not given is as in `rules`; also how many patterns
    /// and hours are given.
    fn read(
        dial: &mut Section<'_>,
        header: Range<usize>,
        entries: Vec<Entry<'_, '_>>,
        rules: DialRules,
    ) -> (Self, usize) {
        let hosts = AllowList::default();
        let mut clients = Self { hosts, rules };
        let mut section = dial.inner("clients", KEYS_OF_CLIENTS);
        let (mut has_hosts, mut count) = (false, 0);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            if let Some(rules) = clients.rules.read(&mut section, name, value) {
                count += rules;
            } else if name == "hosts" {
                has_hosts = true;
                let remedy = "write at least one, for example `hosts = [\"192.168.2.7\"]`";
                let hosts = section.some_list(name, value, str::parse, remedy);
                clients.hosts = hosts.into_iter().collect();
            } else {
                let meant = section.unknown(key, hint(name, value.get_ref()));
                has_hosts |= meant == Some("hosts");
            }
        }
        if !has_hosts {
            section.missing("hosts", header);
        }
        dial.problems.append(&mut section.problems);
        (clients, count)
    }
}

impl DialRules {
    /// Takes over what the key `name` says, and returns how many patterns and hours that are; none if it
    /// is no key of these.
    fn read(
        &mut self,
        section: &mut Section<'_>,
        name: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<usize> {
        let patterns = |section: &mut Section<'_>| {
            let patterns = section.list(name, value, str::parse);
            let patterns = patterns.into_iter().flatten();
            patterns.map(|(pattern, _)| pattern).collect::<Vec<_>>()
        };
        let number = |section: &mut Section<'_>, what| section.number(name, value, what, LIMIT);
        let count = match name {
            "allow" => {
                self.allow = patterns(section);
                self.allow.len()
            }
            "deny" => {
                self.deny = patterns(section);
                self.deny.len()
            }
            "hours" => {
                // None at all could be taken for never.
                let remedy =
                    "write `hours = [\"00:00-24:00\"]` for any time, `allow = []` for never";
                self.hours = section.some_list(name, value, str::parse, remedy);
                self.hours.len()
            }
            "calls_per_hour" => {
                self.calls_per_hour = number(section, "a number of calls");
                0
            }
            "minutes_per_call" => {
                self.minutes_per_call = number(section, "a number of minutes");
                0
            }
            "minutes_per_day" => {
                self.minutes_per_day = number(section, "a number of minutes");
                0
            }
            _ => return None,
        };
        Some(count)
    }
}

/// `030*, 0800*; not *0900*; Mon-Fri 08:00-18:00; 20 calls an hour; 60 minutes a call`
impl fmt::Display for DialRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allow.is_empty() {
            return f.write_str("nothing");
        }
        write_list(f, &self.allow)?;
        if !self.deny.is_empty() {
            f.write_str("; not ")?;
            write_list(f, &self.deny)?;
        }
        if !self.hours.is_empty() {
            f.write_str("; ")?;
            write_list(f, &self.hours)?;
        }
        for (limit, what, time) in [
            (self.calls_per_hour, "call", "an hour"),
            (self.minutes_per_call, "minute", "a call"),
            (self.minutes_per_day, "minute", "a day"),
        ] {
            if let Some(limit) = limit {
                let s = if limit == 1 { "" } else { "s" };
                write!(f, "; {limit} {what}{s} {time}")?;
            }
        }
        Ok(())
    }
}

fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (n, item) in items.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> impl Strategy<Value = DialRules> {
        let pattern = r"\+?([*?0-9#A-D]|\\\*){1,30}";
        let patterns =
            || prop::collection::vec(pattern.prop_map(|text| text.parse().unwrap()), 0..4);
        let hours = r"((Mon|Tue-Fri|Sat,Sun) )?0[0-9]:[0-5][0-9]-(1[0-9]:[0-5][0-9]|24:00)";
        let hours = prop::collection::vec(hours.prop_map(|text| text.parse().unwrap()), 0..4);
        let limit = || prop::option::of(LIMIT);
        (patterns(), patterns(), hours, limit(), limit(), limit()).prop_map(
            |(allow, deny, hours, calls_per_hour, minutes_per_call, minutes_per_day)| DialRules {
                allow,
                deny,
                hours,
                calls_per_hour,
                minutes_per_call,
                minutes_per_day,
            },
        )
    }

    proptest! {
        #[test]
        fn rules_that_a_session_keeps_read_back_the_same(rules in rules()) {
            let kept = serde_json::to_string(&rules).unwrap();
            prop_assert_eq!(serde_json::from_str::<DialRules>(&kept).unwrap(), rules);
        }
    }
}
