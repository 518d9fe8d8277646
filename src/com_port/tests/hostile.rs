//! Telnet and the control of a COM port together, under clients that mean no good.

use crate::telnet::octet::{AYT, BRK, DM, DO, DONT, IAC, NOP, SB, SE, WILL, WONT};
use crate::telnet::tests::reference::Reference;
use crate::telnet::tests::{Heard, OFFERS, heard, kept};
use crate::telnet::{Event, Role, Telnet, TelnetOption};

use super::*;

/// Marsaglia's xorshift64: fast, and the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(((self.next() >> 32) * limit as u64) >> 32).expect("less than the limit")
    }
}

const FREQUENT: [u8; 32] = [
    IAC, IAC, IAC, IAC, IAC, IAC, SB, SB, SB, SE, SE, SE, WILL, WONT, DO, DONT, 44, 44, 44, 0, 1,
    3, 5, 6, b'\r', b'\r', b'\n', BRK, AYT, NOP, DM, 12,
];

/// Up to 32 octets, most of which mean something; seldom more, about as much as a subnegotiation may
/// have.
fn stream(random: &mut Random, into: &mut Vec<u8>) {
    into.clear();
    if random.below(2) == 0 {
        into.extend([IAC, WILL, 44]);
    }
    let length = random.below(33);
    while into.len() < length {
        match random.below(16) {
            0 => into.push(random.octet()),
            1 => into.extend([IAC, WILL, 44]),
            2 => into.extend([IAC, SB, 44, FREQUENT[random.below(FREQUENT.len())]]),
            3 => into.extend([IAC, SE]),
            4 => {
                let value = FREQUENT[random.below(FREQUENT.len())];
                let code = u8::try_from(random.below(14)).unwrap_or_default();
                into.extend([IAC, SB, 44, code, value, IAC, SE]);
            }
            _ => into.push(FREQUENT[random.below(FREQUENT.len())]),
        }
    }
    into.truncate(length);
    if random.below(1000) == 0 {
        into.extend([IAC, WILL, 44, IAC, SB, 44]);
        into.extend((0..240 + random.below(30)).map(|n| b"abcd"[n % 4]));
        into.extend([IAC, SE]);
    }
}

/// A server with a line behind it.
struct Server {
    telnet: Telnet,
    control: Control,
    fake: Fake,
    heard: Vec<Heard>,
    said: Vec<u8>,
    /// What COM port control says to the client.
    answers: Vec<u8>,
}

impl Server {
    fn new() -> Self {
        let mut telnet = Telnet::new(Role::Server);
        for (option, side) in OFFERS {
            telnet.want(option, side, &mut Vec::new());
        }
        Server {
            telnet,
            control: free(),
            fake: Fake::new(),
            heard: Vec::new(),
            said: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn hear(&mut self, mut segment: &[u8]) {
        while let Some(event) = self.telnet.receive(&mut segment, &mut self.said) {
            if let Event::Subnegotiation(TelnetOption::ComPort, content) = &event {
                self.obey(content);
            }
            heard(event, &mut self.heard);
        }
        assert!(kept(&self.telnet) <= 256);
    }

    fn obey(&mut self, content: &[u8]) {
        assert!(content.len() <= 255);
        let Some(message) = Message::decode(content, Sender::Client) else {
            return;
        };
        let Some(answer) = self.control.obey(message, &mut self.fake) else {
            return;
        };
        let answer = answer.encode(Sender::Server);
        if let Some(expected) = in_force(content, &self.fake) {
            assert_eq!(answer, expected);
        }
        let (telnet, answers) = (&mut self.telnet, &mut self.answers);
        telnet.subnegotiate(TelnetOption::ComPort, &answer, answers);
    }
}

#[test]
fn a_million_hostile_streams_do_no_more_than_the_slow_reference_says() {
    let mut input = Vec::new();
    let (mut subnegotiations, mut answered) = (0, 0);
    for seed in 1..=10_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for stream_of_seed in 0..100_000 {
            stream(&mut random, &mut input);
            let mut server = Server::new();
            let mut rest = &input[..];
            while !rest.is_empty() {
                let (segment, behind) = rest.split_at(1 + random.below(rest.len().min(16)));
                server.hear(segment);
                rest = behind;
            }
            let reference = Reference::read(&input);
            let same = server.heard == reference.heard && server.said == reference.said;
            assert!(
                same,
                "seed {seed}, stream {stream_of_seed}: {input:?}: {:?} {:?}, not {:?} {:?}",
                server.heard, server.said, reference.heard, reference.said
            );
            // A signature is the longest answer to a short question.
            let said = server.said.len() + server.answers.len();
            assert!(said <= 4 * input.len(), "{input:?}: {said}");
            let content = |heard: &&Heard| matches!(heard, Heard::Subnegotiation(..));
            subnegotiations += server.heard.iter().filter(content).count();
            answered += usize::from(!server.answers.is_empty());
        }
    }
    // It has seen what it is about.
    assert!(subnegotiations > 100_000, "{subnegotiations}");
    assert!(answered > 50_000, "{answered}");
}
