//! A telnet port, octet by octet: what RFC 854 and RFC 2217 ask of the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, send};
use nix::sys::termios::{ControlFlags, InputFlags, Termios, tcgetattr};
use serialport::SerialPort;

use crate::settings::speedometer;
use crate::support::{
    Modem, Running, Scratch, assert_talks, contains, locks_in, read_until, reset, share,
    standalone, wait_until,
};

pub(crate) const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
pub(crate) const SB: u8 = 250;
pub(crate) const SE: u8 = 240;
pub(crate) const COM_PORT: u8 = 44;

/// What a server says first.
pub(crate) const OFFERS: [u8; 18] = [
    IAC, WILL, 3, IAC, DO, 3, IAC, WILL, 1, IAC, WILL, 0, IAC, DO, 0, IAC, DO, COM_PORT,
];

/// What a client that has all of it answers.
pub(crate) const AGREES: [u8; 18] = [
    IAC, DO, 3, IAC, WILL, 3, IAC, DO, 1, IAC, DO, 0, IAC, WILL, 0, IAC, WILL, COM_PORT,
];

/// CTS, DSR and carrier are on where there are no signals, as on a pseudo terminal.
pub(crate) const GREETING: [u8; 7] = [IAC, SB, COM_PORT, 107, 0xb0, IAC, SE];

/// A telnet port with one pseudo terminal.
struct Shared {
    modem: Modem,
    scratch: Scratch,
    server: Running,
}

impl Shared {
    fn new(more: &str) -> Self {
        let (modem, scratch) = (Modem::new(), Scratch::new());
        let port = crate::support::port(
            &[modem.device()],
            &format!("protocol = \"telnet\"\nline = \"9600,8,N,1\"\n{more}"),
        );
        let server = standalone(&scratch, &port);
        Shared {
            modem,
            scratch,
            server,
        }
    }

    /// A client that has agreed to everything.
    fn program(&self) -> TcpStream {
        let mut client = self.server.connect();
        comes(&mut client, &OFFERS);
        client.write_all(&AGREES).unwrap();
        comes(&mut client, &GREETING);
        client
    }

    /// The settings of the line, which a pseudo terminal's other end can see.
    fn settings(&self) -> Termios {
        tcgetattr(self.modem.master()).unwrap()
    }

    fn wait_for_release(&self) {
        wait_until("the line to be released", || {
            locks_in(self.scratch.path()).is_empty()
        });
    }
}

/// Exactly these octets are the next.
#[track_caller]
pub(crate) fn comes(client: &mut TcpStream, octets: &[u8]) {
    let mut came = vec![0; octets.len()];
    client.read_exact(&mut came).unwrap();
    assert_eq!(came, octets);
}

/// A message of COM port control.
pub(crate) fn message(content: &[u8]) -> Vec<u8> {
    let mut message = vec![IAC, SB, COM_PORT];
    for &octet in content {
        message.push(octet);
        if octet == IAC {
            message.push(IAC);
        }
    }
    message.extend([IAC, SE]);
    message
}

/// Asks, and gets exactly this answer.
#[track_caller]
fn ask(client: &mut TcpStream, content: &[u8], answer: &[u8]) {
    client.write_all(&message(content)).unwrap();
    comes(client, &message(answer));
}

#[test]
fn every_request_has_its_one_answer_also_on_a_line_without_signals() {
    let shared = Shared::new("");
    let mut client = shared.program();
    for (request, answer) in [
        (&[1, 0, 0, 0, 0][..], &[101, 0, 0, 37, 128][..]),
        (&[1, 0, 0, 0x4b, 0], &[101, 0, 0, 0x4b, 0]),
        // A speed with 0xFF in it.
        (&[1, 0, 1, 0xff, 0xff], &[101, 0, 1, 0xff, 0xff]),
        // Cisco's one octet.
        (&[1, 8], &[101, 8]),
        (&[1, 0], &[101, 8]),
        (&[2, 0], &[102, 8]),
        // A pseudo terminal has eight bits and no parity (`pty_set_termios()`), whoever asks.
        (&[2, 7], &[102, 8]),
        (&[2, 8], &[102, 8]),
        (&[2, 9], &[102, 8]),
        (&[3, 0], &[103, 1]),
        (&[3, 1], &[103, 1]),
        (&[3, 3], &[103, 1]),
        (&[3, 9], &[103, 1]),
        (&[4, 0], &[104, 1]),
        (&[4, 2], &[104, 2]),
        (&[4, 3], &[104, 2]),
        (&[5, 0], &[105, 1]),
        (&[5, 2], &[105, 2]),
        (&[5, 13], &[105, 15]),
        (&[5, 14], &[105, 14]),
        (&[5, 0], &[105, 2]),
        (&[5, 17], &[105, 2]),
        (&[5, 18], &[105, 14]),
        (&[5, 19], &[105, 2]),
        (&[5, 3], &[105, 3]),
        (&[5, 13], &[105, 16]),
        (&[5, 15], &[105, 16]),
        (&[5, 1], &[105, 1]),
        (&[5, 16], &[105, 14]),
        (&[5, 4], &[105, 6]),
        (&[5, 5], &[105, 5]),
        (&[5, 4], &[105, 5]),
        (&[5, 6], &[105, 6]),
        (&[5, 7], &[105, 8]),
        (&[5, 9], &[105, 9]),
        (&[5, 7], &[105, 9]),
        (&[5, 8], &[105, 8]),
        (&[5, 10], &[105, 11]),
        (&[5, 12], &[105, 12]),
        (&[5, 10], &[105, 12]),
        (&[5, 11], &[105, 11]),
        (&[5, 200], &[105, 1]),
        (&[6], &[106, 96]),
        (&[7], &[107, 0xb0]),
        (&[10], &[110, 0]),
        (&[10, 255], &[110, 255]),
        (&[11], &[111, 255]),
        (&[11, 0], &[111, 0]),
        (&[12, 1], &[112, 1]),
        (&[12, 2], &[112, 2]),
        (&[12, 3], &[112, 3]),
        (&[12, 9], &[112, 9]),
    ] {
        ask(&mut client, request, answer);
    }
    let name = format!("modemd {}", env!("CARGO_PKG_VERSION"));
    ask(&mut client, &[0], &[&[100], name.as_bytes()].concat());
    // Neither an introduction nor a resumption has an answer; nothing else came in between.
    client.write_all(&message(b"\0some client")).unwrap();
    client.write_all(&message(&[9])).unwrap();
    client.write_all(&message(&[13])).unwrap();
    ask(&mut client, &[2, 0], &[102, 8]);
    assert_talks(&mut client, &shared.modem);
}

#[test]
fn a_client_that_agrees_twice_is_greeted_once_and_one_that_begins_anew_again() {
    let shared = Shared::new("");
    let mut client = shared.program();
    // As pyserial has it: both sides do it.
    client.write_all(&[IAC, DO, COM_PORT]).unwrap();
    comes(&mut client, &[IAC, WILL, COM_PORT]);
    client.write_all(&[IAC, WONT, COM_PORT]).unwrap();
    comes(&mut client, &[IAC, DONT, COM_PORT]);
    ask(&mut client, &[2, 0], &[102, 8]);
    client.write_all(&[IAC, DONT, COM_PORT]).unwrap();
    comes(&mut client, &[IAC, WONT, COM_PORT]);
    // Nobody has agreed to this.
    client.write_all(&message(&[2, 0])).unwrap();
    client.write_all(&[IAC, WILL, COM_PORT]).unwrap();
    comes(&mut client, &[IAC, DO, COM_PORT]);
    comes(&mut client, &GREETING);
    ask(&mut client, &[2, 0], &[102, 8]);
}

#[test]
fn a_client_sets_the_line_and_the_next_finds_it_as_configured() {
    let shared = Shared::new("");
    let speedometer = speedometer(&shared.modem, 300);
    for _ in 0..2 {
        let mut client = shared.program();
        ask(&mut client, &[1, 0, 0, 0, 0], &[101, 0, 0, 37, 128]);
        ask(&mut client, &[4, 0], &[104, 1]);
        ask(&mut client, &[5, 0], &[105, 1]);
        ask(&mut client, &[1, 0, 0, 48, 57], &[101, 0, 0, 48, 57]);
        ask(&mut client, &[4, 2], &[104, 2]);
        ask(&mut client, &[5, 2], &[105, 2]);
        let settings = shared.settings();
        assert_eq!(speedometer.baud_rate().unwrap(), 12_345);
        assert!(settings.control_flags.contains(ControlFlags::CSTOPB));
        assert!(
            settings
                .input_flags
                .contains(InputFlags::IXON | InputFlags::IXOFF)
        );
        reset(client);
        shared.wait_for_release();
        assert_eq!(speedometer.baud_rate().unwrap(), 300);
    }
}

#[test]
fn commands_and_data_in_one_segment_or_octet_by_octet_are_the_same() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client.set_nodelay(true).unwrap();
    let mut stream = b"AT\xff\xff\r".to_vec();
    stream.extend(message(&[1, 0, 0, 0xff, 0xff]));
    stream.extend(b"more\xff\xff");
    stream.extend([IAC, 241, IAC, 249]);
    stream.extend(message(&[2, 0]));
    stream.extend(b"\0end");
    let answers = [message(&[101, 0, 0, 0xff, 0xff]), message(&[102, 8])].concat();
    for piece in [stream.len(), 1, 2, 3] {
        for octets in stream.chunks(piece) {
            client.write_all(octets).unwrap();
        }
        comes(&mut client, &answers);
        assert_eq!(shared.modem.expect(b"end"), b"AT\xff\rmore\xff\0end");
    }
}

#[test]
fn what_is_refused_is_answered_with_what_is_in_force() {
    let shared = Shared::new("client_settings = [\"baud\", \"rts\"]\nmax_baud = 19200");
    let mut client = shared.program();
    for (request, answer) in [
        (&[1, 0, 0, 0x4b, 0][..], &[101, 0, 0, 0x4b, 0][..]),
        (&[1, 0, 0, 0x96, 0], &[101, 0, 0, 0x4b, 0]),
        (&[1, 14], &[101, 10]),
        (&[2, 7], &[102, 8]),
        (&[3, 3], &[103, 1]),
        (&[4, 2], &[104, 1]),
        (&[5, 3], &[105, 1]),
        (&[5, 15], &[105, 14]),
        (&[5, 5], &[105, 6]),
        (&[5, 9], &[105, 8]),
        (&[5, 12], &[105, 12]),
        // Not settings.
        (&[10, 16], &[110, 16]),
        (&[12, 3], &[112, 3]),
    ] {
        ask(&mut client, request, answer);
    }
    reset(client);
    shared.wait_for_release();
    let fixed = Shared::new("client_settings = \"none\"");
    let mut client = fixed.program();
    ask(&mut client, &[1, 0, 0, 0x4b, 0], &[101, 0, 0, 37, 128]);
    ask(&mut client, &[5, 12], &[105, 11]);
    assert_talks(&mut client, &fixed.modem);
}

#[test]
fn a_suspended_server_says_nothing_until_it_may() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client.write_all(&message(&[8])).unwrap();
    client.write_all(&message(&[2, 0])).unwrap();
    client.write_all(b"ATI\r").unwrap();
    shared.modem.expect(b"ATI\r");
    shared.modem.say(b"modem");
    client
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(client.read(&mut [0]).is_err(), "not even an answer");
    client
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    client.write_all(&message(&[9])).unwrap();
    comes(&mut client, &message(&[102, 8]));
    comes(&mut client, b"modem");
}

#[test]
fn who_suspends_the_server_and_asks_on_and_on_is_answered() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client.write_all(&message(&[8])).unwrap();
    let questions = 4000;
    for _ in 0..questions {
        client.write_all(&message(&[2, 0])).unwrap();
    }
    for _ in 0..questions {
        comes(&mut client, &message(&[102, 8]));
    }
    assert_talks(&mut client, &shared.modem);
}

#[test]
fn who_asks_without_reading_the_answers_is_not_read_any_more() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let questions = message(&[0]).repeat(1000);
    let before: u64 = memory(&shared.server);
    let mut asked = 0;
    while let Ok(count) = client.write(&questions) {
        asked += count;
        assert!(asked < 100 << 20, "it takes everything");
    }
    assert!(memory(&shared.server) < before + 1024, "in KiB");
    // And then everything is answered.
    let whole = asked / message(&[0]).len();
    let name = format!("modemd {}", env!("CARGO_PKG_VERSION"));
    let answer = message(&[&[100], name.as_bytes()].concat());
    for _ in 0..whole {
        comes(&mut client, &answer);
    }
}

fn memory(server: &Running) -> u64 {
    let size = server.proc_status("VmRSS");
    size.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_subnegotiation_without_end_reaches_neither_the_modem_nor_the_memory() {
    let shared = Shared::new("");
    let mut client = shared.program();
    let before = memory(&shared.server);
    client.write_all(&[IAC, SB, COM_PORT, 0]).unwrap();
    for _ in 0..64 {
        client.write_all(&vec![b'x'; 64 * 1024]).unwrap();
    }
    client.write_all(&[IAC, SE]).unwrap();
    ask(&mut client, &[2, 0], &[102, 8]);
    assert!(memory(&shared.server) < before + 1024, "in KiB");
    client.write_all(b"end").unwrap();
    assert_eq!(shared.modem.expect(b"end"), b"end");
}

#[test]
fn a_client_that_refuses_everything_gets_a_network_virtual_terminal() {
    let shared = Shared::new("");
    let mut client = shared.server.connect();
    comes(&mut client, &OFFERS);
    let refusal: Vec<u8> = OFFERS
        .chunks(3)
        .flat_map(|offer| [IAC, if offer[1] == WILL { DONT } else { WONT }, offer[2]])
        .collect();
    client.write_all(&refusal).unwrap();
    client.write_all(b"one\r\0two\r\nthree\rfour\r").unwrap();
    client.write_all(b"\0five").unwrap();
    assert_eq!(shared.modem.expect(b"five"), b"one\rtwo\rthree\rfour\rfive");
    shared.modem.say(b"one\rtwo\r\nthree\r\r\n\xff\r");
    comes(&mut client, b"one\r\0two\r\nthree\r\0\r\n\xff\xff\r");
    shared.modem.say(b"\nfour\r");
    comes(&mut client, b"\nfour\r");
    shared.modem.say(b"five");
    comes(&mut client, b"\0five");
    // A refusal is never answered, and what is unknown is refused.
    client
        .write_all(&[IAC, WILL, 31, IAC, DO, 24, IAC, DO, 6])
        .unwrap();
    comes(&mut client, &[IAC, DONT, 31, IAC, WONT, 24, IAC, WILL, 6]);
}

#[test]
fn who_asks_whether_anybody_is_there_gets_a_line_of_text() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client.write_all(&[IAC, 246]).unwrap();
    comes(&mut client, b"\r\n[modemd: yes]\r\n");
}

#[test]
fn the_break_key_holds_up_what_is_typed_behind_it() {
    let shared = Shared::new("");
    let mut client = shared.program();
    client.write_all(b"before").unwrap();
    client.write_all(&[IAC, 243]).unwrap();
    client.write_all(b"behind").unwrap();
    let began = std::time::Instant::now();
    let mut came = shared.modem.expect(b"before");
    if !contains(&came, b"behind") {
        came.extend(shared.modem.expect(b"behind"));
    }
    assert_eq!(came, b"beforebehind");
    assert!(began.elapsed() >= Duration::from_millis(200));
    ask(&mut client, &[5, 4], &[105, 6]);
}

#[test]
fn who_says_that_there_is_no_more_gets_the_answer_and_then_the_end() {
    let shared = Shared::new("linger = \"1s\"");
    let mut client = shared.server.connect();
    comes(&mut client, &OFFERS);
    // As plink does at the end of its input.
    client.write_all(b"ATI\r\xff\xec").unwrap();
    shared.modem.expect(b"ATI\r");
    shared.modem.say(b"OK");
    comes(&mut client, b"OK");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    shared.server.logged("the client closed");
}

#[test]
fn a_program_that_closes_its_com_port_has_left_when_all_it_sent_is_done() {
    let shared = Shared::new("linger = \"1h\"");
    let mut client = shared.program();
    let mut last = b"ATH".to_vec();
    last.extend(message(&[1, 0, 0, 4, 176]));
    last.extend(b"one");
    last.extend(message(&[1, 0, 0, 9, 96]));
    last.extend([IAC, 243]);
    last.extend(b"end");
    client.write_all(&last).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(shared.modem.expect(b"end"), b"ATHoneend");
    shared.server.logged("the client closed");
    comes(&mut client, &message(&[101, 0, 0, 4, 176]));
    comes(&mut client, &message(&[101, 0, 0, 9, 96]));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// Sends octets of which the last is urgent.
fn send_urgent(client: &TcpStream, octets: &[u8]) {
    let sent = send(client.as_raw_fd(), octets, MsgFlags::MSG_OOB).unwrap();
    assert_eq!(sent, octets.len());
}

#[test]
fn urgent_data_of_a_raw_port_comes_in_its_place() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    let mut client = server.connect();
    for _ in 0..20 {
        client.write_all(b"one").unwrap();
        send_urgent(&client, b"two!");
        client.write_all(b"end").unwrap();
        assert_eq!(modem.expect(b"end"), b"onetwo!end");
        send_urgent(&client, b"alone");
        assert_eq!(modem.expect(b"alone"), b"alone");
    }
}

#[test]
fn a_synch_drops_what_is_typed_before_it_also_when_the_modem_takes_nothing() {
    let shared = Shared::new("");
    let mut client = shared.program();
    // More than is kept for a line, and less than the kernel keeps for the server.
    let filler = vec![b'x'; 40 * 1024];
    client.write_all(&filler).unwrap();
    send_urgent(&client, &[IAC, 242]);
    ask(&mut client, &[2, 0], &[102, 8]);
    client.write_all(b"end").unwrap();
    let came = shared.modem.expect(b"end");
    assert!(came.len() < filler.len(), "{}", came.len());
    assert!(came[..came.len() - 3].iter().all(|octet| *octet == b'x'));
    // It is over: nothing is dropped any more, with or without urgent data.
    for _ in 0..20 {
        client.write_all(b"one").unwrap();
        assert_eq!(shared.modem.expect(b"one"), b"one");
        send_urgent(&client, &[IAC, 242]);
        client.write_all(b"two").unwrap();
        assert_eq!(shared.modem.expect(b"two"), b"two");
    }
}

#[test]
fn urgent_data_without_a_data_mark_does_not_make_the_server_deaf() {
    let shared = Shared::new("");
    let mut client = shared.program();
    send_urgent(&client, b"urgent");
    ask(&mut client, &[2, 0], &[102, 8]);
    client.write_all(b"end").unwrap();
    assert!(shared.modem.expect(b"end").ends_with(b"end"));
}

#[test]
fn the_journal_counts_what_the_line_took_and_said() {
    let shared = Shared::new("");
    let mut client = shared.program();
    ask(&mut client, &[2, 0], &[102, 8]);
    client.write_all(b"AT\xff\xff\r").unwrap();
    shared.modem.expect(b"AT\xff\r");
    shared.modem.say(b"\xff\xffOK");
    read_until(&mut client, b"OK");
    reset(client);
    shared.server.logged("4 bytes to the line, 4 from it");
}

#[test]
fn a_client_that_only_keeps_alive_is_idle() {
    let shared = Shared::new("idle_timeout = \"1s\"");
    let mut client = shared.program();
    client.set_nodelay(true).unwrap();
    let mut end = client.try_clone().unwrap();
    let keeper = std::thread::spawn(move || {
        while client.write_all(&[IAC, 241]).is_ok() && client.write_all(&message(&[7])).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    shared.server.logged("nothing moved for 1s");
    let mut rest = Vec::new();
    let _ = end.read_to_end(&mut rest);
    drop(end);
    keeper.join().unwrap();
}
