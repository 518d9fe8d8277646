//! Ports with modems: whether those do what they are told, and whether a guard can be gone round.

use super::{Verdict, count};
use crate::config::{Config, DialRules, Port};
use crate::modemctl::doctor::facts::Facts;

/// Nothing where no port says anything of modems.
pub(super) fn calls(config: &Config, facts: &Facts) -> Option<Verdict> {
    let has_modems = |port: &&Port| port.modem.is_some() || port.dial.is_some();
    let ports: Vec<&Port> = config.ports.iter().filter(has_modems).collect();
    if ports.is_empty() {
        return None;
    }
    let mut verdict = Verdict::new("calls");
    match &facts.set_aside {
        Ok(lines) => {
            for line in lines {
                verdict.problem(
                    format!("{} is set aside: {}", line.device.display(), line.why),
                    "see to the modem, and to `init`; it is tried again by itself, `modemctl` says when",
                );
            }
        }
        Err(why) => verdict.unknown(format!("whether modems are set aside: {why}")),
    }
    for port in &ports {
        let Some(dial) = &port.dial else { continue };
        for device in &port.devices {
            let beside = config
                .ports
                .iter()
                .find(|other| other.dial.is_none() && other.devices.iter().any(|of| of == device));
            if let Some(other) = beside {
                let (name, device) = (&port.name, device.display());
                verdict.warning(
                    format!(
                        "{device} has a guard on port `{name}`, and none on `{}`, whose clients can dial any number",
                        other.name
                    ),
                    format!("give [ports.{}] a `dial` of its own, or other `devices`", other.name),
                );
            }
        }
        let all = || dial.clients.iter().map(|of| &of.rules).chain([&dial.rules]);
        if !facts.has_time_zone && all().any(|rules: &DialRules| !rules.hours.is_empty()) {
            verdict.warning(
                format!(
                    "`hours` of port `{}` are in UTC: there is no /etc/localtime",
                    port.name
                ),
                "timedatectl set-timezone Europe/Berlin  # or where you are",
            );
        }
    }
    let guarded = ports.iter().filter(|port| port.dial.is_some()).count();
    let modems = count(ports.len(), "port");
    Some(verdict.else_fine(format!(
        "{modems} with modems, {guarded} with a guard; none is set aside"
    )))
}
