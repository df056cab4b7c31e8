//! The clock of the border: the one place of the adapters that asks the machine what time it is.
//!
//! Nothing below floor 4 may call it; there, `now` is an argument.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::model::time::Timestamp;

/// Gives the present instant of the process's monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the border has to ask somewhere; everything above and below calls this")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Gives the wall time as milliseconds since 1970-01-01 UTC; annotation only, no decision reads it.
#[expect(clippy::disallowed_methods, reason = "wall time annotates records; this is the one place that reads it")]
#[must_use]
pub fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Gives the present as decisions count it: since the machine booted, time spent suspended included.
///
/// Units: microseconds. Why the boot clock: a machine that was suspended must not believe that its facts are fresh or
/// its intents still valid. Without that clock, which every Linux since 2.6.39 has, this is the start of time.
#[must_use]
pub fn timestamp() -> Timestamp {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Timestamp::default().plus(since_boot)
}

/// Gives an instant of the process's clock as decisions count it.
#[must_use]
pub fn timestamp_of(instant: Instant) -> Timestamp {
    let age = now().saturating_duration_since(instant);
    timestamp().minus(age)
}
