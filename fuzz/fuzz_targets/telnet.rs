//! Whatever a telnet client sends, and however it is cut into segments: the same is heard and
//! answered, and no answer is longer than what it answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::telnet::{Event, Role, Side, Telnet, TelnetOption};

struct End {
    telnet: Telnet,
    /// What was heard, in words; data is one, in however many pieces it comes.
    heard: Vec<String>,
    data: Vec<u8>,
    said: Vec<u8>,
}

impl End {
    fn new(role: Role) -> Self {
        let mut telnet = Telnet::new(role);
        if role == Role::Server {
            for option in [TelnetOption::Binary, TelnetOption::SuppressGoAhead] {
                for side in [Side::Us, Side::Them] {
                    telnet.want(option, side, &mut Vec::new());
                }
            }
        }
        End {
            telnet,
            heard: Vec::new(),
            data: Vec::new(),
            said: Vec::new(),
        }
    }

    fn hear(&mut self, mut segment: &[u8]) {
        while let Some(event) = self.telnet.receive(&mut segment, &mut self.said) {
            match event {
                Event::Data(data) => {
                    assert!(!data.is_empty());
                    self.data.extend_from_slice(data);
                }
                Event::Subnegotiation(_, ref content) => {
                    assert!(content.len() < 256);
                    self.note(&event);
                }
                _ => self.note(&event),
            }
        }
        assert!(segment.is_empty());
    }

    fn note(&mut self, event: &Event<'_>) {
        let at = self.data.len();
        self.heard.push(format!("{at}: {event:?}"));
    }
}

// Input: who hears it, how many segments it comes in at most, the length of each, and what is sent.
fuzz_target!(|input: &[u8]| {
    let Some((&how, rest)) = input.split_first() else {
        return;
    };
    let role = if how & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let (lengths, stream) = rest.split_at(rest.len().min(usize::from(how >> 4)));
    let (mut whole, mut cut) = (End::new(role), End::new(role));
    whole.telnet.synch(how & 2 != 0);
    cut.telnet.synch(how & 2 != 0);
    whole.hear(stream);
    let mut rest = stream;
    for &length in lengths {
        let (segment, behind) = rest.split_at(rest.len().min(usize::from(length)));
        cut.hear(segment);
        rest = behind;
    }
    cut.hear(rest);
    assert_eq!(whole.heard, cut.heard);
    assert_eq!(whole.data, cut.data);
    assert_eq!(whole.said, cut.said);
    assert!(whole.said.len() <= stream.len());
    assert!(whole.data.len() <= stream.len());

    // What is sent in pieces is sent the same, and the other side hears what it can of it.
    let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
    whole.telnet.send(stream, &mut at_once);
    for piece in stream.chunks(3) {
        cut.telnet.send(piece, &mut in_pieces);
    }
    assert_eq!(at_once, in_pieces);
    let mut other = Telnet::new(Role::Client);
    let mut agreed = Vec::new();
    let binary = whole.telnet.is_on(TelnetOption::Binary, Side::Us);
    if binary {
        let mut offer = &[255, 251, 0][..];
        other.receive(&mut offer, &mut agreed);
    }
    let (mut sent, mut arrived) = (&at_once[..], Vec::new());
    while let Some(event) = other.receive(&mut sent, &mut agreed) {
        let Event::Data(data) = event else {
            panic!("{event:?}")
        };
        arrived.extend_from_slice(data);
    }
    let mut expected = stream.to_vec();
    if !binary {
        let mut before = 0;
        expected.retain(|&octet| (std::mem::replace(&mut before, octet), octet) != (b'\r', b'\n'));
    }
    assert_eq!(arrived, expected);
});
