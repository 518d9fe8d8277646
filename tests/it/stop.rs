//! What ends a session from this side: idleness, an unplugged line, signals.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::thread::scope;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Modem, Running, Scratch, locks_in, names_in, port, random, read_all, read_exactly, read_until,
    root, share, standalone, wait_until,
};

const IDLE: Duration = Duration::from_secs(2);

fn serve_with_idle_timeout(scratch: &Scratch, modem: &Modem) -> Running {
    standalone(scratch, &port(&[modem.device()], "idle_timeout = \"2s\""))
}

#[test]
fn a_session_in_which_nothing_moves_ends_after_the_idle_timeout() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve_with_idle_timeout(&scratch, &modem);
    let mut client = server.connect();
    client.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    let since = Instant::now();
    assert!(read_all(&mut client).is_empty());
    assert!(since.elapsed() > IDLE / 2, "{:?}", since.elapsed());
    server.logged("nothing moved for 2s");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
}

/// Moves a byte again and again, for longer than the idle time-out. Only if this machine was too
/// busy to do so in time may the session have ended.
fn traffic_keeps_a_session(mut one_byte: impl FnMut(&Modem, &mut TcpStream)) {
    loop {
        let (scratch, modem) = (Scratch::new(), Modem::new());
        let server = serve_with_idle_timeout(&scratch, &modem);
        let mut client = server.connect();
        server.logged(" is on ");
        let began = Instant::now();
        let mut longest_pause = Duration::ZERO;
        while began.elapsed() < 2 * IDLE && longest_pause < IDLE / 2 {
            let since = Instant::now();
            one_byte(&modem, &mut client);
            std::thread::sleep(IDLE / 20);
            longest_pause = longest_pause.max(since.elapsed());
        }
        if longest_pause < IDLE / 2 {
            let log = server.log();
            assert!(!log.iter().any(|line| line.contains(" left ")), "{log:#?}");
            return;
        }
    }
}

#[test]
fn what_the_client_sends_starts_the_idle_timeout_anew() {
    traffic_keeps_a_session(|modem, client| {
        let _ = client.write(b"a");
        modem.read_now();
    });
}

#[test]
fn what_the_modem_says_starts_the_idle_timeout_anew() {
    traffic_keeps_a_session(|modem, client| {
        let _ = modem.master().write(b"b");
        let _ = client.read(&mut [0; 16]);
    });
}

#[test]
fn a_line_that_is_unplugged_ends_the_session_and_says_so() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    // A name of its own, which goes with the line: a pseudo terminal's number would soon belong to
    // somebody else's.
    let name = scratch.path().join("modem");
    symlink(modem.device(), &name).unwrap();
    let server = share(&[&name], scratch.path(), &[]);
    let mut client = server.connect();
    client.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    modem.say(b"\r\nNO CARR");
    read_until(&mut client, b"NO CARR");
    std::fs::remove_file(&name).unwrap();
    drop(modem);
    assert!(read_all(&mut client).is_empty());
    server.logged("the line was unplugged or hung up");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
    // The server is as well as before; the next client is told what is wrong.
    let told = String::from_utf8(read_all(&mut server.connect())).unwrap();
    assert!(told.contains("is not there; is it plugged in"), "{told}");
}

#[test]
fn a_line_that_is_unplugged_while_its_client_does_not_read_is_noticed() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = standalone(&scratch, &port(&[modem.device()], "linger = \"1s\""));
    let mut client = server.connect();
    client.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    modem.say_until_stuck(&random(1 << 20));
    drop(modem);
    server.logged("the line was unplugged or hung up");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
}

/// The two counts in the log line of a session's end.
fn counts(line: &str) -> (usize, usize) {
    let mut numbers = line
        .split_once(" after ")
        .unwrap()
        .1
        .split(' ')
        .filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn told_to_stop_in_a_transfer_it_delivers_what_it_has_read_and_releases_the_line() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let client = server.connect();
    server.logged(" is on ");
    let bytes = random(16 << 20);
    let pid = nix::unistd::Pid::from_raw(server.pid());
    scope(|scope| {
        // Both are cut off in the middle.
        let to_line = scope.spawn(|| (&client).write_all(&bytes));
        modem.set_blocking(true);
        let mut at_modem = vec![0; 100_000];
        modem.master().read_exact(&mut at_modem).unwrap();
        let from_line = scope.spawn(|| modem.master().write_all(&bytes));
        let mut at_client = vec![0; 100_000];
        (&client).read_exact(&mut at_client).unwrap();
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        // Whatever the server has taken from one of them reaches the other. A pseudo terminal ends
        // with an error.
        let at_modem_too = scope.spawn(|| {
            let mut rest = Vec::new();
            let _ = modem.master().read_to_end(&mut rest);
            rest
        });
        let mut rest = Vec::new();
        let _ = (&client).read_to_end(&mut rest);
        at_client.extend(rest);
        at_modem.extend(at_modem_too.join().unwrap());
        let (to_line_count, to_client_count) = counts(&server.logged("modemd stops"));
        assert_eq!(at_modem.len(), to_line_count);
        assert_eq!(at_client.len(), to_client_count);
        assert!(at_modem == bytes[..to_line_count]);
        assert!(at_client == bytes[..to_client_count]);
        let _ = to_line.join().unwrap();
        // With nobody at the other side, the modem may have got stuck: somebody takes it all.
        let drain = std::fs::File::open(modem.device()).unwrap();
        nix::sys::termios::tcflush(&drain, nix::sys::termios::FlushArg::TCIFLUSH).unwrap();
        while !from_line.is_finished() {
            nix::sys::termios::tcflush(&drain, nix::sys::termios::FlushArg::TCIFLUSH).unwrap();
        }
        from_line.join().unwrap().unwrap();
    });
    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn told_to_stop_it_does_not_wait_for_a_client_that_does_not_read() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let _client = server.connect();
    server.logged(" is on ");
    modem.say_until_stuck(&random(1 << 20));
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(
        !log.iter().any(|line| line.contains("still served")),
        "{log:#?}"
    );
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn told_to_stop_it_does_not_wait_for_a_modem_that_takes_nothing() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = server.connect();
    client.write_all(&random(60_000)).unwrap();
    server.logged(" is on ");
    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn after_being_killed_in_a_transfer_the_next_start_takes_the_line_over() {
    // A serial line is no longer exclusive when its last user is gone; a pseudo terminal stays so
    // for as long as its other side is open, and only root gets past that.
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut killed = share(&[modem.device()], scratch.path(), &[]);
    let mut client = killed.connect();
    client.write_all(&random(60_000)).unwrap();
    killed.logged(" is on ");
    modem.say(&[b'.'; 1000]);
    killed.signal(Signal::SIGKILL);
    killed.wait();
    assert!(
        !locks_in(scratch.path()).is_empty(),
        "nobody was there to remove it"
    );
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut next = server.connect();
    next.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK");
    read_exactly(&next, b"OK");
    server.logged("stale lock");
    drop(next);
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(names_in(scratch.path()).is_empty());
}
