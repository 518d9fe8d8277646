//! Whom modemd runs as, and who asks.

use std::collections::BTreeSet;

use super::Verdict;
use super::shell::quoted;
use crate::modemctl::doctor::facts::{Access, Account, Facts, Person};

/// Whoever may use the control interface.
const CONTROL_GROUP: &str = "modemd";

pub(super) fn service(facts: &Facts) -> Verdict {
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
                format!("groupadd --system {}", quoted(group)),
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
                format!("useradd --system {}", quoted(user))
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
                    join(group, user),
                );
            }
        }
    }
    verdict.else_fine(format!("{user} is there, and in group {group}"))
}

pub(super) fn caller(facts: &Facts) -> Verdict {
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
                    format!("sudo {}   # then log in again", join(CONTROL_GROUP, name)),
                );
            }
            verdict.else_fine(format!("{name} may control modemd"))
        }
    }
}

/// The command that makes `user` a member of `group`.
pub(super) fn join(group: &str, user: &str) -> String {
    format!(
        "usermod --append --groups {} {}",
        quoted(group),
        quoted(user)
    )
}

/// Whose rights modemd has.
pub(super) struct Rights {
    uid: u32,
    gids: BTreeSet<u32>,
}

/// As systemd has it: `Group=`, and those that list the user as a member.
pub(super) fn rights_of_service(facts: &Facts) -> Option<Rights> {
    let person: &Person = facts.service.person.as_ref().ok()?.as_ref()?;
    let group = facts.serial_group.as_ref().ok()?;
    let own = person.groups.iter().map(|(number, _)| *number);
    Some(Rights {
        uid: person.uid,
        gids: own.chain(*group).collect(),
    })
}

impl Access {
    /// Whether somebody in these `groups` has all of the rights `bits`, of 4, 2 and 1.
    pub(super) fn lets(&self, service: &Rights, bits: u32) -> bool {
        let rights = if self.uid == service.uid {
            self.mode >> 6
        } else if service.gids.contains(&self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        service.uid == 0 || rights & bits == bits
    }

    pub(super) fn group_name(&self) -> String {
        self.group.clone().unwrap_or_else(|| self.gid.to_string())
    }
}
