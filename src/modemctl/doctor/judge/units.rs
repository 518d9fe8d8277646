//! systemd's units: the socket that is the one switch, those of the other ports, and a forgotten reload.

use super::lines::is_absent;
use super::{Severity, Verdict};
use crate::config::{Config, Port};
use crate::modemctl::doctor::facts::{Facts, Systemd, Unit};

/// The socket that is the one switch.
pub(in crate::modemctl::doctor) const SWITCH: &str = "modem.socket";

/// The socket of the control interface.
pub(in crate::modemctl::doctor) const CONTROL: &str = "modem-control.socket";

pub(in crate::modemctl::doctor) const SERVICE: &str = "modem.service";

const APPLY: &str = "systemctl daemon-reload && systemctl restart modem.socket";

pub(super) fn systemd(config: &Config, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("systemd");
    let systemd = match &facts.systemd {
        Ok(systemd) => systemd,
        Err(why) => {
            verdict.unknown(format!("units and sockets: {why}"));
            return verdict;
        }
    };
    if !facts.is_served {
        let file = facts.file.display();
        verdict.unknown(format!("units and sockets: they are not made of {file}"));
        return verdict;
    }
    let switch = systemd.units.get(SWITCH);
    let is_on = property(switch, "ActiveState") == "active";
    let is_forgotten = reload_is_forgotten(&mut verdict, systemd, facts, is_on);
    for refusal in &systemd.refusals {
        verdict.problem(refusal.clone(), format!("correct that, then {APPLY}"));
    }
    switched_on(&mut verdict, switch);
    if is_on && !is_forgotten {
        for port in &config.ports {
            socket_of(&mut verdict, systemd, port);
        }
        for unit in &systemd.former {
            let what = format!("{unit} still listens, and its port is not in the configuration");
            verdict.warning(what, "systemctl restart modem.socket");
        }
    }
    // It comes with the switch, and never without it.
    let control = systemd.units.get(CONTROL);
    let is_there = property(control, "LoadState") == "loaded";
    if is_on && is_there && property(control, "ActiveState") != "active" {
        let what = format!("{CONTROL} is not active: modemctl cannot ask modemd anything");
        verdict.warning(what, start(CONTROL, control));
    }
    let others = config.ports.iter().filter(|port| port.name != "modem");
    let others: Vec<_> = others.map(socket_name).collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!("; also active: {}", others.join(", "))
    };
    verdict.else_fine(format!("{SWITCH} is enabled and active{others}"))
}

/// Says so if systemd does not have what the configuration asks for.
fn reload_is_forgotten(
    verdict: &mut Verdict,
    systemd: &Systemd,
    facts: &Facts,
    is_on: bool,
) -> bool {
    let mend = if is_on {
        APPLY
    } else {
        "systemctl daemon-reload"
    };
    // Of what is masked, systemd 252 always says so.
    let needs_reload = |unit: &Unit| {
        let is = |name| property(Some(unit), name);
        is("NeedDaemonReload") == "yes" && is("LoadState") != "masked"
    };
    let outdated = systemd.units.iter().filter(|(_, unit)| needs_reload(unit));
    let outdated: Vec<_> = outdated.map(|(name, _)| name.as_str()).collect();
    // What the sandbox has to open for a line may be another thing while that is unplugged.
    let is_of_sandbox = |name: &str| name.contains(".service.d/");
    let is_unplugged = facts.lines.iter().any(is_absent);
    let names = systemd.pending.iter().map(String::as_str);
    let pending: Vec<_> = names
        .filter(|name| !(is_unplugged && is_of_sandbox(name)))
        .collect();
    if !pending.is_empty() {
        let severity = if pending.iter().all(|name| is_of_sandbox(name)) {
            Severity::Warning
        } else {
            Severity::Problem
        };
        let what = format!(
            "systemd does not have the units that the configuration asks for: {}",
            pending.join(", ")
        );
        verdict.find(severity, what, mend);
    } else if !outdated.is_empty() {
        let what = format!(
            "files have changed since systemd read them, of {}",
            outdated.join(", ")
        );
        verdict.warning(what, mend);
    }
    pending.iter().any(|name| !is_of_sandbox(name))
}

fn switched_on(verdict: &mut Verdict, switch: Option<&Unit>) {
    let is = |name| property(switch, name);
    let consequence = "nobody can connect";
    match (is("LoadState"), is("ActiveState"), is("UnitFileState")) {
        ("masked", ..) => verdict.problem(
            format!("{SWITCH} is masked: {consequence}"),
            format!("systemctl unmask {SWITCH} && systemctl enable --now {SWITCH}"),
        ),
        ("loaded", "failed", _) => verdict.problem(
            format!(
                "{SWITCH} has failed ({}): {consequence}; the reason: journalctl -u {SWITCH}",
                is("Result")
            ),
            start(SWITCH, switch),
        ),
        ("loaded", "active", "disabled") => verdict.problem(
            format!("{SWITCH} is not enabled: after the next boot {consequence}"),
            format!("systemctl enable {SWITCH}"),
        ),
        ("loaded", "active", _) => {}
        ("loaded", _, "disabled") => verdict.problem(
            format!("{SWITCH} is not enabled: {consequence}"),
            format!("systemctl enable --now {SWITCH}"),
        ),
        ("loaded", ..) => verdict.problem(
            format!("{SWITCH} is not active: {consequence}"),
            start(SWITCH, switch),
        ),
        ("not-found" | "", ..) => verdict.problem(
            format!("{SWITCH} is not installed: {consequence}"),
            "install modemd's package, or run `make install && systemctl daemon-reload`",
        ),
        (state, ..) => verdict.problem(
            format!("{SWITCH} cannot be used ({state}): {consequence}"),
            format!("systemctl status {SWITCH}"),
        ),
    }
}

/// The socket of a port other than `modem`, which starts and stops with that one.
fn socket_of(verdict: &mut Verdict, systemd: &Systemd, port: &Port) {
    let name = socket_name(port);
    let is_refused = |refusal: &String| refusal.contains(&format!("`{}`", port.name));
    if name == SWITCH || systemd.refusals.iter().any(is_refused) {
        return;
    }
    let unit = systemd.units.get(&name);
    match property(unit, "ActiveState") {
        "active" => {}
        "failed" => verdict.problem(
            format!(
                "{name} has failed ({}): nobody can connect to port {}; the reason: journalctl -u {name}",
                property(unit, "Result"),
                port.name
            ),
            format!("systemctl reset-failed {name} && systemctl restart {SWITCH}"),
        ),
        _ => verdict.problem(
            format!("{name} is not active: nobody can connect to port {}", port.name),
            format!("systemctl restart {SWITCH}"),
        ),
    }
}

/// What starts a unit that is not active.
fn start(name: &str, unit: Option<&Unit>) -> String {
    if property(unit, "UnitFileState") == "disabled" {
        format!("systemctl enable --now {name}")
    } else if property(unit, "ActiveState") == "failed" {
        format!("systemctl reset-failed {name} && systemctl restart {name}")
    } else {
        format!("systemctl start {name}")
    }
}

pub(super) fn property<'a>(unit: Option<&'a Unit>, name: &str) -> &'a str {
    unit.and_then(|unit| unit.get(name))
        .map_or("", String::as_str)
}

pub(super) fn socket_name(port: &Port) -> String {
    socket_of_port(&port.name)
}

/// The socket unit of the port `name`.
pub(in crate::modemctl::doctor) fn socket_of_port(name: &str) -> String {
    if name == "modem" {
        SWITCH.to_owned()
    } else {
        format!("modem-{name}.socket")
    }
}
