//! `modemctl`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::Scratch;

fn check(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modemctl"))
        .arg("check")
        .arg(file)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_describes_what_would_be_served_and_exits_0() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.modem]\ndevices = [\"/dev/ttyS1\", \"/dev/ttyS2\"]\nallow = [\"10.0.0.0/8\"]\n\
         busy = \"wait\"\nwait = \"90s\"\nprotocol = \"telnet\"\nmax_baud = 230400\n",
    );
    let done = check(&file);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    for part in [
        "port modem",
        "where its socket unit says",
        "/dev/ttyS1, /dev/ttyS2 (115200,8,N,1)",
        "telnet (clients may change: any; up to 230400 baud)",
        "10.0.0.0/8",
        "wait for 1min 30s",
        "no mistakes",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn check_shows_every_mistake_in_its_place_and_exits_78() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.good]\ndevices = [\"/dev/ttyS1\"]\n\
         [ports.bad]\ndevices = []\nallo = [\"localhost\"]\n",
    );
    let done = check(&file);
    assert_eq!(done.status.code(), Some(78));
    let said = text(&done.stderr);
    assert!(
        said.contains(&format!("{}:4:11: ", file.display())),
        "{said}"
    );
    assert!(
        said.contains(&format!("{}:5:1: ", file.display())),
        "{said}"
    );
    assert!(said.contains("^~~~"), "{said}");
    assert!(said.contains("2 mistakes"), "{said}");
    // The others are served all the same.
    assert!(text(&done.stdout).contains("port good"));
}

#[test]
fn the_file_that_is_shipped_has_no_mistakes() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/modemd.toml");
    let done = check(&shipped);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("lets in:  localhost"));
}

#[test]
fn check_does_not_say_that_nobody_gets_in_at_a_unix_socket() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "modemd.toml",
        "[ports.modem]\nlisten = [\"/run/modem.sock\"]\ndevices = [\"/dev/ttyS1\"]\n",
    );
    let said = text(&check(&file).stdout);
    assert!(
        said.contains("lets in:  whoever may open its unix socket"),
        "{said}"
    );
}

#[test]
fn check_does_not_mind_that_nobody_reads_to_the_end() {
    let scratch = Scratch::new();
    let file = scratch.file("modemd.toml", "[ports.modem]\ndevices = [\"/dev/ttyS1\"]\n");
    let mut check = Command::new(env!("CARGO_BIN_EXE_modemctl"))
        .arg("check")
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(check.stdout.take());
    let done = check.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}
