//! What comes of octets: in, out, and between two ends.

mod line_ends;
mod options;
mod properties;
pub(crate) mod reference;
mod subnegotiations;

use super::*;

const ECHO: u8 = 1;
const SGA: u8 = 3;
const COM_PORT: u8 = 44;

/// An event, with the data of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Data(Vec<u8>),
    Break,
    AreYouThere,
    EndOfFile,
    Switched(TelnetOption, Side, bool),
    Subnegotiation(TelnetOption, Vec<u8>),
}

/// Notes an event. Data is one, in however many pieces it comes.
pub(crate) fn heard(event: Event<'_>, all: &mut Vec<Heard>) {
    let heard = match event {
        Event::Data(data) => {
            if let Some(Heard::Data(before)) = all.last_mut() {
                before.extend(data);
                return;
            }
            Heard::Data(data.to_vec())
        }
        Event::Break => Heard::Break,
        Event::AreYouThere => Heard::AreYouThere,
        Event::EndOfFile => Heard::EndOfFile,
        Event::Switched { option, side, on } => Heard::Switched(option, side, on),
        Event::Subnegotiation(option, content) => Heard::Subnegotiation(option, content),
    };
    all.push(heard);
}

/// How much of a subnegotiation is kept.
pub(crate) fn kept(telnet: &Telnet) -> usize {
    telnet.content.len()
}

/// One end, and what it has heard and answered.
#[derive(Debug)]
struct End {
    telnet: Telnet,
    heard: Vec<Heard>,
    said: Vec<u8>,
}

/// What a server asks for when a client comes.
pub(crate) const OFFERS: [(TelnetOption, Side); 6] = [
    (TelnetOption::SuppressGoAhead, Side::Us),
    (TelnetOption::SuppressGoAhead, Side::Them),
    (TelnetOption::Echo, Side::Us),
    (TelnetOption::Binary, Side::Us),
    (TelnetOption::Binary, Side::Them),
    (TelnetOption::ComPort, Side::Them),
];

impl End {
    fn new(role: Role) -> Self {
        End {
            telnet: Telnet::new(role),
            heard: Vec::new(),
            said: Vec::new(),
        }
    }

    /// A server that has offered all, and not yet heard anything.
    fn offering() -> Self {
        let mut end = End::new(Role::Server);
        for (option, side) in OFFERS {
            end.telnet.want(option, side, &mut Vec::new());
        }
        end
    }

    /// A server whose client takes and gives BINARY and controls the COM port.
    fn binary() -> Self {
        let mut end = End::offering();
        end.hear(&[IAC, DO, 0, IAC, WILL, 0, IAC, WILL, COM_PORT]);
        end.heard.clear();
        assert!(end.said.is_empty());
        end
    }

    /// Hears one segment.
    fn hear(&mut self, mut segment: &[u8]) {
        let whole = segment.as_ptr_range();
        while let Some(event) = self.telnet.receive(&mut segment, &mut self.said) {
            if let Event::Data(data) = event {
                assert!(!data.is_empty());
                let part = data.as_ptr_range();
                assert!(whole.start <= part.start && part.end <= whole.end);
            }
            heard(event, &mut self.heard);
        }
        assert!(segment.is_empty());
    }

    /// Hears this whole, and expects these events and this answer.
    #[track_caller]
    fn expect(&mut self, segment: &[u8], heard: &[Heard], said: &[u8]) {
        self.hear(segment);
        assert_eq!(std::mem::take(&mut self.heard), heard);
        assert_eq!(std::mem::take(&mut self.said), said);
    }

    fn send(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.telnet.send(data, &mut out);
        out
    }

    /// All data that was heard.
    fn data(&self) -> Vec<u8> {
        let data = self.heard.iter().map(|heard| match heard {
            Heard::Data(data) => &data[..],
            _ => &[],
        });
        data.collect::<Vec<_>>().concat()
    }
}

fn data(octets: &[u8]) -> Heard {
    Heard::Data(octets.to_vec())
}

#[test]
fn commands_with_a_meaning_for_a_modem_are_events_between_the_data() {
    let mut end = End::new(Role::Server);
    end.expect(
        &[b'a', IAC, BRK, b'b', IAC, AYT, b'c', IAC, EOF],
        &[
            data(b"a"),
            Heard::Break,
            data(b"b"),
            Heard::AreYouThere,
            data(b"c"),
            Heard::EndOfFile,
        ],
        &[],
    );
}

#[test]
fn commands_without_a_meaning_for_a_modem_are_no_data_and_no_events() {
    // All below WILL but SB, BRK, AYT and EOF; NOP, DM, IP, AO, EC, EL, GA and a lone SE among them.
    for command in 0..WILL {
        if ![SB, BRK, AYT, EOF].contains(&command) {
            let mut end = End::new(Role::Server);
            end.expect(&[b'a', IAC, command, b'b'], &[data(b"ab")], &[]);
        }
    }
}

#[test]
fn a_doubled_iac_is_one_octet_of_data() {
    let mut end = End::new(Role::Server);
    end.expect(&[b'a', IAC, IAC, b'b'], &[data(&[b'a', IAC, b'b'])], &[]);
    end.hear(&[IAC]);
    end.expect(&[IAC, IAC], &[data(&[IAC])], &[]);
    end.expect(&[IAC, b'x'], &[data(&[IAC, b'x'])], &[]);
}

#[test]
fn a_command_may_be_cut_anywhere() {
    let mut end = End::new(Role::Server);
    for segment in [
        &[IAC][..],
        &[WILL],
        &[SGA],
        &[IAC],
        &[SB],
        &[SGA],
        &[1, IAC],
        &[IAC],
        &[IAC],
        &[SE, b'x'],
    ] {
        end.hear(segment);
    }
    let sga = TelnetOption::SuppressGoAhead;
    let heard = [
        Heard::Switched(sga, Side::Them, true),
        Heard::Subnegotiation(sga, vec![1, IAC]),
        data(b"x"),
    ];
    assert_eq!(end.heard, heard);
    assert_eq!(end.said, [IAC, DO, SGA]);
}

#[test]
fn after_urgent_data_nothing_but_commands_is_taken_until_the_data_mark() {
    let mut end = End::offering();
    end.telnet.synch(true);
    end.expect(
        &[b'a', IAC, IAC, b'\r', IAC, BRK, b'b', IAC, DO, 6],
        &[Heard::Break],
        &[IAC, WILL, 6],
    );
    end.expect(&[b'c', IAC, AYT, IAC, NOP], &[Heard::AreYouThere], &[]);
    end.expect(
        &[b'd', IAC, WILL, COM_PORT, IAC, SB, COM_PORT, 8, IAC, SE],
        &[
            Heard::Switched(TelnetOption::ComPort, Side::Them, true),
            Heard::Subnegotiation(TelnetOption::ComPort, vec![8]),
        ],
        &[],
    );
    end.expect(&[b'e', IAC, DM, b'f'], &[data(b"f")], &[]);
    end.expect(&[b'g', IAC, DM, b'h'], &[data(b"gh")], &[]);
}

#[test]
fn a_data_mark_that_does_not_come_is_not_waited_for_when_nothing_is_urgent() {
    let mut end = End::new(Role::Server);
    assert!(!end.telnet.in_synch());
    end.telnet.synch(true);
    end.expect(b"a", &[], &[]);
    assert!(end.telnet.in_synch());
    end.telnet.synch(false);
    end.expect(b"b", &[data(b"b")], &[]);
    assert!(!end.telnet.in_synch());
}
