//! A client, its control of a line, and a line that is none.

mod answers;
mod hostile;
mod notices;
mod remote;

use crate::config::{ClientSetting, ClientSettings, DataBits, Flow, MAX_BAUD, Parity, StopBits};

use super::*;

/// A line that does what it is told, or what it was made for.
#[derive(Debug, Clone, PartialEq)]
struct Fake {
    state: State,
    signals: Signals,
    counts: Option<Counts>,
    unsent: u32,
    /// How often what was received, and what was to be sent, was thrown away.
    discarded: (u32, u32),
    /// It stays as it is.
    refuses: bool,
    /// Its speeds are multiples of this.
    step: u32,
}

impl Fake {
    fn new() -> Self {
        Fake {
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
            counts: Some(Counts::default()),
            unsent: 0,
            discarded: (0, 0),
            refuses: false,
            step: 1,
        }
    }
}

impl Uart for Fake {
    fn set(&mut self, setting: Setting) {
        if self.refuses {
            return;
        }
        let state = &mut self.state;
        match setting {
            Setting::Baud(baud) => state.baud = baud.next_multiple_of(self.step),
            Setting::DataBits(bits) => state.data_bits = bits,
            Setting::Parity(parity) => state.parity = parity,
            Setting::StopBits(bits) => state.stop_bits = bits,
            Setting::Flow(flow) => (state.flow, state.inbound_flow) = (flow, flow),
            Setting::InboundFlow(flow) => state.inbound_flow = flow,
            Setting::Break(on) => state.sends_break = on,
            Setting::Dtr(on) => state.dtr = on,
            Setting::Rts(on) => state.rts = on,
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
        self.unsent
    }

    fn discard_received(&mut self) {
        self.discarded.0 += 1;
    }

    fn discard_unsent(&mut self) {
        self.discarded.1 += 1;
        self.unsent = 0;
    }
}

/// A client that may change everything.
fn free() -> Control {
    Control::new(Rights {
        settings: ClientSettings::ANY,
        max_baud: None,
    })
}

/// A client that may change these.
fn with(settings: ClientSettings) -> Control {
    Control::new(Rights {
        settings,
        max_baud: None,
    })
}

fn message(content: &[u8]) -> Message {
    Message::decode(content, Sender::Client).expect("a message of a client")
}

/// Sends the content of a subnegotiation, and returns that of the answer.
fn ask(control: &mut Control, fake: &mut Fake, content: &[u8]) -> Vec<u8> {
    let answer = control.obey(message(content), fake);
    answer.map_or(Vec::new(), |answer| answer.encode(Sender::Server))
}

/// What SET-CONTROL is answered with.
fn control_in_force(asked: u8, state: &State) -> u8 {
    let flow = |flow, none| match flow {
        Flow::None => none,
        Flow::XonXoff => none + 1,
        Flow::RtsCts => none + 2,
    };
    match asked {
        4..=6 => 6 - u8::from(state.sends_break),
        7..=9 => 9 - u8::from(state.dtr),
        10..=12 => 12 - u8::from(state.rts),
        13..=16 | 18 => flow(state.inbound_flow, 14),
        _ => flow(state.flow, 1),
    }
}

/// The answer that says what is in force; none to what needs no answer.
fn in_force(asked: &[u8], fake: &Fake) -> Option<Vec<u8>> {
    let state = &fake.state;
    let number = match asked[0] {
        1 => {
            let wide = [&[101][..], &state.baud.to_be_bytes()].concat();
            let codes = [
                (300, 3),
                (600, 4),
                (1200, 5),
                (2400, 6),
                (4800, 7),
                (9600, 8),
                (19200, 10),
                (38400, 12),
                (57600, 13),
                (115_200, 14),
                (230_400, 15),
            ];
            let code = codes.iter().find(|(rate, _)| *rate == state.baud);
            return Some(match code {
                Some((_, code)) if asked.len() == 2 => vec![101, *code],
                _ => wide,
            });
        }
        2 => match state.data_bits {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        },
        3 => match state.parity {
            Parity::None => 1,
            Parity::Odd => 2,
            Parity::Even => 3,
            Parity::Mark => 4,
            Parity::Space => 5,
        },
        4 => match state.stop_bits {
            StopBits::One => 1,
            StopBits::Two => 2,
        },
        5 => control_in_force(asked.get(1).copied().unwrap_or(0), state),
        _ => return None,
    };
    Some(vec![asked[0] + 100, number])
}
