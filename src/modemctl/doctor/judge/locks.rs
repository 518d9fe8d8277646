//! The lock directory, and what is in it.

use std::path::Path;

use super::Verdict;
use super::accounts::{join, rights_of_service};
use super::shell::{is_plain, quoted};
use super::units::SERVICE;
use crate::modemctl::doctor::facts::{Access, Facts, Lock, LockDirectory};

/// Where files are gone after a reboot.
const FLEETING: [&str; 2] = ["/run", "/var/lock"];

pub(super) fn locks(facts: &Facts) -> Verdict {
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
            if is_for_tmpfiles(path) {
                format!("{}{again}", tmpfiles('d', path, "0775", group))
            } else {
                let (group, path) = (quoted(group), quoted(path));
                format!("install -d -m 775 -o root -g {group} {path}{again}")
            },
        ),
        Ok(Some(access)) if !access.lets(&groups, 0o3) => {
            let what = format!("{user} may not write the lock directory {directory}: {else_what}");
            let mend = match &access.group {
                Some(of) if access.gid != 0 && access.mode & 0o30 == 0o30 => join(of, user),
                // As it was before systemd 258, and is in Debian.
                _ if path == Path::new("/run/lock") => tmpfiles('z', path, "1777", "root"),
                _ if is_for_tmpfiles(path) => tmpfiles('z', path, "0775", group),
                _ => {
                    let (group, path) = (quoted(group), quoted(path));
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

/// Whether a directory is made anew at each boot, and tmpfiles.d(5) takes its name for itself.
fn is_for_tmpfiles(path: &Path) -> bool {
    let is_fleeting = FLEETING.iter().any(|folder| path.starts_with(folder));
    is_fleeting && is_plain(path.as_os_str()) && !path.to_string_lossy().contains('%')
}

/// What holds at once and after the next boot: a line for tmpfiles.d(5).
fn tmpfiles(kind: char, path: &Path, mode: &str, group: &str) -> String {
    let file = "/etc/tmpfiles.d/modemd-locks.conf";
    let line = quoted(format!("{kind} {} {mode} root {group}", path.display()));
    format!("echo {line} > {file} && systemd-tmpfiles --create {file}")
}
