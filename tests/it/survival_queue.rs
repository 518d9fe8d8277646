//! Clients without a line yet, over a restart and over a crash; and ports that have changed meanwhile.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::signal::Signal::SIGUSR1;

use crate::access::connect_from;
use crate::name_server::NameServer;
use crate::service::{Service, port};
use crate::support::{Modem, assert_talks, read_all, read_until, reset};
use crate::survival::BOTH_WAYS;

/// A client that says its name at once, and is known to be there.
fn arrives(service: &Service, name: &str, number: usize) -> TcpStream {
    let mut client = service.connect();
    client.write_all(name.as_bytes()).unwrap();
    service.keeps(number);
    client
}

#[track_caller]
fn hears_only(modem: &Modem, name: &str) {
    let heard = modem.expect(name.as_bytes());
    assert_eq!(String::from_utf8_lossy(&heard), name);
}

#[test]
fn who_waits_for_a_line_keeps_the_place_in_the_queue() {
    for signal in BOTH_WAYS {
        let modem = Modem::new();
        let more = "protocol = \"telnet\"\nbusy = \"wait\"\nwait = \"1h\"";
        let mut service = Service::new(&["modem"], &port("modem", &[&modem], more));
        let anna = arrives(&service, "anna", 1);
        hears_only(&modem, "anna");
        let mut berta = arrives(&service, "berta", 2);
        let clara = arrives(&service, "clara", 3);
        let mut doris = arrives(&service, "doris", 4);
        for (client, place) in [(&mut berta, 1), (&mut doris, 3)] {
            let told = format!(
                "\r\nAll modems are busy. You are number {place} in the queue. Please wait.\r\n"
            );
            assert_eq!(read_until(client, b"wait.\r\n"), told.as_bytes());
        }
        for _ in 0..2 {
            service.rests();
            service.restart(signal);
        }
        service.rests();
        service.end(signal);
        drop(clara);
        service.begin();
        service.server().logged("left while it waited for a line");
        let moves_up = b"You are number 2 in the queue.\r\n";
        assert_eq!(read_until(&mut doris, b"\n"), moves_up);
        service.keeps(3);
        // Somebody who comes now is behind them.
        let mut emma = arrives(&service, "emma", 4);
        read_until(&mut emma, b"You are number 3 in the queue.");
        reset(anna);
        hears_only(&modem, "berta");
        // And was told nothing else meanwhile.
        read_until(&mut berta, b"You have a modem now.\r\n");
        reset(berta);
        hears_only(&modem, "doris");
        reset(doris);
        hears_only(&modem, "emma");
        reset(emma);
        service.assert_empty();
    }
}

#[test]
fn who_waited_too_long_while_nobody_was_there_is_told_busy() {
    let modem = Modem::new();
    let ports = port("modem", &[&modem], "busy = \"wait\"\nwait = \"1s\"");
    let mut service = Service::new(&["modem"], &ports);
    let mut first = service.connect();
    assert_talks(&mut first, &modem);
    let mut waits = service.connect();
    service.keeps(2);
    service.restart(SIGUSR1);
    assert_eq!(read_all(&mut waits), b"\r\nBUSY\r\n");
    service.keeps(1);
    assert_talks(&mut first, &modem);
}

#[test]
fn a_client_whose_name_is_being_looked_up_is_looked_up_anew() {
    let Some(names) = NameServer::start() else {
        return;
    };
    let modem = Modem::new();
    let ports = port("modem", &[&modem], "");
    let ports = ports.replace("\"localhost\"", "\"desk.example.org\"");
    let mut service = Service::staged(&["modem"], &ports, |program| {
        names.stage().command(&program)
    });
    let mut nameless = service.connect();
    let to = nameless.peer_addr().unwrap();
    assert_eq!(read_all(&mut nameless), b"");
    for address in ["127.0.0.2", "127.0.0.3"] {
        names.ignores(address);
    }
    let mut known = connect_from("127.0.0.2", to);
    let mut unknown = connect_from("127.0.0.3", to);
    for address in ["127.0.0.2", "127.0.0.3"] {
        names.was_asked_about(address);
    }
    service.end(SIGUSR1);
    assert_eq!(service.sessions().len(), 2);
    names.knows("127.0.0.2", "desk.example.org");
    names.resolves("desk.example.org", "127.0.0.2");
    names.knows("127.0.0.3", "other.example.org");
    service.begin();
    assert_eq!(read_all(&mut unknown), b"");
    service.server().logged(" refused: ");
    assert_talks(&mut known, &modem);
    service.keeps(1);
    reset(known);
    service.assert_empty();
}

#[test]
fn a_call_goes_on_to_its_end_although_its_port_has_left_the_configuration() {
    for signal in BOTH_WAYS {
        let (old, new) = (Modem::new(), Modem::new());
        let ports = port("old", &[&old], "busy = \"wait\"");
        let mut service = Service::new(&["old"], &ports);
        let mut client = service.connect();
        assert_talks(&mut client, &old);
        let mut waits = service.connect();
        service.keeps(2);
        service.rests();
        service.end(signal);
        service.configure(&port("new", &[&new], ""));
        service.begin();
        assert_eq!(read_all(&mut waits), b"");
        let line = service.server().logged("client refused: ");
        assert!(line.contains("`old`"), "{line}");
        service.keeps(1);
        assert_talks(&mut client, &old);
        service.restart(signal);
        assert_talks(&mut client, &old);
        assert_eq!(
            read_all(&mut service.connect()),
            b"",
            "nobody new is let in"
        );
        reset(client);
        service.assert_empty();
    }
}
