//! Calls as a table, and as JSON.

use std::fmt::Write as _;

use super::entry::Call;
use crate::modemctl::moment;
use crate::modemctl::paint::{Colour, Paint};
use crate::modemctl::table::{Cell, Column, first_that_fits};
use crate::modemctl::units::{age, bytes};

/// An object in a line.
pub(super) fn json(call: &Call) -> String {
    let text = serde_json::to_string(call).expect("it is plain data");
    let mut shown = String::with_capacity(text.len() + 1);
    // Of the control characters, it leaves those beyond the first 32 as they are.
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown + "\n"
}

/// What is told of a call.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Began,
    Client,
    Port,
    Line,
    Way,
    Number,
    Result,
    Duration,
    ToLine,
    ToClient,
    Reason,
}

/// As many of them as there is room for.
const CHOICES: [&[Topic]; 6] = {
    use Topic::{
        Began, Client, Duration, Line, Number, Port, Reason, Result, ToClient, ToLine, Way,
    };
    [
        &[
            Began, Client, Port, Line, Way, Number, Result, Duration, ToLine, ToClient, Reason,
        ],
        &[
            Began, Client, Port, Line, Way, Number, Result, Duration, ToLine, ToClient,
        ],
        &[Began, Client, Line, Way, Number, Result, Duration],
        &[Began, Client, Way, Number, Result, Duration],
        &[Began, Number, Result, Duration],
        &[Began, Number],
    ]
};

/// A table in the room that there is.
pub(super) fn table(calls: &[Call], room: Option<usize>, paint: Paint) -> String {
    let tables = CHOICES.iter().map(|choice| {
        let columns = choice.iter().map(|topic| column(*topic, calls));
        columns.collect()
    });
    let mut rows = first_that_fits(tables, room, paint);
    rows.push(String::new());
    rows.join("\n")
}

fn column(topic: Topic, calls: &[Call]) -> Column {
    let of = |what: &dyn Fn(&Call) -> String| -> Vec<Cell> {
        calls.iter().map(|call| Cell::from(what(call))).collect()
    };
    let connected = |what: &dyn Fn(&Call) -> String| {
        of(&|call| {
            if call.is_connected() {
                what(call)
            } else {
                String::new()
            }
        })
    };
    match topic {
        Topic::Began => Column::new("BEGAN", of(&|of| moment::date_and_time(of.began_usec))),
        Topic::Client => Column::new("CLIENT", of(&|of| of.client.clone())).at_least(12),
        Topic::Port => Column::new("PORT", of(&|of| of.port.clone())).at_least(8),
        Topic::Line => Column::new("LINE", of(&|of| of.line.clone())).end_at_least(10),
        Topic::Way => Column::new("CALL", of(&|of| way(of).to_owned())),
        Topic::Number => {
            let number = of(&|of| of.number.clone().unwrap_or_default());
            Column::new("NUMBER", number).at_least(16)
        }
        Topic::Result => {
            let results = calls.iter().map(result).collect();
            Column::new("RESULT", results).at_least(13)
        }
        Topic::Duration => Column::new("DURATION", connected(&|of| age(of.duration_usec))),
        Topic::ToLine => Column::new("TO LINE", connected(&|of| bytes(of.to_line))).number(),
        Topic::ToClient => Column::new("TO CLIENT", connected(&|of| bytes(of.to_client))).number(),
        Topic::Reason => Column::new("REASON", of(&reason)).at_least(14),
    }
}

fn way(call: &Call) -> &str {
    match call.direction.as_str() {
        "outgoing" => "out",
        "incoming" => "in",
        other => other,
    }
}

fn result(call: &Call) -> Cell {
    let (text, colour) = match &call.result {
        Some(result) => (
            result.as_str(),
            call.is_connected().then_some(Colour::Green),
        ),
        None if call.is_refused() => ("refused", Some(Colour::Red)),
        None if call.direction == "incoming" => ("no answer", None),
        None => ("no connection", None),
    };
    Cell::new(text, colour)
}

/// What the result does not say already.
fn reason(call: &Call) -> String {
    match &call.why {
        Some(why) => why.clone(),
        None if call.reason == "not-connected" => String::new(),
        None => call.reason.clone(),
    }
}

#[cfg(test)]
mod tests;
