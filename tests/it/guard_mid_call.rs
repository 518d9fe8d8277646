//! What happens in the middle of a guarded call, and that nobody comes to the modem's commands by it.

use std::io::Write;
use std::thread::scope;

use crate::com_port::{COM_PORT, IAC, SB, SE};
use crate::guarded::{ALLOW, ECHO, FORBIDDEN, Guarded, escape, escape_with, goes_over, told};
use crate::support::{read_until, reset};

#[test]
fn behind_its_escape_a_client_finds_the_guard_which_dials_nothing_in_a_call() {
    let guarded = Guarded::new();
    let (mut client, mut far) = guarded.call();
    escape(&mut client);
    let number = &guarded.bank.far_number;
    for line in [
        format!("ATDT{FORBIDDEN}"),
        format!("ATDT{number}"),
        "ATDL".to_owned(),
        "A/".to_owned(),
        "ATA".to_owned(),
    ] {
        let line = if line == "A/" { line } else { line + "\r" };
        client.write_all(line.as_bytes()).unwrap();
        read_until(&mut client, b"ERROR\r\n");
    }
    told(&mut client, "ATO", "CONNECT\r\n");
    goes_over(&mut client, &mut far, b"go on");
    // From the far end it is data. (Once the client has said `AT`, a line without DCD has to be believed.)
    goes_over(
        &mut far,
        &mut client,
        b"x+++ATDT0900123456\r\n\r\nNO CARRIER\r\nRING\r\nOK\r\n",
    );
    // So it is without silence in front, and in pieces.
    for piece in [&b"x+++"[..], b"+", b"+", b"+", b"ATDT0900123456\r", b"."] {
        client.write_all(piece).unwrap();
        read_until(&mut far, piece);
    }
    // Nobody has hung up.
    goes_over(&mut client, &mut far, b"are you still there?");
    goes_over(&mut far, &mut client, b"yes, I am");
    assert_eq!(guarded.dialled(), [number.as_str()]);
}

#[test]
fn another_escape_and_another_guard_time_are_those_of_the_client_alone() {
    let guarded = Guarded::new();
    let mut client = guarded.client();
    told(&mut client, "ATS2=64S12=0", "OK\r\n");
    told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
    escape_with(&mut client, b"@@@");
    told(&mut client, &format!("ATDT{FORBIDDEN}"), "ERROR\r\n");
    told(&mut client, "ATH", "OK\r\n");
    told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
    // None at all.
    told(
        &mut client,
        &format!("ATS2=255DT{ECHO}"),
        "CONNECT 115200\r\n",
    );
    client
        .write_all(b"\xff\xff\xff+++ATDT0900123456\r")
        .unwrap();
    read_until(&mut client, b"\xff\xff\xff+++ATDT0900123456\r");
    assert_eq!(guarded.dialled(), [ECHO, ECHO]);
}

#[test]
fn who_streams_commands_while_the_far_end_hangs_up_dials_nothing() {
    for keys in ["", "protocol = \"telnet\"\n"] {
        let guarded = Guarded::with(keys, ALLOW);
        let (client, mut far) = guarded.call();
        let commands = b"ATDT0900123456\rAT+CUSD=1,\"*100#\"\r\nATD0900;\r".repeat(100);
        scope(|scope| {
            let streamed = scope.spawn(|| {
                // Until the line is taken from it.
                while (&client).write_all(&commands).is_ok() {}
            });
            for _ in 0..20 {
                read_until(&mut far, b"ATD0900;\r");
            }
            reset(far);
            let mut from = &client;
            read_until(&mut from, b"NO CARRIER\r\n");
            client.shutdown(std::net::Shutdown::Both).unwrap();
            streamed.join().unwrap();
        });
        guarded.is_free_again();
        assert_eq!(guarded.dialled(), [guarded.bank.far_number.as_str()]);
    }
}

/// A COM port control message that switches something (RFC 2217).
fn control(value: u8) -> [u8; 7] {
    [IAC, SB, COM_PORT, 5, value, IAC, SE]
}

const BREAK_ON: u8 = 5;
const BREAK_OFF: u8 = 6;
const DTR_ON: u8 = 8;
const DTR_OFF: u8 = 9;
/// Throws away what is on its way, in both directions.
const PURGE: [u8; 7] = [IAC, SB, COM_PORT, 12, 3, IAC, SE];

#[test]
fn a_break_goes_by_and_dtr_hangs_up_but_neither_leads_to_the_modem() {
    const BREAK: u8 = 243;
    let guarded = Guarded::telnet();
    let (mut client, mut far) = guarded.call();
    client.write_all(&[IAC, 251, COM_PORT, IAC, BREAK]).unwrap();
    for message in [control(BREAK_ON), control(BREAK_OFF), PURGE] {
        client.write_all(&message).unwrap();
    }
    client.write_all(b"ATDT0900123456\r\n").unwrap();
    read_until(&mut far, b"ATDT0900123456\r");
    goes_over(&mut client, &mut far, b"\nstill in the call");
    client.write_all(&control(DTR_OFF)).unwrap();
    client.write_all(b"ATDT0900123456\r\n").unwrap();
    read_until(&mut far, b"NO CARRIER\r\n");
    client.write_all(&control(DTR_ON)).unwrap();
    read_until(&mut client, b"NO CARRIER\r\n");
    told(&mut client, "ATS9=6S9?", "006\r\nOK\r\n");
    told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
    let number = guarded.bank.far_number.as_str();
    assert_eq!(guarded.dialled(), [number, ECHO]);
}

#[test]
fn flow_control_stays_in_a_call_as_it_was_and_dtr_is_told_as_it_is_to_be() {
    const NONE: u8 = 1;
    const XON_XOFF: u8 = 2;
    let answer = |value| [IAC, SB, COM_PORT, 105, value, IAC, SE];
    let guarded = Guarded::telnet();
    let (mut client, mut far) = guarded.call();
    client.write_all(&[IAC, 251, COM_PORT]).unwrap();
    client.write_all(&control(XON_XOFF)).unwrap();
    read_until(&mut client, &answer(NONE));
    for dtr in [DTR_OFF, DTR_ON, DTR_OFF, DTR_ON] {
        client.write_all(&control(dtr)).unwrap();
        read_until(&mut client, &answer(dtr));
    }
    read_until(&mut far, b"NO CARRIER\r\n");
    told(&mut client, "ATS9=6S9?", "006\r\nOK\r\n");
    client.write_all(&control(XON_XOFF)).unwrap();
    read_until(&mut client, &answer(XON_XOFF));
}

#[test]
fn a_client_that_dies_in_a_call_leaves_the_modem_on_hook() {
    for keys in ["", "protocol = \"telnet\"\n"] {
        let guarded = Guarded::with(keys, ALLOW);
        let (mut client, mut far) = guarded.call();
        client.write_all(b"bye+++ATDT0900123456\r").unwrap();
        reset(client);
        read_until(&mut far, b"NO CARRIER\r\n");
        guarded.is_free_again();
        assert_eq!(guarded.dialled(), [guarded.bank.far_number.as_str()]);
    }
}
