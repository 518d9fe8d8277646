//! The configuration itself, and the names in it.

use super::shell::quoted;
use super::units::{SERVICE, property};
use super::{Verdict, count};
use crate::config::{AllowList, Config, Port};
use crate::modemctl::doctor::facts::Facts;
use crate::modemctl::lookups;

pub(super) fn configuration(config: &Config, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("configuration");
    let file = facts.file.display();
    let check = if facts.is_served {
        "modemctl check".to_owned()
    } else {
        format!("modemctl check {}", quoted(&facts.file))
    };
    let mistakes = config.problems.len();
    if mistakes > 0 {
        let what = format!(
            "{file} has {}; what has a mistake is not served",
            count(mistakes, "mistake")
        );
        verdict.problem(what, check);
    } else if config.ports.is_empty() {
        let what = format!("{file} has no ports: there is nothing to serve");
        verdict.problem(
            what,
            "write a [ports.modem] with its `devices`: man modemd.toml",
        );
    }
    let is_closed = |port: &&Port| port.allow.hosts().is_empty() && !port.is_local();
    for port in config.ports.iter().filter(is_closed) {
        let what = format!("port {} lets nobody in: `allow` is not given", port.name);
        verdict.warning(
            what,
            format!("write `allow` into [ports.{}]: man modemd.toml", port.name),
        );
    }
    verdict.else_fine(format!(
        "{file}: {}, {}, no mistakes",
        count(config.ports.len(), "port"),
        count(facts.lines.len(), "line"),
    ))
}

pub(super) fn names(config: &Config, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("names");
    let has_names = |port: &&Port| port.hosts().any(AllowList::has_names);
    let by_name = config.ports.iter().filter(has_names);
    let by_name: Vec<_> = by_name.map(|port| port.name.as_str()).collect();
    if by_name.is_empty() {
        return verdict.else_fine("`allow` and `hosts` have none that would have to be looked up");
    }
    let has_network = facts
        .systemd
        .as_ref()
        .is_ok_and(|systemd| property(systemd.units.get(SERVICE), "PrivateNetwork") == "no");
    if let (Ok(_), Some(obstacle), false) = (&facts.systemd, facts.lookups, has_network) {
        verdict.problem(
            format!(
                "port {}: names in `allow` or `hosts` cannot be looked up in the services' sandbox, except \
                 those in /etc/hosts: {obstacle}",
                by_name.join(", ")
            ),
            format!(
                "install libnss-resolve and systemd-resolved, or open DNS with the drop-in {}",
                lookups::DROP_IN
            ),
        );
    }
    match &facts.unknown_names {
        Err(why) => verdict.unknown(format!("the names in `allow` and `hosts`: {why}")),
        Ok(names) => {
            for name in names {
                verdict.warning(
                    format!(
                        "`{name}` in `allow` or `hosts` is not known to the name service: it is nobody"
                    ),
                    format!("correct it, or find out with `getent ahosts {name}`"),
                );
            }
        }
    }
    verdict.else_fine("those in `allow` can be looked up")
}
