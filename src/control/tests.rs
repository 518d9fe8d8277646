use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::interface::*;
use crate::varlink::SERVICE_DESCRIPTION;

/// The fields of one type, or of what a method is given or gives, in their order.
type Fields = Vec<(String, String)>;

/// What the text of the interface names: `type Port`, `method HangUp(`, `method HangUp->`, `error Failed`.
/// Each must have a sentence in front of it, and so must each field of a type.
fn parse(text: &str) -> BTreeMap<String, Fields> {
    let mut named = BTreeMap::new();
    let mut open: Option<(String, Fields)> = None;
    let mut has_sentence = false;
    for line in text.lines().map(str::trim) {
        let documented = std::mem::replace(&mut has_sentence, line.starts_with('#'));
        if line.is_empty() || line.starts_with('#') || line.starts_with("interface ") {
            continue;
        }
        assert!(documented || line == ")", "without a sentence: {line}");
        if let Some((name, mut fields)) = open.take() {
            if line == ")" {
                named.insert(name, fields);
            } else {
                fields.push(field(line.trim_end_matches(',')));
                open = Some((name, fields));
            }
        } else if let Some(name) = line.strip_prefix("type ") {
            open = Some((
                format!("type {}", name.trim_end_matches('(')),
                Fields::new(),
            ));
        } else if let Some(method) = line.strip_prefix("method ") {
            let (name, rest) = method.split_once('(').unwrap();
            let (given, result) = rest.split_once(") -> (").unwrap();
            named.insert(format!("method {name}("), fields(given));
            let name = format!("method {name}->");
            if result.is_empty() {
                open = Some((name, Fields::new()));
            } else {
                named.insert(name, fields(result.trim_end_matches(')')));
            }
        } else {
            let (name, rest) = line
                .strip_prefix("error ")
                .unwrap_or_else(|| panic!("what is {line}?"))
                .split_once('(')
                .unwrap();
            named.insert(format!("error {name}"), fields(rest.trim_end_matches(')')));
        }
    }
    named
}

fn field(text: &str) -> (String, String) {
    let (name, of) = text.split_once(": ").unwrap();
    (name.to_owned(), of.to_owned())
}

fn fields(text: &str) -> Fields {
    text.split(", ")
        .filter(|text| !text.is_empty())
        .map(field)
        .collect()
}

/// Whether a value is of a type of the interface.
fn is_of(value: &Value, of: &str, named: &BTreeMap<String, Fields>) -> bool {
    if let Some(of) = of.strip_prefix('?') {
        return is_of(value, of, named);
    }
    if let Some(of) = of.strip_prefix("[]") {
        return value
            .as_array()
            .unwrap()
            .iter()
            .all(|value| is_of(value, of, named));
    }
    match of {
        "string" => value.is_string(),
        "int" => value.is_u64(),
        "bool" => value.is_boolean(),
        of => match of.strip_prefix('(') {
            Some(words) => {
                let words = words.trim_end_matches(')').split(", ");
                words.into_iter().any(|word| value == word)
            }
            None => is_object(value, &named[&format!("type {of}")], named),
        },
    }
}

fn is_object(value: &Value, fields: &Fields, named: &BTreeMap<String, Fields>) -> bool {
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), fields.len(), "{value} {fields:?}");
    fields
        .iter()
        .all(|(name, of)| is_of(&object[name], of, named))
}

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
    let named = parse(DESCRIPTION);
    let mut seen: Vec<_> = samples().iter().map(|(name, _)| *name).collect();
    for (name, value) in samples() {
        assert!(is_object(&value, &named[name], &named), "{name} {value}");
    }
    seen.dedup();
    let with_fields = named
        .iter()
        .filter(|(name, fields)| name.starts_with("method ") && !fields.is_empty());
    for (name, _) in with_fields {
        assert!(seen.contains(&name.as_str()), "{name} has no sample");
    }
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
    let named = parse(DESCRIPTION);
    let errors: Vec<_> = named
        .keys()
        .filter_map(|name| name.strip_prefix("error "))
        .collect();
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
