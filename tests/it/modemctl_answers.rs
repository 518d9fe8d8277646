//! `modemctl` and what it makes of answers, good and bad ones.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use modemd::control::interface::{Event, Overheard, Traffic, Watched, Way};
use modemd::varlink::Reply;
use serde_json::{Value, json};

use crate::fake::{Answer, Done, FIRST, Fake, SECOND, machine, modemctl, run, says};
use crate::support::{Client, Scratch, root};

#[test]
fn the_status_is_shown_without_a_command_too() {
    let fake = Fake::new(machine);
    let expected = "\
LINE        PORT   STATE           CLIENT             SINCE     TO LINE  TO CLIENT  SIGNALS              SETTINGS      SESSION
/dev/ttyX1  modem  in use          192.168.2.7:50112  1h 13min  1.5 KiB   12.3 MiB  DTR RTS CTS DSR DCD  115200,8,N,1  16275e76514d4ea0
/dev/ttyX2  modem  out of service
/dev/ttyX3  modem  free

1 of 3 lines in use, 1 out of service, 1 client waits; modemd 0.1.0

PORT   PLACE  CLIENT             SINCE     SESSION
modem  1      192.168.2.9:40001  1h 13min  162759d65dd7491a
";
    for arguments in [&["status"][..], &[]] {
        let done = fake.run(arguments);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        assert_eq!(done.out, expected);
    }
}

#[test]
fn the_status_for_programs_is_what_modemd_said() {
    let done = Fake::new(machine).run(&["status", "--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let said: Value = serde_json::from_str(&done.out).unwrap();
    let keys: Vec<_> = said.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["attached", "describe", "lines", "ports", "sessions"]);
    assert_eq!(said["attached"], json!([]));
    assert_eq!(said["describe"]["pid"], 77);
    assert_eq!(said["lines"][0]["state"], "in_use");
    assert_eq!(said["sessions"][0]["signals"]["dcd"], true);
}

/// What modemctl says to an answer that is always the same.
fn said_to(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Done {
    Fake::new(move |_| answer()).run(&["status"])
}

#[test]
fn who_is_not_there_or_talks_nonsense_is_told_from_who_refuses() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("io.modemd");
    let missing = run(&socket, &["status"]);
    let switch = "switch it on: systemctl enable --now modem.socket";
    says(&missing, 69, &[&socket.display().to_string(), switch]);
    drop(UnixListener::bind(&socket).unwrap());
    says(&run(&socket, &[]), 69, &["nobody listens there any more"]);

    let closed = said_to(|| Answer::Hangup(Vec::new()));
    says(&closed, 69, &["modemd closed the connection"]);
    let nonsense = said_to(|| Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\x1b[2J\0"));
    says(&nonsense, 69, &["modemd's answer makes no sense"]);
    let other = said_to(|| Answer::Bytes(b"{\"parameters\":{\"version\":7}}\0"));
    says(&other, 69, &["modemd's answer makes no sense"]);
    let older = said_to(|| Answer::Replies(vec![Reply::method_not_found("io.modemd.Describe")]));
    says(&older, 69, &["modemd does not know Describe"]);
    let newer = said_to(|| Answer::error("NotOnSunday\x1b", "day", "sunday\x07"));
    says(
        &newer,
        69,
        &["io.modemd.NotOnSunday\\u{1b}", "sunday\\u0007"],
    );
    let failed = said_to(|| Answer::error("Failed", "why", "the disk is full"));
    says(&failed, 1, &["it was not done: the disk is full"]);
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    says(
        &said_to(|| Answer::Silence),
        69,
        &["modemd does not answer"],
    );
}

#[test]
fn who_may_not_ask_is_told_how_to_be_allowed_to() {
    if !root() {
        return;
    }
    let fake = Fake::new(machine);
    fs::set_permissions(fake.socket(), fs::Permissions::from_mode(0o600)).unwrap();
    let done = fake.run_as_nobody(&[]);
    says(
        &done,
        77,
        &["permission denied", "usermod -aG modemd nobody"],
    );
}

#[test]
fn a_session_is_hung_up_by_its_number_its_beginning_or_its_line() {
    let fake = Fake::new(machine);
    for word in [FIRST, "16275e", "16275E", "/dev/ttyX1", "ttyX1"] {
        let done = fake.run(&["hangup", word]);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        assert_eq!(done.out, "/dev/ttyX1: hung up on 192.168.2.7:50112\n");
        assert_eq!(fake.calls().pop().unwrap(), ("HangUp".into(), FIRST.into()));
    }
    let done = fake.run(&["hangup", SECOND]);
    assert_eq!(done.out, "modem: sent 192.168.2.9:40001 away\n");
}

#[test]
fn who_is_not_found_is_answered_with_who_is_there() {
    let fake = Fake::new(machine);
    let both = format!(
        "{FIRST} (192.168.2.7:50112 on /dev/ttyX1), {SECOND} (192.168.2.9:40001 at port modem)"
    );
    says(
        &fake.run(&["hangup", "1627"]),
        1,
        &["1627: that could be several sessions", &both],
    );
    says(
        &fake.run(&["hangup", "7"]),
        1,
        &["7: there is no such session or line", &both],
    );
    says(
        &fake.run(&["watch", "7"]),
        1,
        &["7: there is no such session or line", &both],
    );
    says(
        &fake.run(&["hangup", "ttyX2"]),
        1,
        &["/dev/ttyX2: nobody is on it"],
    );
    let lines = "there are /dev/ttyX1, /dev/ttyX2, /dev/ttyX3";
    says(
        &fake.run(&["drain", "ttyX7"]),
        1,
        &["ttyX7: no port has such a line", lines],
    );
    says(
        &fake.run(&["resume", "ttyX7"]),
        1,
        &["ttyX7: no port has such a line", lines],
    );
    let asked = fake.calls();
    assert!(
        !asked
            .iter()
            .any(|(method, _)| !method.starts_with("List") && method != "Describe")
    );
    // What can be done is done all the same.
    let done = fake.run(&["hangup", "ttyX7", "ttyX1"]);
    assert_eq!((done.code, done.out.lines().count()), (Some(1), 1));

    let over = |call: &_| match machine(call) {
        Answer::Replies(replies) if replies[0].parameters.is_empty() => {
            Answer::error("NoSuchSession", "session", FIRST)
        }
        answer => answer,
    };
    let done = Fake::new(over).run(&["hangup", "16275e"]);
    says(
        &done,
        1,
        &[&format!("session {FIRST}: there is no such session")],
    );
}

#[test]
fn drain_and_resume_say_what_they_did_and_who_is_still_there() {
    let fake = Fake::new(machine);
    let done = fake.run(&["drain", "ttyX1", "ttyX2", "/dev/ttyX3"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(
        done.out,
        "/dev/ttyX1: out of service until it is resumed or the machine starts again; \
         192.168.2.7:50112 is still on it (modemctl hangup /dev/ttyX1)\n\
         /dev/ttyX2: was out of service already\n\
         /dev/ttyX3: out of service until it is resumed or the machine starts again\n"
    );
    let done = fake.run(&["resume", "ttyX1", "ttyX2"]);
    assert_eq!(
        done.out,
        "/dev/ttyX1: was in service already\n/dev/ttyX2: in service again\n"
    );
    assert_eq!(
        fake.calls().pop().unwrap(),
        ("Resume".into(), "/dev/ttyX2".into())
    );
}

fn watched(message: &str, missed: u64) -> Reply {
    let event = (!message.is_empty()).then(|| Event {
        time_usec: 1_795_000_000_123_456,
        message: message.to_owned(),
        ..Event::default()
    });
    Reply::of(&Watched { event, missed }).and_more()
}

#[test]
fn events_are_shown_with_what_was_missed_and_go_on_after_a_restart() {
    let connections = AtomicU32::new(0);
    let fake = Fake::new(move |call| match call.target().1 {
        "WatchEvents" if connections.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Hangup(vec![
            watched("", 0),
            watched("one\x1b[2J", 0),
            watched("two", 3),
        ]),
        "WatchEvents" => Answer::Replies(vec![watched("", 0), watched("three", 0)]),
        _ => machine(call),
    });
    let mut command = modemctl(&fake.socket());
    command
        .arg("watch")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut watch = Client(command.spawn().unwrap());
    let lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.map(Result::unwrap).take(4).collect();
    assert_eq!(
        lines,
        [
            "2026-11-18 11:06:40 one\\u{1b}[2J",
            "(3 events were missed)",
            "2026-11-18 11:06:40 two",
            "2026-11-18 11:06:40 three"
        ]
    );
    // Its reader is gone now, and nothing more will be said to it.
    assert!(watch.0.wait().unwrap().success());
}

fn overheard(way: Way, data: &[u8], missed: u64) -> Reply {
    let traffic = Traffic {
        time_usec: 1_795_000_000_123_456,
        way,
        data: data.to_vec(),
        missed,
    };
    let traffic = Some(traffic);
    Reply::of(&Overheard { traffic }).and_more()
}

/// A session that is watched in two parts: modemd is restarted in between, and then it ends.
fn interrupted() -> Fake {
    let nothing = || Reply::of(&Overheard::default());
    let connections = AtomicU32::new(0);
    Fake::new(move |call| match call.target().1 {
        "WatchSession" => match connections.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Hangup(vec![
                nothing().and_more(),
                overheard(Way::ToLine, b"ATZ\r", 0),
            ]),
            1 => Answer::Replies(vec![
                nothing().and_more(),
                overheard(Way::ToClient, b"ATZ\r\r\nOK\x1b]0;x\x07\r\n", 7),
                nothing(),
            ]),
            _ => Answer::error("NoSuchSession", "session", FIRST),
        },
        _ => machine(call),
    })
}

#[test]
fn a_session_is_watched_to_its_end_also_over_a_restart() {
    let done = interrupted().run(&["watch", "ttyX1"]);
    assert_eq!(
        done.out,
        "11:06:40.123 > ATZ\\r\n\
         11:06:40.123 (7 bytes were missed)\n\
         11:06:40.123 < ATZ\\r\\r\\n\n\
         11:06:40.123 < OK\\x1b]0;x\\x07\\r\\n\n"
    );
    assert_eq!(done.code, Some(0));
    let of = format!("modemctl: session {FIRST}");
    let said: Vec<_> = done.err.lines().collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said.iter().all(|line| line.starts_with(&of)), "{said:#?}");
    assert!(
        said[1].ends_with("it goes on; what went by meanwhile was missed"),
        "{said:#?}"
    );
    assert!(said[2].ends_with("it is over"), "{said:#?}");
}

#[test]
fn a_session_is_watched_in_hex_and_by_programs() {
    let done = interrupted().run(&["watch", "--hex", FIRST]);
    assert!(
        done.out.starts_with(
            "11:06:40.123 > 4 bytes\n00000000  41 54 5a 0d                                       |ATZ.|\n"
        ),
        "{done:?}"
    );
    let done = interrupted().run(&["watch", "--json", FIRST]);
    let first: Traffic = serde_json::from_str(done.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (first.way, first.data.as_slice()),
        (Way::ToLine, &b"ATZ\r"[..])
    );
    assert_eq!(done.out.lines().count(), 2);
}

#[test]
fn too_many_who_watch_are_told() {
    let fake = Fake::new(|_| Answer::error("TooManyWatch", "", ""));
    says(&fake.run(&["watch"]), 1, &["as many watch already as may"]);
}
