//! What an observer has heard last, and does without in another process.

use std::time::Instant;

use crate::at::response::Responses;
use crate::call::CallEvent;

/// More than the longest words that end a call, and a `RING`, together.
const TAIL: usize = 24;

/// Octets kept of what follows `+++`: a command line, if there is one.
pub(super) const TYPED: usize = 256;

/// What another process does without: what is half said, and moments of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Passing {
    pub(super) responses: Responses,
    /// A command line was not answered yet.
    pub(super) awaits: bool,
    pub(super) last_ring: Option<Instant>,
    /// The last octets of the modem's in data state.
    tail: [u8; TAIL],
    /// How many escape characters the client has just sent, 3 at most.
    escapes: u8,
    /// What it has sent since the third.
    pub(super) typed: Option<Vec<u8>>,
    pub(super) events: Vec<CallEvent>,
}

/// Nothing that would have to be written down again.
impl PartialEq for Passing {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Passing {}

impl Passing {
    /// Data state begins, or goes on.
    pub(super) fn go_online(&mut self) {
        self.tail = [0; TAIL];
        self.escapes = 0;
        self.typed = None;
    }

    /// Looks for the escape in what the client sends to the far side. Whether the modem took it for one, with
    /// whatever guard time it has, its OK will tell.
    pub(super) fn watch(&mut self, data: &[u8]) {
        let last = data.len().saturating_sub(TYPED + 3);
        if last > 0 {
            self.escapes = 0;
            self.typed = None;
        }
        for octet in &data[last..] {
            let octet = octet & 0x7f;
            self.escapes = if octet == b'+' {
                (self.escapes + 1).min(3)
            } else {
                0
            };
            if self.escapes == 3 {
                self.typed = Some(Vec::new());
            } else if let Some(typed) = &mut self.typed {
                typed.push(octet);
                if typed.len() > TYPED {
                    self.typed = None;
                }
            }
        }
    }

    /// Keeps the last octets of the modem's, and returns them with seven bits.
    pub(super) fn keep(&mut self, data: &[u8]) -> [u8; TAIL] {
        let new = &data[data.len().saturating_sub(TAIL)..];
        self.tail.rotate_left(new.len());
        self.tail[TAIL - new.len()..].copy_from_slice(new);
        self.tail.map(|octet| octet & 0x7f)
    }
}
