//! Files and bulk through guarded calls: every octet arrives, and nothing in it is taken for a command.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::scope;

use modemd::at::temperament::Temperament;

use crate::exchange::both_ends_succeed;
use crate::guarded::{ALLOW, Guarded};
use crate::support::{Client, bounded, have, random, read_exactly, wait_until};

/// What a modem in command state would make calls of, and what takes others there, between octets of all kinds.
fn troublesome(length: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        octets.extend(b"+++ATDT0900\r");
        octets.extend(0..=u8::MAX);
        octets.extend(b"+++\rATH\rAT&C0S3=88\r\nNO CARRIER\r\nA/at+cusd=1,\"*100#\"\r");
        octets.extend(random(700));
    }
    octets.truncate(length);
    octets
}

/// Without what the far side must not say on a line that has no DCD.
fn harmless_to_hear(length: usize) -> Vec<u8> {
    let mut octets = random(length);
    for place in (0..length.saturating_sub(20)).step_by(900) {
        octets[place..place + 12].copy_from_slice(b"+++ATDT0900\r");
    }
    octets
}

fn both_ways(guarded: &Guarded, there: &[u8], back: &[u8]) {
    let (client, far) = guarded.call();
    let (client, far) = (&client, &far);
    let say = |mut to: &TcpStream, octets: &[u8]| to.write_all(octets).unwrap();
    scope(|scope| {
        scope.spawn(move || say(client, there));
        scope.spawn(move || say(far, back));
        scope.spawn(move || read_exactly(client, back));
        read_exactly(far, there);
    });
    assert_eq!(guarded.dialled(), [guarded.bank.far_number.as_str()]);
}

#[test]
fn all_octets_go_both_ways_at_once() {
    const BULK: usize = 8 << 20;
    both_ways(&Guarded::new(), &random(BULK), &random(BULK));
}

#[test]
fn commands_and_escapes_in_bulk_go_through_and_dial_nothing() {
    const BULK: usize = 256 << 10;
    for modem in [Temperament::hayes(), Temperament::escapes_at_once()] {
        let guarded = Guarded::of(&[modem], "", ALLOW);
        both_ways(&guarded, &troublesome(BULK), &harmless_to_hear(BULK));
    }
    let guarded = Guarded::of(
        &[Temperament::gsm()],
        "[ports.modem.modem]\nguard_time = \"1s\"\n",
        ALLOW,
    );
    both_ways(&guarded, &troublesome(BULK), &harmless_to_hear(BULK));
}

/// A program with one of the ports as its terminal.
fn on(guarded: &Guarded, port: &str, name: &str, script: &str, into: &Path) -> Client {
    let script = guarded.scratch.file(name, script);
    let child = bounded("socat")
        .arg(format!("TCP:{}", guarded.server.address_of(port)))
        .arg(format!("EXEC:sh {},pty,raw,echo=0", script.display()))
        .current_dir(into)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Client(child)
}

/// A call in which one end sends a file to the other by ZMODEM.
#[track_caller]
fn zmodem_carries_a_file(caller_sends: bool) {
    if !have(&["sz", "rz", "chat", "socat"]) {
        return;
    }
    let guarded = Guarded::new();
    let into = guarded.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let file: PathBuf = guarded.scratch.file("sent.bin", troublesome(300_000));
    let send = format!("sz --binary --quiet {}; echo $? > sender\n", file.display());
    let receive = "rz --binary --quiet; echo $? > receiver\n".to_owned();
    let [at_far, at_client] = if caller_sends {
        [receive, send]
    } else {
        [send, receive]
    };
    let answers = format!(
        "chat -s -t 60 '' ATE0S0=1 OK '' && : > ready; chat -s -t 60 CONNECT '' && {at_far}"
    );
    let _far = on(&guarded, "far", "answers", &answers, &into);
    wait_until("the called modem", || into.join("ready").exists());
    let number = &guarded.bank.far_number;
    let calls = format!("chat -s -t 60 '' ATZ OK ATDT{number} CONNECT '' && {at_client}");
    let _client = on(&guarded, "modem", "calls", &calls, &into);
    both_ends_succeed(&into);
    assert!(fs::read(&file).unwrap() == fs::read(into.join("sent.bin")).unwrap());
    assert_eq!(guarded.dialled(), [number.as_str()]);
}

#[test]
fn zmodem_carries_a_file_of_commands_to_the_far_side() {
    zmodem_carries_a_file(true);
}

#[test]
fn zmodem_carries_a_file_of_commands_to_the_client() {
    zmodem_carries_a_file(false);
}
