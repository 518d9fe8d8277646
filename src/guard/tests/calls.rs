//! Calls, from dialling to hanging up.

use super::*;

#[test]
fn an_allowed_number_is_dialled_in_a_form_that_no_modem_misreads() {
    let mut desk = Desk::new();
    desk.client("atdt (030) 1-23\r", "atdt (030) 1-23\r");
    desk.modem_gets("ATDT030123\r");
    assert_eq!(desk.events, [CallEvent::Dialled("030123".into())]);
    desk.wires.carrier = Some(true);
    desk.modem_says("\r\nCONNECT 33600\r\nhello", "\r\nCONNECT 33600\r\nhello");
    desk.client("+++ATDT0900", "");
    desk.modem_gets("+++ATDT0900");
}

#[test]
fn a_number_that_is_not_allowed_never_reaches_the_modem() {
    for (refusal, answer) in [
        (Refusal::NoCarrier, "NO CARRIER"),
        (Refusal::Error, "ERROR"),
    ] {
        let mut desk = Desk::with(Rules { refusal, ..rules() });
        desk.client(
            "ATE0DT0900123\r",
            &format!("ATE0DT0900123\r\r\n{answer}\r\n"),
        );
        desk.client("ATD0800;\r", &format!("\r\n{answer}\r\n"));
        desk.client("ATDS=0\r", &format!("\r\n{answer}\r\n"));
        desk.modem_gets("");
    }
}

#[test]
fn the_escape_takes_the_client_to_its_command_state_and_the_modem_notices_nothing() {
    let mut desk = Desk::in_a_call();
    desk.wait(1100);
    desk.client("+++", "");
    desk.modem_gets("+++");
    desk.wait(900);
    desk.client_reads("");
    desk.wait(200);
    desk.client_reads("\r\nOK\r\n");
    desk.client("ATS7?\r", "\r\nERROR\r\n");
    desk.client("ATDT0301\r", "\r\nERROR\r\n");
    desk.client("ATO\r", "\r\nCONNECT\r\n");
    desk.client("data", "");
    desk.modem_gets("data");
}

#[test]
fn after_the_escape_a_call_is_hung_up() {
    let mut desk = Desk::in_a_call();
    desk.wait(1100);
    desk.client("+++", "");
    desk.wait(1100);
    desk.client_reads("\r\nOK\r\n");
    desk.modem_gets("+++");
    desk.client("ATH\r", "");
    desk.modem_is_set_up();
    assert_eq!(desk.dtr, [false, true]);
    desk.client_reads("\r\nOK\r\n");
    assert_eq!(desk.events.last(), Some(&CallEvent::Ended(CallEnd::HungUp)));
}

#[test]
fn three_escape_characters_in_a_file_are_data() {
    let mut desk = Desk::in_a_call();
    desk.wait(1100);
    desk.client("+++ATH\r", "");
    desk.wait(2000);
    desk.client_reads("");
    desk.modem_gets("+++ATH\r");
}

#[test]
fn any_character_gives_up_dialling() {
    let mut desk = Desk::new();
    desk.client("ATE0DT030123\r\n", "ATE0DT030123\r");
    desk.modem_gets("ATDT030123\r");
    desk.wait(1000);
    desk.client("x", "");
    desk.modem_gets("\r");
    desk.modem_says("\r\nNO CARRIER\r\n", "\r\nNO CARRIER\r\n");
}

#[test]
fn a_call_ends_when_it_has_lasted_as_long_as_it_may() {
    let mut desk = Desk::in_a_call();
    desk.wait(599_000);
    desk.client_reads("");
    desk.wait(2000);
    desk.client_reads("\r\nNO CARRIER\r\n");
    assert_eq!(
        desk.events.last(),
        Some(&CallEvent::Ended(CallEnd::TimeLimit))
    );
    desk.modem_is_set_up();
    desk.client("AT\r", "\r\nOK\r\n");
}

#[test]
fn a_call_that_comes_in_is_told_and_answered() {
    let mut desk = Desk::new();
    desk.modem_says("\r\nRING\r\n", "\r\nRING\r\n");
    desk.modem_says("\r\nNMBR = 030555\r\n", "\r\nNMBR = 030555\r\n");
    desk.client("ATE0A\r", "ATE0A\r");
    desk.modem_gets("ATA\r");
    desk.wires.carrier = Some(true);
    desk.modem_says("\r\nCONNECT 9600\r\n", "\r\nCONNECT 9600\r\n");
    desk.client("hello", "");
    desk.modem_gets("hello");
    assert_eq!(desk.events[1], CallEvent::Caller("030555".into()));
}

#[test]
fn the_modem_answers_by_itself_if_the_client_wants_it() {
    let mut desk = Desk::new();
    desk.client("ATE0\r", "ATE0\r\r\nOK\r\n");
    desk.done_by_the_modem("ATS0=1\r", "ATS0=1\r");
    desk.modem_says("\r\nRING\r\n", "\r\nRING\r\n");
    desk.wires.carrier = Some(true);
    desk.modem_says("\r\nCONNECT 9600\r\nhello", "\r\nCONNECT 9600\r\nhello");
}

#[test]
fn a_connection_that_nobody_wanted_is_hung_up() {
    let mut desk = Desk::new();
    desk.modem_says("\r\nCONNECT 9600\r\n", "");
    assert_eq!(desk.dtr, [false]);
}

#[test]
fn dtr_of_the_client_ends_the_call() {
    let mut desk = Desk::in_a_call();
    desk.guard.dtr(false, desk.now);
    desk.take();
    desk.client_reads("\r\nNO CARRIER\r\n");
    desk.guard.dtr(true, desk.now);
    desk.modem_is_set_up();
    desk.client("AT\r", "\r\nOK\r\n");
}

#[test]
fn a_modem_that_does_not_answer_any_more_is_lost() {
    let mut desk = Desk::in_a_call();
    desk.wires.carrier = Some(false);
    desk.wait(2000);
    desk.client_reads("\r\nNO CARRIER\r\n");
    assert_eq!(desk.guard.is_lost(), None);
    desk.wait(60_000);
    assert_eq!(desk.guard.is_lost(), Some("no answer to `ATE0Q0V1`"));
}

#[test]
fn a_fax_goes_piece_by_piece() {
    let mut desk = Desk::new();
    desk.client("ATE0\r", "ATE0\r\r\nOK\r\n");
    desk.done_by_the_modem("AT+FCLASS=1\r", "AT+FCLASS=1\r");
    desk.client("ATDT030123\r", "");
    desk.modem_gets("ATDT030123\r");
    desk.modem_says("\r\nCONNECT\r\n", "\r\nCONNECT\r\n");
    // The first frame of the other one.
    desk.modem_says("\x7f\x10\x03\r\nOK\r\n", "\x7f\x10\x03\r\nOK\r\n");
    desk.client("AT+FTH=3\r", "");
    desk.modem_gets("AT+FTH=3\r");
    desk.modem_says("\r\nCONNECT\r\n", "\r\nCONNECT\r\n");
    desk.client("frame\x10\x03", "");
    desk.modem_gets("frame\x10\x03");
    desk.modem_says("\r\nOK\r\n", "\r\nOK\r\n");
    desk.client("AT+FRM=96\r", "");
    desk.modem_gets("AT+FRM=96\r");
    desk.modem_says("\r\nCONNECT\r\npage\x10\x03", "\r\nCONNECT\r\npage\x10\x03");
    desk.modem_says("\r\nNO CARRIER\r\n", "\r\nNO CARRIER\r\n");
    desk.client("ATDT0800\r", "\r\nERROR\r\n");
    desk.done_by_the_modem("ATH\r", "ATH0\r");
}

#[test]
fn a_fax_call_is_not_answered_to_begin_its_time_anew() {
    let mut desk = Desk::new();
    desk.guard.in_fax_call = true;
    desk.client("ATE0A\r", "ATE0A\r\r\nERROR\r\n");
    desk.modem_gets("");
}

#[test]
fn minutes_of_other_calls_at_the_same_time_count() {
    let mut rules = rules();
    rules.dial.minutes_per_day = Some(5);
    let mut desk = Desk::in_a_call_with(rules);
    desk.wires.talked = Duration::from_secs(4 * 60);
    desk.guard.count_minutes(desk.now, &desk.wires);
    desk.wait(59_000);
    desk.client_reads("");
    desk.wait(1000);
    desk.client_reads("\r\nNO CARRIER\r\n");
    assert_eq!(
        desk.events.last(),
        Some(&CallEvent::Ended(CallEnd::TimeLimit))
    );
}
