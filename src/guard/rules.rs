//! What one client may dial, and whether it may now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::Spent;
use crate::config::{DialRules, Refusal};

/// All that the guard of one session goes by, and keeps whatever becomes of the port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// What the client may dial.
    pub dial: DialRules,
    /// What it is told otherwise.
    pub refusal: Refusal,
    /// Commands that the operator lets through.
    pub commands: Vec<String>,
    /// Command lines with which the modem is prepared before it is set up for the guard.
    pub init: Vec<String>,
    /// How long the modem may take for an answer.
    pub timeout: Duration,
    /// The guard time of a modem that cannot switch its escape off.
    pub guard_time: Option<Duration>,
    /// Calls are ended by the escape first, and not by DTR.
    pub by_escape: bool,
}

/// A minute of the week, by the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 is Monday.
    pub weekday: u8,
    /// Of the day.
    pub minute: u16,
}

/// Why a number may not be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// No pattern of `allow` permits it.
    #[error("it is not in `allow`")]
    NotAllowed,
    /// A pattern of `deny` forbids it.
    #[error("it is in `deny`, as `{0}`")]
    Denied(String),
    /// Not now.
    #[error("it is not within `hours`")]
    Hours,
    /// Too many calls.
    #[error("there were {0} calls in the last hour, as many as `calls_per_hour` permits")]
    Calls(u32),
    /// Too many minutes.
    #[error("the {0} minutes of `minutes_per_day` are used up")]
    Minutes(u32),
}

impl Rules {
    /// Whether a number may be dialled.
    pub fn judge(&self, number: &str, moment: Moment, spent: Spent) -> Result<(), Forbidden> {
        let DialRules {
            allow,
            deny,
            hours,
            calls_per_hour,
            minutes_per_day,
            ..
        } = &self.dial;
        if let Some(pattern) = deny.iter().find(|pattern| pattern.denies(number)) {
            return Err(Forbidden::Denied(format!("{pattern}")));
        }
        if !allow.iter().any(|pattern| pattern.allows(number)) {
            return Err(Forbidden::NotAllowed);
        }
        let is_open = |hours: &crate::config::Hours| hours.include(moment.weekday, moment.minute);
        if !hours.is_empty() && !hours.iter().any(is_open) {
            return Err(Forbidden::Hours);
        }
        if let Some(limit) = *calls_per_hour
            && spent.calls >= limit
        {
            return Err(Forbidden::Calls(limit));
        }
        if let Some(limit) = *minutes_per_day
            && spent.talked >= minutes(limit)
        {
            return Err(Forbidden::Minutes(limit));
        }
        Ok(())
    }

    /// Whether what a client has spent matters.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.dial.calls_per_hour.is_some() || self.dial.minutes_per_day.is_some()
    }

    /// How long a call may last that begins now.
    #[must_use]
    pub fn longest_call(&self, spent: Spent) -> Option<Duration> {
        let of_call = self.dial.minutes_per_call.map(minutes);
        [self.minutes_left(spent), of_call]
            .into_iter()
            .flatten()
            .min()
    }

    /// How long all calls that the client has may still last together.
    #[must_use]
    pub fn minutes_left(&self, spent: Spent) -> Option<Duration> {
        let of_day = self.dial.minutes_per_day.map(minutes);
        of_day.map(|limit| limit.saturating_sub(spent.talked))
    }
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(60 * u64::from(count))
}
