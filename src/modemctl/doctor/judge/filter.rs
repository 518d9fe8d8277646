//! The kernel's filter of who may connect.

use super::Verdict;
use super::units::{property, socket_name};
use crate::config::Config;
use crate::modemctl::doctor::facts::Facts;

pub(super) fn filter(config: &Config, facts: &Facts) -> Verdict {
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
