//! Who may call what, how often; and modems that cannot be guarded, or only with help.

use std::io::Write;

use modemd::at::temperament::{Escape, Temperament};

use crate::guarded::{ALLOW, ECHO, FORBIDDEN, Guarded, escape, goes_over, told};
use crate::support::{connect, read_all, read_until, reset};

#[test]
fn no_more_calls_are_made_in_an_hour_than_are_permitted_on_whatever_connection() {
    for rules in [
        "calls_per_hour = 2\n",
        "minutes_per_day = 1\ncalls_per_hour = 2\n",
    ] {
        let guarded = Guarded::with("", &format!("{ALLOW}{rules}"));
        for _ in 0..2 {
            let mut client = guarded.client();
            told(&mut client, "ATDT5552004", "BUSY\r\n");
            told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
            reset(client);
            guarded.is_free_again();
        }
        let mut client = guarded.client();
        told(&mut client, "ATDT5552004", "NO CARRIER\r\n");
        told(&mut client, &format!("ATDT{ECHO}"), "NO CARRIER\r\n");
        assert_eq!(guarded.dialled(), ["5552004", "5552004"]);
        guarded.server.logged("as many as `calls_per_hour` permits");
    }
}

#[test]
fn rules_for_some_hosts_hold_for_them_instead_of_the_others() {
    for (hosts, allow, connects) in [
        ("127.0.0.1", "[\"5552003\"]", false),
        ("127.0.0.1", "[\"5552*\"]", true),
        ("192.0.2.0/24", "[]", true),
    ] {
        let clients =
            format!("[[ports.modem.dial.clients]]\nhosts = [{hosts:?}]\nallow = {allow}\n");
        let guarded = Guarded::with("", &format!("{ALLOW}{clients}"));
        let mut client = guarded.client();
        let (answer, dialled) = if connects {
            ("CONNECT 115200\r\n", &[ECHO][..])
        } else {
            ("NO CARRIER\r\n", &[][..])
        };
        told(&mut client, &format!("ATDT{ECHO}"), answer);
        assert_eq!(guarded.dialled(), dialled, "{hosts}");
    }
}

/// A modem whose escape cannot be switched off.
fn without_s2(escape: Escape) -> Temperament {
    Temperament {
        escape,
        has_s2: false,
        ..Temperament::hayes()
    }
}

#[test]
fn a_modem_that_cannot_be_guarded_is_set_aside_and_the_client_gets_the_next() {
    for modem in [
        Temperament::gsm(),
        without_s2(Escape::GuardTime),
        without_s2(Escape::AtOnce),
    ] {
        let guarded = Guarded::of(&[modem.clone(), Temperament::hayes()], "", ALLOW);
        let mut client = guarded.client();
        told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
        client.write_all(b"the next one").unwrap();
        read_until(&mut client, b"the next one");
        let first = guarded.bank.guarded()[0].to_str().unwrap();
        guarded.server.logged(&format!("{first}: "));
        // Nobody else finds another one.
        let told = read_all(&mut connect(guarded.server.address_of("modem")));
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(!told.is_empty(), "{told}");
        // Alone, it is of no use at all.
        let guarded = Guarded::of(&[modem], "", ALLOW);
        let told = read_all(&mut connect(guarded.server.address_of("modem")));
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("ERROR: no modem here works"), "{told}");
        assert_eq!(guarded.dialled(), [""; 0]);
    }
}

#[test]
fn with_its_guard_time_a_modem_that_cannot_switch_its_escape_off_carries_every_octet() {
    for modem in [Temperament::gsm(), without_s2(Escape::GuardTime)] {
        let keys = "[ports.modem.modem]\nguard_time = \"1s\"\n";
        let guarded = Guarded::of(&[modem], keys, ALLOW);
        let (mut client, mut far) = guarded.call();
        goes_over(&mut client, &mut far, b"before");
        // What the modem takes for its escape, and the client for none of its own.
        client.write_all(b"x").unwrap();
        read_until(&mut far, b"x");
        for piece in [&b"+++"[..], b"ATDT0900123456\r"] {
            client.write_all(piece).unwrap();
            read_until(&mut far, piece);
        }
        let mut pluses = b"++++++++++".repeat(20);
        pluses.extend(b"ATDT0900123456\r.");
        client.write_all(&pluses).unwrap();
        read_until(&mut far, b"ATDT0900123456\r.");
        goes_over(&mut far, &mut client, b"+++ATDT0900123456\r");
        escape(&mut client);
        told(&mut client, &format!("ATDT{FORBIDDEN}"), "ERROR\r\n");
        told(&mut client, "ATH", "OK\r\n");
        read_until(&mut far, b"NO CARRIER\r\n");
        told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
        assert_eq!(guarded.dialled(), [guarded.bank.far_number.as_str()]);
    }
}

#[test]
fn the_other_temperaments_are_guarded_like_the_first() {
    for modem in [
        Temperament::escapes_at_once(),
        Temperament::terse(),
        Temperament::slow_in_pieces(),
    ] {
        let guarded = Guarded::of(&[modem], "", ALLOW);
        let (mut client, mut far) = guarded.call();
        goes_over(&mut client, &mut far, b"+++ATDT0900123456\r");
        goes_over(&mut client, &mut far, b"+++");
        goes_over(&mut client, &mut far, b"ATDT0900123456\r");
        escape(&mut client);
        told(&mut client, "ATH", "OK\r\n");
        read_until(&mut far, b"NO CARRIER\r\n");
        told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
        told(&mut client, "ATDT5552004", "BUSY\r\n");
        let number = guarded.bank.far_number.as_str();
        assert_eq!(guarded.dialled(), [number, "5552004"]);
    }
}
