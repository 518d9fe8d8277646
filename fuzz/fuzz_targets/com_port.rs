//! Whatever a client says in telnet and RFC 2217 to a line with a mind of its own: each request has
//! one answer, short and in one piece, and nothing is changed that may not be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::com_port::{Control, Counts, Message, Rights, Sender, Setting, Signals, State, Uart};
use modemd::config::{ClientSetting, ClientSettings, DataBits, Flow, Parity, StopBits};
use modemd::telnet::{Event, Role, Side, Telnet, TelnetOption};

/// A line that takes every setting, or none.
struct Line {
    state: State,
    signals: Signals,
    counts: Option<Counts>,
    refuses: bool,
}

impl Uart for Line {
    fn set(&mut self, setting: Setting) {
        if self.refuses {
            return;
        }
        match setting {
            Setting::Baud(baud) => self.state.baud = baud,
            Setting::DataBits(bits) => self.state.data_bits = bits,
            Setting::Parity(parity) => self.state.parity = parity,
            Setting::StopBits(bits) => self.state.stop_bits = bits,
            Setting::Flow(flow) => {
                self.state.flow = flow;
                self.state.inbound_flow = flow;
            }
            Setting::InboundFlow(flow) => self.state.inbound_flow = flow,
            Setting::Break(on) => self.state.sends_break = on,
            Setting::Dtr(on) => self.state.dtr = on,
            Setting::Rts(on) => self.state.rts = on,
        }
    }

    fn state(&self) -> State {
        self.state
    }

    fn signals(&self) -> Signals {
        self.signals
    }

    fn counts(&self) -> Option<Counts> {
        self.counts
    }

    fn unsent(&self) -> u32 {
        0
    }

    fn discard_received(&mut self) {}

    fn discard_unsent(&mut self) {}
}

/// What a client hears, if it speaks telnet.
fn heard(client: &mut Telnet, mut said: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(event) = client.receive(&mut said, &mut Vec::new()) {
        match event {
            Event::Subnegotiation(TelnetOption::ComPort, content) => {
                messages.push(Message::decode(&content, Sender::Server).expect("a message"));
            }
            Event::Switched { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    messages
}

// Input: what the client may change, what the line does, and segments: the modem's signals in the
// top bits and the length in the others, and what the client sends.
fuzz_target!(|input: &[u8]| {
    let [allowed, kind, rest @ ..] = input else {
        return;
    };
    let settings: ClientSettings = ClientSetting::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| allowed >> bit & 1 == 1)
        .map(|(_, setting)| setting)
        .collect();
    let mut control = Control::new(Rights {
        settings,
        max_baud: (kind & 1 == 1).then_some(115_200),
    });
    let mut line = Line {
        state: State {
            baud: 9600,
            data_bits: DataBits::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            flow: Flow::None,
            inbound_flow: Flow::None,
            sends_break: false,
            dtr: true,
            rts: true,
        },
        signals: Signals::default(),
        counts: (kind & 2 == 2).then(Counts::default),
        refuses: kind & 4 == 4,
    };
    let first = line.state;
    let (mut server, mut client) = (Telnet::new(Role::Server), Telnet::new(Role::Client));
    let mut said = Vec::new();
    server.want(TelnetOption::ComPort, Side::Them, &mut said);
    heard(&mut client, &said);
    // The client has agreed, in words that it need not send.
    let agreed = client.is_on(TelnetOption::ComPort, Side::Us);
    assert!(agreed);
    server.receive(&mut &[255, 251, 44][..], &mut said);

    let mut rest = rest;
    while let Some((&how, behind)) = rest.split_first() {
        line.signals = Signals {
            cts: how & 128 != 0,
            dsr: how & 64 != 0,
            ring: how & 32 != 0,
            carrier: how & 16 != 0,
        };
        if let Some(counts) = &mut line.counts {
            counts.breaks = counts.breaks.wrapping_add(u32::from(how & 1));
            counts.overrun = counts.overrun.wrapping_add(u32::from(how >> 1 & 1));
        }
        let length = behind.len().min(usize::from(how & 15) * 2);
        let (mut segment, behind) = behind.split_at(length);
        rest = behind;
        while let Some(event) = server.receive(&mut segment, &mut Vec::new()) {
            let Event::Subnegotiation(TelnetOption::ComPort, content) = event else {
                continue;
            };
            let Some(message) = Message::decode(&content, Sender::Client) else {
                continue;
            };
            let before = line.state;
            let waits = message.changes_the_line();
            let answer = control.obey(message.clone(), &mut line);
            assert!(waits || line.state == before);
            let silent = match &message {
                Message::Signature(text) => !text.is_empty(),
                Message::Suspend | Message::Resume => true,
                _ => false,
            };
            assert_eq!(answer.is_none(), silent, "{message:?}");
            if let Some(answer) = answer {
                // Asked again, it is the same, but for what is told once.
                let told_once = matches!(answer, Message::LineState(_) | Message::ModemState(_));
                let again = control.obey(message, &mut line);
                assert!(told_once || again.as_ref() == Some(&answer));
                let mut said = Vec::new();
                let encoded = answer.encode(Sender::Server);
                server.subnegotiate(TelnetOption::ComPort, &encoded, &mut said);
                assert!(said.len() < 40);
                let arrived = heard(&mut client, &said);
                // A speed without a code of Cisco's arrives as it would without Cisco.
                let expected = Message::decode(&encoded, Sender::Server);
                assert_eq!(arrived, Vec::from_iter(expected));
            }
        }
        let notices = control.notices(&line);
        assert!(notices.len() <= 2);
        assert!(control.wants_notices() || notices.is_empty());
    }
    if settings == ClientSettings::NONE || line.refuses {
        assert_eq!(line.state, first);
    }
    if kind & 1 == 1 {
        assert!(line.state.baud <= 115_200);
    }
});
