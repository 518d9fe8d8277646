//! `xinetd.conf` and the files of `xinetd.d`: `service NAME { ATTRIBUTE = VALUES }`

use super::address::Family;
use super::draft::{Access, Draft, EVERYBODY, Findings, Script};
use super::words::{base_name, words};
use super::{Place, Source, address, program};
use crate::config::Services;

/// How xinetd kept its services from taking too much.
const LIMITS: [&str; 10] = [
    "cps",
    "instances",
    "max_load",
    "nice",
    "per_source",
    "rlimit_as",
    "rlimit_cpu",
    "rlimit_data",
    "rlimit_rss",
    "rlimit_stack",
];

/// `service NAME` or `defaults`, and what is in it.
#[derive(Default)]
struct Section {
    attributes: Vec<(String, Vec<String>)>,
}

impl Section {
    /// `=` sets, `+=` adds, `-=` takes away.
    fn take(&mut self, name: &str, operator: &str, values: Vec<String>) {
        let at = self.attributes.iter().position(|(of, _)| of == name);
        match (at, operator) {
            (Some(at), "+=") => self.attributes[at].1.extend(values),
            (Some(at), "-=") => self.attributes[at]
                .1
                .retain(|value| !values.contains(value)),
            (_, "-=") => {}
            (Some(at), _) => self.attributes[at].1 = values,
            (None, _) => self.attributes.push((name.to_owned(), values)),
        }
    }

    fn values(&self, name: &str) -> Option<&[String]> {
        let found = self.attributes.iter().find(|(of, _)| of == name);
        found.map(|(_, values)| values.as_slice())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.values(name)?.first().map(String::as_str)
    }
}

/// One line in braces: name, operator and values.
type Line = (String, &'static str, Vec<String>);

pub(super) fn read(sources: &[Source<'_>], services: &Services, found: &mut Findings) {
    let mut defaults = Section::default();
    let mut all = Vec::new();
    for source in sources {
        for (place, name, lines) in sections(source, sources.len() == 1, found) {
            match name {
                Some(name) => all.push((place, name, lines)),
                None => {
                    for (name, operator, values) in lines {
                        defaults.take(&name, operator, values);
                    }
                }
            }
        }
    }
    let mut others = Vec::new();
    for (place, name, lines) in all {
        let mut section = Section::default();
        for kept in [
            "only_from",
            "no_access",
            "access_times",
            "bind",
            "interface",
        ] {
            if let Some(values) = defaults.values(kept) {
                section.take(kept, "=", values.to_vec());
            }
        }
        for (name, operator, values) in lines {
            section.take(&name, operator, values);
        }
        let off = defaults.values("disabled").unwrap_or_default();
        match service(place, &name, &section, off, services, &mut found.scripts) {
            Some(draft) => found.ports.push(draft),
            None => others.push(name),
        }
    }
    if !others.is_empty() {
        found.remark(format!(
            "These services are not about serial lines, and stay with xinetd: {}",
            others.join(", ")
        ));
    }
}

/// The sections of a file, perhaps the only one that was named; `defaults` has no name.
fn sections(
    source: &Source<'_>,
    is_alone: bool,
    found: &mut Findings,
) -> Vec<(Place, Option<String>, Vec<Line>)> {
    let mut sections: Vec<(Place, Option<String>, Vec<Line>)> = Vec::new();
    let mut is_open = false;
    for (number, line) in source.lines() {
        let line = line.trim();
        let place = source.place(number);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let begin = line.trim_end_matches('{').trim_end();
        let mut head = begin.split_whitespace();
        match (head.next(), head.next()) {
            _ if line == "{" && !sections.is_empty() => is_open = true,
            _ if line == "}" && is_open => is_open = false,
            (Some("service"), Some(name)) if !is_open => {
                is_open = line.ends_with('{');
                sections.push((place, Some(name.to_owned()), Vec::new()));
            }
            (Some("defaults"), None) if !is_open => {
                is_open = line.ends_with('{');
                sections.push((place, None, Vec::new()));
            }
            (Some("include" | "includedir"), Some(path)) if !is_open => {
                if is_alone {
                    found.remark(format!(
                        "{place}: {path} is not read by itself: name the files in it, too"
                    ));
                }
            }
            _ => match (attribute(line), sections.last_mut()) {
                (Some(attribute), Some((_, _, lines))) if is_open => lines.push(attribute),
                _ => found.trouble(
                    place,
                    format!(
                        "`{line}`: not a line of the kind ATTRIBUTE = VALUE in a service {{ }}"
                    ),
                ),
            },
        }
    }
    sections
}

fn attribute(line: &str) -> Option<Line> {
    let (name, values) = line.split_once('=')?;
    let (name, operator) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
        (Some(name), _) => (name, "+="),
        (_, Some(name)) => (name, "-="),
        _ => (name, "="),
    };
    Some((name.trim().to_ascii_lowercase(), operator, words(values)))
}

/// A service as a port, if it is about a serial line.
fn service(
    place: Place,
    name: &str,
    section: &Section,
    off: &[String],
    services: &Services,
    scripts: &mut [Script],
) -> Option<Draft> {
    let mut server = section.first("server").unwrap_or_default();
    let mut arguments = section.values("server_args").unwrap_or_default();
    let flags = section.values("flags").unwrap_or_default();
    let is_wrapped = base_name(server) == "tcpd";
    let has_name = flags
        .iter()
        .any(|flag| flag.eq_ignore_ascii_case("NAMEINARGS"));
    if let [first, rest @ ..] = arguments
        && (is_wrapped || has_name)
    {
        if is_wrapped {
            server = first;
        }
        arguments = rest;
    }
    if !program::is_serial(name, server, arguments) {
        return None;
    }
    let mut draft = Draft::new(place, format!("service {name} of xinetd"));
    draft.name = Some(name.to_owned());
    if section
        .first("disable")
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
        || off.iter().any(|of| of == name)
    {
        draft.obstacle("it was switched off (disable)");
    }
    let family = match () {
        () if flags.iter().any(|flag| flag.eq_ignore_ascii_case("IPv4")) => Family::V4,
        () if flags.iter().any(|flag| flag.eq_ignore_ascii_case("IPv6")) => Family::V6,
        () => Family::Both,
    };
    let host = section.first("bind").or_else(|| section.first("interface"));
    let port = section.first("port").unwrap_or(name);
    draft.listen(address::endpoints(family, host, port, services));
    let is = |name: &str, wanted: &str| section.first(name).is_none_or(|value| value == wanted);
    if !is("socket_type", "stream")
        || !section
            .first("protocol")
            .is_none_or(|of| of.starts_with("tcp"))
    {
        draft.obstacle("modemd serves TCP and unix sockets");
    }
    if section
        .first("wait")
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    {
        draft.obstacle("wait = yes: the server accepted its clients itself");
    }
    if let Some(to) = section.values("redirect") {
        draft.obstacle(format!(
            "redirect = {}: it was handed on to another server",
            to.join(" ")
        ));
    }
    match section.values("only_from") {
        Some(hosts) if is_wrapped => {
            draft.access = Access::Wrapped;
            draft.remark(format!(
                "only_from = {}: of these, whom tcp wrappers let in",
                hosts.join(" ")
            ));
        }
        Some(hosts) => {
            draft.access = Access::Only(hosts.iter().flat_map(|of| host_of(of)).collect());
        }
        None if is_wrapped => draft.access = Access::Wrapped,
        None => {}
    }
    for (attribute, values) in &section.attributes {
        match attribute.as_str() {
            "no_access" | "access_times" if !values.is_empty() => draft.obstacle(format!(
                "{attribute} = {}: `allow` cannot say that; see whom you want to let in",
                values.join(" ")
            )),
            "banner" | "banner_fail" | "banner_success" => {
                draft.remark(format!("{attribute}: modemd sends no texts of its own"));
            }
            "user" | "group" if values.first().is_some_and(|of| of != "root") => {
                draft.remark(format!(
                    "{attribute} = {}: under systemd modemd is modemd:dialout",
                    values.join(" ")
                ));
            }
            of if LIMITS.contains(&of) => draft.remark(format!(
                "{of} = {}: not carried over; see modem.socket and systemd.socket(5)",
                values.join(" ")
            )),
            _ => {}
        }
    }
    program::take(&mut draft, server, arguments, scripts);
    Some(draft)
}

/// An entry of `only_from` as `allow` has it (`xinetd.conf(5)`).
fn host_of(text: &str) -> Vec<String> {
    if let Some(domain) = text.strip_prefix('.') {
        return vec![format!("*.{domain}")];
    }
    // 128.138.12.{1,3}
    if let Some((front, back)) = text.split_once('{')
        && let Some(numbers) = back.strip_suffix('}')
    {
        let each = numbers
            .split(',')
            .map(|number| format!("{front}{}", number.trim()));
        return each.flat_map(|entry| host_of(&padded(&entry))).collect();
    }
    let octets: Vec<_> = text.split('.').collect();
    let is_address = octets.len() == 4 && octets.iter().all(|octet| octet.parse::<u8>().is_ok());
    // "If the rightmost components are 0, they are treated as wildcards."
    let zeros = octets
        .iter()
        .rev()
        .take_while(|octet| **octet == "0")
        .count();
    match zeros {
        4 if is_address => vec![EVERYBODY.to_owned()],
        1.. if is_address => vec![format!("{text}/{}", (4 - zeros) * 8)],
        _ => vec![text.to_owned()],
    }
}

/// "There is no need for all four components."
fn padded(text: &str) -> String {
    let missing = 4_usize.saturating_sub(text.split('.').count());
    format!("{text}{}", ".0".repeat(missing))
}
