//! Modems, services and the exchange between them.

use super::*;

const OK: &str = "\r\nOK\r\n";
const CONNECT: &str = "\r\nCONNECT 115200\r\n";
const NO_CARRIER: &str = "\r\nNO CARRIER\r\n";

#[test]
fn a_call_rings_is_answered_carries_bytes_and_ends() {
    let mut desk = Desk::with_a_call();
    desk.send(A, "from a");
    desk.send(B, "from b");
    desk.expect(A, "from b");
    desk.expect(B, "from a");
    desk.wait(1000);
    desk.send(A, "+++");
    desk.wait(1000);
    desk.expect(A, OK);
    desk.send(A, "ATH\r");
    desk.expect(A, OK);
    desk.expect(B, &format!("+++{NO_CARRIER}"));
    desk.send(A, "ATDL\r");
    desk.expect(B, "\r\nRING\r\n");
}

#[test]
fn it_rings_every_six_seconds_until_the_caller_gives_up() {
    let mut desk = Desk::new();
    desk.send(A, "ATD5551002\r");
    desk.wait(12_000);
    desk.expect(B, &"\r\nRING\r\n".repeat(3));
    desk.dialogue(B, "ATS1?", "\r\n003\r\nOK\r\n");
    desk.send(A, "x");
    desk.expect(A, &format!("ATD5551002\r{NO_CARRIER}"));
    desk.wait(60_000);
    desk.expect(B, "");
    desk.dialogue(B, "ATS1?", "\r\n000\r\nOK\r\n");
    desk.send(B, "ATA\r");
    desk.wait(50_000);
    desk.expect(B, &format!("ATA\r{NO_CARRIER}"));
}

#[test]
fn s0_answers_at_its_ring() {
    let mut desk = Desk::new();
    desk.dialogue(B, "ATS0=2", OK);
    desk.send(A, "ATE0D5551002\r");
    desk.wait(5_999);
    desk.expect(B, "\r\nRING\r\n");
    desk.wait(1_000);
    desk.expect(B, &format!("\r\nRING\r\n{CONNECT}"));
    desk.expect(A, &format!("ATE0D5551002\r{CONNECT}"));
}

#[test]
fn without_a_terminal_only_d0_answers() {
    for (setting, answer) in [("&D2", "\r\nNO ANSWER\r\n"), ("&D0", CONNECT)] {
        let mut desk = Desk::new();
        desk.dialogue(B, &format!("ATS0=1{setting}"), OK);
        desk.hang_up_terminal(B);
        desk.send(A, "ATE0S7=20D5551002\r");
        desk.wait(20_000);
        desk.expect(A, &format!("ATE0S7=20D5551002\r{answer}"));
    }
}

#[test]
fn a_modem_off_the_hook_is_busy() {
    let mut desk = Desk::with_a_call();
    for number in ["5551001", "5551002", "5551003"] {
        desk.send(C, &format!("ATD{number}\r"));
        desk.wait(200);
        desk.expect(C, &format!("ATD{number}\r\r\nBUSY\r\n"));
    }
    let mut desk = Desk::new();
    desk.dialogue(B, "ATH1", OK);
    desk.send(A, "ATD5551002\r");
    desk.wait(200);
    desk.expect(A, "ATD5551002\r\r\nBUSY\r\n");
}

#[test]
fn x_decides_which_call_progress_is_told() {
    for (dialled, seconds, answer) in [
        ("ATX4D5552004", 1, "\r\nBUSY\r\n"),
        ("ATX2D5552004", 50, NO_CARRIER),
        ("ATX4D5552005", 50, "\r\nNO ANSWER\r\n"),
        ("ATX2D5552005", 50, NO_CARRIER),
        ("ATX2D5552005@", 55, "\r\nNO ANSWER\r\n"),
        ("ATX4D123", 50, NO_CARRIER),
        ("ATX4D55W52001", 50, "\r\nNO DIALTONE\r\n"),
        ("ATX4D0W5552001", 1, CONNECT),
        ("ATX1D5552001", 3, CONNECT),
        ("ATX0D5552001", 3, "\r\nCONNECT\r\n"),
    ] {
        let mut desk = Desk::new();
        desk.send(A, dialled);
        desk.send(A, "\r");
        desk.wait(seconds * 1000);
        desk.expect(A, &format!("{dialled}\r{answer}"));
    }
}

#[test]
fn s7_says_how_long_to_wait_for_carrier() {
    let mut desk = Desk::new();
    desk.send(A, "ATS7=5DP5552005\r");
    desk.wait(4_999);
    desk.expect(A, "ATS7=5DP5552005\r");
    desk.wait(1);
    desk.expect(A, "\r\nNO ANSWER\r\n");
}

#[test]
fn a_comma_in_the_number_pauses_dialling() {
    let mut desk = Desk::new();
    desk.send(A, "ATS8=3D9,,5551002\r");
    desk.wait(5_999);
    desk.expect(B, "");
    desk.wait(1);
    desk.expect(B, "\r\nRING\r\n");
}

#[test]
fn a_blind_modem_waits_before_it_dials() {
    let mut desk = Desk::new();
    desk.send(A, "ATX3S6=4D5551002\r");
    desk.wait(3_999);
    desk.expect(B, "");
    desk.wait(1);
    desk.expect(B, "\r\nRING\r\n");
}

#[test]
fn a_semicolon_leaves_the_rest_of_the_number_to_the_next_command() {
    let mut desk = Desk::new();
    desk.dialogue(A, "ATD555;", OK);
    desk.dialogue(A, "ATD10;E1", OK);
    desk.send(A, "ATD02\r");
    desk.expect(B, "\r\nRING\r\n");
}

#[test]
fn any_character_gives_up_dialling_but_not_a_line_feed_right_after_it() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0D5552005\r\n");
    desk.wait(124);
    desk.send(A, "\n");
    desk.expect(A, "ATE0D5552005\r");
    desk.wait(1);
    desk.send(A, "xATI1\r");
    desk.expect(A, "\r\nNO CARRIER\r\n\r\nLinux ISDN\r\nOK\r\n");
}

#[test]
fn lifting_the_receiver_while_it_rings_takes_the_call() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0D5551002\r");
    desk.send(B, "ATE0D5551003\r");
    desk.wait(200);
    desk.expect(B, &format!("\r\nRING\r\nATE0D5551003\r{CONNECT}"));
    desk.expect(C, "");
}

#[test]
fn both_may_call_each_other_at_once() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0D,5551002\r");
    desk.send(B, "ATE0D,5551001\r");
    desk.wait(5_000);
    desk.expect(A, "ATE0D,5551002\r\r\nBUSY\r\n");
    // A is free again, but B had its busy tone before that.
    desk.expect(B, "ATE0D,5551001\r\r\nBUSY\r\n");
}

#[test]
fn the_escape_needs_silence_before_and_after() {
    let mut desk = Desk::with_a_call();
    desk.send(A, "+++");
    desk.wait(1000);
    desk.expect(A, "");
    desk.send(A, "x");
    desk.wait(1000);
    desk.send(A, "+++");
    desk.wait(999);
    desk.send(A, "y");
    desk.wait(5000);
    desk.expect(A, "");
    desk.send(A, "++");
    desk.wait(100);
    desk.send(A, "+");
    desk.wait(999);
    desk.expect(A, "");
    desk.wait(1);
    desk.expect(A, OK);
    desk.expect(B, "+++x+++y+++");
}

#[test]
fn online_command_state_returns_with_o() {
    let mut desk = Desk::with_a_call();
    desk.wait(1000);
    desk.send(A, "+++");
    desk.wait(1000);
    desk.expect(A, OK);
    desk.send(B, "kept meanwhile");
    desk.send(A, "ATD5551003\r");
    desk.expect(A, "\r\nERROR\r\n");
    desk.send(A, "ATA\r");
    desk.expect(A, "\r\nERROR\r\n");
    desk.send(A, "ATO\r");
    desk.expect(A, &format!("{CONNECT}kept meanwhile"));
}

#[test]
fn in_online_command_state_the_end_of_the_call_is_told() {
    let mut desk = Desk::with_a_call();
    desk.wait(1000);
    desk.send(A, "+++");
    desk.wait(1000);
    desk.expect(A, OK);
    desk.hang_up_terminal(B);
    desk.expect(A, NO_CARRIER);
    desk.send(A, "ATO\r");
    desk.expect(A, NO_CARRIER);
}

#[test]
fn a_terminal_going_away_does_what_d_says() {
    for (setting, far, own) in [
        ("&D0", "", CONNECT),
        ("&D1", "", CONNECT),
        ("&D2", NO_CARRIER, NO_CARRIER),
        ("&D3", NO_CARRIER, NO_CARRIER),
    ] {
        let mut desk = Desk::new();
        desk.dialogue(A, &format!("ATX4{setting}S12=20"), OK);
        desk.send(A, "ATE0D5551002\r");
        desk.send(B, "ATE0A\r");
        desk.wait(1000);
        desk.read(A);
        desk.read(B);
        desk.hang_up_terminal(A);
        desk.expect(B, far);
        if setting == "&D0" {
            desk.send(A, "+++");
            desk.wait(400);
            desk.expect(A, OK);
        }
        desk.send(A, "ATE0O\r");
        let echo = if setting == "&D3" { "ATE0O\r" } else { "" };
        desk.expect(A, &format!("{echo}{own}"));
    }
}

#[test]
fn what_was_sent_before_hanging_up_still_arrives() {
    let mut desk = Desk::with_a_call();
    let data = vec![b'd'; 100_000];
    let taken = desk.give(A, &data);
    assert!(taken < data.len());
    desk.hang_up_terminal(A);
    let mut heard = desk.read(B);
    let told = heard.split_off(taken);
    assert_eq!(heard, data[..taken]);
    assert_eq!(told, NO_CARRIER.as_bytes());
    // And A's line is free at once.
    desk.send(C, "ATE0D5551001\r");
    desk.expect(A, "\r\nRING\r\n");
}

#[test]
fn the_echo_sends_everything_back_and_stops_one_who_does_not_read() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0D5552001\r");
    desk.wait(200);
    desk.expect(A, &format!("ATE0D5552001\r{CONNECT}"));
    let data: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let first = desk.give(A, &data);
    assert!(first < 64 * 1024, "{first} bytes taken unread");
    assert_eq!(desk.give(A, &data[first..]), 0);
    let (mut sent, mut heard) = (first, Vec::new());
    while heard.len() < data.len() {
        heard.extend(desk.read(A));
        sent += desk.give(A, &data[sent..]);
    }
    assert!(heard == data);
}

#[test]
fn time_and_greeting_are_said_and_the_call_ends() {
    let mut desk = Desk::new();
    desk.send(A, "ATE0D5552002\r");
    desk.wait(1_200);
    desk.expect(
        A,
        &format!("ATE0D5552002\r{CONNECT}1970-01-01 00:00:00 UTC\r\n{NO_CARRIER}"),
    );
    desk.send(A, "ATD5552003\r");
    desk.wait(200);
    let heard = String::from_utf8(desk.read(A)).unwrap();
    assert!(
        heard.contains("Welcome") && heard.ends_with(NO_CARRIER),
        "{heard}"
    );
}

#[test]
fn rings_nobody_reads_do_not_pile_up() {
    let mut desk = Desk::new();
    for _ in 0..2000 {
        desk.send(A, "ATD5551002\r");
        desk.wait(200);
        desk.send(A, "x");
        desk.read(A);
    }
    let waiting = desk.read(B).len();
    assert!(waiting <= crate::at::modem::CAPACITY + 8, "{waiting}");
}

#[test]
fn calls_that_are_over_leave_nothing_to_wait_for() {
    let mut desk = Desk::with_a_call();
    assert_eq!(desk.exchange.next_deadline(), None);
    desk.hang_up_terminal(A);
    desk.read(B);
    desk.send(A, "ATD5552004\r");
    assert!(desk.exchange.next_deadline().is_some());
    desk.wait(200);
    assert_eq!(desk.exchange.next_deadline(), None);
}
