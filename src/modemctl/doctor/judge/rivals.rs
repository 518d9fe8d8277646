//! Who else wants the lines: programs that have them open, logins, ModemManager and brltty.

use std::collections::BTreeSet;
use std::path::Path;

use super::lines::{is_absent, ttys};
use super::shell::quoted;
use super::{Severity, Verdict, count};
use crate::modemctl::doctor::facts::{Facts, Process, Tty};

pub(super) fn users(facts: &Facts) -> Verdict {
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
        // It may be what becomes the getty, the getty, or the shell of who has logged in.
        || tty.getty.is_some()
        || facts.modem_manager == Some(process.pid) && !is_ignored(tty)
}

pub(super) fn logins(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("logins");
    for (line, tty) in ttys(facts) {
        let device = line.device.display();
        let name = tty.real.file_name().unwrap_or_default().to_string_lossy();
        if tty.is_console {
            verdict.problem(
                format!("{device} is the system console: modemd does not share it"),
                format!(
                    "remove {} from the kernel's command line (Debian: \
                     /etc/default/grub, then update-grub) and reboot",
                    quoted(format!("console={name}"))
                ),
            );
        } else if let Some(getty) = &tty.getty {
            verdict.problem(
                format!("{device} is used for logins ({getty}): modemd does not share it"),
                format!(
                    "systemctl disable --now {} && udevadm trigger --action=add {}",
                    quoted(getty),
                    quoted(&tty.real)
                ),
            );
        }
    }
    verdict.else_fine("no line is the system's console or has a login")
}

pub(super) fn modem_manager(facts: &Facts) -> Verdict {
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

pub(super) fn braille(facts: &Facts) -> Verdict {
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
            let mend = if file.path.starts_with("/etc") {
                format!(
                    "remove the lines for {} from {}, and udevadm control --reload",
                    usb.id(),
                    quoted(&file.path)
                )
            } else {
                let name = file.path.file_name().unwrap_or_default();
                format!(
                    "ln -s /dev/null {} && udevadm control --reload && \
                     systemctl stop 'brltty*'   # if nobody here reads braille; then plug it in anew",
                    quoted(Path::new("/etc/udev/rules.d").join(name))
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
