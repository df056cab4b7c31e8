//! How many requests one broker gets from this node: a bucket of tokens, refilled evenly.
//!
//! Pings and looks that were asked for always pass, and count; what merely keeps a picture fresh waits when the bucket
//! is low. The pretended probe keeps the same one.

use std::time::Duration;

use crate::model::time::Timestamp;

/// Units: requests a second, and the size of the bucket.
const REQUESTS_PER_SECOND: u32 = 8;
/// Routine requests leave this many for those that cannot wait.
const RESERVED: Duration = TOKEN.saturating_mul(2);
/// The time in which one request is earned.
const TOKEN: Duration = Duration::from_millis(1_000 / REQUESTS_PER_SECOND as u64);
const FULL: Duration = TOKEN.saturating_mul(REQUESTS_PER_SECOND);

/// What one broker may still be asked; kept as time saved up.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    saved: Duration,
    at: Timestamp,
}

impl Budget {
    /// Begins with a full bucket.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { saved: FULL, at: now }
    }

    /// Takes a request that cannot wait.
    pub fn urgent(&mut self, now: Timestamp) {
        self.refill(now);
        self.saved = self.saved.saturating_sub(TOKEN);
    }

    /// Takes a request that can; says whether it may go out now.
    pub fn routine(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        let enough = RESERVED.saturating_add(TOKEN) <= self.saved;
        if enough {
            self.saved = self.saved.saturating_sub(TOKEN);
        }
        enough
    }

    fn refill(&mut self, now: Timestamp) {
        self.saved = self.saved.saturating_add(now.since(self.at)).min(FULL);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_and_routine_together_stay_below_eight_a_second() {
        let start = Timestamp(1_000_000);
        let mut budget = Budget::new(start);
        let (mut sent, mut held) = (0, 0);
        // Four pings and ten routine requests a second, for twenty seconds.
        for tick in 0..400_u32 {
            let now = start.plus(Duration::from_millis(50) * tick);
            if tick % 5 == 0 {
                budget.urgent(now);
                sent += 1;
            }
            if tick % 2 == 0 {
                if budget.routine(now) { sent += 1 } else { held += 1 }
            }
        }
        assert!((150..=20 * 8 + 8).contains(&sent), "{sent} sent, {held} held");
        assert!(0 < held);
    }

    #[test]
    fn what_cannot_wait_always_passes_and_slows_the_rest() {
        let now = Timestamp(1_000_000);
        let mut budget = Budget::new(now);
        for _ in 0..20 {
            budget.urgent(now);
        }
        assert!(!budget.routine(now));
        assert!(!budget.routine(now.plus(Duration::from_millis(200))));
        assert!(budget.routine(now.plus(Duration::from_millis(400))));
    }
}
