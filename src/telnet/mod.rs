//! Telnet (RFC 854): bytes in; data, events and answers out. Either end of a connection.
//!
//! A run of octets without meaning is found with `memchr` and handed on as it is, in place. What
//! is kept between two calls is a few octets of state and the content of an open subnegotiation,
//! which is bounded; however the bytes are cut into pieces, the events are the same.
//!
//! Spoken are BINARY (RFC 856), ECHO (RFC 857), SUPPRESS-GO-AHEAD (RFC 858), TIMING-MARK (RFC 860)
//! and, as far as agreeing to it goes, COM-PORT-OPTION (RFC 2217); everything else is refused.

mod negotiation;
pub mod octet;
mod option;
#[cfg(test)]
pub(crate) mod tests;

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};

use negotiation::{Negotiation, Say};
pub use option::{Role, Side, TelnetOption};

use octet::{AYT, BRK, DM, DO, DONT, EOF, IAC, NOP, SB, SE, WILL, WONT};

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;

/// RFC 860. It is no state: each DO is answered once all before it has been handed on.
const TIMING_MARK: u8 = 6;

/// The longest content of a subnegotiation that is kept. COM port control needs 6 octets, and room
/// for a signature.
const LONGEST_CONTENT: usize = 256;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// Octets for the line: never empty, part of what was given.
    Data(&'i [u8]),
    /// The BREAK key.
    Break,
    /// Are you there?
    AreYouThere,
    /// There is no more to come.
    EndOfFile,
    /// An option was switched on or off.
    Switched {
        /// Which.
        option: TelnetOption,
        /// Whose.
        side: Side,
        /// On, or off.
        on: bool,
    },
    /// A subnegotiation of an option that is on, without its code.
    Subnegotiation(TelnetOption, Vec<u8>),
}

/// What the next octet is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    #[default]
    Data,
    /// Behind IAC.
    Command,
    /// Behind IAC and WILL, WONT, DO or DONT.
    Option(u8),
    /// Within a subnegotiation.
    Content,
    /// Behind an IAC within a subnegotiation.
    ContentCommand,
}

/// One end of a telnet connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is about another thing")]
pub struct Telnet {
    role: Role,
    us: [Negotiation; TelnetOption::ALL.len()],
    them: [Negotiation; TelnetOption::ALL.len()],
    next: Next,
    /// The last octet of their data was a CR, whose mate is still to come.
    cr_came: bool,
    /// The last octet of our data was a CR, whose mate is still to be sent.
    cr_went: bool,
    /// Data is thrown away until a data mark.
    synch: bool,
    /// The subnegotiation that is open; its first octet is the option.
    content: Vec<u8>,
    /// It is longer than anything that is understood, or broken, and will be thrown away.
    spoiled: bool,
}

impl Telnet {
    /// One end of a new connection, all options off.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Telnet {
            role,
            us: Default::default(),
            them: Default::default(),
            next: Next::default(),
            cr_came: false,
            cr_went: false,
            synch: false,
            content: Vec::new(),
            spoiled: false,
        }
    }

    /// Whether an option is on.
    #[must_use]
    pub fn is_on(&self, option: TelnetOption, side: Side) -> bool {
        self.states(side)[option as usize].is_on()
    }

    /// Whether the other side has still to answer what it was asked about an option.
    #[must_use]
    pub fn is_open(&self, option: TelnetOption, side: Side) -> bool {
        self.states(side)[option as usize].is_open()
    }

    fn states(&self, side: Side) -> &[Negotiation] {
        match side {
            Side::Us => &self.us,
            Side::Them => &self.them,
        }
    }

    /// Asks for an option; what has to be sent goes to `out`.
    pub fn want(&mut self, option: TelnetOption, side: Side, out: &mut Vec<u8>) {
        let say = self.state(option, side).want();
        self.say(say, option.code(), side, out);
    }

    /// Asks to have an option off; what has to be sent goes to `out`.
    pub fn want_not(&mut self, option: TelnetOption, side: Side, out: &mut Vec<u8>) {
        let say = self.state(option, side).want_not();
        self.say(say, option.code(), side, out);
    }

    /// Whether TCP has urgent data that is still to come: until its data mark, nothing is for the
    /// line (RFC 854, Synch; RFC 1123, 3.2.4).
    pub fn synch(&mut self, urgent: bool) {
        self.synch = urgent;
    }

    /// Whether data is being thrown away.
    #[must_use]
    pub fn in_synch(&self) -> bool {
        self.synch
    }

    /// Takes the next event off the front of `input`; nothing if `input` was used up without one.
    /// Answers go to `out`.
    pub fn receive<'i>(&mut self, input: &mut &'i [u8], out: &mut Vec<u8>) -> Option<Event<'i>> {
        while let Some(&octet) = input.first() {
            let event = match self.next {
                Next::Data => self.data(octet, input),
                Next::Command => self.command(octet, input),
                Next::Option(verb) => {
                    *input = &input[1..];
                    self.next = Next::Data;
                    self.option(verb, octet, out)
                }
                Next::Content => {
                    self.content(input);
                    None
                }
                Next::ContentCommand => self.content_command(octet, input),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn data<'i>(&mut self, first: u8, input: &mut &'i [u8]) -> Option<Event<'i>> {
        if first == IAC {
            *input = &input[1..];
            self.next = Next::Command;
            return None;
        }
        let binary = self.is_on(TelnetOption::Binary, Side::Them);
        // RFC 854: CR NUL is a carriage return, CR LF the end of a line, which a modem, as any
        // keyboard, calls a carriage return too. A CR alone is an error that is common.
        if std::mem::take(&mut self.cr_came) && matches!(first, NUL | LF) {
            *input = &input[1..];
            return None;
        }
        let end = if binary {
            memchr(IAC, input).unwrap_or(input.len())
        } else {
            match memchr2(IAC, CR, input) {
                Some(place) if input[place] == CR => {
                    self.cr_came = true;
                    place + 1
                }
                place => place.unwrap_or(input.len()),
            }
        };
        let (data, rest) = input.split_at(end);
        *input = rest;
        self.deliver(data)
    }

    fn deliver<'i>(&self, data: &'i [u8]) -> Option<Event<'i>> {
        (!self.synch).then_some(Event::Data(data))
    }

    fn command<'i>(&mut self, octet: u8, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let (this, rest) = input.split_at(1);
        *input = rest;
        self.next = Next::Data;
        match octet {
            IAC => {
                self.cr_came = false;
                return self.deliver(this);
            }
            WILL | WONT | DO | DONT => self.next = Next::Option(octet),
            SB => {
                self.content.clear();
                self.spoiled = false;
                self.next = Next::Content;
            }
            BRK => return Some(Event::Break),
            AYT => return Some(Event::AreYouThere),
            EOF => return Some(Event::EndOfFile),
            DM => self.synch = false,
            // NOP, GA and an SE too many say nothing. A modem has no process to interrupt, no
            // output to abort, and erases characters itself.
            _ => {}
        }
        None
    }

    fn option(&mut self, verb: u8, code: u8, out: &mut Vec<u8>) -> Option<Event<'static>> {
        let side = if matches!(verb, WILL | WONT) {
            Side::Them
        } else {
            Side::Us
        };
        let Some(option) = TelnetOption::of_code(code) else {
            let say = match (verb, code) {
                (DO, TIMING_MARK) => Some(Say::Yes),
                (WILL | DO, _) => Some(Say::No),
                _ => None,
            };
            self.say(say, code, side, out);
            return None;
        };
        let agree = self.role.agrees(option, side);
        let state = self.state(option, side);
        let before = state.is_on();
        let say = if matches!(verb, WILL | DO) {
            state.hear_yes(agree)
        } else {
            state.hear_no()
        };
        let on = state.is_on();
        self.say(say, code, side, out);
        if on == before {
            return None;
        }
        if on && option == TelnetOption::Binary {
            // Whoever agreed to take data as it is has no use for a mate of the CR before.
            match side {
                Side::Us => self.cr_went = false,
                Side::Them => self.cr_came = false,
            }
        }
        Some(Event::Switched { option, side, on })
    }

    fn content(&mut self, input: &mut &[u8]) {
        let end = memchr(IAC, input).unwrap_or(input.len());
        self.keep(&input[..end]);
        *input = &input[end..];
        if !input.is_empty() {
            *input = &input[1..];
            self.next = Next::ContentCommand;
        }
    }

    fn keep(&mut self, content: &[u8]) {
        self.spoiled |= self.content.len() + content.len() > LONGEST_CONTENT;
        if !self.spoiled {
            self.content.extend_from_slice(content);
        }
    }

    fn content_command<'i>(&mut self, octet: u8, input: &mut &'i [u8]) -> Option<Event<'i>> {
        match octet {
            IAC => {
                *input = &input[1..];
                self.next = Next::Content;
                self.keep(&[IAC]);
                None
            }
            SE => {
                *input = &input[1..];
                self.next = Next::Data;
                let content = std::mem::take(&mut self.content);
                let (&code, content) = content.split_first().filter(|_| !self.spoiled)?;
                let option = TelnetOption::of_code(code)?;
                let agreed = self.is_on(option, Side::Us) || self.is_on(option, Side::Them);
                agreed.then(|| Event::Subnegotiation(option, content.to_vec()))
            }
            // RFC 855 has only these two. Whoever sends another command has forgotten the end.
            NOP.. => self.command(octet, input),
            // No command, but an octet 0xFF that was not doubled. Its end is still to come, and what
            // stands before that is no data.
            _ => {
                *input = &input[1..];
                self.next = Next::Content;
                self.spoiled = true;
                None
            }
        }
    }

    /// Encodes data for the other side.
    pub fn send(&mut self, mut data: &[u8], out: &mut Vec<u8>) {
        // RFC 854: an option changes where its command stands in the stream. Behind our WONT the other
        // side no longer takes data as it is, before it can have answered.
        let binary = self.us[TelnetOption::Binary as usize] == Negotiation::Yes;
        while let Some(&first) = data.first() {
            if std::mem::take(&mut self.cr_went) && first != LF {
                out.push(NUL);
            }
            let place = if binary {
                memchr(IAC, data)
            } else {
                memchr2(IAC, CR, data)
            };
            let end = place.map_or(data.len(), |place| place + 1);
            out.extend_from_slice(&data[..end]);
            match place.map(|place| data[place]) {
                Some(IAC) => out.push(IAC),
                // RFC 854: a CR is followed by LF or NUL. Which one is not known yet, perhaps.
                Some(_) => self.cr_went = true,
                None => {}
            }
            data = &data[end..];
        }
    }

    /// Encodes a subnegotiation; `content` without the option.
    pub fn subnegotiate(&mut self, option: TelnetOption, content: &[u8], out: &mut Vec<u8>) {
        self.complete_cr(out);
        out.extend([IAC, SB, option.code()]);
        for &octet in content {
            out.push(octet);
            if octet == IAC {
                out.push(IAC);
            }
        }
        out.extend([IAC, SE]);
    }

    /// Presses the BREAK key.
    pub fn press_break(&mut self, out: &mut Vec<u8>) {
        self.complete_cr(out);
        out.extend([IAC, BRK]);
    }

    /// Nothing may come between a CR and its mate.
    fn complete_cr(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr_went) {
            out.push(NUL);
        }
    }

    fn say(&mut self, say: Option<Say>, code: u8, side: Side, out: &mut Vec<u8>) {
        let Some(say) = say else { return };
        self.complete_cr(out);
        let verb = match (side, say) {
            (Side::Us, Say::Yes) => WILL,
            (Side::Us, Say::No) => WONT,
            (Side::Them, Say::Yes) => DO,
            (Side::Them, Say::No) => DONT,
        };
        out.extend([IAC, verb, code]);
    }

    fn state(&mut self, option: TelnetOption, side: Side) -> &mut Negotiation {
        let states = match side {
            Side::Us => &mut self.us,
            Side::Them => &mut self.them,
        };
        &mut states[option as usize]
    }
}
