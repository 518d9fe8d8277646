//! `inetd.conf`: `[ADDRESS:]SERVICE stream tcp nowait USER PROGRAM ARGUMENTS...`

use super::address::Family;
use super::draft::{Access, Draft, Findings};
use super::words::{base_name, words};
use super::{Source, address, program};
use crate::config::Services;

pub(super) fn read(source: &Source<'_>, services: &Services, found: &mut Findings) {
    // `ADDRESS:` in a line of its own is for those that follow.
    let mut address: Option<String> = None;
    let mut others = Vec::new();
    for (number, line) in source.lines() {
        let place = source.place(number);
        // Debian's update-inetd switches lines off so.
        let (line, is_off) = match line.trim_start().strip_prefix("#<off>#") {
            Some(line) => (line, true),
            None => (line, false),
        };
        if line.trim_start().starts_with('#') {
            continue;
        }
        let words = words(line);
        match &words[..] {
            [] => {}
            [host] if host.len() > 1 && host.ends_with(':') => {
                let host = host.trim_end_matches(':');
                address = (host != "*").then(|| host.to_owned());
            }
            [service, kind, protocol, wait, user, program, arguments @ ..] => {
                let (host, service) = match service.rsplit_once(':') {
                    Some(("*" | "", service)) => (None, service),
                    Some((host, service)) => (Some(host.to_owned()), service),
                    None => (address.clone(), service.as_str()),
                };
                let is_wrapped = base_name(program) == "tcpd";
                let (program, arguments) = match arguments {
                    [first, rest @ ..] if is_wrapped => (first.as_str(), rest),
                    [_, rest @ ..] => (program.as_str(), rest),
                    [] => (program.as_str(), arguments),
                };
                if !program::is_serial(service, program, arguments) {
                    if !is_off {
                        others.push(service.to_owned());
                    }
                    continue;
                }
                let mut draft = Draft::new(place, format!("service {service} of inetd"));
                draft.name = service.parse::<u16>().is_err().then(|| service.to_owned());
                let protocol = protocol.split(',').next().unwrap_or_default();
                let family = match protocol {
                    "tcp4" => Family::V4,
                    "tcp6" | "tcp6only" => Family::V6,
                    _ => Family::Both,
                };
                if kind != "stream" || !protocol.starts_with("tcp") {
                    draft.obstacle(format!(
                        "{kind} {protocol}: modemd serves TCP and unix sockets"
                    ));
                }
                if wait.starts_with("wait") {
                    draft.obstacle(format!("{wait}: {program} accepted its clients itself"));
                }
                if is_off {
                    draft.obstacle("it was switched off (#<off>#)");
                }
                draft.listen(address::endpoints(
                    family,
                    host.as_deref(),
                    service,
                    services,
                ));
                if is_wrapped {
                    draft.access = Access::Wrapped;
                }
                if user != "root" && !user.is_empty() {
                    draft.remark(format!(
                        "user {user}: under systemd modemd is modemd:dialout"
                    ));
                }
                program::take(&mut draft, program, arguments, &mut found.scripts);
                found.ports.push(draft);
            }
            // A comment of Debian's that lost its line.
            _ if is_off => {}
            _ => found.trouble(
                place,
                format!(
                    "`{}`: not a line of the kind SERVICE stream tcp nowait USER PROGRAM ARGUMENTS",
                    line.trim()
                ),
            ),
        }
    }
    if !others.is_empty() {
        found.remark(format!(
            "{}: these services are not about serial lines, and stay with inetd: {}",
            source.name,
            others.join(", ")
        ));
    }
}
