//! `modemctl calls`: with the real journal, and with a journalctl that says what is hard to come by.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use ::modemd::journal::{CALL, CALL_REFUSED};

use crate::journald::Journal;
use crate::support::{Scratch, have, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `modemctl calls` where journalctl is this script.
fn with_journalctl(script: &str, arguments: &[&str]) -> Output {
    let scratch = Scratch::new();
    let program = scratch.file("journalctl", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", scratch.path().display());
    let mut modemctl = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    modemctl.env("PATH", path).env("TZ", "UTC");
    modemctl.arg("calls").args(arguments).output().unwrap()
}

/// What real journalctl wrote of a call, less what nobody reads.
const ENTRY: &str = r#"{"_UID":"0","MODEMD_CALL":"outgoing","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/ttyS1","MODEMD_CLIENT":"192.168.2.7:50112","MODEMD_SESSION":"0000000000000abc","MODEMD_NUMBER":"+4930123456","MODEMD_RESULT":"CONNECT 33600","MODEMD_RINGS":"0","MODEMD_REASON":"carrier-lost","MODEMD_BEGAN_USEC":"1795000000123456","MODEMD_DURATION_USEC":"723500000","MODEMD_BYTES_TO_LINE":"40213","MODEMD_BYTES_TO_CLIENT":"1200334","__REALTIME_TIMESTAMP":"1795000723999999"}"#;

#[test]
fn journalctl_is_asked_for_calls_and_what_it_writes_is_shown() {
    let script = format!("echo \"$*\" >&2; printf '%s\\n' '{ENTRY}' '-- No entries --'");
    let done = with_journalctl(&script, &["--since", "-1h", "--json"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let said = text(&done.stderr);
    let asked = format!("--since=-1h MESSAGE_ID={CALL} MESSAGE_ID={CALL_REFUSED}");
    assert!(
        said.contains(&asked) && said.contains("--output=json"),
        "{said}"
    );
    assert_eq!(
        text(&done.stdout),
        "{\"began_usec\":1795000000123456,\"client\":\"192.168.2.7:50112\",\"port\":\"modem\",\
         \"line\":\"/dev/ttyS1\",\"session\":\"0000000000000abc\",\"direction\":\"outgoing\",\
         \"number\":\"+4930123456\",\"rings\":0,\"result\":\"CONNECT 33600\",\"reason\":\"carrier-lost\",\
         \"duration_usec\":723500000,\"to_line\":40213,\"to_client\":1200334}\n"
    );
    let script = format!("printf '%s\\n' '{ENTRY}'");
    let done = with_journalctl(&script, &["--csv"]);
    assert_eq!(
        text(&done.stdout),
        "began,client,port,line,direction,number,rings,result,reason,why,duration,to_line,to_client,session\r\n\
         2026-11-18 11:06:40,192.168.2.7:50112,modem,/dev/ttyS1,outgoing,'+4930123456,0,CONNECT 33600,\
         carrier-lost,,723,40213,1200334,0000000000000abc\r\n"
    );
    let done = with_journalctl(&script, &[]);
    assert_eq!(
        text(&done.stdout),
        "BEGAN                CLIENT             PORT   LINE        CALL  NUMBER       RESULT         \
         DURATION   TO LINE  TO CLIENT  REASON\n\
         2026-11-18 11:06:40  192.168.2.7:50112  modem  /dev/ttyS1  out   +4930123456  CONNECT 33600  \
         12min 3s  39.2 KiB    1.1 MiB  carrier-lost\n"
    );
    assert_eq!(text(&done.stderr), "");
}

#[test]
fn without_calls_it_says_so_and_exits_0() {
    let done = with_journalctl("", &["--since=today"]);
    assert_eq!(
        (done.status.code(), text(&done.stdout).as_str()),
        (Some(0), "")
    );
    let said = text(&done.stderr);
    assert!(
        said.starts_with(
            "modemctl: the journal has no calls since today; ports with `modem` or `dial`"
        ),
        "{said}"
    );
    let done = with_journalctl("", &["--csv"]);
    assert!(text(&done.stdout).starts_with("began,client,"));
}

#[test]
fn what_keeps_it_from_the_journal_has_a_way_out() {
    let denied = "echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1";
    let none = "echo 'No journal files were found.' >&2";
    let when = "echo 'Failed to parse timestamp: yestrday' >&2; exit 1";
    for (script, code, says) in [
        (denied, 77, "usermod -aG systemd-journal "),
        (none, 69, "journal: there is none on this machine"),
        (
            when,
            1,
            "modemctl: journalctl: Failed to parse timestamp: yestrday\n",
        ),
    ] {
        let done = with_journalctl(script, &[]);
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
        assert_eq!(text(&done.stdout), "");
    }
    let nowhere = Scratch::new();
    let mut modemctl = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    let done = modemctl.env("PATH", nowhere.path()).arg("calls").output();
    let done = done.unwrap();
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(69), "{said}");
    assert!(
        said.starts_with("modemctl: journalctl: it is not installed: "),
        "{said}"
    );
}

#[test]
fn who_reads_no_further_ends_it() {
    // More than any pipe holds, and an end only for who is told that nobody reads.
    let script = format!("while printf '%s\\n' '{ENTRY}'; do :; done");
    let scratch = Scratch::new();
    let program = scratch.file("journalctl", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut modemctl = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    modemctl
        .env("PATH", scratch.path())
        .args(["calls", "--json"]);
    let mut modemctl = modemctl.stdout(Stdio::piped()).spawn().unwrap();
    drop(modemctl.stdout.take());
    assert_eq!(modemctl.wait().unwrap().code(), Some(0));
}

/// Writes an entry into the journal, as anybody can.
fn write_entry(journal: &Journal, fields: &str, user: Option<&str>) {
    let mut logger = Command::new("logger");
    logger.arg("--journald");
    if let Some(user) = user {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", user, "--clear-groups", "logger", "--journald"]);
        logger = setpriv;
    }
    let mut logger = journal.here(&logger).stdin(Stdio::piped()).spawn().unwrap();
    let mut to = logger.stdin.take().unwrap();
    to.write_all(fields.as_bytes()).unwrap();
    drop(to);
    assert!(logger.wait().unwrap().success());
}

#[test]
fn the_real_journal_gives_back_calls_and_nobody_can_make_some_up() {
    if !have(&["logger", "setpriv"]) {
        return;
    }
    let Some(journal) = Journal::start() else {
        return;
    };
    let call = |number: &str| {
        format!(
            "MESSAGE=a call\nMESSAGE_ID={CALL}\nMODEMD_PORT=modem\nMODEMD_LINE=/dev/ttyS1\n\
             MODEMD_CLIENT=10.0.0.1:1\nMODEMD_SESSION=0000000000000abc\nMODEMD_CALL=outgoing\n\
             MODEMD_NUMBER={number}\nMODEMD_RESULT=BUSY\nMODEMD_RINGS=0\nMODEMD_REASON=not-connected\n\
             MODEMD_BEGAN_USEC=1795000000123456\nMODEMD_DURATION_USEC=0\n"
        )
    };
    write_entry(&journal, &call("0301"), None);
    write_entry(
        &journal,
        &call("0666").replace(CALL, "6666666666666666666666666666aaaa"),
        None,
    );
    write_entry(&journal, &call("0900"), Some("64321"));
    let refused = format!(
        "MESSAGE=a refusal\nMESSAGE_ID={CALL_REFUSED}\nMODEMD_PORT=modem\nMODEMD_NUMBER=0302\nMODEMD_CALL=outgoing\n\
         MODEMD_REASON=refused\nMODEMD_WHY=because of\x1b[2J\n"
    );
    write_entry(&journal, &refused, None);
    // They come in the order in which they were written.
    wait_until("the last entry", || {
        journal.journalctl(&["--output=cat"]).contains("a refusal")
    });
    let made_up = journal.journalctl(&["--output=cat", "MODEMD_NUMBER=0900"]);
    assert_eq!(made_up, "a call\n");
    let calls = |arguments: &[&str]| {
        let mut modemctl = Command::new(env!("CARGO_BIN_EXE_modemctl"));
        modemctl.arg("calls").args(arguments);
        let done = journal.here(&modemctl).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let shown = calls(&[]);
    let rows: Vec<_> = shown.lines().skip(1).collect();
    let [first, second] = rows[..] else {
        panic!("{shown}")
    };
    assert!(first.contains("/dev/ttyS1  out   0301    BUSY"), "{shown}");
    assert!(
        second.contains("out   0302    refused") && second.ends_with(r"because of\u{1b}[2J"),
        "{shown}"
    );
    let shown = calls(&["--json", "--since", "today"]);
    assert!(shown.ends_with(
        "\"why\":\"because of\\u001b[2J\",\"duration_usec\":0,\"to_line\":0,\"to_client\":0}\n"
    ));
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let mut copy = Command::new("cp");
    copy.args([env!("CARGO_BIN_EXE_modemctl"), "/run/modemctl"]);
    assert!(journal.here(&copy).status().unwrap().success());
    let mut nobody = Command::new("setpriv");
    nobody.args([
        "--reuid",
        "64321",
        "--regid",
        "64321",
        "--clear-groups",
        "/run/modemctl",
        "calls",
    ]);
    let done = journal.here(&nobody).output().unwrap();
    let said = text(&done.stderr);
    assert_eq!(
        (done.status.code(), text(&done.stdout).as_str()),
        (Some(77), ""),
        "{said}"
    );
    assert!(said.contains("usermod -aG systemd-journal"), "{said}");
    // A line for each, and one for the columns.
    assert_eq!(calls(&["--csv"]).matches("\r\n").count(), 3);
    assert_eq!(calls(&["--json", "--since", "2100-01-01"]), "");
}
