//! Moments as the clock on the wall has them.

use std::mem::MaybeUninit;

use nix::libc;

/// `2026-11-21 14:03:22`
pub(super) fn date_and_time(usec: u64) -> String {
    let tm = local(usec);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}

/// `14:03:22.123`
pub(super) fn time(usec: u64) -> String {
    let tm = local(usec);
    let milliseconds = usec / 1000 % 1000;
    format!(
        "{:02}:{:02}:{:02}.{milliseconds:03}",
        tm.tm_hour, tm.tm_min, tm.tm_sec
    )
}

fn local(usec: u64) -> libc::tm {
    // What modemd says may be anything; these are years of four digits (9999-12-31).
    let seconds = (usec / 1_000_000).min(253_402_300_799 - 86_400);
    let seconds = libc::time_t::try_from(seconds).unwrap_or(0);
    let mut tm = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to what they are to point to, and all zeros are a valid `tm` if nothing is
    // written.
    #[allow(unsafe_code)]
    unsafe {
        libc::localtime_r(&raw const seconds, tm.as_mut_ptr());
        tm.assume_init()
    }
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
