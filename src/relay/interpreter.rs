//! What stands between a telnet client and its line: the client's octets become data and orders,
//! the line's become telnet.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::debug;

use crate::com_port::{Control, Message, Rights, Sender, Setting, Uart};
use crate::telnet::{Event, Role, Side, Telnet, TelnetOption};

/// How long the BREAK key sends a BREAK: as long as `tcsendbreak(3)` does on Linux.
const BREAK: Duration = Duration::from_millis(250);

/// How often the signals of a line are looked at, for a client that wants to hear of changes.
/// `TIOCMIWAIT` would sleep until there is one, but in a thread of its own that only a signal wakes.
const LOOK: Duration = Duration::from_millis(100);

/// The answer to ARE YOU THERE (RFC 854: "some visible evidence").
const HERE: &[u8] = b"\r\n[modemd: yes]\r\n";

/// Something to be done with the line, in its place among the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The client has agreed to COM port control, and is to be told the signals.
    Greet,
    /// What a message of COM port control says.
    Obey(Message),
    /// The BREAK key was pressed.
    Break,
    /// It is released, as far as the line is concerned.
    EndBreak,
}

/// When an order is carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Now.
    AtOnce,
    /// When all data in front of it has left the line.
    AfterData,
    /// After a time.
    After(Duration),
}

impl Order {
    pub(super) fn when(&self) -> When {
        match self {
            Order::Obey(message) if message.changes_the_line() => When::AfterData,
            Order::Greet | Order::Obey(_) => When::AtOnce,
            Order::Break => When::AfterData,
            Order::EndBreak => When::After(BREAK),
        }
    }

    /// Whether it throws away what has still to go to the line.
    pub(super) fn discards_unsent(&self) -> bool {
        matches!(self, Order::Obey(Message::Purge(2 | 3)))
    }
}

/// What some octets of a client meant.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    /// For the line.
    pub(super) data: Vec<u8>,
    /// For the client.
    pub(super) answers: Vec<u8>,
    /// What to do after the data.
    pub(super) order: Option<Order>,
    /// The client has no more to say.
    pub(super) ends: bool,
}

/// One client's telnet and COM port control.
#[derive(Debug)]
pub(super) struct Interpreter {
    telnet: Telnet,
    control: Control,
    /// How many octets of the line were translated.
    translated: u64,
    /// When the next look at the signals is due; none without COM port control.
    next_look: Option<Instant>,
}

/// What another process needs to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memo {
    telnet: Telnet,
    control: Control,
    /// Whether the signals are being looked at.
    looks: bool,
}

impl Interpreter {
    /// As another process has left it, which had translated so many octets of the line.
    pub(super) fn found(memo: Memo, translated: u64) -> Self {
        Interpreter {
            telnet: memo.telnet,
            control: memo.control,
            translated,
            next_look: memo.looks.then(Instant::now),
        }
    }

    pub(super) fn memo(&self) -> Memo {
        Memo {
            telnet: self.telnet.clone(),
            control: self.control.clone(),
            looks: self.next_look.is_some(),
        }
    }

    /// For a client with these rights, and what it is told first.
    pub(super) fn new(rights: Rights) -> (Self, Vec<u8>) {
        let mut telnet = Telnet::new(Role::Server);
        let mut offers = Vec::new();
        // With both of these a person's client sends each character at once, and shows only what
        // the modem echoes.
        telnet.want(TelnetOption::SuppressGoAhead, Side::Us, &mut offers);
        telnet.want(TelnetOption::SuppressGoAhead, Side::Them, &mut offers);
        telnet.want(TelnetOption::Echo, Side::Us, &mut offers);
        telnet.want(TelnetOption::Binary, Side::Us, &mut offers);
        telnet.want(TelnetOption::Binary, Side::Them, &mut offers);
        telnet.want(TelnetOption::ComPort, Side::Them, &mut offers);
        let interpreter = Interpreter {
            telnet,
            control: Control::new(rights),
            translated: 0,
            next_look: None,
        };
        (interpreter, offers)
    }

    /// Takes octets of the client off the front of `input`, up to the first order or all of them.
    pub(super) fn interpret(&mut self, input: &mut &[u8]) -> Meaning {
        let mut meaning = Meaning {
            data: Vec::with_capacity(input.len()),
            ..Meaning::default()
        };
        while meaning.order.is_none() {
            match self.telnet.receive(input, &mut meaning.answers) {
                None => break,
                Some(Event::Data(data)) => meaning.data.extend_from_slice(data),
                Some(Event::Break) if self.control.may_break() => {
                    meaning.order = Some(Order::Break);
                }
                Some(Event::Break) => {}
                Some(Event::EndOfFile) => meaning.ends = true,
                Some(Event::AreYouThere) => self.telnet.send(HERE, &mut meaning.answers),
                Some(Event::Switched { option, .. }) => {
                    if option == TelnetOption::ComPort {
                        meaning.order = self.switched();
                    }
                }
                Some(Event::Subnegotiation(_, content)) => {
                    let message = Message::decode(&content, Sender::Client);
                    if let Some(Message::Signature(text)) = &message {
                        debug!("the client says it is `{}`", text.escape_ascii());
                    }
                    meaning.order = message.map(Order::Obey);
                }
            }
        }
        meaning
    }

    /// COM port control was switched on or off, by one side or the other: which is the same.
    fn switched(&mut self) -> Option<Order> {
        let on = |side| self.telnet.is_on(TelnetOption::ComPort, side);
        if !on(Side::Us) && !on(Side::Them) {
            self.control.resume();
            self.next_look = None;
            return None;
        }
        self.next_look.is_none().then_some(Order::Greet)
    }

    /// Carries out an order. Gives what is to be told to the client, and an order that follows.
    pub(super) fn carry_out(
        &mut self,
        order: Order,
        line: &mut impl Uart,
    ) -> (Vec<u8>, Option<Order>) {
        match order {
            Order::Greet => {
                let greeting = self.control.greeting(line);
                self.next_look = Some(Instant::now() + LOOK);
                return (self.tell([greeting]), None);
            }
            Order::Obey(message) => {
                let answer = self.control.obey(message, line);
                return (self.tell(answer), None);
            }
            Order::Break if line.state().sends_break => {}
            Order::Break => {
                line.set(Setting::Break(true));
                return (Vec::new(), Some(Order::EndBreak));
            }
            Order::EndBreak => line.set(Setting::Break(false)),
        }
        (Vec::new(), None)
    }

    /// Translates what the line says for the client.
    pub(super) fn translate(&mut self, data: &[u8]) -> Vec<u8> {
        self.translated += data.len() as u64;
        let mut out = Vec::with_capacity(data.len() + data.len() / 16);
        self.telnet.send(data, &mut out);
        out
    }

    /// How many octets of the line were translated.
    pub(super) fn translated(&self) -> u64 {
        self.translated
    }

    /// When to look for what the client wants to be told; not at all if it wants nothing.
    pub(super) fn look_due(&self) -> Option<Instant> {
        let wants = self.control.wants_notices() && !self.control.is_suspended();
        self.next_look.filter(|_| wants)
    }

    /// Looks at the line's signals; what is to be told to the client.
    pub(super) fn look(&mut self, line: &impl Uart, now: Instant) -> Vec<u8> {
        let notices = self.control.notices(line);
        self.next_look = Some(now + LOOK);
        self.tell(notices)
    }

    fn tell(&mut self, messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            let content = message.encode(Sender::Server);
            self.telnet
                .subnegotiate(TelnetOption::ComPort, &content, &mut out);
        }
        out
    }

    /// What TCP calls urgent is, or is not, still to come: RFC 854's Synch.
    pub(super) fn synch(&mut self, urgent: bool) {
        self.telnet.synch(urgent);
    }

    pub(super) fn in_synch(&self) -> bool {
        self.telnet.in_synch()
    }

    /// Whether the client is a program with a COM port, not somebody at a terminal.
    ///
    /// When pyserial hears our DO before it has said WILL, it takes it for the answer and never says
    /// it: then there is only its DO.
    pub(super) fn has_com_port(&self) -> bool {
        [Side::Them, Side::Us]
            .into_iter()
            .any(|side| self.telnet.is_on(TelnetOption::ComPort, side))
    }

    /// Whether the client has asked for silence.
    pub(super) fn is_suspended(&self) -> bool {
        self.control.is_suspended()
    }

    /// Ends the silence.
    pub(super) fn resume(&mut self) {
        self.control.resume();
    }
}
