//! Where the log goes, and what is in it: the real journald, syslog, stderr; never the client.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use ::modemd::journal;
use nix::sys::signal::Signal;

use crate::journald::{Entry, Journal, assert_has};
use crate::privileges::connection;
use crate::service::{Service, TO_LINE, TURN, VERSION};
use crate::stage::Stage;
use crate::support::{
    Modem, PATIENCE, Running, Scratch, assert_talks, connect, modemd, read_all, read_until, reset,
    share, wait_for,
};

fn shared(modem: &Modem, scratch: &Scratch, more: &[&str]) -> Command {
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).args(more).arg(modem.device());
    command
}

pub(crate) fn address(entry: &Entry) -> std::net::SocketAddr {
    let (_, address) = entry["MESSAGE"].rsplit_once(' ').unwrap();
    address.parse().unwrap()
}

#[test]
fn a_session_is_one_and_the_same_in_the_journal_over_all_processes() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let modem = Modem::new();
    let ports = crate::service::port("modem", &[&modem], "");
    let mut service = Service::staged(&["modem"], &ports, |program| journal.unit(&program));
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    let began = journal.entry(" is on ");
    let session = &began["MODEMD_SESSION"];
    let client_name = &client.local_addr().unwrap().to_string();
    let always = [
        ("MODEMD_PORT", "modem"),
        ("MODEMD_LINE", modem.device_name()),
        ("MODEMD_CLIENT", client_name),
        ("MODEMD_SESSION", session),
    ];
    let of_it = |text: &str, id: &str, more: &[(&str, &str)]| {
        let entry = journal.entry(text);
        assert_has(&entry, &[("MESSAGE_ID", id)]);
        assert_has(&entry, &always);
        assert_has(&entry, more);
    };
    assert_eq!(service.keeps(1), format!("session@{session}"));
    service.rests();
    service.restart(Signal::SIGUSR1);
    let resumed = journal::SESSION_RESUMED;
    let none_lost = [("MODEMD_BYTES_LOST", "0")];
    of_it(" after a restart", resumed, &none_lost);

    let crash = |service: &mut Service| {
        service.rests();
        let ledger = service.ledger(&service.keeps(1));
        service.end(Signal::SIGKILL);
        ledger.set_number(TURN, TO_LINE | 7 << 8);
        service.begin();
    };
    crash(&mut service);
    let seven_lost = [("MODEMD_BYTES_LOST", "7")];
    of_it("; up to 7 bytes", resumed, &seven_lost);
    crash(&mut service);
    let dropped = [
        ("MODEMD_REASON", "crashed"),
        ("MODEMD_BYTES_TO_LINE", "4"),
        ("MODEMD_BYTES_TO_CLIENT", "4"),
        ("MODEMD_BYTES_LOST", "14"),
    ];
    of_it(" died twice in a row", journal::SESSION_ENDED, &dropped);
    assert_eq!(read_all(&mut client), b"");
    service.assert_empty();

    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    service.rests();
    let ledger = service.ledger(&service.keeps(1));
    service.end(Signal::SIGUSR1);
    ledger.set_number(VERSION, 99);
    service.begin();
    assert_eq!(read_all(&mut client), b"");
    let entry = journal.entry("of version 99");
    let unreadable = [
        ("MESSAGE_ID", journal::SESSION_ENDED),
        ("MODEMD_REASON", "unreadable"),
        ("MODEMD_LINE", modem.device_name()),
    ];
    assert_has(&entry, &unreadable);
    service.assert_empty();
}

#[test]
fn a_session_is_in_the_journal_with_fields_to_look_for() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let _server = journal.service(&shared(&modem, &scratch, &[]));
    let address = address(&journal.entry("modem: listening on "));
    let mut client = connect(address);
    let name = client.local_addr().unwrap().to_string();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"\r\nOK\r\n");
    read_until(&mut client, b"OK\r\n");
    let mut other = connect(address);
    assert_eq!(read_all(&mut other), b"\r\nBUSY\r\n");
    reset(client);

    let device = modem.device_name();
    let began = journal.entry(" is on ");
    let whose = [
        ("MODEMD_PORT", "modem"),
        ("MODEMD_LINE", device),
        ("MODEMD_CLIENT", &name),
        ("_TRANSPORT", "journal"),
        ("SYSLOG_IDENTIFIER", "modemd"),
    ];
    assert_has(&began, &whose);
    assert_has(&began, &[("MESSAGE_ID", journal::SESSION_BEGAN)]);
    let ended = journal.entry(" left ");
    assert_has(&ended, &whose);
    let session = began["MODEMD_SESSION"].as_str();
    assert_eq!(session.len(), 16);
    assert_has(
        &ended,
        &[
            ("MESSAGE_ID", journal::SESSION_ENDED),
            ("MODEMD_SESSION", session),
            ("MODEMD_REASON", "client-lost"),
            ("MODEMD_BYTES_TO_LINE", "4"),
            ("MODEMD_BYTES_TO_CLIENT", "6"),
        ],
    );
    assert!(ended["MODEMD_DURATION_USEC"].parse::<u64>().unwrap() > 0);
    let busy = journal.entry("no line for ");
    assert_has(
        &busy,
        &[
            ("MESSAGE_ID", journal::NO_LINE),
            ("MODEMD_PORT", "modem"),
            ("MODEMD_CLIENT", &other.local_addr().unwrap().to_string()),
            ("MODEMD_REASON", "busy"),
            ("PRIORITY", "4"),
        ],
    );
    // All of a session and nothing else, by its number.
    let of_session = format!("MODEMD_SESSION={session}");
    let lines = journal.journalctl(&["--output=cat", &of_session]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    // And for people: what it means.
    let explained = journal.journalctl(&["--catalog", &of_session]);
    for says in [
        "Subject: A client got a modem line",
        "Subject: A client's session on a modem line is over",
        &format!("The session of {name} on {device} is over"),
        "4 bytes went to the line and 6 came from it",
    ] {
        assert!(explained.contains(says), "{says} in {explained}");
    }
}

#[test]
fn what_went_wrong_is_in_the_journal_under_its_own_id() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let missing = scratch.path().join("missing");
    let config = format!(
        "[server]\nuser = \"root\"\nlock_dir = \"/proc\"\n\
         [ports.closed]\nlisten = [\"127.0.0.1:0\"]\ndevices = [\"{0}\"]\n\
         [ports.broken]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"any\"]\ndevices = [{missing:?}]\n\
         [ports.bad]\ndevices = [\"{0}\"]\nbusy = \"perhaps\"\n",
        modem.device_name()
    );
    let mut command = modemd();
    command.args(["--standalone", "--config"]);
    command.arg(scratch.file("modemd.toml", config));
    let _server = journal.service(&command);
    assert_has(
        &journal.entry("staying root"),
        &[("MESSAGE_ID", journal::STAYS_ROOT), ("PRIORITY", "4")],
    );
    // Of several lines, with the caret below the mistake.
    let mistakes = wait_for("the mistake", || {
        let id = format!("MESSAGE_ID={}", journal::BAD_CONFIGURATION);
        let text = journal.journalctl(&["--output=cat", &id]);
        (!text.is_empty()).then_some(text)
    });
    assert!(mistakes.contains("`perhaps`"), "{mistakes}");
    assert!(
        mistakes
            .lines()
            .any(|line| line.trim_start().starts_with("^~~")),
        "{mistakes}"
    );

    let closed = address(&journal.entry("closed: listening on "));
    assert_eq!(read_all(&mut connect(closed)), b"");
    assert_has(
        &journal.entry(" refused: "),
        &[
            ("MESSAGE_ID", journal::CLIENT_DENIED),
            ("MODEMD_PORT", "closed"),
            ("MODEMD_REASON", "denied"),
        ],
    );
    let broken = address(&journal.entry("broken: listening on "));
    let told = read_all(&mut connect(broken));
    assert!(told.starts_with(b"\r\nERROR: no modem here works"));
    assert_has(
        &journal.entry("is not there; is it plugged in"),
        &[
            ("MESSAGE_ID", journal::LINE_FAILED),
            ("MODEMD_LINE", missing.to_str().unwrap()),
        ],
    );
    assert_has(
        &journal.entry("no line for "),
        &[("MODEMD_PORT", "broken"), ("MODEMD_REASON", "broken")],
    );
    assert_has(
        &journal.entry("no lock file can be made"),
        &[("MESSAGE_ID", journal::NO_LOCK_FILES)],
    );
}

/// modemd as inetd starts it: standard input, output and error are the client.
fn by_inetd(command: &Command) -> Command {
    let mut inetd = Command::new("sh");
    inetd.args(["-c", r#"exec "$0" "$@" >&0 2>&0"#]);
    inetd.arg(command.get_program()).args(command.get_args());
    inetd
}

#[test]
fn with_the_client_on_stderr_the_journal_is_found_by_itself() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut command = modemd();
    command.args(["--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    let (mut client, socket) = connection();
    let mut server = Running::start_on(journal.here(&by_inetd(&command)), socket);
    journal.entry(" is on ");
    modem.say(b"OK");
    read_until(&mut client, b"OK");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(read_all(&mut client), b"");
    assert!(server.wait().success());
    let ended = journal.entry(" left ");
    assert_has(&ended, &[("MODEMD_REASON", "stopped")]);
}

#[test]
fn with_the_client_on_stderr_and_no_journal_syslog_is_told() {
    let Some(stage) = Stage::new() else { return };
    let path = stage.scratch().path().display().to_string();
    let syslog = UnixDatagram::bind(stage.scratch().path().join("log")).unwrap();
    syslog.set_read_timeout(Some(PATIENCE)).unwrap();
    // A /dev with nothing in it but what is needed.
    let stage = stage
        .own_run()
        .run(&format!("cd {path}; mkdir dev; mount -t tmpfs dev dev"))
        .run("mkdir dev/pts; touch dev/null dev/log; mount --bind log dev/log")
        .run("mount --bind /dev/pts dev/pts; mount --bind /dev/null dev/null")
        .run("mount --rbind dev /dev; cd /");
    let modem = Modem::new();
    let mut command = modemd();
    command.args(["--user", "root"]).arg(modem.device());
    let (mut client, socket) = connection();
    let mut server = Running::start_on(stage.command(&by_inetd(&command)), socket);
    let heard = || {
        let mut buffer = [0; 4096];
        let count = syslog.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let sender = format!("modemd[{}]: ", server.pid());
    let warning = heard();
    // Facility daemon (3), severity warning (4) and notice (5).
    assert!(
        warning.starts_with(&format!("<28>{sender}staying root")),
        "{warning}"
    );
    let began = heard();
    assert!(
        began.starts_with(&format!("<29>{sender}modem: ")),
        "{began}"
    );
    modem.say(b"OK");
    read_until(&mut client, b"OK");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(read_all(&mut client), b"");
    assert!(server.wait().success());
    assert!(heard().contains(": modemd stops"));
}

#[test]
fn a_stderr_that_was_redirected_is_not_taken_for_the_journal() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut command = shared(&modem, &scratch, &[]);
    command.env("JOURNAL_STREAM", "9:1234567");
    Running::start(command).logged("modem: listening on ");
}

#[test]
fn a_device_with_a_line_end_in_its_name_forges_no_line_of_the_log() {
    let scratch = Scratch::new();
    let name = "ttyS1\nmodemd: modem: 192.0.2.1:1 is on /dev/ttyS1\x1b[1A\r";
    let device = scratch.path().join(name);
    let server = share(&[&device], scratch.path(), &[]);
    assert!(!read_all(&mut server.connect()).is_empty());
    server.logged("no line for ");
    for line in server.log() {
        assert!(!line.starts_with("modemd: modem: 192.0.2.1"), "{line:?}");
        assert!(!line.contains(['\x1b', '\r']), "{line:?}");
    }
}
