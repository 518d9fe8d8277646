//! `modemctl break`.

use serde_json::{Value, json};

use crate::fake::{run, says};
use crate::fake_attached::{client, connected, failed, process};
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
    fake.attach("raw", |call| match call.target().1 {
        "SendBreak" => failed("without telnet there is no BREAK"),
        _ => process(connected("raw"))(call),
    });
    let why = "raw: it was not done: without telnet there is no BREAK\n";
    says(&fake.run(&["break", "raw"]), 1, &[why]);
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
