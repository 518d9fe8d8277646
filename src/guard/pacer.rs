//! Escape characters that are no escape, because there is silence between them.

use std::time::{Duration, Instant};

use super::setup::silence;
use crate::at::escape::EscapeWatch;

/// Keeps the escape characters apart for a modem that cannot switch the escape off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    guard_time: Duration,
    watch: EscapeWatch,
}

impl Pacer {
    pub(super) fn new(guard_time: Duration, now: Instant) -> Self {
        Pacer {
            guard_time,
            watch: EscapeWatch::new(now),
        }
    }

    /// How many octets can be sent now. The rest has to wait until it has been silent for [`Self::silence`].
    pub(super) fn pass(&mut self, data: &[u8], now: Instant) -> usize {
        const LENGTH: usize = 3;
        let see = |watch: &mut EscapeWatch, data: &[u8]| {
            let mut short = [0; LENGTH];
            if data.len() > LENGTH {
                return watch.data(data, None, self.guard_time, now);
            }
            // A modem may look at seven bits.
            for (octet, of) in short.iter_mut().zip(data) {
                *octet = of & 0x7f;
            }
            watch.data(&short[..data.len()], Some(b'+'), self.guard_time, now);
        };
        let mut next = self.watch;
        see(&mut next, data);
        let mut count = data.len();
        if next.due(self.guard_time).is_some() {
            count -= 1;
            next = self.watch;
            see(&mut next, &data[..count]);
        }
        self.watch = next;
        count
    }

    /// How long.
    pub(super) fn silence(&self) -> Duration {
        silence(self.guard_time)
    }
}
