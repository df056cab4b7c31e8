//! A machine's disk: writes are volatile until synced, a crash keeps any prefix of what was not, and it may stall, fill,
//! fail or rot.
//!
//! Deliberately what the store of production promises, not its format: that is tested against power cuts of its own.

use std::time::Duration;

use crate::consensus::{Persist, PersistToken, Recovered};
use crate::model::time::Timestamp;

use super::chance::Chance;

/// How long a sync takes on a good disk: 147 us was measured, and a busy one takes milliseconds.
const SYNC_TAKES: (Duration, Duration) = (Duration::from_micros(150), Duration::from_millis(2));

/// What is the matter with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskTrouble {
    /// Nothing is answered while it lasts; then everything that waited.
    Stalled,
    /// Each sync takes this much longer.
    Slow(Duration),
    /// Writes are refused: no room.
    Full,
    /// A sync fails: what was written since the last one is lost.
    SyncFails,
    /// What is on it cannot be read back: the store refuses to open.
    Rotten,
}

/// Whether a disk's word can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Honesty {
    /// What it says to have synced survives.
    Honest,
    /// It says so and keeps it in its cache.
    Lies,
}

/// One machine's disk.
#[derive(Debug)]
pub(in crate::sim) struct Disk {
    durable: Recovered,
    volatile: Vec<Persist>,
    pub(in crate::sim) trouble: Option<DiskTrouble>,
    honesty: Honesty,
}

/// When a write will be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Due {
    /// At this time, synced where it was asked for.
    At(Timestamp),
    /// Not before the disk goes on.
    WhenItGoesOn,
    /// Refused: the store is of no more use to its process.
    Failed,
}

impl Disk {
    /// Gives a disk that holds this.
    pub(in crate::sim) fn new(durable: Recovered, honesty: Honesty) -> Self {
        Self { durable, volatile: Vec::new(), trouble: None, honesty }
    }

    /// Takes a write; it is volatile, and answered when that is said.
    pub(in crate::sim) fn write(&mut self, now: Timestamp, persist: Persist, chance: &mut Chance) -> Due {
        let takes = if persist.must_sync { chance.span(SYNC_TAKES) } else { Duration::from_micros(50) };
        self.volatile.push(persist);
        match self.trouble {
            None => Due::At(now.plus(takes)),
            Some(DiskTrouble::Slow(more)) => Due::At(now.plus(takes.saturating_add(more))),
            Some(DiskTrouble::Stalled) => Due::WhenItGoesOn,
            Some(DiskTrouble::Full | DiskTrouble::SyncFails | DiskTrouble::Rotten) => Due::Failed,
        }
    }

    /// The write with this token is answered: if it asked for a sync, it and all before it are durable now.
    pub(in crate::sim) fn done(&mut self, token: PersistToken) {
        let synced = self.volatile.iter().position(|write| write.token == token && write.must_sync);
        if let Some(at) = synced.filter(|_| self.honesty == Honesty::Honest) {
            self.sync(at.saturating_add(1));
        }
    }

    /// The machine dies: a prefix of what was not synced survives.
    pub(in crate::sim) fn crash(&mut self, chance: &mut Chance) {
        let most = u64::try_from(self.volatile.len()).unwrap_or(u64::MAX).saturating_add(1);
        let surviving = match self.honesty {
            Honesty::Honest => usize::try_from(chance.below(most)).unwrap_or(0),
            Honesty::Lies => 0,
        };
        self.sync(surviving);
        self.volatile.clear();
    }

    /// Gives how many entries of the log it holds for good.
    pub(in crate::sim) fn log_len(&self) -> usize {
        self.durable.entries.len()
    }

    /// Gives what a store would read back; none where it refuses.
    pub(in crate::sim) fn read_back(&self) -> Option<Recovered> {
        (self.trouble != Some(DiskTrouble::Rotten)).then(|| self.durable.clone())
    }

    fn sync(&mut self, count: usize) {
        let count = count.min(self.volatile.len());
        for write in self.volatile.drain(..count) {
            self.durable.keep(write);
        }
    }
}
