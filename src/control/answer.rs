//! Which method does what.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::info;

use super::Control;
use super::interface::{DESCRIPTION, Description, Lines, NAME, OfLine, OfSession, Ports, Sessions};
use super::wire::Wire;
use crate::config::Problem;
use crate::journal;
use crate::relay::Request;
use crate::varlink::{Call, Parameters, Reply, SERVICE, introduce};

/// How long a session may take to end: its own limits are shorter.
const HANG_UP_LIMIT: Duration = Duration::from_secs(10);

/// An error of the interface, with what it is about.
pub(super) fn error(name: &str, about: &[(&str, &str)]) -> Reply {
    let about = about.iter();
    let parameters = about.map(|(key, value)| ((*key).to_owned(), json!(value)));
    Reply::error(format!("{NAME}.{name}"), parameters.collect())
}

pub(super) fn failed(why: &str) -> Reply {
    error("Failed", &[("why", why)])
}

fn no_such_session(session: &str) -> Reply {
    error("NoSuchSession", &[("session", session)])
}

/// What a method is given.
fn given<T: DeserializeOwned>(call: &Call, parameter: &str) -> Result<T, Reply> {
    let parameters = Value::Object(call.parameters.clone());
    serde_json::from_value(parameters).map_err(|_| Reply::invalid_parameter(parameter))
}

/// The number of a session by its name. No other text is one, or a part of a path.
fn number(session: &str) -> Result<u64, Reply> {
    let digits = session.bytes().all(|octet| octet.is_ascii_hexdigit());
    let number = u64::from_str_radix(session, 16).ok();
    number
        .filter(|_| digits && session.len() == 16)
        .ok_or_else(|| no_such_session(session))
}

/// Replies to a caller who wants a reply.
pub(super) async fn tell(reply: &Reply, call: &Call, caller: &mut Wire) -> io::Result<()> {
    if call.oneway {
        return Ok(());
    }
    caller.say(reply).await
}

impl Control {
    /// Answers one call, with all the replies that it has.
    pub(super) async fn answer(&self, call: Call, caller: &mut Wire) -> io::Result<()> {
        let (interface, method) = call.target();
        let reply = match (interface, method) {
            (SERVICE, _) => introduce(&call, NAME, DESCRIPTION),
            (NAME, "HangUp") => match self.of_session(&call) {
                Ok((session, true)) => self.hang_up(session).await,
                Ok((session, false)) => return self.forward(&call, session, caller).await,
                Err(reply) => reply,
            },
            (NAME, "WatchEvents" | "WatchSession") if !call.more || call.oneway => {
                Reply::expected_more()
            }
            (NAME, "WatchEvents") => return self.watch_events(caller).await,
            (NAME, "WatchSession") => match self.of_session(&call) {
                Ok((session, true)) => return self.watch_session(session, caller).await,
                Ok((session, false)) => return self.forward(&call, session, caller).await,
                Err(reply) => reply,
            },
            (NAME, method) => match self.plain(method, &call).await {
                Ok(reply) | Err(reply) => reply,
            },
            (interface, _) => Reply::interface_not_found(interface),
        };
        tell(&reply, &call, caller).await
    }

    /// The methods that are answered at once.
    async fn plain(&self, method: &str, call: &Call) -> Result<Reply, Reply> {
        let reply = match method {
            "Describe" => {
                let problems = &self.config.borrow().problems;
                Reply::of(&Description {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    pid: std::process::id(),
                    problems: problems.iter().map(Problem::headline).collect(),
                })
            }
            "ListPorts" => Reply::of(&Ports {
                ports: self.ports(),
            }),
            "ListLines" => {
                let sessions = self.sessions().await;
                let lines = self.lines(&sessions).await;
                Reply::of(&Lines { lines })
            }
            "ListSessions" => Reply::of(&Sessions {
                sessions: self.sessions().await,
            }),
            "GetCounts" => {
                // So that the counts are those of now.
                self.sessions().await;
                Reply::of(&self.counts())
            }
            "Drain" => self.drain(call, true)?,
            "Resume" => self.drain(call, false)?,
            _ => return Err(Reply::method_not_found(&call.method)),
        };
        Ok(reply)
    }

    /// The session that a call is about, and whether it is in this process.
    fn of_session(&self, call: &Call) -> Result<(u64, bool), Reply> {
        let OfSession { session } = given(call, "session")?;
        let number = number(&session)?;
        if self.board.session(number).is_some() {
            return Ok((number, true));
        }
        let others = self.others.as_ref();
        if others.is_some_and(|others| others.socket_of(number).exists()) {
            return Ok((number, false));
        }
        Err(no_such_session(&session))
    }

    async fn hang_up(&self, number: u64) -> Reply {
        let Some(standing) = self.board.session(number) else {
            return no_such_session(&format!("{number:016x}"));
        };
        // One that has ended already takes no request, and is as good as ended by this one.
        standing.mailbox.put(Request::HangUp);
        drop(standing);
        match timeout(HANG_UP_LIMIT, self.board.without(number)).await {
            Ok(()) => Reply::of(&Parameters::new()),
            Err(_) => failed("the session was told to end, and its line is still being released"),
        }
    }

    fn drain(&self, call: &Call, drained: bool) -> Result<Reply, Reply> {
        let OfLine { line } = given(call, "line")?;
        let device = PathBuf::from(&line);
        let ports = &self.config.borrow().ports;
        let mut devices = ports.iter().flat_map(|port| &port.devices);
        if !devices.any(|known| *known == device) {
            return Err(error("NoSuchLine", &[("line", &line)]));
        }
        let was = self.drained.now().contains(&device);
        if !drained && self.aside.forget(&device).is_some() {
            info!(
                MESSAGE_ID = journal::LINE_RESUMED,
                MODEMD_LINE = line,
                "{line}: set aside no more"
            );
            if !was {
                return Ok(Reply::of(&Parameters::new()));
            }
        }
        self.drained
            .change(&device, drained)
            .map_err(|error| failed(&error.to_string()))?;
        match (was, drained) {
            (false, true) => info!(
                MESSAGE_ID = journal::LINE_DRAINED,
                MODEMD_LINE = line,
                "{line}: taken out of service"
            ),
            (true, false) => info!(
                MESSAGE_ID = journal::LINE_RESUMED,
                MODEMD_LINE = line,
                "{line}: put back into service"
            ),
            _ => {}
        }
        Ok(Reply::of(&Parameters::new()))
    }
}
