//! A machine's clocks: a monotonic one that may run fast or slow, and one on the wall that anybody may set.
//!
//! Deliberately never read by the world itself: the world's own time is the truth that checks go by.

use std::time::Duration;

use crate::model::time::Timestamp;

/// The wall's time when the world begins: 2026-01-01 00:00 UTC. Units: milliseconds since 1970.
pub(in crate::sim) const WALL_START_MS: u64 = 1_767_225_600_000;

/// The rate of a good clock. Units: its own microseconds in a true second.
pub const TRUE_RATE: u64 = 1_000_000;

/// One machine's clocks.
#[derive(Debug, Clone, Copy)]
pub(in crate::sim) struct Clock {
    rate: u64,
    /// An instant of the world, and what the clock showed then.
    anchor: (Timestamp, u64),
    wall_shift_ms: i64,
}

impl Clock {
    /// Gives a good clock that showed `local` when the world began.
    pub(in crate::sim) fn new(local: u64) -> Self {
        Self { rate: TRUE_RATE, anchor: (Timestamp(0), local), wall_shift_ms: 0 }
    }

    /// Gives what the monotonic clock shows at an instant of the world.
    pub(in crate::sim) fn local(&self, world: Timestamp) -> Timestamp {
        let passed = world.0.saturating_sub(self.anchor.0.0);
        Timestamp(self.anchor.1.saturating_add(scaled(passed, self.rate, TRUE_RATE)))
    }

    /// Gives how long the world takes while this clock counts `span`, and never less than a microsecond.
    pub(in crate::sim) fn worldly(&self, span: Duration) -> Duration {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(scaled(micros, TRUE_RATE, self.rate).max(1))
    }

    /// Gives what the clock on the wall shows.
    pub(in crate::sim) fn wall_ms(&self, world: Timestamp) -> u64 {
        WALL_START_MS.saturating_add(world.0 / 1000).saturating_add_signed(self.wall_shift_ms)
    }

    /// Lets the monotonic clock run at another rate from now on. Units: its microseconds in a true second.
    pub(in crate::sim) fn run_at(&mut self, world: Timestamp, rate: u64) {
        self.anchor = (world, self.local(world).0);
        self.rate = rate.clamp(TRUE_RATE / 2, TRUE_RATE * 2);
    }

    /// Sets the clock on the wall. Units: milliseconds, to and fro.
    pub(in crate::sim) fn jump(&mut self, by_ms: i64) {
        self.wall_shift_ms = self.wall_shift_ms.saturating_add(by_ms);
    }
}

fn scaled(value: u64, by: u64, over: u64) -> u64 {
    if by == over {
        return value;
    }
    let wide = u128::from(value).saturating_mul(u128::from(by));
    u64::try_from(wide.checked_div(u128::from(over)).unwrap_or(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_counts_more_and_waits_less() {
        let mut clock = Clock::new(100);
        clock.run_at(Timestamp(1_000_000), 1_100_000);
        assert_eq!(clock.local(Timestamp(2_000_000)), Timestamp(100 + 1_000_000 + 1_100_000));
        assert_eq!(clock.worldly(Duration::from_millis(110)), Duration::from_millis(100));
    }

    #[test]
    fn a_jump_on_the_wall_moves_nothing_else() {
        let mut clock = Clock::new(0);
        let before = clock.local(Timestamp(5));
        clock.jump(-86_400_000);
        assert_eq!(clock.local(Timestamp(5)), before);
        assert_eq!(clock.wall_ms(Timestamp(0)), WALL_START_MS - 86_400_000);
    }
}
