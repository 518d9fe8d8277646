//! Commands with a name, and who calls.

use std::time::{Duration, Instant, SystemTime};

use super::Modem;
use super::command_state::Outcome;
use crate::at::command::Extended;
use crate::at::result::ResultCode;
use crate::at::service;
use crate::at::temperament::Style;

/// From the first ring to the caller's number, which comes in the silence after it.
const CALLER_ID_AFTER: Duration = Duration::from_secs(3);

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The number, empty for one that is not known.
    pub number: String,
    /// When the bell rang, in UTC.
    pub time: SystemTime,
}

impl Modem {
    pub(super) fn extended(&mut self, command: &Extended, now: Instant) -> Outcome {
        let rest = command.rest.as_str();
        match (self.temperament.style, command.sigil, command.name.as_str()) {
            (Style::Gsm, b'+', name) => return self.mobile_command(name, rest, now),
            (Style::Hayes, b'+', "VCID") | (Style::Hayes, b'#', "CID") => match rest {
                "=0" => self.profile.caller_id = 0,
                "=1" => self.profile.caller_id = 1,
                "?" => self.inform(&self.profile.caller_id.to_string(), now),
                _ => return Outcome::Ends(ResultCode::Error),
            },
            _ => return Outcome::Ends(ResultCode::Error),
        }
        Outcome::Next
    }

    /// Tells that the bell rings, for the `count`th time.
    pub(super) fn tell_ring(&mut self, caller: &Caller, count: u8, now: Instant) {
        if self.temperament.style == Style::Hayes {
            self.tell(ResultCode::Ring, now);
            if self.profile.caller_id == 1 && count == 1 {
                self.caller = Some((now + CALLER_ID_AFTER, caller.clone()));
            }
            return;
        }
        if self.profile.kind_of_call == 1 {
            self.announce("+CRING: ASYNC", now);
        } else {
            self.tell(ResultCode::Ring, now);
        }
        if self.profile.caller_id == 1 {
            // 145: a number in international form (3GPP TS 24.008, 10.5.4.7).
            self.announce(
                &format!("+CLIP: \"{}\",145,\"\",0,\"\",0", caller.number),
                now,
            );
        }
    }

    /// As Rockwell's modems word it.
    pub(super) fn tell_caller(&mut self, caller: &Caller, now: Instant) {
        let time = service::utc(caller.time);
        let number = match caller.number.as_str() {
            "" => "O",
            number => number,
        };
        self.announce(
            &format!(
                "DATE = {}{}\nTIME = {}{}\nNMBR = {number}\nNAME = MODEMD",
                &time[5..7],
                &time[8..10],
                &time[11..13],
                &time[14..16],
            ),
            now,
        );
    }

    /// Says something that no command has asked for.
    pub(super) fn announce(&mut self, text: &str, now: Instant) {
        let mut out = Vec::new();
        self.profile.wording().information(text, false, &mut out);
        self.say(&out, now);
    }

    /// Ends a line with an error of the mobile phone's.
    pub(super) fn fail(&mut self, error: u16, now: Instant) {
        let words = match error {
            3 => "operation not allowed",
            21 => "invalid index",
            22 => "not found",
            50 => "Incorrect parameters",
            _ => "unknown",
        };
        match self.profile.errors {
            _ if self.profile.quiet => {}
            1 => self.announce(&format!("+CME ERROR: {error}"), now),
            2 => self.announce(&format!("+CME ERROR: {words}"), now),
            _ => self.tell(ResultCode::Error, now),
        }
    }
}
