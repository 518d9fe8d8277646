//! Whether what `io.modemd.Attach` says of itself is so.

use serde::Serialize;
use serde_json::{Value, json};

use super::interface::*;
use crate::varlink::text::{agree, errors, parse};

fn text() -> String {
    "x".to_owned()
}

/// Everything in it that there can be.
fn attached(state: State, protocol: Protocol) -> Attached {
    Attached {
        name: text(),
        server: text(),
        protocol,
        link: Some(text()),
        device: text(),
        state,
        age_usec: 1,
        why: Some(text()),
        peer: Some(text()),
        to_line: 1,
        to_program: 1,
        settings: Some(text()),
        signals: Some(Signals {
            cts: true,
            dsr: true,
            dcd: true,
            ri: false,
        }),
        pid: 1,
    }
}

fn value(what: impl Serialize) -> Value {
    serde_json::to_value(what).unwrap()
}

#[test]
fn what_is_said_is_what_the_interface_says() {
    let states = [
        State::Closed,
        State::Calling,
        State::Retrying,
        State::Waiting,
        State::Connected,
        State::Closing,
    ];
    let both = [Protocol::Raw, Protocol::Telnet];
    let all = states.into_iter().zip(both.into_iter().cycle());
    let described = all.map(|(state, protocol)| {
        let attached = attached(state, protocol);
        ("method Describe->", value(Description { attached }))
    });
    let mut samples: Vec<_> = described.collect();
    samples.push(("method SendBreak(", value(Break { msec: 250 })));
    agree(DESCRIPTION, &samples);
    let first = DESCRIPTION.lines().find(|line| !line.starts_with('#'));
    assert_eq!(first, Some(format!("interface {NAME}").as_str()));
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let mut told = value(attached(State::Closed, Protocol::Telnet));
    for (name, of) in &parse(DESCRIPTION)["type Attached"] {
        if of.starts_with('?') {
            told.as_object_mut().unwrap().remove(name);
        }
    }
    let told: Description = serde_json::from_value(json!({ "attached": told })).unwrap();
    let Attached { link, why, .. } = told.attached;
    assert_eq!((link, why), (None, None));
}

#[test]
fn every_error_of_the_interface_is_the_one_that_is_sent() {
    assert_eq!(errors(DESCRIPTION), ["Failed"]);
    let code = include_str!("callers.rs");
    assert!(code.contains("{NAME}.Failed"));
}
