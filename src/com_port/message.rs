//! What stands in a subnegotiation of COM-PORT-OPTION (RFC 2217, section 3).

use serde::{Deserialize, Serialize};

/// Who says it: the same messages go both ways, with other codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Who uses the line; codes from 0.
    Client,
    /// Who has the line ("access server"); codes from 100.
    Server,
}

impl Sender {
    fn offset(self) -> u8 {
        match self {
            Sender::Client => 0,
            Sender::Server => 100,
        }
    }
}

/// One message. Numbers are as they are on the wire, since an answer must also be possible to what
/// nobody understands; a value that is missing counts as 0, which asks for the value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// 0: who the sender is; empty: who are you?
    Signature(Vec<u8>),
    /// 1: the speed.
    BaudRate(BaudRate),
    /// 2: data bits, 5 to 8.
    DataSize(u8),
    /// 3: parity: 1 none, 2 odd, 3 even, 4 mark, 5 space.
    Parity(u8),
    /// 4: stop bits: 1, 2, or 3 for one and a half.
    StopSize(u8),
    /// 5: flow control, BREAK, DTR and RTS.
    Control(u8),
    /// 6: what the UART says of itself, in the bits of [`line_state`]; none: asks for it.
    LineState(Option<u8>),
    /// 7: what the modem's signals are, in the bits of [`modem_state`]; none: asks for it.
    ModemState(Option<u8>),
    /// 8: send nothing more.
    Suspend,
    /// 9: go on.
    Resume,
    /// 10: the bits of [`line_state`] that are worth a notice; none: asks for the mask.
    LineStateMask(Option<u8>),
    /// 11: the bits of [`modem_state`] that are worth a notice; none: asks for the mask.
    ModemStateMask(Option<u8>),
    /// 12: throw away what is buffered: 1 from the line, 2 to it, 3 both.
    Purge(u8),
}

/// A speed in bits per second, and how it is written. 0 asks for the speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BaudRate {
    /// Four octets.
    Wide(u32),
    /// One octet with a code, as Cisco IOS does it; a speed without a code is written in four.
    Code(u32),
}

/// Cisco's codes and the speeds they stand for.
const CODES: [(u8, u32); 11] = [
    (3, 300),
    (4, 600),
    (5, 1_200),
    (6, 2_400),
    (7, 4_800),
    (8, 9_600),
    (10, 19_200),
    (12, 38_400),
    (13, 57_600),
    (14, 115_200),
    (15, 230_400),
];

/// What a code that is in no table asks for: nothing can be that fast, and so it is refused.
const NO_SPEED: u32 = u32::MAX;

impl BaudRate {
    /// Bits per second.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            BaudRate::Wide(rate) | BaudRate::Code(rate) => rate,
        }
    }

    /// Another speed, written the same way.
    #[must_use]
    pub fn with_rate(self, rate: u32) -> BaudRate {
        match self {
            BaudRate::Wide(_) => BaudRate::Wide(rate),
            BaudRate::Code(_) => BaudRate::Code(rate),
        }
    }

    fn decode(value: &[u8]) -> BaudRate {
        match *value {
            [0] => BaudRate::Code(0),
            [code] => {
                let known = CODES.iter().find(|(of, _)| *of == code);
                BaudRate::Code(known.map_or(NO_SPEED, |(_, rate)| *rate))
            }
            [a, b, c, d, ..] => BaudRate::Wide(u32::from_be_bytes([a, b, c, d])),
            _ => BaudRate::Wide(0),
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        let code = match self {
            BaudRate::Wide(_) => None,
            BaudRate::Code(0) => Some(0),
            BaudRate::Code(rate) => CODES
                .iter()
                .find(|(_, of)| *of == rate)
                .map(|(code, _)| *code),
        };
        match code {
            Some(code) => out.push(code),
            None => out.extend(self.rate().to_be_bytes()),
        }
    }
}

impl Message {
    /// Reads the content of a subnegotiation, without the option's code. Nothing if `sender` has no
    /// such message. Octets behind a value are ignored: some servers send them.
    #[must_use]
    pub fn decode(content: &[u8], sender: Sender) -> Option<Message> {
        let (code, value) = content.split_first()?;
        let first = value.first().copied();
        let number = first.unwrap_or(0);
        Some(match code.checked_sub(sender.offset())? {
            0 => Message::Signature(value.to_vec()),
            1 => Message::BaudRate(BaudRate::decode(value)),
            2 => Message::DataSize(number),
            3 => Message::Parity(number),
            4 => Message::StopSize(number),
            5 => Message::Control(number),
            6 => Message::LineState(first),
            7 => Message::ModemState(first),
            8 => Message::Suspend,
            9 => Message::Resume,
            10 => Message::LineStateMask(first),
            11 => Message::ModemStateMask(first),
            12 => Message::Purge(number),
            _ => return None,
        })
    }

    /// Writes the content of a subnegotiation, without the option's code and without telnet's
    /// doubling of 0xFF.
    #[must_use]
    pub fn encode(&self, sender: Sender) -> Vec<u8> {
        let mut content = vec![sender.offset() + self.code()];
        match self {
            Message::Signature(text) => content.extend(text),
            Message::BaudRate(rate) => rate.encode(&mut content),
            Message::DataSize(value)
            | Message::Parity(value)
            | Message::StopSize(value)
            | Message::Control(value)
            | Message::Purge(value) => content.push(*value),
            Message::LineState(bits)
            | Message::ModemState(bits)
            | Message::LineStateMask(bits)
            | Message::ModemStateMask(bits) => content.extend(bits),
            Message::Suspend | Message::Resume => {}
        }
        content
    }

    fn code(&self) -> u8 {
        match self {
            Message::Signature(_) => 0,
            Message::BaudRate(_) => 1,
            Message::DataSize(_) => 2,
            Message::Parity(_) => 3,
            Message::StopSize(_) => 4,
            Message::Control(_) => 5,
            Message::LineState(_) => 6,
            Message::ModemState(_) => 7,
            Message::Suspend => 8,
            Message::Resume => 9,
            Message::LineStateMask(_) => 10,
            Message::ModemStateMask(_) => 11,
            Message::Purge(_) => 12,
        }
    }
}

/// The bits of NOTIFY-LINESTATE.
pub mod line_state {
    /// All has left the transmitter.
    pub const TRANSMITTER_EMPTY: u8 = 64;
    /// The transmitter takes the next octet.
    pub const HOLDING_EMPTY: u8 = 32;
    /// A BREAK came.
    pub const BREAK: u8 = 16;
    /// A character without its stop bit came.
    pub const FRAMING: u8 = 8;
    /// A character with a wrong check bit came.
    pub const PARITY: u8 = 4;
    /// Characters were lost.
    pub const OVERRUN: u8 = 2;
}

/// The bits of NOTIFY-MODEMSTATE.
pub mod modem_state {
    /// Data carrier detect.
    pub const CARRIER: u8 = 128;
    /// Ring indicator.
    pub const RING: u8 = 64;
    /// Data set ready.
    pub const DSR: u8 = 32;
    /// Clear to send.
    pub const CTS: u8 = 16;
    /// Carrier came or went.
    pub const CARRIER_CHANGED: u8 = 8;
    /// The ring indicator went off.
    pub const RING_ENDED: u8 = 4;
    /// DSR changed.
    pub const DSR_CHANGED: u8 = 2;
    /// CTS changed.
    pub const CTS_CHANGED: u8 = 1;
}

/// The values of SET-CONTROL that ask, set, and answer.
pub mod set_control {
    /// Which flow control, outbound?
    pub const FLOW: u8 = 0;
    /// None, both ways.
    pub const FLOW_NONE: u8 = 1;
    /// XON/XOFF, both ways.
    pub const FLOW_XON_XOFF: u8 = 2;
    /// RTS/CTS, both ways.
    pub const FLOW_HARDWARE: u8 = 3;
    /// Is a BREAK being sent?
    pub const BREAK: u8 = 4;
    /// It is; begin.
    pub const BREAK_ON: u8 = 5;
    /// It is not; end.
    pub const BREAK_OFF: u8 = 6;
    /// Is DTR on?
    pub const DTR: u8 = 7;
    /// It is; raise.
    pub const DTR_ON: u8 = 8;
    /// It is not; drop.
    pub const DTR_OFF: u8 = 9;
    /// Is RTS on?
    pub const RTS: u8 = 10;
    /// It is; raise.
    pub const RTS_ON: u8 = 11;
    /// It is not; drop.
    pub const RTS_OFF: u8 = 12;
    /// Which flow control, inbound?
    pub const INBOUND: u8 = 13;
    /// None, inbound.
    pub const INBOUND_NONE: u8 = 14;
    /// XON/XOFF, inbound.
    pub const INBOUND_XON_XOFF: u8 = 15;
    /// RTS, inbound.
    pub const INBOUND_HARDWARE: u8 = 16;
    /// DCD holds us up.
    pub const FLOW_DCD: u8 = 17;
    /// DTR holds the modem up.
    pub const INBOUND_DTR: u8 = 18;
    /// DSR holds us up.
    pub const FLOW_DSR: u8 = 19;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rates() -> impl Strategy<Value = BaudRate> {
        prop_oneof![
            any::<u32>().prop_map(BaudRate::Wide),
            proptest::sample::select(CODES.to_vec()).prop_map(|(_, rate)| BaudRate::Code(rate)),
            Just(BaudRate::Code(0)),
        ]
    }

    fn messages() -> impl Strategy<Value = Message> {
        let bits = any::<Option<u8>>;
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Message::Signature),
            rates().prop_map(Message::BaudRate),
            any::<u8>().prop_map(Message::DataSize),
            any::<u8>().prop_map(Message::Parity),
            any::<u8>().prop_map(Message::StopSize),
            any::<u8>().prop_map(Message::Control),
            bits().prop_map(Message::LineState),
            bits().prop_map(Message::ModemState),
            Just(Message::Suspend),
            Just(Message::Resume),
            bits().prop_map(Message::LineStateMask),
            bits().prop_map(Message::ModemStateMask),
            any::<u8>().prop_map(Message::Purge),
        ]
    }

    fn senders() -> impl Strategy<Value = Sender> {
        proptest::sample::select(vec![Sender::Client, Sender::Server])
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(message in messages(), sender in senders()) {
            let content = message.encode(sender);
            prop_assert_eq!(Message::decode(&content, sender), Some(message));
        }

        #[test]
        fn no_content_is_too_strange(
            content in proptest::collection::vec(any::<u8>(), 0..20),
            sender in senders(),
        ) {
            if let Some(message) = Message::decode(&content, sender) {
                prop_assert!(message.encode(sender).len() <= content.len() + 4);
            }
        }
    }

    #[test]
    fn the_octets_are_those_of_the_rfc() {
        let wide = Message::BaudRate(BaudRate::Wide(115_200));
        assert_eq!(wide.encode(Sender::Client), [1, 0, 1, 0xc2, 0]);
        assert_eq!(wide.encode(Sender::Server), [101, 0, 1, 0xc2, 0]);
        assert_eq!(
            Message::Control(set_control::DTR_ON).encode(Sender::Client),
            [5, 8]
        );
        assert_eq!(Message::Suspend.encode(Sender::Client), [8]);
        assert_eq!(
            Message::ModemState(Some(0xb0)).encode(Sender::Server),
            [107, 0xb0]
        );
        assert_eq!(
            Message::Signature(b"x".to_vec()).encode(Sender::Server),
            [100, b'x']
        );
    }

    #[test]
    fn a_speed_of_one_octet_is_ciscos_code() {
        let decoded = Message::decode(&[1, 14], Sender::Client);
        assert_eq!(decoded, Some(Message::BaudRate(BaudRate::Code(115_200))));
        let without_code = Message::BaudRate(BaudRate::Code(110));
        assert_eq!(without_code.encode(Sender::Server), [101, 0, 0, 0, 110]);
    }

    #[test]
    fn what_is_missing_asks_and_what_is_too_much_is_ignored() {
        assert_eq!(
            Message::decode(&[2], Sender::Client),
            Some(Message::DataSize(0))
        );
        assert_eq!(
            Message::decode(&[1, 0, 0], Sender::Client),
            Some(Message::BaudRate(BaudRate::Wide(0)))
        );
        assert_eq!(
            Message::decode(&[1, 0, 0, 37, 128, 0, 0], Sender::Client),
            Some(Message::BaudRate(BaudRate::Wide(9600)))
        );
        assert_eq!(Message::decode(&[], Sender::Client), None);
        assert_eq!(Message::decode(&[13], Sender::Client), None);
        assert_eq!(Message::decode(&[5], Sender::Server), None);
    }
}
