//! How a guarded modem is set up: so that it says what it does in words, echoes nothing, and cannot be
//! made to listen for commands by what goes through it.

use std::time::Duration;

use crate::at::dialogue::{Step, Wants};

/// How long it has to be silent around an escape: a little longer than the modem wants, whose clock is not ours.
#[must_use]
pub fn silence(guard_time: Duration) -> Duration {
    guard_time * 5 / 4
}

/// More than most modems take of one command line; modemd-guard(7) says what of the others.
const LONGEST_LINE: usize = 300;

/// A command line in such a form that it can come first where a client's data may have reached a modem in
/// command state: a line of theirs may have been begun there and not ended (`ATDT0900`), and the carriage
/// return of whatever is said next would end it.
///
/// So that one is taken back, character by character, and this one behind it is none: `+AT…` is no command of
/// any modem. It has to be said again then. Where nothing was begun all that is noise before `AT`.
#[must_use]
pub fn cleared(line: &str) -> String {
    format!("{}+{line}", "\x08".repeat(LONGEST_LINE))
}

/// The step before all others, which leaves nothing of somebody else's line.
#[must_use]
pub fn clearing() -> Step {
    Step {
        line: cleared("ATE0Q0V1"),
        wants: Wants::Anything,
    }
}

/// The command lines after those of `init`. A modem that does not do the necessary ones cannot be guarded.
///
/// `guard_time` is that of a modem which cannot switch its escape off.
#[must_use]
pub fn steps(guard_time: Option<Duration>) -> Vec<Step> {
    let step = |line: &str, wants| Step {
        line: line.to_owned(),
        wants,
    };
    let mut steps = vec![
        step("ATE0Q0V1", Wants::Ok),
        step("ATH0", Wants::Ok),
        step("ATX4", Wants::Anything),
        step("AT&C1", Wants::Anything),
        step("AT&D2", Wants::Anything),
        step("ATS0=0", Wants::Anything),
        step("ATS3=13S4=10S5=8", Wants::Anything),
        step("AT+FCLASS=0", Wants::Anything),
        // DTR's going off counts at once; a BREAK goes to the far side and not to the modem itself.
        step("ATS25=5", Wants::Anything),
        step("AT\\K5", Wants::Anything),
        // No text message of the modem's own accord, whose lines could look like results.
        step("AT+CNMI=0,0", Wants::Anything),
    ];
    match guard_time {
        None => {
            // Above 127 there is no escape (Hayes; V.250 has no S2).
            steps.push(step("ATS2=255", Wants::Ok));
            steps.push(step("ATS2?", Wants::Value(255)));
        }
        Some(time) => {
            let fiftieths = (time.as_millis() / 20).min(255);
            steps.push(step("ATS2=43", Wants::Anything));
            steps.push(step(&format!("ATS12={fiftieths}"), Wants::Anything));
        }
    }
    steps
}
