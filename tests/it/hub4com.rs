//! hub4com, which makes a COM port of a telnet port on Windows.
//!
//! It does not run here. A stand-in says and takes octet for octet what version 2.1.0.0 was seen to say
//! and take under Wine with the arguments in `packaging/windows.md`: the first message in one piece before
//! any answer, answers to options by its own table, no wait for anything, no mask ever asked for.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::com_port::{COM_PORT, IAC, SB, SE, message};
use crate::served::Served;
use crate::support::{Modem, PATIENCE, Scratch, connect, locks_in, random, share, wait_until};
use crate::windows_page::{arguments, filter};

const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const NOP: u8 = 241;

/// Where an option stands, on either side of the connection.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Cannot,
    No,
    Yes,
}

/// Where the decoder is.
#[derive(Clone, Copy)]
enum Place {
    Data,
    Code,
    Option(u8),
    Parameters(u8),
    /// Behind an IAC in the parameters.
    ParameterCode(u8),
}

/// The settings of COM5 as com0com tells them: speed, data bits, parity and stop bits in RFC 2217's numbers.
#[derive(Clone, Copy)]
struct Settings(u32, u8, u8, u8);

impl Settings {
    fn speed(self) -> Vec<u8> {
        message(&[&[1][..], &self.0.to_be_bytes()].concat())
    }

    /// All three, also when only one has changed.
    fn form(self) -> Vec<u8> {
        [
            message(&[2, self.1]),
            message(&[3, self.2]),
            message(&[4, self.3]),
        ]
        .concat()
    }
}

/// hub4com, connected.
struct Hub4com {
    server: TcpStream,
    place: Place,
    parameters: Vec<u8>,
    /// The filter's own table: (local, remote).
    options: BTreeMap<u8, (Side, Side)>,
    /// What goes to COM5.
    data: Vec<u8>,
    /// COM port control, as it came.
    messages: Vec<Vec<u8>>,
    /// What it answered to the server's options.
    answered: Vec<[u8; 2]>,
}

impl Hub4com {
    /// Connects with the arguments on the page, while a program has COM5 open with these settings.
    fn connects(address: SocketAddr, settings: Settings) -> Self {
        let arguments = arguments();
        let telnet = arguments.iter().find_map(|argument| {
            let (module, _, options) = filter(argument)?;
            (module == "telnet").then_some(options.join(" "))
        });
        assert!(telnet.unwrap().contains("--comport=client"));
        let mut server = connect(address);
        let first = [
            vec![IAC, WILL, COM_PORT],
            settings.speed(),
            settings.form(),
            // DTR and RTS of COM5, and no BREAK.
            message(&[5, 8]),
            message(&[5, 11]),
            message(&[5, 6]),
        ];
        server.write_all(&first.concat()).unwrap();
        Hub4com {
            server,
            place: Place::Data,
            parameters: Vec::new(),
            options: BTreeMap::from([
                (0, (Side::No, Side::No)),
                (1, (Side::Cannot, Side::No)),
                (3, (Side::No, Side::No)),
                (24, (Side::No, Side::Cannot)),
                (COM_PORT, (Side::Yes, Side::Cannot)),
            ]),
            data: Vec::new(),
            messages: Vec::new(),
            answered: Vec::new(),
        }
    }

    fn answer(&mut self, verb: u8, option: u8) {
        self.answered.push([verb, option]);
        self.server.write_all(&[IAC, verb, option]).unwrap();
    }

    fn negotiates(&mut self, verb: u8, option: u8) {
        let sides = self.options.get_mut(&option);
        let mut none = (Side::Cannot, Side::Cannot);
        let (local, remote) = sides.unwrap_or(&mut none);
        let (side, yes, no) = match verb {
            DO | DONT => (local, WILL, WONT),
            _ => (remote, DO, DONT),
        };
        let wanted = matches!(verb, DO | WILL);
        match (*side, wanted) {
            (Side::Cannot, true) => self.answer(no, option),
            (Side::No, true) => {
                *side = Side::Yes;
                self.answer(yes, option);
            }
            (Side::Yes, false) => {
                *side = Side::No;
                self.answer(no, option);
            }
            _ => {}
        }
    }

    /// Takes one octet of the server's. CR NUL stays CR NUL.
    fn decodes(&mut self, octet: u8) {
        self.place = match (self.place, octet) {
            (Place::Data, IAC) => Place::Code,
            (Place::Data, _) | (Place::Code, IAC) => {
                self.data.push(octet);
                Place::Data
            }
            (Place::Code, SB | WILL..=DONT) => Place::Option(octet),
            (Place::Option(SB), _) => {
                self.parameters.clear();
                Place::Parameters(octet)
            }
            (Place::Option(verb), _) => {
                self.negotiates(verb, octet);
                Place::Data
            }
            (Place::Parameters(option), IAC) => Place::ParameterCode(option),
            (Place::Parameters(option), _) | (Place::ParameterCode(option), IAC) => {
                self.parameters.push(octet);
                Place::Parameters(option)
            }
            (Place::ParameterCode(COM_PORT), SE) => {
                self.messages.push(std::mem::take(&mut self.parameters));
                Place::Data
            }
            // Whatever else comes behind an IAC is dropped.
            (Place::Code | Place::ParameterCode(_), _) => Place::Data,
        };
    }

    /// Reads until this is so.
    #[track_caller]
    fn reads_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let mut octets = [0; 64];
        while !condition(self) {
            let count = self
                .server
                .read(&mut octets)
                .unwrap_or_else(|error| panic!("{what}: {error} after {:?}", self.messages));
            assert!(count > 0, "{what}: the server closed");
            for &octet in &octets[..count] {
                self.decodes(octet);
            }
        }
    }

    fn has_binary(&self) -> bool {
        self.options[&0] == (Side::Yes, Side::Yes)
    }

    /// What the program writes: nothing but IAC is doubled.
    fn writes(&mut self, data: &[u8]) {
        let mut octets = Vec::new();
        for &octet in data {
            octets.push(octet);
            if octet == IAC {
                octets.push(IAC);
            }
        }
        self.server.write_all(&octets).unwrap();
    }

    fn commands(&mut self, content: &[u8]) {
        self.server.write_all(&message(content)).unwrap();
    }

    /// The answers that come next, in this order.
    #[track_caller]
    fn hears(&mut self, messages: &[&[u8]]) {
        self.reads_until("an answer", |hub| hub.messages.len() >= messages.len());
        let heard: Vec<_> = self.messages.drain(..messages.len()).collect();
        assert_eq!(heard, messages);
    }

    /// The program closes COM5, whose DTR and RTS drop; with `pin2con` the connection ends. hub4com
    /// closes its half, and has the other one closed before it connects again.
    fn ends(&mut self) {
        let arguments = arguments();
        let modules: Vec<_> = arguments.iter().filter_map(|word| filter(word)).collect();
        assert!(modules.iter().any(|(module, ..)| *module == "pin2con"));
        self.commands(&[5, 9]);
        self.commands(&[5, 12]);
        self.server.shutdown(Shutdown::Write).unwrap();
        let mut octets = [0; 64];
        while self.server.read(&mut octets).unwrap() > 0 {}
    }
}

#[test]
fn hub4com_sets_the_line_before_any_answer_and_is_told_the_signals_unasked() {
    let served = Served::new();
    let address = served.server.address();
    let mut hub = Hub4com::connects(address, Settings(9600, 8, 1, 1));
    // CTS, DSR and carrier: a pseudo terminal has no signals. Until it is told, COM5's CTS is off.
    hub.hears(&[
        &[107, 0xb0],
        &[101, 0, 0, 0x25, 0x80],
        &[102, 8],
        &[103, 1],
        &[104, 1],
        &[105, 8],
        &[105, 11],
        &[105, 6],
    ]);
    hub.writes(b"ATZ\r");
    hub.reads_until("OK", |hub| hub.data.ends_with(b"OK\r\n"));
    // The program goes on to another speed, and two stop bits.
    let settings = Settings(19_200, 8, 1, 2);
    hub.server.write_all(&settings.speed()).unwrap();
    hub.server.write_all(&settings.form()).unwrap();
    hub.data.clear();
    hub.writes(b"ATZ\r");
    hub.reads_until("OK", |hub| hub.data.ends_with(b"OK\r\n"));
    hub.hears(&[&[101, 0, 0, 0x4b, 0], &[102, 8], &[103, 1], &[104, 2]]);
    // A BREAK is on for as long as the program says.
    hub.commands(&[5, 5]);
    hub.hears(&[&[105, 5]]);
    hub.commands(&[5, 6]);
    hub.hears(&[&[105, 6]]);
    // Each option has been answered once, and COM port control, which it had offered, not at all.
    assert!(hub.has_binary());
    assert_eq!(
        hub.answered,
        [[DO, 3], [WILL, 3], [DO, 1], [DO, 0], [WILL, 0]]
    );
    hub.ends();
    served.is_left(1);
    served.heard_under(&["9600,8,N,1", "19200,8,N,2"]);
}

#[test]
fn hub4com_begins_with_the_settings_of_a_fresh_pair_and_the_program_sets_its_own() {
    let served = Served::new();
    // com0com's ports have 1200 7E1 until a program sets them. A pseudo terminal has no 7E.
    let mut hub = Hub4com::connects(served.server.address(), Settings(1200, 7, 3, 1));
    let settings = Settings(57_600, 8, 1, 1);
    hub.server.write_all(&settings.speed()).unwrap();
    hub.server.write_all(&settings.form()).unwrap();
    hub.writes(b"ATZ\r");
    hub.reads_until("OK", |hub| hub.data.ends_with(b"OK\r\n"));
    hub.hears(&[
        &[107, 0xb0],
        &[101, 0, 0, 0x04, 0xb0],
        &[102, 8],
        &[103, 1],
        &[104, 1],
        &[105, 8],
        &[105, 11],
        &[105, 6],
        &[101, 0, 0, 0xe1, 0],
        &[102, 8],
        &[103, 1],
        &[104, 1],
    ]);
    hub.ends();
    served.heard_under(&["57600,8,N,1"]);
}

#[test]
fn every_octet_goes_through_hub4com_as_it_is_both_ways() {
    let (modem, locks) = (Modem::new(), Scratch::new());
    let server = share(&[modem.device()], locks.path(), &["--protocol", "telnet"]);
    let mut hub = Hub4com::connects(server.address(), Settings(9600, 8, 1, 1));
    hub.reads_until("BINARY", Hub4com::has_binary);
    let mut octets: Vec<u8> = (0..=255).collect();
    octets.extend(b"\r\0\r\n\r\r\0\n\xff\xff\xff\r");
    octets.extend(random(20_000));
    octets.extend(b"the end");
    // It says NOP so that nobody forgets the connection.
    hub.server.write_all(&[IAC, NOP]).unwrap();
    for piece in octets.chunks(256) {
        hub.writes(piece);
    }
    assert!(modem.expect(b"the end") == octets, "to the line");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for piece in octets.chunks(256) {
                assert_eq!(modem.say_until_stuck(piece), piece.len());
            }
        });
        hub.reads_until("the end", |hub| hub.data.ends_with(b"the end"));
    });
    assert!(hub.data == octets, "from the line");
}

#[test]
fn a_server_that_hub4com_has_suspended_is_silent_and_ends_when_hub4com_does() {
    let (modem, locks) = (Modem::new(), Scratch::new());
    let server = share(&[modem.device()], locks.path(), &["--protocol", "telnet"]);
    let mut hub = Hub4com::connects(server.address(), Settings(9600, 8, 1, 1));
    hub.reads_until("the greeting", |hub| hub.messages.len() == 8);
    // Two thirds of its 256 octets for COM5 are full.
    hub.commands(&[8]);
    hub.writes(b"ATI\r");
    modem.expect(b"ATI\r");
    modem.say(b"a modem");
    hub.server
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(hub.server.read(&mut [0]).is_err());
    hub.server.set_read_timeout(Some(PATIENCE)).unwrap();
    hub.commands(&[9]);
    hub.reads_until("what was kept", |hub| hub.data == b"a modem");
    // The program closes COM5 without having read what there was.
    hub.commands(&[8]);
    hub.writes(b"ATI\r");
    modem.expect(b"ATI\r");
    modem.say(b"nobody reads this");
    hub.ends();
    wait_until("the line to be free", || locks_in(locks.path()).is_empty());
}

#[test]
fn a_program_that_closes_its_com_port_gives_the_modem_to_the_next() {
    let served = Served::new();
    for times in 1..=3 {
        let mut hub = Hub4com::connects(served.server.address(), Settings(9600, 8, 1, 1));
        hub.writes(b"ATZ\r");
        hub.reads_until("OK", |hub| hub.data.ends_with(b"OK\r\n"));
        hub.ends();
        served.is_left(times);
    }
    for line in served.server.logged_times(" left ", 3) {
        assert!(line.ends_with("the client closed"), "{line}");
    }
}

#[test]
fn hub4com_that_finds_all_modems_in_use_hears_so_and_gets_one_when_it_comes_again() {
    let served = Served::new();
    let settings = Settings(9600, 8, 1, 1);
    let mut first = Hub4com::connects(served.server.address(), settings);
    first.reads_until("the greeting", |hub| hub.messages.len() == 8);
    let mut second = Hub4com::connects(served.server.address(), settings);
    second.reads_until("the words", |hub| hub.data.ends_with(b"later.\r\n"));
    assert_eq!(second.server.read(&mut [0]).unwrap(), 0, "the end in order");
    first.ends();
    served.is_left(1);
    let mut second = Hub4com::connects(served.server.address(), settings);
    second.writes(b"ATZ\r");
    second.reads_until("OK", |hub| hub.data.ends_with(b"OK\r\n"));
    second.ends();
}
