//! Records of calls on a port without a guard, in the real journal.

use std::io::Write;
use std::path::Path;

use ::modemd::journal::CALL;

use crate::exchange::emulated_modems;
use crate::journald::Journal;
use crate::support::{Scratch, connect, port, read_until, standalone_command};

#[test]
fn calls_are_in_the_journal_at_both_ends() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let scratch = Scratch::new();
    let (devices, numbers) = emulated_modems(2);
    let paths: Vec<&Path> = devices.iter().map(|device| &**device).collect();
    let ports = port(&paths, "[ports.modem.modem]\ninit = [\"ATZ\"]");
    let _server = journal.service(&standalone_command(&scratch, &ports));
    let listens = journal.entry("modem: listening on ");
    let (_, address) = listens["MESSAGE"].rsplit_once(' ').unwrap();
    let connect = || connect(address.parse().unwrap());

    // The first line in the list is taken first.
    let mut caller = connect();
    caller.write_all(b"ATE0\r").unwrap();
    read_until(&mut caller, b"OK\r\n");
    let mut other = connect();
    other.write_all(b"ATE0\r").unwrap();
    read_until(&mut other, b"OK\r\n");
    let name = |client: &std::net::TcpStream| client.local_addr().unwrap().to_string();
    let (from, answering) = (name(&caller), name(&other));
    let lines = [0, 1].map(|line: usize| devices[line].display().to_string());

    let dial = format!("ATDT{}\r", numbers[1]);
    caller.write_all(dial.as_bytes()).unwrap();
    read_until(&mut other, b"RING\r\n");
    read_until(&mut other, b"RING\r\n");
    other.write_all(b"ATA\r").unwrap();
    read_until(&mut caller, b"CONNECT 115200\r\n");
    read_until(&mut other, b"CONNECT 115200\r\n");
    caller.write_all(b"hello").unwrap();
    read_until(&mut other, b"hello");
    other.write_all(b"hello yourself").unwrap();
    read_until(&mut caller, b"hello yourself");
    drop(other);
    read_until(&mut caller, b"\r\nNO CARRIER\r\n");
    // The next call on the same line, which nobody answers.
    caller.write_all(b"ATDT5552004\r").unwrap();
    read_until(&mut caller, b"\r\nBUSY\r\n");

    let has = |text: &str, expected: &[(&str, &str)]| {
        let entry = journal.entry(text);
        for (name, value) in [("MESSAGE_ID", CALL), ("MODEMD_PORT", "modem")]
            .iter()
            .chain(expected)
        {
            let found = entry.get(*name).map(String::as_str);
            assert_eq!(found, Some(*value), "{name} in {entry:#?}");
        }
        entry
    };
    let outgoing = has(
        &format!("{from} called {} on {}: ", numbers[1], lines[0]),
        &[
            ("MODEMD_CLIENT", &from),
            ("MODEMD_LINE", &lines[0]),
            ("MODEMD_CALL", "outgoing"),
            ("MODEMD_NUMBER", &numbers[1]),
            ("MODEMD_RESULT", "CONNECT 115200"),
            ("MODEMD_RINGS", "0"),
            ("MODEMD_REASON", "carrier-lost"),
            ("MODEMD_BYTES_TO_LINE", "5"),
        ],
    );
    assert!(outgoing["MODEMD_DURATION_USEC"].parse::<u64>().unwrap() > 0);
    has(
        &format!("{answering} had a call on {}, 2 rings: ", lines[1]),
        &[
            ("MODEMD_CLIENT", &answering),
            ("MODEMD_LINE", &lines[1]),
            ("MODEMD_CALL", "incoming"),
            ("MODEMD_RESULT", "CONNECT 115200"),
            ("MODEMD_RINGS", "2"),
            ("MODEMD_REASON", "session-ended"),
            ("MODEMD_BYTES_TO_CLIENT", "5"),
        ],
    );
    has(
        &format!("{from} called 5552004 on {}: ", lines[0]),
        &[
            ("MODEMD_CALL", "outgoing"),
            ("MODEMD_RESULT", "BUSY"),
            ("MODEMD_REASON", "not-connected"),
            ("MODEMD_DURATION_USEC", "0"),
        ],
    );
}
