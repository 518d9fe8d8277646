//! The telnet programs of people, at a telnet port.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::exchange::{Exchange, expect};
use crate::support::{Client, PYTHON, bounded, contains, have, read_until};

/// A program with a pipe at each end.
struct Piped(Client);

impl Piped {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let child = bounded(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Piped(Client(child))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn output(&mut self) -> &mut impl Read {
        self.0.0.stdout.as_mut().unwrap()
    }
}

/// What a terminal shows: nothing for a NUL.
///
/// What the modem says before the client has agreed to BINARY comes with CR NUL (RFC 856), and some
/// clients hand that on as it is.
fn shown(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|&octet| octet != 0).collect()
}

/// Has a dialogue through the client: each character comes back once, and each end of a line is one.
#[track_caller]
fn has_a_dialogue(client: &mut Piped) {
    // Up to the first answer there may be words of the client's own, and its own echo of what was
    // typed before it knew that the modem does that.
    client.write(b"ATZ\r");
    read_until(client.output(), b"\r\nOK\r\n");
    for _ in 0..3 {
        client.write(b"ATI1\r");
        let said = read_until(client.output(), b"OK\r\n");
        let said = shown(&said);
        assert!(
            said.starts_with(b"ATI1\r\r\nLinux ISDN\r\nOK\r\n"),
            "{}",
            said.escape_ascii()
        );
        assert_eq!(said.len(), b"ATI1\r\r\nLinux ISDN\r\nOK\r\n".len());
    }
}

/// Starts the client with these arguments, in which `PORT` is a telnet port with a modem.
#[track_caller]
fn gets_its_answers_each_once(program: &str, arguments: &str) {
    if !have(&[program]) {
        return;
    }
    let exchange = Exchange::with_telnet_modems(1);
    let arguments = arguments.replace("PORT", &exchange.port());
    let arguments: Vec<_> = arguments.split(' ').collect();
    has_a_dialogue(&mut Piped::start(program, &arguments));
}

#[test]
fn inetutils_telnet_gets_its_answers_each_once() {
    gets_its_answers_each_once("inetutils-telnet", "-E 127.0.0.1 PORT");
}

#[test]
fn telnet_ssl_without_ssl_gets_its_answers_each_once() {
    gets_its_answers_each_once("telnet-ssl", "-E 127.0.0.1 PORT");
}

#[test]
fn curl_gets_its_answers_each_once() {
    gets_its_answers_each_once("curl", "--silent --no-buffer telnet://127.0.0.1:PORT");
}

#[test]
fn plink_gets_its_answers_each_once() {
    gets_its_answers_each_once("plink", "-batch -telnet -P PORT 127.0.0.1");
}

#[test]
fn pythons_telnetlib_gets_its_answers_each_once() {
    if !have(&["python3"]) {
        return;
    }
    let exchange = Exchange::with_telnet_modems(1);
    // It refuses every option; then a CR is CR NUL (RFC 854).
    let script = "
import sys, telnetlib
telnet = telnetlib.Telnet('127.0.0.1', int(sys.argv[1]), 60)
for _ in range(3):
    telnet.write(b'ATI1\\r\\n')
    print(telnet.read_until(b'OK\\r\\n', 60))
";
    let done = bounded(PYTHON)
        .args(["-W", "ignore", "-c", script, &exchange.port()])
        .output()
        .unwrap();
    let expected = "b'ATI1\\r\\r\\nLinux ISDN\\r\\nOK\\r\\n'\n".repeat(3);
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
}

/// Someone at a telnet. While it takes a command it gives its terminal back to the line discipline,
/// which must not make a NL of the Enter that is typed ahead.
const PERSON: &str = "
    set stty_init {-icrnl -echo}
    proc ask {command} {
        send \"\\035\"
        want telnet>
        send \"$command\\n\"
    }
";

#[test]
fn a_person_at_telnet_presses_break_and_asks_whether_anybody_is_there() {
    if !have(&["inetutils-telnet", "expect"]) {
        return;
    }
    let exchange = Exchange::with_telnet_modems(1);
    let said = expect(&format!(
        "{PERSON}
        spawn inetutils-telnet 127.0.0.1 {}
        want {{Escape character}}
        send \"ATI1\\r\"
        want {{Linux ISDN}}
        want OK
        foreach command {{{{send brk}} {{send synch}} {{send nop}} {{send ip}} {{send ao}} {{send ec}}}} {{
            ask $command
            send \"ATI1\\r\"
            want {{Linux ISDN}}
            want OK
        }}
        ask {{send ayt}}
        want {{modemd: yes}}
        ask {{status}}
        want {{Operating in single character mode}}
        foreach command {{{{unset binary}} {{set binary}} {{toggle binary}} {{toggle crlf}}}} {{
            ask $command
            send \"\\rATI1\\r\"
            want {{Linux ISDN}}
            want OK
        }}
        ask quit
        ended",
        exchange.port()
    ));
    assert!(!said.contains("ERROR"), "{said}");
}

#[test]
fn enter_is_neither_ignored_nor_doubled_whatever_telnet_makes_of_it() {
    // Complaint: CR, CR NUL and CR LF, with and without BINARY.
    if !have(&["inetutils-telnet", "expect"]) {
        return;
    }
    for agreed in ["unset binary", "set binary"] {
        for end in ["unset crlf", "set crlf"] {
            let exchange = Exchange::with_telnet_modems(1);
            let said = expect(&format!(
                "{PERSON}
                spawn inetutils-telnet 127.0.0.1 {}
                want {{Escape character}}
                send \"ATI1\\r\"
                want OK
                ask {{{agreed}}}
                ask {{{end}}}
                send \"\\r\"
                send \"ATI1\\r\"
                want OK
                send \"ATI1\\r\"
                want OK
                ask quit
                ended",
                exchange.port()
            ));
            let said = shown(said.as_bytes());
            let answer = b"\n\rATI1\r\r\nLinux ISDN\r\nOK\r\nATI1\r\r\nLinux ISDN\r\nOK\r\n";
            assert!(contains(&said, answer), "{}", said.escape_ascii());
        }
    }
}
