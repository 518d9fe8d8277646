//! What each command does.

use std::time::{Duration, Instant};

use super::{Modem, RATE, State};
use crate::at::command::{self, Basic, Command, Dial, DialItem};
use crate::at::escape::EscapeWatch;
use crate::at::plan;
use crate::at::profile::{Profile, TerminalGone};
use crate::at::result::{CallProgress, ResultCode};

/// How long `@` waits for silence (V.250 6.3.1.1: five seconds after ringing).
const QUIET: Duration = Duration::from_secs(5);

/// How long `!` keeps the hook down, half a second as Hayes' modems did.
const HOOK_FLASH: Duration = Duration::from_millis(500);

/// Digits kept of a number, more than any telephone network takes.
const LONGEST_NUMBER: usize = 64;

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

/// What becomes of the rest of the line after a command.
enum Outcome {
    /// It goes on.
    Next,
    /// It ends with this result.
    Ends(ResultCode),
    /// It ends, and the result comes when the call is up or has failed.
    Later,
}

impl Modem {
    pub(super) fn carry_out(&mut self, body: &[u8], now: Instant) {
        for command in command::parse(body) {
            let outcome = match command {
                Ok(command) => self.carry_out_one(&command, now),
                Err(_) => Outcome::Ends(ResultCode::Error),
            };
            match outcome {
                Outcome::Next => {}
                Outcome::Ends(result) => return self.tell(result),
                Outcome::Later => return,
            }
        }
        self.tell(ResultCode::Ok);
    }

    fn carry_out_one(&mut self, command: &Command, now: Instant) -> Outcome {
        let done = match command {
            Command::Basic(basic) => return self.basic(*basic, now),
            Command::Dial(dial) => return self.dial(dial, now),
            Command::Extended(_) => None,
            Command::SelectRegister(n) => self.select(Some(*n)).map(drop),
            Command::ReadRegister(n) => self.select(*n).map(|value| {
                self.inform(&format!("{value:03}"));
            }),
            Command::WriteRegister { register, value } => self
                .select(*register)
                .and_then(|_| self.profile.registers.set(self.selected_register, *value)),
        };
        done.map_or(Outcome::Ends(ResultCode::Error), |()| Outcome::Next)
    }

    /// Makes `n`, or what was selected before, the selected register and returns its value.
    fn select(&mut self, n: Option<u8>) -> Option<u8> {
        let n = n.unwrap_or(self.selected_register);
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
        self.set(basic.prefix, basic.letter, number)
            .map_or(Outcome::Ends(ResultCode::Error), |()| Outcome::Next)
    }

    /// The commands that are done at once; `None` for an error.
    fn set(&mut self, prefix: Option<u8>, letter: u8, number: u32) -> Option<()> {
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
            (None, b'I') => self.identify(up_to(4)?),
            (None, b'Z') => {
                up_to(0)?;
                self.go_on_hook();
                self.profile = self.stored;
            }
            (Some(b'&'), b'F') => {
                up_to(0)?;
                self.profile = Profile::default();
            }
            (Some(b'&'), b'W') => {
                up_to(0)?;
                self.stored = self.profile;
                self.stored.registers.count_rings(0);
            }
            (Some(b'&'), b'V') => {
                up_to(0)?;
                self.inform(&self.profile.view());
            }
            _ => {
                let known = |&&(p, l, largest): &&(Option<u8>, u8, u32)| {
                    (p, l) == (prefix, letter) && number <= largest
                };
                WITHOUT_EFFECT.iter().find(known)?;
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

    fn identify(&mut self, number: u8) {
        match number {
            0 => self.inform("modemd"),
            1 => self.inform("Linux ISDN"),
            // V.250 6.1.3 leaves it to the maker; Hayes' modems tested their memory at 2 and
            // answered with the result code alone.
            2 => {}
            3 => self.inform(concat!("modemd ", env!("CARGO_PKG_VERSION"))),
            _ => self.inform(&format!("telephone number {}", self.number)),
        }
    }

    fn inform(&mut self, text: &str) {
        let mut out = Vec::new();
        let result_follows = !self.profile.quiet;
        self.profile
            .wording()
            .information(text, result_follows, &mut out);
        self.to_terminal.extend(out);
    }

    fn go_online(&mut self, now: Instant) -> Outcome {
        if !matches!(self.state, State::OnlineCommand) {
            return Outcome::Ends(ResultCode::NoCarrier);
        }
        self.state = State::Online(EscapeWatch::new(now));
        Outcome::Ends(ResultCode::Connect(RATE))
    }

    fn dial(&mut self, dial: &Dial, now: Instant) -> Outcome {
        if matches!(self.state, State::OnlineCommand) {
            return Outcome::Ends(ResultCode::Error);
        }
        let registers = self.profile.registers;
        let mut number = std::mem::take(&mut self.dialled);
        let mut pauses = Duration::ZERO;
        if number.is_empty() && !self.profile.progress.hears_dial_tone() {
            pauses += registers.blind_dialling();
        }
        let mut dial_tone = true;
        let mut waits_for_answer = false;
        for item in &dial.items {
            match *item {
                DialItem::Digit(digit) => number.push(char::from(digit)),
                DialItem::Redial => number.push_str(&self.last_number),
                DialItem::Pause => pauses += registers.comma(),
                DialItem::HookFlash => pauses += HOOK_FLASH,
                DialItem::WaitForQuiet => {
                    pauses += QUIET;
                    waits_for_answer = true;
                }
                DialItem::WaitForDialTone => dial_tone &= plan::gives_dial_tone(&number),
                DialItem::Stored(_) => return Outcome::Ends(ResultCode::Error),
                DialItem::Tone | DialItem::Pulse | DialItem::AnswerTone | DialItem::Other(_) => {}
            }
        }
        // `ATDLL` doubles it each time; ITU-T E.164 knows 15 digits at most.
        number.truncate(LONGEST_NUMBER);
        self.ringing_stopped();
        if dial.stays_in_command_state {
            self.set_hook(true);
            self.dialled = number;
            return Outcome::Next;
        }
        self.last_number.clone_from(&number);
        let (number, failure) = if dial_tone {
            (Some(number), ResultCode::NoCarrier)
        } else {
            (None, ResultCode::NoDialtone)
        };
        self.connect(now, now + pauses, number, failure, waits_for_answer);
        Outcome::Later
    }
}
