//! `modemctl calls`: what the journal says of each call.

mod csv;
mod entry;
mod journalctl;
mod show;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use self::entry::{Call, Trusted};
use self::journalctl::Journal;
use super::paint::Paint;
use super::printable::in_locale;
use super::status::room;
use super::trouble::{Trouble, note};

/// What it is to look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Table,
    Json,
    Csv,
}

pub(super) fn run(socket: &Path, since: Option<&str>, form: Form) -> ExitCode {
    match show(socket, since, form) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.report(),
    }
}

fn show(socket: &Path, since: Option<&str>, form: Form) -> Result<(), Trouble> {
    let trusted = Trusted::here(socket);
    let mut journal = Journal::read(since)?;
    let mut out = io::stdout().lock();
    let mut table = Vec::new();
    let (mut count, mut is_unread) = (0_usize, false);
    for line in journal.lines() {
        let Some(call) = entry::parse(&line, &trusted) else {
            continue;
        };
        let text = match form {
            Form::Table => {
                table.push(call);
                String::new()
            }
            Form::Json => show::json(&call),
            Form::Csv if count == 0 => csv::heading() + &csv::row(&call),
            Form::Csv => csv::row(&call),
        };
        count += 1;
        if out.write_all(text.as_bytes()).is_err() {
            is_unread = true;
            break;
        }
    }
    if is_unread {
        journal.stop();
        return Ok(());
    }
    let doubt = journal.finish(count > 0)?;
    let text = match form {
        Form::Csv if count == 0 => csv::heading(),
        Form::Table if count > 0 => describe(&table),
        _ => String::new(),
    };
    let _ = out.write_all(text.as_bytes());
    if count == 0 {
        let since = since.map(|since| format!(" since {since}"));
        note(&format!(
            "the journal has no calls{}; ports with `modem` or `dial` tell it of theirs (man modemd.toml)",
            since.unwrap_or_default()
        ));
    }
    if let Some(doubt) = doubt {
        note(&doubt);
    }
    Ok(())
}

fn describe(calls: &[Call]) -> String {
    let room = room();
    let text = show::table(calls, room, Paint::for_stdout());
    match room {
        Some(_) => in_locale(&text).into_owned(),
        None => text,
    }
}
