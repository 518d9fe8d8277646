//! The screen of `modemctl top`: what is known in, lines of text out.

use super::graph::{full, graph};
use super::model::{Model, Row, SAMPLES, Wish};
use crate::control::interface::Session;
use crate::modemctl::paint::{Colour, Paint};
use crate::modemctl::printable::{cut, printable, width};
use crate::modemctl::status::{carrier, headline, place};
use crate::modemctl::survey::signal_names;
use crate::modemctl::table::{Cell, Column, rows, total, widths};
use crate::modemctl::units::{age, bytes, count, rate};

/// What stands before the selected row.
const MARK: &str = "> ";
/// How wide a graph is at least.
const NARROW: usize = 8;
/// How many lines there are about the selected row.
const DETAILS: usize = 3;

/// Where the parts of the screen are.
#[derive(Debug, Clone, Copy)]
struct Plan {
    has_gap: bool,
    has_details: bool,
    body: usize,
}

impl Plan {
    fn of(high: usize) -> Plan {
        let has_gap = high >= 8;
        let has_details = high >= 14;
        // The headline, the table's heading, and the footer.
        let details = if has_details { DETAILS + 1 } else { 0 };
        let taken = 3 + usize::from(has_gap) + details;
        Plan {
            has_gap,
            has_details,
            body: high.saturating_sub(taken),
        }
    }
}

/// How many rows of the table a screen has room for.
pub(super) fn page(high: usize) -> usize {
    Plan::of(high).body.max(1)
}

/// The whole screen: at most so many lines, none of them wider.
pub(super) fn draw(model: &Model, (wide, high): (usize, usize), paint: Paint) -> Vec<String> {
    let plan = Plan::of(high);
    let all = model.rows();
    let at = model.position();
    let first = at.saturating_sub(plan.body / 2);
    let first = first.min(all.len().saturating_sub(plan.body));
    let last = (first + plan.body).min(all.len());

    let mut screen = vec![title(model, wide, paint)];
    if plan.has_gap {
        screen.push(String::new());
    }
    if all.is_empty() {
        let none = "no line is shared: say which in /etc/modemd/modemd.toml (man modemd.toml)";
        screen.push(cut(none, wide).into_owned());
    } else {
        let mut table = table(model, &all, wide.saturating_sub(MARK.len()), paint);
        let uncoloured = self::table(model, &all, wide.saturating_sub(MARK.len()), Paint::OFF);
        let indent = cut("  ", wide).replace('…', "");
        screen.push(paint.paint(Colour::Bold, &format!("{indent}{}", uncoloured[0])));
        for index in first..last {
            screen.push(if index == at {
                let row = format!("{MARK}{}", uncoloured[index + 1]);
                let row = format!("{row:wide$}");
                let row = paint.paint(Colour::Reverse, &cut(&row, wide));
                row.trim_end().to_owned()
            } else {
                format!("{indent}{}", std::mem::take(&mut table[index + 1]))
            });
        }
    }
    screen.resize(high.saturating_sub(1), String::new());
    if plan.has_details {
        let about = all.get(at).map(|row| details(row)).unwrap_or_default();
        let from = screen.len() - DETAILS;
        for (line, text) in about.iter().enumerate() {
            screen[from + line] = cut(&printable(text), wide).into_owned();
        }
    }
    let shown =
        (last - first < all.len()).then(|| format!("{}-{last} of {}", first + 1, all.len()));
    screen.push(footer(model, all.get(at), shown, wide, paint));
    screen.truncate(high);
    screen
}

fn title(model: &Model, wide: usize, paint: Paint) -> String {
    if let Some(away) = &model.away {
        let text = format!("modemd is restarting: {}", printable(away));
        return paint.paint(Colour::Yellow, &cut(&text, wide));
    }
    let version = printable(&model.survey.describe.version).into_owned();
    let mut text = format!("modemd {version}: {}", headline(&model.survey));
    let mistakes = model.survey.describe.problems.len();
    if mistakes > 0 {
        let mistakes = count(mistakes, "mistake");
        text.extend(["; ", &mistakes, " in the configuration"]);
    }
    paint.paint(Colour::Bold, &cut(&text, wide))
}

/// What is told of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Line,
    Port,
    Client,
    Since,
    ToLine,
    ToClient,
    Signals,
    Carrier,
    Settings,
}

/// As many of them as there is room for.
const CHOICES: [&[Topic]; 6] = {
    use Topic::{Carrier, Client, Line, Port, Settings, Signals, Since, ToClient, ToLine};
    [
        &[
            Line, Port, Client, Since, ToLine, ToClient, Signals, Settings,
        ],
        &[Line, Port, Client, Since, ToLine, ToClient, Signals],
        &[Line, Client, Since, ToLine, ToClient, Carrier],
        &[Line, Client, ToLine, ToClient],
        &[Line, Client],
        &[Line],
    ]
};

fn table(model: &Model, all: &[Row<'_>], wide: usize, paint: Paint) -> Vec<String> {
    let room = Some(wide);
    for choice in CHOICES {
        let columns = |graph| {
            let columns = choice.iter().map(|topic| column(*topic, model, all, graph));
            columns.collect::<Vec<_>>()
        };
        let narrow = columns(NARROW);
        let narrow: Vec<_> = narrow.iter().collect();
        let Some(fitting) = widths(&narrow, room) else {
            continue;
        };
        // What is left belongs to the graphs.
        let left = wide - total(&fitting);
        let columns = columns((NARROW + left / 2).min(SAMPLES));
        let columns: Vec<_> = columns.iter().collect();
        if let Some(widths) = widths(&columns, room) {
            return rows(&columns, &widths, room, paint);
        }
    }
    let line = column(Topic::Line, model, all, 0);
    rows(&[&line], &[wide], room, paint)
}

fn column(topic: Topic, model: &Model, all: &[Row<'_>], graph: usize) -> Column {
    let of_session = |what: &dyn Fn(&Session) -> Option<String>| {
        let text = |row: &Row<'_>| row.session().and_then(what).unwrap_or_default();
        all.iter().map(|row| Cell::from(text(row))).collect()
    };
    let of_row = |what: &dyn Fn(&Row<'_>) -> Cell| all.iter().map(what).collect();
    let speed = |is_to_line: bool| {
        let cell = |row: &Row<'_>| {
            let text = row
                .session()
                .and_then(|session| speed(model, session, is_to_line, graph));
            Cell::drawn(text.unwrap_or_default(), Some(Colour::Green))
        };
        of_row(&cell)
    };
    match topic {
        Topic::Line => Column::new("LINE", of_row(&name)).end_at_least(10),
        Topic::Port => Column::new("PORT", of_row(&|row| port(row).into())).at_least(8),
        Topic::Client => Column::new("CLIENT", of_row(&client)).at_least(15),
        Topic::Since => Column::new("SINCE", of_session(&|of| Some(age(of.age_usec)))),
        Topic::ToLine => Column::new("TO LINE B/s", speed(true)),
        Topic::ToClient => Column::new("TO CLIENT B/s", speed(false)),
        Topic::Signals => {
            let signals = of_session(&|of| of.signals.map(signal_names));
            Column::new("SIGNALS", signals)
        }
        Topic::Carrier => Column::new("DCD", of_session(&carrier)),
        Topic::Settings => Column::new("SETTINGS", of_session(&|of| of.settings.clone())),
    }
}

fn name(row: &Row<'_>) -> Cell {
    match row {
        Row::Line(entry) => entry.name().into(),
        Row::Client(session) if session.place.is_some() => {
            Cell::new(&format!("waits ({})", place(session)), Some(Colour::Yellow))
        }
        Row::Client(_) => Cell::new("waits", Some(Colour::Yellow)),
    }
}

fn port(row: &Row<'_>) -> String {
    match row {
        Row::Line(entry) => entry.ports(),
        Row::Client(session) => session.port.clone(),
    }
}

/// Who is there, or else why nobody is.
fn client(row: &Row<'_>) -> Cell {
    let Row::Line(entry) = row else {
        return row.session().map_or("", |of| of.client.as_str()).into();
    };
    let state = entry.state();
    match entry.session {
        None => state,
        Some(session) if state.text() == "in use" => session.client.as_str().into(),
        Some(session) => {
            // In front, where it is not cut off.
            let state = if row.is_drained() {
                "drained"
            } else {
                "hanging up"
            };
            let text = format!("{state}: {}", session.client);
            Cell::new(&text, Some(Colour::Yellow))
        }
    }
}

fn speed(model: &Model, session: &Session, is_to_line: bool, wide: usize) -> Option<String> {
    let history = model.history(session)?;
    let samples = if is_to_line {
        &history.to_line
    } else {
        &history.to_client
    };
    let now = rate(samples.back().copied().unwrap_or(0));
    let full = full(session.settings.as_deref());
    Some(format!("{now:>4} {}", graph(samples.iter(), wide, full)))
}

/// All that is known of the selected row.
fn details(row: &Row<'_>) -> Vec<String> {
    let session = row.session();
    let head = match (row, session) {
        (Row::Line(entry), Some(of)) => format!(
            "{} (port {}): {}, session {}, process {}",
            entry.name(),
            of.port,
            of.client,
            of.session,
            of.pid
        ),
        (Row::Line(entry), None) => {
            format!(
                "{} (port {}): {}",
                entry.name(),
                entry.ports(),
                entry.state().text()
            )
        }
        (Row::Client(of), _) => format!(
            "port {}: {}, here for {}, session {}, process {}",
            of.port,
            of.client,
            age(of.age_usec),
            of.session,
            of.pid
        ),
    };
    let Some(of) = session.filter(|of| of.line.is_some()) else {
        return vec![head];
    };
    vec![head, on_the_line(row, of), what_moved(of)]
}

fn on_the_line(row: &Row<'_>, session: &Session) -> String {
    let mut parts: Vec<String> = session.settings.iter().cloned().collect();
    parts.push(match session.signals {
        Some(signals) => signal_names(signals),
        None => "no signals".to_owned(),
    });
    if let Some(errors) = &session.errors {
        let of = [
            (errors.framing, "framing"),
            (errors.parity, "parity"),
            (errors.overrun, "overrun"),
        ];
        let of: Vec<_> = of.iter().filter(|(count, _)| *count > 0).collect();
        let of: Vec<_> = of
            .iter()
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        if !of.is_empty() {
            parts.push(format!("errors: {}", of.join(", ")));
        }
        if errors.breaks > 0 {
            parts.push(format!("{} BREAK", errors.breaks));
        }
    }
    if row.is_drained() {
        parts.push("out of service after this".to_owned());
    }
    parts.join("; ")
}

fn what_moved(session: &Session) -> String {
    let moved = |moved: Option<u64>| moved.map_or_else(|| "?".to_owned(), bytes);
    let mut parts = vec![format!(
        "{} to the line, {} to the client",
        moved(session.to_line),
        moved(session.to_client)
    )];
    if let Some(idle) = session.idle_usec.filter(|idle| *idle >= 1_000_000) {
        parts.push(format!("quiet for {}", age(idle)));
    }
    let kept = [
        (session.kept_to_line, "the line has not taken"),
        (session.kept_to_client, "the client has not taken"),
    ];
    for (kept, what) in kept {
        if let Some(kept) = kept.filter(|kept| *kept > 0) {
            parts.push(format!("{what} {}", bytes(kept)));
        }
    }
    if let Some(lost) = session.lost.filter(|lost| *lost > 0) {
        parts.push(format!("up to {} lost", bytes(lost)));
    }
    parts.join("; ")
}

fn footer(
    model: &Model,
    row: Option<&Row<'_>>,
    shown: Option<String>,
    wide: usize,
    paint: Paint,
) -> String {
    if let Some(Wish::HangUp { whom, .. }) = &model.question {
        let question = format!("hang up {}? y/n", printable(whom));
        return paint.paint(Colour::Yellow, &cut(&question, wide));
    }
    if let Some(notice) = &model.notice {
        return paint.paint(Colour::Yellow, &cut(&printable(notice), wide));
    }
    let mut keys = "q quit  j k select".to_owned();
    if row.is_some_and(|row| row.session().is_some()) {
        keys += "  h hang up";
    }
    match row {
        Some(row @ Row::Line(_)) if row.is_drained() => keys += "  d put back into service",
        Some(Row::Line(_)) => keys += "  d take out of service",
        _ => {}
    }
    if let Some(shown) = shown {
        let gap = wide.saturating_sub(width(&keys) + width(&shown)).max(2);
        keys = format!("{keys}{}{shown}", " ".repeat(gap));
    }
    cut(&keys, wide).into_owned()
}

#[cfg(test)]
mod tests;
