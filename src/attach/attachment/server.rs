//! The way to the server, and what it says.

use std::io;

use tokio::time::Instant;

use super::{Attachment, Stage};
use crate::attach::connection::Connection;
use crate::attach::dial::{BackOff, Dial};
use crate::attach::far::Control;
use crate::attach::said;
use crate::com_port::{Setting, Told, modem_state};
use crate::config::LineSettings;

impl Attachment {
    pub(super) fn call(&mut self) {
        if self.dial.is_none() {
            match Dial::begin(&self.options.server) {
                Ok(dial) => self.dial = Some(dial),
                Err(error) => return self.retry(format!("it cannot be called: {error}")),
            }
        }
        self.enter(Stage::Calling);
    }

    /// The server has been called.
    pub(in crate::attach) fn called(&mut self) -> io::Result<()> {
        let Some(result) = self.dial.as_ref().and_then(Dial::result) else {
            return Ok(());
        };
        self.dial = None;
        match (&self.stage, result) {
            (Stage::Calling, Ok(socket)) => {
                let connection = Connection::new(socket, self.options.protocol);
                self.known.begin();
                self.enter(Stage::Connected(connection));
                self.look_for_line()?;
                self.move_on()
            }
            (Stage::Calling, Err(why)) => {
                self.retry(why);
                self.give_up_if_departed()
            }
            // Nobody wants it any more.
            _ => Ok(()),
        }
    }

    pub(super) fn retry(&mut self, why: String) {
        let wait = self.back_off.wait();
        if self.told.as_ref() != Some(&why) {
            let lost = if self.known.has_line {
                "connection lost"
            } else {
                "not connected"
            };
            self.warn(&format!("{lost}: {why}; trying again"));
            self.told = Some(why.clone());
        }
        self.why = Some(why);
        self.enter(Stage::Retrying(Instant::now() + wait));
    }

    /// Looks whether the server has given a line.
    pub(super) fn look_for_line(&mut self) -> io::Result<()> {
        let Stage::Connected(connection) = &mut self.stage else {
            return Ok(());
        };
        if !connection.has_line() {
            if let Some(words) = connection.words() {
                let words = format!("the server says: {words}");
                if self.why.as_ref() != Some(&words) {
                    said::info(&self.options.name, &words);
                    self.why = Some(words);
                }
            }
            return Ok(());
        }
        self.why = None;
        self.told = None;
        let mut text = format!("connected to {}", connection.peer());
        if connection.control() == Some(Control::Refused) {
            text += "; it takes no COM port commands: its line stays as it is";
        }
        self.device.catch_up()?;
        connection.set_up(self.device.wanted());
        self.known.has_line = true;
        self.since = Instant::now();
        self.info(&text);
        Ok(())
    }

    /// Something is to be had of the connection.
    pub(in crate::attach) fn hear_server(&mut self) -> io::Result<()> {
        let (Stage::Connected(connection) | Stage::Closing(connection)) = &mut self.stage else {
            return Ok(());
        };
        if !connection.listens() {
            return Ok(());
        }
        match connection.hear() {
            Ok(told) => {
                if !self.known.has_line {
                    self.look_for_line()?;
                }
                for told in told {
                    // One of them may have been the last of this connection.
                    if self.known.has_line {
                        self.take_notice(told)?;
                    }
                }
                self.move_on()
            }
            Err(error) => self.lose(&error),
        }
    }

    pub(super) fn take_notice(&mut self, told: Told) -> io::Result<()> {
        match told {
            Told::InForce(setting) => {
                self.known.take(setting);
                if let Some(line) = self.options.line
                    && refuses(line, setting)
                {
                    self.warn(&format!("the line cannot be set to {line}"));
                }
                self.device.show(setting)
            }
            Told::Signals(bits) => {
                let had_carrier = self.known.has(modem_state::CARRIER);
                self.known.signals = Some(bits);
                let is_used = matches!(self.stage, Stage::Connected(_));
                let is_lost = had_carrier && !self.known.has(modem_state::CARRIER);
                if is_used && is_lost && self.device.minds_carrier() {
                    return self.hang_up("the modem has lost carrier");
                }
                Ok(())
            }
            Told::Suspend | Told::Resume => Ok(()),
        }
    }

    /// Whoever has the device open is hung up.
    pub(super) fn hang_up(&mut self, why: &str) -> io::Result<()> {
        self.info(&format!("hung up: {why}"));
        self.device.hang_up()?;
        if self.device.link().is_none() {
            let path = self.device.path().display();
            self.info(&format!("the device is now {path}"));
        }
        self.release()
    }

    /// The connection has failed.
    pub(super) fn lose(&mut self, error: &io::Error) -> io::Result<()> {
        let words = match &self.stage {
            Stage::Connected(connection) => connection.words(),
            _ => None,
        };
        let why = match words {
            Some(words) => format!("the server says: {words}"),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the server has closed the connection".to_owned()
            }
            None => format!("the connection is lost: {error}"),
        };
        self.lost(why)
    }

    pub(super) fn lost(&mut self, why: String) -> io::Result<()> {
        let had_line = self.known.has_line;
        if had_line && self.since.elapsed() >= BackOff::LONGEST {
            self.back_off = BackOff::new();
        }
        if matches!(self.stage, Stage::Closing(_)) {
            return self.release();
        }
        self.device.look()?;
        if had_line && self.departed.is_none() && self.device.minds_carrier() {
            self.why = Some(why.clone());
            return self.hang_up(&why);
        }
        self.retry(why);
        self.known.end();
        self.give_up_if_departed()
    }
}

/// Whether something else is in force than what a program has no way to see.
fn refuses(line: LineSettings, in_force: Setting) -> bool {
    match in_force {
        Setting::DataBits(bits) => bits != line.data_bits,
        Setting::Parity(parity) => parity != line.parity,
        _ => false,
    }
}
