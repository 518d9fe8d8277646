//! Calls that go on over a restart and over a crash: one process leaves them, the next takes them up.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal::{self, SIGKILL, SIGUSR1};

use crate::com_port::{AGREES, COM_PORT, GREETING, IAC, OFFERS, SB, SE, comes, message};
use crate::half_close::wait_for_half_close;
use crate::service::{Service, port};
use crate::support::{
    Modem, PATIENCE, assert_talks, random, read_all, read_exactly, read_until, reset, server_end,
    wait_until,
};

/// How a process ends that leaves its calls: told to, or not.
pub(crate) const BOTH_WAYS: [Signal; 2] = [SIGUSR1, SIGKILL];

#[test]
fn a_call_goes_on_over_restarts_and_crashes_and_its_line_stays_locked() {
    for protocol in ["raw", "telnet"] {
        let modem = Modem::new();
        let more = format!("protocol = {protocol:?}");
        let mut service = Service::new(&["modem"], &port("modem", &[&modem], &more));
        let mut client = service.connect();
        assert_talks(&mut client, &modem);
        let session = service.keeps(1);
        for signal in [BOTH_WAYS, BOTH_WAYS].concat() {
            let before = service.server().pid();
            service.assert_locked_by(before);
            service.rests();
            service.end(signal);
            service.assert_locked_by(if signal == SIGUSR1 { 1 } else { before });
            client.write_all(b"to nobody").unwrap();
            modem.say(b"from nobody");
            service.begin();
            service.assert_locked_by(service.server().pid());
            modem.expect(b"to nobody");
            read_until(&mut client, b"from nobody");
            assert_talks(&mut client, &modem);
            let why = if signal == SIGUSR1 {
                "after a restart"
            } else {
                "after modemd died"
            };
            let line = service.server().logged("is still on");
            assert!(line.ends_with(why), "{line}");
            // The one in the journal, for as long as it lasts.
            assert_eq!(service.keeps(1), session);
        }
        reset(client);
        service.assert_empty();
    }
}

/// A service with one modem on a telnet port, and a client of it with COM port control.
fn telnet() -> (Service, Modem, TcpStream) {
    let modem = Modem::new();
    let ports = port("modem", &[&modem], "protocol = \"telnet\"");
    let service = Service::new(&["modem"], &ports);
    let mut client = service.connect();
    client.set_nodelay(true).unwrap();
    comes(&mut client, &OFFERS);
    client.write_all(&AGREES).unwrap();
    comes(&mut client, &GREETING);
    (service, modem, client)
}

#[test]
fn a_telnet_command_that_is_cut_in_two_is_whole_afterwards() {
    let (mut service, modem, mut client) = telnet();
    for signal in BOTH_WAYS {
        for (first, second, heard, answer) in [
            // An octet of data that is doubled on its way.
            (&[IAC][..], &[IAC, b'y'][..], &b"\xffy"[..], &b""[..]),
            (&[IAC, SB], &[COM_PORT, 2, 0, IAC, SE], b"", &[102, 8]),
            (
                &[IAC, SB, COM_PORT, 1, 0, 0],
                &[0x4b, 0, IAC, SE],
                b"",
                &[101, 0, 0, 0x4b, 0],
            ),
            (&[IAC, SB, COM_PORT, 2, 0, IAC], &[SE], b"", &[102, 8]),
        ] {
            client.write_all(&[b"x", first].concat()).unwrap();
            modem.expect(b"x");
            service.rests();
            service.end(signal);
            client.write_all(second).unwrap();
            service.begin();
            if !heard.is_empty() {
                assert_eq!(modem.expect(heard), heard);
            }
            if !answer.is_empty() {
                comes(&mut client, &message(answer));
            }
        }
    }
    assert_talks(&mut client, &modem);
}

/// Octets that are the same in both protocols.
pub(crate) fn plain(count: usize) -> Vec<u8> {
    let mut octets = random(count);
    for octet in &mut octets {
        *octet = b'a' + *octet % 26;
    }
    octets
}

/// Waits until the server has left some of what the client sent.
#[track_caller]
fn wait_until_stuck(client: &TcpStream) {
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    wait_until("the server to be stuck", || {
        server_end(here, there).is_some_and(|end| end.unread > 0)
    });
}

#[test]
fn what_the_line_did_not_take_yet_reaches_it_afterwards() {
    for (protocol, octets) in [("raw", 60_000), ("telnet", 200_000)] {
        for signal in BOTH_WAYS {
            let modem = Modem::new();
            let more = format!("protocol = {protocol:?}");
            let mut service = Service::new(&["modem"], &port("modem", &[&modem], &more));
            let mut client = service.connect();
            let octets = plain(octets);
            client.write_all(&octets).unwrap();
            wait_until_stuck(&client);
            for _ in 0..3 {
                service.rests();
                service.restart(signal);
            }
            client.write_all(b"END").unwrap();
            modem.set_blocking(true);
            read_exactly(modem.master(), &octets);
            read_exactly(modem.master(), b"END");
            let line = service.server().logged("is still on");
            assert!(!line.contains("lost"), "{line}");
        }
    }
}

#[test]
fn what_the_client_did_not_take_yet_reaches_it_afterwards() {
    for protocol in ["raw", "telnet"] {
        for signal in BOTH_WAYS {
            let modem = Modem::new();
            let more = format!("protocol = {protocol:?}");
            let mut service = Service::new(&["modem"], &port("modem", &[&modem], &more));
            let mut client = service.connect();
            client.write_all(b"ATI").unwrap();
            modem.expect(b"ATI");
            let octets = plain(16 << 20);
            let said = modem.say_until_stuck(&octets);
            assert!(said < octets.len());
            for _ in 0..3 {
                service.rests();
                service.restart(signal);
            }
            if protocol == "telnet" {
                comes(&mut client, &OFFERS);
            }
            read_exactly(&client, &octets[..said]);
            modem.say(b"END");
            read_exactly(&client, b"END");
            let line = service.server().logged("is still on");
            assert!(!line.contains("lost"), "{line}");
        }
    }
}

#[test]
fn an_order_that_waits_for_the_data_in_front_of_it_is_carried_out_afterwards() {
    for signal in BOTH_WAYS {
        let caught = (0..20).find_map(|_| {
            let (mut service, modem, mut client) = telnet();
            let octets = plain(20_000);
            client.write_all(&octets).unwrap();
            client.write_all(&message(&[1, 0, 0, 0x4b, 0])).unwrap();
            let ledger = service.ledger(&service.keeps(1));
            let waits = || ledger.body().contains("\"order\":{\"Obey\"");
            wait_until("the order to wait", waits);
            service.end(signal);
            // It waits for a second. Was this machine so slow?
            waits().then_some((service, modem, client, octets))
        });
        let (mut service, modem, mut client, octets) = caught.expect("an order that waits");
        service.begin();
        comes(&mut client, &message(&[101, 0, 0, 0x4b, 0]));
        // What speed is it?
        client.write_all(&message(&[1, 0, 0, 0, 0])).unwrap();
        comes(&mut client, &message(&[101, 0, 0, 0x4b, 0]));
        modem.set_blocking(true);
        read_exactly(modem.master(), &octets);
        modem.set_blocking(false);
        assert_talks(&mut client, &modem);
    }
}

#[test]
fn a_client_that_has_asked_for_silence_has_it_afterwards() {
    for signal in BOTH_WAYS {
        let (mut service, modem, mut client) = telnet();
        client.write_all(&message(&[8])).unwrap();
        client.write_all(&message(&[2, 0])).unwrap();
        client.write_all(b"ATI\r").unwrap();
        modem.expect(b"ATI\r");
        service.rests();
        service.restart(signal);
        modem.say(b"modem");
        client.write_all(b"ATZ\r").unwrap();
        modem.expect(b"ATZ\r");
        let soon = Duration::from_millis(300);
        client.set_read_timeout(Some(soon)).unwrap();
        assert!(client.read(&mut [0]).is_err(), "not even an answer");
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&message(&[9])).unwrap();
        comes(&mut client, &message(&[102, 8]));
        comes(&mut client, b"modem");
    }
}

#[test]
fn a_client_that_has_closed_its_sending_side_gets_the_answer_and_the_end() {
    for signal in BOTH_WAYS {
        let modem = Modem::new();
        let ports = port("modem", &[&modem], "linger = \"3s\"");
        let mut service = Service::new(&["modem"], &ports);
        let mut client = service.connect();
        client.write_all(b"ATI\r").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        modem.expect(b"ATI\r");
        wait_for_half_close(&client);
        service.rests();
        service.end(signal);
        modem.say(b"modem\r\nOK\r\n");
        service.begin();
        assert_eq!(read_all(&mut client), b"modem\r\nOK\r\n");
        let line = service.server().logged(" left ");
        assert!(
            line.ends_with("4 bytes to the line, 11 from it: the client closed"),
            "{line}"
        );
        service.assert_empty();
    }
}
