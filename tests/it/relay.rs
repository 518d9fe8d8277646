//! Bytes both ways, and the end of a session.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::support::{Modem, Scratch, locks_in, read_all, read_until, share};

#[test]
fn bytes_pass_both_ways_and_the_line_is_released_when_the_client_closes() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = server.connect();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    assert!(!locks_in(scratch.path()).is_empty());
    modem.say(b"\r\nOK\r\n");
    read_until(&mut client, b"OK\r\n");
    client.shutdown(Shutdown::Write).unwrap();
    modem.say(b"late\r\n");
    read_until(&mut client, b"late\r\n");
    // Somebody else wants the line: silence for a second is enough then.
    let mut next = server.connect();
    next.write_all(b"ATI\r").unwrap();
    modem.expect(b"ATI\r");
    assert!(read_all(&mut client).is_empty());
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(read_all(&mut next).is_empty());
    assert!(locks_in(scratch.path()).is_empty());
}

#[test]
fn a_second_client_of_one_line_is_told_busy() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut first = server.connect();
    first.write_all(b"A").unwrap();
    modem.expect(b"A");
    let mut second = server.connect();
    let mut said = String::new();
    second.read_to_string(&mut said).unwrap();
    assert_eq!(said, "\r\nBUSY\r\n");
}
