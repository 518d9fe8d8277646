//! One journal entry for each call, and for each number that was not dialled.
//!
//! Its fields beside those of [`crate::journal`]: `MODEMD_CALL=` (`outgoing` or `incoming`),
//! `MODEMD_NUMBER=` (dialled, or who calls), `MODEMD_RESULT=` (what the modem said), `MODEMD_RINGS=`,
//! `MODEMD_BEGAN_USEC=` (since 1970); bytes and duration are those of the connection. What was not learnt is
//! left out. `MODEMD_WHY=` is the rule that a refused number is against.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::number::{HIDDEN, shown_text};
use super::{CallEnd, CallMemo, Caller, Direction};
use crate::config::display_duration;
use crate::events::usec;
use crate::journal;
use crate::relay::Moved;

/// What has ended a call, or kept it from coming about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over<'a> {
    Ended(CallEnd),
    /// The modem's result code.
    Failed(&'a str),
    /// The bell has stopped.
    Unanswered,
}

/// A call that is over.
pub(super) struct Record<'a> {
    pub(super) caller: &'a Caller,
    pub(super) call: &'a CallMemo,
    pub(super) over: Over<'a>,
    /// How long it was connected.
    pub(super) lasted: Duration,
    /// In the session, until now.
    pub(super) moved: Moved,
}

impl Over<'_> {
    fn reason(self) -> &'static str {
        match self {
            Over::Ended(CallEnd::CarrierLost) => "carrier-lost",
            Over::Ended(CallEnd::HungUp) => "hung-up",
            Over::Ended(CallEnd::TimeLimit) => "time-limit",
            Over::Ended(CallEnd::SessionEnded) => "session-ended",
            Over::Ended(CallEnd::ModemLost) => "modem-lost",
            Over::Failed(_) | Over::Unanswered => "not-connected",
        }
    }

    fn in_words(self) -> String {
        match self {
            Over::Ended(CallEnd::CarrierLost) => "the far side hung up".to_owned(),
            Over::Ended(CallEnd::HungUp) => "the client hung up".to_owned(),
            Over::Ended(CallEnd::TimeLimit) => "it lasted as long as it may".to_owned(),
            Over::Ended(CallEnd::SessionEnded) => "the session ended".to_owned(),
            Over::Ended(CallEnd::ModemLost) => "the modem did not answer any more".to_owned(),
            Over::Failed(result) => shown_text(result),
            Over::Unanswered => "nobody answered".to_owned(),
        }
    }
}

impl Record<'_> {
    pub(super) fn tell(&self) {
        let Record { caller, call, .. } = self;
        let (to_line, to_client) = self.bytes();
        let result = match (&call.connection, self.over) {
            (Some(connection), _) => Some(shown_text(&connection.result)),
            (None, Over::Failed(result)) => Some(shown_text(result)),
            _ => None,
        };
        info!(
            MESSAGE_ID = journal::CALL,
            MODEMD_PORT = caller.port,
            MODEMD_LINE = %caller.line.display(),
            MODEMD_CLIENT = caller.client,
            MODEMD_SESSION = format_args!("{:016x}", caller.session),
            MODEMD_CALL = match call.direction {
                Direction::Outgoing => "outgoing",
                Direction::Incoming => "incoming",
            },
            MODEMD_NUMBER = call.number,
            MODEMD_RESULT = result,
            MODEMD_RINGS = call.rings,
            MODEMD_REASON = self.over.reason(),
            MODEMD_BEGAN_USEC = call.began_usec,
            MODEMD_DURATION_USEC = u64::try_from(self.lasted.as_micros()).unwrap_or(u64::MAX),
            MODEMD_BYTES_TO_LINE = to_line,
            MODEMD_BYTES_TO_CLIENT = to_client,
            "{}",
            self.text()
        );
    }

    /// What moved since the modem was connected.
    fn bytes(&self) -> (u64, u64) {
        let before = self.call.connection.as_ref().map(|of| of.before);
        before.map_or((0, 0), |(to_line, to_client)| {
            let Moved {
                to_line: line,
                to_client: client,
            } = self.moved;
            // What was moved is not known yet if another process has just begun to go on with it.
            (
                line.saturating_sub(to_line),
                client.saturating_sub(to_client),
            )
        })
    }

    fn text(&self) -> String {
        let Record { caller, call, .. } = self;
        let number = match call.number.as_deref() {
            Some(HIDDEN) => Some("a hidden number"),
            number => number,
        };
        let mut text = format!("{}: {} ", caller.port, caller.client);
        match (call.direction, number) {
            (Direction::Outgoing, number) => {
                text.extend(["called ", number.unwrap_or("a number")]);
            }
            (Direction::Incoming, Some(number)) => text.extend(["had a call from ", number]),
            (Direction::Incoming, None) => text += "had a call",
        }
        let _ = write!(text, " on {}", caller.line.display());
        match call.rings {
            0 => {}
            1 => text += ", 1 ring",
            rings => {
                let _ = write!(text, ", {rings} rings");
            }
        }
        text += ": ";
        if let Some(connection) = &call.connection {
            let (to_line, to_client) = self.bytes();
            let lasted = display_duration(Duration::from_secs(self.lasted.as_secs()));
            let result = shown_text(&connection.result);
            let _ = write!(
                text,
                "{result}, {lasted}, {to_line} bytes to the line, {to_client} from it: "
            );
        } else if let Over::Ended(_) = self.over {
            text += "no connection: ";
        }
        text + &self.over.in_words()
    }
}

/// A number was not dialled.
pub(super) fn tell_refusal(caller: &Caller, number: &str, why: &str) {
    let why = shown_text(why);
    let shown = if number == HIDDEN {
        "a hidden number"
    } else {
        number
    };
    warn!(
        MESSAGE_ID = journal::CALL_REFUSED,
        MODEMD_PORT = caller.port,
        MODEMD_LINE = %caller.line.display(),
        MODEMD_CLIENT = caller.client,
        MODEMD_SESSION = format_args!("{:016x}", caller.session),
        MODEMD_CALL = "outgoing",
        MODEMD_NUMBER = number,
        MODEMD_REASON = "refused",
        MODEMD_WHY = why,
        MODEMD_BEGAN_USEC = usec(SystemTime::now()),
        "{}: {} may not call {shown} on {}: {why}",
        caller.port,
        caller.client,
        caller.line.display(),
    );
}
