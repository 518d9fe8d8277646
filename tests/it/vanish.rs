//! Clients that are there and do not read, and clients that are not there any more.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, have, locks_in, port, random, read_exactly, root,
    server_end, standalone, wait_for, wait_until,
};

const KEEPALIVE: Duration = Duration::from_secs(2);

fn serve(scratch: &Scratch, device: &Path) -> Running {
    standalone(scratch, &port(&[device], "keepalive = \"2s\""))
}

/// A client with little room for what it does not read.
fn small_client(server: &Running) -> std::net::TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address().into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Waits for twice the time after which a vanished client is given up.
fn wait_for_keepalive_to_be_long_over() {
    let since = Instant::now();
    wait_until("time to pass", || since.elapsed() > 2 * KEEPALIVE);
}

#[test]
fn a_living_client_that_does_not_read_for_long_keeps_its_line() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device());
    let mut client = small_client(&server);
    client.write_all(b"ATDT1\r").unwrap();
    modem.expect(b"ATDT1\r");
    let bytes = random(1 << 20);
    let said = modem.say_until_stuck(&bytes);
    assert!(said < bytes.len());
    wait_for_keepalive_to_be_long_over();
    read_exactly(&client, &bytes[..said]);
    // The line is what it was, also after a second time.
    let said = modem.say_until_stuck(&bytes);
    wait_for_keepalive_to_be_long_over();
    read_exactly(&client, &bytes[..said]);
    client.write_all(b"ATH\r").unwrap();
    modem.expect(b"ATH\r");
}

#[test]
fn a_few_words_that_a_living_client_leaves_unread_do_not_end_its_session() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = serve(&scratch, modem.device());
    let mut client = small_client(&server);
    client.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    // The window closes, and yet the server's kernel takes all: nothing stalls in the relay.
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let mut said = 0;
    wait_until("the client's window to close", || {
        modem.say(&[b'.'; 512]);
        said += 512;
        server_end(here, there).is_some_and(|end| end.unacknowledged > 2048)
    });
    wait_for_keepalive_to_be_long_over();
    read_exactly(&client, &vec![b'.'; said]);
    client.write_all(b"ATH\r").unwrap();
    modem.expect(b"ATH\r");
}

/// Another machine: a network namespace at the end of a cable of its own.
struct Elsewhere {
    name: String,
    here: Ipv4Addr,
    there: Ipv4Addr,
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

impl Elsewhere {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (pid, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("mt{pid}-{number}");
        // A network of four addresses in 10.64.0.0/10 that no other test run has.
        let network = 0x0A40_0000 | (pid.wrapping_mul(16).wrapping_add(number) << 2 & 0x003F_FFFC);
        let [here, there] = [1, 2].map(|host| Ipv4Addr::from_bits(network + host));
        ip(&["netns", "add", &name]);
        let elsewhere = Elsewhere { name, here, there };
        let name = elsewhere.name.as_str();
        ip(&[
            "link", "add", name, "type", "veth", "peer", "eth0", "netns", name,
        ]);
        ip(&["address", "add", &format!("{here}/30"), "dev", name]);
        ip(&["link", "set", name, "up"]);
        ip(&[
            "-n",
            name,
            "address",
            "add",
            &format!("{there}/30"),
            "dev",
            "eth0",
        ]);
        ip(&["-n", name, "link", "set", "eth0", "up"]);
        elsewhere
    }

    /// A server that it can reach.
    fn serve(&self, scratch: &Scratch, device: &Path) -> Running {
        let port = port(&[device], "keepalive = \"3s\"")
            .replace("127.0.0.1:0", &format!("{}:0", self.here))
            .replace("localhost", &self.there.to_string());
        standalone(scratch, &port)
    }

    /// A client there, which reads if `out` leads anywhere.
    fn client(&self, server: SocketAddr, out: Stdio) -> (Child, ChildStdin) {
        let mut child = Command::new("ip")
            // Small writes, which never block while there is room: it shall hear its keys.
            .args(["netns", "exec", &self.name, "socat", "-b4096", "-"])
            .arg(format!("TCP:{server}"))
            .stdin(Stdio::piped())
            .stdout(out)
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        (child, keys)
    }

    /// Lets much be under way to it, as if it had answered well for long.
    fn trust(&self) {
        let network = format!("{}/30", Ipv4Addr::from_bits(self.here.to_bits() - 1));
        ip(&[
            "route",
            "change",
            &network,
            "dev",
            &self.name,
            "src",
            &self.here.to_string(),
            "initcwnd",
            "4000",
        ]);
    }

    /// Pulls the cable at the other end: nobody here is told.
    fn vanish(&self) {
        ip(&["-n", &self.name, "link", "set", "eth0", "down"]);
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = Command::new("ip")
            .args(["link", "del", &self.name])
            .stderr(Stdio::null())
            .status();
    }
}

fn can_be_elsewhere() -> bool {
    root() && have(&["ip", "socat"])
}

/// Waits until the server has given up its client, well before TCP itself would.
#[track_caller]
fn wait_for_release(server: &Running, locks: &Path) {
    server.logged("the client was lost");
    wait_until("the lock files to go", || locks_in(locks).is_empty());
}

#[test]
fn a_silent_client_that_vanishes_frees_the_line() {
    if !can_be_elsewhere() {
        return;
    }
    let (scratch, modem, elsewhere) = (Scratch::new(), Modem::new(), Elsewhere::new());
    let server = elsewhere.serve(&scratch, modem.device());
    let (mut client, mut keys) = elsewhere.client(server.address(), Stdio::null());
    keys.write_all(b"ATDT1\r").unwrap();
    modem.expect(b"ATDT1\r");
    elsewhere.vanish();
    wait_for_release(&server, scratch.path());
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn a_client_that_vanishes_while_the_modem_talks_frees_the_line() {
    if !can_be_elsewhere() {
        return;
    }
    let (scratch, modem, elsewhere) = (Scratch::new(), Modem::new(), Elsewhere::new());
    let server = elsewhere.serve(&scratch, modem.device());
    let (mut client, mut keys) = elsewhere.client(server.address(), Stdio::null());
    keys.write_all(b"ATDT1\r").unwrap();
    modem.expect(b"ATDT1\r");
    modem.say(b"CONNECT\r\n");
    elsewhere.vanish();
    wait_for("the server to give up its client", || {
        let _ = modem.master().write(b"are you there? ");
        let log = server.log();
        log.iter()
            .any(|line| line.contains("the client was lost"))
            .then_some(())
    });
    wait_for_release(&server, scratch.path());
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn a_client_that_did_not_read_for_long_and_then_vanishes_frees_the_line() {
    if !can_be_elsewhere() {
        return;
    }
    let (scratch, modem, elsewhere) = (Scratch::new(), Modem::new(), Elsewhere::new());
    let server = elsewhere.serve(&scratch, modem.device());
    let (mut client, mut keys) = elsewhere.client(server.address(), Stdio::piped());
    keys.write_all(b"ATDT1\r").unwrap();
    modem.expect(b"ATDT1\r");
    modem.say_until_stuck(&random(8 << 20));
    wait_for_keepalive_to_be_long_over();
    // It was there all the time.
    keys.write_all(b"?").unwrap();
    modem.expect(b"?");
    elsewhere.vanish();
    wait_for_release(&server, scratch.path());
    client.kill().unwrap();
    let mut unread = Vec::new();
    client
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut unread)
        .unwrap();
    client.wait().unwrap();
    assert!(!unread.is_empty());
}

#[test]
fn little_is_kept_for_a_client_that_vanishes_while_the_modem_talks_fast() {
    /// Twice `max_unsent`, and the last segment, which may grow to 64 KiB. In a socket whose size
    /// the kernel chooses it is all that may be under way.
    const MOST: usize = 2 * 16 * 1024 + 64 * 1024;
    if !can_be_elsewhere() {
        return;
    }
    let (scratch, modem, elsewhere) = (Scratch::new(), Modem::new(), Elsewhere::new());
    elsewhere.trust();
    let server = elsewhere.serve(&scratch, modem.device());
    let (mut client, mut keys) = elsewhere.client(server.address(), Stdio::null());
    keys.write_all(b"ATDT1\r").unwrap();
    modem.expect(b"ATDT1\r");
    let began = server.logged(" is on ");
    let (_, words) = began.split_once(&format!("{}:", elsewhere.there)).unwrap();
    let port = words.split(' ').next().unwrap().parse().unwrap();
    let there = SocketAddr::from((elsewhere.there, port));
    let bytes = random(16 << 20);
    modem.set_blocking(true);
    modem.master().write_all(&bytes).unwrap();
    modem.set_blocking(false);
    elsewhere.vanish();
    wait_until("the server to give up its client", || {
        let _ = modem.master().write(&bytes);
        let end = server_end(there, server.address());
        let kept = end.as_ref().map_or(0, |end| end.unacknowledged);
        assert!(kept <= MOST, "{kept} bytes");
        end.is_none()
    });
    wait_for_release(&server, scratch.path());
    client.kill().unwrap();
    client.wait().unwrap();
}
