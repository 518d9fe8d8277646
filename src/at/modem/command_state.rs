//! What each command does.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Modem, RATE, State};
use crate::at::command::{self, Basic, Command, CommandError};
use crate::at::escape::EscapeWatch;
use crate::at::profile::TerminalGone;
use crate::at::result::{CallProgress, ResultCode};
use crate::at::temperament::Style;

/// Commands that programs send to set up hardware which this modem does not have, with the
/// largest number each: taken, and without effect.
const WITHOUT_EFFECT: &[(Option<u8>, u8, u32)] = &[
    (None, b'B', 16),       // which modulation
    (None, b'C', 1),        // transmitter on
    (None, b'N', 1),        // may fall back in speed
    (None, b'P', 0),        // dial with pulses from now on
    (None, b'T', 0),        // dial with tones from now on
    (None, b'W', 2),        // which speed CONNECT tells
    (None, b'Y', 1),        // hang up on a long break
    (Some(b'&'), b'B', 1),  // fixed speed of the serial port
    (Some(b'&'), b'G', 2),  // guard tone
    (Some(b'&'), b'J', 1),  // kind of telephone jack
    (Some(b'&'), b'L', 0),  // leased line
    (Some(b'&'), b'M', 0),  // synchronous modes
    (Some(b'&'), b'P', 3),  // pulse ratio
    (Some(b'&'), b'Q', 6),  // synchronous modes, error correction
    (Some(b'&'), b'R', 1),  // CTS
    (Some(b'&'), b'S', 2),  // DSR
    (Some(b'&'), b'T', 0),  // end of a self test
    (Some(b'&'), b'X', 0),  // synchronous clock
    (Some(b'&'), b'Y', 0),  // which profile at power on
    (Some(b'%'), b'C', 3),  // compression
    (Some(b'%'), b'E', 2),  // line quality
    (Some(b'\\'), b'A', 3), // MNP block size
    (Some(b'\\'), b'G', 1), // flow control between modems
    (Some(b'\\'), b'J', 1), // adjust the serial port's speed
    (Some(b'\\'), b'N', 5), // error correction
    (Some(b'\\'), b'Q', 3), // flow control
    (Some(b'\\'), b'V', 1), // error correction told with CONNECT
];

/// The same of a mobile phone.
const WITHOUT_EFFECT_GSM: &[(Option<u8>, u8, u32)] = &[(None, b'P', 0), (None, b'T', 0)];

/// What is left to do of a command line.
pub(super) type Rest = VecDeque<Result<Command, CommandError>>;

/// What becomes of the rest of the line after a command.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It goes on.
    Next,
    /// It ends with this result.
    Ends(ResultCode),
    /// It ends with this error of a mobile phone (3GPP TS 27.007, 9.2).
    Fails(u16),
    /// It ends or waits, and the result comes later.
    Later,
}

impl Modem {
    pub(super) fn carry_out(&mut self, body: &[u8], now: Instant) {
        self.go_on(command::parse(body).collect(), now);
    }

    /// Carries out what is left of a line.
    pub(super) fn go_on(&mut self, mut rest: Rest, now: Instant) {
        while let Some(command) = rest.pop_front() {
            let outcome = match command {
                Ok(Command::Dial(dial)) => self.dial(dial, std::mem::take(&mut rest), now),
                Ok(command) => self.carry_out_one(command, now),
                Err(_) => Outcome::Ends(ResultCode::Error),
            };
            match outcome {
                Outcome::Next => {}
                Outcome::Ends(result) => return self.tell(result, now),
                Outcome::Fails(error) => return self.fail(error, now),
                Outcome::Later => return,
            }
        }
        self.tell(ResultCode::Ok, now);
    }

    fn carry_out_one(&mut self, command: Command, now: Instant) -> Outcome {
        let done = match command {
            Command::Basic(basic) => return self.basic(basic, now),
            Command::Extended(command) => return self.extended(&command, now),
            Command::SelectRegister(n) => self.select(Some(n)).map(drop),
            Command::ReadRegister(n) => self.select(n).map(|value| {
                self.inform(&format!("{value:03}"), now);
            }),
            Command::WriteRegister { register, value } => self
                .select(register)
                .and_then(|_| self.profile.registers.set(self.selected_register, value)),
            Command::Store(store) => self
                .stored_numbers
                .get_mut(usize::from(store.place.unwrap_or(0)))
                .map(|stored| *stored = store.dial),
            Command::Dial(_) => None,
        };
        done.map_or(Outcome::Ends(ResultCode::Error), |()| Outcome::Next)
    }

    /// Makes `n`, or what was selected before, the selected register and returns its value.
    fn select(&mut self, n: Option<u8>) -> Option<u8> {
        let n = n.unwrap_or(self.selected_register);
        if matches!(n, 2 | 12) && !self.temperament.has_s2 {
            return None;
        }
        let value = self.profile.registers.get(n)?;
        self.selected_register = n;
        Some(value)
    }

    fn basic(&mut self, basic: Basic, now: Instant) -> Outcome {
        let number = basic.number.unwrap_or(0);
        match (basic.prefix, basic.letter, number) {
            (None, b'A', 0) if matches!(self.state, State::Command { .. }) => {
                self.answer(now);
                return Outcome::Later;
            }
            (None, b'O', 0 | 1) => return self.go_online(now),
            _ => {}
        }
        self.set(basic.prefix, basic.letter, number, now)
            .map_or(Outcome::Ends(ResultCode::Error), |()| Outcome::Next)
    }

    /// The commands that are done at once; `None` for an error.
    fn set(&mut self, prefix: Option<u8>, letter: u8, number: u32, now: Instant) -> Option<()> {
        let octet = u8::try_from(number).ok()?;
        let up_to = |largest| (octet <= largest).then_some(octet);
        let switch = || up_to(1).map(|on| on == 1);
        match (prefix, letter) {
            (None, b'E') => self.profile.echo = switch()?,
            (None, b'Q') => self.profile.quiet = switch()?,
            (None, b'V') => self.profile.verbose = switch()?,
            (None, b'X') => self.profile.progress = CallProgress::level(number)?,
            (None, b'L') => self.profile.loudness = up_to(3)?,
            (None, b'M') => self.profile.speaker = up_to(3)?,
            (Some(b'&'), b'C') => self.profile.carrier_detect = up_to(1)?,
            (Some(b'&'), b'D') => self.profile.terminal_gone = TerminalGone::choice(number)?,
            (Some(b'&'), b'K') => self.profile.flow_control = up_to(6)?,
            (None, b'H') => self.set_hook(up_to(1)? == 1),
            (None, b'I') => self.identify(up_to(4)?, now)?,
            (None, b'Z') => {
                up_to(0)?;
                self.go_on_hook();
                self.profile = self.stored;
            }
            (Some(b'&'), b'F') => {
                up_to(0)?;
                self.profile = self.temperament.factory;
            }
            (Some(b'&'), b'W') => {
                up_to(0)?;
                self.stored = self.profile;
                self.stored.registers.count_rings(0);
            }
            (Some(b'&'), b'V') => {
                up_to(0)?;
                self.inform(&self.profile.view(), now);
            }
            _ => {
                let without_effect = match self.temperament.style {
                    Style::Hayes => WITHOUT_EFFECT,
                    Style::Gsm => WITHOUT_EFFECT_GSM,
                };
                let known = |&&(p, l, largest): &&(Option<u8>, u8, u32)| {
                    (p, l) == (prefix, letter) && number <= largest
                };
                without_effect.iter().find(known)?;
            }
        }
        Some(())
    }

    fn set_hook(&mut self, off: bool) {
        if !off {
            self.go_on_hook();
        } else if let State::Command { off_hook } = &mut self.state {
            *off_hook = true;
            self.ringing_stopped();
        }
    }

    fn identify(&mut self, number: u8, now: Instant) -> Option<()> {
        match (self.temperament.style, number) {
            (Style::Gsm, 0) => self.inform("SIM800 R14.18", now),
            (Style::Gsm, _) => return None,
            (Style::Hayes, 0) => self.inform("modemd", now),
            (Style::Hayes, 1) => self.inform("Linux ISDN", now),
            // V.250 6.1.3 leaves it to the maker; Hayes' modems tested their memory at 2 and
            // answered with the result code alone.
            (Style::Hayes, 2) => {}
            (Style::Hayes, 3) => self.inform(concat!("modemd ", env!("CARGO_PKG_VERSION")), now),
            (Style::Hayes, _) => self.inform(&format!("telephone number {}", self.number), now),
        }
        Some(())
    }

    fn go_online(&mut self, now: Instant) -> Outcome {
        if !matches!(self.state, State::OnlineCommand) {
            return Outcome::Ends(ResultCode::NoCarrier);
        }
        self.state = State::Online(EscapeWatch::new(now));
        Outcome::Ends(ResultCode::Connect(RATE))
    }
}
