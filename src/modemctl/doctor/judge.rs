//! Facts in, findings out. Nothing here looks at the system.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::facts::{
    Access, Account, Facts, Line, Lock, LockDirectory, Node, Person, Process, Systemd, Tty, Unit,
};
use crate::config::{Config, Port};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something does not work.
    Problem,
    /// It works, and less well than it could, or not for long.
    Warning,
    /// It could not be looked at.
    Unknown,
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The topic.
    pub(super) about: &'static str,
    /// What was found, and what comes of it.
    pub(super) what: String,
    /// The command that mends it, or else the way out in words.
    pub(super) mend: Option<String>,
}

/// What there is to say about one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) about: &'static str,
    /// What was looked at and is as it should be.
    pub(super) fine: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// The socket that is the one switch.
pub(super) const SWITCH: &str = "modem.socket";
/// The socket of the control interface.
pub(super) const CONTROL: &str = "modem-control.socket";
pub(super) const SERVICE: &str = "modem.service";

/// Whoever may use the control interface.
const CONTROL_GROUP: &str = "modemd";

/// The group of a line that a login has left (`vhangup`, login(1)).
const GROUP_OF_LOGINS: &str = "tty";

/// Where files are gone after a reboot.
const FLEETING: [&str; 2] = ["/run", "/var/lock"];

const APPLY: &str = "systemctl daemon-reload && systemctl restart modem.socket";

/// All topics, in the order in which they depend on each other.
pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Verdict> {
    vec![
        configuration(config, facts),
        systemd(config, facts),
        filter(config, facts),
        service(facts),
        caller(facts),
        locks(facts),
        lines(facts),
        users(facts),
        logins(facts),
        modem_manager(facts),
        braille(facts),
        latency(facts),
        names(config, facts),
    ]
}

impl Verdict {
    fn new(about: &'static str) -> Self {
        Verdict {
            about,
            fine: None,
            findings: Vec::new(),
        }
    }

    fn find(&mut self, severity: Severity, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            about: self.about,
            what: what.into(),
            mend: Some(mend.into()),
        });
    }

    fn problem(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.find(Severity::Problem, what, mend);
    }

    fn warning(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.find(Severity::Warning, what, mend);
    }

    fn unknown(&mut self, what: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Unknown,
            about: self.about,
            what: what.into(),
            mend: None,
        });
    }

    /// What is to be said if nothing was found.
    fn else_fine(mut self, what: impl Into<String>) -> Self {
        if self.findings.is_empty() {
            self.fine = Some(what.into());
        }
        self
    }
}

fn configuration(config: &Config, facts: &Facts) -> Verdict {
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
            "{file} has {}; whatever they are in is not served",
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
    for port in config.ports.iter().filter(|p| p.allow.hosts().is_empty()) {
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

fn systemd(config: &Config, facts: &Facts) -> Verdict {
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

fn filter(config: &Config, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("kernel filter");
    let (Ok(systemd), true) = (&facts.systemd, facts.is_served) else {
        verdict.unknown("whether the kernel filters who may connect: see above");
        return verdict;
    };
    let is_active = |name: &String| property(systemd.units.get(name), "ActiveState") == "active";
    let ports = config
        .ports
        .iter()
        .filter(|port| is_active(&socket_name(port)));
    let mut filtered = Vec::new();
    let mut by_name = Vec::new();
    for port in ports {
        let name = socket_name(port);
        if port.allow.has_names() {
            by_name.push(name);
        } else if property(systemd.units.get(&name), "IPAddressDeny").is_empty() {
            verdict.warning(
                format!("{name} filters nobody: only modemd itself checks `allow`"),
                format!("systemctl cat {name} shows what undoes its IPAddressDeny="),
            );
        } else {
            filtered.push(name);
        }
    }
    let only = "only modemd itself checks `allow`";
    if filtered.is_empty() {
        // Nothing that could be in force or not.
    } else if !facts.has_unified_hierarchy {
        verdict.warning(
            format!(
                "the kernel does not filter who may connect, since systemd uses control groups of \
                 the first version: {only}"
            ),
            "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line and reboot",
        );
    } else {
        match &facts.has_filters {
            Ok(true) => {}
            Ok(false) => verdict.warning(
                format!(
                    "the kernel does not filter who may connect, since systemd could load no filter: \
                     {only}"
                ),
                "boot a kernel with CONFIG_CGROUP_BPF; in a container, let it have bpf(2), CAP_BPF \
                 and CAP_NET_ADMIN",
            ),
            Err(why) => verdict.unknown(format!("whether the kernel's filters are in force: {why}")),
        }
    }
    let mut said = Vec::new();
    if !filtered.is_empty() {
        said.push(format!("in force for {}", filtered.join(", ")));
    }
    if !by_name.is_empty() {
        said.push(format!(
            "open for {}, where `allow` has names, which only modemd can look up",
            by_name.join(", ")
        ));
    }
    if said.is_empty() {
        said.push("no socket is active".to_owned());
    }
    verdict.else_fine(said.join("; "))
}

fn service(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("user");
    let Account {
        user,
        group,
        person,
    } = &facts.service;
    let gid = match &facts.serial_group {
        Ok(Some(gid)) => Some(*gid),
        Ok(None) => {
            verdict.problem(
                format!("there is no group {group}, which owns the serial lines"),
                format!("groupadd --system {group}"),
            );
            None
        }
        Err(why) => {
            verdict.unknown(format!("group {group}: {why}"));
            None
        }
    };
    match person {
        Err(why) => verdict.unknown(format!("user {user}: {why}")),
        Ok(None) => verdict.problem(
            format!("there is no user {user}, whom modemd runs as"),
            if user == "modemd" {
                "systemd-sysusers".to_owned()
            } else {
                format!("useradd --system {user}")
            },
        ),
        Ok(Some(person)) => {
            let is_member = |gid| person.groups.iter().any(|(number, _)| *number == gid);
            if let Some(gid) = gid
                && person.uid != 0
                && !is_member(gid)
            {
                verdict.warning(
                    format!(
                        "{user} is not in group {group}: modemd opens lines only where whoever \
                         starts it gives it that group"
                    ),
                    format!("usermod --append --groups {group} {user}"),
                );
            }
        }
    }
    verdict.else_fine(format!("{user} is there, and in group {group}"))
}

fn caller(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("you");
    match &facts.caller {
        Err(why) => {
            verdict.unknown(format!("who you are: {why}"));
            verdict
        }
        Ok(person) if person.uid == 0 => verdict.else_fine("root may control modemd"),
        Ok(person) => {
            let name = &person.name;
            if !person.groups.iter().any(|(_, name)| name == CONTROL_GROUP) {
                verdict.warning(
                    format!("{name} is not in group {CONTROL_GROUP}, and may not control modemd"),
                    format!(
                        "sudo usermod --append --groups {CONTROL_GROUP} {name}   # then log in again"
                    ),
                );
            }
            verdict.else_fine(format!("{name} may control modemd"))
        }
    }
}

fn locks(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("locks");
    let LockDirectory { path, access } = &facts.locks;
    let directory = path.display();
    let Some(groups) = rights_of_service(facts) else {
        verdict.unknown(format!(
            "whether modemd may write {directory}: its user is not known"
        ));
        return verdict;
    };
    let user = &facts.service.user;
    let group = &facts.service.group;
    let else_what =
        "lines are held by flock and TIOCEXCL alone, which minicom, cu and mgetty do not look at";
    let again = if facts.systemd.is_ok() {
        format!(" && systemctl try-restart {SERVICE}")
    } else {
        String::new()
    };
    match access {
        Err(why) => verdict.unknown(format!("{directory}: {why}")),
        Ok(None) => verdict.problem(
            format!("the lock directory {directory} is not there: {else_what}"),
            if is_fleeting(path) {
                format!("{}{again}", tmpfiles('d', path, "0775", group))
            } else {
                let path = quoted(path);
                format!("install -d -m 775 -o root -g {group} {path}{again}")
            },
        ),
        Ok(Some(access)) if !access.lets(&groups, 0o3) => {
            let what = format!("{user} may not write the lock directory {directory}: {else_what}");
            let mend = match &access.group {
                Some(of) if access.gid != 0 && access.mode & 0o30 == 0o30 => {
                    format!("usermod --append --groups {of} {user}")
                }
                // As it was before systemd 258, and is in Debian.
                _ if path == Path::new("/run/lock") => tmpfiles('z', path, "1777", "root"),
                _ if is_fleeting(path) => tmpfiles('z', path, "0775", group),
                _ => {
                    let path = quoted(path);
                    format!("chgrp {group} {path} && chmod g+rwx {path}")
                }
            };
            verdict.problem(what, format!("{mend}{again}"));
        }
        Ok(Some(_)) => {}
    }
    for lock in facts.lines.iter().flat_map(|line| &line.locks) {
        stale(&mut verdict, lock, facts);
    }
    verdict.else_fine(format!(
        "{user} may write {directory}, and no stale lock is in the way"
    ))
}

/// A lock of somebody who is gone, which modemd may not remove: in a sticky directory only the owners
/// of file and directory may.
fn stale(verdict: &mut Verdict, lock: &Lock, facts: &Facts) {
    let Ok(Some(Access { mode, uid, .. })) = facts.locks.access else {
        return;
    };
    let us = facts.service.person.as_ref().ok().and_then(Option::as_ref);
    let Some(us) = us else {
        return;
    };
    let may_remove = us.uid == 0 || mode & 0o1000 == 0 || [lock.owner, uid].contains(&us.uid);
    if lock.holder.is_some() || may_remove {
        return;
    }
    let of = match lock.pid {
        Some(pid) => format!("of pid {pid}, which is gone"),
        None => "without a pid".to_owned(),
    };
    verdict.problem(
        format!(
            "{} is a stale lock {of}; modemd may not remove it, for it belongs to uid {}",
            lock.path.display(),
            lock.owner
        ),
        format!("rm {}", quoted(&lock.path)),
    );
}

fn lines(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("lines");
    let groups = rights_of_service(facts);
    if groups.is_none() && !facts.lines.is_empty() {
        verdict.unknown("whether modemd may open its lines: its user is not known");
    }
    for line in &facts.lines {
        let device = line.device.display();
        let others = if facts.by_id.is_empty() {
            "plug it in, or correct `devices` in the configuration; /dev/serial/by-id is empty"
                .to_owned()
        } else {
            format!(
                "plug it in, or correct `devices` in the configuration; /dev/serial/by-id has {}",
                facts.by_id.join(", ")
            )
        };
        match &line.node {
            Node::Missing => verdict.problem(format!("{device} is not there"), others),
            Node::Broken(target) => verdict.problem(
                format!(
                    "{device} is a link to {}, which is not there",
                    target.display()
                ),
                others,
            ),
            Node::NoTty => verdict.problem(
                format!("{device} is not a serial line"),
                "correct `devices` in the configuration",
            ),
            Node::Tty(tty) => {
                if let Some(groups) = &groups
                    && !tty.access.lets(groups, 0o6)
                {
                    let what = format!(
                        "{} may not open {device}: it belongs to group {}, with mode {:04o}",
                        facts.service.user,
                        tty.access.group_name(),
                        tty.access.mode & 0o7777
                    );
                    verdict.problem(what, give_to_service(tty, facts));
                }
            }
        }
    }
    let devices: Vec<_> = facts
        .lines
        .iter()
        .map(|line| line.device.display().to_string())
        .collect();
    verdict.else_fine(if devices.is_empty() {
        "none".to_owned()
    } else {
        format!("modemd may open {}", devices.join(", "))
    })
}

/// What makes a line one that modemd may open.
fn give_to_service(tty: &Tty, facts: &Facts) -> String {
    let Account { user, group, .. } = &facts.service;
    let real = quoted(&tty.real);
    let name = tty.real.file_name().unwrap_or_default().to_string_lossy();
    let trigger = format!("udevadm trigger --action=add {real}");
    match &tty.access.group {
        _ if tty.is_pseudo => format!("chgrp {group} {real} && chmod g+rw {real}"),
        Some(of) if of == GROUP_OF_LOGINS => trigger,
        Some(of) if tty.access.gid != 0 && tty.access.mode & 0o60 == 0o60 => {
            format!("usermod --append --groups {of} {user} && systemctl try-restart {SERVICE}")
        }
        _ => format!(
            "echo 'KERNEL==\"{name}\", GROUP=\"{group}\", MODE=\"0660\"' \
             > /etc/udev/rules.d/60-modemd-lines.rules && udevadm control --reload && {trigger}"
        ),
    }
}

fn users(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("in use");
    let mut sessions = 0;
    for (line, tty) in ttys(facts) {
        let device = line.device.display();
        let mut by: BTreeSet<&Process> = tty.flock.iter().collect();
        by.extend(line.locks.iter().filter_map(|lock| lock.holder.as_ref()));
        match &tty.users {
            Ok(users) => by.extend(users),
            Err(why) => verdict.unknown(format!("who has {device} open: {why}")),
        }
        sessions += usize::from(by.iter().any(|process| process.program == "modemd"));
        by.retain(|process| !is_expected(process, tty, facts));
        for process in by {
            verdict.warning(
                format!(
                    "{device} is in use by pid {} ({}): clients do not get it before that ends",
                    process.pid, process.program
                ),
                format!("kill {}", process.pid),
            );
        }
    }
    verdict.else_fine(match sessions {
        0 => "no line is in use by another program".to_owned(),
        _ => format!(
            "no line is in use by another program; {} by modemd",
            count(sessions, "line")
        ),
    })
}

/// Whoever has the line for us, and those of whom another topic tells.
fn is_expected(process: &Process, tty: &Tty, facts: &Facts) -> bool {
    // systemd keeps the lines of a modemd that is being replaced.
    process.program == "modemd"
        || process.pid == 1
        || tty.getty.is_some() && ["agetty", "login"].contains(&process.program.as_str())
        || facts.modem_manager == Some(process.pid) && !is_ignored(tty)
}

fn logins(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("logins");
    for (line, tty) in ttys(facts) {
        let device = line.device.display();
        let name = tty.real.file_name().unwrap_or_default().to_string_lossy();
        if tty.is_console {
            verdict.problem(
                format!("{device} is the system console: modemd does not share it"),
                format!(
                    "remove console={name} from the kernel's command line (Debian: \
                     /etc/default/grub, then update-grub) and reboot"
                ),
            );
        } else if let Some(getty) = &tty.getty {
            verdict.problem(
                format!("{device} is used for logins ({getty}): modemd does not share it"),
                format!(
                    "systemctl disable --now {getty} && udevadm trigger --action=add {}",
                    quoted(&tty.real)
                ),
            );
        }
    }
    verdict.else_fine("no line is the system's console or has a login")
}

fn modem_manager(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("ModemManager");
    if facts.modem_manager.is_none() {
        return verdict.else_fine("does not run");
    }
    for (line, tty) in ttys(facts).filter(|(_, tty)| !tty.is_pseudo) {
        let device = line.device.display();
        match &tty.udev {
            Err(why) => verdict.unknown(format!("whether it leaves {device} alone: {why}")),
            Ok(_) if is_ignored(tty) => {}
            Ok(_) => verdict.problem(
                format!("runs and was not told to leave {device} alone: it opens it at any time"),
                "udevadm trigger --settle --subsystem-match=tty && \
                 systemctl try-restart ModemManager.service",
            ),
        }
    }
    verdict.else_fine("was told to leave the lines alone")
}

fn is_ignored(tty: &Tty) -> bool {
    let is_set = |name| {
        tty.udev
            .as_ref()
            .is_ok_and(|udev| udev.get(name).is_some_and(|is| is == "1"))
    };
    is_set("ID_MM_PORT_IGNORE") || is_set("ID_MM_DEVICE_IGNORE")
}

fn braille(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("brltty");
    if facts.braille.is_empty() {
        return verdict.else_fine("has no udev rules here");
    }
    let lines = ttys(facts).filter_map(|(line, tty)| {
        let what = format!("takes {}", line.device.display());
        Some((what, tty.usb.as_ref()?, Severity::Warning))
    });
    let bare = facts.bare_usb.iter().map(|usb| {
        let what = "may have taken a line that is not there".to_owned();
        (what, usb, Severity::Problem)
    });
    let bare = bare.filter(|_| facts.lines.iter().any(is_absent));
    for (what, usb, severity) in lines.chain(bare) {
        for file in &facts.braille {
            if !file.rules.iter().any(|rule| rule.takes(usb)) {
                continue;
            }
            let path = file.path.display();
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            let mend = if file.path.starts_with("/etc") {
                format!(
                    "remove the lines for {} from {path}, and udevadm control --reload",
                    usb.id()
                )
            } else {
                format!(
                    "ln -s /dev/null /etc/udev/rules.d/{name} && udevadm control --reload && \
                     systemctl stop 'brltty*'   # if nobody here reads braille; then plug it in anew"
                )
            };
            verdict.find(
                severity,
                format!("{what}: {path} gives USB devices {} to it", usb.id()),
                mend,
            );
        }
    }
    verdict.else_fine("its udev rules take none of the lines")
}

/// modemd sets `ASYNC_LOW_LATENCY` for each session, which is 1 ms whatever the timer was (the
/// kernel's `ftdi_sio.c`, `write_latency_timer`). So what is there without one says nothing.
fn latency(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("latency");
    let mut at_rest = Vec::new();
    for (line, tty) in ttys(facts) {
        let Some(latency) = tty.latency.filter(|ms| *ms > 1) else {
            continue;
        };
        let device = line.device.display();
        match &tty.users {
            Ok(users) if users.iter().any(|user| user.program == "modemd") => {
                let name = tty.real.file_name().unwrap_or_default().to_string_lossy();
                verdict.warning(
                    format!(
                        "{device} collects bytes for {latency} ms in a session: somebody undid \
                         what modemd set, or the driver refused it"
                    ),
                    format!("echo 1 > /sys/bus/usb-serial/devices/{name}/latency_timer"),
                );
            }
            Ok(_) => at_rest.push(format!("{device} ({latency} ms now)")),
            Err(why) => verdict.unknown(format!("the latency of {device} in a session: {why}")),
        }
    }
    verdict.else_fine(if at_rest.is_empty() {
        "no line has an FTDI converter with a slow timer".to_owned()
    } else {
        format!(
            "modemd sets 1 ms for each session; not to be seen without one: {}",
            at_rest.join(", ")
        )
    })
}

fn names(config: &Config, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("names");
    let by_name = config.ports.iter().filter(|port| port.allow.has_names());
    let by_name: Vec<_> = by_name.map(|port| port.name.as_str()).collect();
    if by_name.is_empty() {
        return verdict.else_fine("`allow` has none that would have to be looked up");
    }
    let has_network = facts
        .systemd
        .as_ref()
        .is_ok_and(|systemd| property(systemd.units.get(SERVICE), "PrivateNetwork") == "no");
    if let (Ok(_), Some(obstacle), false) = (&facts.systemd, facts.lookups, has_network) {
        verdict.problem(
            format!(
                "port {}: names in `allow` cannot be looked up in the services' sandbox, except \
                 those in /etc/hosts: {obstacle}",
                by_name.join(", ")
            ),
            format!(
                "install libnss-resolve and systemd-resolved, or open DNS with the drop-in {}",
                crate::modemctl::lookups::DROP_IN
            ),
        );
    }
    match &facts.unknown_names {
        Err(why) => verdict.unknown(format!("the names in `allow`: {why}")),
        Ok(names) => {
            for name in names {
                verdict.warning(
                    format!(
                        "`{name}` in `allow` is not known to the name service: it lets nobody in"
                    ),
                    format!("correct it, or find out with `getent ahosts {name}`"),
                );
            }
        }
    }
    verdict.else_fine("those in `allow` can be looked up")
}

impl Access {
    /// Whether somebody in these `groups` has all of the rights `bits`, of 4, 2 and 1.
    fn lets(&self, service: &Rights, bits: u32) -> bool {
        let rights = if self.uid == service.uid {
            self.mode >> 6
        } else if service.gids.contains(&self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        service.uid == 0 || rights & bits == bits
    }

    fn group_name(&self) -> String {
        self.group.clone().unwrap_or_else(|| self.gid.to_string())
    }
}

/// Whose rights modemd has.
struct Rights {
    uid: u32,
    gids: BTreeSet<u32>,
}

/// As systemd has it: `Group=`, and those that list the user as a member.
fn rights_of_service(facts: &Facts) -> Option<Rights> {
    let person: &Person = facts.service.person.as_ref().ok()?.as_ref()?;
    let group = facts.serial_group.as_ref().ok()?;
    let own = person.groups.iter().map(|(number, _)| *number);
    Some(Rights {
        uid: person.uid,
        gids: own.chain(*group).collect(),
    })
}

fn ttys(facts: &Facts) -> impl Iterator<Item = (&Line, &Tty)> {
    facts.lines.iter().filter_map(|line| match &line.node {
        Node::Tty(tty) => Some((line, &**tty)),
        _ => None,
    })
}

fn is_absent(line: &Line) -> bool {
    matches!(line.node, Node::Missing | Node::Broken(_))
}

fn property<'a>(unit: Option<&'a Unit>, name: &str) -> &'a str {
    unit.and_then(|unit| unit.get(name))
        .map_or("", String::as_str)
}

fn socket_name(port: &Port) -> String {
    socket_of_port(&port.name)
}

/// The socket unit of the port `name`.
pub(super) fn socket_of_port(name: &str) -> String {
    if name == "modem" {
        SWITCH.to_owned()
    } else {
        format!("modem-{name}.socket")
    }
}

fn is_fleeting(path: &Path) -> bool {
    FLEETING.iter().any(|folder| path.starts_with(folder))
}

/// What holds at once and after the next boot: a line for tmpfiles.d(5).
fn tmpfiles(kind: char, path: &Path, mode: &str, group: &str) -> String {
    let file = "/etc/tmpfiles.d/modemd-locks.conf";
    format!(
        "echo '{kind} {} {mode} root {group}' > {file} && systemd-tmpfiles --create {file}",
        path.display()
    )
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=,%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// What could not be looked at is no fault.
pub(super) fn is_fault(finding: &Finding) -> bool {
    finding.severity != Severity::Unknown
}
