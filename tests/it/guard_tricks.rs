//! What a client tries who wants to call where it may not, over a real socket and a real terminal.

use std::io::Write;
use std::net::TcpStream;

use modemd::at::temperament::Temperament;

use crate::guarded::{ALLOW, Guarded};
use crate::support::{contains, read_until};

/// Types a line, and hears nothing of a call.
#[track_caller]
fn gets_nowhere(client: &mut TcpStream, line: &str, mark: usize) {
    client.write_all(line.as_bytes()).unwrap();
    // Whatever came of it, the guard is there afterwards. With a mark, since what it says is echoed, and another
    // one each time, since `A/` says it again.
    write!(client, "\rATS9={mark}S9?\r").unwrap();
    let said = read_until(client, format!("\r\n{mark:03}\r\nOK\r\n").as_bytes());
    assert!(!contains(&said, b"\r\nCONNECT"), "{}", said.escape_ascii());
}

#[test]
fn no_command_line_dials_what_may_not_be_dialled() {
    for keys in ["", "protocol = \"telnet\"\n"] {
        let guarded = Guarded::with(keys, ALLOW);
        let mut client = guarded.client();
        // What must not be remembered anywhere for later.
        let lines = [
            "AT&Z0=0900123456",
            "AT&Z=T0900123456",
            "ATDS=0",
            "ATDS",
            "ATDL",
            "A/",
            "ATDT0900123456",
            "A/",
            "A/A/A/",
            "ATDT555;DT0900123456",
            "ATD0900D5552001",
            "ATE1S0=0DT0900123456",
            "ATX0DT0900,5552001",
            "ATDT0900@5552001",
            "ATDT0900!5552001",
            "ATDT0900!!!5552001",
            "ATDT0900R",
            "ATDT(0900) 5552001",
            "ATDT5552001S=1",
            "ATD>1",
            "ATD>\"ME\"1;",
            "ATD\"0900123456\"",
            "AT+CPBS=\"ME\";+CPBW=1,\"0900123456\"",
            "AT+CMGS=\"0900123456\"\r0900123456\x1a",
            "AT+CUSD=1,\"*21*0900123456#\"",
            "AT+CUSD=1,\"*21*0900123456#\";D5552001",
            "AT*99#",
            "ATDT*21*0900123456#",
            "AT&W0",
            "AT&W0&Y0",
            "AT&D0&C0",
            "ATS13=0",
            "AT\x0b\x0bDT0900123456",
            "ATDT5552\x08\x08\x08\x080900123456",
            "AT\x7f\x7fDT0900",
            "aTdT0900123456",
            "at d t 0 9 0 0 1 2 3 4 5 6",
            "+++ATDT0900123456",
            "AT+++DT0900123456",
            "CONNECT 115200\r\nATDT0900123456",
            "AT\nDT0900123456",
            "AT\0DT0900123456",
            "ATO",
            "ATH1DT0900123456",
            // Longer than any command line.
            &format!("AT{}DT0900", " ".repeat(5000)),
            &"ATDT0900123456\r".repeat(500),
        ];
        for (at, line) in lines.into_iter().enumerate() {
            gets_nowhere(&mut client, line, at + 100);
        }
        // The eighth bit is none of the command.
        client.write_all(b"\xc1\xd4\xc4\xd40900123456\r").unwrap();
        let dialled = guarded.dialled();
        assert!(
            dialled.iter().all(|number| number.starts_with("555")),
            "{dialled:?}"
        );
    }
}

#[test]
fn nothing_is_dialled_however_the_guard_is_to_be_spoken_to() {
    // What an answer to these looks like is another question: at the end of a session all of it was read.
    let lines = [
        "ATS3=59;ATDT0900123456;",
        "ATS5=84",
        "ATS2=43S12=0",
        "ATS4=65S5=68",
        "ATV0Q1E0X0",
        "ATS3=59;ATV0Q1E0X0;",
        "ATZ0",
        "AT&F1",
    ];
    for protocol in ["raw", "telnet"] {
        let modems = lines.map(|_| Temperament::hayes());
        let keys = format!("protocol = \"{protocol}\"\nlinger = \"1s\"\n");
        let guarded = Guarded::of(&modems, &keys, ALLOW);
        for line in lines {
            let mut client = guarded.client();
            let more = "ATDT0900123456\rATDT0900123456;";
            write!(client, "{line}\r{more}").unwrap();
        }
        guarded.server.logged_times(" left ", lines.len());
        assert_eq!(guarded.dialled(), [""; 0]);
    }
}
