//! What the interface `io.modemd.Attach` speaks of. The meaning of each field stands in its text,
//! [`DESCRIPTION`].

#![allow(
    missing_docs,
    reason = "the interface's own text has a sentence for each field, and a test that none is missing"
)]

use serde::{Deserialize, Serialize};

pub use crate::control::interface::Protocol;

/// The interface's name.
pub const NAME: &str = "io.modemd.Attach";

/// The interface in the language of Varlink, each field with its meaning.
pub const DESCRIPTION: &str = include_str!("io.modemd.Attach.varlink");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub name: String,
    pub server: String,
    pub protocol: Protocol,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    pub device: String,
    pub state: State,
    pub age_usec: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    pub to_line: u64,
    pub to_program: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<Signals>,
    pub pid: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Closed,
    Calling,
    Retrying,
    Waiting,
    Connected,
    Closing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wire")]
pub struct Signals {
    pub cts: bool,
    pub dsr: bool,
    pub dcd: bool,
    pub ri: bool,
}

/// What `Describe` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub attached: Attached,
}

/// What `SendBreak` is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    pub msec: u16,
}
