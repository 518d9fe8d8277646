//! Calls on a port without a guard, where client and modem speak for themselves: what is known of them is
//! what they say.
//!
//! Nothing is held back or changed, and nobody is stopped. In data state only the last octets of each piece
//! are looked at, so that the far side can feign the end of a call, and the record of it is then too short.

mod passing;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::passing::Passing;
use super::{CallEnd, CallEvent, RING_LASTS};
use crate::at::ABORT_GRACE;
use crate::at::command::{self, Basic, Command, Dial, DialItem, Extended};
use crate::at::editor::{CommandLineEditor, EditKeys, Entered};
use crate::at::response::{Outcome, Response};
use crate::at::result::ResultCode;

/// Those of a modem whose S3 and S5 nobody has changed.
const KEYS: EditKeys = EditKeys {
    terminator: b'\r',
    backspace: 8,
};

/// What a modem says in data state when carrier is lost, or when the client has escaped from it; and in numbers.
const LOST: [&[u8]; 2] = [b"\r\nNO CARRIER\r\n", b"3\r"];
const ESCAPED: [&[u8]; 2] = [b"\r\nOK\r\n", b"0\r"];
/// What may come right after the end of a call.
const RING: &[u8] = b"\r\nRING\r\n";

/// The most that one piece can be told to be about. Only who dials without waiting for an answer has more.
const MOST_EVENTS: usize = 64;

/// Listens to both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observer {
    state: State,
    /// A call being made or answered; none but in command state.
    attempt: Option<Attempt>,
    editor: CommandLineEditor,
    /// The client has chosen a class of fax.
    is_fax: bool,
    /// The modem says numbers instead of words.
    in_numbers: bool,
    #[serde(skip)]
    passing: Passing,
}

/// What the modem is doing, as far as one can hear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// No call is up.
    #[default]
    Command,
    Data,
    /// The client has escaped from data state.
    OnlineCommand,
    /// A fax: the modem is in command state again and again, and tells the end of each page as that of a call.
    Fax,
}

/// A call being made or answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    /// Not known in another process than that which saw it begin.
    #[serde(skip)]
    began: Option<Instant>,
    phase: Phase,
    /// The modem has said OK, so that an error is about something else.
    is_accepted: bool,
    /// The result of the one before, which the client gave up, is still to come.
    is_stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Any character gives up.
    Dialling,
    /// One has.
    GivenUp,
    /// The modem takes commands meanwhile: `;` was at the end, or it has said OK.
    Open,
}

impl Observer {
    /// The client has said this.
    pub fn client(&mut self, data: &[u8], now: Instant) {
        for (at, octet) in data.iter().enumerate() {
            if self.state == State::Data {
                return self.passing.watch(&data[at..]);
            }
            self.typed(*octet, now);
        }
    }

    /// The modem has said this.
    pub fn modem(&mut self, data: &[u8], now: Instant) {
        for (at, octet) in data.iter().enumerate() {
            if self.state == State::Data {
                return self.came(&data[at..], now);
            }
            if let Some(response) = self.passing.responses.push(*octet) {
                self.answered(response, now);
            }
        }
    }

    /// The client has switched DTR.
    pub fn dtr(&mut self, on: bool) {
        if !on {
            self.editor.clear();
            self.hung_up();
        }
    }

    /// What came of it.
    pub fn take_events(&mut self) -> Vec<CallEvent> {
        std::mem::take(&mut self.passing.events)
    }

    fn tell(&mut self, event: CallEvent) {
        if self.passing.events.len() < MOST_EVENTS {
            self.passing.events.push(event);
        }
    }

    /// One character of the client's to a modem in command state.
    fn typed(&mut self, octet: u8, now: Instant) {
        if let Some(attempt) = &mut self.attempt
            && attempt.phase == Phase::Dialling
        {
            let is_late = |began: Instant| now.saturating_duration_since(began) >= ABORT_GRACE;
            if attempt.began.is_none_or(is_late) {
                attempt.phase = Phase::GivenUp;
            }
            return;
        }
        match self.editor.push(octet, KEYS) {
            Some(Entered::Line(body)) => {
                let body = body.to_vec();
                self.passing.awaits = true;
                self.entered(&body, now);
            }
            Some(Entered::TooLong) => self.passing.awaits = true,
            None => {}
        }
    }

    /// The client has given the modem a command line.
    fn entered(&mut self, body: &[u8], now: Instant) {
        for command in command::parse(body) {
            match command {
                Ok(Command::Dial(dial)) => self.dialled(&dial, now),
                Ok(Command::Basic(Basic {
                    prefix: None,
                    letter,
                    number: None | Some(0),
                })) => match letter {
                    b'A' if self.begins_call() => {
                        self.tell(CallEvent::Answered);
                        self.begin(Phase::Dialling, now);
                    }
                    b'H' => self.hung_up(),
                    b'Z' => {
                        self.is_fax = false;
                        self.hung_up();
                    }
                    _ => {}
                },
                Ok(Command::Extended(Extended {
                    sigil: b'+',
                    name,
                    rest,
                })) if name == "FCLASS" => {
                    if let Some(class) = rest.strip_prefix('=').filter(|class| *class != "?") {
                        self.is_fax = class != "0";
                    }
                }
                Ok(_) => {}
                // The modem, too, does nothing of the rest.
                Err(_) => return,
            }
        }
    }

    fn dialled(&mut self, dial: &Dial, now: Instant) {
        if !self.begins_call() {
            return;
        }
        self.tell(CallEvent::Dialled(number(dial)));
        let phase = if dial.stays_in_command_state {
            Phase::Open
        } else {
            Phase::Dialling
        };
        self.begin(phase, now);
    }

    /// Whether the modem would make or answer a call now. After a fax it would, though nobody has seen its end.
    fn begins_call(&mut self) -> bool {
        if self.state == State::Fax {
            self.hung_up();
        }
        self.state == State::Command
    }

    fn begin(&mut self, phase: Phase, now: Instant) {
        let before = self.attempt.map(|attempt| attempt.phase);
        self.attempt = Some(Attempt {
            began: Some(now),
            phase,
            is_accepted: false,
            is_stale: before == Some(Phase::GivenUp),
        });
    }

    fn hung_up(&mut self) {
        if self.state != State::Command || self.attempt.is_some() {
            self.end(CallEvent::Ended(CallEnd::HungUp));
        }
    }

    /// No call is up or under way any more.
    fn end(&mut self, event: CallEvent) {
        self.tell(event);
        self.attempt = None;
        self.state = State::Command;
    }

    /// One answer of the modem's in command state.
    fn answered(&mut self, response: Response, now: Instant) {
        match response {
            Response::Ring => {
                self.passing.last_ring = Some(now);
                self.tell(CallEvent::Ring);
            }
            Response::Caller { number, .. } => self.tell(CallEvent::Caller(number)),
            Response::Text(_) | Response::Prompt => {}
            Response::Result(outcome) => self.result(outcome, now),
        }
    }

    fn result(&mut self, outcome: Outcome, now: Instant) {
        let was_awaited = std::mem::take(&mut self.passing.awaits);
        match self.state {
            State::Data | State::Fax => {}
            State::OnlineCommand => match outcome.code {
                ResultCode::Connect(_) => self.go_online(),
                ResultCode::NoCarrier => self.end(CallEvent::Ended(CallEnd::CarrierLost)),
                _ => {}
            },
            State::Command => match (outcome.code, &mut self.attempt) {
                (ResultCode::Connect(_), Some(_)) => self.connected(outcome.text),
                (ResultCode::Connect(_), None) => {
                    let rings = |at| now.saturating_duration_since(at) < RING_LASTS;
                    // As an answer to something else it is a word in some information.
                    if !was_awaited || self.passing.last_ring.is_some_and(rings) {
                        self.tell(CallEvent::Answered);
                        self.connected(outcome.text);
                    }
                }
                (ResultCode::Ok, Some(attempt)) => {
                    attempt.is_accepted = true;
                    if attempt.phase == Phase::Dialling {
                        attempt.phase = Phase::Open;
                    }
                }
                (ResultCode::Error, Some(attempt)) if attempt.is_accepted => {}
                (ResultCode::Ok | ResultCode::Ring, _) | (_, None) => {}
                (_, Some(attempt)) => {
                    if std::mem::take(&mut attempt.is_stale) {
                        return;
                    }
                    let event = if attempt.phase == Phase::GivenUp {
                        CallEvent::Ended(CallEnd::HungUp)
                    } else {
                        CallEvent::Failed(outcome.text)
                    };
                    self.end(event);
                }
            },
        }
    }

    fn connected(&mut self, result: String) {
        self.in_numbers = result.bytes().all(|octet| octet.is_ascii_digit());
        self.attempt = None;
        self.passing.last_ring = None;
        self.tell(CallEvent::Connected(result));
        if self.is_fax {
            self.state = State::Fax;
        } else {
            self.go_online();
        }
    }

    fn go_online(&mut self) {
        self.state = State::Data;
        self.passing.go_online();
    }

    /// Data of the modem's, or that it is in data state no more.
    fn came(&mut self, data: &[u8], now: Instant) {
        let tail = self.passing.keep(data);
        let (before, rings) = match tail.strip_suffix(RING) {
            Some(before) => (before, true),
            None => (&tail[..], false),
        };
        let says =
            |text: &[u8], words: [&[u8]; 2]| text.ends_with(words[usize::from(self.in_numbers)]);
        if says(before, LOST) {
            self.passing.responses.clear();
            self.end(CallEvent::Ended(CallEnd::CarrierLost));
            if rings {
                self.answered(Response::Ring, now);
            }
        } else if says(&tail, ESCAPED)
            && let Some(typed) = self.passing.typed.take()
        {
            self.passing.responses.clear();
            self.state = State::OnlineCommand;
            for octet in typed {
                self.typed(octet, now);
            }
        }
    }
}

/// The digits, or what stands for a number that only the modem knows.
fn number(dial: &Dial) -> String {
    let is_elsewhere = |item: &DialItem| {
        matches!(
            item,
            DialItem::Redial | DialItem::Stored(_) | DialItem::Other(b'>' | b'"')
        )
    };
    if dial.items.iter().any(is_elsewhere) {
        let typed = Command::Dial(dial.clone()).to_string();
        return typed[1..].trim_end_matches(';').to_owned();
    }
    dial.digits()
}

#[cfg(test)]
mod tests;
