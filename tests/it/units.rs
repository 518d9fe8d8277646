//! The units, by systemd's own judgement.

use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, have};

const UNITS: [&str; 7] = [
    "modem.socket",
    "modem.service",
    "modem@.service",
    "modem-control.socket",
    "modem-metrics.socket",
    "modem-metrics@.service",
    "modem-attach@.service",
];

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("units")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Copies of the units, with the programs of this build where the installed ones would be.
fn installed() -> Scratch {
    let scratch = Scratch::new();
    for name in UNITS {
        let text = unit(name)
            .replace("/usr/sbin/modemd", env!("CARGO_BIN_EXE_modemd"))
            .replace("/usr/bin/modemctl", env!("CARGO_BIN_EXE_modemctl"));
        scratch.file(name, text);
    }
    scratch
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let units = installed();
    // 252 exits 0 on unknown keys, unless told so.
    let verdict = Command::new("systemd-analyze")
        .args(["verify", "--recursive-errors=no", "--man=no"])
        .args(UNITS.map(|name| units.path().join(name)))
        .output()
        .unwrap();
    assert!(
        verdict.status.success(),
        "{}",
        String::from_utf8_lossy(&verdict.stderr)
    );
    let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("modem")).collect();
    assert!(about_ours.is_empty(), "{about_ours:#?}");
}

#[test]
fn no_service_is_exposed_more_than_it_must_be() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let units = installed();
    // The threshold is ten times the exposure.
    for (name, threshold) in [
        ("modem.service", 4),
        ("modem@.service", 4),
        ("modem-metrics@.service", 2),
        // It has the network, for lines of other machines.
        ("modem-attach@.service", 12),
    ] {
        let verdict = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={threshold}"))
            .arg(units.path().join(name))
            .output()
            .unwrap();
        assert!(
            verdict.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&verdict.stdout)
        );
    }
}

#[test]
fn the_socket_lets_in_this_machine_only_and_names_its_port() {
    let socket = unit("modem.socket");
    for line in [
        "FileDescriptorName=modem",
        "IPAddressAllow=localhost",
        "IPAddressDeny=any",
        "KeepAlive=yes",
        "ListenStream=2006",
    ] {
        assert!(socket.lines().any(|has| has == line), "{line}");
    }
}

#[test]
fn the_control_socket_is_for_its_group_and_comes_and_goes_with_the_one_switch() {
    let control = unit("modem-control.socket");
    for line in [
        "FileDescriptorName=@control",
        "ListenStream=/run/modemd/io.modemd",
        "PartOf=modem.socket",
        "RemoveOnStop=yes",
        "SocketGroup=modemd",
        "SocketMode=0660",
    ] {
        assert!(control.lines().any(|has| has == line), "{line}");
    }
    assert!(!control.contains("[Install]"), "a switch of its own");
    let socket = unit("modem.socket");
    assert!(
        socket
            .lines()
            .any(|line| line == "Wants=modem-control.socket")
    );
}

#[test]
fn metrics_are_told_to_this_machine_only() {
    let metrics = unit("modem-metrics.socket");
    for line in [
        "Accept=yes",
        "IPAddressAllow=localhost",
        "IPAddressDeny=any",
        "ListenStream=12006",
    ] {
        assert!(metrics.lines().any(|has| has == line), "{line}");
    }
}

/// What they share stands in both: systemd has no include, and a difference would be a mistake.
#[test]
fn both_services_have_the_same_sandbox() {
    let own = [
        "Exec",
        "FileDescriptorStore",
        "Restart",
        "Watchdog",
        "LimitNOFILE",
        "#",
    ];
    let sandbox = |name: &str| -> Vec<String> {
        let text = unit(name);
        let service = text.split_once("[Service]\n").unwrap().1;
        service
            .lines()
            .filter(|line| !line.is_empty() && !own.iter().any(|own| line.starts_with(own)))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(sandbox("modem.service"), sandbox("modem@.service"));
    assert!(sandbox("modem.service").len() > 30);
}
