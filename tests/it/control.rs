//! The control interface: what it shows, what it does, and that it is in nobody's way.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use modemd::control::interface::{
    Counts, Description, Line, Lines, Overheard, Port, Ports, Session, Sessions, Watched,
};
use modemd::control::interface::{DESCRIPTION, LineState, SessionState, Way};
use modemd::varlink::{Call, Frames, Reply, frame};
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, connect, modemd, read_until, standalone_command, wait_for,
    wait_until,
};

/// Somebody who looks.
pub(crate) struct Observer {
    stream: UnixStream,
    frames: Frames,
}

impl Observer {
    pub(crate) fn new(socket: &Path) -> Self {
        let stream = wait_for("the control socket", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Observer {
            stream,
            frames: Frames::default(),
        }
    }

    pub(crate) fn say(&mut self, method: &str, parameters: Value, more: bool) {
        let Value::Object(parameters) = parameters else {
            panic!("{parameters}");
        };
        let call = Call {
            method: method.to_owned(),
            parameters,
            more,
            ..Call::default()
        };
        self.stream.write_all(&frame(&call)).unwrap();
    }

    /// The next reply; none if the connection was closed.
    pub(crate) fn hear(&mut self) -> Option<Reply> {
        let mut octets = [0; 4096];
        loop {
            if let Some(message) = self.frames.next() {
                return Some(serde_json::from_slice(&message.unwrap()).unwrap());
            }
            match self.stream.read(&mut octets) {
                Ok(0) => return None,
                Ok(count) => self.frames.feed(&octets[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Reply {
        self.say(method, parameters, false);
        self.hear().unwrap()
    }

    #[track_caller]
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, method: &str) -> T {
        let reply = self.call(&format!("io.modemd.{method}"), json!({}));
        assert_eq!(reply.error, None, "{reply:?}");
        serde_json::from_value(reply.parameters.into()).unwrap()
    }

    pub(crate) fn sessions(&mut self) -> Vec<Session> {
        self.ask::<Sessions>("ListSessions").sessions
    }

    pub(crate) fn lines(&mut self) -> Vec<Line> {
        self.ask::<Lines>("ListLines").lines
    }

    /// The only session, when it is on its line.
    #[track_caller]
    pub(crate) fn session(&mut self) -> Session {
        wait_for("a session with a line", || {
            let mut sessions = self.sessions();
            assert!(sessions.len() < 2, "{sessions:?}");
            sessions
                .pop()
                .filter(|of| of.state == SessionState::Serving)
        })
    }
}

#[track_caller]
fn refused(reply: &Reply) -> &str {
    reply.error.as_deref().unwrap()
}

/// A modemd that serves these ports, and can be looked at.
pub(crate) struct Seen {
    pub(crate) server: Running,
    pub(crate) scratch: Scratch,
}

impl Seen {
    pub(crate) fn new(ports: &str) -> Self {
        let scratch = Scratch::new();
        let server = Running::start(command(&scratch, ports));
        Seen { server, scratch }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.scratch.path().join("run/io.modemd")
    }

    pub(crate) fn observer(&self) -> Observer {
        Observer::new(&self.socket())
    }

    pub(crate) fn restart(&mut self, ports: &str) {
        self.server.signal(Signal::SIGTERM);
        self.server.wait();
        self.server = Running::start(command(&self.scratch, ports));
    }
}

fn command(scratch: &Scratch, ports: &str) -> Command {
    let mut command = standalone_command(scratch, ports);
    command.arg("--run-dir").arg(scratch.path().join("run"));
    command
}

pub(crate) fn port(name: &str, devices: &[&Path], more: &str) -> String {
    format!(
        "[ports.{name}]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"localhost\"]\n\
         devices = {devices:?}\n{more}"
    )
}

/// One port, one line, one client.
fn one_session() -> (Seen, Modem, TcpStream) {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let client = connect(seen.server.address());
    (seen, modem, client)
}

#[test]
fn it_tells_what_it_is_and_describes_itself() {
    let (seen, _modem, _client) = one_session();
    let mut observer = seen.observer();
    let info = observer.call("org.varlink.service.GetInfo", json!({}));
    assert_eq!(info.parameters["product"], "modemd");
    assert_eq!(
        info.parameters["interfaces"],
        json!(["org.varlink.service", "io.modemd"])
    );
    let about = json!({ "interface": "io.modemd" });
    let described = observer.call("org.varlink.service.GetInterfaceDescription", about);
    assert_eq!(described.parameters["description"], DESCRIPTION);
    let description: Description = observer.ask("Describe");
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(i64::from(description.pid), i64::from(seen.server.pid()));
    assert!(description.problems.is_empty());
}

#[test]
fn what_it_does_not_know_it_refuses_in_varlinks_words() {
    let (seen, _modem, _client) = one_session();
    let mut observer = seen.observer();
    for (method, parameters, error) in [
        ("io.modemd.Sing", json!({}), "MethodNotFound"),
        ("org.varlink.service.Sing", json!({}), "MethodNotFound"),
        ("org.example.Sing", json!({}), "InterfaceNotFound"),
        ("Sing", json!({}), "InterfaceNotFound"),
        ("io.modemd.HangUp", json!({}), "InvalidParameter"),
        (
            "io.modemd.HangUp",
            json!({ "session": 7 }),
            "InvalidParameter",
        ),
        ("io.modemd.WatchEvents", json!({}), "ExpectedMore"),
    ] {
        let reply = observer.call(method, parameters);
        assert_eq!(
            refused(&reply),
            format!("org.varlink.service.{error}"),
            "{method}"
        );
    }
    for session in [
        "0123456789abcdef",
        "",
        "../../../etc/passwd",
        "+123456789abcdef",
    ] {
        let reply = observer.call("io.modemd.HangUp", json!({ "session": session }));
        assert_eq!(refused(&reply), "io.modemd.NoSuchSession", "{session}");
        assert_eq!(reply.parameters["session"], session);
    }
    let reply = observer.call("io.modemd.Drain", json!({ "line": "/dev/null" }));
    assert_eq!(refused(&reply), "io.modemd.NoSuchLine");
    // Who talks nonsense is left.
    observer.stream.write_all(b"{]\0").unwrap();
    assert_eq!(observer.hear(), None);
    let mut observer = seen.observer();
    let _ = observer.stream.write_all(&vec![b'x'; 100_000]);
    assert_eq!(observer.hear(), None);
    let _: Description = seen.observer().ask("Describe");
}

#[test]
fn it_shows_ports_lines_and_sessions_as_they_are() {
    let (one, two) = (Modem::new(), Modem::new());
    let gone = Path::new("/dev/ttyGONE");
    let telnet = "protocol = \"telnet\"\nbusy = \"wait\"\nline = \"9600,7,E,1\"\n";
    let seen = Seen::new(
        &(port("modem", &[one.device(), gone], "")
            + &port("fax", &[two.device(), one.device()], telnet)
            + &port("wrong", &[one.device()], "busy = \"perhaps\"\n")),
    );
    let mut client = connect(seen.server.address_of("modem"));
    let mut observer = seen.observer();
    let session = observer.session();
    let ports = observer.ask::<Ports>("ListPorts").ports;
    let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["modem", "fax"]);
    let as_json = |port: &Port| serde_json::to_value(port).unwrap();
    assert_eq!(
        as_json(&ports[1]),
        json!({
            "name": "fax",
            "protocol": "telnet",
            "instance": "shared",
            "listen": ["127.0.0.1:0"],
            "lines": [two.device(), one.device()],
            "settings": "9600,7,E,1",
            "queues": true,
        })
    );
    let problems = observer.ask::<Description>("Describe").problems;
    assert!(problems[0].contains("`perhaps`"), "{problems:?}");

    let lines = observer.lines();
    let line = |device: &Path| {
        let name = device.to_str().unwrap();
        lines.iter().find(|of| of.line == name).unwrap()
    };
    assert_eq!(line(one.device()).state, LineState::InUse);
    assert_eq!(line(one.device()).ports, ["modem", "fax"]);
    assert_eq!(line(one.device()).session.as_ref(), Some(&session.session));
    assert_eq!(line(two.device()).state, LineState::Free);
    assert_eq!(line(gone).state, LineState::Missing);

    assert_eq!(session.port, "modem");
    assert_eq!(session.client, client.local_addr().unwrap().to_string());
    assert_eq!(session.line.as_deref(), one.device().to_str());
    assert_eq!(session.settings.as_deref(), Some("115200,8,N,1"));
    // A pseudo terminal has none.
    assert_eq!((session.signals, session.errors), (None, None));
    client.write_all(b"ATZ\r").unwrap();
    one.expect(b"ATZ\r");
    one.say(b"\r\nOK\r\n");
    read_until(&mut client, b"OK\r\n");
    let later = wait_for("the bytes", || {
        let session = observer.session();
        (session.to_line == Some(4) && session.to_client == Some(6)).then_some(session)
    });
    assert!(later.age_usec > session.age_usec);
    assert_eq!(later.since_usec / 1_000_000, session.since_usec / 1_000_000);
    assert_eq!(
        (later.kept_to_line, later.kept_to_client),
        (Some(0), Some(0))
    );
    drop(client);
    wait_until("the end of the session", || observer.sessions().is_empty());
    wait_until("a free line", || {
        observer.lines().iter().all(|line| line.session.is_none())
    });
}

#[test]
fn a_line_that_another_program_holds_says_who() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let holder = crate::support::Sleeper::new();
    let name = modem.device().file_name().unwrap().to_str().unwrap();
    let lock = format!("{:10}\n", holder.pid());
    seen.scratch.file(&format!("LCK..{name}"), lock);
    let line = seen.observer().lines().remove(0);
    assert_eq!(line.state, LineState::Held);
    assert_eq!(line.holder, Some(format!("sleep ({})", holder.pid())));
    drop(holder);
    assert_eq!(seen.observer().lines()[0].state, LineState::Free);
}

#[test]
fn a_client_who_waits_is_shown_with_its_place() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], "busy = \"wait\"\n"));
    let _first = connect(seen.server.address());
    let mut observer = seen.observer();
    observer.session();
    let places = |observer: &mut Observer| {
        let sessions = observer.sessions().into_iter();
        let mut places: Vec<_> = sessions
            .filter_map(|of| Some((of.place?, of.client)))
            .collect();
        places.sort();
        places
    };
    let mut waiting = Vec::new();
    for place in 1..=3 {
        let client = connect(seen.server.address());
        waiting.push(client);
        wait_until("a place", || places(&mut observer).len() == place);
    }
    let names = waiting
        .iter()
        .map(|of| of.local_addr().unwrap().to_string());
    assert_eq!(places(&mut observer), (1..).zip(names).collect::<Vec<_>>());
    // The first of them is ended, and the others move up.
    let first = observer
        .sessions()
        .into_iter()
        .find(|of| of.place == Some(1));
    let session = first.unwrap().session;
    let reply = observer.call("io.modemd.HangUp", json!({ "session": session }));
    assert_eq!(reply.error, None);
    let mut rest = Vec::new();
    waiting[0].read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    let second = waiting[1].local_addr().unwrap().to_string();
    wait_until("a better place", || {
        places(&mut observer)[0] == (1, second.clone())
    });
    seen.server
        .logged("was ended by `modemctl hangup` before it had a line");
}

#[test]
fn a_session_that_is_hung_up_is_over_when_that_is_answered() {
    let (seen, modem, mut client) = one_session();
    let mut observer = seen.observer();
    let session = observer.session().session;
    let reply = observer.call("io.modemd.HangUp", json!({ "session": session }));
    assert_eq!(reply.error, None);
    assert!(observer.sessions().is_empty());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    seen.server.logged("it was ended by `modemctl hangup`");
    let again = observer.call("io.modemd.HangUp", json!({ "session": session }));
    assert_eq!(refused(&again), "io.modemd.NoSuchSession");
    let mut next = connect(seen.server.address());
    next.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
}

#[test]
fn a_session_whose_client_does_not_read_is_hung_up_all_the_same() {
    let (seen, modem, client) = one_session();
    let mut observer = seen.observer();
    let session = observer.session().session;
    modem.say_until_stuck(&vec![b'x'; 4 * 1024 * 1024]);
    let reply = observer.call("io.modemd.HangUp", json!({ "session": session }));
    assert_eq!(reply.error, None);
    drop(client);
}

#[test]
fn a_drained_line_keeps_its_session_and_gets_no_other_until_it_is_resumed() {
    let (one, two) = (Modem::new(), Modem::new());
    let ports = port("modem", &[one.device(), two.device()], "");
    let mut seen = Seen::new(&ports);
    let mut first = connect(seen.server.address());
    let mut observer = seen.observer();
    observer.session();
    for modem in [&one, &two] {
        let line = json!({ "line": modem.device() });
        assert_eq!(observer.call("io.modemd.Drain", line).error, None);
    }
    seen.server.logged_times("taken out of service", 2);
    assert!(observer.lines().iter().all(|line| line.drained));
    first.write_all(b"still here\r").unwrap();
    one.expect(b"still here\r");
    read_until(&mut connect(seen.server.address()), b"BUSY");
    seen.server.logged("out of service; `modemctl resume");
    drop(first);

    // It is remembered.
    wait_until("the end of the session", || observer.sessions().is_empty());
    seen.restart(&ports);
    let mut observer = seen.observer();
    assert!(observer.lines().iter().all(|line| line.drained));
    read_until(&mut connect(seen.server.address()), b"BUSY");
    let line = json!({ "line": two.device() });
    assert_eq!(observer.call("io.modemd.Resume", line).error, None);
    seen.server.logged("put back into service");
    let mut client = connect(seen.server.address());
    client.write_all(b"hello\r").unwrap();
    two.expect(b"hello\r");
}

#[test]
fn who_waits_for_a_drained_line_gets_it_when_it_is_resumed() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], "busy = \"wait\"\n"));
    let mut observer = seen.observer();
    let line = json!({ "line": modem.device() });
    assert_eq!(observer.call("io.modemd.Drain", line.clone()).error, None);
    let mut client = connect(seen.server.address());
    wait_until("somebody who waits", || {
        observer
            .sessions()
            .first()
            .is_some_and(|of| of.place == Some(1))
    });
    assert_eq!(observer.call("io.modemd.Resume", line).error, None);
    client.write_all(b"hello\r").unwrap();
    modem.expect(b"hello\r");
}

#[test]
fn without_a_place_to_remember_it_no_line_is_drained() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    // As good as a disk that is full or read-only.
    let drained = seen.scratch.path().join("run/private/drained.new");
    std::fs::create_dir_all(&drained).unwrap();
    let mut observer = seen.observer();
    let reply = observer.call("io.modemd.Drain", json!({ "line": modem.device() }));
    assert_eq!(refused(&reply), "io.modemd.Failed");
    assert!(!observer.lines()[0].drained);
}

#[test]
fn events_are_told_as_they_happen() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let mut observer = seen.observer();
    observer.say("io.modemd.WatchEvents", json!({}), true);
    let mut next = || {
        let reply = observer.hear().unwrap();
        assert!(reply.continues);
        serde_json::from_value::<Watched>(reply.parameters.into()).unwrap()
    };
    assert_eq!(next(), Watched::default());
    let client = connect(seen.server.address());
    let name = client.local_addr().unwrap().to_string();
    let began = next().event.unwrap();
    assert_eq!(began.kind, "session-began");
    assert_eq!(began.port.as_deref(), Some("modem"));
    assert_eq!(began.line.as_deref(), modem.device().to_str());
    assert_eq!(began.client, Some(name.clone()));
    assert_eq!(began.message_id.len(), 32);
    read_until(&mut connect(seen.server.address()), b"BUSY");
    let busy = next().event.unwrap();
    assert_eq!(
        (busy.kind.as_str(), busy.reason.as_deref()),
        ("no-line", Some("busy"))
    );
    crate::support::reset(client);
    let ended = next().event.unwrap();
    assert_eq!(
        (ended.kind.as_str(), ended.session),
        ("session-ended", began.session)
    );
    assert!(ended.message.contains(&name), "{}", ended.message);
}

#[test]
fn both_directions_of_the_traffic_are_shown_as_the_line_sees_them() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], "protocol = \"telnet\"\n"));
    let mut client = connect(seen.server.address());
    let session = seen.observer().session().session;
    let mut observer = seen.observer();
    observer.say(
        "io.modemd.WatchSession",
        json!({ "session": session }),
        true,
    );
    let mut next = || {
        let reply = observer.hear().unwrap();
        let overheard: Overheard = serde_json::from_value(reply.parameters.into()).unwrap();
        (reply.continues, overheard.traffic)
    };
    assert_eq!(next(), (true, None));
    // Telnet's own octets are none of the line's.
    client.write_all(b"AT\r\0\xff\xff").unwrap();
    modem.expect(b"AT\r\xff");
    let (_, traffic) = next();
    let traffic = traffic.unwrap();
    assert_eq!((traffic.way, traffic.missed), (Way::ToLine, 0));
    assert_eq!(traffic.data, b"AT\r\xff");
    modem.say(b"\r\nOK\r\n");
    let (_, traffic) = next();
    let traffic = traffic.unwrap();
    assert_eq!(
        (traffic.way, &traffic.data[..]),
        (Way::ToClient, &b"\r\nOK\r\n"[..])
    );
    crate::support::reset(client);
    assert_eq!(next(), (false, None));
    let _: Description = observer.ask("Describe");
}

#[test]
fn an_observer_that_never_reads_slows_nothing_down_and_misses_what_it_does_not_read() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let (seen, modem, mut client) = one_session();
    modem.set_blocking(true);
    let session = seen.observer().session().session;
    let mut lazy: Vec<_> = (0..3).map(|_| seen.observer()).collect();
    for observer in &mut lazy {
        observer.say(
            "io.modemd.WatchSession",
            json!({ "session": session }),
            true,
        );
        assert!(observer.hear().unwrap().continues);
    }
    let memory = || {
        seen.server
            .proc_status("VmRSS")
            .trim_end_matches(" kB")
            .parse::<u64>()
            .unwrap()
    };
    let before = memory();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let chunk = vec![b'x'; 64 * 1024];
            for _ in 0..LENGTH / chunk.len() {
                modem.say(&chunk);
            }
        });
        let mut left = LENGTH;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            left -= client.read(&mut buffer).unwrap();
        }
    });
    // They hold no more than they may: 64 KiB each, and what is being written.
    let grown = memory().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB");
    drop(client);
    for observer in &mut lazy {
        let (mut heard, mut missed) = (0, 0);
        loop {
            let reply = observer.hear().unwrap();
            let overheard: Overheard = serde_json::from_value(reply.parameters.into()).unwrap();
            if let Some(traffic) = overheard.traffic {
                heard += traffic.data.len();
                missed += usize::try_from(traffic.missed).unwrap();
            }
            if !reply.continues {
                break;
            }
        }
        assert!(missed > 0);
        assert_eq!(heard + missed, LENGTH);
    }
}

#[test]
fn as_many_watch_as_may_and_who_has_left_makes_room() {
    let (seen, _modem, _client) = one_session();
    let mut watchers = Vec::new();
    let refusal = loop {
        let mut observer = seen.observer();
        observer.say("io.modemd.WatchEvents", json!({}), true);
        let reply = observer.hear().unwrap();
        if !reply.continues {
            break reply;
        }
        watchers.push(observer);
    };
    assert_eq!(refused(&refusal), "io.modemd.TooManyWatch");
    assert_eq!(watchers.len(), 16);
    watchers.pop();
    wait_until("room for one more", || {
        let mut observer = seen.observer();
        observer.say("io.modemd.WatchEvents", json!({}), true);
        observer.hear().unwrap().continues
    });
}

#[test]
fn what_was_counted_outlives_the_process() {
    let modem = Modem::new();
    let ports = port("modem", &[modem.device()], "") + &port("closed", &[modem.device()], "");
    let closed = ports.replacen("allow = [\"localhost\"]\ndevices", "devices", 1);
    let mut seen = Seen::new(&closed);
    // The first of the two lets nobody in.
    let mut nothing = Vec::new();
    connect(seen.server.address_of("modem"))
        .read_to_end(&mut nothing)
        .unwrap();
    seen.server.logged("refused: ");
    let mut client = connect(seen.server.address_of("closed"));
    client.write_all(b"hello\r").unwrap();
    modem.expect(b"hello\r");
    read_until(&mut connect(seen.server.address_of("closed")), b"BUSY");
    let counts = |seen: &Seen| seen.observer().ask::<Counts>("GetCounts");
    let now = counts(&seen);
    let line = now.lines.iter().find(|of| of.port == "closed").unwrap();
    assert_eq!((line.sessions, line.to_line), (1, 6));
    assert!(line.in_use_usec > 0);
    crate::support::reset(client);
    seen.server.logged("left");
    wait_until("the end", || seen.observer().sessions().is_empty());
    let before = counts(&seen);
    seen.restart(&closed);
    assert_eq!(counts(&seen), before);
    let port = |name: &str| before.ports.iter().find(|of| of.port == name).unwrap();
    assert_eq!((port("modem").denied, port("closed").busy), (1, 1));
    let mut client = connect(seen.server.address_of("closed"));
    client.write_all(b"again\r").unwrap();
    modem.expect(b"again\r");
    wait_until("the sum", || {
        let counts = counts(&seen);
        let line = counts.lines.iter().find(|of| of.port == "closed").unwrap();
        (line.sessions, line.to_line) == (2, 12)
    });
}

#[test]
fn waits_are_counted_and_how_long_they_were() {
    let modem = Modem::new();
    let seen = Seen::new(&port("modem", &[modem.device()], "busy = \"wait\"\n"));
    let first = connect(seen.server.address());
    let mut observer = seen.observer();
    observer.session();
    let impatient = connect(seen.server.address());
    seen.server.logged_times("waits for a line", 1);
    crate::support::reset(impatient);
    seen.server.logged("left while it waited");
    let mut patient = connect(seen.server.address());
    seen.server.logged_times("waits for a line", 2);
    crate::support::reset(first);
    patient.write_all(b"hello\r").unwrap();
    modem.expect(b"hello\r");
    let counts: Counts = observer.ask("GetCounts");
    let port = &counts.ports[0];
    assert_eq!((port.waits, port.gave_up, port.busy), (2, 1, 0));
    assert!(port.waited_usec > 0);
}

#[test]
fn the_socket_made_by_hand_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (seen, _modem, _client) = one_session();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    seen.observer();
    assert_eq!(mode(&seen.socket()), 0o600);
    assert_eq!(mode(&seen.scratch.path().join("run/private")), 0o700);
    // One that is left over is no obstacle.
    let (status, _) = seen.server.stop();
    assert!(status.success());
    let again = Running::start({
        let mut command = modemd();
        command
            .arg("--standalone")
            .arg("--config")
            .arg(seen.scratch.path().join("modemd.toml"));
        command
            .arg("--run-dir")
            .arg(seen.scratch.path().join("run"));
        command
    });
    let _: Description = Observer::new(&seen.scratch.path().join("run/io.modemd")).ask("Describe");
    again.signal(Signal::SIGTERM);
}
