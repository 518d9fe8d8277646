//! How much waits on this machine for a client that does not read.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use nix::libc::{MSG_DONTWAIT, MSG_PEEK};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, port, random, read_exactly, server_end, standalone,
    wait_for, wait_until,
};

/// What `max_unsent` is when nobody says it.
const DEFAULT: usize = 16 * 1024;

/// More than any of these limits, and what a pseudo terminal and a client's kernel hold.
const PLENTY: usize = 64 << 20;

/// The most that a segment has (`GSO_LEGACY_MAX_SIZE` in the kernel's netdevice.h). The last one
/// grows to that, whatever the limit; but no further than to half the client's window.
const SEGMENT: usize = 64 * 1024;

/// Says of `bytes` what is taken, until `held` tells that `least` bytes wait, and then until the
/// modem is stopped. There may never be more than `most`. Returns how many were said.
#[track_caller]
fn say_until_held(
    modem: &Modem,
    bytes: &[u8],
    (least, most): (usize, usize),
    held: impl Fn() -> usize,
) -> usize {
    let mut said = 0;
    let look = |said: usize| {
        let held = held();
        assert!(held <= most, "{held} bytes wait, after {said}");
        held
    };
    wait_until("enough to wait", || {
        if let Ok(count) = modem.master().write(&bytes[said..]) {
            said += count;
        }
        look(said) >= least
    });
    said += modem.say_until_stuck(&bytes[said..]);
    assert!(said < bytes.len(), "the modem was never stopped");
    look(said);
    said
}

fn serve(scratch: &Scratch, modem: &Modem, more: &str) -> Running {
    standalone(scratch, &port(&[modem.device()], more))
}

/// A client on TCP that has the line; the kernel takes little for it if `small`.
fn network_client(server: &Running, modem: &Modem, small: bool) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if small {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    socket.connect(&server.address().into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = TcpStream::from(socket);
    client.write_all(b"A").unwrap();
    modem.expect(b"A");
    client
}

/// How many bytes the server's end of a connection has for `client`.
fn at_the_server(client: &TcpStream) -> usize {
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    server_end(here, there).unwrap().unacknowledged
}

/// How many bytes a client on a unix socket has not read: that is all that waits for it.
fn unread(client: &UnixStream) -> usize {
    let mut room = Vec::<u8>::with_capacity(1 << 20);
    SockRef::from(client)
        .recv_with_flags(room.spare_capacity_mut(), MSG_PEEK | MSG_DONTWAIT)
        .unwrap_or(0)
}

/// A client on TCP that never reads, and whose window is so small that no segment is large.
#[track_caller]
fn stops_the_modem_on_tcp(more: &str, limit: usize) {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, &modem, more);
    let client = network_client(&server, &modem, true);
    let bytes = random(PLENTY);
    let bounds = (limit / 4, limit + 4096);
    let said = say_until_held(&modem, &bytes, bounds, || at_the_server(&client));
    read_exactly(&client, &bytes[..said]);
}

#[test]
fn a_client_on_tcp_that_does_not_read_stops_the_modem_at_16_kib() {
    stops_the_modem_on_tcp("", DEFAULT);
}

#[test]
fn a_client_on_tcp_that_does_not_read_stops_the_modem_at_less_if_the_port_says_so() {
    stops_the_modem_on_tcp("max_unsent = 8192", 8192);
}

#[test]
fn a_client_on_tcp_that_does_not_read_stops_the_modem_at_more_if_the_port_says_so() {
    stops_the_modem_on_tcp("max_unsent = 262144", 256 * 1024);
}

#[test]
fn a_client_on_tcp_that_read_fast_and_then_stops_stops_the_modem_as_well() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, &modem, "");
    let client = network_client(&server, &modem, false);
    let bytes = random(PLENTY);
    let (at_first, later) = bytes.split_at(16 << 20);
    modem.set_blocking(true);
    std::thread::scope(|scope| {
        scope.spawn(|| modem.master().write_all(at_first).unwrap());
        read_exactly(&client, at_first);
    });
    modem.set_blocking(false);
    // Until the window is closed, what was sent and is not acknowledged is counted, too.
    let bounds = (DEFAULT / 4, 2 * DEFAULT + SEGMENT);
    let said = say_until_held(&modem, later, bounds, || at_the_server(&client));
    read_exactly(&client, &later[..said]);
}

/// A client on a unix socket that never reads.
#[track_caller]
fn stops_the_modem_on_a_unix_socket(more: &str, limit: usize) {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let path = scratch.path().join("socket");
    let port = port(&[modem.device()], more).replace("127.0.0.1:0", path.to_str().unwrap());
    let _server = standalone(&scratch, &port);
    let mut client = wait_for("a unix listener", || UnixStream::connect(&path).ok());
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"A").unwrap();
    modem.expect(b"A");
    let bytes = random(PLENTY);
    let bounds = (limit / 8, limit);
    let said = say_until_held(&modem, &bytes, bounds, || unread(&client));
    read_exactly(&client, &bytes[..said]);
}

#[test]
fn a_client_on_a_unix_socket_that_does_not_read_stops_the_modem_at_16_kib() {
    stops_the_modem_on_a_unix_socket("", DEFAULT);
}

#[test]
fn a_client_on_a_unix_socket_that_does_not_read_stops_the_modem_at_less_if_the_port_says_so() {
    stops_the_modem_on_a_unix_socket("max_unsent = 8192", 8192);
}

#[test]
fn a_client_on_a_unix_socket_that_does_not_read_stops_the_modem_at_more_if_the_port_says_so() {
    stops_the_modem_on_a_unix_socket("max_unsent = 262144", 256 * 1024);
}
