//! `modemctl watch`: what happens, or what goes over a line.

mod render;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::connection::{Connection, Nothing, Replies};
use super::find;
use super::paint::Paint;
use super::status::room;
use super::survey::Survey;
use super::trouble::{Kind, Trouble, note};
use crate::control::interface::{OfSession, Overheard, Traffic, Watched};

/// How long modemd may be away before we give up.
const RESTART: Duration = Duration::from_secs(10);
/// How long we leave it alone meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// What it is to look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    Hex,
    Json,
}

/// Watches a session, or else events.
pub(super) fn run(socket: &Path, word: Option<&str>, form: Form) -> ExitCode {
    let watched = match word {
        Some(word) => session(socket, word, form),
        None => events(socket, form),
    };
    match watched {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.report(),
    }
}

/// Why replies came to their end.
enum End {
    /// Nobody reads what we write.
    Unwanted,
    /// There was a last one.
    Last,
    /// The connection did not last so long.
    Lost(Trouble),
}

/// Writes all that comes, as `show` has it.
fn write_all<R: DeserializeOwned>(
    mut replies: Replies<'_, R>,
    mut show: impl FnMut(R) -> Vec<String>,
) -> Result<End, Trouble> {
    let mut out = io::stdout().lock();
    for reply in &mut replies {
        let reply = match reply {
            Ok(reply) => reply,
            Err(trouble) if trouble.kind == Kind::Away => return Ok(End::Lost(trouble)),
            Err(trouble) => return Err(trouble),
        };
        let mut text = show(reply).join("\n");
        if text.is_empty() {
            continue;
        }
        text.push('\n');
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(End::Unwanted);
        }
    }
    Ok(if replies.is_unwanted() {
        End::Unwanted
    } else {
        End::Last
    })
}

/// Tries until it works, or will not work later either: a session that ends is refused until it is gone.
fn in_time<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    loop {
        thread::sleep(PAUSE);
        match attempt() {
            Err(Trouble {
                kind: Kind::Absent | Kind::Away | Kind::Refused,
                ..
            }) if Instant::now() < deadline => {}
            done => return done,
        }
    }
}

fn events(socket: &Path, form: Form) -> Result<(), Trouble> {
    let (stdout, paint) = (io::stdout(), Paint::for_stdout());
    let watch = || {
        let connection = Connection::open(socket)?;
        connection.watch::<Watched>("WatchEvents", &Nothing {}, stdout.as_fd())
    };
    let mut replies = watch()?;
    note(&"what happens from now on; ^C ends it");
    loop {
        let end = write_all(replies, |watched| match form {
            Form::Json if watched == Watched::default() => Vec::new(),
            Form::Json => vec![render::json(&watched)],
            Form::Text | Form::Hex => render::event(&watched, room(), paint),
        })?;
        if let End::Unwanted = end {
            return Ok(());
        }
        replies = in_time(Instant::now() + RESTART, watch)?;
        note(&"modemd has restarted; what happened meanwhile is in the journal");
    }
}

fn session(socket: &Path, word: &str, form: Form) -> Result<(), Trouble> {
    let (stdout, paint) = (io::stdout(), Paint::for_stdout());
    let survey = Survey::ask(&mut Connection::open(socket)?)?;
    let found = find::session(&survey, word)?;
    let of = OfSession {
        session: found.session.clone(),
    };
    let watch = || {
        let connection = Connection::open(socket)?;
        connection.watch::<Overheard>("WatchSession", &of, stdout.as_fd())
    };
    let mut replies = watch()?;
    note(&format!(
        "session {}: what goes over its line from now on; ^C ends it",
        find::describe(found)
    ));
    // When it must have gone on, if it was interrupted.
    let mut deadline = None;
    loop {
        let end = write_all(replies, |overheard| {
            let Some(traffic) = overheard.traffic else {
                return Vec::new();
            };
            deadline = None;
            show(&traffic, form, paint)
        })?;
        let until = *deadline.get_or_insert_with(|| Instant::now() + RESTART);
        match end {
            End::Unwanted => return Ok(()),
            End::Lost(trouble) if Instant::now() > until => return Err(trouble),
            End::Lost(_) | End::Last => {}
        }
        replies = match in_time(until, watch) {
            Ok(replies) => replies,
            Err(trouble) if trouble.kind == Kind::NotFound => {
                note(&format!("session {}: it is over", of.session));
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        };
        note(&format!(
            "session {}: modemd has restarted, and it goes on; what went by meanwhile was missed",
            of.session
        ));
    }
}

fn show(traffic: &Traffic, form: Form, paint: Paint) -> Vec<String> {
    match form {
        Form::Json => vec![render::json(traffic)],
        Form::Text => render::text(traffic, room(), paint),
        Form::Hex => render::hex(traffic, paint),
    }
}
