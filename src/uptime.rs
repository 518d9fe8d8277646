//! The clock that nobody sets.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The time since the machine started, as `std::time::Instant` has it too: the same in all processes,
/// and before and after a restart of ours.
#[must_use]
pub fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
