//! The units, by systemd's own judgement.

use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, have};

const UNITS: [&str; 3] = ["modem.socket", "modem.service", "modem@.service"];

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("units")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Copies of the units, with the modemd of this build where the installed one would be.
fn installed() -> Scratch {
    let scratch = Scratch::new();
    for name in UNITS {
        let text = unit(name).replace("/usr/sbin/modemd", env!("CARGO_BIN_EXE_modemd"));
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
fn both_services_are_exposed_by_no_more_than_four_tenths() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let units = installed();
    for name in ["modem.service", "modem@.service"] {
        // The threshold is ten times the exposure.
        let verdict = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=4"])
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
