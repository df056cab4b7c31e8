//! A pretended disk: writes are volatile until synced, and a crash keeps any prefix of what was not, the last one torn.
//!
//! The real store writes each [`Persist`] in one transaction (`raft_store` kills it at every point), so it never reads back half of
//! one. Here it may: what `Recovered::check` lets pass of a torn write must be harmless, and what it refuses would have kept the
//! node from starting, so that the disk then shows the state before.

use tanist::consensus::wire::EntryKind;
use tanist::consensus::{Persist, PersistToken, Recovered};
use tanist::model::ids::RaftIndex;

/// Whether a disk's word can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// What it says to have synced survives.
    Honest,
    /// It says so at once, and syncs now and then.
    AcknowledgesBeforeSyncing,
}

/// One node's disk.
#[derive(Debug)]
pub(crate) struct Disk {
    durable: Recovered,
    volatile: Vec<Persist>,
    honesty: Honesty,
    pub(crate) torn: Torn,
}

/// What became of torn writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Torn {
    /// The check let them pass, and the node went on with them.
    pub(crate) taken: u64,
    /// The check refused them.
    pub(crate) refused: u64,
}

impl Disk {
    /// Gives a disk that holds this.
    pub(crate) fn new(durable: Recovered, honesty: Honesty) -> Self {
        Self { durable, volatile: Vec::new(), honesty, torn: Torn::default() }
    }

    /// Takes a write; it is volatile.
    pub(crate) fn write(&mut self, persist: Persist) {
        self.volatile.push(persist);
    }

    /// The write with this token is answered: if it asked for a sync, it and all before it are durable now.
    pub(crate) fn done(&mut self, token: PersistToken, lie: bool) {
        let lies = lie && self.honesty == Honesty::AcknowledgesBeforeSyncing;
        let synced = self.volatile.iter().any(|write| write.token == token && write.must_sync);
        if synced && !lies {
            let upto = self.volatile.iter().position(|write| write.token == token).map_or(0, |at| at + 1);
            self.sync(upto);
        }
    }

    /// The machine dies: a prefix of what was not synced survives, and of the next write any part.
    pub(crate) fn crash(&mut self, chance: u64) {
        let choices = u64::try_from(self.volatile.len()).unwrap() + 1;
        self.sync(usize::try_from(chance % choices).unwrap());
        if let Some(next) = self.volatile.drain(..).next() {
            let mut half = self.durable.clone();
            apply(&mut half, torn(next, chance / choices));
            if half.check().is_ok() {
                self.torn.taken += 1;
                self.durable = half;
            } else {
                self.torn.refused += 1;
            }
        }
    }

    /// Gives what a store would read back.
    pub(crate) fn read_back(&self) -> Recovered {
        assert!(self.volatile.is_empty(), "a disk is read before it is written to");
        self.durable.clone()
    }

    fn sync(&mut self, count: usize) {
        for write in self.volatile.drain(..count) {
            apply(&mut self.durable, write);
            assert!(self.durable.cut.index <= self.durable.snapshot.index, "only what a snapshot covers may be cut");
        }
    }
}

/// Gives some parts of a write: each of them is there or not, and of the entries a prefix.
fn torn(write: Persist, chance: u64) -> Persist {
    let has = |bit: u32| chance >> bit & 1 == 1;
    let Persist { token, hard_state, mut entries, snapshot, cut_behind, must_sync } = write;
    let choices = u64::try_from(entries.len()).unwrap() + 1;
    entries.truncate(usize::try_from((chance >> 8) % choices).unwrap());
    Persist {
        token,
        hard_state: hard_state.filter(|_| has(0)),
        entries,
        snapshot: snapshot.filter(|_| has(1)),
        cut_behind: cut_behind.filter(|_| has(2)),
        must_sync,
    }
}

/// Takes a write in, and holds it to what a store may expect of any.
fn apply(durable: &mut Recovered, write: Persist) {
    assert!(write.entries.iter().all(|entry| entry.kind != EntryKind::Unspecified));
    let cuts = write.cut_behind.is_some();
    durable.keep(write);
    assert!(!cuts || RaftIndex(0) < durable.cut.index);
}
