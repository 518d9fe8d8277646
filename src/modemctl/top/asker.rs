//! Who asks modemd meanwhile, so that the keys work also when it takes its time.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::model::Wish;
use crate::control::interface::{OfLine, OfSession};
use crate::modemctl::connection::Connection;
use crate::modemctl::orders::Done;
use crate::modemctl::survey::Survey;
use crate::modemctl::trouble::Trouble;

/// How often we look. modemd itself looks at a session once a second at the most; who asks a little too
/// early is told the same as before.
const EACH: Duration = Duration::from_millis(1100);

/// What there is to tell.
pub(super) enum News {
    Survey(Survey),
    /// What became of a wish.
    Done(String),
    /// modemd cannot be asked at the moment.
    Away(String),
}

/// Asks for ever, or until nobody listens. What is told is announced with a byte on `bell`.
pub(super) fn ask(
    socket: &Path,
    mut connection: Option<Connection>,
    wishes: &Receiver<Wish>,
    news: &Sender<News>,
    mut bell: UnixStream,
) {
    let mut next = Instant::now() + EACH;
    let mut tell = |what| news.send(what).is_ok() && bell.write_all(b"!").is_ok();
    loop {
        let left = next.saturating_duration_since(Instant::now());
        match wishes.recv_timeout(left) {
            Ok(wish) => {
                let done = with(socket, &mut connection, |to| carry_out(to, &wish));
                let said = done.unwrap_or_else(|trouble| trouble.to_string());
                if !tell(News::Done(said)) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => next = Instant::now() + EACH,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let survey = with(socket, &mut connection, Survey::ask);
        if !tell(match survey {
            Ok(survey) => News::Survey(survey),
            Err(trouble) => News::Away(trouble.to_string()),
        }) {
            return;
        }
    }
}

/// On the connection that there is, or else a new one. After trouble it is not used again.
fn with<T>(
    socket: &Path,
    connection: &mut Option<Connection>,
    what: impl FnOnce(&mut Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut to = match connection.take() {
        Some(to) => to,
        None => Connection::open(socket)?,
    };
    let done = what(&mut to)?;
    *connection = Some(to);
    Ok(done)
}

fn carry_out(to: &mut Connection, wish: &Wish) -> Result<String, Trouble> {
    match wish {
        Wish::HangUp { session, whom } => {
            let session = session.clone();
            let Done {} = to.call("HangUp", &OfSession { session })?;
            Ok(format!("hung up {whom}"))
        }
        Wish::Drain(line) => {
            let Done {} = to.call("Drain", &OfLine { line: line.clone() })?;
            Ok(format!("{line} is out of service"))
        }
        Wish::Resume(line) => {
            let Done {} = to.call("Resume", &OfLine { line: line.clone() })?;
            Ok(format!("{line} is in service again"))
        }
    }
}
