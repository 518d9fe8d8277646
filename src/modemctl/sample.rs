//! What modemd and attached ports might say, for tests.

use super::attached::{Attached, Port as AttachedPort};
use super::survey::Survey;
use crate::attach::interface as attach;
use crate::config::{self, Attachment, Target};
use crate::control::interface::{
    Aside, Description, Instance, Line, LineState, Port, Protocol, Session, SessionState, Signals,
};

const SECOND: u64 = 1_000_000;

/// A line that nobody is on.
pub(super) fn line(path: &str, port: &str) -> Line {
    Line {
        line: path.to_owned(),
        ports: vec![port.to_owned()],
        state: LineState::Free,
        session: None,
        holder: None,
        drained: false,
        aside: None,
    }
}

fn waiting(number: &str, client: &str, age: u64) -> Session {
    Session {
        session: number.to_owned(),
        port: "modem".to_owned(),
        client: client.to_owned(),
        state: SessionState::Waiting,
        since_usec: 1_795_000_000 * SECOND,
        age_usec: age * SECOND,
        pid: 77,
        place: None,
        line: None,
        to_line: None,
        to_client: None,
        lost: None,
        kept_to_line: None,
        kept_to_client: None,
        idle_usec: None,
        settings: None,
        signals: None,
        errors: None,
    }
}

/// A client on a line whose modem is connected.
pub(super) fn session(number: &str, client: &str, on: &str, age: u64) -> Session {
    Session {
        state: SessionState::Serving,
        line: Some(on.to_owned()),
        to_line: Some(1536),
        to_client: Some(13_000_000),
        lost: Some(0),
        kept_to_line: Some(0),
        kept_to_client: Some(0),
        idle_usec: Some(2 * SECOND),
        settings: Some("115200,8,N,1,rtscts".to_owned()),
        signals: Some(Signals {
            dtr: true,
            rts: true,
            cts: true,
            dsr: true,
            dcd: true,
            ri: false,
        }),
        ..waiting(number, client, age)
    }
}

fn port(name: &str, lines: &[Line]) -> Port {
    let lines = lines
        .iter()
        .filter(|line| line.ports.iter().any(|of| of == name));
    Port {
        name: name.to_owned(),
        protocol: Protocol::Raw,
        instance: Instance::Shared,
        listen: vec!["2006".to_owned()],
        lines: lines.map(|line| line.line.clone()).collect(),
        settings: "115200,8,N,1".to_owned(),
        queues: true,
    }
}

/// A machine with these lines and sessions, which find each other by the names of the lines.
pub(super) fn machine(mut lines: Vec<Line>, sessions: Vec<Session>) -> Survey {
    for session in &sessions {
        let is_its = |line: &&mut Line| Some(&line.line) == session.line.as_ref();
        if let Some(line) = lines.iter_mut().find(is_its) {
            line.state = LineState::InUse;
            line.session = Some(session.session.clone());
        }
    }
    let mut names: Vec<_> = lines.iter().flat_map(|line| line.ports.clone()).collect();
    names.dedup();
    Survey {
        describe: Description {
            version: "0.1.0".to_owned(),
            pid: 77,
            problems: Vec::new(),
        },
        ports: names.iter().map(|name| port(name, &lines)).collect(),
        lines,
        sessions,
    }
}

/// A modem, and somebody on it.
pub(super) fn one_line() -> Survey {
    let client = session("16275e76514d4ea0", "192.168.2.7:50112", "/dev/ttyS1", 4_380);
    machine(vec![line("/dev/ttyS1", "modem")], vec![client])
}

/// Two modems that do not do what they are told, one of them since somebody is on it.
pub(super) fn lines_aside() -> Survey {
    let aside = |why: &str, minutes: u64| Aside {
        why: why.to_owned(),
        until_usec: 1_795_000_000 * SECOND,
        left_usec: minutes * 60 * SECOND,
    };
    let mut lines: Vec<_> = ["/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS3"]
        .map(|path| line(path, "modem"))
        .into();
    lines[0].aside = Some(aside("no answer to `ATZ`", 1));
    lines[2].aside = Some(aside("does not hang up: no answer to `ATQ0V1H0`", 64));
    let client = session("16275e76514d4ea0", "192.168.2.7:50112", "/dev/ttyS3", 0);
    machine(lines, vec![client])
}

/// Something of everything, on two ports.
pub(super) fn some_lines() -> Survey {
    let by_id = "/dev/serial/by-id/usb-HUAWEI_HUAWEI_Mobile-if00-port0";
    let mut lines: Vec<_> = ["/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS3", by_id]
        .map(|path| line(path, "modem"))
        .into();
    lines.push(line("/dev/ttyUSB7", "heating"));
    lines.push(line("/dev/ttyUSB8", "heating"));
    lines[1].drained = true;
    lines[2].state = LineState::Held;
    lines[2].holder = Some("minicom (77)".to_owned());
    lines[4].state = LineState::Missing;
    lines[5].drained = true;
    lines[5].ports.push("modem".to_owned());
    let mut far = session("c3f159d65dd7491a", "[2001:db8::7:1]:50113", by_id, 31);
    far.settings = Some("9600,7,E,1".to_owned());
    let mut local = session(
        "4d3c1ef0f4c54d0e",
        "a process of uid 1000",
        "/dev/ttyUSB8",
        864_321,
    );
    local.signals = None;
    let mut first = waiting("7e02ee5e0f9a4c10", "192.168.2.9:40001", 42);
    first.place = Some(1);
    let mut second = waiting("0a8d6d5bb0c94a51", "192.168.2.10:40002", 3);
    second.place = Some(2);
    let serving = session("16275e76514d4ea0", "192.168.2.7:50112", "/dev/ttyS1", 4_380);
    let mut survey = machine(lines, vec![second, serving, far, local, first]);
    let problem =
        "/etc/modemd/modemd.toml:12:1: ports.fax: unknown key `allo`: did you mean `allow`?";
    survey.describe.problems.push(problem.to_owned());
    survey
}

/// A rack full of modems, every third in use.
pub(super) fn thousand_lines() -> Survey {
    let path = |number: u32| format!("/dev/ttyC{number}");
    let lines = (0..1000).map(|number| line(&path(number), "modem"));
    let sessions = (0..1000).step_by(3).map(|number| {
        let client = format!("10.0.{}.{}:4{number:04}", number / 250, number % 250);
        session(
            &format!("{number:016x}"),
            &client,
            &path(number),
            number.into(),
        )
    });
    machine(lines.collect(), sessions.collect())
}

/// One that a program talks to, under a name of its own.
fn attached_port(name: &str, server: &str, state: attach::State) -> attach::Attached {
    attach::Attached {
        name: name.to_owned(),
        server: server.to_owned(),
        protocol: Protocol::Telnet,
        link: Some(format!("/run/modemd/tty/{name}")),
        device: "/dev/pts/7".to_owned(),
        state,
        age_usec: 31 * SECOND,
        why: None,
        peer: None,
        to_line: 0,
        to_program: 0,
        settings: None,
        signals: None,
        pid: 78,
    }
}

/// Something of everything.
pub(super) fn attached() -> Attached {
    use attach::State::{Calling, Closed, Closing, Connected, Retrying, Waiting};

    let connected = attach::Attached {
        age_usec: 4_380 * SECOND,
        peer: Some("192.168.2.1:2007".to_owned()),
        to_line: 1536,
        to_program: 13_000_000,
        settings: Some("115200,8,N,1,rtscts".to_owned()),
        signals: Some(attach::Signals {
            cts: true,
            dsr: true,
            dcd: true,
            ri: false,
        }),
        ..attached_port("fax", "modemhost:2007", Connected)
    };
    let retrying = attach::Attached {
        why: Some(
            "modemhost:2008: cannot be reached: Connection refused (os error 111)".to_owned(),
        ),
        ..attached_port("heating", "modemhost:2008", Retrying)
    };
    let failed = attach::Attached {
        why: Some("all lines are in use".to_owned()),
        ..attached_port("gsm", "modemhost:2009", Closed)
    };
    let long = "serial-console.of.the.router.example.org:7001";
    let nameless = attach::Attached {
        link: None,
        ..attached_port(long, long, Closed)
    };
    let told = [
        connected,
        failed,
        retrying,
        attached_port("meter", "[2001:db8::7:1]:2007", Waiting),
        attached_port("radio", "modemhost:2010", Calling),
        nameless,
        attached_port("switch", "modemhost:2011", Closing),
    ];
    let told = told.map(|told| AttachedPort::Told(Box::new(told)));
    let untold = AttachedPort::Untold {
        name: "tape".to_owned(),
        why: "its process does not answer: end it, and attach it again".to_owned(),
    };
    let mut attached = Attached {
        ports: told.into_iter().chain([untold]).collect(),
        ..Attached::default()
    };
    let expected = ["fax", "door"].map(|name| Attachment {
        name: name.to_owned(),
        server: Target {
            host: "modemhost".to_owned(),
            port: 2007,
        },
        protocol: config::Protocol::Telnet,
        line: None,
    });
    attached.expect(&expected);
    attached.ports.sort_by(|a, b| a.name().cmp(b.name()));
    attached
}
