//! What a client tries who wants to call where it may not, over a real socket and a real terminal.

use std::io::Write;
use std::net::TcpStream;

use crate::guarded::{ALLOW, Guarded};
use crate::support::{contains, read_until};

/// Types a line, and hears nothing of a call.
#[track_caller]
fn gets_nowhere(client: &mut TcpStream, line: &str) {
    client.write_all(line.as_bytes()).unwrap();
    // Whatever came of it, the guard is there afterwards. With a mark, since what it says is echoed.
    client.write_all(b"\rATS9=6S9?\r").unwrap();
    let said = read_until(client, b"006\r\n");
    assert!(!contains(&said, b"\r\nCONNECT"), "{}", said.escape_ascii());
}

#[test]
fn no_command_line_dials_what_may_not_be_dialled() {
    for keys in ["", "protocol = \"telnet\"\n"] {
        let guarded = Guarded::with(keys, ALLOW);
        let mut client = guarded.client();
        // What must not be remembered anywhere for later.
        for line in [
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
        ] {
            gets_nowhere(&mut client, line);
        }
        // The eighth bit is none of the command.
        client.write_all(b"\xc1\xd4\xc4\xd40900123456\r").unwrap();
        // Longer than any command line.
        gets_nowhere(&mut client, &format!("AT{}DT0900", " ".repeat(5000)));
        gets_nowhere(&mut client, &"ATDT0900123456\r".repeat(500));
        // The registers that say how to be spoken to.
        for line in [
            "ATS3=59;ATDT0900123456;",
            "ATS5=84",
            "ATS2=43S12=0",
            "ATS4=65S5=68",
            "ATV0Q1E0X0",
            "ATS3=13S5=8S4=10E1Q0V1",
            "ATZ0",
            "AT&F1",
        ] {
            client.write_all(format!("{line}\r").as_bytes()).unwrap();
            client.write_all(b"ATDT0900123456\r").unwrap();
            client.write_all(b"ATDT0900123456;").unwrap();
        }
        client.write_all(b";ATS3=13S5=8S4=10E1Q0V1;\r").unwrap();
        gets_nowhere(&mut client, "ATZ");
        let dialled = guarded.dialled();
        assert!(
            dialled.iter().all(|number| number.starts_with("555")),
            "{dialled:?}"
        );
    }
}
