//! `modemctl hangup`, `drain` and `resume`: the few orders there are to give.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::connection::Connection;
use super::find;
use super::printable::printable;
use super::survey::Survey;
use super::trouble::Trouble;
use crate::control::interface::{OfLine, OfSession};

/// What there is to be done with each of those that are named.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    HangUp,
    Drain,
    Resume,
}

/// Carries out all that can be carried out, and says for each what became of it.
pub(super) fn run(socket: &Path, order: Order, words: &[String]) -> ExitCode {
    let survey = Connection::open(socket).and_then(|mut connection| {
        let survey = Survey::ask(&mut connection)?;
        Ok((connection, survey))
    });
    let (mut connection, survey) = match survey {
        Ok(both) => both,
        Err(trouble) => return trouble.report(),
    };
    let mut exit = ExitCode::SUCCESS;
    for word in words {
        let done = match order {
            Order::HangUp => hang_up(&mut connection, &survey, word),
            Order::Drain => drain(&mut connection, &survey, word),
            Order::Resume => resume(&mut connection, &survey, word),
        };
        match done {
            // It is done, whether somebody reads it or not.
            Ok(said) => drop(writeln!(io::stdout(), "{}", printable(&said))),
            Err(trouble) => exit = trouble.report(),
        }
    }
    exit
}

/// What a method gives that gives nothing.
#[derive(serde::Deserialize)]
pub(super) struct Done {}

fn hang_up(to: &mut Connection, survey: &Survey, word: &str) -> Result<String, Trouble> {
    let session = find::session(survey, word)?;
    let of = OfSession {
        session: session.session.clone(),
    };
    let Done {} = to.call("HangUp", &of)?;
    let client = &session.client;
    Ok(match &session.line {
        Some(line) => format!("{line}: hung up on {client}"),
        None => format!("{}: sent {client} away", session.port),
    })
}

fn drain(to: &mut Connection, survey: &Survey, word: &str) -> Result<String, Trouble> {
    let entry = find::line(survey, word)?;
    let line = entry.name().to_owned();
    let was_drained = entry.line.is_some_and(|of| of.drained);
    let Done {} = to.call("Drain", &OfLine { line: line.clone() })?;
    let what = if was_drained {
        "was out of service already"
    } else {
        "out of service until it is resumed or the machine starts again"
    };
    Ok(match entry.session {
        Some(session) => format!(
            "{line}: {what}; {} is still on it (modemctl hangup {line})",
            session.client
        ),
        None => format!("{line}: {what}"),
    })
}

fn resume(to: &mut Connection, survey: &Survey, word: &str) -> Result<String, Trouble> {
    let entry = find::line(survey, word)?;
    let line = entry.name().to_owned();
    let was_drained = entry.line.is_some_and(|of| of.drained);
    let was_aside = entry.line.is_some_and(|of| of.aside.is_some());
    let Done {} = to.call("Resume", &OfLine { line: line.clone() })?;
    Ok(if was_drained {
        format!("{line}: in service again")
    } else if was_aside {
        format!("{line}: its modem is tried again when somebody comes")
    } else {
        format!("{line}: was in service already")
    })
}
