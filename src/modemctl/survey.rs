//! Everything that modemd has to say of itself, its ports, lines and sessions.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::connection::{Connection, Nothing};
use super::table::Cell;
use super::trouble::Trouble;
use crate::control::interface::{
    Description, Line, LineState, Lines, Port, Ports, Session, SessionState, Sessions, Signals,
};

/// What `modemctl status --json` prints: the replies of four methods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Survey {
    pub(super) describe: Description,
    pub(super) ports: Vec<Port>,
    pub(super) lines: Vec<Line>,
    pub(super) sessions: Vec<Session>,
}

/// A line, or a client without one, with what belongs together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Nothing for a client without a line, or on one that is in the configuration no more.
    pub(super) line: Option<&'a Line>,
    pub(super) session: Option<&'a Session>,
}

impl Survey {
    /// Asks for it.
    pub(super) fn ask(connection: &mut Connection) -> Result<Survey, Trouble> {
        let describe = connection.call("Describe", &Nothing {})?;
        let Ports { ports } = connection.call("ListPorts", &Nothing {})?;
        let Lines { lines } = connection.call("ListLines", &Nothing {})?;
        let Sessions { sessions } = connection.call("ListSessions", &Nothing {})?;
        Ok(Survey {
            describe,
            ports,
            lines,
            sessions,
        })
    }

    /// All lines as the configuration has them, then sessions on lines that it has no more.
    pub(super) fn lines(&self) -> Vec<Entry<'_>> {
        let with_line = || self.sessions.iter().filter(|of| of.line.is_some());
        let by_line: HashMap<_, _> = with_line().map(|of| (of.line.as_deref(), of)).collect();
        let known: HashSet<_> = self.lines.iter().map(|of| of.line.as_str()).collect();
        let configured = self.ports.iter().flat_map(|port| &port.lines);
        let mut places = HashMap::new();
        for (place, line) in configured.enumerate() {
            places.entry(line).or_insert(place);
        }
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|of| places.get(&of.line).copied().unwrap_or(usize::MAX));
        let lines = lines.into_iter().map(|line| Entry {
            line: Some(line),
            session: by_line.get(&Some(line.line.as_str())).copied(),
        });
        let is_left = |of: &&Session| of.line.as_deref().is_some_and(|on| !known.contains(on));
        let left = with_line().filter(is_left);
        let left = left.map(|session| Entry {
            line: None,
            session: Some(session),
        });
        lines.chain(left).collect()
    }

    /// Clients without a line, port by port in the order of their places.
    pub(super) fn waiting(&self) -> Vec<&Session> {
        let without_line = self.sessions.iter().filter(|of| of.line.is_none());
        let mut waiting: Vec<_> = without_line.collect();
        waiting.sort_by_key(|of| (&of.port, of.place.unwrap_or(u64::MAX), of.since_usec));
        waiting
    }
}

impl Entry<'_> {
    /// The line's path.
    pub(super) fn name(&self) -> &str {
        let of_session = || self.session.and_then(|of| of.line.as_deref());
        let line = self.line.map(|of| of.line.as_str());
        line.or_else(of_session).unwrap_or_default()
    }

    /// The ports that share it.
    pub(super) fn ports(&self) -> String {
        match (self.line, self.session) {
            (Some(line), _) => line.ports.join(","),
            (None, Some(session)) => session.port.clone(),
            (None, None) => String::new(),
        }
    }

    /// Whether somebody is on it.
    pub(super) fn is_in_use(&self) -> bool {
        self.session.is_some() || self.line.is_some_and(|of| of.state == LineState::InUse)
    }

    /// Whether somebody could have it, and if not, why.
    pub(super) fn state(&self) -> Cell {
        use super::paint::Colour::{Green, Red, Yellow};

        let is_drained = self.line.is_some_and(|of| of.drained);
        let is_aside = self.line.is_some_and(|of| of.aside.is_some());
        let state = self.line.map_or(LineState::InUse, |of| of.state);
        let (text, colour) = match state {
            _ if self.is_in_use() => {
                let is_ending = self.session.map(|of| of.state) == Some(SessionState::Ending);
                let word = if is_ending { "hanging up" } else { "in use" };
                (word.to_owned(), Some(Green))
            }
            LineState::Free | LineState::InUse if is_drained => (String::new(), None),
            LineState::Free | LineState::InUse if is_aside => ("set aside".to_owned(), Some(Red)),
            LineState::Free | LineState::InUse => ("free".to_owned(), None),
            LineState::Held => {
                let holder = self.line.and_then(|of| of.holder.as_deref());
                let holder = holder.map(|name| format!(" by {name}")).unwrap_or_default();
                (format!("held{holder}"), Some(Yellow))
            }
            LineState::Missing => ("missing".to_owned(), Some(Red)),
        };
        let text = match (is_drained, text.as_str()) {
            (false, _) => text,
            (true, "") => "out of service".to_owned(),
            (true, _) => format!("{text}, out of service"),
        };
        let colour = if is_drained && colour != Some(Red) {
            Some(Yellow)
        } else {
            colour
        };
        Cell::new(&text, colour)
    }
}

/// The names of the signals that are on.
pub(super) fn signal_names(signals: Signals) -> String {
    names_of(&[
        (signals.dtr, "DTR"),
        (signals.rts, "RTS"),
        (signals.cts, "CTS"),
        (signals.dsr, "DSR"),
        (signals.dcd, "DCD"),
        (signals.ri, "RI"),
    ])
}

/// The names of those that are on.
pub(super) fn names_of(signals: &[(bool, &str)]) -> String {
    let on = signals.iter().filter(|(is_on, _)| *is_on);
    let on: Vec<_> = on.map(|(_, name)| *name).collect();
    if on.is_empty() {
        return "all off".to_owned();
    }
    on.join(" ")
}
