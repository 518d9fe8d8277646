//! Numbers as people read them.

/// So many bytes, in at most eight columns.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // In tenths, so that no rounding shows 1024.0.
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 {
        tenths /= 1024;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths < 1000 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// Bytes per second, in at most four columns.
pub(super) fn rate(count: u64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if count < 1000 {
        return count.to_string();
    }
    let mut tenths = count / 100;
    let mut unit = 0;
    while tenths >= 10_000 {
        tenths /= 1000;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths < 100 {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}{unit}", tenths / 10)
    }
}

/// How long something has lasted, in its two largest units.
pub(super) fn age(usec: u64) -> String {
    let seconds = usec / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}min {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}min", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// `1 line`, `2 lines`
pub(super) fn count(number: usize, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_well() {
        let shown = [0, 1023, 1024, 1536, 102_399, 102_400, 1 << 20, u64::MAX].map(bytes);
        assert_eq!(
            shown.join(", "),
            "0 B, 1023 B, 1.0 KiB, 1.5 KiB, 99.9 KiB, 100 KiB, 1.0 MiB, 15.9 EiB"
        );
        let shown = [0, 999, 1000, 9_999, 11_520, 999_999, u64::MAX].map(rate);
        assert_eq!(shown.join(", "), "0, 999, 1.0K, 9.9K, 11K, 999K, 18E");
        let shown = [0, 59, 60, 3_599, 3_600, 4_380, 86_399, 86_400, 1_000_000];
        let shown = shown.map(|seconds| age(seconds * 1_000_000));
        assert_eq!(
            shown.join(", "),
            "0s, 59s, 1min 0s, 59min 59s, 1h 0min, 1h 13min, 23h 59min, 1d 0h, 11d 13h"
        );
    }

    proptest! {
        #[test]
        fn no_number_is_wider_than_its_column(number: u64) {
            prop_assert!(bytes(number).len() <= 8);
            prop_assert!(rate(number).len() <= 4);
            let century = 100 * 366 * 86_400 * 1_000_000;
            prop_assert!(age(number % century).len() <= 10);
        }
    }
}
