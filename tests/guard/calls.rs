//! In an allowed call everything arrives, whatever it is.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Act, Kind, Line, Model};
use crate::streams::{line, piece, play};

/// Data as programs send it; the first octet keeps it from being an escape.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let file = prop::collection::vec(any::<u8>(), 0..2000);
    prop_oneof![3 => piece(), 1 => file].prop_map(|mut data| {
        data.insert(0, b'x');
        data.push(b'y');
        data
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => data().prop_map(Act::Client),
        4 => data().prop_map(Act::Far),
        4 => select(vec![0, 1, 20, 100, 1100, 3000]).prop_map(|msec| Act::Wait(Duration::from_millis(msec))),
        1 => Just(Act::HandOver),
    ]
}

/// The client's own escape, and back.
fn escape() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.3)
}

fn call(model: &mut Model) {
    model.client(b"ATE0DT5551002\r");
    model.wait(Duration::from_secs(8));
    assert!(
        model.heard.ends_with(b"\r\nCONNECT 115200\r\n"),
        "{}",
        model.describe()
    );
    assert_eq!(
        model.far_heard.escape_ascii().to_string(),
        "ATE0S0=1\\r\\r\\nOK\\r\\n\\r\\nRING\\r\\n\\r\\nCONNECT 115200\\r\\n"
    );
    model.heard.clear();
    model.far_heard.clear();
}

/// The client takes back the command state, and goes on.
fn go_there_and_back(model: &mut Model) {
    let long = Duration::from_secs(30);
    model.wait(long);
    let before = model.heard.len();
    model.client(b"+++");
    model.wait(long);
    model.client(b"ATO\r");
    model.wait(long);
    let said = model.heard.split_off(before);
    assert_eq!(
        said.escape_ascii().to_string(),
        "\\r\\nOK\\r\\n\\r\\nCONNECT\\r\\n"
    );
    // What a modem does with its escape characters is its own affair.
    while model.far_heard.ends_with(b"+") {
        model.far_heard.pop();
    }
}

fn everything_arrives(line: &Line, parts: &[(Vec<Act>, bool)]) {
    let mut model = Model::new(line);
    call(&mut model);
    let (mut sent, mut far_sent) = (Vec::new(), Vec::new());
    for (acts, escapes) in parts {
        for act in acts {
            match act {
                Act::Client(data) => sent.extend(data),
                Act::Far(data) => far_sent.extend(data),
                _ => {}
            }
            model.act(act);
        }
        if *escapes {
            go_there_and_back(&mut model);
        }
    }
    model.wait(Duration::from_secs(60));
    assert_eq!(
        model.far_heard.escape_ascii().to_string(),
        sent.escape_ascii().to_string()
    );
    assert_eq!(
        model.heard.escape_ascii().to_string(),
        far_sent.escape_ascii().to_string()
    );
}

#[test]
fn in_an_allowed_call_everything_arrives_as_it_was_sent() {
    let line = line().prop_map(|line| Line {
        minutes_per_call: None,
        // The one who gives a guard time for a modem without any has to be right.
        has_guard_time: line.has_guard_time && line.kind != Kind::EscapesAtOnce,
        ..line
    });
    let parts = prop::collection::vec((prop::collection::vec(act(), 0..10), escape()), 1..4);
    play(&(line, parts), 300, |(line, parts)| {
        everything_arrives(&line, &parts);
    });
}
