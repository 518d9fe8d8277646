//! The findings as `modemd.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::address::only_from_here;
use super::draft::{Access, Draft, EVERYBODY, Findings};
use super::printable;
use super::words::base_name;
use crate::config::{Config, Host, LineSettings, Protocol, Services, display_duration};

/// How long the lines of comments are.
const WIDTH: usize = 100;

/// What stands for what nobody knows, in ports that are comments.
const UNKNOWN: &str = "FILL-IN";

/// Prints what was found in these files, so that `modemctl check` has nothing to say against it.
pub(super) fn toml(files: &[&str], found: &mut Findings, services: &Services) -> String {
    for draft in &mut found.ports {
        settle(draft);
    }
    let names = names(&found.ports);
    loop {
        let text = compose(files, found, &names);
        let config = Config::parse(
            &[("modemd.toml".into(), text.clone().into_bytes())],
            services,
        );
        if config.problems.is_empty() {
            return text;
        }
        // What modemd itself would refuse, as two ports at one address.
        for problem in &config.problems {
            // The line would be that of a text nobody sees.
            let what = problem.message.split(": first used in").next();
            let refusal = format!(
                "modemd refuses it: {}: {}",
                what.unwrap_or_default(),
                problem.remedy
            );
            let port =
                |(_, name): &(_, &String)| problem.port.as_ref().is_none_or(|of| of == *name);
            for (draft, _) in found.ports.iter_mut().zip(&names).filter(port) {
                draft.obstacle(refusal.clone());
            }
        }
    }
}

/// Whether it listens at unix sockets only.
fn is_path(draft: &Draft) -> bool {
    !draft.listen.is_empty() && draft.listen.iter().all(|at| at.starts_with('/'))
}

/// Whether fewer are let in than before.
fn is_narrowed(draft: &Draft) -> bool {
    draft.access == Access::Everybody && !only_from_here(&draft.listen)
}

/// Puts into a port's remarks and obstacles what its settings come to.
fn settle(draft: &mut Draft) {
    if let Some(line) = &draft.line {
        match line.parse::<LineSettings>() {
            Ok(settings) => draft.line = Some(settings.to_string()),
            Err(mistake) => draft.obstacles.push(format!("line: {mistake}")),
        }
    }
    if draft.listen.iter().any(|at| at.starts_with("[::]:")) {
        draft.remark("`[::]` is every address, of IPv4, too");
    }
    match draft.access.clone() {
        Access::Everybody if is_path(draft) => draft.remark(
            "the unix socket gets mode 0660 and the group dialout; `allow` does not concern it",
        ),
        Access::Everybody => {}
        Access::Wrapped => draft.remark(
            "Access: tcp wrappers decided, by /etc/hosts.allow and /etc/hosts.deny. Here nobody may, until \
             you name them: allow = [\"localhost\", ...]",
        ),
        Access::Only(hosts) => {
            let mut fine: Vec<String> = Vec::new();
            for host in hosts {
                let read = match host.as_str() {
                    EVERYBODY => Ok(Host::Any),
                    _ => host.parse(),
                };
                match read {
                    Ok(Host::Any) if host != EVERYBODY => draft.remark(format!(
                        "left out of `allow`: {host}, for here it means everybody, and no machine"
                    )),
                    Ok(host) if fine.contains(&host.to_string()) => {}
                    Ok(host) => fine.push(host.to_string()),
                    Err(mistake) => draft.remark(format!("left out of `allow`: {mistake}")),
                }
            }
            if fine.is_empty() {
                draft.remark("Access: nobody may, until you name them: allow = [...]");
            }
            draft.access = Access::Only(fine);
        }
    }
}

/// A name for each port that no other has.
fn names(ports: &[Draft]) -> Vec<String> {
    let only_one = ports
        .iter()
        .filter(|draft| draft.obstacles.is_empty())
        .count()
        == 1;
    let mut taken = BTreeSet::new();
    // What was last put behind a name to make it another.
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut name = |draft: &Draft| {
        let device = || match &draft.devices[..] {
            [device] => base_name(device).to_owned(),
            _ => "pool".to_owned(),
        };
        let name = match &draft.name {
            Some(name) => name.clone(),
            None if only_one && draft.obstacles.is_empty() => "modem".to_owned(),
            None => device(),
        };
        let name = valid(&name);
        let number = draft.listen.first().and_then(|at| at.rsplit(':').next());
        let with_number = number.map(|number| valid(&format!("{name}-{number}")));
        let count = counts.entry(name.clone()).or_insert(1);
        let counted = (*count + 1..).map(|number| {
            *count = number;
            format!("{name}-{number}")
        });
        let mut candidates = std::iter::once(name.clone())
            .chain(with_number)
            .chain(counted);
        let free = candidates.find(|name| !taken.contains(name));
        let name = free.unwrap_or(name.clone());
        taken.insert(name.clone());
        name
    };
    ports.iter().map(&mut name).collect()
}

/// The nearest thing to `text` that can be the name of a port.
fn valid(text: &str) -> String {
    let one = |c: char| {
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = text.chars().map(one).collect();
    // Leaves room for a number.
    let name: String = name
        .trim_start_matches(['.', '-'])
        .chars()
        .take(50)
        .collect();
    match name.as_str() {
        "" => "port".to_owned(),
        "connection" | "stored" | "unknown" => format!("{name}-port"),
        _ => name,
    }
}

fn compose(files: &[&str], found: &Findings, names: &[String]) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "Made by modemctl import of {}. Read the comments, then: modemctl check FILE",
            files.join(", ")
        ),
    );
    for remark in &found.remarks {
        text.push_str("#\n");
        comment(&mut text, remark);
    }
    if found.ports.iter().any(is_narrowed) {
        text.push_str("#\n");
        comment(
            &mut text,
            "Access: where `allow` has the note \"it was: everybody\", the old server let in everybody who \
             could reach it. Here only this machine may, until you name others in `allow`, for example \
             \"192.168.2.0/24\", or \"any\".",
        );
    }
    if found.ports.is_empty() {
        text.push_str("#\n");
        comment(&mut text, "No serial line was found.");
    }
    for (draft, name) in found.ports.iter().zip(names) {
        text.push('\n');
        port(&mut text, draft, name);
    }
    text
}

fn port(text: &mut String, draft: &Draft, name: &str) {
    comment(text, &format!("{}: {}", draft.place, draft.origin));
    for obstacle in &draft.obstacles {
        comment(text, &format!("Not in use: {obstacle}"));
    }
    for remark in &draft.remarks {
        comment(text, remark);
    }
    let or_unknown = |items: &[String]| match items {
        [] => list(&[UNKNOWN.to_owned()]),
        _ => list(items),
    };
    let mut keys = vec![
        ("listen", or_unknown(&draft.listen)),
        ("devices", or_unknown(&draft.devices)),
    ];
    if let Some(line) = &draft.line {
        keys.push(("line", quoted(line)));
    }
    match &draft.access {
        Access::Everybody if is_path(draft) => {}
        Access::Everybody => {
            let note = if is_narrowed(draft) {
                " # it was: everybody"
            } else {
                ""
            };
            keys.push((
                "allow",
                format!("{}{note}", list(&["localhost".to_owned()])),
            ));
        }
        Access::Only(hosts) if !hosts.is_empty() => keys.push(("allow", list(hosts))),
        _ => {}
    }
    if draft.protocol == Protocol::Telnet {
        keys.push(("protocol", quoted("telnet")));
        if let Some(settings) = &draft.client_settings {
            keys.push(("client_settings", settings.clone()));
        }
    }
    if let Some(timeout) = draft.idle_timeout {
        keys.push(("idle_timeout", quoted(&display_duration(timeout))));
    }
    let mark = if draft.obstacles.is_empty() { "" } else { "#" };
    let name = if name.contains('.') {
        quoted(name)
    } else {
        name.to_owned()
    };
    let _ = writeln!(text, "{mark}[ports.{name}]");
    let width = keys.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in keys {
        let _ = writeln!(text, "{mark}{key:width$} = {value}");
    }
}

/// A comment of as many lines as it takes.
fn comment(text: &mut String, words: &str) {
    let mut line = "#".to_owned();
    for word in printable(words).split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 3 {
            text.push_str(&line);
            text.push('\n');
            "#  ".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// A list of texts in TOML.
fn list(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    let mut toml = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => toml.extend(['\\', c]),
            _ if c.is_control() => {
                let _ = write!(toml, "\\u{:04X}", u32::from(c));
            }
            _ => toml.push(c),
        }
    }
    toml.push('"');
    toml
}
