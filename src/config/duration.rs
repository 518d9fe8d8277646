//! `30s`, `5min`, `1min 30s`: a subset of systemd.time(7).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::{Mistake, quoted};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Far beyond any use, and far below what timers and kernels overflow at.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Each unit in milliseconds, longest first, under the name it is displayed with and the others
/// that systemd.time(7) has for it.
const UNITS: [(u64, &str, &[&str]); 5] = [
    (86_400_000, "d", &["day", "days"]),
    (3_600_000, "h", &["hr", "hour", "hours"]),
    (60_000, "min", &["m", "minute", "minutes"]),
    (1_000, "s", &["sec", "second", "seconds"]),
    (1, "ms", &["msec"]),
];

/// Reads one or several whole numbers, each with its unit: `500ms`, `30s`, `5min`, `2h`, `1d`,
/// `1min 30s`. At most 365 days.
pub fn parse_duration(text: &str) -> Result<Duration, Mistake> {
    let wrong = |message: String| {
        Mistake::new(
            message,
            "write a number and its unit, for example `30s`, `5min` or `1min 30s`",
        )
    };
    let no_duration = || wrong(format!("{} is no duration", quoted(text)));
    let mut sum = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(no_duration());
    }
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_ascii_alphabetic());
        if digits.is_empty() {
            return Err(no_duration());
        }
        if unit.is_empty() {
            return Err(if after.is_empty() {
                let message = format!("{} has no unit", quoted(text));
                Mistake::new(
                    message,
                    format!("write `{text}s` for seconds, `{text}min` for minutes"),
                )
            } else {
                no_duration()
            });
        }
        let Some((milliseconds, ..)) = UNITS
            .iter()
            .find(|(_, name, others)| *name == unit || others.contains(&unit))
        else {
            let message = format!("{} is not a unit of time", quoted(unit));
            return Err(Mistake::new(message, "the units are ms, s, min, h and d"));
        };
        let part = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*milliseconds))
            .map(Duration::from_millis);
        sum = match part.and_then(|part| sum.checked_add(part)) {
            Some(sum) if sum <= LONGEST => sum,
            _ => {
                let message = format!("{} is longer than a year", quoted(text));
                return Err(Mistake::new(message, "write at most `365d`"));
            }
        };
        rest = after.trim_start();
    }
    Ok(sum)
}

/// Reads a duration that makes sense for a setting.
pub(super) fn parse_within(
    text: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Mistake> {
    let duration = parse_duration(text)?;
    let (least, most) = (
        display_duration(*range.start()),
        display_duration(*range.end()),
    );
    if duration < *range.start() {
        let message = format!("{} is too short here", quoted(text));
        return Err(Mistake::new(
            message,
            format!("write at least `{least}`, or leave the key out"),
        ));
    }
    if duration > *range.end() {
        let message = format!("{} is too long here", quoted(text));
        return Err(Mistake::new(message, format!("write at most `{most}`")));
    }
    Ok(duration)
}

/// Writes a duration so that [`parse_duration`] reads it back, to the millisecond.
#[must_use]
pub fn display_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (milliseconds, name, _) in UNITS {
        let count = rest / u128::from(milliseconds);
        rest %= u128::from(milliseconds);
        if count > 0 {
            parts.push(format!("{count}{name}"));
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

/// `text` cut before the first character that is `beyond` the first piece.
fn split_where(text: &str, beyond: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(beyond).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_displayed_reads_back_the_same(ms in 0..=365 * 86_400_000_u64) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&display_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*|[0-9 dhmins]{0,40}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= LONGEST);
                prop_assert_eq!(parse_duration(&display_duration(duration)), Ok(duration));
            }
        }
    }

    #[test]
    fn durations_read_as_systemd_reads_them() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5min", 300_000),
            ("5 minutes", 300_000),
            ("5m", 300_000),
            ("1min 30s", 90_000),
            ("1h30min", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_told_to_take_a_unit() {
        assert_eq!(
            parse_duration("60").unwrap_err().to_string(),
            "`60` has no unit: write `60s` for seconds, `60min` for minutes"
        );
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "",
            " ",
            "s",
            "-5s",
            "1.5h",
            "5 parsecs",
            "1M",
            "366d",
            "5s 3",
            "1e3s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
