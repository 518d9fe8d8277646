//! Clients that leave: politely, early, rudely, and with much still to be done.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Modem, Running, Scratch, have, locks_in, port, random, read_all, read_exactly, read_until,
    reset, server_end, standalone, wait_until,
};

/// A server of one line. The tests that wait for a session's end have a short `linger`, the others
/// one that does not come to an end.
fn serve(scratch: &Scratch, device: &Path, linger: &str) -> Running {
    standalone(scratch, &port(&[device], &format!("linger = {linger:?}")))
}

/// Waits until the server has read all that `client` sent, and that it will send no more.
#[track_caller]
pub(crate) fn wait_for_half_close(client: &TcpStream) {
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    wait_until("the server to see the half-close", || {
        server_end(here, there).is_some_and(|end| end.half_closed)
    });
}

/// Waits until the session has begun and the server has left some of what the client sent.
#[track_caller]
fn wait_until_stuck(server: &Running, client: SocketAddr) {
    server.logged(" is on ");
    let there = server.address();
    wait_until("the server to be stuck", || {
        server_end(client, there).is_some_and(|end| end.unread > 0)
    });
}

/// A program that is given `input` and then the end of it.
fn client(program: &mut Command, input: &[u8]) -> Child {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

/// Runs a client that half-closes; the modem answers when the server has seen that.
fn a_late_answer_reaches(program: &mut Command, server: &Running, modem: &Modem) {
    let mut child = client(program, b"ATI\r");
    modem.expect(b"ATI\r");
    let address = server.address();
    let began = server.logged(" is on ");
    let peer = began.split(' ').find_map(|word| word.parse().ok()).unwrap();
    wait_until("the server to see the half-close", || {
        server_end(peer, address).is_some_and(|end| end.half_closed)
    });
    modem.say(b"\r\nLinux ISDN\r\n");
    let mut out = child.stdout.take().unwrap();
    read_until(&mut out, b"Linux ISDN\r\n");
    modem.say(b"\r\nOK\r\n");
    read_until(&mut out, b"OK\r\n");
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn netcat_gets_its_answer_after_its_half_close() {
    if !have(&["nc"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1h");
    let address = server.address();
    let mut nc = Command::new("nc");
    nc.args(["-N", "127.0.0.1"]).arg(address.port().to_string());
    a_late_answer_reaches(&mut nc, &server, &modem);
}

#[test]
fn socat_gets_its_answer_after_its_half_close() {
    if !have(&["socat"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1h");
    let mut socat = Command::new("socat");
    socat.args(["-t", "60", "-", &format!("TCP:{}", server.address())]);
    a_late_answer_reaches(&mut socat, &server, &modem);
}

#[test]
fn a_pipe_into_netcat_ends_by_itself_when_the_modem_has_been_silent_for_the_linger_time() {
    if !have(&["nc"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1s");
    let mut nc = Command::new("nc");
    nc.args(["-N", "127.0.0.1"])
        .arg(server.address().port().to_string());
    let mut child = client(&mut nc, b"ATI\r");
    modem.expect(b"ATI\r");
    modem.say(b"\r\nOK\r\n");
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    assert_eq!(said, b"\r\nOK\r\n");
    assert!(child.wait().unwrap().success());
    server.logged("4 bytes to the line, 6 from it: the client closed");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
}

#[test]
fn a_modem_that_goes_on_talking_is_listened_to_after_the_half_close() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1s");
    let mut client = server.connect();
    client.write_all(b"AT\r").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    modem.expect(b"AT\r");
    wait_for_half_close(&client);
    // Much more than fits into buffers: the session must not end in the middle of it.
    let bytes = random(8 << 20);
    modem.set_blocking(true);
    std::thread::scope(|scope| {
        scope.spawn(|| modem.master().write_all(&bytes).unwrap());
        read_exactly(&client, &bytes);
    });
    assert!(read_all(&mut client).is_empty());
    server.logged("the client closed");
}

#[test]
fn all_that_a_client_sent_before_it_closed_reaches_a_modem_that_reads_late() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1h");
    let mut client = server.connect();
    let address = client.local_addr().unwrap();
    // More than the pseudo terminal takes, and little enough to be all sent before anybody reads.
    let bytes = random(60_000);
    client.write_all(&bytes).unwrap();
    drop(client);
    wait_until_stuck(&server, address);
    modem.set_blocking(true);
    read_exactly(modem.master(), &bytes);
}

#[test]
fn without_any_linger_time_the_line_is_still_given_all_that_a_telnet_client_sent() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let settings = "protocol = \"telnet\"\nlinger = \"0s\"";
    let server = standalone(&scratch, &port(&[modem.device()], settings));
    let mut client = server.connect();
    // More than the pseudo terminal takes, and less than modemd reads ahead; none of it is telnet's.
    let bytes: Vec<u8> = random(50_000).iter().map(|byte| byte % 127 + 1).collect();
    let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\r').collect();
    client.write_all(&bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    wait_for_half_close(&client);
    modem.set_blocking(true);
    read_exactly(modem.master(), &bytes);
    server.logged("the client closed");
}

#[test]
fn a_session_that_ends_leaves_what_the_modem_has_not_read_yet() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1s");
    let mut client = server.connect();
    let bytes = random(9_000);
    client.write_all(&bytes).unwrap();
    drop(client);
    server.logged("9000 bytes to the line, 0 from it: the client closed");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
    // And the next session does not throw it away either.
    let mut next = server.connect();
    next.write_all(b"ATZ\r").unwrap();
    server.logged_times(" is on ", 2);
    modem.set_blocking(true);
    read_exactly(modem.master(), &bytes);
    read_exactly(modem.master(), b"ATZ\r");
}

#[test]
fn what_a_client_sent_before_its_reset_reaches_the_modem_that_talks() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1h");
    let mut client = server.connect();
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let bytes = random(60_000);
    client.write_all(&bytes).unwrap();
    wait_until_stuck(&server, here);
    modem.say(&[b'.'; 4000]);
    reset(client);
    wait_until("the connection to be gone", || {
        server_end(here, there).is_none()
    });
    modem.say(b"NO CARRIER\r\n");
    modem.set_blocking(true);
    read_exactly(modem.master(), &bytes);
    modem.set_blocking(false);
    wait_until("the end of the session", || {
        // A modem that talks is what tells that nobody listens.
        let _ = (&mut modem.master()).write(b".");
        let log = server.log();
        log.iter().any(|line| line.contains("the client was lost"))
    });
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
}

#[test]
fn a_client_that_is_killed_frees_the_line() {
    if !have(&["socat"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1s");
    let mut child = Command::new("socat")
        .args(["-", &format!("TCP:{}", server.address())])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(keys);
    server.logged(" left ");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
}

#[test]
fn who_comes_in_the_moment_in_which_the_other_one_leaves_gets_the_line() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "0s");
    let mut client = server.connect();
    for _ in 0..20 {
        client.write_all(b"A").unwrap();
        modem.expect(b"A");
        // The beginning of the next and the end of this one are there at once.
        server.signal(Signal::SIGSTOP);
        let next = server.connect();
        client = next;
        server.signal(Signal::SIGCONT);
    }
    client.write_all(b"A").unwrap();
    modem.expect(b"A");
}

#[test]
fn a_modem_that_takes_nothing_holds_its_line_for_the_linger_time_only() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "1s");
    let mut client = server.connect();
    client.write_all(&random(60_000)).unwrap();
    drop(client);
    server.logged("the client left, and the line took none of the rest");
    wait_until("the lock files to go", || {
        locks_in(scratch.path()).is_empty()
    });
    // The line is there for the next one, as soon as the modem takes something again.
    let mut next = server.connect();
    next.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
}

#[test]
fn a_stuck_modem_keeps_a_client_that_stays() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device(), "100ms");
    let mut client = server.connect();
    let bytes = random(60_000);
    client.write_all(&bytes).unwrap();
    wait_until_stuck(&server, client.local_addr().unwrap());
    // Long after the linger time the session is still there.
    let since = Instant::now();
    wait_until("three looks at the stalled relay", || {
        since.elapsed() > Duration::from_secs(3)
    });
    modem.set_blocking(true);
    read_exactly(modem.master(), &bytes);
    modem.say(b"OK");
    read_exactly(&client, b"OK");
}
