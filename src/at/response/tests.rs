use proptest::prelude::*;

use super::*;
use crate::at::result::{CallProgress, Wording};

fn heard_by(mut responses: Responses, said: &[u8]) -> Vec<Response> {
    said.iter()
        .filter_map(|octet| responses.push(*octet))
        .collect()
}

fn heard(said: &str) -> Vec<Response> {
    heard_by(Responses::default(), said.as_bytes())
}

fn result(code: ResultCode, text: &str) -> Response {
    let text = text.to_owned();
    Response::Result(Outcome { code, text })
}

fn text(line: &str) -> Response {
    Response::Text(line.into())
}

fn ok() -> Response {
    result(ResultCode::Ok, "OK")
}

#[test]
fn words_are_a_result_as_a_line_of_their_own() {
    for (words, code) in [
        ("OK", ResultCode::Ok),
        ("ERROR", ResultCode::Error),
        ("NO CARRIER", ResultCode::NoCarrier),
        ("NO CARRIER: 16", ResultCode::NoCarrier),
        ("NO DIALTONE", ResultCode::NoDialtone),
        ("NO DIAL TONE", ResultCode::NoDialtone),
        ("NO ANSWER", ResultCode::NoAnswer),
        ("BUSY", ResultCode::Busy),
        ("DELAYED 00:01:00", ResultCode::NoCarrier),
        ("BLACKLISTED", ResultCode::NoCarrier),
        ("VOICE", ResultCode::NoCarrier),
        ("LINE IN USE", ResultCode::NoDialtone),
        ("+CME ERROR: SIM not inserted", ResultCode::Error),
        ("+CMS ERROR: 500", ResultCode::Error),
        ("COMMAND NOT SUPPORT", ResultCode::Error),
        ("+FCERROR", ResultCode::Error),
    ] {
        assert_eq!(heard(&format!("\r\n{words}\r\n")), [result(code, words)]);
        assert_eq!(
            heard(&format!("AT\r\r\n{words}\r\n")),
            [text("AT"), result(code, words)]
        );
    }
}

#[test]
fn words_that_only_begin_like_a_result_are_none() {
    for line in [
        "OKAY",
        "OK 1",
        "CONNECTED",
        "CONNECTING",
        "BUSYBODY",
        "RINGING",
        "ERRORS",
        "NO",
        "CARRIER 33600",
        "+MCR: V34",
        "PROTOCOL: LAPM",
        "xCONNECT",
        "NAME = BUSY",
        "MESG = 01",
        "045",
        "ATD0;CONNECT",
    ] {
        assert_eq!(heard(&format!("\r\n{line}\r\n")), [text(line)]);
    }
}

#[test]
fn connect_tells_its_rate_in_the_words_of_any_maker() {
    for (words, rate) in [
        ("CONNECT", 0),
        ("CONNECT 300", 300),
        ("CONNECT 33600/ARQ/V34/LAPM/V42BIS", 33_600),
        ("CONNECT 115200 V42bis", 115_200),
        ("CONNECT 49333/V.90", 49_333),
        ("CONNECT 1200/75", 1200),
        ("CONNECT 75TX/1200RX", 75),
        ("CONNECT V.42 14400", 14_400),
        ("CONNECT/MNP5 2400", 2400),
        ("CONNECT 64000/HDLC", 64_000),
        ("CONNECT FAX", 0),
        ("CONNECT 99999999999", 0),
    ] {
        assert_eq!(
            heard(&format!("\r\n{words}\r\n")),
            [result(ResultCode::Connect(rate), words)]
        );
    }
}

#[test]
fn connect_is_told_at_its_line_feed_so_that_what_follows_is_data() {
    let mut responses = Responses::default();
    let said = b"\r\nCARRIER 33600\r\n\r\nCONNECT 33600\r\n";
    for (at, octet) in said.iter().enumerate() {
        let is_result = matches!(responses.push(*octet), Some(Response::Result(_)));
        assert_eq!(is_result, at + 1 == said.len());
    }
}

#[test]
fn an_echo_is_never_a_result() {
    for line in ["CONNECT 9600", "OK", "RING", "+CRING: VOICE"] {
        assert_eq!(heard(&format!("{line}\r\r\nOK\r\n")), [text(line), ok()]);
    }
    assert_eq!(
        heard("ATV0\r0\r"),
        [text("ATV0"), result(ResultCode::Ok, "0")]
    );
}

#[test]
fn numbers_are_results_at_their_return() {
    let connect = result(ResultCode::Connect(2400), "10");
    assert_eq!(
        heard("0\r2\r10\r"),
        [result(ResultCode::Ok, "0"), Response::Ring, connect]
    );
    assert_eq!(
        heard("045\r\n0\r"),
        [text("045"), result(ResultCode::Ok, "0")]
    );
    assert_eq!(heard("+F4\r"), [result(ResultCode::Error, "+F4")]);
    // Some send the line feed as well.
    let (error, busy) = (
        result(ResultCode::Error, "4"),
        result(ResultCode::Busy, "7"),
    );
    assert_eq!(heard("4\r\n7\r\n"), [error, busy]);
}

#[test]
fn numbers_among_words_are_information() {
    assert_eq!(heard("\r\n0\r\nOK\r\n"), [text("0"), ok()]);
    assert_eq!(
        heard("\r\nS0:\r\n0\r\n\r\nOK\r\n"),
        [text("S0:"), text("0"), ok()]
    );
    assert_eq!(
        heard("ATS0?\r\r\n0\r\n\r\nOK\r\n0\r"),
        [text("ATS0?"), text("0"), ok(), result(ResultCode::Ok, "0")]
    );
    let mut responses = Responses::in_words();
    responses.clear();
    assert_eq!(heard_by(responses, b"1\r0\r\n"), [text("1"), text("0")]);
}

#[test]
fn information_of_several_lines_comes_line_by_line() {
    assert_eq!(
        heard("\r\none\r\ntwo\r\nOK\r\n"),
        [text("one"), text("two"), ok()]
    );
    assert_eq!(
        heard("\r\none\r\n\r\n  \r\ntwo \r\n\r\nOK\r\n"),
        [text("one"), text("two "), ok()]
    );
}

#[test]
fn ringing_and_who_calls_are_told() {
    let ring = [Response::Ring];
    for said in ["RING", "RING 2", "+CRING: VOICE", "+CRING: REL ASYNC"] {
        assert_eq!(heard(&format!("\r\n{said}\r\n")), ring);
    }
    for (said, number) in [
        ("NMBR = 0301234", "0301234"),
        ("NMBR=0301234", "0301234"),
        ("NMBR: 030-1234", "030-1234"),
        ("+CLIP: \"+49301234\",145,,,,0", "+49301234"),
        ("CALLER NUMBER: 4711", "4711"),
    ] {
        let caller = Response::Caller {
            number: number.to_owned(),
            text: said.into(),
        };
        assert_eq!(heard(&format!("\r\n{said}\r\n")), [caller]);
    }
    for said in [
        "NMBR = P",
        "NMBR = O",
        "+CLIP: \"\",128",
        "+CLIP: 1,1",
        "DATE = 0312",
        "TIME = 0815",
    ] {
        assert_eq!(heard(&format!("\r\n{said}\r\n")), [text(said)]);
    }
}

#[test]
fn a_prompt_needs_no_end_of_line() {
    assert_eq!(heard("\r\n> "), [Response::Prompt]);
    assert_eq!(
        heard("AT+CMGS=1\r\r\n> \r\nOK\r\n"),
        [text("AT+CMGS=1"), Response::Prompt, ok()]
    );
    assert_eq!(heard("\r\n1 > 0\r\n"), [text("1 > 0")]);
}

#[test]
fn the_first_line_of_a_text_message_is_no_result() {
    let head = "+CMT: \"+49301234\",,\"26/01/01,00:00:00+04\"";
    let said = format!("\r\n{head}\r\nCONNECT 9600\r\n\r\nRING\r\n");
    assert_eq!(
        heard(&said),
        [text(head), text("CONNECT 9600"), Response::Ring]
    );
    let said = format!("\r\n{head}\r\n\r\n\r\nRING\r\n");
    assert_eq!(heard(&said), [text(head), Response::Ring]);
}

#[test]
fn parity_padding_and_flow_control_are_not_heard() {
    let said: Vec<u8> = b"\r\nO\0\x11K\r\x7f\n"
        .iter()
        .map(|octet| octet | 0x80)
        .collect();
    assert_eq!(heard_by(Responses::default(), &said), [ok()]);
}

#[test]
fn a_line_without_end_is_cut_and_is_no_result() {
    let endless = format!("\r\nCONNECT {}\r\n", "9".repeat(2 * LONGEST_LINE));
    let expected = endless[2..2 + LONGEST_LINE].to_owned();
    assert_eq!(heard(&endless), [text(&expected)]);
    assert_eq!(heard(&format!("{endless}\r\nOK\r\n"))[1..], [ok()]);
}

#[test]
fn what_was_begun_can_be_forgotten() {
    let mut responses = Responses::default();
    for octet in b"\r\ngarbage" {
        assert_eq!(responses.push(*octet), None);
    }
    responses.clear();
    assert_eq!(heard_by(responses, b"0\r"), [result(ResultCode::Ok, "0")]);
}

fn code() -> impl Strategy<Value = ResultCode> {
    let rate = prop_oneof![
        prop::sample::select(vec![
            1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200
        ]),
        300..100_000_u32,
    ];
    prop_oneof![
        4 => rate.prop_map(ResultCode::Connect),
        7 => prop::sample::select(vec![
            ResultCode::Ok,
            ResultCode::Ring,
            ResultCode::NoCarrier,
            ResultCode::Error,
            ResultCode::NoDialtone,
            ResultCode::Busy,
            ResultCode::NoAnswer,
        ]),
    ]
}

/// A code as it comes back: not all rates have a number, and X0 tells none.
fn as_told(code: ResultCode, wording: Wording) -> ResultCode {
    let mut out = Vec::new();
    wording.result(code, &mut out);
    match code {
        ResultCode::Connect(_) if !wording.progress.tells_rate() || out == b"1\r" => {
            ResultCode::Connect(0)
        }
        code => code,
    }
}

proptest! {
    #[test]
    fn all_that_is_worded_here_is_read_back(
        codes in prop::collection::vec((code(), prop::option::of("[a-z:.]{2,20}")), 0..8),
        verbose in any::<bool>(),
        level in 0..=4_u32,
    ) {
        let progress = CallProgress::level(level).unwrap();
        let wording = Wording { verbose, progress, cr: b'\r', lf: b'\n' };
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        for (code, information) in codes {
            if let Some(line) = information {
                wording.information(&line, true, &mut said);
                expected.push(format!("{:?}", text(&line)));
            }
            wording.result(code, &mut said);
            expected.push(match as_told(code, wording) {
                ResultCode::Ring => "Ring".to_owned(),
                code => format!("{code:?}"),
            });
        }
        let told: Vec<_> = heard_by(Responses::default(), &said)
            .into_iter()
            .map(|response| match response {
                Response::Result(outcome) => format!("{:?}", outcome.code),
                other => format!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn no_octets_are_too_much(said in prop::collection::vec(any::<u8>(), 0..3000)) {
        for response in heard_by(Responses::default(), &said) {
            if let Response::Text(line) = response {
                prop_assert!((1..=LONGEST_LINE).contains(&line.len()));
            }
        }
    }
}
