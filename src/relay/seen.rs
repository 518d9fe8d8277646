//! What is seen of a relay, and done to it, from outside.

use tokio::time::Instant;

use super::mailbox::Request;
use super::{End, Moved, Relay};
use crate::ledger::Way;
use crate::line::Line;

impl Relay<'_> {
    /// How many bytes went where.
    #[must_use]
    pub fn moved(&self) -> Moved {
        Moved {
            to_line: self.to_line.moved,
            to_client: match &self.interpreter {
                None => self.to_client.moved,
                Some(interpreter) => interpreter.translated(),
            },
        }
    }

    /// How many octets the line, and the client, has not taken yet.
    #[must_use]
    pub fn kept(&self) -> [usize; 2] {
        [
            self.to_line.kept() + self.undecoded.len(),
            self.to_client.kept(),
        ]
    }

    /// When something moved last.
    #[must_use]
    pub fn last_byte(&self) -> Instant {
        self.last_byte
    }

    /// Does what was asked for.
    pub(super) fn attend(
        &mut self,
        request: Request,
        line: &Line,
        show: &mut impl FnMut(&Relay<'_>, &Line),
    ) -> Result<(), End> {
        match request {
            Request::Look(_asked) => show(self, line),
            Request::HangUp => return Err(End::HungUp),
            Request::Listen(tap, _asked) => self.taps.push(tap),
        }
        Ok(())
    }

    /// Octets go by; who listens in hears them.
    pub(super) fn overhear(&mut self, way: Way, octets: &[u8]) {
        if !self.taps.is_empty() {
            self.taps.retain(|tap| tap.pass(way, octets));
        }
    }
}
