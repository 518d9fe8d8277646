//! The server's side of RFC 2217: what a client's messages do to a line, and what is answered.

use serde::{Deserialize, Serialize};

use crate::config::{ClientSetting, ClientSettings, DataBits, Flow, MAX_BAUD, Parity, StopBits};

use super::message::{line_state, modem_state, set_control};
use super::{Counts, Message, Setting, Signals, State, Uart};

/// What a client may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Which settings.
    pub settings: ClientSettings,
    /// The highest speed, in bits per second; none: what the hardware can do.
    pub max_baud: Option<u32>,
}

/// One client's control of one line.
///
/// Every request has exactly one answer, with what is in force after it: what was asked for, or what
/// was in force before if the client may not change it or the hardware cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    rights: Rights,
    suspended: bool,
    line_mask: u8,
    modem_mask: u8,
    seen: Option<(Signals, Option<Counts>)>,
    /// The signals that the client was last told, in the bits of [`modem_state`].
    told: u8,
    /// What has changed since, in the same bits.
    changes: u8,
    /// What went wrong since the client was last told, in the bits of [`line_state`].
    errors: u8,
}

impl Message {
    /// Whether all data in front of it must have left the line before it is carried out, so that it
    /// leaves with the settings it was sent under. Not what asks, and not PURGE-DATA, which is for
    /// data that does not leave.
    #[must_use]
    pub fn changes_the_line(&self) -> bool {
        match self {
            Message::BaudRate(rate) => rate.rate() != 0,
            Message::DataSize(value) | Message::Parity(value) | Message::StopSize(value) => {
                *value != 0
            }
            Message::Control(value) => !matches!(
                *value,
                set_control::FLOW
                    | set_control::BREAK
                    | set_control::DTR
                    | set_control::RTS
                    | set_control::INBOUND
            ),
            Message::Signature(_)
            | Message::LineState(_)
            | Message::ModemState(_)
            | Message::Suspend
            | Message::Resume
            | Message::LineStateMask(_)
            | Message::ModemStateMask(_)
            | Message::Purge(_) => false,
        }
    }
}

impl Control {
    /// The control of a client with these rights, who has not been told anything yet.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Control {
            rights,
            suspended: false,
            line_mask: 0,
            modem_mask: u8::MAX,
            seen: None,
            told: 0,
            changes: 0,
            errors: 0,
        }
    }

    /// Whether the client has asked for silence.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Ends the silence that the client asked for.
    pub fn resume(&mut self) {
        self.suspended = false;
    }

    /// Whether the client wants to hear of changes.
    #[must_use]
    pub fn wants_notices(&self) -> bool {
        self.line_mask != 0 || self.modem_mask != 0
    }

    /// Whether the client may send a BREAK.
    #[must_use]
    pub fn may_break(&self) -> bool {
        self.may(ClientSetting::Break)
    }

    /// Carries out a message of the client, and returns the answer if it has one.
    pub fn obey(&mut self, message: Message, uart: &mut impl Uart) -> Option<Message> {
        Some(match message {
            Message::Signature(text) if text.is_empty() => {
                Message::Signature(concat!("modemd ", env!("CARGO_PKG_VERSION")).into())
            }
            Message::Signature(_) => return None,
            Message::BaudRate(asked) => {
                let highest = self.rights.max_baud.unwrap_or(MAX_BAUD);
                if (1..=highest).contains(&asked.rate()) {
                    self.set(ClientSetting::Baud, Setting::Baud(asked.rate()), uart);
                }
                Message::BaudRate(asked.with_rate(uart.state().baud))
            }
            Message::DataSize(asked) => {
                if let Some((_, bits)) = DATA_SIZES.iter().find(|(value, _)| *value == asked) {
                    self.set(ClientSetting::DataBits, Setting::DataBits(*bits), uart);
                }
                Message::DataSize(value_of(&DATA_SIZES, uart.state().data_bits))
            }
            Message::Parity(asked) => {
                if let Some((_, parity)) = PARITIES.iter().find(|(value, _)| *value == asked) {
                    self.set(ClientSetting::Parity, Setting::Parity(*parity), uart);
                }
                Message::Parity(value_of(&PARITIES, uart.state().parity))
            }
            Message::StopSize(asked) => {
                if let Some((_, bits)) = STOP_SIZES.iter().find(|(value, _)| *value == asked) {
                    self.set(ClientSetting::StopBits, Setting::StopBits(*bits), uart);
                }
                Message::StopSize(value_of(&STOP_SIZES, uart.state().stop_bits))
            }
            Message::Control(asked) => Message::Control(self.control(asked, uart)),
            Message::LineState(_) => {
                self.look(uart);
                let empty = line_state::TRANSMITTER_EMPTY | line_state::HOLDING_EMPTY;
                let transmitter = if uart.unsent() == 0 { empty } else { 0 };
                Message::LineState(Some(std::mem::take(&mut self.errors) | transmitter))
            }
            Message::ModemState(_) => {
                self.look(uart);
                Message::ModemState(Some(self.tell()))
            }
            Message::Suspend => {
                self.suspended = true;
                return None;
            }
            Message::Resume => {
                self.suspended = false;
                return None;
            }
            Message::LineStateMask(mask) => {
                self.line_mask = mask.unwrap_or(self.line_mask);
                Message::LineStateMask(Some(self.line_mask))
            }
            Message::ModemStateMask(mask) => {
                self.modem_mask = mask.unwrap_or(self.modem_mask);
                Message::ModemStateMask(Some(self.modem_mask))
            }
            Message::Purge(what) => {
                if matches!(what, 1 | 3) {
                    uart.discard_received();
                }
                if matches!(what, 2 | 3) {
                    uart.discard_unsent();
                }
                Message::Purge(what)
            }
        })
    }

    fn control(&self, asked: u8, uart: &mut impl Uart) -> u8 {
        match asked {
            set_control::BREAK..=set_control::BREAK_OFF => {
                let may = self.may(ClientSetting::Break);
                let question = set_control::BREAK;
                switch(
                    asked,
                    question,
                    may.then_some(Setting::Break),
                    uart,
                    |now| now.sends_break,
                )
            }
            set_control::DTR..=set_control::DTR_OFF => {
                let may = self.may(ClientSetting::Dtr);
                let question = set_control::DTR;
                switch(asked, question, may.then_some(Setting::Dtr), uart, |now| {
                    now.dtr
                })
            }
            set_control::RTS..=set_control::RTS_OFF => {
                let may = self.may(ClientSetting::Rts);
                let question = set_control::RTS;
                switch(asked, question, may.then_some(Setting::Rts), uart, |now| {
                    now.rts
                })
            }
            set_control::INBOUND..=set_control::INBOUND_HARDWARE | set_control::INBOUND_DTR => {
                if let Some((_, flow)) = INBOUND.iter().find(|(value, _)| *value == asked) {
                    self.set(ClientSetting::Flow, Setting::InboundFlow(*flow), uart);
                }
                value_of(&INBOUND, uart.state().inbound_flow)
            }
            // Linux has no flow control by DCD or DSR; what is beyond is "available for future use".
            _ => {
                if let Some((_, flow)) = FLOWS.iter().find(|(value, _)| *value == asked) {
                    self.set(ClientSetting::Flow, Setting::Flow(*flow), uart);
                }
                value_of(&FLOWS, uart.state().flow)
            }
        }
    }

    fn set(&self, what: ClientSetting, setting: Setting, uart: &mut impl Uart) {
        if self.may(what) {
            uart.set(setting);
        }
    }

    fn may(&self, what: ClientSetting) -> bool {
        self.rights.settings.allows(what)
    }

    /// What a client is told at first: the signals as they are, also if none is on. Some wait for it.
    pub fn greeting(&mut self, uart: &impl Uart) -> Message {
        self.look(uart);
        self.changes = 0;
        self.errors = 0;
        Message::ModemState(Some(self.tell()))
    }

    /// What has happened since the client was last told, as far as it wants to know.
    pub fn notices(&mut self, uart: &impl Uart) -> Vec<Message> {
        self.look(uart);
        let mut notices = Vec::new();
        if self.changes != 0 || self.told != self.signals() {
            let state = self.tell() & self.modem_mask;
            notices.extend((state != 0).then_some(Message::ModemState(Some(state))));
        }
        let errors = std::mem::take(&mut self.errors) & self.line_mask;
        notices.extend((errors != 0).then_some(Message::LineState(Some(errors))));
        notices
    }

    /// The signals and their changes, which the client knows from now on.
    fn tell(&mut self) -> u8 {
        self.told = self.signals();
        self.told | std::mem::take(&mut self.changes)
    }

    fn signals(&self) -> u8 {
        let (now, _) = self.seen.unwrap_or_default();
        bit(now.carrier, modem_state::CARRIER)
            | bit(now.ring, modem_state::RING)
            | bit(now.dsr, modem_state::DSR)
            | bit(now.cts, modem_state::CTS)
    }

    /// Takes note of what has changed since the last look. A signal that came and went in between is
    /// in the driver's counts.
    fn look(&mut self, uart: &impl Uart) {
        let now = (uart.signals(), uart.counts());
        let Some((before, counted_before)) = self.seen.replace(now) else {
            return;
        };
        let (now, counted) = now;
        self.changes |= bit(now.carrier != before.carrier, modem_state::CARRIER_CHANGED)
            | bit(before.ring && !now.ring, modem_state::RING_ENDED)
            | bit(now.dsr != before.dsr, modem_state::DSR_CHANGED)
            | bit(now.cts != before.cts, modem_state::CTS_CHANGED);
        let (Some(counted), Some(before)) = (counted, counted_before) else {
            return;
        };
        self.changes |= bit(
            counted.carrier != before.carrier,
            modem_state::CARRIER_CHANGED,
        ) | bit(counted.ring != before.ring, modem_state::RING_ENDED)
            | bit(counted.dsr != before.dsr, modem_state::DSR_CHANGED)
            | bit(counted.cts != before.cts, modem_state::CTS_CHANGED);
        self.errors |= bit(counted.breaks != before.breaks, line_state::BREAK)
            | bit(counted.framing != before.framing, line_state::FRAMING)
            | bit(counted.parity != before.parity, line_state::PARITY)
            | bit(counted.overrun != before.overrun, line_state::OVERRUN);
    }
}

/// Something that is on or off: behind the `question` in the list of values come "on" and "off".
fn switch<U: Uart>(
    asked: u8,
    question: u8,
    setting: Option<fn(bool) -> Setting>,
    uart: &mut U,
    is_on: fn(State) -> bool,
) -> u8 {
    let (on, off) = (question + 1, question + 2);
    if asked != question
        && let Some(setting) = setting
    {
        uart.set(setting(asked == on));
    }
    if is_on(uart.state()) { on } else { off }
}

pub(super) const DATA_SIZES: [(u8, DataBits); 4] = [
    (5, DataBits::Five),
    (6, DataBits::Six),
    (7, DataBits::Seven),
    (8, DataBits::Eight),
];

pub(super) const PARITIES: [(u8, Parity); 5] = [
    (1, Parity::None),
    (2, Parity::Odd),
    (3, Parity::Even),
    (4, Parity::Mark),
    (5, Parity::Space),
];

/// 3 is one and a half, which Linux cannot be asked for.
pub(super) const STOP_SIZES: [(u8, StopBits); 2] = [(1, StopBits::One), (2, StopBits::Two)];

pub(super) const FLOWS: [(u8, Flow); 3] = [
    (set_control::FLOW_NONE, Flow::None),
    (set_control::FLOW_XON_XOFF, Flow::XonXoff),
    (set_control::FLOW_HARDWARE, Flow::RtsCts),
];

pub(super) const INBOUND: [(u8, Flow); 3] = [
    (set_control::INBOUND_NONE, Flow::None),
    (set_control::INBOUND_XON_XOFF, Flow::XonXoff),
    (set_control::INBOUND_HARDWARE, Flow::RtsCts),
];

pub(super) fn value_of<T: Copy + PartialEq>(table: &[(u8, T)], setting: T) -> u8 {
    let row = table.iter().find(|(_, of)| *of == setting);
    row.map_or(0, |(value, _)| *value)
}

fn bit(on: bool, bit: u8) -> u8 {
    if on { bit } else { 0 }
}
