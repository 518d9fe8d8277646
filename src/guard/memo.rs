//! What another process needs to go on with a guard.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::calling::{Attempt, LONGEST_DIALLING};
use super::command_state::{Then, Work};
use super::data::{Data, Heard};
use super::number::Number;
use super::{Guard, Output, Rules, State, World};
use crate::at::command::{CommandError, Mistake};
use crate::at::editor::CommandLineEditor;
use crate::at::profile::Profile;
use crate::at::response::Responses;

/// A guard between two turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    view: Profile,
    editor: CommandLineEditor,
    selected_register: u8,
    last: Option<Number>,
    fax: bool,
    in_fax_call: bool,
    /// When the call has lasted as long as it may, by the clock of the machine.
    ends: Option<Duration>,
    phase: Phase,
}

/// The state, as far as another process can go on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Phase {
    Command,
    /// A command is under way, and others may have been to follow.
    Line,
    Calling {
        aborted: bool,
        answers: bool,
        trusts_carrier: bool,
    },
    Data {
        trusts_carrier: bool,
        heard: Heard,
        held: bool,
    },
    /// Whatever it was, the modem is hung up.
    Unknown,
}

impl Guard {
    /// What another process needs to go on.
    #[must_use]
    pub fn memo(&self) -> Memo {
        let phase = match &self.state {
            State::Command => Phase::Command,
            State::Line(Work {
                then: Then::Next, ..
            }) => Phase::Line,
            State::Calling(Attempt {
                aborted,
                answers,
                trusts_carrier,
                ..
            }) => Phase::Calling {
                aborted: *aborted,
                answers: *answers,
                trusts_carrier: *trusts_carrier,
            },
            State::Data(data) | State::Held(data) => Phase::Data {
                trusts_carrier: data.trusts_carrier,
                heard: data.heard(),
                held: matches!(self.state, State::Held(_)),
            },
            State::Line(_) | State::Fax(_) | State::Parting(_) | State::Lost(_) => Phase::Unknown,
        };
        Memo {
            view: self.view,
            editor: self.editor.clone(),
            selected_register: self.selected_register,
            last: self.last.clone(),
            fax: self.fax,
            in_fax_call: self.in_fax_call,
            ends: self.ends.map(|(_, uptime)| uptime),
            phase,
        }
    }

    /// As another process has left it.
    #[must_use]
    pub fn resume(rules: Rules, memo: Memo, now: Instant, world: &dyn World) -> Self {
        let is_unknown = memo.phase == Phase::Unknown;
        let state = match memo.phase {
            Phase::Command | Phase::Unknown => State::Command,
            Phase::Line => State::Line(Work {
                due: now + rules.timeout,
                then: Then::Next,
                // What was to follow is not known here: the client hears of some mistake in it.
                rest: VecDeque::from([Err(CommandError {
                    column: 1,
                    mistake: Mistake::NoRegister,
                })]),
            }),
            Phase::Calling {
                aborted,
                answers,
                trusts_carrier,
            } => State::Calling(Attempt {
                began: now,
                due: now + LONGEST_DIALLING,
                aborted,
                answers,
                trusts_carrier,
            }),
            Phase::Data {
                trusts_carrier,
                heard,
                held,
            } => {
                let data = Box::new(Data::found(trusts_carrier, heard, rules.guard_time, now));
                if held {
                    State::Held(data)
                } else {
                    State::Data(data)
                }
            }
        };
        let uptime = world.uptime();
        let mut guard = Guard {
            rules,
            view: memo.view,
            editor: memo.editor,
            selected_register: memo.selected_register,
            last: memo.last,
            fax: memo.fax,
            in_fax_call: memo.in_fax_call,
            last_ring: None,
            ends: memo
                .ends
                .map(|ends| (now + ends.saturating_sub(uptime), ends)),
            state,
            responses: Responses::in_words(),
            out: Output::default(),
        };
        if is_unknown {
            if guard.in_fax_call {
                guard.end(crate::call::CallEnd::ModemLost);
            }
            guard.part(now);
        }
        guard
    }
}
