//! What the interface `io.modemd` speaks of. The meaning of each field stands in its text,
//! [`DESCRIPTION`].

#![allow(
    missing_docs,
    reason = "the interface's own text has a sentence for each field, and a test that none is missing"
)]

use serde::{Deserialize, Serialize};

pub use crate::events::Event;

/// The interface's name.
pub const NAME: &str = "io.modemd";

/// The interface in the language of Varlink, each field with its meaning.
pub const DESCRIPTION: &str = include_str!("io.modemd.varlink");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub name: String,
    pub protocol: Protocol,
    pub instance: Instance,
    pub listen: Vec<String>,
    pub lines: Vec<String>,
    pub settings: String,
    pub queues: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Raw,
    Telnet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instance {
    Shared,
    PerConnection,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub line: String,
    pub ports: Vec<String>,
    pub state: LineState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    pub drained: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    pub why: String,
    pub until_usec: u64,
    pub left_usec: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Free,
    InUse,
    Held,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wire")]
pub struct Signals {
    pub dtr: bool,
    pub rts: bool,
    pub cts: bool,
    pub dsr: bool,
    pub dcd: bool,
    pub ri: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    pub framing: u64,
    pub parity: u64,
    pub overrun: u64,
    pub breaks: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub session: String,
    pub port: String,
    pub client: String,
    pub state: SessionState,
    pub since_usec: u64,
    pub age_usec: u64,
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_client: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_to_line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_to_client: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_usec: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<Signals>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Errors>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Arrived,
    Waiting,
    Serving,
    Ending,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounts {
    pub port: String,
    pub denied: u64,
    pub busy: u64,
    pub broken: u64,
    pub waits: u64,
    pub waited_usec: u64,
    pub gave_up: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    pub port: String,
    pub line: String,
    pub sessions: u64,
    pub in_use_usec: u64,
    pub to_line: u64,
    pub to_client: u64,
    pub framing: u64,
    pub parity: u64,
    pub overrun: u64,
    pub breaks: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub time_usec: u64,
    pub way: Way,
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
    pub missed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    ToLine,
    ToClient,
}

/// What `HangUp` and `WatchSession` are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfSession {
    pub session: String,
}

/// What `Drain` and `Resume` are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfLine {
    pub line: String,
}

/// What `Describe` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub version: String,
    pub pid: u32,
    pub problems: Vec<String>,
}

/// What `ListPorts` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    pub ports: Vec<Port>,
}

/// What `ListLines` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    pub lines: Vec<Line>,
}

/// What `ListSessions` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    pub sessions: Vec<Session>,
}

/// What `GetCounts` gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub ports: Vec<PortCounts>,
    pub lines: Vec<LineCounts>,
}

/// What `WatchEvents` gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    pub missed: u64,
}

/// What `WatchSession` gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overheard {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}
