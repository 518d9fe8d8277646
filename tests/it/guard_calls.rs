//! Calls through a guarded port by hand: what is permitted works as on a modem of one's own.

use std::io::Write;

use crate::guarded::{ALLOW, ECHO, FORBIDDEN, Guarded, escape, goes_over, told};
use crate::support::{contains, read_all, read_until, reset};

#[test]
fn an_allowed_number_connects_and_both_ends_talk_and_hang_up() {
    for guarded in [Guarded::new(), Guarded::telnet()] {
        let (mut client, mut far) = guarded.call();
        goes_over(&mut client, &mut far, b"how do you do");
        goes_over(&mut far, &mut client, b"fine, and you?");
        escape(&mut client);
        told(&mut client, "ATX4S2?", "043\r\nOK\r\n");
        told(&mut client, "ATO", "CONNECT\r\n");
        goes_over(&mut client, &mut far, b"where were we?");
        escape(&mut client);
        told(&mut client, "ATH", "OK\r\n");
        read_until(&mut far, b"NO CARRIER\r\n");
        assert_eq!(guarded.dialled(), [guarded.bank.far_number.as_str()]);
        // And once more on the same line, with the other one hanging up.
        let number = &guarded.bank.far_number;
        told(&mut client, &format!("atdt {number}"), "CONNECT 115200\r\n");
        read_until(&mut far, b"CONNECT 115200\r\n");
        reset(far);
        read_until(&mut client, b"NO CARRIER\r\n");
        told(&mut client, "AT", "OK\r\n");
        reset(client);
        guarded.is_free_again();
    }
}

#[test]
fn a_forbidden_number_is_refused_in_the_words_of_the_operator_and_not_dialled() {
    for (refuse, answer) in [("", "NO CARRIER"), ("refuse = \"ERROR\"\n", "ERROR")] {
        for keys in ["", "protocol = \"telnet\"\n"] {
            let guarded = Guarded::with(keys, &format!("{ALLOW}{refuse}"));
            let mut client = guarded.client();
            for number in [
                FORBIDDEN, "05552001", "+5552001", "555 0900", "W0900", "112",
            ] {
                let answered = told(&mut client, &format!("ATDT{number}"), "\r\n");
                let answered = if answered.contains(answer) {
                    answered
                } else {
                    let more = read_until(&mut client, format!("{answer}\r\n").as_bytes());
                    String::from_utf8_lossy(&more).into_owned()
                };
                assert!(!answered.contains("CONNECT"), "{number}: {answered}");
            }
            assert_eq!(guarded.dialled(), [""; 0]);
            told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
            client.write_all(b"still there?").unwrap();
            read_until(&mut client, b"still there?");
            assert_eq!(guarded.dialled(), [ECHO]);
        }
    }
}

#[test]
fn what_becomes_of_a_call_is_told_as_the_modem_tells_it() {
    let guarded = Guarded::new();
    let mut client = guarded.client();
    told(&mut client, "ATDT5552004", "BUSY\r\n");
    let said = told(&mut client, "ATDT5552003", "NO CARRIER\r\n");
    assert!(
        said.contains("Welcome to modemd's telephone exchange."),
        "{said}"
    );
    told(&mut client, "ATS7=2DT5552005", "NO ANSWER\r\n");
    // Numbers instead of words, and nothing at all.
    told(&mut client, "ATV0E0DT5552004", "7\r");
    client.write_all(b"ATQ1\rATNONSENSE\r").unwrap();
    let said = told(&mut client, "ATQ0V1", "OK\r\n");
    assert_eq!(said, "\r\nOK\r\n");
    assert_eq!(
        guarded.dialled(),
        ["5552004", "5552003", "5552005", "5552004"]
    );
    drop(client.shutdown(std::net::Shutdown::Write));
    assert!(!contains(&read_all(&mut client), b"ERROR"));
}
