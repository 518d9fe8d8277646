//! An entry of the journal as a call.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::Uid;
use serde::Serialize;
use serde_json::{Map, Value};

/// The fields that are asked for; journalctl gives the time of an entry unasked.
pub(super) const FIELDS: [&str; 15] = [
    "_UID",
    "MODEMD_PORT",
    "MODEMD_LINE",
    "MODEMD_CLIENT",
    "MODEMD_SESSION",
    "MODEMD_CALL",
    "MODEMD_NUMBER",
    "MODEMD_RESULT",
    "MODEMD_RINGS",
    "MODEMD_REASON",
    "MODEMD_WHY",
    "MODEMD_BEGAN_USEC",
    "MODEMD_DURATION_USEC",
    "MODEMD_BYTES_TO_LINE",
    "MODEMD_BYTES_TO_CLIENT",
];

/// The first user id that is not the system's (`SYS_UID_MAX` in login.defs(5)).
const FIRST_USER: u32 = 1000;

/// A call, or a number that was not dialled; modemctl(1) says what each field is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Call {
    pub(super) began_usec: u64,
    pub(super) client: String,
    pub(super) port: String,
    pub(super) line: String,
    pub(super) session: String,
    /// `outgoing` or `incoming`.
    pub(super) direction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<String>,
    pub(super) rings: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<String>,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    pub(super) duration_usec: u64,
    pub(super) to_line: u64,
    pub(super) to_client: u64,
}

impl Call {
    pub(super) fn is_refused(&self) -> bool {
        self.reason == "refused"
    }

    pub(super) fn is_connected(&self) -> bool {
        self.result.is_some() && self.reason != "not-connected"
    }
}

/// Whose entries are believed. Everybody on a machine can write some with any fields into its journal; but
/// who has written them, the journal says itself.
pub(super) struct Trusted {
    /// Ourselves, and the user whom modemd runs as.
    users: Vec<u32>,
}

impl Trusted {
    pub(super) fn here(socket: &Path) -> Trusted {
        // systemd makes it for the user of the service (`RuntimeDirectory=`); nobody but root can make one there.
        let private = socket.with_file_name("private");
        let of_modemd = fs::metadata(private).ok();
        let mut users = vec![Uid::current().as_raw()];
        users.extend(of_modemd.map(|of| of.uid()));
        Trusted { users }
    }

    fn has(&self, user: u32) -> bool {
        user < FIRST_USER || self.users.contains(&user)
    }
}

/// A line that `journalctl --output=json` has written, if it is about a call.
pub(super) fn parse(line: &[u8], trusted: &Trusted) -> Option<Call> {
    let entry: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let text = |name: &str| entry.get(name).and_then(text);
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let user = text("_UID")?.parse().ok()?;
    if !trusted.has(user) {
        return None;
    }
    let began = number("MODEMD_BEGAN_USEC").or_else(|| number("__REALTIME_TIMESTAMP"));
    Some(Call {
        began_usec: began?,
        client: text("MODEMD_CLIENT").unwrap_or_default(),
        port: text("MODEMD_PORT").unwrap_or_default(),
        line: text("MODEMD_LINE").unwrap_or_default(),
        session: text("MODEMD_SESSION").unwrap_or_default(),
        direction: text("MODEMD_CALL").unwrap_or_default(),
        number: text("MODEMD_NUMBER"),
        rings: number("MODEMD_RINGS").unwrap_or(0),
        result: text("MODEMD_RESULT"),
        reason: text("MODEMD_REASON").unwrap_or_default(),
        why: text("MODEMD_WHY"),
        duration_usec: number("MODEMD_DURATION_USEC").unwrap_or(0),
        to_line: number("MODEMD_BYTES_TO_LINE").unwrap_or(0),
        to_client: number("MODEMD_BYTES_TO_CLIENT").unwrap_or(0),
    })
}

/// A field: text; octets, where it is not all printable; or several of these, where it is there several
/// times (journalctl(1), on `json`).
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let octet = |value: &Value| value.as_u64().and_then(|octet| octet.try_into().ok());
            match values.iter().map(octet).collect::<Option<Vec<u8>>>() {
                Some(octets) => Some(String::from_utf8_lossy(&octets).into_owned()),
                None => values.first().and_then(text),
            }
        }
        _ => None,
    }
}
