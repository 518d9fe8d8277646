//! `modemctl break`.

use modemd::attach::interface::{Attached, State};
use serde_json::{Value, json};

use crate::fake::{run, says};
use crate::fake_attached::{client, connected, failed, port, process};
use crate::support::Scratch;

#[test]
fn a_break_is_sent_to_the_port_of_that_name() {
    let fake = client();
    let done = fake.run(&["break", "fax"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(done.out, "fax: a BREAK of 250 ms is on its way\n");
    let calls = fake.all_calls();
    assert_eq!(calls.last().unwrap().method, "io.modemd.Attach.SendBreak");
    let given = Value::Object(calls.last().unwrap().parameters.clone());
    assert_eq!(given, json!({ "msec": 250 }));
}

#[test]
fn where_no_break_can_be_sent_it_is_told_why() {
    let fake = client();
    let was = Attached {
        why: Some("all lines are in use".to_owned()),
        ..port("was", State::Closed)
    };
    for port in [
        port("closed", State::Closed),
        port("waiting", State::Waiting),
        was,
    ] {
        fake.attach(&port.name.clone(), process(port));
    }
    fake.attach("raw", |call| match call.target().1 {
        "SendBreak" => failed("there is no BREAK over raw"),
        _ => process(connected("raw"))(call),
    });
    for (name, why) in [
        (
            "gsm",
            "modemhost:2007: cannot be reached: Connection refused",
        ),
        ("closed", "no program has its device open"),
        ("waiting", "its server has not given it a line yet"),
        (
            "was",
            "no program has its device open; when one last had: all lines are in use",
        ),
    ] {
        let why = format!("{name}: it is not connected: {why}\n");
        says(&fake.run(&["break", name]), 1, &[&why]);
    }
    let why = "raw: it was not done: there is no BREAK over raw\n";
    says(&fake.run(&["break", "raw"]), 1, &[why]);
    let sent = fake.calls();
    let sent = sent.iter().filter(|(method, _)| method == "SendBreak");
    assert_eq!(sent.count(), 1);
}

#[test]
fn a_name_that_is_not_attached_is_answered_with_those_that_are() {
    let fake = client();
    for name in ["fox", "../io.modemd", "", "attach/fax"] {
        let why = format!("{name}: nothing of that name is attached: there are fax, gsm\n");
        says(&fake.run(&["break", name]), 1, &[&why]);
    }
    let nobody = run(&Scratch::new().path().join("io.modemd"), &["break", "fax"]);
    says(&nobody, 1, &["there are no attached ports"]);
}
