//! The lines: whether they are there, and whether modemd may open them.

use super::accounts::rights_of_service;
use super::units::SERVICE;
use super::{Verdict, shell};
use crate::modemctl::doctor::facts::{Account, Facts, Line, Node, Tty};

/// The group of a line that a login has left (`vhangup`, login(1)).
const GROUP_OF_LOGINS: &str = "tty";

pub(super) fn lines(facts: &Facts) -> Verdict {
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
    let real = shell::quoted(&tty.real);
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

pub(super) fn ttys(facts: &Facts) -> impl Iterator<Item = (&Line, &Tty)> {
    facts.lines.iter().filter_map(|line| match &line.node {
        Node::Tty(tty) => Some((line, &**tty)),
        _ => None,
    })
}

pub(super) fn is_absent(line: &Line) -> bool {
    matches!(line.node, Node::Missing | Node::Broken(_))
}
