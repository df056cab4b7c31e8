//! The log in memory, as raft-rs reads it: whole from a cut on, with the snapshot that covers what was cut.
//!
//! It is not the store: what is in here may not be on the disk yet. raft-rs is told what is by the peer alone.

use std::cell::Cell;
use std::collections::VecDeque;

use raft::eraftpb::{Entry, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

use super::convert;
use super::io::{HardState, LogPosition};
use super::start::SnapshotData;
use crate::model::ids::{NodeId, RaftIndex, Term};

/// The suffix of the log that is in memory.
#[derive(Debug)]
pub struct MemLog {
    hard_state: HardState,
    snapshot: SnapshotData,
    cut: LogPosition,
    entries: VecDeque<Entry>,
    /// Set while reading, where raft-rs lends the log immutably: somebody needs a snapshot that is not there.
    newer_wanted: Cell<bool>,
}

impl MemLog {
    /// Gives a log of what was recovered and checked.
    pub(super) fn new(
        hard_state: HardState,
        snapshot: SnapshotData,
        cut: LogPosition,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Self {
        Self { hard_state, snapshot, cut, entries: entries.into_iter().collect(), newer_wanted: Cell::new(false) }
    }

    /// Gives the newest snapshot.
    pub(super) fn newest_snapshot(&self) -> &SnapshotData {
        &self.snapshot
    }

    /// Says, once, whether somebody had to go without a snapshot because the newest is too old for it.
    pub(super) fn take_newer_wanted(&self) -> bool {
        self.newer_wanted.take()
    }

    /// Gives the index of the newest entry, or of the cut if there is none.
    pub(super) fn last(&self) -> u64 {
        self.cut.index.0.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// Notes term, vote and commit index.
    pub(super) fn set_hard_state(&mut self, state: HardState) {
        self.hard_state = state;
    }

    /// Puts entries in, replacing whatever is there from the first one's index on.
    ///
    /// Contract: raft-rs gives entries without gaps, all behind the cut.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let kept = first.index.saturating_sub(self.cut.index.0.saturating_add(1));
        self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.entries.extend(entries.iter().cloned());
    }

    /// Replaces the whole log by a snapshot from the leader.
    pub(super) fn install(&mut self, snapshot: SnapshotData) {
        self.cut = LogPosition { index: snapshot.index, term: snapshot.term };
        self.hard_state.commit = self.hard_state.commit.max(snapshot.index);
        self.entries.clear();
        self.snapshot = snapshot;
    }

    /// Takes a snapshot made here, and forgets older entries until those up to it fit into `bytes_max`.
    pub(super) fn set_snapshot(&mut self, snapshot: SnapshotData, bytes_max: u64) {
        let covered = snapshot.index.0.saturating_sub(self.cut.index.0);
        let covered = usize::try_from(covered).unwrap_or(usize::MAX).min(self.entries.len());
        let mut kept_bytes = 0_u64;
        let mut kept = 0_usize;
        for entry in self.entries.range(..covered).rev() {
            kept_bytes = kept_bytes.saturating_add(size_of_entry(entry));
            if kept_bytes > bytes_max {
                break;
            }
            kept = kept.saturating_add(1);
        }
        for gone in self.entries.drain(..covered.saturating_sub(kept)) {
            self.cut = LogPosition { index: RaftIndex(gone.index), term: Term(gone.term) };
        }
        self.snapshot = snapshot;
    }

    /// Gives the term of an index that is in the log or at its cut.
    pub(super) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.cut.index.0 {
            return Some(self.cut.term.0);
        }
        self.entry(index).map(|entry| entry.term)
    }

    fn entry(&self, index: u64) -> Option<&Entry> {
        let offset = index.checked_sub(self.cut.index.0)?.checked_sub(1)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    fn first(&self) -> u64 {
        self.cut.index.0.saturating_add(1)
    }
}

/// Gives what an entry costs in memory: its bytes and about what raft keeps around them.
pub(super) fn size_of_entry(entry: &Entry) -> u64 {
    const AROUND_BYTES: u64 = 128;
    u64::try_from(entry.data.len()).unwrap_or(u64::MAX).saturating_add(AROUND_BYTES)
}

impl Storage for MemLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        // The members as of the snapshot: raft starts with `applied` there and meets every later change again.
        Ok(RaftState::new(
            convert::hard_state_to_raft(&self.hard_state),
            convert::members_to_raft(&self.snapshot.members),
        ))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(StorageError::Compacted.into());
        }
        if high > self.last().saturating_add(1) || low > high {
            return Err(StorageError::Unavailable.into());
        }
        let offset = |index: u64| usize::try_from(index.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let mut entries: Vec<Entry> = self.entries.range(offset(low)..offset(high)).cloned().collect();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match self.term_at(index) {
            Some(term) => Ok(term),
            None if index < self.cut.index.0 => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let newest = &self.snapshot;
        // A node refuses a snapshot that does not know it as a member, and a learner is always younger than the newest.
        if newest.index.0 == 0 || newest.index.0 < request_index || !newest.members.all().contains(&NodeId(to)) {
            self.newer_wanted.set(true);
            // The answer that does not make raft-rs panic: it asks again.
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(convert::snapshot_to_raft(newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::members::Members;
    use crate::model::ids::NodeId;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index, term, data: bytes::Bytes::from(vec![0; 72]), ..Entry::default() }
    }

    fn snapshot(index: u64, term: u64) -> SnapshotData {
        SnapshotData {
            index: RaftIndex(index),
            term: Term(term),
            members: Members::voters([NodeId(1), NodeId(2)]),
            state: bytes::Bytes::new(),
        }
    }

    fn log() -> MemLog {
        let cut = LogPosition { index: RaftIndex(1), term: Term(1) };
        MemLog::new(HardState::default(), snapshot(1, 1), cut, (2..=11).map(|index| entry(index, 1)))
    }

    fn read(log: &MemLog, low: u64, high: u64) -> raft::Result<Vec<u64>> {
        let entries = log.entries(low, high, None, GetEntriesContext::empty(false))?;
        Ok(entries.iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn what_is_not_there_is_named_as_raft_expects() {
        let log = log();
        assert_eq!(read(&log, 1, 3), Err(StorageError::Compacted.into()));
        assert_eq!(read(&log, 2, 4).expect("in the log"), [2, 3]);
        assert_eq!(read(&log, 11, 13), Err(StorageError::Unavailable.into()));
        assert_eq!(log.term(0), Err(StorageError::Compacted.into()));
        assert_eq!(log.term(1), Ok(1));
        assert_eq!(log.term(12), Err(StorageError::Unavailable.into()));
    }

    #[test]
    fn a_conflicting_suffix_is_replaced() {
        let mut log = log();
        log.append(&[entry(5, 2), entry(6, 2)]);
        assert_eq!(log.last_index(), Ok(6));
        assert_eq!(log.term(5), Ok(2));
        assert_eq!(log.term(4), Ok(1));
    }

    #[test]
    fn an_own_snapshot_forgets_only_what_does_not_fit_and_only_what_it_covers() {
        let mut log = log();
        // Each entry counts 200 bytes; three fit.
        log.set_snapshot(snapshot(8, 1), 600);
        assert_eq!(log.first_index(), Ok(6));
        assert_eq!(log.term(5), Ok(1));
        assert_eq!(log.last_index(), Ok(11));
        log.set_snapshot(snapshot(11, 1), 0);
        assert_eq!((log.first_index(), log.last_index()), (Ok(12), Ok(11)));
        assert_eq!(log.term(11), Ok(1));
    }

    #[test]
    fn a_received_snapshot_replaces_everything() {
        let mut log = log();
        log.install(snapshot(30, 4));
        assert_eq!((log.first_index(), log.last_index()), (Ok(31), Ok(30)));
        assert_eq!(log.term(30), Ok(4));
        assert_eq!(log.snapshot(30, 2).expect("a snapshot").get_metadata().index, 30);
        assert_eq!(log.snapshot(31, 2), Err(StorageError::SnapshotTemporarilyUnavailable.into()));
    }

    #[test]
    fn a_snapshot_without_its_reader_among_the_members_is_withheld_and_a_newer_one_wanted() {
        let log = log();
        assert!(log.snapshot(0, 2).is_ok() && !log.take_newer_wanted());
        assert_eq!(log.snapshot(0, 4), Err(StorageError::SnapshotTemporarilyUnavailable.into()));
        assert!(log.take_newer_wanted() && !log.take_newer_wanted(), "it is wanted once");
    }
}
