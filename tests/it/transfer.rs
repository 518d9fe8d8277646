//! Many bytes, all bytes, and how few of them the way holds when nobody takes them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::scope;
use std::time::Duration;

use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr,
};

use crate::support::{
    Modem, Running, Scratch, connect, contains, random, read_exactly, read_until, share, wait_until,
};

const BULK: usize = 64 << 20;

/// How much more memory than before a server may have had, in KiB, whatever was moved.
const MEMORY_LIMIT: i64 = 4 * 1024;

/// The most resident memory that the server ever had, in KiB.
fn most_memory(server: &Running) -> i64 {
    let shown = server.proc_status("VmHWM");
    shown.trim_end_matches(" kB").parse().unwrap()
}

/// A client that has the line.
fn client_on(server: &Running, modem: &Modem) -> TcpStream {
    let mut client = server.connect();
    client.write_all(b"A").unwrap();
    modem.expect(b"A");
    client
}

#[test]
fn all_of_64_mib_from_the_client_reach_the_modem() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = client_on(&server, &modem);
    modem.set_blocking(true);
    let bytes = random(BULK);
    let before = most_memory(&server);
    scope(|scope| {
        scope.spawn(|| client.write_all(&bytes).unwrap());
        read_exactly(modem.master(), &bytes);
    });
    let more = most_memory(&server) - before;
    assert!(more < MEMORY_LIMIT, "{more} KiB");
}

#[test]
fn all_of_64_mib_from_the_modem_reach_the_client() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let client = client_on(&server, &modem);
    modem.set_blocking(true);
    let bytes = random(BULK);
    let before = most_memory(&server);
    scope(|scope| {
        scope.spawn(|| modem.master().write_all(&bytes).unwrap());
        read_exactly(&client, &bytes);
    });
    let more = most_memory(&server) - before;
    assert!(more < MEMORY_LIMIT, "{more} KiB");
}

#[test]
fn both_directions_at_once_lose_nothing_while_each_reader_stalls_for_a_while() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let client = client_on(&server, &modem);
    let (to_line, to_client) = (random(BULK), random(BULK));
    let before = most_memory(&server);
    // Nobody reads: both writers get stuck.
    let said = modem.say_until_stuck(&to_client);
    let sent = write_until_stuck(&client, &to_line);
    assert!(said < to_client.len() && sent < to_line.len());
    modem.set_blocking(true);
    scope(|scope| {
        scope.spawn(|| modem.master().write_all(&to_client[said..]).unwrap());
        scope.spawn(|| (&client).write_all(&to_line[sent..]).unwrap());
        scope.spawn(|| read_exactly(&client, &to_client));
        read_exactly(modem.master(), &to_line);
    });
    let more = most_memory(&server) - before;
    assert!(more < MEMORY_LIMIT, "{more} KiB");
}

/// Writes what the kernel takes, until it takes nothing for a second.
fn write_until_stuck(mut client: &TcpStream, bytes: &[u8]) -> usize {
    let patience = client.write_timeout().unwrap();
    client
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match client.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    client.set_write_timeout(patience).unwrap();
    sent
}

#[test]
fn a_client_that_does_not_read_stops_the_modem_soon() {
    /// What the pseudo terminal holds, what the client's kernel took before it closed its window,
    /// and `max_unsent`: all that may get stale on the way.
    const MOST: usize = 512 * 1024;
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = client_on(&server, &modem);
    let bytes = random(8 << 20);
    let said = modem.say_until_stuck(&bytes);
    assert!(said < MOST, "{said} bytes on the way");
    // A keystroke still passes the other way.
    client.write_all(b"\x03").unwrap();
    modem.expect(b"\x03");
    // And all that was said comes when the client reads again.
    read_exactly(&client, &bytes[..said]);
}

#[test]
fn a_stalled_session_does_not_hold_up_another_one() {
    let scratch = Scratch::new();
    let (stalled, lively) = (Modem::new(), Modem::new());
    let server = share(&[stalled.device(), lively.device()], scratch.path(), &[]);
    let _deaf = client_on(&server, &stalled);
    let mut client = client_on(&server, &lively);
    stalled.say_until_stuck(&random(1 << 20));
    for _ in 0..100 {
        client.write_all(b"AT\r").unwrap();
        lively.expect(b"AT\r");
        lively.say(b"OK\r\n");
        read_until(&mut client, b"OK\r\n");
    }
}

/// Every octet, and each of the troublesome ones next to each other.
fn all_octets() -> Vec<u8> {
    let troublesome = [0xFF, 0x00, 0x11, 0x13, 0x03, 0x04, 0x0D, 0x0A, 0x1A, 0x7F];
    let pairs = troublesome
        .iter()
        .flat_map(|&one| troublesome.map(|other| [one, other]))
        .flatten();
    (0..=u8::MAX)
        .chain((0..=u8::MAX).rev())
        .chain(pairs)
        .collect()
}

/// Leaves the line as some program might, changed by `spoil`, and sends every octet both ways.
fn every_octet_passes(spoil: impl FnOnce(&mut nix::sys::termios::Termios)) {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    // On a pseudo terminal both ends speak of the line's settings (`tty_mode_ioctl()`).
    let mut left = tcgetattr(modem.master()).unwrap();
    spoil(&mut left);
    tcsetattr(modem.master(), SetArg::TCSANOW, &left).unwrap();
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = client_on(&server, &modem);
    let octets = all_octets();
    client.write_all(&octets).unwrap();
    modem.set_blocking(true);
    read_exactly(modem.master(), &octets);
    modem.master().write_all(&octets).unwrap();
    read_exactly(&client, &octets);
    // Nothing was echoed, and nothing else was made up: the next thing that comes is the next thing
    // that was said.
    modem.master().write_all(b".").unwrap();
    client.write_all(b"!").unwrap();
    let mut next = [0];
    client.read_exact(&mut next).unwrap();
    assert_eq!(&next, b".");
    modem.master().read_exact(&mut next).unwrap();
    assert_eq!(&next, b"!");
}

#[test]
fn every_octet_passes_over_a_raw_line() {
    every_octet_passes(|_| {});
}

#[test]
fn every_octet_passes_over_a_line_left_as_a_login_terminal() {
    every_octet_passes(|left| {
        left.local_flags |= LocalFlags::ICANON
            | LocalFlags::ECHO
            | LocalFlags::ECHOE
            | LocalFlags::ECHOCTL
            | LocalFlags::ISIG
            | LocalFlags::IEXTEN;
        left.input_flags |= InputFlags::ICRNL | InputFlags::IXON | InputFlags::IUTF8;
        left.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
    });
}

#[test]
fn every_octet_passes_over_a_line_left_with_everything_that_changes_bytes() {
    every_octet_passes(|left| {
        left.input_flags |= InputFlags::ISTRIP
            | InputFlags::INLCR
            | InputFlags::IGNCR
            | InputFlags::IXON
            | InputFlags::IXOFF
            | InputFlags::IXANY
            | InputFlags::PARMRK
            | InputFlags::INPCK
            | InputFlags::IGNBRK
            | InputFlags::BRKINT;
        left.output_flags |= OutputFlags::OPOST
            | OutputFlags::OCRNL
            | OutputFlags::ONLRET
            | OutputFlags::ONOCR
            | OutputFlags::TAB3;
        left.control_flags &= !ControlFlags::CREAD;
        left.control_flags |= ControlFlags::PARENB | ControlFlags::PARODD | ControlFlags::CRTSCTS;
        left.local_flags |= LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ECHONL;
    });
}

#[test]
fn bytes_arrive_in_time_one_by_one_and_in_order() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = connect(server.address());
    let mut got = Vec::new();
    for octet in 0..=u8::MAX {
        client.write_all(&[octet]).unwrap();
        wait_until("the next octet", || {
            got.extend(modem.read_now());
            got.last() == Some(&octet)
        });
    }
    assert!(contains(&got, &(0..=u8::MAX).collect::<Vec<_>>()));
    assert_eq!(got.len(), 256);
}
