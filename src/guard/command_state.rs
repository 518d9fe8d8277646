//! The client types command lines, and they are carried out one command at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::calling::{Attempt, LONGEST_DIALLING};
use super::data::Data;
use super::fax::Fax;
use super::number::{Number, shown};
use super::policy::{FaxPhase, Verdict, judge};
use super::{Guard, State, Taken, World};
use crate::at::command::{Basic, Command, CommandError, Dial, parse};
use crate::at::editor::{EditKeys, Entered};
use crate::at::profile::{Profile, TerminalGone};
use crate::at::response::Outcome;
use crate::at::result::{CallProgress, ResultCode};
use crate::call::{CallEnd, CallEvent};

/// How long a modem may take to carry out one of the client's commands: a fax modem listens for so many
/// hundredths of a second to silence, at the most (`+FRS=255`), and some modems look for a network.
const LONGEST_COMMAND: Duration = Duration::from_secs(30);

/// Commands that are still to be carried out.
pub(super) type Commands = VecDeque<Result<Command, CommandError>>;

/// A command that the modem has been given.
#[derive(Debug)]
pub(super) struct Work {
    /// When it has taken too long.
    pub(super) due: Instant,
    /// What `OK`, or `CONNECT`, means.
    pub(super) then: Then,
    /// What comes after it in the line.
    pub(super) rest: Commands,
}

/// What becomes of a command when the modem has done it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one.
    Next,
    /// The same, and from now on the modem is in service class 1 of fax, or no more.
    FaxClass(bool),
    /// `CONNECT`, and a fax goes one way or the other.
    Fax(FaxPhase),
    /// The end of a fax that was called off: what comes before the result is none of a text.
    FaxEnds,
}

impl Guard {
    /// Takes what the client types.
    pub(super) fn typed(&mut self, data: &[u8], now: Instant, world: &dyn World) -> Taken {
        if let State::Held(held) = &mut self.state {
            let rest = held.take_unsent(data.len());
            if rest > 0 {
                return Taken::Here(rest);
            }
        }
        for (at, octet) in data.iter().enumerate() {
            let keys = EditKeys {
                terminator: self.view.registers.terminator(),
                backspace: self.view.registers.backspace(),
            };
            if self.view.echo {
                self.out.to_client.push(*octet);
            }
            match self.editor.push(*octet, keys) {
                None => {}
                Some(Entered::TooLong) => self.tell(ResultCode::Error),
                Some(Entered::Line(body)) => {
                    let commands = parse(body).collect();
                    self.carry_out(commands, now, world);
                    if !matches!(self.state, State::Command | State::Held(_)) {
                        return Taken::Here(at + 1);
                    }
                }
            }
        }
        Taken::Here(data.len())
    }

    /// Carries out commands up to the first for which the modem has to be waited for.
    pub(super) fn carry_out(&mut self, mut commands: Commands, now: Instant, world: &dyn World) {
        while let Some(next) = commands.pop_front() {
            let Ok(command) = next.map(|command| self.with_register(command)) else {
                return self.tell(ResultCode::Error);
            };
            let is_held = matches!(self.state, State::Held(_));
            match judge(&command, &self.rules.commands) {
                Verdict::View if self.change_view(&command).is_some() => {}
                Verdict::Reset => {
                    if is_held || self.in_fax_call {
                        self.end(CallEnd::HungUp);
                    }
                    self.view = Profile::default();
                    self.editor.clear();
                    return self.part_and(commands, is_held, now);
                }
                Verdict::HangUp if is_held => {
                    self.end(CallEnd::HungUp);
                    return self.part_and(commands, true, now);
                }
                Verdict::HangUp => {
                    if self.in_fax_call {
                        self.end(CallEnd::HungUp);
                    }
                    return self.send(&command, Then::Next, commands, now);
                }
                Verdict::Online if is_held => return self.go_online(now),
                Verdict::Online => return self.tell(ResultCode::NoCarrier),
                _ if is_held => return self.tell(ResultCode::Error),
                Verdict::Forward => {
                    if let Command::WriteRegister {
                        register: Some(register),
                        value,
                    } = command
                    {
                        let _ = self.view.registers.set(register, value);
                    }
                    return self.send(&command, Then::Next, commands, now);
                }
                Verdict::FaxClass(on) => {
                    return self.send(&command, Then::FaxClass(on), commands, now);
                }
                Verdict::Fax(phase) if self.fax => {
                    return self.send(&command, Then::Fax(phase), commands, now);
                }
                Verdict::Dial(dial) => return self.dial(&dial, now, world),
                // The modem has to be on hook first.
                Verdict::Answer if self.in_fax_call => return self.tell(ResultCode::Error),
                Verdict::Answer => {
                    self.out.events.push(CallEvent::Answered);
                    return self.call("A", true, now, world);
                }
                Verdict::View | Verdict::Fax(_) | Verdict::Refuse => {
                    return self.tell(ResultCode::Error);
                }
            }
        }
        self.tell(ResultCode::Ok);
    }

    /// Puts in the register that `?` and `=` alone mean.
    fn with_register(&mut self, command: Command) -> Command {
        let selected = self.selected_register;
        let (command, register) = match command {
            Command::SelectRegister(n) => (command, n),
            Command::ReadRegister(n) => {
                let n = n.unwrap_or(selected);
                (Command::ReadRegister(Some(n)), n)
            }
            Command::WriteRegister { register, value } => {
                let n = register.unwrap_or(selected);
                let register = Some(n);
                (Command::WriteRegister { register, value }, n)
            }
            command => (command, selected),
        };
        self.selected_register = register;
        command
    }

    /// Does what concerns nobody but the client; nothing if that has no such value.
    fn change_view(&mut self, command: &Command) -> Option<()> {
        match *command {
            Command::Basic(Basic {
                prefix,
                letter,
                number,
            }) => {
                let number = number.unwrap_or(0);
                let on = number == 1;
                match (prefix, letter) {
                    (None, b'E') => self.view.echo = on,
                    (None, b'Q') => self.view.quiet = on,
                    (None, b'V') => self.view.verbose = on,
                    (None, b'X') => self.view.progress = CallProgress::level(number)?,
                    (_, b'C') => self.view.carrier_detect = u8::from(on),
                    (_, b'D') => self.view.terminal_gone = TerminalGone::choice(number)?,
                    _ => {
                        let text = self.view.view();
                        self.inform_of(&text, true);
                    }
                }
            }
            Command::ReadRegister(Some(n)) => {
                let value = self.view.registers.get(n)?;
                self.inform_of(&format!("{value:03}"), true);
            }
            Command::WriteRegister {
                register: Some(n),
                value,
            } => self.view.registers.set(n, value)?,
            _ => {}
        }
        Some(())
    }

    fn send(&mut self, command: &Command, then: Then, rest: Commands, now: Instant) {
        self.say(&command.to_string());
        let due = now + LONGEST_COMMAND.max(self.rules.timeout);
        self.state = State::Line(Work { due, then, rest });
    }

    fn say(&mut self, command: &str) {
        self.responses.clear();
        self.out.to_modem.extend(b"AT");
        self.out.to_modem.extend(command.bytes());
        self.out.to_modem.push(b'\r');
    }

    fn dial(&mut self, dial: &Dial, now: Instant, world: &dyn World) {
        match self.permit(dial, world) {
            // The modem has to be on hook first.
            Ok(_) if self.in_fax_call => self.tell(ResultCode::Error),
            Ok(number) => {
                let digits = number.digits.clone();
                self.out.events.push(CallEvent::Dialled(digits));
                self.call(&number.command, false, now, world);
                self.last = Some(number);
            }
            Err(why) => {
                let number = shown(dial);
                self.out.events.push(CallEvent::Refused { number, why });
                self.refuse();
            }
        }
    }

    /// The number, if it may be dialled now.
    fn permit(&self, dial: &Dial, world: &dyn World) -> Result<Number, String> {
        let number = Number::of(dial, self.last.as_ref()).map_err(|why| why.to_string())?;
        let spent = self.spent(world)?;
        let permitted = self.rules.judge(&number.digits, world.moment(), spent);
        permitted.map_err(|why| why.to_string())?;
        if self.rules.counts() && !self.in_fax_call {
            world.book()?;
        }
        Ok(number)
    }

    fn call(&mut self, command: &str, answers: bool, now: Instant, world: &dyn World) {
        self.say(command);
        self.state = State::Calling(Attempt {
            began: now,
            due: now + LONGEST_DIALLING,
            aborted: false,
            answers,
            trusts_carrier: world.carrier() == Some(false),
        });
    }

    fn go_online(&mut self, now: Instant) {
        if let State::Held(data) = std::mem::replace(&mut self.state, State::Command) {
            self.tell(ResultCode::Connect(0));
            self.state = State::Data(Box::new(Data::back(*data, now)));
        }
    }

    /// The modem has done, or not done, what it was given.
    pub(super) fn carried_out(&mut self, outcome: &Outcome, now: Instant, world: &dyn World) {
        let State::Line(work) = std::mem::replace(&mut self.state, State::Command) else {
            return;
        };
        match (outcome.code, work.then) {
            (ResultCode::Ok, Then::FaxClass(on)) => {
                self.fax = on;
                self.carry_out(work.rest, now, world);
            }
            (ResultCode::Ok, _) => self.carry_out(work.rest, now, world),
            (ResultCode::Connect(_), Then::Fax(phase)) => {
                self.tell_outcome(outcome);
                self.state = State::Fax(Fax::new(phase));
            }
            (ResultCode::Connect(_), _) => {
                self.tell(ResultCode::Error);
                self.part(now);
            }
            _ => self.tell_outcome(outcome),
        }
    }

    /// The modem does not say what has become of a command.
    pub(super) fn no_answer(&mut self, now: Instant) {
        if self.in_fax_call {
            self.end(CallEnd::ModemLost);
        }
        self.tell(ResultCode::Error);
        self.part(now);
    }
}
