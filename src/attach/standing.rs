//! How it stands, for those who ask.

use std::fmt;

use tokio::time::Instant;

use super::attachment::{Attachment, Stage};
use super::interface::{Attached, Signals, State};
use crate::com_port::{Setting, modem_state};
use crate::config::{DataBits, Flow, LineSettings, Parity, StopBits};

/// What is known of the line, and what went over it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The server has given one.
    pub(super) has_line: bool,
    since: Option<Instant>,
    /// Over all connections.
    pub(super) to_line: u64,
    pub(super) to_program: u64,
    /// Before this one.
    before: (u64, u64),
    /// In the bits of [`modem_state`].
    pub(super) signals: Option<u8>,
    baud: Option<u32>,
    data_bits: Option<DataBits>,
    parity: Option<Parity>,
    stop_bits: Option<StopBits>,
    flow: Option<Flow>,
}

impl Known {
    /// There is a connection.
    pub(super) fn begin(&mut self) {
        self.since = Some(Instant::now());
        self.before = (self.to_line, self.to_program);
    }

    /// There is none any more.
    pub(super) fn end(&mut self) {
        *self = Known {
            to_line: self.to_line,
            to_program: self.to_program,
            ..Known::default()
        };
    }

    /// For how many seconds there was a connection, and how much has gone over it either way.
    pub(super) fn so_far(&self) -> (u64, u64, u64) {
        let seconds = self.since.map_or(0, |since| since.elapsed().as_secs());
        let (to_line, to_program) = self.before;
        (
            seconds,
            self.to_line - to_line,
            self.to_program - to_program,
        )
    }

    /// This is in force.
    pub(super) fn take(&mut self, setting: Setting) {
        match setting {
            Setting::Baud(baud) => self.baud = Some(baud),
            Setting::DataBits(bits) => self.data_bits = Some(bits),
            Setting::Parity(parity) => self.parity = Some(parity),
            Setting::StopBits(bits) => self.stop_bits = Some(bits),
            Setting::Flow(flow) => self.flow = Some(flow),
            Setting::InboundFlow(_) | Setting::Break(_) | Setting::Dtr(_) | Setting::Rts(_) => {}
        }
    }

    /// Whether a signal is known to be on.
    pub(super) fn has(&self, signal: u8) -> bool {
        self.signals.is_some_and(|bits| bits & signal != 0)
    }

    fn settings(&self) -> Option<LineSettings> {
        Some(LineSettings {
            baud: self.baud?,
            data_bits: self.data_bits?,
            parity: self.parity?,
            stop_bits: self.stop_bits?,
            flow: self.flow.unwrap_or(Flow::None),
        })
    }
}

/// How it stands, in words.
pub(super) struct Standing<'a>(&'a Attachment, State);

impl<'a> Standing<'a> {
    pub(super) fn of(attachment: &'a Attachment) -> Standing<'a> {
        let state = match &attachment.stage {
            Stage::Closed => State::Closed,
            Stage::Calling => State::Calling,
            Stage::Retrying(_) => State::Retrying,
            Stage::Connected(connection) if !connection.has_line() => State::Waiting,
            Stage::Connected(_) => State::Connected,
            Stage::Closing(_) => State::Closing,
        };
        Standing(attachment, state)
    }

    /// The same for programs.
    pub(super) fn attached(&self) -> Attached {
        let Standing(of, state) = self;
        let known = &of.known;
        let peer = match &of.stage {
            Stage::Connected(connection) | Stage::Closing(connection) => Some(connection.peer()),
            _ => None,
        };
        let age = of.since.elapsed().as_micros();
        Attached {
            name: of.options.name.clone(),
            server: of.options.server.to_string(),
            protocol: of.options.protocol.into(),
            link: of.device.link().map(|link| link.display().to_string()),
            device: of.device.pty().path().display().to_string(),
            state: *state,
            age_usec: u64::try_from(age).unwrap_or(u64::MAX),
            why: of.why.clone(),
            peer: peer.map(str::to_owned),
            to_line: known.to_line,
            to_program: known.to_program,
            settings: known.settings().map(|settings| settings.to_string()),
            signals: known.signals.map(|_| Signals {
                cts: known.has(modem_state::CTS),
                dsr: known.has(modem_state::DSR),
                dcd: known.has(modem_state::CARRIER),
                ri: known.has(modem_state::RING),
            }),
            pid: std::process::id(),
        }
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing(of, state) = self;
        let server = &of.options.server;
        match state {
            State::Closed => f.write_str("no program has it open")?,
            State::Calling => write!(f, "calling {server}")?,
            State::Retrying => write!(f, "{server} is called again soon")?,
            State::Waiting => write!(f, "{server} has not given a line yet")?,
            State::Connected => return write!(f, "connected to {server}"),
            State::Closing => return write!(f, "{server} takes what a program has left behind"),
        }
        match &of.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}
