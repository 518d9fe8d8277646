//! Calls for spreadsheets, as RFC 4180 has it.

use super::entry::Call;
use crate::modemctl::moment;
use crate::modemctl::printable::printable;

const COLUMNS: [&str; 14] = [
    "began",
    "client",
    "port",
    "line",
    "direction",
    "number",
    "rings",
    "result",
    "reason",
    "why",
    "duration",
    "to_line",
    "to_client",
    "session",
];

/// What begins a formula in a spreadsheet.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

pub(super) fn heading() -> String {
    COLUMNS.join(",") + "\r\n"
}

pub(super) fn row(call: &Call) -> String {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let fields: [String; COLUMNS.len()] = [
        moment::date_and_time(call.began_usec),
        call.client.clone(),
        call.port.clone(),
        call.line.clone(),
        call.direction.clone(),
        optional(&call.number),
        call.rings.to_string(),
        optional(&call.result),
        call.reason.clone(),
        optional(&call.why),
        (call.duration_usec / 1_000_000).to_string(),
        call.to_line.to_string(),
        call.to_client.to_string(),
        call.session.clone(),
    ];
    fields.map(|text| field(&text)).join(",") + "\r\n"
}

fn field(text: &str) -> String {
    let mut text = printable(text).into_owned();
    if text.starts_with(FORMULA) {
        text.insert(0, '\'');
    }
    if text.contains(['"', ',']) {
        text = format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}
