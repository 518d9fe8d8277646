//! Whether names can be looked up in the sandbox of the services.
//!
//! They have no network of their own, so that glibc's `dns` cannot ask anybody; `resolve` can: it
//! talks to systemd-resolved over a unix socket (nss-resolve(8)).

use std::fs;
use std::path::Path;

/// Opens DNS to the services.
pub(super) const DROP_IN: &str = "/usr/share/doc/modemd/examples/name-lookups.conf";

/// Where systemd-resolved takes questions, below the root (`varlink` of nss-resolve, systemd's
/// `src/nss-resolve/nss-resolve.c`).
const RESOLVED: &str = "run/systemd/resolve/io.systemd.Resolve";

/// What keeps the services from looking up names, if something does, on the system below `root`.
pub(super) fn obstacle(root: &Path) -> Option<&'static str> {
    let nsswitch = fs::read_to_string(root.join("etc/nsswitch.conf")).unwrap_or_default();
    if !asks_resolved(&nsswitch) {
        Some("/etc/nsswitch.conf has no `resolve` among its `hosts:`")
    } else if !root.join(RESOLVED).exists() {
        Some("systemd-resolved does not run")
    } else {
        None
    }
}

/// Whether host names go to systemd-resolved (nsswitch.conf(5)).
fn asks_resolved(nsswitch: &str) -> bool {
    let lines = nsswitch.lines().filter_map(|line| line.split('#').next());
    let mut hosts = lines.filter_map(|line| line.trim_start().strip_prefix("hosts:"));
    hosts.any(|services| {
        services
            .split_whitespace()
            .any(|service| service == "resolve")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_count_and_comments_do_not() {
        assert!(asks_resolved(
            "hosts: files resolve [!UNAVAIL=return] dns\n"
        ));
        assert!(!asks_resolved(
            "hosts: files dns # resolve\npasswd: resolve\n"
        ));
        assert!(!asks_resolved(""));
    }
}
