//! A pretended disk: writes are volatile until synced, and a crash keeps any prefix of what was not.

use tanist::consensus::wire::EntryKind;
use tanist::consensus::{LogPosition, Persist, PersistToken, Recovered, SnapshotWrite};
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
}

impl Disk {
    /// Gives a disk that holds this.
    pub(crate) fn new(durable: Recovered, honesty: Honesty) -> Self {
        Self { durable, volatile: Vec::new(), honesty }
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

    /// The machine dies: a prefix of what was not synced survives.
    pub(crate) fn crash(&mut self, surviving_share: u64) {
        let surviving = usize::try_from(surviving_share).unwrap() % (self.volatile.len() + 1);
        self.sync(surviving);
        self.volatile.clear();
    }

    /// Gives what a store would read back.
    pub(crate) fn read_back(&self) -> Recovered {
        assert!(self.volatile.is_empty(), "a disk is read before it is written to");
        self.durable.clone()
    }

    fn sync(&mut self, count: usize) {
        for write in self.volatile.drain(..count) {
            apply(&mut self.durable, write);
        }
    }
}

fn apply(durable: &mut Recovered, write: Persist) {
    if let Some(state) = write.hard_state {
        durable.hard_state = state;
    }
    match write.snapshot {
        Some(SnapshotWrite::Own(snapshot)) => durable.snapshot = snapshot,
        Some(SnapshotWrite::Received(snapshot)) => {
            durable.cut = LogPosition { index: snapshot.index, term: snapshot.term };
            durable.entries.clear();
            durable.snapshot = snapshot;
        }
        None => {}
    }
    if let Some(first) = write.entries.first() {
        durable.entries.retain(|entry| entry.index < first.index);
        assert!(write.entries.iter().all(|entry| entry.kind != EntryKind::Unspecified));
        durable.entries.extend(write.entries);
    }
    if let Some(cut) = write.cut_behind {
        assert!(cut <= durable.snapshot.index, "only what a snapshot covers may be cut");
        let position = durable.entries.iter().find(|entry| entry.index == cut);
        if let Some(entry) = position {
            durable.cut = LogPosition { index: cut, term: entry.term };
            durable.entries.retain(|entry| cut < entry.index);
        }
        assert!(RaftIndex(0) < durable.cut.index);
    }
}
