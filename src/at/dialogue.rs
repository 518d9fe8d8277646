//! Command lines of our own to a modem, one after the other, each with its answer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::response::{Response, Responses};
use super::result::ResultCode;

#[cfg(test)]
mod tests;

/// How often the first line is tried: a modem may be asleep, take its speed from the first `AT` that it
/// hears (V.250 6.2.10), or have half a line of somebody else in its buffer.
const TRIES: usize = 3;

/// Asks for a register that every modem has (V.250 6.2.1) and whose value is no result code's text. Modems
/// answer in order: when the value comes, no answer to an earlier line can.
const ARE_WE_AGREED: &str = "ATS3?";

/// The values that this register can have.
const CHARACTERS: std::ops::RangeInclusive<u32> = 0..=127;

/// A command line, and what has to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// With `AT`, without the carriage return.
    pub line: String,
    /// What has to come of it.
    pub wants: Wants,
}

/// What a command line has to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// `OK`.
    Ok,
    /// Any result code: not every modem knows the command.
    Anything,
    /// This number as information, and `OK`.
    Value(u32),
}

/// Why a dialogue came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// No result code in time.
    #[error("no answer to `{line}`")]
    NoAnswer {
        /// The command line.
        line: String,
    },
    /// Another answer than was wanted.
    #[error("`{answer}` in answer to `{line}`")]
    Refused {
        /// The command line.
        line: String,
        /// What the modem said.
        answer: String,
    },
}

/// A dialogue that is under way.
#[derive(Debug)]
pub struct Dialogue {
    steps: VecDeque<Step>,
    timeout: Duration,
    due: Instant,
    to_modem: Vec<u8>,
    responses: Responses,
    /// The last number that came as information since the last line was sent.
    value: Option<u32>,
    /// How often the first line was sent, until it is answered.
    tries: usize,
    /// How many lines were sent and not answered.
    owed: usize,
    /// How often the time for an answer has begun anew.
    postponed: usize,
    stage: Stage,
}

/// Where a dialogue is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The first of `steps` is to be answered.
    Asks,
    /// It was answered, and there may be more answers to it: it was sent more than once.
    Settles,
    /// It is over.
    Over(Result<(), Failed>),
}

impl Dialogue {
    /// Begins; the answer to each line may take so long.
    #[must_use]
    pub fn new(steps: Vec<Step>, timeout: Duration, now: Instant) -> Self {
        Self::begin(steps, 0, timeout, now)
    }

    /// The same with a modem that may still have answers to lines of others to give.
    #[must_use]
    pub fn after_others(steps: Vec<Step>, timeout: Duration, now: Instant) -> Self {
        Self::begin(steps, 1, timeout, now)
    }

    fn begin(steps: Vec<Step>, owed: usize, timeout: Duration, now: Instant) -> Self {
        let mut dialogue = Dialogue {
            steps: steps.into(),
            timeout,
            due: now,
            to_modem: Vec::new(),
            responses: Responses::default(),
            value: None,
            tries: 0,
            owed,
            postponed: 0,
            stage: Stage::Asks,
        };
        dialogue.try_first(now);
        dialogue
    }

    /// What is to be sent to the modem now.
    #[must_use]
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_modem)
    }

    /// The modem has said this. What it says after the end is not listened to.
    pub fn hear(&mut self, data: &[u8], now: Instant) {
        for &octet in data {
            if matches!(self.stage, Stage::Over(_)) {
                return;
            }
            match self.responses.push(octet) {
                Some(Response::Result(outcome)) => self.answered(outcome.code, outcome.text, now),
                Some(Response::Text(text)) => {
                    let text = String::from_utf8_lossy(&text);
                    // An echo is none, nor is what comes unasked.
                    if let Ok(value) = text.trim().parse() {
                        self.value = Some(value);
                    }
                }
                _ => {}
            }
        }
    }

    /// When [`Self::advance`] is to be called; none when the dialogue is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        (!matches!(self.stage, Stage::Over(_))).then_some(self.due)
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match self.stage {
            // One that does not know the register has had time enough to say all that it had to.
            Stage::Settles => self.go_on(now),
            _ if self.may_try_again() => self.try_first(now),
            _ => self.fail(|line| Failed::NoAnswer { line }),
        }
    }

    /// How it ended; none while it is under way.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), Failed>> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    fn say(&mut self, line: &str, now: Instant) {
        self.to_modem.extend(line.bytes());
        self.to_modem.push(b'\r');
        self.due = now + self.timeout;
        self.value = None;
        self.owed += 1;
    }

    fn ask(&mut self, now: Instant) {
        match self.steps.front() {
            Some(step) => {
                let line = step.line.clone();
                self.stage = Stage::Asks;
                self.say(&line, now);
            }
            None => self.stage = Stage::Over(Ok(())),
        }
    }

    fn try_first(&mut self, now: Instant) {
        self.tries += 1;
        self.ask(now);
    }

    fn may_try_again(&self) -> bool {
        (1..TRIES).contains(&self.tries)
    }

    /// To the step after this one.
    fn go_on(&mut self, now: Instant) {
        self.tries = 0;
        self.owed = 0;
        self.steps.pop_front();
        self.ask(now);
    }

    fn fail(&mut self, why: impl FnOnce(String) -> Failed) {
        if let Some(step) = self.steps.pop_front() {
            // What takes back the line of somebody else (`guard::setup::cleared`) is none of this one.
            let line = step.line.trim_start_matches(['\x08', '+']);
            self.stage = Stage::Over(Err(why(line.to_owned())));
        }
    }

    fn answered(&mut self, code: ResultCode, answer: String, now: Instant) {
        // A call that is over is told whenever it pleases, and no line of ours makes one.
        if code == ResultCode::NoCarrier {
            // But who says so has not come to our line yet. Nobody says it without an end.
            if self.postponed < TRIES {
                self.postponed += 1;
                self.due = now + self.timeout;
            }
            return;
        }
        if self.stage == Stage::Settles {
            if self.value.is_some_and(|value| CHARACTERS.contains(&value)) {
                self.go_on(now);
            } else {
                // It has still not said all that it had to.
                self.due = now + self.timeout;
            }
            return;
        }
        let Some(step) = self.steps.front() else {
            return;
        };
        self.owed -= 1;
        let is_fine = match step.wants {
            Wants::Ok => code == ResultCode::Ok,
            Wants::Anything => true,
            Wants::Value(value) => code == ResultCode::Ok && self.value == Some(value),
        };
        match (is_fine, self.owed) {
            (true, 0) => self.go_on(now),
            (true, _) => {
                self.stage = Stage::Settles;
                self.say(ARE_WE_AGREED, now);
            }
            (false, _) if self.may_try_again() => self.try_first(now),
            (false, _) => self.fail(|line| Failed::Refused { line, answer }),
        }
    }
}
