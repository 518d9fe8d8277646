//! `modemctl` and a real modemd: its sessions, those of per-connection instances, and restarts.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Stdio};

use nix::sys::signal::Signal::{SIGINT, SIGKILL, SIGUSR1};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;

use crate::control::{Seen, port};
use crate::control_elsewhere::instance;
use crate::fake::{modemctl, run};
use crate::modemctl_top::Top;
use crate::service::{self, Service};
use crate::support::{
    Client, Modem, assert_talks, connect, have, read_all, read_until, reset, wait_for, wait_until,
};

/// What `modemctl status --json` says.
fn status(socket: &Path) -> Value {
    let done = wait_for("an answer", || {
        let done = run(socket, &["status", "--json"]);
        (done.code == Some(0)).then_some(done)
    });
    serde_json::from_str(&done.out).unwrap()
}

/// The number of the session on this line.
#[track_caller]
fn session_on(socket: &Path, modem: &Modem) -> String {
    wait_for("a session", || {
        let status = status(socket);
        let lines = status["lines"].as_array().unwrap();
        let line = lines.iter().find(|of| of["line"] == modem.device_name());
        line?["session"].as_str().map(str::to_owned)
    })
}

/// `modemctl watch`, line by line.
struct Watch {
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    child: Client,
}

impl Watch {
    /// Watches, when modemd has taken notice of it.
    fn start(socket: &Path, arguments: &[&str]) -> Watch {
        let mut command = modemctl(socket);
        command.arg("watch").args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Client(command.spawn().unwrap());
        let mut watch = Watch {
            out: BufReader::new(child.0.stdout.take().unwrap()),
            err: BufReader::new(child.0.stderr.take().unwrap()),
            child,
        };
        let begun = watch.note();
        assert!(begun.contains("from now on"), "{begun}");
        watch
    }

    /// The next line of what was asked for, without its time.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let (_, text) = line.trim_end().split_once(' ').unwrap_or_default();
        text.to_owned()
    }

    /// The next line beside that.
    fn note(&mut self) -> String {
        let mut line = String::new();
        self.err.read_line(&mut line).unwrap();
        line
    }

    fn has_ended_well(&mut self) -> bool {
        self.child.0.wait().unwrap().success()
    }
}

#[test]
fn every_verb_does_its_work_at_a_shared_daemon() {
    let (one, two) = (Modem::new(), Modem::new());
    let seen = Seen::new(&port(
        "modem",
        &[one.device(), two.device()],
        "busy = \"wait\"\n",
    ));
    let socket = seen.socket();
    let mut client = connect(seen.server.address());
    let number = session_on(&socket, &one);
    let (first, second) = (one.device_name(), two.device_name());
    let short = second.strip_prefix("/dev/").unwrap();

    let done = run(&socket, &["drain", short]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut waiting = connect(seen.server.address());
    wait_until("somebody who waits", || {
        run(&socket, &[]).out.contains("1 client waits")
    });
    let shown = run(&socket, &["status"]).out;
    let row = |line: &str| {
        let row = shown.lines().find(|row| row.starts_with(line));
        row.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let who = client.local_addr().unwrap();
    assert!(
        row(first).starts_with(&format!("{first} modem in use {who} ")),
        "{shown}"
    );
    assert!(
        row(first).ends_with(&format!(" 0 B 0 B 115200,8,N,1 {number}")),
        "{shown}"
    );
    assert_eq!(row(second), format!("{second} modem out of service"));
    assert!(shown.contains("\n1 of 2 lines in use, 1 out of service, 1 client waits; modemd "));

    let mut events = Watch::start(&socket, &[]);
    let mut traffic = Watch::start(&socket, &[&number[..12]]);
    client.write_all(b"ATI\r").unwrap();
    one.expect(b"ATI\r");
    assert_eq!(traffic.next(), "> ATI\\r");
    one.say(b"\r\n\x1b[2J\xff\r\n");
    assert_eq!(traffic.next(), "< \\r\\n");
    assert_eq!(traffic.next(), "< \\x1b[2J\\xff\\r\\n");

    let done = run(&socket, &["resume", second]);
    assert_eq!(done.out, format!("{second}: in service again\n"));
    assert_talks(&mut waiting, &two);
    let resumed = events.next();
    assert!(
        resumed.ends_with(&format!("{second}: put back into service")),
        "{resumed}"
    );
    let done = run(&socket, &["hangup", first, second]);
    let guest = waiting.local_addr().unwrap();
    assert_eq!(
        (done.code, done.out),
        (
            Some(0),
            format!("{first}: hung up on {who}\n{second}: hung up on {guest}\n")
        )
    );
    assert!(read_all(&mut client).ends_with(b"\xff\r\n"));
    assert!(traffic.note().ends_with("it is over\n"));
    assert!(traffic.has_ended_well());
    let done = run(&socket, &["hangup", &number]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.err.contains("there are no sessions"), "{done:?}");
    // ^C is for `watch` what it is for any program.
    let pid = Pid::from_raw(events.child.0.id().try_into().unwrap());
    kill(pid, SIGINT).unwrap();
    assert!(!events.has_ended_well());
}

#[test]
fn sessions_of_per_connection_instances_are_seen_watched_and_hung_up() {
    let (one, other) = (Modem::new(), Modem::new());
    let seen = Seen::new(&port("modem", &[one.device(), other.device()], ""));
    let socket = seen.socket();
    status(&socket);
    let (mut instance, mut client) = instance(&seen, &one);
    assert_talks(&mut client, &one);
    let number = session_on(&socket, &one);
    let of_it = status(&socket)["sessions"][0].clone();
    assert_eq!(of_it["pid"], instance.pid());
    let mut traffic = Watch::start(&socket, &[one.device_name()]);
    one.say(b"RING\r\n");
    assert_eq!(traffic.next(), "< RING\\r\\n");
    let done = run(&socket, &["hangup", &number]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(instance.wait().success());
    assert!(traffic.note().ends_with("it is over\n"));
    assert!(traffic.has_ended_well());
}

#[test]
fn watching_goes_on_after_a_restart_and_after_a_crash() {
    let modem = Modem::new();
    let ports = service::port("modem", &[&modem], "");
    let run = crate::support::Scratch::new();
    let mut service = Service::staged(&["modem"], &ports, |mut program| {
        program.arg("--run-dir").arg(run.path());
        program
    });
    let socket = run.path().join("io.modemd");
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    let mut traffic = Watch::start(&socket, &[modem.device_name()]);
    for signal in [SIGUSR1, SIGKILL] {
        service.rests();
        service.restart(signal);
        let note = traffic.note();
        assert!(
            note.contains("modemd has restarted, and it goes on"),
            "{note}"
        );
        client.write_all(b"AT\r").unwrap();
        modem.expect(b"AT\r");
        assert_eq!(traffic.next(), "> AT\\r");
    }
    reset(client);
    let note = traffic.note();
    assert!(note.ends_with("it is over\n"), "{note}");
    assert!(traffic.has_ended_well());
    service.assert_empty();
}

#[test]
fn top_shows_the_bytes_of_a_real_session_as_graphs() {
    if !have(&["tmux"]) {
        return;
    }
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let socket = seen.socket();
    let mut client = connect(seen.server.address());
    session_on(&socket, &modem);
    let top = Top::start(&socket, (80, 24), "");
    top.shows(&format!("> {}", modem.device_name()));
    wait_until("a graph", || {
        modem.say(b"0123456789");
        read_until(&mut client, b"9");
        top.screen().contains(|c| ('▁'..='█').contains(&c))
    });
    top.press("h");
    top.shows("y/n");
    top.press("y");
    top.shows("hung up ");
    read_all(&mut client);
    top.shows("0 of 1 line in use");
    top.press("q");
    top.has_left(0);
}
