//! What answers at the numbers that are no modem: an echo, the time, a greeting.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes a service keeps before it stops listening.
const CAPACITY: usize = 8 * 1024;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Sends back every byte.
    Echo,
    /// Tells the time and hangs up, as RFC 867 does on port 13.
    Time,
    /// Says where the caller is and what else can be dialled, and hangs up.
    Greeting,
}

/// One service in one call.
#[derive(Debug)]
pub struct Service {
    kind: ServiceKind,
    to_say: VecDeque<u8>,
}

impl Service {
    /// Picks up the receiver at this time of day.
    #[must_use]
    pub fn answer(kind: ServiceKind, time: SystemTime) -> Self {
        let text = match kind {
            ServiceKind::Echo => String::new(),
            ServiceKind::Time => format!("{}\r\n", utc(time)),
            ServiceKind::Greeting => concat!(
                "Welcome to modemd's telephone exchange.\r\n",
                "5551001 and up: emulated modems   5552001: echo   5552002: time\r\n",
                "5552004: always busy   5552005: never answers\r\n",
            )
            .into(),
        };
        Self {
            kind,
            to_say: text.into_bytes().into(),
        }
    }

    /// Takes what the caller says and returns how many bytes of it; the rest is to be said again
    /// once the caller has listened.
    pub fn listen(&mut self, data: &[u8]) -> usize {
        match self.kind {
            ServiceKind::Echo => {
                let taken = data.len().min(CAPACITY.saturating_sub(self.to_say.len()));
                self.to_say.extend(&data[..taken]);
                taken
            }
            ServiceKind::Time | ServiceKind::Greeting => data.len(),
        }
    }

    /// What it says next; empty for nothing.
    #[must_use]
    pub fn saying(&self) -> &[u8] {
        self.to_say.as_slices().0
    }

    /// The caller has heard the first `count` bytes of [`Self::saying`].
    pub fn said(&mut self, count: usize) {
        self.to_say.drain(..count.min(self.to_say.len()));
    }

    /// True once it has said all it has to say and hangs up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.kind != ServiceKind::Echo && self.to_say.is_empty()
    }
}

/// The time as `2026-11-20 13:56:43 UTC`.
pub(super) fn utc(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The Gregorian calendar repeats every 400 years, 146,097 days; counting years from 1 March
    // puts the leap day last, so that month lengths follow one pattern (153 days in 5 months).
    let day_of_era = (days + 719_468) % 146_097;
    let era = (days + 719_468) / 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_is_right_around_leap_days_and_centuries() {
        // Each from `date -u -d @SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_795_182_203, "2026-11-20 13:43:23 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_echo_stops_listening_when_it_is_not_heard() {
        let mut echo = Service::answer(ServiceKind::Echo, UNIX_EPOCH);
        let data = vec![7; 2 * CAPACITY];
        assert_eq!(echo.listen(&data), CAPACITY);
        assert_eq!(echo.listen(&data), 0);
        echo.said(10);
        assert_eq!(echo.listen(&data), 10);
        assert!(!echo.is_done());
    }

    #[test]
    fn time_and_greeting_end_when_said() {
        for kind in [ServiceKind::Time, ServiceKind::Greeting] {
            let mut service = Service::answer(kind, UNIX_EPOCH);
            assert!(!service.is_done());
            service.said(service.saying().len());
            assert!(service.is_done());
        }
    }
}
