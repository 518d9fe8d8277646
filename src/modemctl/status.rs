//! `modemctl status`: who is on which line, and what is attached.

mod attached;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use self::attached::describe as describe_attached;
use super::attached::Attached;
use super::connection::Connection;
use super::paint::{Colour, Paint};
use super::printable::{cut, in_locale, printable};
use super::survey::{Entry, Survey, signal_names};
use super::table::{Cell, Column, first_that_fits, rows, widths};
use super::trouble::{Kind, note};
use super::units::{age, bytes, count};
use crate::control::interface::{Session, SessionState};
use crate::varlink::Parameters;

pub(super) fn run(socket: &Path, as_json: bool) -> ExitCode {
    let attached = Attached::look(socket);
    for doubt in &attached.doubts {
        note(doubt);
    }
    let survey = Connection::open(socket).and_then(|mut to| Survey::ask(&mut to));
    let (survey, trouble) = match survey {
        Ok(survey) => (Some(survey), None),
        Err(trouble) => (None, Some(trouble)),
    };
    if survey.is_some() || !attached.is_nothing() {
        let text = if as_json {
            json(survey.as_ref(), &attached)
        } else {
            let room = room();
            let paint = Paint::for_stdout();
            let mut parts = Vec::new();
            parts.extend(survey.map(|of| describe(&of, room, paint)));
            parts.extend(describe_attached(&attached, room, paint));
            let text = parts.join("\n");
            match room {
                Some(_) => in_locale(&text).into_owned(),
                None => text,
            }
        };
        // `modemctl status | head` closes its end early.
        let _ = io::stdout().write_all(text.as_bytes());
    }
    match trouble {
        // On a machine that only uses the lines of others.
        Some(trouble) if trouble.kind == Kind::Absent && !attached.is_nothing() => {
            ExitCode::SUCCESS
        }
        Some(trouble) => trouble.report(),
        None => ExitCode::SUCCESS,
    }
}

/// All of it in one object.
fn json(survey: Option<&Survey>, attached: &Attached) -> String {
    let plain = "it is plain data";
    let mut all = match survey.map(|of| serde_json::to_value(of).expect(plain)) {
        Some(Value::Object(all)) => all,
        _ => Parameters::new(),
    };
    let ports = serde_json::to_value(&attached.ports).expect(plain);
    all.insert("attached".to_owned(), ports);
    format!("{}\n", Value::Object(all))
}

/// How wide the terminal is, if stdout is one.
pub(super) fn room() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = terminal_size::terminal_size_of(stdout);
    Some(size.map_or(80, |(width, _)| usize::from(width.0)))
}

/// What is told of a line.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Line,
    Ports,
    State,
    Client,
    Since,
    ToLine,
    ToClient,
    Signals,
    Carrier,
    Settings,
    Number,
}

/// As many of them as there is room for; the last two with little of each.
const CHOICES: [&[Topic]; 7] = {
    use Topic::{
        Carrier, Client, Line, Number, Ports, Settings, Signals, Since, State, ToClient, ToLine,
    };
    [
        &[
            Line, Ports, State, Client, Since, ToLine, ToClient, Signals, Settings, Number,
        ],
        &[
            Line, Ports, State, Client, Since, ToLine, ToClient, Signals, Settings,
        ],
        &[Line, Ports, State, Client, Since, ToLine, ToClient, Signals],
        &[Line, Ports, State, Client, Since, ToLine, ToClient, Carrier],
        &[Line, State, Client, Since, ToLine, ToClient, Carrier],
        &[Line, State, Client, Since],
        &[Line, State],
    ]
};

fn column(topic: Topic, entries: &[Entry<'_>], is_tight: bool) -> Column {
    let or_tight = |least, tight| if is_tight { tight } else { least };
    let of_session = |what: &dyn Fn(&Session) -> Option<String>| {
        let text = |entry: &Entry<'_>| entry.session.and_then(what).unwrap_or_default();
        entries
            .iter()
            .map(|entry| Cell::from(text(entry)))
            .collect()
    };
    let of_entry = |what: &dyn Fn(&Entry<'_>) -> Cell| entries.iter().map(what).collect();
    match topic {
        Topic::Line => Column::new("LINE", of_entry(&|entry| entry.name().into())).end_at_least(14),
        Topic::Ports => Column::new("PORT", of_entry(&|entry| entry.ports().into())).at_least(8),
        Topic::State => {
            Column::new("STATE", of_entry(&|entry| entry.state())).at_least(or_tight(22, 14))
        }
        Topic::Client => Column::new("CLIENT", of_session(&|of| Some(of.client.clone())))
            .at_least(or_tight(21, 15)),
        Topic::Since => Column::new("SINCE", of_session(&|of| Some(age(of.age_usec)))),
        Topic::ToLine => Column::new("TO LINE", of_session(&|of| of.to_line.map(bytes))).number(),
        Topic::ToClient => {
            Column::new("TO CLIENT", of_session(&|of| of.to_client.map(bytes))).number()
        }
        Topic::Signals => {
            let signals = of_session(&|of| of.signals.map(signal_names));
            Column::new("SIGNALS", signals)
        }
        Topic::Carrier => Column::new("DCD", of_session(&carrier)),
        Topic::Settings => Column::new("SETTINGS", of_session(&|of| of.settings.clone())),
        Topic::Number => Column::new("SESSION", of_session(&|of| Some(of.session.clone()))),
    }
}

/// The one signal that says whether the modem is connected.
pub(super) fn carrier(session: &Session) -> Option<String> {
    let signals = session.signals.as_ref()?;
    Some(if signals.dcd { "on" } else { "off" }.to_owned())
}

/// The table of [`CHOICES`] for which there is room.
fn lines(entries: &[Entry<'_>], room: Option<usize>, paint: Paint) -> Vec<String> {
    let tables = CHOICES.iter().enumerate().map(|(index, choice)| {
        let is_tight = index + 2 >= CHOICES.len();
        let columns = choice.iter().map(|of| column(*of, entries, is_tight));
        columns.collect()
    });
    first_that_fits(tables, room, paint)
}

fn waiting(sessions: &[&Session], room: Option<usize>, paint: Paint) -> Vec<String> {
    let of = |what: &dyn Fn(&Session) -> String| {
        let cells = sessions.iter().map(|of| Cell::from(what(of)));
        cells.collect::<Vec<_>>()
    };
    let columns = [
        Column::new("PORT", of(&|of| of.port.clone())).at_least(8),
        Column::new("PLACE", of(&place)),
        Column::new("CLIENT", of(&|of| of.client.clone())).at_least(15),
        Column::new("SINCE", of(&|of| age(of.age_usec))),
        Column::new("SESSION", of(&|of| of.session.clone())).at_least(7),
    ];
    let columns: Vec<_> = columns.iter().collect();
    let widths = widths(&columns, room).unwrap_or_else(|| vec![8; columns.len()]);
    rows(&columns, &widths, room, paint)
}

/// Where a client without a line is.
pub(super) fn place(session: &Session) -> String {
    match (session.state, session.place) {
        (SessionState::Arrived, _) => "arriving".to_owned(),
        (SessionState::Ending, _) => "leaving".to_owned(),
        (_, Some(place)) => place.to_string(),
        (_, None) => "?".to_owned(),
    }
}

/// The whole of it in a sentence.
pub(super) fn headline(survey: &Survey) -> String {
    let entries = survey.lines();
    if entries.is_empty() {
        return "no lines".to_owned();
    }
    let in_use = entries.iter().filter(|entry| entry.is_in_use()).count();
    let mut text = format!("{in_use} of {} in use", count(entries.len(), "line"));
    let drained = survey.lines.iter().filter(|line| line.drained).count();
    if drained > 0 {
        text.extend([", ", &drained.to_string(), " out of service"]);
    }
    match survey.lines.iter().filter(|of| of.aside.is_some()).count() {
        0 => {}
        aside => text.extend([", ", &aside.to_string(), " set aside"]),
    }
    let waits = |of: &&&Session| of.state == SessionState::Waiting;
    match survey.waiting().iter().filter(waits).count() {
        0 => {}
        1 => text += ", 1 client waits",
        several => text.extend([", ", &several.to_string(), " clients wait"]),
    }
    text
}

/// Why lines are set aside.
fn aside(survey: &Survey, paint: Paint, wide: usize) -> Vec<String> {
    let lines = survey.lines.iter();
    let lines = lines.filter_map(|of| Some((&of.line, of.aside.as_ref()?)));
    let mut text = Vec::new();
    for (line, aside) in lines {
        if text.is_empty() {
            let heading = "Set aside for a while (modemctl resume ends that):";
            text.push(paint.paint(Colour::Red, &cut(heading, wide)));
        }
        let line = format!(
            "  {line}: {}; tried again in {}",
            aside.why,
            age(aside.left_usec)
        );
        text.push(cut(&printable(&line), wide).into_owned());
    }
    text
}

/// All of it, each line at most as wide as the room.
fn describe(survey: &Survey, room: Option<usize>, paint: Paint) -> String {
    let wide = room.unwrap_or(usize::MAX);
    let mut text = Vec::new();
    let entries = survey.lines();
    if entries.is_empty() {
        let none = "no line is shared: say which in /etc/modemd/modemd.toml (man modemd.toml)";
        text.push(cut(none, wide).into_owned());
    } else {
        text.extend(lines(&entries, room, paint));
        text.push(String::new());
        let headline = format!("{}; modemd {}", headline(survey), survey.describe.version);
        text.push(cut(&printable(&headline), wide).into_owned());
    }
    let aside = aside(survey, paint, wide);
    if !aside.is_empty() {
        text.push(String::new());
        text.extend(aside);
    }
    let clients = survey.waiting();
    if !clients.is_empty() {
        text.push(String::new());
        text.extend(waiting(&clients, room, paint));
    }
    let problems = &survey.describe.problems;
    if !problems.is_empty() {
        text.push(String::new());
        let heading = format!(
            "{} in the configuration (modemctl check shows them in their places):",
            count(problems.len(), "mistake")
        );
        text.push(paint.paint(Colour::Red, &cut(&heading, wide)));
        for problem in problems {
            let problem = format!("  {}", printable(problem));
            text.push(cut(&problem, wide).into_owned());
        }
    }
    text.push(String::new());
    text.join("\n")
}

#[cfg(test)]
pub(super) mod tests;
