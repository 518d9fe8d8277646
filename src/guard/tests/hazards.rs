//! Each of these was found by tests/guard, or by reading.

use super::*;

#[test]
fn a_line_begun_in_the_modem_is_taken_back_before_anything_is_said_to_it() {
    let mut desk = Desk::in_a_call();
    desk.client("ATDT0900", "");
    desk.modem_gets("ATDT0900");
    desk.wires.carrier = Some(false);
    desk.wait(1990);
    let said = String::from_utf8(std::mem::take(&mut desk.to_modem)).unwrap();
    assert_eq!(said.trim_start_matches('\x08'), "+ATE0Q0V1\r");
    assert!(said.len() > 300);
}

#[test]
fn dtr_cannot_be_down_too_short_for_the_modem_to_notice() {
    let mut desk = Desk::in_a_call();
    desk.guard.dtr(false, desk.now);
    desk.guard.dtr(true, desk.now);
    desk.take();
    assert_eq!(desk.dtr.last(), Some(&false));
    desk.wait(400);
    assert_eq!(desk.dtr.last(), Some(&false));
    desk.wait(400);
    assert_eq!(desk.dtr.last(), Some(&true));
}

#[test]
fn data_waits_for_dcd_which_never_comes_if_carrier_is_lost_at_once() {
    let mut desk = Desk::new();
    desk.client("ATE0DT030123\r", "ATE0DT030123\r");
    desk.modem_gets("ATDT030123\r");
    desk.modem_says("\r\nCONNECT 33600\r\n", "\r\nCONNECT 33600\r\n");
    desk.client("ATV0\rATDT0900\r", "");
    desk.modem_says("\r\nNO CARRIER\r\n", "\r\nNO CARRIER\r\n");
    desk.wait(3000);
    assert!(matches!(desk.guard.state, State::Parting(_)));
    assert!(desk.to_modem.starts_with(b"\x08"));
}

#[test]
fn nobody_is_woken_for_nothing_while_it_is_in_doubt_whether_carrier_is_lost() {
    let mut desk = Desk::in_a_call();
    desk.client("ATDT0900\r", "");
    desk.modem_says("NO CARRIER\r\n", "NO CARRIER\r\n");
    for _ in 0..10 {
        desk.now = desk.guard.next_deadline().unwrap();
        desk.guard.advance(desk.now, &desk.wires);
        assert!(desk.guard.next_deadline().unwrap() > desk.now);
    }
}

#[test]
fn without_dcd_a_modem_that_could_be_answering_is_hung_up_at_once() {
    let mut desk = Desk::new();
    desk.wires.carrier = None;
    desk.client("ATE0DT030123\r", "ATE0DT030123\r");
    desk.modem_says("\r\nCONNECT\r\n", "\r\nCONNECT\r\n");
    desk.client("AT\rAT\r", "");
    let said = "\r\nNO CARRIER\r\n\r\nOK\r\n";
    desk.modem_says(said, said);
    assert_eq!(desk.dtr, [false]);
}

#[test]
fn without_dcd_words_of_the_far_side_do_no_harm_to_who_sends_no_commands() {
    let mut desk = Desk::new();
    desk.wires.carrier = None;
    desk.client("ATE0DT030123\r", "ATE0DT030123\r");
    desk.modem_says("\r\nCONNECT\r\n", "\r\nCONNECT\r\n");
    desk.client("hello", "");
    desk.modem_says("\r\nNO CARRIER\r\n", "\r\nNO CARRIER\r\n");
    desk.modem_says("is what they say\r\n", "is what they say\r\n");
    desk.wait(5000);
    assert!(desk.dtr.is_empty());
}

#[test]
fn another_process_knows_no_more_than_that_a_command_may_be_under_way() {
    let mut desk = Desk::in_a_call();
    desk.client("ATDT0900", "");
    let memo = desk.guard.memo();
    desk.guard = Guard::resume(rules(), memo, desk.now, &desk.wires);
    desk.wires.unsent = 8;
    desk.modem_gets("ATDT0900");
    desk.client("\r", "");
    desk.wait(500);
    desk.client("\r", "");
    desk.modem_gets("");
    desk.wires.unsent = 0;
    desk.wait(100);
    desk.client("\r", "");
    desk.modem_gets("\r");
}

/// A modem that cannot switch its escape off.
fn with_an_escape() -> Rules {
    Rules {
        guard_time: Some(Duration::from_secs(1)),
        ..rules()
    }
}

#[test]
fn an_escape_does_not_come_about_by_holding_up_what_follows_it() {
    let mut desk = Desk::in_a_call_with(with_an_escape());
    desk.client("AT", "");
    desk.wait(2000);
    desk.client("+++\r", "");
    desk.modem_gets("AT++");
}

#[test]
fn there_is_no_silence_between_escape_characters_while_the_modem_takes_nothing() {
    let mut desk = Desk::in_a_call_with(with_an_escape());
    // It is no escape of the client's own so soon.
    desk.guard.view.registers.set(12, 255).unwrap();
    desk.wait(2000);
    desk.client("+++", "");
    desk.modem_gets("++");
    desk.wires.unsent = 2;
    desk.wait(3000);
    desk.client("+", "");
    desk.modem_gets("");
    desk.wires.unsent = 0;
    desk.wait(500);
    desk.client("+", "");
    desk.modem_gets("");
    desk.wait(1000);
    desk.client("+", "");
    desk.modem_gets("+");
}

#[test]
fn what_was_held_up_and_thrown_away_is_no_part_of_what_is_typed_next() {
    let mut desk = Desk::in_a_call();
    desk.client("ATDT0900\r", "");
    desk.wires.unsent = 8;
    desk.wait(2000);
    desk.client("\r+++", "");
    desk.guard.forget_held();
    desk.wait(2000);
    desk.client_reads("\r\nOK\r\n");
    desk.client("ATE1\r", "\r\nOK\r\n");
}

#[test]
fn a_command_that_was_under_way_to_change_how_calls_go_is_not_forgotten() {
    let mut desk = Desk::new();
    desk.client("AT+FCLASS=1\r", "AT+FCLASS=1\r");
    let memo = desk.guard.memo();
    desk.guard = Guard::resume(rules(), memo, desk.now, &desk.wires);
    assert!(matches!(desk.guard.state, State::Parting(_)));
}

#[test]
fn without_dcd_what_an_idle_modem_says_by_itself_is_no_sign_of_a_call() {
    for said in [
        "\r\n+CREG: 1\r\n",
        "\r\n+CRING: VOICE\r\n",
        "\r\nNMBR = 0900\r\n",
    ] {
        let mut desk = Desk::new();
        desk.wires.carrier = None;
        desk.client("ATE0DT030123\r", "ATE0DT030123\r");
        desk.modem_says("\r\nCONNECT\r\n", "\r\nCONNECT\r\n");
        desk.modem_says("\r\nNO CARRIER\r\n", "\r\nNO CARRIER\r\n");
        desk.modem_says(&said[..1], &said[..1]);
        desk.modem_says(&said[1..], &said[1..]);
        desk.wait(1500);
        assert_eq!(desk.dtr.first(), Some(&false), "{said}");
    }
}

#[test]
fn dtr_is_only_switched_by_the_guard() {
    let mut desk = Desk::new();
    desk.guard.dtr(true, desk.now);
    desk.take();
    assert_eq!(desk.dtr, [true]);
}
