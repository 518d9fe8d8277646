//! The control interface over more than one process: those that serve one client each, and the next one
//! after a restart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use modemd::control::interface::{Counts, Overheard, SessionState, Watched, Way};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::control::{Observer, Seen, port};
use crate::privileges::connection;
use crate::service::Service;
use crate::support::{
    Modem, Running, Scratch, modemd, read_all, read_until, reset, wait_for, wait_until,
};
use crate::survival::BOTH_WAYS;

/// A process for one client, as inetd starts it, that shares what `seen` shares.
pub(crate) fn instance(seen: &Seen, modem: &Modem) -> (Running, TcpStream) {
    let (client, socket) = connection();
    let mut command = modemd();
    command
        .args(["--user", "root", "--lock-dir"])
        .arg(seen.scratch.path());
    command
        .arg("--run-dir")
        .arg(seen.scratch.path().join("run"));
    command.arg(modem.device());
    (Running::start_on(command, socket), client)
}

/// A shared daemon, and a process beside it that serves one client on the only line.
fn both() -> (Seen, Modem, Running, TcpStream) {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    seen.observer();
    let (instance, client) = instance(&seen, &modem);
    (seen, modem, instance, client)
}

#[test]
fn a_session_of_another_process_is_shown_and_watched_and_hung_up() {
    let (seen, modem, mut instance, mut client) = both();
    let mut observer = seen.observer();
    let session = observer.session();
    assert_eq!(i64::from(session.pid), i64::from(instance.pid()));
    assert_eq!(session.client, client.local_addr().unwrap().to_string());
    let mut watcher = seen.observer();
    watcher.say(
        "io.modemd.WatchSession",
        json!({ "session": session.session }),
        true,
    );
    let mut next = || {
        let reply = watcher.hear().unwrap();
        assert_eq!(reply.error, None);
        let overheard: Overheard = serde_json::from_value(reply.parameters.into()).unwrap();
        (reply.continues, overheard.traffic)
    };
    assert_eq!(next(), (true, None));
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let traffic = next().1.unwrap();
    assert_eq!(
        (traffic.way, &traffic.data[..]),
        (Way::ToLine, &b"ATZ\r"[..])
    );
    let reply = observer.call("io.modemd.HangUp", json!({ "session": session.session }));
    assert_eq!(reply.error, None);
    assert_eq!(next(), (false, None));
    assert_eq!(read_all(&mut client), b"");
    assert!(instance.wait().success());
    instance.logged("it was ended by `modemctl hangup`");
    assert!(observer.sessions().is_empty());
    assert_eq!(
        std::fs::read_dir(seen.scratch.path().join("run/private/sessions"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn events_of_other_processes_are_told_too_and_their_counts_are_in_the_sum() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let mut watcher = seen.observer();
    watcher.say("io.modemd.WatchEvents", json!({}), true);
    let mut next = || {
        let reply = watcher.hear().unwrap();
        serde_json::from_value::<Watched>(reply.parameters.into())
            .unwrap()
            .event
    };
    assert_eq!(next(), None);
    let (_first, mut client) = instance(&seen, &modem);
    let began = next().unwrap();
    assert_eq!(began.kind, "session-began");
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let (_second, mut refused) = instance(&seen, &modem);
    read_until(&mut refused, b"BUSY");
    assert_eq!(next().unwrap().kind, "no-line");
    reset(client);
    let ended = next().unwrap();
    assert_eq!(
        (ended.kind.as_str(), ended.session),
        ("session-ended", began.session)
    );
    drop(watcher);
    let counts = wait_for("the counts", || {
        let counts: Counts = seen.observer().ask("GetCounts");
        (counts.lines.first()?.to_line == 4).then_some(counts)
    });
    assert_eq!((counts.lines[0].sessions, counts.ports[0].busy), (1, 1));
    // Nobody listens for events when nobody watches.
    wait_until("the socket to go", || {
        !seen.scratch.path().join("run/private/events").exists()
    });
}

#[test]
fn a_drained_line_is_drained_for_all_processes() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let reply = seen
        .observer()
        .call("io.modemd.Drain", json!({ "line": modem.device() }));
    assert_eq!(reply.error, None);
    let (instance, mut client) = instance(&seen, &modem);
    read_until(&mut client, b"BUSY");
    instance.logged("out of service");
}

#[test]
fn what_a_killed_process_leaves_is_cleared_away_and_one_that_hangs_is_left_out() {
    let (seen, modem, killed, client) = both();
    let mut observer = seen.observer();
    let session = observer.session().session;
    killed.signal(Signal::SIGKILL);
    let left = seen
        .scratch
        .path()
        .join("run/private/sessions")
        .join(&session);
    wait_until("nobody, and nothing of it", || {
        observer.sessions().is_empty() && !left.exists()
    });
    drop((killed, client));
    let (stopped, _client) = instance(&seen, &modem);
    observer.session();
    stopped.signal(Signal::SIGSTOP);
    assert!(observer.sessions().is_empty());
    stopped.signal(Signal::SIGCONT);
    observer.session();
}

#[test]
fn without_a_shared_daemon_a_process_serves_its_client_all_the_same() {
    let (seen, modem, instance, mut client) = both();
    seen.observer().session();
    seen.server.signal(Signal::SIGKILL);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    reset(client);
    instance.logged("left");
}

/// A service whose calls go on, that can be looked at.
fn service(modem: &Modem, run: &Scratch) -> Service {
    Service::staged(
        &["modem"],
        &port("modem", &[modem.device()], "busy = \"wait\""),
        |mut program| {
            program.arg("--run-dir").arg(run.path());
            program
        },
    )
}

#[test]
fn a_session_is_the_same_after_a_restart_and_a_crash_and_counts_on() {
    let (modem, run) = (Modem::new(), Scratch::new());
    let socket = run.path().join("io.modemd");
    let mut service = service(&modem, &run);
    let mut client = service.connect();
    let waiting = service.connect();
    let before = wait_for("both", || {
        let sessions = Observer::new(&socket).sessions();
        (sessions.len() == 2).then_some(sessions)
    });
    for (number, signal) in (1..).zip([BOTH_WAYS, BOTH_WAYS].concat()) {
        client.write_all(b"x").unwrap();
        modem.expect(b"x");
        service.rests();
        service.restart(signal);
        let mut observer = Observer::new(&socket);
        let sessions = observer.sessions();
        for (now, then) in sessions.iter().zip(&before) {
            assert_eq!((&now.session, &now.client), (&then.session, &then.client));
            assert_eq!((now.state, now.place), (then.state, then.place));
            assert!(now.age_usec >= then.age_usec || now.state == SessionState::Waiting);
        }
        let serving = sessions.iter().find(|of| of.line.is_some()).unwrap();
        assert_eq!(serving.to_line, Some(number));
        let counts: Counts = observer.ask("GetCounts");
        assert_eq!(
            (counts.lines[0].sessions, counts.lines[0].to_line),
            (1, number)
        );
        assert_eq!(counts.ports[0].waits, 1);
    }
    drop(waiting);
    reset(client);
    service.assert_empty();
}

#[test]
fn who_watches_is_told_by_the_end_of_the_connection_that_modemd_is_restarted() {
    let (modem, run) = (Modem::new(), Scratch::new());
    let socket = run.path().join("io.modemd");
    let mut service = service(&modem, &run);
    let mut client = service.connect();
    let session = Observer::new(&socket).session().session;
    let watch = |socket: &Path| {
        let mut watcher = Observer::new(socket);
        watcher.say(
            "io.modemd.WatchSession",
            json!({ "session": session }),
            true,
        );
        assert!(watcher.hear().unwrap().continues);
        watcher
    };
    let mut watcher = watch(&socket);
    service.rests();
    service.restart(Signal::SIGUSR1);
    while watcher.hear().is_some() {}
    let mut watcher = watch(&socket);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let reply = watcher.hear().unwrap();
    let overheard: Overheard = serde_json::from_value(reply.parameters.into()).unwrap();
    assert_eq!(overheard.traffic.unwrap().data, b"ATZ\r");
    let mut nothing = [0];
    client.set_nonblocking(true).unwrap();
    assert!(client.read(&mut nothing).is_err());
}
