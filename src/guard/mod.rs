//! The guard: which commands and telephone numbers of a client reach the modem.
//!
//! It stands between a client and a modem that was prepared by [`setup`], and is the only one who ever speaks
//! to the modem's command state:
//!
//! | state | the client | the modem |
//! |---|---|---|
//! | command | types to the guard, which has its own editor, echo and wording | on hook |
//! | line | waits while its commands are carried out, one by one, those that its policy lets through | answers |
//! | calling | may give up with any character | dials a number that the [`Rules`] permit, or answers |
//! | data | speaks to the far side; what it sends goes through unchanged | in data state |
//! | held | types to the guard, after its `+++` | still in data state |
//! | fax | sends or takes a fax (service class 1) | until DLE ETX |
//! | parting | waits | is hung up and set up anew |
//! | lost | is to be sent away | does not do what it is told |
//!
//! Sans-IO: octets, times and the state of the wires go in, octets and [`CallEvent`]s come out.

mod calling;
mod command_state;
mod data;
mod fax;
mod hazard;
mod memo;
mod number;
mod pacer;
mod parting;
mod policy;
mod rules;
pub mod setup;
mod telling;

use std::time::{Duration, Instant};

use crate::account::Spent;
use crate::at::editor::CommandLineEditor;
use crate::at::profile::Profile;
use crate::at::response::{Response, Responses};
use crate::at::result::ResultCode;
use crate::call::{CallEnd, CallEvent};
use calling::Attempt;
use command_state::{Commands, Work};
use data::Data;
use fax::Fax;
pub use memo::Memo;
use number::Number;
use parting::Parting;
pub use rules::{Forbidden, Moment, Rules};

/// What the guard sees beside the octets.
pub trait World {
    /// DCD; none on a line that has no signals.
    fn carrier(&self) -> Option<bool>;
    /// How many octets have still to be sent to the modem.
    fn unsent(&self) -> u32;
    /// The clock of the machine, which nobody sets.
    fn uptime(&self) -> Duration;
    /// The clock on the wall.
    fn moment(&self) -> Moment;
    /// What the client has spent, or why that is not known.
    fn spent(&self) -> Result<Spent, String>;
    /// Counts one more call of the client's. Must succeed, or the call would be for free.
    fn book(&self) -> Result<(), String>;
}

/// What has become of octets that were handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many go on as they are; none of them counts as sent yet but to the guard.
    Through(usize),
    /// So many are dealt with. None: they are to be handed in again later.
    Here(usize),
}

/// What came of it, in the order in which it is to be done.
#[derive(Debug, Default)]
pub struct Output {
    /// What was handed to the line for the modem and has not left is to be thrown away.
    pub discard: bool,
    /// What DTR is to be; on a line without it, whatever means the same there.
    pub dtr: Option<bool>,
    /// For the modem.
    pub to_modem: Vec<u8>,
    /// For the client.
    pub to_client: Vec<u8>,
    /// For the records.
    pub events: Vec<CallEvent>,
}

/// The guard of one session. Times handed in must not go backwards.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    /// The settings that the client believes to be the modem's.
    view: Profile,
    editor: CommandLineEditor,
    selected_register: u8,
    last: Option<Number>,
    /// Service class 1 of fax is on.
    fax: bool,
    /// A fax call is up.
    in_fax_call: bool,
    /// When the bell rang last, and whether DCD was off then.
    last_ring: Option<(Instant, bool)>,
    /// When the call that is up has lasted as long as it may; and the same by the clock of the machine.
    ends: Option<(Instant, Duration)>,
    state: State,
    responses: Responses,
    out: Output,
}

#[derive(Debug)]
enum State {
    Command,
    Line(Work),
    Calling(Attempt),
    Data(Box<Data>),
    Held(Box<Data>),
    Fax(Fax),
    Parting(Box<Parting>),
    Lost(String),
}

impl Guard {
    /// For a modem that is prepared and on hook.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Guard {
            rules,
            view: Profile::default(),
            editor: CommandLineEditor::default(),
            selected_register: 0,
            last: None,
            fax: false,
            in_fax_call: false,
            last_ring: None,
            ends: None,
            state: State::Command,
            responses: Responses::in_words(),
            out: Output::default(),
        }
    }

    /// Takes octets of the client.
    pub fn client(&mut self, data: &[u8], now: Instant, world: &dyn World) -> Taken {
        match &mut self.state {
            State::Command | State::Held(_) => self.typed(data, now, world),
            State::Calling(_) => {
                self.given_up(data, now);
                Taken::Here(data.len())
            }
            State::Data(_) => self.sent(data, now, world),
            State::Fax(_) => self.fax_from_client(data, now),
            State::Parting(parting) if parting.is_deaf() => Taken::Here(data.len()),
            State::Line(_) | State::Parting(_) => Taken::Here(0),
            State::Lost(_) => Taken::Here(data.len()),
        }
    }

    /// Takes octets of the modem.
    pub fn modem(&mut self, data: &[u8], now: Instant, world: &dyn World) -> Taken {
        match &mut self.state {
            State::Data(_) => {
                self.came(data, now, world);
                Taken::Through(data.len())
            }
            // In command state the far side has to wait.
            State::Held(_) => Taken::Here(0),
            State::Fax(_) => self.fax_from_modem(data, now),
            State::Parting(parting) => {
                parting.hear(data, now);
                self.go_on(now, world);
                Taken::Here(data.len())
            }
            State::Command | State::Line(_) | State::Calling(_) => {
                for (at, octet) in data.iter().enumerate() {
                    if let Some(response) = self.responses.push(*octet) {
                        self.answered(response, now, world);
                        if !matches!(
                            self.state,
                            State::Command | State::Line(_) | State::Calling(_)
                        ) {
                            // What follows `CONNECT` is data.
                            return Taken::Here(at + 1);
                        }
                    }
                }
                Taken::Here(data.len())
            }
            State::Lost(_) => Taken::Here(data.len()),
        }
    }

    /// Whether the modem is to be read from: in the client's command state the far side has to wait.
    #[must_use]
    pub fn listens_to_modem(&self) -> bool {
        !matches!(self.state, State::Held(_))
    }

    /// Whether octets of the client would be taken at all now.
    #[must_use]
    pub fn listens_to_client(&self) -> bool {
        match &self.state {
            State::Data(data) => !data.is_waiting(),
            State::Fax(fax) => !fax.is_waiting(),
            State::Parting(parting) => parting.is_deaf(),
            State::Line(_) => false,
            _ => true,
        }
    }

    /// Whether it is known of a call by DCD how it stands with it, whatever the modem says and however little of
    /// that is read.
    #[must_use]
    pub fn trusts_carrier(&self) -> bool {
        matches!(&self.state, State::Data(data) if data.trusts_carrier)
    }

    /// Whether the client may change how the modem is spoken to: with another speed or parity what is data here
    /// could be a command there.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Command)
    }

    /// When [`Self::advance`] is to be called at the latest; none if time changes nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let of_state = match &self.state {
            State::Command | State::Lost(_) => None,
            State::Line(work) => Some(work.due),
            State::Calling(attempt) => Some(attempt.due),
            State::Data(data) => data.next_deadline(&self.view),
            State::Held(data) => data.look_due(),
            State::Fax(fax) => fax.next_deadline(),
            State::Parting(parting) => parting.next_deadline(),
        };
        let of_call = self.ends.map(|(at, _)| at);
        [of_state, of_call].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Instant, world: &dyn World) {
        if self.ends.is_some_and(|(at, _)| at <= now) {
            self.end(CallEnd::TimeLimit);
            self.tell(ResultCode::NoCarrier);
            return self.part(now);
        }
        match &mut self.state {
            State::Command | State::Lost(_) => {}
            State::Line(work) => {
                if work.due <= now {
                    self.no_answer(now);
                }
            }
            State::Calling(attempt) => {
                if attempt.due <= now {
                    let gave_up = attempt.aborted;
                    self.end(if gave_up {
                        CallEnd::HungUp
                    } else {
                        CallEnd::ModemLost
                    });
                    self.tell(ResultCode::NoCarrier);
                    self.part(now);
                }
            }
            State::Data(_) => self.look(now, world),
            State::Held(_) => self.look_while_held(now, world),
            State::Fax(_) => self.fax_due(now, world),
            State::Parting(_) => self.go_on(now, world),
        }
    }

    /// The client wants DTR on or off. Off, it ends a call.
    pub fn dtr(&mut self, on: bool, now: Instant) {
        self.editor.clear();
        match &mut self.state {
            State::Parting(parting) => {
                self.out.dtr = Some(parting.dtr(on, now));
            }
            State::Lost(_) => {}
            _ if on => self.out.dtr = Some(true),
            state => {
                let is_up = matches!(
                    state,
                    State::Calling(_) | State::Data(_) | State::Held(_) | State::Fax(_)
                );
                if is_up || self.in_fax_call {
                    self.end(CallEnd::HungUp);
                    self.tell(ResultCode::NoCarrier);
                }
                self.part(now);
                self.dtr(false, now);
            }
        }
    }

    /// What the client had sent and was not taken is thrown away.
    pub fn forget_held(&mut self) {
        if let State::Data(data) | State::Held(data) = &mut self.state {
            data.forget_held();
        }
    }

    /// Counts what the client has spent by now, in all its calls: this one may have to end the sooner.
    pub fn count_minutes(&mut self, now: Instant, world: &dyn World) {
        if let Some((at, uptime)) = &mut self.ends
            && let Ok(spent) = world.spent()
            && let Some(left) = self.rules.minutes_left(spent)
            && now + left < *at
        {
            *at = now + left;
            *uptime = world.uptime() + left;
        }
    }

    /// What came of all that was handed in since the last time.
    #[must_use]
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.out)
    }

    /// Why the modem can be of no use any more, once it cannot.
    #[must_use]
    pub fn is_lost(&self) -> Option<&str> {
        match &self.state {
            State::Lost(why) => Some(why),
            _ => None,
        }
    }

    /// One answer of the modem's in command state.
    fn answered(&mut self, response: Response, now: Instant, world: &dyn World) {
        match response {
            Response::Ring => {
                self.last_ring = Some((now, world.carrier() == Some(false)));
                self.out.events.push(CallEvent::Ring);
                self.tell(ResultCode::Ring);
            }
            Response::Caller { number, text } => {
                self.inform(&text);
                self.out.events.push(CallEvent::Caller(number));
            }
            Response::Text(text) => self.inform(&text),
            Response::Prompt => {
                // Nothing that was let through asks for a text: whatever wants it is called off.
                self.out.to_modem.push(0x1b);
            }
            Response::Result(outcome) => match &self.state {
                State::Line(_) => self.carried_out(&outcome, now, world),
                State::Calling(attempt) => {
                    let attempt = *attempt;
                    self.dialled(&outcome, attempt, now, world);
                }
                _ => self.unasked(&outcome, now, world),
            },
        }
    }

    /// What the client has spent, where that matters.
    fn spent(&self, world: &dyn World) -> Result<Spent, String> {
        if self.rules.counts() {
            world.spent()
        } else {
            Ok(Spent::default())
        }
    }

    fn end(&mut self, why: CallEnd) {
        self.in_fax_call = false;
        self.ends = None;
        self.out.events.push(CallEvent::Ended(why));
    }
}

#[cfg(test)]
mod tests;
