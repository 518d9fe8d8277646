//! The lines: whether they are there, and whether modemd may open them.

use super::Verdict;
use super::accounts::{join, rights_of_service};
use super::shell::{is_plain, quoted};
use super::units::SERVICE;
use crate::modemctl::doctor::facts::{Account, Facts, Line, Node, Tty};

/// The group of a line that a login has left (`vhangup`, login(1)).
const GROUP_OF_LOGINS: &str = "tty";

pub(super) fn lines(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("lines");
    let groups = rights_of_service(facts);
    if groups.is_none() && !facts.lines.is_empty() {
        verdict.unknown("whether modemd may open its lines: its user is not known");
    }
    let by_id: Vec<_> = facts.by_id.iter().map(quoted).collect();
    let others = format!(
        "plug it in, or correct `devices` in the configuration; /dev/serial/by-id {}",
        if by_id.is_empty() {
            "is empty".to_owned()
        } else {
            format!("has {}", by_id.join(", "))
        }
    );
    for line in &facts.lines {
        let device = line.device.display();
        match &line.node {
            Node::Missing => verdict.problem(format!("{device} is not there"), &*others),
            Node::Broken(target) => verdict.problem(
                format!(
                    "{device} is a link to {}, which is not there",
                    target.display()
                ),
                &*others,
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
    let name = tty.real.file_name().unwrap_or_default();
    let trigger = format!("udevadm trigger --action=add {real}");
    let at_once = format!("chgrp {} {real} && chmod g+rw {real}", quoted(group));
    match &tty.access.group {
        _ if tty.is_pseudo => at_once,
        Some(of) if of == GROUP_OF_LOGINS => trigger,
        Some(of) if tty.access.gid != 0 && tty.access.mode & 0o60 == 0o60 => {
            format!("{} && systemctl try-restart {SERVICE}", join(of, user))
        }
        // There may be a rule for another line already.
        _ if [name, group.as_ref()].into_iter().all(is_plain) => format!(
            "echo 'KERNEL==\"{}\", GROUP=\"{group}\", MODE=\"0660\"' \
             >> /etc/udev/rules.d/60-modemd-lines.rules && udevadm control --reload && {trigger}",
            name.display()
        ),
        _ => at_once,
    }
}

/// modemd sets `ASYNC_LOW_LATENCY` for each session, which is 1 ms whatever the timer was (the
/// kernel's `ftdi_sio.c`, `write_latency_timer`). So what is there without one says nothing.
pub(super) fn latency(facts: &Facts) -> Verdict {
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
                    format!(
                        "echo 1 > {}",
                        quoted(format!("/sys/bus/usb-serial/devices/{name}/latency_timer"))
                    ),
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

pub(super) fn ttys(facts: &Facts) -> impl Iterator<Item = (&Line, &Tty)> {
    facts.lines.iter().filter_map(|line| match &line.node {
        Node::Tty(tty) => Some((line, &**tty)),
        _ => None,
    })
}

pub(super) fn is_absent(line: &Line) -> bool {
    matches!(line.node, Node::Missing | Node::Broken(_))
}
