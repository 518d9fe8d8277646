//! Calls that end all the same: while nobody was there, in the middle of it, or because they shall.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal::{SIGTERM, SIGUSR1};

use crate::service::{Service, port};
use crate::support::{Modem, Running, Scratch, assert_talks, locks_in, modemd, reset, wait_until};
use crate::survival::{BOTH_WAYS, plain};
use crate::systemd::Manager;

/// Whether a client gets the end without an error.
fn hears_the_end(client: &mut TcpStream) -> bool {
    client.read(&mut [0; 4096]).is_ok_and(|count| count == 0)
}

/// A call that both sides know of.
fn begun(more: &str) -> (Service, Modem, TcpStream) {
    let modem = Modem::new();
    let service = Service::new(&["modem"], &port("modem", &[&modem], more));
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    service.rests();
    (service, modem, client)
}

#[test]
fn a_client_that_closed_while_nobody_was_there_frees_the_line() {
    for signal in BOTH_WAYS {
        let (mut service, modem, mut client) = begun("linger = \"100ms\"");
        service.end(signal);
        client.write_all(b"ATH\r").unwrap();
        drop(client);
        service.begin();
        service.server().logged("is still on");
        modem.expect(b"ATH\r");
        service.server().logged(": the client closed");
        service.assert_empty();
        assert_talks(&mut service.connect(), &modem);
    }
}

#[test]
fn a_client_that_was_lost_while_nobody_was_there_frees_the_line() {
    for signal in BOTH_WAYS {
        let (mut service, modem, client) = begun("");
        service.end(signal);
        reset(client);
        service.begin();
        service.server().logged(": the client was lost: ");
        service.assert_empty();
        assert_talks(&mut service.connect(), &modem);
    }
}

#[test]
fn a_line_that_was_unplugged_while_nobody_was_there_ends_the_call() {
    for signal in BOTH_WAYS {
        let (mut service, modem, mut client) = begun("");
        service.end(signal);
        drop(modem);
        service.begin();
        assert!(hears_the_end(&mut client));
        service
            .server()
            .logged(": the line was unplugged or hung up: ");
        service.assert_empty();
    }
}

#[test]
fn a_call_that_is_about_to_end_ends_afterwards() {
    for signal in BOTH_WAYS {
        let (mut service, modem, mut client) =
            begun("protocol = \"telnet\"\nidle_timeout = \"3s\"\nlinger = \"1h\"");
        // Such a client is read much further than the line takes something.
        let octets = plain(200_000);
        client.write_all(&octets).unwrap();
        // Nothing moves, and what was read is still to be delivered.
        let ledger = service.ledger(&service.keeps(1));
        wait_until("the end", || ledger.body().contains("\"end\":{\"Idle\""));
        service.rests();
        service.restart(signal);
        let log = service.server().log();
        assert!(!log.iter().any(|line| line.contains(" left ")), "{log:#?}");
        let mut got = Vec::new();
        wait_until("the rest to be delivered", || {
            got.extend(modem.read_now());
            let log = service.server().log();
            let end = log
                .iter()
                .find(|line| line.ends_with(": nothing moved for 3s"));
            let sent = format!(" {} bytes to the line,", "ATZ\r".len() + got.len());
            end.is_some_and(|end| end.contains(&sent))
        });
        assert!(octets.starts_with(&got), "other octets than sent");
        let end = client.read(&mut [0; 4096]);
        // It was not listened to any more.
        assert!(
            matches!(&end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
        );
        service.assert_empty();
    }
}

#[test]
fn a_service_that_is_stopped_ends_all_calls_and_has_nothing_kept() {
    let modems = [Modem::new(), Modem::new()];
    let ports = port("raw", &[&modems[0]], "busy = \"wait\"")
        + &port("telnet", &[&modems[1]], "protocol = \"telnet\"");
    let mut service = Service::new(&["raw", "telnet"], &ports);
    let mut clients = [service.connect_to(0), service.connect_to(1)];
    for (client, modem) in clients.iter_mut().zip(&modems) {
        assert_talks(client, modem);
    }
    let mut waits = service.connect_to(0);
    service.keeps(3);
    service.restart(SIGUSR1);
    service.keeps(3);
    let (_, log) = service.end(SIGTERM);
    for client in clients.iter_mut().chain([&mut waits]) {
        assert!(hears_the_end(client));
    }
    let ends = log.iter().filter(|line| line.ends_with(": modemd stops"));
    assert_eq!(ends.count(), 2, "{log:#?}");
    assert_eq!(service.sessions(), [""; 0]);
    assert_eq!(locks_in(service.scratch.path()), [""; 0]);
}

/// Where nobody keeps anything, the signal for a restart is one to stop.
fn ends_its_call_when_told_to_hand_over(server: Running, scratch: &Scratch, modem: &Modem) {
    let mut server = server;
    let mut client = server.connect();
    assert_talks(&mut client, modem);
    server.signal(SIGUSR1);
    assert!(hears_the_end(&mut client));
    server.logged(": modemd stops");
    assert!(server.wait().success());
    assert_eq!(locks_in(scratch.path()), [""; 0]);
}

#[test]
fn without_systemd_nobody_keeps_a_call() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = crate::support::share(&[modem.device()], scratch.path(), &[]);
    ends_its_call_when_told_to_hand_over(server, &scratch, &modem);
}

#[test]
fn where_systemd_has_no_room_it_keeps_no_call() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    command.env("FDSTORE", "0");
    let server = manager.watch(command);
    ends_its_call_when_told_to_hand_over(server, &scratch, &modem);
    manager.settle();
    assert!(manager.store().is_empty());
}
