//! The tables as people see them, in `tests/modemctl/calls-*.txt`; `UPDATE_EXPECTED=1` writes them anew.

use proptest::prelude::*;

use super::*;
use crate::modemctl::calls::csv;
use crate::modemctl::calls::entry::{Trusted, parse};
use crate::modemctl::printable::width;
use crate::modemctl::status::tests::is_as_expected;

/// What `journalctl --output=json` has written. The last three are no calls: one by a user, one without a
/// user, and what it says if there is nothing.
const RECORDED: &str = r#"
{"_UID":"993","__REALTIME_TIMESTAMP":"1795000723999999","MODEMD_CALL":"outgoing","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/ttyS1","MODEMD_CLIENT":"192.168.2.7:50112","MODEMD_SESSION":"3f1c0a9be82d4471","MODEMD_NUMBER":"030123456","MODEMD_RESULT":"CONNECT 33600","MODEMD_RINGS":"0","MODEMD_REASON":"carrier-lost","MODEMD_BEGAN_USEC":"1795000000123456","MODEMD_DURATION_USEC":"723500000","MODEMD_BYTES_TO_LINE":"40213","MODEMD_BYTES_TO_CLIENT":"1200334"}
{"_UID":"993","__REALTIME_TIMESTAMP":"1795000823999999","MODEMD_CALL":"outgoing","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/ttyS1","MODEMD_CLIENT":"[2001:db8::17:2]:50113","MODEMD_SESSION":"3f1c0a9be82d4472","MODEMD_NUMBER":"+49301xxx","MODEMD_RESULT":"BUSY","MODEMD_RINGS":"0","MODEMD_REASON":"not-connected","MODEMD_BEGAN_USEC":"1795000800000000","MODEMD_DURATION_USEC":"0","MODEMD_BYTES_TO_LINE":"0","MODEMD_BYTES_TO_CLIENT":"0"}
{"_UID":"993","__REALTIME_TIMESTAMP":"1795000923999999","MODEMD_CALL":"outgoing","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/ttyS1","MODEMD_CLIENT":"192.168.2.7:50114","MODEMD_SESSION":"3f1c0a9be82d4473","MODEMD_NUMBER":"0900123","MODEMD_REASON":"refused","MODEMD_WHY":"`deny` has `*0900*`"}
{"_UID":"993","__REALTIME_TIMESTAMP":"1795001923999999","MODEMD_CALL":"incoming","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/serial/by-id/usb-HUAWEI_Mobile-if00-port0","MODEMD_CLIENT":"local","MODEMD_SESSION":"3f1c0a9be82d4474","MODEMD_RINGS":"3","MODEMD_REASON":"not-connected","MODEMD_BEGAN_USEC":"1795001900000000","MODEMD_DURATION_USEC":"0","MODEMD_BYTES_TO_LINE":"0","MODEMD_BYTES_TO_CLIENT":"0"}
{"_UID":"993","__REALTIME_TIMESTAMP":"1795002923999999","MODEMD_CALL":"incoming","MODEMD_PORT":["modem","fax"],"MODEMD_LINE":null,"MODEMD_CLIENT":"local","MODEMD_SESSION":"3f1c0a9be82d4475","MODEMD_NUMBER":[48,27,91,50,74],"MODEMD_RESULT":"CONNECT 9600","MODEMD_RINGS":"1","MODEMD_REASON":"time-limit","MODEMD_BEGAN_USEC":"1795002000000000","MODEMD_DURATION_USEC":"61000000","MODEMD_BYTES_TO_LINE":"1","MODEMD_BYTES_TO_CLIENT":"2"}
{"_UID":"993","__REALTIME_TIMESTAMP":"1795003923999999","MODEMD_CALL":"outgoing","MODEMD_PORT":"modem","MODEMD_LINE":"/dev/ttyS1","MODEMD_CLIENT":"local","MODEMD_SESSION":"3f1c0a9be82d4476","MODEMD_NUMBER":"hidden","MODEMD_RINGS":"0","MODEMD_REASON":"hung-up","MODEMD_BEGAN_USEC":"1795003900000000","MODEMD_DURATION_USEC":"0"}
{"_UID":"4000123","__REALTIME_TIMESTAMP":"1795003923999999","MODEMD_CALL":"outgoing","MODEMD_NUMBER":"666","MODEMD_REASON":"hung-up"}
{"__REALTIME_TIMESTAMP":"1795003923999999","MODEMD_CALL":"outgoing","MODEMD_NUMBER":"666","MODEMD_REASON":"hung-up"}
-- No entries --
"#;

fn recorded() -> Vec<Call> {
    let nobody_else = Trusted::here(std::path::Path::new("io.modemd"));
    let lines = RECORDED.lines();
    lines
        .filter_map(|line| parse(line.as_bytes(), &nobody_else))
        .collect()
}

/// With the same times everywhere: they are local ones.
fn timeless(text: &str, calls: &[Call]) -> String {
    let mut text = text.to_owned();
    for (call, number) in calls.iter().zip(1..) {
        let time = moment::date_and_time(call.began_usec);
        text = text.replace(&time, &format!("2026-11-21 14:03:0{number}"));
    }
    text
}

#[test]
fn calls_are_shown_in_the_room_that_there_is() {
    let calls = recorded();
    assert_eq!(calls.len(), 6);
    for wide in [40, 80, 100, 160] {
        let text = table(&calls, Some(wide), Paint::OFF);
        is_as_expected(&format!("calls-{wide}"), &timeless(&text, &calls));
    }
    let text = table(&calls, None, Paint::OFF);
    is_as_expected("calls", &timeless(&text, &calls));
}

#[test]
fn programs_get_all_of_a_call() {
    let calls = recorded();
    let text: String = calls.iter().map(json).collect();
    is_as_expected("calls-json", &timeless(&text, &calls));
    let rows: String = calls.iter().map(csv::row).collect();
    let text = timeless(&(csv::heading() + &rows), &calls);
    is_as_expected("calls-csv", &text.replace('\r', ""));
    assert_eq!(text.matches("\r\n").count(), 7);
}

/// Reads a row as RFC 4180 has it.
fn fields(row: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut rest = row.strip_suffix("\r\n").unwrap().chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                rest.next();
                fields.last_mut().unwrap().push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

proptest! {
    #[test]
    fn whatever_is_in_a_call_nothing_of_it_is_a_formula_or_reaches_the_terminal_raw(
        text in "([=+@-]|\\PC|.|[\"',;\r\n\t])*", began: u64, wide in 1..200_usize
    ) {
        let call = Call {
            began_usec: began,
            client: text.clone(),
            port: text.clone(),
            line: text.clone(),
            session: text.clone(),
            direction: text.clone(),
            number: Some(text.clone()),
            result: Some(text.clone()),
            reason: text.clone(),
            why: Some(text.clone()),
            ..Call::default()
        };
        let row = csv::row(&call);
        let fields = fields(&row);
        prop_assert_eq!(fields.len(), 14);
        for field in &fields {
            prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{row:?}");
            prop_assert!(!field.chars().any(char::is_control), "{row:?}");
        }
        let object = json(&call);
        let line = object.strip_suffix('\n').unwrap();
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        let back: serde_json::Value = serde_json::from_str(line).unwrap();
        prop_assert_eq!(back["number"].as_str(), Some(text.as_str()));
        for line in table(&[call], Some(wide), Paint::OFF).lines() {
            prop_assert!(width(line) <= wide, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn no_entry_is_too_strange(line in "\\PC*|(\\{\"_UID\":\"0\",\"MODEMD_NUMBER\":\\PC*\\})") {
        let _ = parse(line.as_bytes(), &Trusted::here(std::path::Path::new("io.modemd")));
    }
}
