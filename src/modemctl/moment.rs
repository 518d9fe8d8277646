//! Moments as the clock on the wall has them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// `2026-11-21 14:03:22`
pub(super) fn date_and_time(usec: u64) -> String {
    local(usec).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `14:03:22.123`
pub(super) fn time(usec: u64) -> String {
    local(usec).strftime("%H:%M:%S%.3f").to_string()
}

/// What modemd says may be anything, also a moment that no calendar has.
fn local(usec: u64) -> Zoned {
    let usec = i64::try_from(usec).unwrap_or(i64::MAX);
    let moment = Timestamp::from_microsecond(usec).unwrap_or(Timestamp::MAX);
    moment.to_zoned(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_moment_has_a_name_of_the_same_width() {
        for usec in [0, 1_795_000_000_123_456, u64::MAX] {
            assert_eq!(date_and_time(usec).len(), "2026-11-21 14:03:22".len());
            assert_eq!(time(usec).len(), "14:03:22.123".len());
        }
        assert!(time(1_795_000_000_123_456).ends_with(".123"));
    }
}
