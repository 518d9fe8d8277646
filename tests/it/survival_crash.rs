//! Crashes in the middle of a stream: what is lost is counted, and all else comes in order.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use nix::sys::signal::Signal::SIGKILL;

use crate::service::{LOST, MOVED_TO_CLIENT, MOVED_TO_LINE, Service, port};
use crate::support::{Modem, assert_talks, random, wait_until};
use crate::survival::plain;

const CRASHES: u64 = 5;

/// The most that one process may have in its hands (`TO_LINE` in `src/relay/turn.rs`).
const TURN: u64 = 16 * 1024;

/// Nobody sends so many of these.
const END: [u8; 3000] = [b'.'; 3000];

/// Reads until the end has come, which belongs to what comes.
fn read_to_mark(mut from: impl Read) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while !got.ends_with(&END) {
        let count = from.read(&mut buffer).unwrap();
        assert!(count > 0, "end of file");
        got.extend(&buffer[..count]);
    }
    got
}

/// How many octets of `sent` are missing in `got`, which is otherwise the same.
#[track_caller]
fn missing(sent: &[u8], got: &[u8]) -> u64 {
    const WINDOW: usize = 32;
    let (mut at, mut missing) = (0, 0);
    let mut rest = got;
    while !rest.is_empty() {
        let same = sent[at..].iter().zip(rest).take_while(|(a, b)| a == b);
        let same = same.count();
        (at, rest) = (at + same, &rest[same..]);
        if rest.is_empty() {
            break;
        }
        let sample = &rest[..WINDOW.min(rest.len())];
        let gap = sent[at..]
            .windows(sample.len())
            .position(|found| found == sample);
        let gap = gap.expect("what came was sent, in this order and once");
        (at, missing) = (at + gap, missing + gap);
    }
    (missing + sent.len() - at) as u64
}

/// Crashes the service while octets move, and checks what has come.
fn stream(protocol: &str, octets: Vec<u8>, to_line: bool) {
    let modem = Modem::new();
    let ports = port("modem", &[&modem], &format!("protocol = {protocol:?}"));
    let mut service = Service::new(&["modem"], &ports);
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    modem.set_blocking(true);
    let ledger = service.ledger(&service.keeps(1));
    let line = || modem.master().try_clone().unwrap();
    let socket = || client.try_clone().unwrap();
    let (from, into): (Either, Either) = if to_line {
        (Either::Line(line()), Either::Client(socket()))
    } else {
        (Either::Client(socket()), Either::Line(line()))
    };
    let mut sent = octets;
    let (mut writer, to_send) = (into.clone(), sent.clone());
    let reader = thread::spawn(move || read_to_mark(from));
    let sender = thread::spawn(move || writer.write_all(&to_send).unwrap());
    let moved = if to_line {
        MOVED_TO_LINE
    } else {
        MOVED_TO_CLIENT
    };
    for _ in 0..CRASHES {
        let before = ledger.number(moved);
        wait_until("the stream to move", || {
            ledger.number(moved) > before + 50_000
        });
        assert!(!sender.is_finished(), "the stream was too short");
        service.end(SIGKILL);
        service.begin();
    }
    sender.join().unwrap();
    // What was written last may have been the last in a process' hands.
    into.clone().write_all(&END).unwrap();
    sent.extend(END);
    let got = reader.join().unwrap();
    let (missing, lost) = (missing(&sent, &got), ledger.number(LOST));
    assert!(
        missing <= lost,
        "{missing} bytes are missing, {lost} were counted"
    );
    assert!(lost <= CRASHES * TURN, "{lost}");
    modem.set_blocking(false);
    assert_talks(&mut client, &modem);
}

/// One of the two ends of a stream, whichever it is.
enum Either {
    Client(TcpStream),
    Line(File),
}

impl Clone for Either {
    fn clone(&self) -> Self {
        match self {
            Either::Client(socket) => Either::Client(socket.try_clone().unwrap()),
            Either::Line(file) => Either::Line(file.try_clone().unwrap()),
        }
    }
}

impl Read for Either {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Either::Client(socket) => socket.read(buffer),
            Either::Line(file) => file.read(buffer),
        }
    }
}

impl Write for Either {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        match self {
            Either::Client(socket) => socket.write(octets),
            Either::Line(file) => file.write(octets),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const MUCH: usize = 48 << 20;

#[test]
fn of_a_stream_to_the_line_crashes_lose_no_more_than_is_counted() {
    stream("raw", random(MUCH), true);
    stream("telnet", plain(MUCH), true);
}

#[test]
fn of_a_stream_from_the_line_crashes_lose_no_more_than_is_counted() {
    stream("raw", random(MUCH), false);
    stream("telnet", plain(MUCH), false);
}
