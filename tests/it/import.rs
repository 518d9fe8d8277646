//! `modemctl import`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::Scratch;

fn modemctl() -> Command {
    Command::new(env!("CARGO_BIN_EXE_modemctl"))
}

fn import(arguments: &[&Path]) -> Output {
    modemctl().arg("import").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of the cases that `tests/import.rs` goes through.
fn case(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(file)
}

/// Asserts that `modemctl check` has nothing to say against this.
fn assert_accepted(toml: &[u8]) {
    let mut check = modemctl()
        .args(["check", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(toml).unwrap();
    let done = check.wait_with_output().unwrap();
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}{}",
        text(&done.stderr),
        text(toml)
    );
}

#[test]
fn check_accepts_what_import_prints() {
    for file in [
        "howto-inetd/inetd.conf",
        "masqdialer-howto/mserver.conf",
        "ser2net3-shipped/ser2net.conf",
        "ser2net4-debian/ser2net.yaml",
        "ser2net4-rotator/ser2net.yaml",
    ] {
        let done = import(&[&case(file)]);
        assert_eq!(
            done.status.code(),
            Some(0),
            "{file}: {}",
            text(&done.stderr)
        );
        assert_eq!(text(&done.stderr), "", "{file}");
        assert!(text(&done.stdout).contains("listen"), "{file}");
        assert_accepted(&done.stdout);
    }
}

#[test]
fn several_files_make_one_configuration() {
    let folder = case("howto-inetd-and-script");
    let done = import(&[
        &folder.join("etc/inetd.conf"),
        &folder.join("usr/sbin/modemd"),
    ]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("cu, without --nostop"));
    assert_accepted(&done.stdout);
}

#[test]
fn what_is_not_understood_is_told_with_its_place_and_the_rest_is_printed() {
    let scratch = Scratch::new();
    let file = scratch.file("mserver.conf", "nonsense\n5800 /dev/ttyS1 9600,8,N,1\n");
    let done = import(&[&file]);
    assert_eq!(done.status.code(), Some(1));
    let place = format!("{}:1: `nonsense`: ", file.display());
    assert!(
        text(&done.stderr).starts_with(&place),
        "{}",
        text(&done.stderr)
    );
    assert!(text(&done.stdout).contains("[ports.modem]"));
    assert_accepted(&done.stdout);
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_printed() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    let alone = import(&[&missing]);
    assert_eq!(alone.status.code(), Some(66));
    assert_eq!(text(&alone.stdout), "");
    let done = import(&[&missing, &case("masqdialer-howto/mserver.conf")]);
    assert_eq!(done.status.code(), Some(66));
    let message = format!("{}: cannot be read: No such file", missing.display());
    assert!(
        text(&done.stderr).starts_with(&message),
        "{}",
        text(&done.stderr)
    );
    assert_accepted(&done.stdout);
}

#[test]
fn standard_input_is_read_and_its_format_can_be_named() {
    let mut import = modemctl()
        .args(["import", "--from", "ser2net3", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = b"# a comment: connection\n2000:telnet:60:/dev/ttyS1:9600 remctl\n";
    import.stdin.take().unwrap().write_all(line).unwrap();
    let done = import.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    let toml = text(&done.stdout);
    for part in ["standard input:2", "\"2000\"", "\"telnet\"", "\"1min\""] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    assert_accepted(&done.stdout);
}
