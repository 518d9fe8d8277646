//! Escape characters that are no escape, because there is silence between them.

use std::time::{Duration, Instant};

use crate::at::escape::EscapeWatch;

/// Keeps the escape characters apart for a modem that cannot switch the escape off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    guard_time: Duration,
    watch: EscapeWatch,
    last_sent: Instant,
}

impl Pacer {
    pub(super) fn new(guard_time: Duration, now: Instant) -> Self {
        Pacer {
            guard_time,
            watch: EscapeWatch::new(now),
            last_sent: now,
        }
    }

    /// How many octets can be sent now, and until when the next one has to wait.
    pub(super) fn pass(&mut self, data: &[u8], now: Instant) -> (usize, Option<Instant>) {
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
        let (count, until) = if next.due(self.guard_time).is_some() {
            let count = data.len() - 1;
            next = self.watch;
            see(&mut next, &data[..count]);
            let since = if count > 0 { now } else { self.last_sent };
            (count, Some(since + self.guard_time + self.guard_time / 4))
        } else {
            (data.len(), None)
        };
        self.watch = next;
        if count > 0 {
            self.last_sent = now;
        }
        (count, until)
    }
}
