//! A guarded port with emulated modems, and one more modem elsewhere that can be called.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;

use modemd::at::temperament::Temperament;
use modemd::demo::{Dialled, EmulatedModems};

use crate::support::{
    Running, Scratch, connect, contains, port, read_until, standalone_command, wait_until,
};

/// What these ports permit, unless it is said otherwise: the numbers of the exchange, and none that costs money.
pub(crate) const ALLOW: &str = "allow = [\"555*\"]\ndeny = [\"*0900*\"]\n";

/// A number that no rule here permits.
pub(crate) const FORBIDDEN: &str = "0900123456";

/// The number of a service that sends back what it hears.
pub(crate) const ECHO: &str = "5552001";

/// Modems of this process, those of the port `modem` with a guard before them; that of the port `far` has none.
pub(crate) struct Bank {
    dialled: Dialled,
    devices: Vec<PathBuf>,
    /// The number of the modem of `far`.
    pub(crate) far_number: String,
}

impl Bank {
    /// Guarded modems like these.
    pub(crate) fn of(guarded: &[Temperament]) -> Bank {
        let all = [guarded, &[Temperament::hayes()]].concat();
        let modems = EmulatedModems::start_with(&all).unwrap();
        let dialled = modems.dialled();
        let devices = modems.devices().iter();
        let devices: Vec<_> = devices.map(|modem| modem.path().to_owned()).collect();
        let far_number = modems.devices().last().unwrap().number().to_owned();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(modems.run())
        });
        Bank {
            dialled,
            devices,
            far_number,
        }
    }

    /// The devices of the guarded modems.
    pub(crate) fn guarded(&self) -> &[PathBuf] {
        &self.devices[..self.devices.len() - 1]
    }

    /// The device of the other one.
    pub(crate) fn far(&self) -> &Path {
        self.devices.last().unwrap()
    }

    /// The ports of a configuration file, each with an address of its own; `more` belongs to `[ports.modem]`.
    pub(crate) fn ports(&self, more: &str) -> String {
        let guarded: Vec<_> = self.guarded().iter().map(PathBuf::as_path).collect();
        let far = self.far().display();
        format!(
            "[ports.far]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"localhost\"]\ndevices = [\"{far}\"]\n{}",
            port(&guarded, more)
        )
    }

    /// Every number that any of the modems has dialled, as the telephone exchange saw it.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.numbers()
    }
}

/// A modemd that serves both ports.
pub(crate) struct Guarded {
    pub(crate) server: Running,
    pub(crate) bank: Bank,
    pub(crate) scratch: Scratch,
}

impl Guarded {
    /// One guarded modem, on a raw port.
    pub(crate) fn new() -> Guarded {
        Guarded::with("", ALLOW)
    }

    /// The same on a telnet port.
    pub(crate) fn telnet() -> Guarded {
        Guarded::with("protocol = \"telnet\"\n", ALLOW)
    }

    /// One guarded modem, with more keys of the port and with these rules.
    pub(crate) fn with(keys: &str, rules: &str) -> Guarded {
        Guarded::of(&[Temperament::hayes()], keys, rules)
    }

    /// Guarded modems like these.
    pub(crate) fn of(modems: &[Temperament], keys: &str, rules: &str) -> Guarded {
        let scratch = Scratch::new();
        let bank = Bank::of(modems);
        let more = format!("{keys}[ports.modem.dial]\n{rules}");
        let command = standalone_command(&scratch, &bank.ports(&more));
        Guarded {
            server: Running::start(command),
            bank,
            scratch,
        }
    }

    /// A new client of the guarded port, which is answered.
    #[track_caller]
    pub(crate) fn client(&self) -> TcpStream {
        let mut client = connect(self.server.address_of("modem"));
        told(&mut client, "AT", "OK");
        client
    }

    /// Somebody at the other modem, which answers calls.
    #[track_caller]
    pub(crate) fn far(&self) -> TcpStream {
        let mut far = connect(self.server.address_of("far"));
        told(&mut far, "ATE0S0=1", "OK");
        far
    }

    /// A client in a call with the other modem, and who has that one.
    #[track_caller]
    pub(crate) fn call(&self) -> (TcpStream, TcpStream) {
        let mut far = self.far();
        let mut client = self.client();
        let number = &self.bank.far_number;
        told(&mut client, &format!("ATDT{number}"), "CONNECT 115200\r\n");
        read_until(&mut far, b"CONNECT 115200\r\n");
        (client, far)
    }

    /// Every number that was really dialled.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.bank.dialled()
    }

    /// Waits until the clients have gone, and somebody new finds a modem that works.
    #[track_caller]
    pub(crate) fn is_free_again(&self) {
        wait_until("the line to be free", || {
            let mut client = connect(self.server.address_of("modem"));
            let mut got = Vec::new();
            let mut buffer = [0; 512];
            client.write_all(b"AT\r").unwrap();
            while !contains(&got, b"OK\r\n") {
                match client.read(&mut buffer) {
                    Ok(count) if count > 0 => got.extend(&buffer[..count]),
                    _ => return false,
                }
            }
            true
        });
    }
}

/// Types a command line, and returns what comes up to and with this answer.
#[track_caller]
pub(crate) fn told(client: &mut TcpStream, line: &str, answer: &str) -> String {
    client.write_all(format!("{line}\r").as_bytes()).unwrap();
    let got = read_until(client, answer.as_bytes());
    String::from_utf8_lossy(&got).into_owned()
}

/// The client's escape, with the silence that belongs to it, and the answer to it.
#[track_caller]
pub(crate) fn escape(client: &mut TcpStream) {
    escape_with(client, b"+++");
}

/// The same with other characters.
#[track_caller]
pub(crate) fn escape_with(client: &mut TcpStream, characters: &[u8]) {
    // The protocol wants that silence: a second is S12 as modems come.
    thread::sleep(GUARD_TIME);
    client.write_all(characters).unwrap();
    let got = read_until(client, b"\r\nOK\r\n");
    assert!(!contains(&got, b"NO CARRIER"), "{got:?}");
}

/// A little more than S12.
const GUARD_TIME: std::time::Duration = std::time::Duration::from_millis(1100);

/// Says these words on one side, and hears them on the other one; in front of them the client's escape, which
/// modems send along.
#[track_caller]
pub(crate) fn goes_over(from: &mut TcpStream, to: &mut TcpStream, words: &[u8]) {
    from.write_all(words).unwrap();
    let got = read_until(to, words);
    assert!(
        got == words || got.strip_prefix(b"+++") == Some(words),
        "{}",
        got.escape_ascii()
    );
}
