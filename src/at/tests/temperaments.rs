//! How modems of other makers differ.

use super::*;

const OK: &str = "\r\nOK\r\n";
const ERROR: &str = "\r\nERROR\r\n";
const NO_CARRIER: &str = "\r\nNO CARRIER\r\n";

#[test]
fn with_an_escape_at_once_what_follows_it_is_commands() {
    let mut desk = Desk::in_a_call(Temperament::escapes_at_once());
    desk.send(A, "file +++ATI1\r");
    desk.expect(A, &format!("{OK}\r\nLinux ISDN{OK}"));
    desk.expect(B, "file +++");
    desk.send(A, "ATO\r");
    desk.expect(A, "\r\nCONNECT 115200\r\n");
    for piece in ["+", "+", "x+", "+"] {
        desk.send(A, piece);
        desk.wait(3000);
    }
    desk.expect(A, "");
    desk.send(A, "+ATH\r");
    desk.expect(A, &format!("{OK}{OK}"));
    desk.expect(B, &format!("++x+++{NO_CARRIER}"));
}

#[test]
fn s2_above_127_switches_every_escape_off() {
    for temperament in Temperament::all().into_iter().filter(|one| one.has_s2) {
        let mut desk = Desk::of(temperament.clone());
        desk.send(A, "ATE0Q0V1X4S2=255S2?\r");
        desk.wait(5000);
        let told = desk.read(A);
        assert!(told.ends_with(b"\r\n255\r\nOK\r\n"), "{temperament:?}");
        desk.send(A, "ATDT5552001\r");
        desk.wait(5000);
        desk.expect(A, "\r\nCONNECT 115200\r\n");
        for sent in ["+++", "ATH\r", "\u{7f}\u{7f}\u{7f}"] {
            desk.wait(5000);
            desk.send(A, sent);
            desk.wait(5000);
            desk.expect(A, sent);
        }
    }
}

#[test]
fn a_mobile_phone_has_no_s2_but_guards_its_escape_by_time() {
    let mut desk = Desk::in_a_call(Temperament::gsm());
    desk.send(A, "x+++");
    desk.wait(5000);
    desk.expect(A, "");
    desk.send(A, "+++");
    desk.wait(5000);
    desk.expect(A, OK);
    for line in ["ATS2=255", "ATS2?", "ATS12=0", "ATS2"] {
        desk.send(A, line);
        desk.send(A, "\r");
        desk.wait(1000);
        desk.expect(A, ERROR);
    }
}

#[test]
fn a_terse_one_says_nothing_until_it_is_told_to() {
    let mut desk = Desk::of(Temperament::terse());
    desk.dialogue(A, "ATI9", "");
    desk.dialogue(A, "AT", "");
    desk.dialogue(A, "ATQ0", "0\r");
    desk.dialogue(A, "ATV1", OK);
    desk.dialogue(A, "ATZ", "");
    desk.dialogue(A, "AT&F", "0\r");
    desk.send(A, "ATD5552004\r");
    desk.wait(2000);
    desk.expect(A, "ATD5552004\r7\r");
}

#[test]
fn a_slow_one_thinks_and_then_speaks_in_pieces() {
    let mut desk = Desk::of(Temperament::slow_in_pieces());
    desk.send(A, "ATE0\r");
    desk.expect(A, "ATE0\r");
    desk.wait(399);
    desk.expect(A, "");
    desk.wait(1);
    desk.expect(A, "\r\nO");
    desk.wait(59);
    desk.expect(A, "");
    desk.wait(1);
    desk.expect(A, "K\r\n");
    assert_eq!(desk.exchange.next_deadline(), None);
}

#[test]
fn a_slow_one_carries_data_as_fast_as_any_but_behind_its_answer() {
    let mut desk = Desk::of(Temperament::slow_in_pieces());
    desk.send(A, "ATE0DT5551002\r");
    desk.wait(5000);
    desk.read(A);
    desk.send(B, "ATE0A\r");
    desk.wait(200);
    desk.send(B, "waits");
    desk.expect(A, "");
    desk.wait(5000);
    desk.expect(A, "\r\nCONNECT 115200\r\nwaits");
    let data = "d".repeat(4000);
    desk.send(B, &data);
    desk.expect(A, &data);
}

#[test]
fn what_nobody_was_there_to_read_is_not_told_later() {
    let mut desk = Desk::of(Temperament::slow_in_pieces());
    desk.send(A, "AT\r");
    desk.hang_up_terminal(A);
    desk.wait(5000);
    desk.expect(A, "");
}

#[test]
fn carrier_detect_follows_the_call_or_is_always_on() {
    let mut desk = Desk::with_a_call();
    assert!(desk.exchange.carrier(A) && desk.exchange.carrier(B));
    assert!(!desk.exchange.carrier(C));
    desk.wait(1000);
    desk.send(A, "+++");
    desk.wait(1000);
    assert!(desk.exchange.carrier(A));
    desk.send(A, "ATH\r");
    assert!(!desk.exchange.carrier(A) && !desk.exchange.carrier(B));
    desk.send(A, "AT&C0\r");
    assert!(desk.exchange.carrier(A));
}

#[test]
fn the_far_side_may_go_at_any_moment() {
    let mut desk = Desk::new();
    desk.exchange.hang_up_far(A, desk.now);
    desk.send(A, "ATE0D5552005\r");
    desk.wait(1000);
    desk.exchange.hang_up_far(A, desk.now);
    desk.expect(A, &format!("ATE0D5552005\r{NO_CARRIER}"));
    desk.send(A, "ATD5552001\r");
    desk.wait(1000);
    desk.send(A, "in a call");
    desk.expect(A, "\r\nCONNECT 115200\r\nin a call");
    desk.exchange.hang_up_far(A, desk.now);
    desk.expect(A, NO_CARRIER);
    let mut desk = Desk::with_a_call();
    desk.exchange.hang_up_far(B, desk.now);
    desk.expect(A, NO_CARRIER);
    desk.expect(B, NO_CARRIER);
}

#[test]
fn who_calls_is_told_between_the_first_and_the_second_ring() {
    for command in ["AT+VCID=1", "AT#CID=1"] {
        let mut desk = Desk::new();
        desk.wait(86_400_000 + 3_660_000);
        desk.dialogue(B, command, OK);
        desk.send(A, "ATD5551002\r");
        desk.wait(5_999);
        let caller = "\r\nDATE = 0102\r\nTIME = 0101\r\nNMBR = 5551001\r\nNAME = MODEMD\r\n";
        desk.expect(B, &format!("\r\nRING\r\n{caller}"));
        desk.wait(6_001);
        desk.expect(B, "\r\nRING\r\n\r\nRING\r\n");
    }
}

#[test]
fn a_caller_that_gives_up_in_time_stays_unknown() {
    let mut desk = Desk::new();
    desk.dialogue(B, "AT+VCID=1+VCID?", ERROR);
    desk.dialogue(B, "AT+VCID=1;+VCID?", "\r\n1\r\nOK\r\n");
    desk.send(A, "ATD5551002\r");
    desk.wait(2_000);
    desk.send(A, "x");
    desk.wait(60_000);
    desk.expect(B, "\r\nRING\r\n");
}
