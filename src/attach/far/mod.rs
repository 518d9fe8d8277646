//! The far end of a telnet connection: its octets in; data, settings and signals out. Sans-IO.
//!
//! Until the other side has agreed to COM port control, or refused it, nothing of the program is to go out:
//! its first octets leave the far line with its settings, not with those of whoever had the line before.
//! What comes by then is no modem's, but words of the server: it has no line to give, or a queue.

use crate::com_port::{Message, Remote, Sender, Setting, Told, Wanted};
use crate::telnet::{Event, Role, Side, Telnet, TelnetOption};

/// The most octets of a server's words that are kept, and that are shown.
const WORDS: usize = 4096;
const SHOWN: usize = 200;

/// Whether the far end takes COM port commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It has not answered.
    Asked,
    /// It does.
    Agreed,
    /// It does not: its line stays as it is.
    Refused,
}

/// The far end of one connection.
#[derive(Debug)]
pub struct Far {
    telnet: Telnet,
    remote: Remote,
    control: Control,
    /// It has said anything at all.
    speaks: bool,
    /// It has asked for silence.
    suspended: bool,
    /// What it has not answered by now it never will.
    is_settled: bool,
    words: Vec<u8>,
}

impl Far {
    /// A new connection; what is said first goes to `out`.
    pub fn new(out: &mut Vec<u8>) -> Far {
        let mut telnet = Telnet::new(Role::Client);
        for side in [Side::Us, Side::Them] {
            telnet.want(TelnetOption::Binary, side, out);
            telnet.want(TelnetOption::SuppressGoAhead, side, out);
        }
        // The last, so that everything is settled when it is answered.
        telnet.want(TelnetOption::ComPort, Side::Us, out);
        Far {
            telnet,
            remote: Remote::default(),
            control: Control::Asked,
            speaks: false,
            suspended: false,
            is_settled: false,
            words: Vec::new(),
        }
    }

    /// Takes octets of the far end. Data of its line goes to `data`, answers to `out`; what else it told is
    /// returned.
    pub fn hear(&mut self, mut octets: &[u8], data: &mut Vec<u8>, out: &mut Vec<u8>) -> Vec<Told> {
        self.speaks |= !octets.is_empty();
        let mut told = Vec::new();
        while let Some(event) = self.telnet.receive(&mut octets, out) {
            match event {
                Event::Data(line) if self.control == Control::Asked => {
                    let room = WORDS.saturating_sub(self.words.len());
                    self.words.extend_from_slice(&line[..line.len().min(room)]);
                }
                Event::Data(line) => data.extend_from_slice(line),
                Event::Subnegotiation(_, content) => {
                    // Whoever sends these has agreed.
                    self.control = Control::Agreed;
                    let message = Message::decode(&content, Sender::Server);
                    told.extend(message.and_then(|message| self.obey(&message, out)));
                }
                // A BREAK that the far line received is a line state; the others are for a terminal.
                Event::Break | Event::AreYouThere | Event::EndOfFile | Event::Switched { .. } => {}
            }
            self.look(data);
        }
        self.look(data);
        told
    }

    /// Looks whether the far end has answered.
    fn look(&mut self, data: &mut Vec<u8>) {
        if self.control != Control::Asked {
            return;
        }
        let option = TelnetOption::ComPort;
        let is_on = |side| self.telnet.is_on(option, side);
        if is_on(Side::Us) || is_on(Side::Them) {
            self.control = Control::Agreed;
        } else if !self.telnet.is_open(option, Side::Us) {
            self.control = Control::Refused;
            // Whoever knows nothing of lines gives what it has as it comes.
            data.append(&mut self.words);
        }
    }

    fn obey(&mut self, message: &Message, out: &mut Vec<u8>) -> Option<Told> {
        if matches!(message, Message::Signature(who) if who.is_empty()) {
            let name = concat!("modemctl ", env!("CARGO_PKG_VERSION"));
            self.tell([Message::Signature(name.into())], out);
        }
        let told = self.remote.hear(message);
        match told {
            Some(Told::Suspend) => self.suspended = true,
            Some(Told::Resume) => self.suspended = false,
            _ => {}
        }
        told
    }

    /// Whether the far end takes COM port commands.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control
    }

    /// Whether it has said anything at all, as everybody who speaks telnet does when asked.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.speaks
    }

    /// Whether data can be sent now: it has a line for it, does not want silence, and both sides know whether it
    /// is to be as it is (RFC 856).
    #[must_use]
    pub fn takes_data(&self) -> bool {
        self.control != Control::Asked && self.knows_how() && !self.suspended
    }

    fn knows_how(&self) -> bool {
        self.is_settled || !self.telnet.is_open(TelnetOption::Binary, Side::Us)
    }

    /// Whether it should have answered something that data waits for; what it says in words instead is an answer,
    /// too, if no final one.
    #[must_use]
    pub fn owes_an_answer(&self) -> bool {
        match self.control {
            Control::Asked => self.words.is_empty(),
            Control::Agreed | Control::Refused => !self.knows_how(),
        }
    }

    /// It leaves questions without an answer, against RFC 854: its line is used as it is, and as NVT.
    pub fn settle(&mut self) {
        self.is_settled = true;
        if self.control == Control::Asked {
            self.control = Control::Refused;
        }
    }

    /// What it has said instead of giving a line, as far as it can be shown.
    #[must_use]
    pub fn words(&self) -> String {
        let shown = &self.words[..self.words.len().min(SHOWN)];
        let words = String::from_utf8_lossy(shown);
        words.replace(char::is_control, " ").trim().to_owned()
    }

    /// Data for the far line; what is to be sent goes to `out`.
    pub fn say(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.telnet.send(data, out);
    }

    /// Has the far line set up as it is wanted.
    pub fn want(&mut self, wanted: Wanted, out: &mut Vec<u8>) {
        if self.control == Control::Agreed {
            let messages = self.remote.want(wanted);
            self.tell(messages, out);
        }
    }

    /// Asks how the far line is set up, as far as nothing else is wanted of it.
    pub fn ask(&mut self, out: &mut Vec<u8>) {
        if self.control == Control::Agreed {
            let questions = self.remote.ask();
            self.tell(questions, out);
        }
    }

    /// Asks something that is answered when all that was said before has been taken.
    pub fn ask_last(&mut self, out: &mut Vec<u8>) {
        if self.control == Control::Agreed {
            let question = self.remote.last_question();
            self.tell([question], out);
        }
    }

    /// Has a BREAK begin or end. Who does not take COM port commands makes one of the BREAK key, as long as it
    /// likes.
    pub fn send_break(&mut self, on: bool, out: &mut Vec<u8>) {
        match self.control {
            Control::Agreed => {
                let request = self.remote.request(Setting::Break(on));
                self.tell([request], out);
            }
            Control::Refused if on => self.telnet.press_break(out),
            Control::Refused | Control::Asked => {}
        }
    }

    /// Has what is buffered thrown away: 1 from the line, 2 to it, 3 both.
    pub fn purge(&mut self, what: u8, out: &mut Vec<u8>) {
        if self.control == Control::Agreed {
            let request = self.remote.purge(what);
            self.tell([request], out);
        }
    }

    /// Whether all that was asked is answered, as far as it will be.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.remote.is_answered()
    }

    fn tell(&mut self, messages: impl IntoIterator<Item = Message>, out: &mut Vec<u8>) {
        for message in messages {
            let content = message.encode(Sender::Client);
            self.telnet
                .subnegotiate(TelnetOption::ComPort, &content, out);
        }
    }
}

#[cfg(test)]
mod tests;
