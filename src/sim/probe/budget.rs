//! How many requests one broker gets from this node; the same bucket as production's, by a virtual clock.

use std::time::Duration;

use crate::model::time::Timestamp;

/// Units: requests a second, and the size of the bucket.
const REQUESTS_PER_SECOND: u32 = 8;
/// The time in which one request is earned.
const TOKEN: Duration = Duration::from_millis(1_000 / REQUESTS_PER_SECOND as u64);
const FULL: Duration = TOKEN.saturating_mul(REQUESTS_PER_SECOND);
/// Routine requests leave this many for those that cannot wait.
const RESERVED: Duration = TOKEN.saturating_mul(2);

/// What one broker may still be asked; kept as time saved up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    saved: Duration,
    at: Timestamp,
}

impl Budget {
    /// Begins with a full bucket.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { saved: FULL, at: now }
    }

    /// Takes a request that cannot wait.
    pub(super) fn urgent(&mut self, now: Timestamp) {
        self.refill(now);
        self.saved = self.saved.saturating_sub(TOKEN);
    }

    /// Takes a request that can; says whether it may go out now.
    pub(super) fn routine(&mut self, now: Timestamp) -> bool {
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
