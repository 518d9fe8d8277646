//! One turn of a relay: what is ready is read, and goes on to where it belongs.

use std::io;

use nix::errno::Errno;
use socket2::Socket;
use tokio::io::Ready;
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::time::Instant;

use super::orders::ANSWERS;
use super::turn::{Read, rest};
use super::{End, Relay, client_lost, line_lost};
use crate::client::has_urgent_data;
use crate::ledger::Way;
use crate::line::{Line, Tty};

impl Relay<'_> {
    /// Tells whether there may be more to read.
    pub(super) fn client_turn(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
        line: &Line,
    ) -> Result<bool, End> {
        let mut ready = ready.map_err(client_lost)?;
        let socket = self.client.socket().get_ref();
        let priority = ready.ready().is_priority();
        let mut urgent = priority && has_urgent_data(socket);
        if urgent {
            self.synch(true);
        } else if priority {
            ready.clear_ready_matching(Ready::PRIORITY);
        }
        if !self.takes_data() || !ready.ready().is_readable() {
            return Ok(false);
        }
        self.begin(Way::ToLine);
        let turns = self.turns;
        let read = turns.read(socket, Way::ToLine, |bytes| self.hear(bytes, line));
        match read.map_err(client_lost)? {
            Read::End => {
                if let Some(error) = self.client_deaf.take() {
                    return Err(End::ClientLost(error));
                }
                self.client_closed = true;
                self.last_byte = Instant::now();
                Ok(false)
            }
            Read::Some { passed, more } => {
                passed?;
                // A read ends where urgent data begins.
                if urgent && !has_urgent_data(socket) {
                    urgent = false;
                    self.synch(false);
                }
                Ok(rest(&mut ready, more || urgent))
            }
            Read::Nothing => Ok(rest(&mut ready, false)),
        }
    }

    /// Octets of the client.
    pub(super) fn hear(&mut self, bytes: &[u8], line: &Line) -> Result<(), End> {
        self.begin_with(Way::ToLine, bytes.len());
        if self.interpreter.is_some() {
            self.interpret(bytes, line)
        } else {
            self.say(bytes, line)
        }
    }

    /// Data for the line.
    pub(super) fn say(&mut self, data: &[u8], line: &Line) -> Result<(), End> {
        self.last_byte = Instant::now();
        if self.attendant.is_some() {
            return self.attend_to_client(data, line);
        }
        self.pass_to_line(data, line)
    }

    pub(super) fn pass_to_line(&mut self, data: &[u8], line: &Line) -> Result<(), End> {
        self.overhear(Way::ToLine, data);
        let passed = self.to_line.pass(data, line.tty());
        passed.map_err(line_lost)
    }

    /// Tells whether there may be more to read.
    pub(super) fn line_turn(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Tty>>,
        line: &Line,
    ) -> Result<bool, End> {
        let mut ready = ready.map_err(line_lost)?;
        self.begin(Way::ToClient);
        let turns = self.turns;
        let read = turns.read(ready.get_inner(), Way::ToClient, |bytes| {
            self.begin_with(Way::ToClient, bytes.len());
            if self.attendant.is_some() {
                self.attend_to_modem(bytes, line)
            } else {
                self.pass_to_client(bytes)
            }
        });
        match read.map_err(line_lost)? {
            // A terminal has no end of file but the loss of its other side.
            Read::End => Err(End::LineLost(Errno::EIO.into())),
            Read::Some { passed, more } => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
                let more = rest(&mut ready, more);
                passed?;
                Ok(more)
            }
            Read::Nothing => Ok(rest(&mut ready, false)),
        }
    }

    /// Data for the client.
    pub(super) fn pass_to_client(&mut self, data: &[u8]) -> Result<(), End> {
        self.overhear(Way::ToClient, data);
        let client = self.client.socket();
        let passed = match (&self.client_deaf, &mut self.interpreter) {
            (Some(_), _) => Ok(()),
            (None, None) => self.to_client.pass(data, client),
            (None, Some(interpreter)) if interpreter.is_suspended() => {
                self.to_client.keep(&interpreter.translate(data));
                if self.to_client.kept() >= ANSWERS / 2 {
                    interpreter.resume();
                }
                Ok(())
            }
            (None, Some(interpreter)) => self.to_client.pass(&interpreter.translate(data), client),
        };
        passed.or_else(|error| self.deafened(error))
    }

    pub(super) fn kept_to_line(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Tty>>,
    ) -> Result<bool, End> {
        self.begin_kept(Way::ToLine);
        let written = ready.and_then(|mut ready| self.to_line.pass_kept(&mut ready));
        let written = written.map_err(line_lost)?;
        if written > 0 {
            self.last_byte = Instant::now();
            self.order_since = self.last_byte;
        }
        Ok(false)
    }

    pub(super) fn kept_to_client(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
    ) -> Result<bool, End> {
        self.begin_kept(Way::ToClient);
        match ready.and_then(|mut ready| self.to_client.pass_kept(&mut ready)) {
            Ok(0) => {}
            Ok(_) => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
            }
            Err(error) => self.deafened(error)?,
        }
        Ok(false)
    }

    /// The client takes nothing any more. What it sent before it left is still to be read.
    pub(super) fn deafened(&mut self, error: io::Error) -> Result<(), End> {
        self.to_client.forget();
        if self.client_closed {
            return Err(client_lost(error));
        }
        self.client_deaf = Some(error.into());
        Ok(())
    }
}
