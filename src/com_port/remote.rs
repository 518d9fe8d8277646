//! The client's side of RFC 2217: what somebody wants of a line that is elsewhere, as messages, and what
//! the other side says is in force there.
//!
//! Requests are not held back until the one before is answered: they stand in their place among the data,
//! and an answer tells what is in force. Only of several requests of a kind the last answer counts. Servers
//! that leave some without an answer are common (ser2net does with a value that it does not know): whoever
//! answers a later one will not answer these any more.

use std::collections::VecDeque;

use crate::config::{DataBits, Flow, Parity, StopBits};

use super::control::{DATA_SIZES, FLOWS, INBOUND, PARITIES, STOP_SIZES, value_of};
use super::message::set_control;
use super::{BaudRate, Message, Setting};

/// What is wanted of a line; none: as it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Bits per second.
    pub baud: Option<u32>,
    /// Bits in a character.
    pub data_bits: Option<DataBits>,
    /// The check bit.
    pub parity: Option<Parity>,
    /// The pause after a character.
    pub stop_bits: Option<StopBits>,
    /// What holds the other side's line up.
    pub flow: Option<Flow>,
    /// What holds the modem up.
    pub inbound_flow: Option<Flow>,
    /// Data terminal ready.
    pub dtr: Option<bool>,
}

impl Wanted {
    /// This is in force, whatever was wanted: whoever wants the same again has to say so.
    fn replace(&mut self, setting: Setting) {
        fn replace<T>(wanted: &mut Option<T>, in_force: T) {
            if let Some(wanted) = wanted {
                *wanted = in_force;
            }
        }
        match setting {
            Setting::Baud(baud) => replace(&mut self.baud, baud),
            Setting::DataBits(bits) => replace(&mut self.data_bits, bits),
            Setting::Parity(parity) => replace(&mut self.parity, parity),
            Setting::StopBits(bits) => replace(&mut self.stop_bits, bits),
            Setting::Flow(flow) => replace(&mut self.flow, flow),
            Setting::InboundFlow(flow) => replace(&mut self.inbound_flow, flow),
            Setting::Dtr(on) => replace(&mut self.dtr, on),
            Setting::Break(_) | Setting::Rts(_) => {}
        }
    }
}

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Baud,
    DataBits,
    Parity,
    StopBits,
    Flow,
    InboundFlow,
    Break,
    Dtr,
    Rts,
    Purge,
}

/// The most requests that an answer is waited for.
const MOST_OPEN: usize = 64;

/// A line that is elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    wanted: Wanted,
    /// The requests that are not answered yet, in their order.
    open: VecDeque<Kind>,
}

/// What the other side has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// This is in force.
    InForce(Setting),
    /// These are the modem's signals, and what has changed, in the bits of [`super::modem_state`].
    Signals(u8),
    /// Nothing is to be sent until [`Told::Resume`].
    Suspend,
    /// Go on.
    Resume,
}

impl Remote {
    /// What is to be said so that what is wanted comes into force there: what was not said before.
    pub fn want(&mut self, wanted: Wanted) -> Vec<Message> {
        let before = std::mem::replace(&mut self.wanted, wanted);
        let mut settings: Vec<Setting> = Vec::new();
        let mut add = |is_new: bool, setting: Option<Setting>| {
            settings.extend(setting.filter(|_| is_new));
        };
        // With DTR first whoever hangs up does so at once.
        add(wanted.dtr != before.dtr, wanted.dtr.map(Setting::Dtr));
        add(wanted.baud != before.baud, wanted.baud.map(Setting::Baud));
        add(
            wanted.data_bits != before.data_bits,
            wanted.data_bits.map(Setting::DataBits),
        );
        add(
            wanted.parity != before.parity,
            wanted.parity.map(Setting::Parity),
        );
        add(
            wanted.stop_bits != before.stop_bits,
            wanted.stop_bits.map(Setting::StopBits),
        );
        let flows = (wanted.flow, wanted.inbound_flow) != (before.flow, before.inbound_flow);
        add(flows, wanted.flow.map(Setting::Flow));
        // The first sets both (RFC 2217, section 3, SET-CONTROL).
        let differs = wanted.inbound_flow != wanted.flow;
        add(
            flows && differs,
            wanted.inbound_flow.map(Setting::InboundFlow),
        );
        settings
            .into_iter()
            .map(|setting| self.request(setting))
            .collect()
    }

    /// What is to be said to learn all that is in force and was not wanted otherwise.
    pub fn ask(&mut self) -> Vec<Message> {
        let wanted = self.wanted;
        let mut questions = Vec::new();
        let mut ask = |is_wanted: bool, question: Message| {
            questions.extend((!is_wanted).then_some(question));
        };
        ask(wanted.baud.is_some(), Message::BaudRate(BaudRate::Wide(0)));
        ask(wanted.data_bits.is_some(), Message::DataSize(0));
        ask(wanted.parity.is_some(), Message::Parity(0));
        ask(wanted.stop_bits.is_some(), Message::StopSize(0));
        ask(wanted.flow.is_some(), Message::Control(set_control::FLOW));
        for question in &questions {
            self.open(question);
        }
        questions
    }

    /// A question whose answer comes behind those of all that was said before. It is about what is seldom asked
    /// for otherwise, so that it is not taken for another one that was left without an answer.
    pub fn last_question(&mut self) -> Message {
        let question = Message::Parity(0);
        self.open(&question);
        question
    }

    /// The request for one setting.
    pub fn request(&mut self, setting: Setting) -> Message {
        let message = request(setting);
        self.open(&message);
        message
    }

    /// The request to throw away what is buffered: 1 from the line, 2 to it, 3 both.
    pub fn purge(&mut self, what: u8) -> Message {
        let message = Message::Purge(what);
        self.open(&message);
        message
    }

    fn open(&mut self, message: &Message) {
        if let Some(kind) = kind(message) {
            if self.open.len() == MOST_OPEN {
                self.open.pop_front();
            }
            self.open.push_back(kind);
        }
    }

    /// Takes what the other side says.
    pub fn hear(&mut self, message: &Message) -> Option<Told> {
        match message {
            Message::ModemState(Some(bits)) => return Some(Told::Signals(*bits)),
            Message::Suspend => return Some(Told::Suspend),
            Message::Resume => return Some(Told::Resume),
            _ => {}
        }
        let kind = kind(message)?;
        if let Some(place) = self.open.iter().position(|open| *open == kind) {
            self.open.drain(..=place);
            if self.open.contains(&kind) {
                return None;
            }
        }
        let setting = setting(message)?;
        self.wanted.replace(setting);
        Some(Told::InForce(setting))
    }

    /// Whether everything that was said is answered, as far as it will be.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.open.is_empty()
    }
}

fn request(setting: Setting) -> Message {
    let switch = |on: bool, [on_value, off_value]: [u8; 2]| if on { on_value } else { off_value };
    match setting {
        Setting::Baud(rate) => Message::BaudRate(BaudRate::Wide(rate)),
        Setting::DataBits(bits) => Message::DataSize(value_of(&DATA_SIZES, bits)),
        Setting::Parity(parity) => Message::Parity(value_of(&PARITIES, parity)),
        Setting::StopBits(bits) => Message::StopSize(value_of(&STOP_SIZES, bits)),
        Setting::Flow(flow) => Message::Control(value_of(&FLOWS, flow)),
        Setting::InboundFlow(flow) => Message::Control(value_of(&INBOUND, flow)),
        Setting::Break(on) => {
            Message::Control(switch(on, [set_control::BREAK_ON, set_control::BREAK_OFF]))
        }
        Setting::Dtr(on) => {
            Message::Control(switch(on, [set_control::DTR_ON, set_control::DTR_OFF]))
        }
        Setting::Rts(on) => {
            Message::Control(switch(on, [set_control::RTS_ON, set_control::RTS_OFF]))
        }
    }
}

/// What an answer says is in force; nothing if it says nothing that we know.
fn setting(answer: &Message) -> Option<Setting> {
    fn of<T: Copy>(table: &[(u8, T)], value: u8) -> Option<T> {
        let row = table.iter().find(|(of, _)| *of == value);
        row.map(|(_, setting)| *setting)
    }
    match *answer {
        Message::BaudRate(rate) => (rate.rate() != 0).then_some(Setting::Baud(rate.rate())),
        Message::DataSize(value) => of(&DATA_SIZES, value).map(Setting::DataBits),
        Message::Parity(value) => of(&PARITIES, value).map(Setting::Parity),
        Message::StopSize(value) => of(&STOP_SIZES, value).map(Setting::StopBits),
        Message::Control(value) => match value {
            set_control::BREAK_ON | set_control::BREAK_OFF => {
                Some(Setting::Break(value == set_control::BREAK_ON))
            }
            set_control::DTR_ON | set_control::DTR_OFF => {
                Some(Setting::Dtr(value == set_control::DTR_ON))
            }
            set_control::RTS_ON | set_control::RTS_OFF => {
                Some(Setting::Rts(value == set_control::RTS_ON))
            }
            _ => of(&FLOWS, value)
                .map(Setting::Flow)
                .or_else(|| of(&INBOUND, value).map(Setting::InboundFlow)),
        },
        _ => None,
    }
}

fn kind(message: &Message) -> Option<Kind> {
    Some(match message {
        Message::BaudRate(_) => Kind::Baud,
        Message::DataSize(_) => Kind::DataBits,
        Message::Parity(_) => Kind::Parity,
        Message::StopSize(_) => Kind::StopBits,
        Message::Control(value) => match *value {
            set_control::BREAK..=set_control::BREAK_OFF => Kind::Break,
            set_control::DTR..=set_control::DTR_OFF => Kind::Dtr,
            set_control::RTS..=set_control::RTS_OFF => Kind::Rts,
            set_control::INBOUND..=set_control::INBOUND_HARDWARE | set_control::INBOUND_DTR => {
                Kind::InboundFlow
            }
            _ => Kind::Flow,
        },
        Message::Purge(_) => Kind::Purge,
        _ => return None,
    })
}
