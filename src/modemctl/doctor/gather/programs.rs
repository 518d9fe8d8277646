//! What the system's programs know: `id`, `getent`, `udevadm` and `systemctl`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::config::{AllowList, Config, Host, Port};
use crate::modemctl::doctor::facts::{Person, Seen};
use crate::modemctl::doctor::said;

pub(super) fn person(user: &str) -> Seen<Option<Person>> {
    let said = ask("id", &["--", user])?;
    said.map(|text| said::person(&text).ok_or_else(|| "`id` does not say".to_owned()))
        .transpose()
}

pub(super) fn udev(device: &Path) -> Seen<BTreeMap<String, String>> {
    let name = format!("--name={}", device.display());
    let said = ask("udevadm", &["info", "--query=property", &name])?;
    let said = said.ok_or_else(|| "udev does not know it".to_owned())?;
    Ok(said::properties(&said))
}

/// Those names in `allow` and `hosts` that the name service of this system does not know.
pub(super) fn unknown_names(config: &Config) -> Seen<Vec<String>> {
    let lists = config.ports.iter().flat_map(Port::hosts);
    let hosts = lists.flat_map(AllowList::hosts);
    let names: BTreeSet<_> = hosts
        .filter_map(|host| match host {
            Host::Name(name) => Some(name),
            _ => None,
        })
        .collect();
    let mut unknown = Vec::new();
    for name in names {
        if ask("getent", &["ahosts", name])?.is_none() {
            unknown.push(name.clone());
        }
    }
    Ok(unknown)
}

/// What a program says in the language of programs; `None` if it fails.
pub(super) fn ask(program: &str, arguments: &[&str]) -> Seen<Option<String>> {
    let done = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(done.status.success().then_some(said))
}
