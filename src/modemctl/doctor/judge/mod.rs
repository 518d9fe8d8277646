//! Facts in, findings out. Nothing here looks at the system.

mod accounts;
mod calls;
mod configuration;
mod filter;
mod lines;
mod locks;
mod rivals;
mod shell;
mod units;

use serde::Serialize;

use super::facts::Facts;
use crate::config::Config;
pub(super) use units::{CONTROL, SERVICE, SWITCH, socket_of_port};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something does not work.
    Problem,
    /// It works, and less well than it could, or not for long.
    Warning,
    /// It could not be looked at.
    Unknown,
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The topic.
    pub(super) about: &'static str,
    /// What was found, and what comes of it.
    pub(super) what: String,
    /// The command that mends it, or else the way out in words.
    pub(super) mend: Option<String>,
}

/// What there is to say about one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) about: &'static str,
    /// What was looked at and is as it should be.
    pub(super) fine: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// All topics, in the order in which they depend on each other.
pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Verdict> {
    let mut verdicts = vec![
        configuration::configuration(config, facts),
        units::systemd(config, facts),
        filter::filter(config, facts),
        accounts::service(facts),
        accounts::caller(facts),
        locks::locks(facts),
        lines::lines(facts),
        rivals::users(facts),
        rivals::logins(facts),
        rivals::modem_manager(facts),
        rivals::braille(facts),
        lines::latency(facts),
        configuration::names(config, facts),
    ];
    verdicts.extend(calls::calls(config, facts));
    verdicts
}

impl Verdict {
    fn new(about: &'static str) -> Self {
        Verdict {
            about,
            fine: None,
            findings: Vec::new(),
        }
    }

    fn find(&mut self, severity: Severity, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            about: self.about,
            what: what.into(),
            mend: Some(mend.into()),
        });
    }

    fn problem(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.find(Severity::Problem, what, mend);
    }

    fn warning(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.find(Severity::Warning, what, mend);
    }

    fn unknown(&mut self, what: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Unknown,
            about: self.about,
            what: what.into(),
            mend: None,
        });
    }

    /// What is to be said if nothing was found.
    fn else_fine(mut self, what: impl Into<String>) -> Self {
        if self.findings.is_empty() {
            self.fine = Some(what.into());
        }
        self
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// What could not be looked at is no fault.
pub(super) fn is_fault(finding: &Finding) -> bool {
    finding.severity != Severity::Unknown
}
