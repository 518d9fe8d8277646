//! Where one message ends and the next begins.

use memchr::memchr;
use serde::Serialize;

/// What ends a message; JSON text has none.
const END: u8 = 0;

/// The most octets of one message that are kept.
pub const LONGEST: usize = 16 * 1024 * 1024;

/// A message is longer than any that makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {0} octets")]
pub struct TooLong(usize);

/// A message as it goes over the wire.
///
/// # Panics
///
/// If `message` cannot be written as JSON, as maps with keys that are no strings cannot.
#[must_use]
pub fn frame(message: &impl Serialize) -> Vec<u8> {
    let mut octets = serde_json::to_vec(message).expect("a message is plain data");
    octets.push(END);
    octets
}

/// Messages in the octets of a connection, however these come in.
#[derive(Debug)]
pub struct Frames {
    longest: usize,
    octets: Vec<u8>,
    /// How many of them are known not to end a message.
    searched: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Frames::up_to(LONGEST)
    }
}

impl Frames {
    /// Messages of up to so many octets.
    #[must_use]
    pub fn up_to(longest: usize) -> Self {
        Frames {
            longest,
            octets: Vec::new(),
            searched: 0,
        }
    }

    /// More octets have come in.
    pub fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// How many octets have come in and were not taken out.
    #[must_use]
    pub fn held(&self) -> usize {
        self.octets.len()
    }

    /// The next message that is there as a whole. After an error there is nothing more to be had of the
    /// connection.
    #[expect(clippy::should_implement_trait, reason = "it is fed in between")]
    pub fn next(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        match memchr(END, &self.octets[self.searched..]) {
            Some(at) if self.searched + at <= self.longest => {
                let rest = self.octets.split_off(self.searched + at + 1);
                let mut message = std::mem::replace(&mut self.octets, rest);
                message.pop();
                self.searched = 0;
                Some(Ok(message))
            }
            None if self.octets.len() <= self.longest => {
                self.searched = self.octets.len();
                None
            }
            Some(_) | None => Some(Err(TooLong(self.longest))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_that_does_not_end_is_given_up() {
        let mut frames = Frames::up_to(4);
        frames.feed(b"1234\0");
        assert_eq!(frames.next(), Some(Ok(b"1234".to_vec())));
        frames.feed(b"1234");
        assert_eq!(frames.next(), None);
        frames.feed(b"5");
        assert_eq!(frames.next(), Some(Err(TooLong(4))));
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_they_come_in(
            messages in prop::collection::vec(prop::collection::vec(1..=u8::MAX, 0..40), 0..8),
            piece in 1..20_usize,
        ) {
            let mut wire = Vec::new();
            for message in &messages {
                wire.extend_from_slice(message);
                wire.push(END);
            }
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for octets in wire.chunks(piece) {
                frames.feed(octets);
                while let Some(message) = frames.next() {
                    got.push(message.unwrap());
                }
            }
            prop_assert_eq!(got, messages);
        }
    }
}
