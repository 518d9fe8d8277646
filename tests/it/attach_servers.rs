//! `modemctl attach` and servers of all kinds: busy, silent, slow, without telnet, not there.

use std::io::{ErrorKind, Read, Write};

use modemd::com_port::Message;
use nix::sys::termios::BaudRate as Speed;

use crate::attach::{expect, set_speed};
use crate::attached::Attached;
use crate::far_server::{FarClient, FarServer};

#[test]
fn a_server_without_a_line_is_told_of_and_called_again() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    program.write_all(b"ATZ\r").unwrap();
    let mut busy = server.accept();
    busy.write_all(b"\r\nBUSY\x1b\r\n").unwrap();
    attached.process.logged("the server says: BUSY");
    drop(busy);
    let lost = attached.process.logged("not connected:");
    assert!(
        lost.ends_with("not connected: the server says: BUSY; trying again"),
        "{lost}"
    );
    let mut line = server.serve();
    line.expect(b"ATZ\r");
}

#[test]
fn whoever_waits_for_a_line_no_longer_leaves_the_queue() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let program = attached.open();
    let mut waiting = FarClient::new(server.accept());
    waiting.write(b"1st in the queue\r\n");
    attached.process.logged("the server says: 1st in the queue");
    drop(program);
    waiting.expect_end();
}

#[test]
fn a_server_that_does_not_speak_telnet_is_told_of() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let _program = attached.open();
    let _client = server.accept();
    attached.process.logged("the server does not speak telnet");
}

#[test]
fn a_server_without_com_port_control_gives_its_line_as_it_is() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    set_speed(&program, Speed::B300);
    let mut line = FarClient::new(server.accept());
    // Who refuses says so in its own time.
    line.write(b"login: \xff\xfe\x2c");
    expect(&mut program, b"login: ");
    program.write_all(b"root\r").unwrap();
    line.expect(b"root\r");
    assert_eq!(line.messages, []);
    attached.process.logged("it takes no COM port commands");
    drop(program);
    line.expect_end();
}

#[test]
fn a_server_that_leaves_options_without_an_answer_is_not_waited_for_for_ever() {
    let (silent, half) = (FarServer::new(), FarServer::new());
    let devices = [&silent, &half].map(|server| Attached::to(server.address()));
    let mut programs = [&devices[0], &devices[1]].map(Attached::open);
    for program in &mut programs {
        program.write_all(b"ATZ\r").unwrap();
    }
    let [mut silent, mut half] = [&silent, &half].map(|server| FarClient::new(server.accept()));
    // It speaks telnet, and says nothing of options.
    silent.write(b"\xff\xf1");
    // It agrees to COM port control, and says nothing of BINARY.
    half.write(b"\xff\xfd\x2c");
    devices[0]
        .process
        .logged("it takes no COM port commands: its line stays as it is");
    for line in [&mut silent, &mut half] {
        line.expect_raw(b"ATZ\r");
    }
}

#[test]
fn raw_is_octets_and_nothing_else() {
    let server = FarServer::new();
    let attached = Attached::with(server.address(), &["--raw"]);
    let mut program = attached.open();
    let mut client = server.accept();
    client.set_nonblocking(false).unwrap();
    program.write_all(b"\xff\xfb\x2c\r\0").unwrap();
    let mut octets = [0; 5];
    client.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"\xff\xfb\x2c\r\0");
    client.write_all(b"\xff\xf1\r").unwrap();
    expect(&mut program, b"\xff\xf1\r");
    drop(program);
    assert_eq!(client.read(&mut octets).unwrap(), 0);
    // Its end is waited for, and not by the next one.
    let _next = attached.open();
    server.accept();
}

#[test]
fn a_server_that_wants_silence_gets_it_and_loses_nothing() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    let mut line = server.serve();
    line.tell(&Message::Suspend);
    line.say(b"silence");
    expect(&mut program, b"silence");
    program.write_all(b"unheard").unwrap();
    // What comes later shows that it has had the time to say it.
    line.say(b".");
    expect(&mut program, b".");
    line.hear();
    assert_eq!(line.data, b"");
    line.tell(&Message::Resume);
    line.expect(b"unheard");
}

#[test]
fn nothing_is_lost_when_the_other_side_does_not_read() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    let mut line = server.serve();
    let much: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n * 7 / 3).to_le_bytes()[0])
        .collect();
    let (to_line, to_program) = (much.clone(), much.clone());
    let mut also = program.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        also.write_all(&to_line).unwrap();
    });
    // Nobody hears until all of this has been said.
    let mut from_program = Vec::new();
    for piece in to_program.chunks(10_000) {
        line.say(piece);
        let mut buffer = vec![0; piece.len()];
        program.read_exact(&mut buffer).unwrap();
        from_program.extend(buffer);
    }
    assert!(from_program == to_program);
    line.expect(&much);
    writer.join().unwrap();
}

#[test]
fn a_server_that_asks_and_asks_and_hears_no_answer_is_not_listened_to_for_ever() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let _program = attached.open();
    let mut client = server.accept();
    // WILL an option that nobody knows: each is refused.
    let question = b"\xff\xfb\x63".repeat(1000);
    let mut sent = 0;
    while sent < 64 << 20 {
        match client.write(&question) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock && sent > 1 << 20 => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < 64 << 20, "all of it was taken");
    let kilobytes: usize = {
        let text = attached.process.proc_status("VmRSS");
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    assert!(kilobytes < 32 << 10, "{kilobytes} KiB");
}

#[test]
fn a_server_that_cannot_be_reached_is_told_of_once_until_something_changes() {
    let server = FarServer::new();
    let address = server.address();
    drop(server);
    let attached = Attached::to(address);
    let program = attached.open();
    let refused = format!("not connected: {address} cannot be reached: Connection refused");
    attached.process.logged(&refused);
    drop(program);
    let mut next = attached.open();
    next.write_all(b"lost").unwrap();
    drop(next);
    attached
        .process
        .logged("lost: 4 bytes that a program has written");
    let told = attached.process.log();
    let told = told.iter().filter(|line| line.contains(&refused));
    assert_eq!(told.count(), 1);
}

#[test]
fn what_was_left_for_a_line_that_is_never_given_is_lost_and_told_of() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    attached.open().write_all(b"ATZ\r").unwrap();
    let mut waiting = FarClient::new(server.accept());
    waiting.write(b"1st in the queue\r\n");
    attached
        .process
        .logged("lost: 4 bytes that a program has written");
    waiting.expect_end();
    // Nobody comes for what is lost; the next one comes for its own.
    let mut next = attached.open();
    next.write_all(b"ATI\r").unwrap();
    server.serve().expect(b"ATI\r");
}
