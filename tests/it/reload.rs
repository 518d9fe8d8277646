//! `SIGHUP`: the configuration is read anew, and whoever is on the line stays on it.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::support::{
    Modem, Running, Scratch, assert_talks, connect, free_port, locks_in, read_all, read_until,
    reset, standalone, wait_until,
};

/// Writes another configuration and waits until it is in force.
#[track_caller]
fn reload(server: &Running, scratch: &Scratch, ports: &str) {
    reload_with_locks_in(scratch, server, scratch, ports);
}

#[track_caller]
fn reload_with_locks_in(locks: &Scratch, server: &Running, scratch: &Scratch, ports: &str) {
    let count = |server: &Running| {
        let log = server.log();
        let done = log.iter().filter(|line| line.contains("read anew"));
        done.count()
    };
    let before = count(server);
    let locks = locks.path().display();
    let config = format!("[server]\nuser = \"root\"\nlock_dir = \"{locks}\"\n{ports}");
    scratch.file("modemd.toml", config);
    server.signal(Signal::SIGHUP);
    wait_until("a reload", || count(server) > before);
}

fn port(name: &str, listen: &str, allow: &str, modem: &Modem) -> String {
    let device = modem.device_name();
    format!(
        "[ports.{name}]\nlisten = [\"{listen}\"]\nallow = [\"{allow}\"]\ndevices = [\"{device}\"]\n"
    )
}

#[test]
fn another_allow_list_is_for_those_who_come_and_not_for_those_who_are_there() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let here = "127.0.0.1:0";
    let server = standalone(&scratch, &port("modem", here, "localhost", &modem));
    let address = server.address();
    let mut client = server.connect();
    assert_talks(&mut client, &modem);
    reload(&server, &scratch, &port("modem", here, "192.0.2.1", &modem));
    assert_eq!(read_all(&mut connect(address)), b"");
    server.logged("refused: its address is not in the port's `allow`");
    assert_talks(&mut client, &modem);
    reload(&server, &scratch, &port("modem", here, "127.0.0.1", &modem));
    // Let in again, and told that the line is taken: the old session holds it still.
    assert_eq!(read_all(&mut connect(address)), b"\r\nBUSY\r\n");
    assert_talks(&mut client, &modem);
}

#[test]
fn a_broken_file_stops_no_call_and_lets_in_nobody() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let ports = port("modem", "127.0.0.1:0", "localhost", &modem);
    let server = standalone(&scratch, &ports);
    let address = server.address();
    let mut client = server.connect();
    assert_talks(&mut client, &modem);
    reload(&server, &scratch, &(ports.clone() + "busy = \"perhaps\"\n"));
    server.logged("`perhaps`");
    assert_talks(&mut client, &modem);
    // Nobody is let in, but the address is not given up: what root bound could not be bound again.
    assert_eq!(read_all(&mut connect(address)), b"");
    reload(&server, &scratch, &ports);
    assert_eq!(read_all(&mut connect(address)), b"\r\nBUSY\r\n");
    assert_talks(&mut client, &modem);
}

#[test]
fn a_standalone_daemon_opens_and_closes_what_the_file_names() {
    let (scratch, one, two) = (Scratch::new(), Modem::new(), Modem::new());
    let path = scratch.path().join("two.sock");
    let first = port("one", "127.0.0.1:0", "localhost", &one);
    let second = port("two", path.to_str().unwrap(), "localhost", &two);
    let server = standalone(&scratch, &first);
    let address = server.address_of("one");
    reload(&server, &scratch, &(first + &second));
    server.logged("two: listening on ");
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"ATZ\r").unwrap();
    two.expect(b"ATZ\r");
    // The port that is in both files was never closed.
    let log = server.log();
    let opened = log.iter().filter(|line| line.contains("one: listening on"));
    assert_eq!(opened.count(), 1);
    assert_talks(&mut connect(address), &one);
    reload(&server, &scratch, &second);
    assert!(TcpStream::connect(address).is_err());
    two.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
}

#[test]
fn a_port_can_be_renamed_without_moving() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let address = format!("127.0.0.1:{}", free_port());
    let server = standalone(&scratch, &port("old", &address, "localhost", &modem));
    let mut client = connect(server.address_of("old"));
    assert_talks(&mut client, &modem);
    reset(client);
    server.logged("old: 127.0.0.1:");
    server.logged(" left ");
    reload(
        &server,
        &scratch,
        &port("new", &address, "localhost", &modem),
    );
    server.logged("new: listening on");
    assert_talks(&mut connect(address.parse().unwrap()), &modem);
    server.logged("new: 127.0.0.1:");
}

#[test]
fn another_lock_directory_holds_for_the_next_session() {
    let (scratch, elsewhere, modem) = (Scratch::new(), Scratch::new(), Modem::new());
    let ports = port("modem", "127.0.0.1:0", "localhost", &modem);
    let server = standalone(&scratch, &ports);
    let mut client = server.connect();
    assert_talks(&mut client, &modem);
    reset(client);
    server.logged(" left ");
    reload_with_locks_in(&elsewhere, &server, &scratch, &ports);
    assert_talks(&mut server.connect(), &modem);
    assert!(locks_in(scratch.path()).is_empty());
    assert!(!locks_in(elsewhere.path()).is_empty());
}

#[test]
fn what_a_command_line_says_is_not_read_anew() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = crate::support::share(&[modem.device()], scratch.path(), &[]);
    let mut client = server.connect();
    assert_talks(&mut client, &modem);
    server.signal(Signal::SIGHUP);
    server.logged("there is no configuration file to read anew");
    assert_talks(&mut client, &modem);
}

#[test]
fn each_of_many_ports_has_a_door_of_its_own_and_those_that_stay_keep_it() {
    const PORTS: usize = 150;
    let scratch = Scratch::new();
    let door = |number: usize| scratch.path().join(format!("door{number}"));
    let ports = |numbers: &mut dyn Iterator<Item = usize>| -> String {
        let port = |number| {
            let door = door(number).display().to_string();
            format!("[ports.p{number}]\nlisten = [\"{door}\"]\ndevices = [\"/no/line{number}\"]\n")
        };
        numbers.map(port).collect()
    };
    // All at once, so that somebody is at each door when modemd looks.
    let visit = |numbers: &mut dyn Iterator<Item = usize>| {
        let clients: Vec<_> = numbers
            .map(|number| (number, UnixStream::connect(door(number)).unwrap()))
            .collect();
        for (number, mut client) in clients {
            let told = String::from_utf8(read_all(&mut client)).unwrap();
            assert!(told.contains(&format!("/no/line{number}:")), "{told}");
        }
    };
    let server = standalone(&scratch, &ports(&mut (0..PORTS)));
    server.logged_times("listening on", PORTS);
    visit(&mut (0..PORTS));
    reload(&server, &scratch, &ports(&mut (0..PORTS).step_by(2)));
    visit(&mut (0..PORTS).step_by(2));
    for number in (1..PORTS).step_by(2) {
        let refused = UnixStream::connect(door(number)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
