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
        match message {
            Message::Signature(text) if text.is_empty() => {
                let name = concat!("modemctl ", env!("CARGO_PKG_VERSION"));
                self.tell([Message::Signature(name.into())], out);
            }
            _ => {}
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::com_port::BaudRate;

    /// A server with COM port control, as far as telnet goes.
    fn server(out: &mut Vec<u8>) -> Telnet {
        let mut telnet = Telnet::new(Role::Server);
        telnet.want(TelnetOption::Binary, Side::Us, out);
        telnet.want(TelnetOption::Binary, Side::Them, out);
        telnet.want(TelnetOption::ComPort, Side::Them, out);
        telnet
    }

    fn answer(telnet: &mut Telnet, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        let content = message.encode(Sender::Server);
        telnet.subnegotiate(TelnetOption::ComPort, &content, &mut out);
        out
    }

    /// What a server is sent: its data, and the messages.
    fn understood(
        telnet: &mut Telnet,
        mut octets: &[u8],
        out: &mut Vec<u8>,
    ) -> (Vec<u8>, Vec<Message>) {
        let (mut data, mut messages) = (Vec::new(), Vec::new());
        while let Some(event) = telnet.receive(&mut octets, out) {
            match event {
                Event::Data(part) => data.extend_from_slice(part),
                Event::Subnegotiation(_, content) => {
                    messages.extend(Message::decode(&content, Sender::Client));
                }
                _ => {}
            }
        }
        (data, messages)
    }

    /// A far end that has agreed to COM port control, and its server.
    fn agreed() -> (Far, Telnet) {
        let (mut to_server, mut to_far, mut data) = (Vec::new(), Vec::new(), Vec::new());
        let mut far = Far::new(&mut to_server);
        let mut server = server(&mut to_far);
        understood(&mut server, &to_server, &mut to_far);
        to_server.clear();
        assert_eq!(far.control(), Control::Asked);
        far.hear(&to_far, &mut data, &mut to_server);
        understood(&mut server, &to_server, &mut Vec::new());
        assert_eq!((far.control(), data), (Control::Agreed, Vec::new()));
        (far, server)
    }

    fn fast() -> Wanted {
        Wanted {
            baud: Some(115_200),
            ..Wanted::default()
        }
    }

    #[test]
    fn what_is_wanted_stands_in_its_place_among_the_data() {
        let (mut far, mut server) = agreed();
        let mut out = Vec::new();
        far.say(b"slow\xff", &mut out);
        far.want(fast(), &mut out);
        let length = out.len();
        far.say(b"fast", &mut out);
        let (data, messages) = understood(&mut server, &out[..length], &mut Vec::new());
        assert_eq!(data, b"slow\xff");
        assert_eq!(messages, [Message::BaudRate(BaudRate::Wide(115_200))]);
        let (data, _) = understood(&mut server, &out[length..], &mut Vec::new());
        assert_eq!(data, b"fast");
        assert!(!far.is_answered());
        let answer = answer(&mut server, &messages[0]);
        let told = far.hear(&answer, &mut Vec::new(), &mut Vec::new());
        assert_eq!(told, [Told::InForce(Setting::Baud(115_200))]);
        assert!(far.is_answered());
    }

    #[test]
    fn whoever_refuses_com_port_control_gets_data_and_nothing_else() {
        let (mut out, mut data) = (Vec::new(), Vec::new());
        let mut far = Far::new(&mut out);
        assert!(!far.speaks());
        far.hear(b"CONN\xff\xfe\x2cECT ", &mut data, &mut out);
        assert_eq!(std::mem::take(&mut data), b"CONNECT ");
        assert!(far.speaks());
        assert_eq!(far.control(), Control::Refused);
        out.clear();
        far.want(fast(), &mut out);
        far.ask(&mut out);
        far.ask_last(&mut out);
        far.send_break(false, &mut out);
        far.purge(3, &mut out);
        assert!(out.is_empty(), "{out:?}");
        far.send_break(true, &mut out);
        assert_eq!(std::mem::take(&mut out), b"\xff\xf3");
        far.hear(b"OK", &mut data, &mut out);
        far.say(b"AT", &mut out);
        assert_eq!((&data[..], &out[..]), (&b"OK"[..], &b"AT"[..]));
    }

    #[test]
    fn the_words_of_a_server_without_a_line_are_no_data() {
        let (mut out, mut data) = (Vec::new(), Vec::new());
        let mut far = Far::new(&mut out);
        far.hear(b"\r\nBUSY\r\n", &mut data, &mut out);
        assert_eq!(
            (far.words(), far.control()),
            ("BUSY".to_owned(), Control::Asked)
        );
        far.hear(&[b'x'; 2 * WORDS], &mut data, &mut out);
        assert!(far.words().starts_with("BUSY xxx") && far.words().len() < SHOWN);
        assert!(data.is_empty());
        far.hear(b"\xff\xfd\x2cOK", &mut data, &mut out);
        assert_eq!((far.control(), &data[..]), (Control::Agreed, &b"OK"[..]));
    }

    #[test]
    fn a_server_that_leaves_questions_without_an_answer_gets_data_after_all() {
        let (mut out, mut data) = (Vec::new(), Vec::new());
        for (said, control) in [
            (&b"\xff\xf1"[..], Control::Refused),
            (b"\xff\xfd\x2c", Control::Agreed),
        ] {
            let mut far = Far::new(&mut out);
            far.hear(said, &mut data, &mut out);
            assert!(far.owes_an_answer() && !far.takes_data());
            far.settle();
            assert!(!far.owes_an_answer() && far.takes_data());
            assert_eq!(far.control(), control);
        }
        let mut far = Far::new(&mut out);
        far.hear(b"1st in the queue", &mut data, &mut out);
        assert!(!far.owes_an_answer());
    }

    #[test]
    fn a_server_that_asks_is_told_who_we_are_and_one_that_wants_silence_gets_it() {
        let (mut far, mut server) = agreed();
        let mut out = Vec::new();
        let who = answer(&mut server, &Message::Signature(Vec::new()));
        far.hear(&who, &mut Vec::new(), &mut out);
        let (_, messages) = understood(&mut server, &out, &mut Vec::new());
        let name = concat!("modemctl ", env!("CARGO_PKG_VERSION"));
        assert_eq!(messages, [Message::Signature(name.into())]);
        for (message, silent) in [(Message::Suspend, true), (Message::Resume, false)] {
            let octets = answer(&mut server, &message);
            far.hear(&octets, &mut Vec::new(), &mut out);
            assert_eq!(far.takes_data(), !silent);
        }
    }

    proptest! {
        #[test]
        fn what_a_far_end_says_means_the_same_however_it_is_cut(
            octets in prop::collection::vec(prop_oneof![Just(0xff), Just(0xfa), Just(0xf0), Just(44), any::<u8>()], 0..200),
            cuts in prop::collection::vec(0..200_usize, 0..20)
        ) {
            let hear = |pieces: &[&[u8]]| {
                let (mut out, mut data, mut told) = (Vec::new(), Vec::new(), Vec::new());
                let mut far = Far::new(&mut out);
                for piece in pieces {
                    told.extend(far.hear(piece, &mut data, &mut out));
                }
                (data, told, out, far.control(), far.words())
            };
            let mut places: Vec<_> = cuts.into_iter().filter(|cut| *cut < octets.len()).collect();
            places.sort_unstable();
            let mut pieces = Vec::new();
            let mut begin = 0;
            for place in places.into_iter().chain([octets.len()]) {
                pieces.push(&octets[begin..place]);
                begin = place;
            }
            prop_assert_eq!(hear(&pieces), hear(&[&octets]));
        }
    }
}
