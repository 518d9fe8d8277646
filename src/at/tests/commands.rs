//! One modem and its terminal.

use super::*;

const OK: &str = "\r\nOK\r\n";
const ERROR: &str = "\r\nERROR\r\n";

#[test]
fn the_howto_transcript_comes_out_as_printed() {
    let mut desk = Desk::new();
    desk.send(A, "atz\r\n");
    desk.send(A, "ati1\r\n");
    desk.expect(A, "atz\r\r\nOK\r\n\nati1\r\r\nLinux ISDN\r\nOK\r\n\n");
}

#[test]
fn what_real_programs_send_first_is_taken() {
    let mut desk = Desk::new();
    for line in [
        "AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0", // minicom's default
        "ATQ0V1",                           // C-Kermit
        "ATZ",
        "AT&F&C1&D2",
        "ATM1L2",
        "AT&K3&Q5",
        "AT&F1".trim_end_matches('1'),
        "ATS0=0S10=20S11=55",
        "AT\\N3%C1",
        "ATE1V1Q0X4",
    ] {
        desk.dialogue(A, line, OK);
    }
}

#[test]
fn echo_is_turned_off_and_on() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATE0", OK);
    desk.send(A, "AT\r");
    desk.expect(A, OK);
    desk.send(A, "ATE1\r");
    desk.expect(A, OK);
    desk.dialogue(A, "AT", OK);
}

#[test]
fn numeric_and_quiet_results_follow_v_and_q() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATV0", "0\r");
    desk.dialogue(A, "ATI1", "Linux ISDN\r\n0\r");
    desk.dialogue(A, "AT%Q", "4\r");
    desk.dialogue(A, "ATQ1", "");
    desk.dialogue(A, "ATI1", "Linux ISDN\r\n");
    desk.dialogue(A, "ATV1I1", "\r\nLinux ISDN\r\n");
    desk.dialogue(A, "ATQ0", OK);
}

#[test]
fn commands_before_an_error_are_carried_out_and_none_after() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATS7=33FOOS7=44", ERROR);
    desk.dialogue(A, "ATS7?", "\r\n033\r\nOK\r\n");
}

#[test]
fn values_out_of_range_and_unknown_commands_are_errors() {
    let mut desk = Desk::new();
    for line in [
        "ATE2", "ATQ9", "ATV2", "ATX5", "ATL4", "ATM4", "AT&D4", "AT&C2", "AT&K7", "ATZ1", "AT&F1",
        "AT&W1", "AT&V1", "ATI5", "ATH2", "ATA1", "ATO9", "ATS99=1", "ATS99?", "ATS7=0", "AT+FOO",
        "ATJ", "AT%X", "ATE256", "AT7",
    ] {
        desk.dialogue(A, line, ERROR);
    }
}

#[test]
fn registers_are_read_and_written_selected_or_not() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATS7=45S0?S7?", "\r\n000\r\n045\r\nOK\r\n");
    desk.dialogue(A, "ATS8", OK);
    desk.dialogue(A, "AT=5?", "\r\n005\r\nOK\r\n");
}

#[test]
fn line_characters_change_with_s3_s4_and_s5() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0S3=33S4=36S5=60\r");
    desk.expect(A, "ATE0S3=33S4=36S5=60\r!$OK!$");
    desk.send(A, "ATI9<1!");
    desk.expect(A, "!$Linux ISDN!$OK!$");
}

#[test]
fn a_profile_is_stored_recalled_and_set_back() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATS7=11X1&W", OK);
    desk.dialogue(A, "AT&F", OK);
    desk.dialogue(A, "ATS7?", "\r\n050\r\nOK\r\n");
    desk.dialogue(A, "ATZ", OK);
    desk.send(A, "AT&V\r");
    let view = String::from_utf8(desk.read(A)).unwrap();
    assert!(view.contains(" X1 ") && view.contains(" S7=11 "), "{view}");
    assert!(view.ends_with(OK), "{view}");
}

#[test]
fn a_slash_repeats_without_a_return() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATI1", "\r\nLinux ISDN\r\nOK\r\n");
    desk.send(A, "A/");
    desk.expect(A, "A/\r\nLinux ISDN\r\nOK\r\n");
}

#[test]
fn a_line_too_long_is_an_error() {
    let mut desk = Desk::new();
    let line = format!("AT{}", "E1".repeat(200));
    desk.dialogue(A, &line, ERROR);
    desk.dialogue(A, "AT", OK);
}

#[test]
fn each_modem_tells_its_number_and_version() {
    let mut desk = Desk::new();
    desk.dialogue(B, "ATI4", "\r\ntelephone number 5551002\r\nOK\r\n");
    desk.dialogue(B, "ATI", "\r\nmodemd\r\nOK\r\n");
    desk.dialogue(B, "ATI2", OK);
    desk.send(B, "ATI3\r");
    let told = String::from_utf8(desk.read(B)).unwrap();
    assert!(told.contains(env!("CARGO_PKG_VERSION")), "{told}");
}

#[test]
fn going_online_without_a_call_is_no_carrier() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATO", "\r\nNO CARRIER\r\n");
}

#[test]
fn a_terminal_that_comes_back_begins_a_new_line() {
    let mut desk = Desk::new();
    desk.send(A, "ATS7=");
    desk.hang_up_terminal(A);
    desk.dialogue(A, "AT", OK);
}

#[test]
fn a_terminal_that_reads_nothing_is_not_read_either() {
    let mut desk = Desk::new();
    desk.send(A, "ATI1\r");
    let repeats = b"A/".repeat(10_000);
    let taken = desk.give(A, &repeats);
    assert!(taken < repeats.len());
    assert_eq!(desk.give(A, &repeats[taken..]), 0);
    let waiting = desk.read(A).len();
    assert!(waiting < 2 * crate::at::modem::CAPACITY, "{waiting}");
    assert!(desk.give(A, &repeats[taken..]) > 0);
}
