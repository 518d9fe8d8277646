//! Which numbers a modem has really dialled, however that came about.

use super::*;

#[track_caller]
fn dialled(desk: &Desk, numbers: &[&str]) {
    assert_eq!(desk.exchange.dialled(A), numbers);
}

/// Everything sent to a Hayes modem, a minute after the other.
#[track_caller]
fn dials(sent: &[&str], numbers: &[&str]) {
    let mut desk = Desk::new();
    for text in sent {
        desk.send(A, text);
        desk.wait(60_000);
        desk.read(A);
    }
    dialled(&desk, numbers);
}

#[test]
fn every_way_to_dial_leaves_its_number() {
    dials(&["ATDT 0900-(12) 34\r"], &["09001234"]);
    dials(&["at dp,,*21*5w\r"], &["*21*5"]);
    dials(&["ATD123\r", "ATDL\r"], &["123", "123"]);
    dials(&["ATD123\r", "A/"], &["123", "123"]);
    dials(
        &["AT&Z=1T77,8;&Z3=9\r", "ATDS\r", "ATDT0S=3\r"],
        &["1778", "09"],
    );
    dials(&["AT&Z=1T77,8\r", "ATDS\r"], &["1778"]);
    dials(&["AT&Z2=0900\r", "ATZ\r", "AT&F\r", "ATDS=2\r"], &["0900"]);
    dials(&["ATX1D0900\r"], &["0900"]);
    dials(&["ATFOOD0900\r"], &[]);
    dials(&["ATE0D0900FOO\r"], &["0900"]);
    dials(&["\u{1}ATS3=59\r", "ATD0900;"], &["0900"]);
}

#[test]
fn a_number_begun_with_a_semicolon_grows() {
    dials(&["ATD09;D00;\r"], &["0900"]);
    dials(&["ATD09;\r", "ATD00;\r", "ATD1\r"], &["09001"]);
    dials(&["ATD09;H0D1\r"], &["09", "1"]);
    dials(&["ATD09;\r", "A/"], &["0909"]);
    dials(&["ATX0D09;\r", "ATD1\r"], &["091"]);
}

#[test]
fn the_eighth_bit_hides_nothing() {
    let mut desk = Desk::new();
    let line: Vec<u8> = b"ATDT0900\r".iter().map(|byte| byte | 0x80).collect();
    desk.give(A, &line);
    dialled(&desk, &["0900"]);
}

#[test]
fn a_stored_profile_changes_what_dials() {
    let mut desk = Desk::new();
    desk.send(A, "ATS3=33&W\r");
    desk.send(A, "ATS3=13!");
    desk.send(A, "ATZ\r");
    // One line: in the middle of it a letter is passed over, and others are digits.
    desk.send(A, "ATD123\rATD0900!");
    dialled(&desk, &["123AD0900"]);
}

#[test]
fn what_comes_after_the_carrier_is_lost_is_commands() {
    for temperament in Temperament::all() {
        let mut desk = Desk::in_a_call(temperament);
        desk.hang_up_terminal(B);
        desk.send(A, "rest of a file\nATDT0900\r");
        desk.wait(20_000);
        dialled(&desk, &["5551002", "0900"]);
    }
}

#[test]
fn who_gives_up_before_dial_tone_has_dialled_nothing() {
    for temperament in Temperament::all() {
        let tone = temperament.dial_tone_after;
        if tone.is_zero() {
            continue;
        }
        let milliseconds = u64::try_from(tone.as_millis()).unwrap();
        for number in ["0900", "0900;", "0900,5", "L0900;H"] {
            let mut desk = Desk::of(temperament.clone());
            let line = format!("ATD{number}\r");
            desk.send(A, &line);
            desk.wait(milliseconds - 1);
            desk.hang_up_terminal(A);
            desk.wait(60_000);
            desk.send(A, &line);
            desk.wait(milliseconds - 1);
            desk.send(A, "x");
            desk.wait(60_000);
            dialled(&desk, &[]);
            desk.send(A, &line);
            desk.wait(milliseconds);
            desk.hang_up_terminal(A);
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            dialled(&desk, &[digits.as_str()]);
        }
    }
}

#[test]
fn a_blind_modem_waits_as_long_as_s6_says() {
    let mut desk = Desk::new();
    desk.send(A, "ATX3S6=4D,0900\r");
    desk.wait(5_999);
    dialled(&desk, &[]);
    desk.wait(1);
    dialled(&desk, &["0900"]);
}

#[test]
fn after_a_dial_tone_that_does_not_come_nothing_is_dialled() {
    dials(&["ATD55W0900\r"], &["55"]);
}

#[test]
fn the_rest_of_a_line_waits_until_the_number_is_dialled() {
    let mut desk = Desk::of(Temperament::slow_in_pieces());
    desk.send(A, "ATE0D555;I1\r");
    desk.wait(1_999);
    desk.expect(A, "ATE0D555;I1\r");
    desk.wait(3_000);
    desk.expect(A, "\r\nLinux ISDN\r\nOK\r\n");
    desk.send(A, "ATD1002\r");
    desk.expect(B, "\r\nRING\r\n");
    dialled(&desk, &["5551002"]);
}
