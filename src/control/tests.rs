use serde::Serialize;
use serde_json::{Value, json};

use super::interface::*;
use crate::varlink::SERVICE_DESCRIPTION;
use crate::varlink::text::{agree, errors, parse};

fn signals() -> Signals {
    Signals {
        dtr: true,
        rts: true,
        cts: true,
        dsr: true,
        dcd: true,
        ri: false,
    }
}

fn session() -> Session {
    Session {
        session: text(),
        port: text(),
        client: text(),
        state: SessionState::Waiting,
        since_usec: 1,
        age_usec: 1,
        pid: 1,
        place: Some(1),
        line: Some(text()),
        to_line: Some(1),
        to_client: Some(1),
        lost: Some(1),
        kept_to_line: Some(1),
        kept_to_client: Some(1),
        idle_usec: Some(1),
        settings: Some(text()),
        signals: Some(signals()),
        errors: Some(Errors::default()),
    }
}

fn value(what: impl Serialize) -> Value {
    serde_json::to_value(what).unwrap()
}

fn text() -> String {
    "x".to_owned()
}

fn port(instance: Instance, protocol: Protocol) -> Port {
    Port {
        name: text(),
        protocol,
        instance,
        listen: vec![text()],
        lines: vec![text()],
        settings: text(),
        queues: true,
    }
}

fn line(state: LineState) -> Line {
    Line {
        line: text(),
        ports: vec![text()],
        state,
        session: Some(text()),
        holder: Some(text()),
        drained: false,
        aside: Some(Aside {
            why: text(),
            until_usec: 1,
            left_usec: 1,
        }),
    }
}

fn overheard(way: Way) -> Overheard {
    Overheard {
        traffic: Some(Traffic {
            time_usec: 1,
            way,
            data: vec![1, 255],
            missed: 1,
        }),
    }
}

fn watched() -> Watched {
    Watched {
        event: Some(Event {
            port: Some(text()),
            line: Some(text()),
            client: Some(text()),
            session: Some(text()),
            reason: Some(text()),
            ..Event::default()
        }),
        missed: 1,
    }
}

/// What each method is given and gives, with everything in it that there can be.
fn samples() -> Vec<(&'static str, Value)> {
    let problems = vec![text()];
    let ports = vec![
        port(Instance::Shared, Protocol::Raw),
        port(Instance::PerConnection, Protocol::Telnet),
    ];
    let states = [
        LineState::Free,
        LineState::InUse,
        LineState::Held,
        LineState::Missing,
    ];
    let counts = Counts {
        ports: vec![PortCounts::default()],
        lines: vec![LineCounts::default()],
    };
    let doing = [
        SessionState::Arrived,
        SessionState::Waiting,
        SessionState::Serving,
        SessionState::Ending,
    ];
    let sessions = doing.map(|state| Session { state, ..session() }).to_vec();
    vec![
        (
            "method Describe->",
            value(Description {
                version: text(),
                pid: 1,
                problems,
            }),
        ),
        ("method ListPorts->", value(Ports { ports })),
        (
            "method ListLines->",
            value(Lines {
                lines: states.map(line).to_vec(),
            }),
        ),
        ("method ListSessions->", value(Sessions { sessions })),
        ("method GetCounts->", value(counts)),
        ("method HangUp(", value(OfSession { session: text() })),
        ("method WatchSession(", value(OfSession { session: text() })),
        ("method Drain(", value(OfLine { line: text() })),
        ("method Resume(", value(OfLine { line: text() })),
        ("method WatchEvents->", value(watched())),
        ("method WatchSession->", value(overheard(Way::ToLine))),
        ("method WatchSession->", value(overheard(Way::ToClient))),
    ]
}

#[test]
fn what_is_said_is_what_the_interface_says() {
    agree(DESCRIPTION, &samples());
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let mut value = serde_json::to_value(session()).unwrap();
    for (name, of) in &parse(DESCRIPTION)["type Session"] {
        if of.starts_with('?') {
            value.as_object_mut().unwrap().remove(name);
        }
    }
    let session: Session = serde_json::from_value(value).unwrap();
    assert_eq!((session.line, session.signals), (None, None));
    let _: Watched = serde_json::from_value(json!({ "missed": 0 })).unwrap();
}

#[test]
fn every_error_of_the_interface_is_the_one_that_is_sent() {
    let errors = errors(DESCRIPTION);
    assert_eq!(
        errors,
        ["Failed", "NoSuchLine", "NoSuchSession", "TooManyWatch"]
    );
    let code = [
        include_str!("answer.rs"),
        include_str!("streams.rs"),
        include_str!("elsewhere.rs"),
    ]
    .concat();
    for error in errors {
        assert!(code.contains(&format!("\"{error}\"")), "{error}");
    }
    assert!(SERVICE_DESCRIPTION.contains("interface org.varlink.service"));
}
