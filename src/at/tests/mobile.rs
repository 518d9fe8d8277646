//! Dialogues with a mobile phone's modem, in the form that those of the SIM800 series have.

use super::*;

/// Each line and what comes of it within a minute.
#[track_caller]
fn recorded(desk: &mut Desk, dialogue: &[(&str, &str)]) {
    for (sent, answer) in dialogue {
        desk.send(A, sent);
        desk.wait(60_000);
        let heard = desk.read(A);
        let expected = format!("{sent}{answer}");
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }
}

#[test]
fn it_tells_what_it_is() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(
        &mut desk,
        &[
            ("AT\r", "\r\nOK\r\n"),
            ("ATI\r", "\r\nSIM800 R14.18\r\n\r\nOK\r\n"),
            ("AT+CGMI\r", "\r\nSIMCOM_Ltd\r\n\r\nOK\r\n"),
            ("AT+CSQ\r", "\r\n+CSQ: 20,0\r\n\r\nOK\r\n"),
            ("AT+CREG?\r", "\r\n+CREG: 0,1\r\n\r\nOK\r\n"),
            ("AT+CPIN?\r", "\r\n+CPIN: READY\r\n\r\nOK\r\n"),
            ("AT+CMGF=1;+CNMI=2,1\r", "\r\nOK\r\n"),
            ("AT\\N3\r", "\r\nERROR\r\n"),
            ("AT#CID=1\r", "\r\nERROR\r\n"),
            ("AT+FOO=1\r", "\r\nERROR\r\n"),
        ],
    );
}

#[test]
fn its_errors_are_worded_as_cmee_says() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(
        &mut desk,
        &[
            ("AT+CPBR=1\r", "\r\nERROR\r\n"),
            ("AT+CMEE=1\r", "\r\nOK\r\n"),
            ("AT+CPBR=1\r", "\r\n+CME ERROR: 22\r\n"),
            ("AT+CMEE=2;+CPBR=0\r", "\r\n+CME ERROR: invalid index\r\n"),
            ("AT+CMEE=9\r", "\r\n+CME ERROR: Incorrect parameters\r\n"),
            ("AT+CMEE?\r", "\r\n+CMEE: 2\r\n\r\nOK\r\n"),
            ("ATZ\r", "\r\nOK\r\n"),
            ("AT+CMEE?\r", "\r\n+CMEE: 0\r\n\r\nOK\r\n"),
        ],
    );
}

#[test]
fn it_tells_who_calls_with_every_ring() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(&mut desk, &[("AT+CLIP=1\r", "\r\nOK\r\n")]);
    let clip = "\r\n+CLIP: \"5551002\",145,\"\",0,\"\",0\r\n";
    desk.send(B, "ATD5551001\r");
    desk.wait(6_100);
    desk.expect(A, &format!("\r\nRING\r\n{clip}").repeat(2));
    desk.send(B, "x");
    recorded(&mut desk, &[("AT+CRC=1\r", "\r\nOK\r\n")]);
    desk.send(B, "ATD5551001\r");
    desk.wait(100);
    desk.expect(A, &format!("\r\n+CRING: ASYNC\r\n{clip}"));
    recorded(&mut desk, &[("ATA\r", "\r\nCONNECT 115200\r\n")]);
}

#[test]
fn numbers_out_of_its_book_are_dialled() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(
        &mut desk,
        &[
            ("AT+CPBS=\"SM\"\r", "\r\nOK\r\n"),
            ("AT+CPBW=7,\"+49900\",145,\"Talia\"\r", "\r\nOK\r\n"),
            ("AT+CPBW=,\"0137\"\r", "\r\nOK\r\n"),
            (
                "AT+CPBR=7\r",
                "\r\n+CPBR: 7,\"+49900\",145,\"Talia\"\r\n\r\nOK\r\n",
            ),
            ("ATD>7;\r", "\r\nOK\r\n"),
            ("ATD>SM 1;\r", "\r\nOK\r\n"),
            ("ATD> \"talia\";\r", "\r\nOK\r\n"),
            ("AT+CHUP\r", "\r\nOK\r\n"),
            ("AT+CPBW=7\r", "\r\nOK\r\n"),
            ("ATD>7\r", "\r\nNO CARRIER\r\n"),
            ("ATD>1\r", "\r\nNO CARRIER\r\n"),
            ("ATDL\r", "\r\nNO CARRIER\r\n"),
        ],
    );
    let dialled = ["+49900", "0137", "+49900", "0137", "0137"];
    assert_eq!(desk.exchange.dialled(A), dialled);
}

#[test]
fn calls_with_a_semicolon_are_calls_each() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(
        &mut desk,
        &[("ATD09;D00;\r", "\r\nOK\r\n"), ("ATD1;\r", "\r\nOK\r\n")],
    );
    assert_eq!(desk.exchange.dialled(A), ["09", "00", "1"]);
}

#[test]
fn service_codes_are_on_record() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(
        &mut desk,
        &[
            (
                "AT+CUSD=1,\"*100#\",15\r",
                "\r\n+CUSD: 0,\"modemd\",15\r\n\r\nOK\r\n",
            ),
            ("AT+CUSD=2\r", "\r\nOK\r\n"),
            ("ATD*21*0900#;\r", "\r\nOK\r\n"),
        ],
    );
    assert_eq!(desk.exchange.dialled(A), ["*100#", "*21*0900#"]);
}

#[test]
fn a_message_is_for_somebody_once_it_is_sent() {
    let mut desk = Desk::of(Temperament::gsm());
    let sent = "\r\n+CMGS: 1\r\n\r\nOK\r\n";
    recorded(
        &mut desk,
        &[
            ("ATE1+CMGS=\"+491\"\r", "\r\n> "),
            ("hello\r", "\r\n> "),
            ("ATD0900\r", "\r\n> "),
            ("\u{1b}", "\r\nOK\r\n"),
            ("AT+CMGS=\"+4915\",145\r", "\r\n> "),
            ("hello\u{1a}", sent),
            // The same in PDU form: no service centre, one message, eleven digits, international.
            ("AT+CMGF=0\r", "\r\nOK\r\n"),
            ("AT+CMGS=18\r", "\r\n> "),
            ("0001000B919471214365F70000056833CD5D07\u{1a}", sent),
            ("AT+CMGS=2\r", "\r\n> "),
            ("0001\u{1a}", "\r\n+CMS ERROR: 304\r\n"),
            ("AT\r", "\r\nOK\r\n"),
        ],
    );
    assert_eq!(desk.exchange.dialled(A), ["+4915", "+49171234567"]);
}

#[test]
fn a_message_begun_is_forgotten_when_the_terminal_goes() {
    let mut desk = Desk::of(Temperament::gsm());
    recorded(&mut desk, &[("AT+CMGS=\"+491\"\r", "\r\n> ")]);
    desk.hang_up_terminal(A);
    recorded(&mut desk, &[("AT\r", "\r\nOK\r\n")]);
    assert!(desk.exchange.dialled(A).is_empty());
}
