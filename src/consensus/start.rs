//! What a peer starts from: its options and what its store read back, checked before raft-rs can panic over them.

use std::time::Duration;

use bytes::Bytes;

use super::io::{HardState, LogEntry, LogPosition, Persist, SnapshotWrite};
use super::members::Members;
use super::wire::EntryKind;
use crate::model::ids::{NodeId, RaftIndex, Term};

/// How a peer behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerOptions {
    /// This node.
    pub id: NodeId,
    /// Where chance comes from; give each node and each start another one.
    pub seed: u64,
    /// How long one [`super::Input::Tick`] stands for; used by whoever ticks, and by nothing in here.
    pub tick: Duration,
    /// A follower that hears nothing for this many ticks, up to twice as many, asks for votes.
    pub election_ticks: usize,
    /// A leader sends a heartbeat each so many ticks.
    pub heartbeat_ticks: usize,
    /// Appends are filled up to this size.
    pub message_bytes_max: u64,
    /// So many appends may be under way to one follower.
    pub appends_in_flight_max: usize,
    /// Proposals are dropped while more than this is uncommitted.
    pub uncommitted_bytes_max: u64,
    /// Records larger than this are dropped.
    pub record_bytes_max: usize,
    /// The store keeps this many entries behind the newest snapshot.
    pub keep_entries: u64,
    /// The memory keeps entries of at most this size behind the newest snapshot.
    pub keep_bytes: u64,
    /// A snapshot is asked for after this many entries.
    pub snapshot_each_entries: u64,
    /// A snapshot is asked for after entries of this size.
    pub snapshot_each_bytes: u64,
    /// A snapshot larger than this is refused: it travels in one message.
    pub snapshot_bytes_max: usize,
    /// Inputs beyond this many, given while the disk is busy, are dropped.
    pub queue_inputs_max: usize,
}

impl PeerOptions {
    /// Gives the options of production.
    ///
    /// A tick is 50 ms, a heartbeat comes each 100 ms, and an election starts after 500 ms to 1 s of silence: five lost
    /// heartbeats are needed, and a lost leader is replaced in about a second, two if the first vote splits; the
    /// requirement is three. Shorter would make a node that pauses for a moment (a slow disk, a busy machine) lose its
    /// leadership for nothing.
    #[must_use]
    pub fn new(id: NodeId, seed: u64) -> Self {
        Self {
            id,
            seed,
            tick: Duration::from_millis(50),
            election_ticks: 10,
            heartbeat_ticks: 2,
            message_bytes_max: 1 << 20,
            appends_in_flight_max: 64,
            uncommitted_bytes_max: 16 << 20,
            record_bytes_max: 256 << 10,
            keep_entries: 10_000,
            keep_bytes: 8 << 20,
            snapshot_each_entries: 2_000,
            snapshot_each_bytes: 8 << 20,
            snapshot_bytes_max: 16 << 20,
            queue_inputs_max: 4_096,
        }
    }

    /// Gives the options of a node that acts on Kafka.
    ///
    /// 20 ticks of silence before an election: 1 to 2 s. Longer than the longest `act.valid_for` (900 ms), so that a deposed
    /// leader has stopped sending before its successor begins; a lost leader is still replaced within 3 s.
    #[must_use]
    pub fn of_a_trio(id: NodeId, seed: u64) -> Self {
        Self { election_ticks: 20, ..Self::new(id, seed) }
    }

    pub(super) fn check(&self) -> Result<(), StartError> {
        let refuse = |why| Err(StartError::Options(why));
        if self.id == NodeId(0) {
            return refuse("the node id is 0");
        }
        if self.heartbeat_ticks == 0 || self.election_ticks <= self.heartbeat_ticks {
            return refuse("an election must take more ticks than a heartbeat, and a heartbeat at least one");
        }
        if self.appends_in_flight_max == 0 || self.queue_inputs_max == 0 || self.record_bytes_max == 0 {
            return refuse("a limit is 0");
        }
        if self.uncommitted_bytes_max < self.message_bytes_max {
            return refuse("less may be uncommitted than one message carries");
        }
        Ok(())
    }

    pub(super) fn to_raft(&self, applied: RaftIndex) -> raft::Config {
        raft::Config {
            id: self.id.0,
            election_tick: self.election_ticks,
            heartbeat_tick: self.heartbeat_ticks,
            applied: applied.0,
            max_size_per_msg: self.message_bytes_max,
            max_inflight_msgs: self.appends_in_flight_max,
            check_quorum: true,
            pre_vote: true,
            min_election_tick: self.election_ticks,
            max_election_tick: self.election_ticks.saturating_mul(2),
            max_uncommitted_size: self.uncommitted_bytes_max,
            max_committed_size_per_ready: self.uncommitted_bytes_max,
            ..raft::Config::default()
        }
    }
}

/// The state of everything up to an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotData {
    /// The last index that it contains; 0 only in a node that waits to be admitted.
    pub index: RaftIndex,
    /// The term of the entry there.
    pub term: Term,
    /// The members as of that index.
    pub members: Members,
    /// The state machine's state; empty at the very beginning.
    pub state: Bytes,
}

/// What a store read back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Term, vote, commit index.
    pub hard_state: HardState,
    /// The newest snapshot.
    pub snapshot: SnapshotData,
    /// The position right before the first entry.
    pub cut: LogPosition,
    /// The log from there on, without gaps.
    pub entries: Vec<LogEntry>,
}

impl Recovered {
    /// Takes a whole write in, as every store must: what would be read back once it is durable.
    pub fn keep(&mut self, write: Persist) {
        if let Some(state) = write.hard_state {
            self.hard_state = state;
        }
        match write.snapshot {
            Some(SnapshotWrite::Own(snapshot)) => self.snapshot = snapshot,
            Some(SnapshotWrite::Received(snapshot)) => {
                self.cut = LogPosition { index: snapshot.index, term: snapshot.term };
                self.entries.clear();
                self.snapshot = snapshot;
            }
            None => {}
        }
        if let Some(first) = write.entries.first() {
            while self.entries.last().is_some_and(|entry| first.index <= entry.index) {
                self.entries.pop();
            }
            self.entries.extend(write.entries);
        }
        if let Some(cut) = write.cut_behind
            && let Some(entry) = self.entries.iter().find(|entry| entry.index == cut)
        {
            self.cut = LogPosition { index: cut, term: entry.term };
            self.entries.retain(|entry| cut < entry.index);
        }
    }

    /// Gives the beginning of a trio's life: the same on each of its first members.
    ///
    /// The log begins at index 1 with the members in a snapshot, not at 0: a node that is admitted later holds nothing at
    /// 1 and is therefore sent a snapshot, and never replays member changes on top of no members at all.
    #[must_use]
    pub fn first_members(members: Members) -> Self {
        let first = LogPosition { index: RaftIndex(1), term: Term(1) };
        Self {
            hard_state: HardState { term: first.term, vote: None, commit: first.index },
            snapshot: SnapshotData { index: first.index, term: first.term, members, state: Bytes::new() },
            cut: first,
            entries: Vec::new(),
        }
    }

    /// Gives the beginning of a node that waits until an existing trio admits it.
    #[must_use]
    pub fn waiting_to_be_admitted() -> Self {
        Self::default()
    }

    /// Gives the index of the newest entry, or of the cut if there is none.
    #[must_use]
    pub fn last_index(&self) -> RaftIndex {
        self.entries.last().map_or(self.cut.index, |entry| entry.index)
    }

    /// Raises the commit index to what the snapshot proves to be committed: the commit index alone is written without a
    /// sync, and raft-rs panics if what is applied lies beyond it.
    #[must_use]
    pub fn with_commit_raised(mut self) -> Self {
        self.hard_state.commit = self.hard_state.commit.max(self.snapshot.index);
        self
    }

    /// Says whether all this can be one node's state.
    ///
    /// Errors: [`StartError`] names the first contradiction; raft-rs would panic over most of them.
    pub fn check(&self) -> Result<(), StartError> {
        let waiting = self.snapshot.index == RaftIndex(0);
        if waiting && *self != (Self { hard_state: self.hard_state, ..Self::default() }) {
            return Err(StartError::NoSnapshot);
        }
        if !waiting {
            self.snapshot.members.check().map_err(StartError::Members)?;
        }
        self.check_entries()?;
        let last = self.last_index();
        let snapshot = &self.snapshot;
        if snapshot.index < self.cut.index || last < snapshot.index {
            return Err(StartError::Gap { wanted: snapshot.index, found: last.min(self.cut.index) });
        }
        let term_there =
            self.entries.iter().find(|entry| entry.index == snapshot.index).map_or(self.cut.term, |entry| entry.term);
        if term_there != snapshot.term {
            return Err(StartError::SnapshotTerm { index: snapshot.index, log: term_there, snapshot: snapshot.term });
        }
        if last < self.hard_state.commit {
            return Err(StartError::CommitBeyondLog { commit: self.hard_state.commit, last });
        }
        Ok(())
    }

    fn check_entries(&self) -> Result<(), StartError> {
        let mut before = self.cut;
        for entry in &self.entries {
            let wanted = RaftIndex(before.index.0.saturating_add(1));
            if entry.index != wanted {
                return Err(StartError::Gap { wanted, found: entry.index });
            }
            if entry.term < before.term || entry.kind == EntryKind::Unspecified {
                return Err(StartError::BadEntry(entry.index));
            }
            before = LogPosition { index: entry.index, term: entry.term };
        }
        if self.hard_state.term < before.term {
            return Err(StartError::TermBehindLog { term: self.hard_state.term, log: before.term });
        }
        Ok(())
    }
}

/// Why a peer does not start. Except for [`StartError::Options`], the data directory must be replaced: see `Display`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The options contradict themselves.
    #[error("the consensus options cannot be used: {0}")]
    Options(&'static str),
    /// There is a log, but no snapshot with its first members.
    #[error("the log has entries but no snapshot to begin from; {REJOIN}")]
    NoSnapshot,
    /// The snapshot's members contradict themselves.
    #[error("the members in the snapshot cannot be: {0}; {REJOIN}")]
    Members(&'static str),
    /// An entry is missing.
    #[error("the log lacks entry {wanted} (the next one found is {found}); {REJOIN}")]
    Gap {
        /// The entry that should be there.
        wanted: RaftIndex,
        /// What is there instead.
        found: RaftIndex,
    },
    /// An entry's term is below its predecessor's, or its kind is unknown.
    #[error("log entry {0} cannot be; {REJOIN}")]
    BadEntry(RaftIndex),
    /// The snapshot and the log disagree.
    #[error("entry {index} has term {log} in the log but {snapshot} in the snapshot; {REJOIN}")]
    SnapshotTerm {
        /// Where.
        index: RaftIndex,
        /// The log's term.
        log: Term,
        /// The snapshot's term.
        snapshot: Term,
    },
    /// More is committed than there is.
    #[error("entries up to {commit} are committed but the log ends at {last}; {REJOIN}")]
    CommitBeyondLog {
        /// The commit index.
        commit: RaftIndex,
        /// The end of the log.
        last: RaftIndex,
    },
    /// The log knows a newer term than the hard state.
    #[error("the newest term is {term}, but the log has an entry of {log}; {REJOIN}")]
    TermBehindLog {
        /// The hard state's term.
        term: Term,
        /// The log's newest.
        log: Term,
    },
    /// raft-rs refused to start.
    #[error("raft refused to start: {0}")]
    Raft(String),
}

/// What to do about a damaged directory: it may have forgotten a vote, so it must not be used again.
const REJOIN: &str = "its disk lost or changed data: move the data directory away and run `tanist node rejoin`";

#[cfg(test)]
mod tests {
    use super::*;

    fn recovered() -> Recovered {
        let mut recovered = Recovered::first_members(Members::voters([NodeId(1), NodeId(2), NodeId(3)]));
        recovered.entries = (2..=5)
            .map(|index| LogEntry {
                index: RaftIndex(index),
                term: Term(2),
                kind: EntryKind::Record,
                bytes: Bytes::from_static(b"x"),
            })
            .collect();
        recovered.hard_state = HardState { term: Term(2), vote: Some(NodeId(1)), commit: RaftIndex(4) };
        recovered
    }

    #[test]
    fn a_sound_state_passes() {
        assert_eq!(recovered().check(), Ok(()));
        assert_eq!(Recovered::waiting_to_be_admitted().check(), Ok(()));
    }

    #[test]
    fn a_node_that_waits_may_know_a_term() {
        let mut waiting = Recovered::waiting_to_be_admitted();
        waiting.hard_state = HardState { term: Term(9), vote: None, commit: RaftIndex(0) };
        assert_eq!(waiting.check(), Ok(()));
    }

    #[test]
    fn every_contradiction_is_named() {
        let broken = |change: fn(&mut Recovered)| {
            let mut state = recovered();
            change(&mut state);
            state.check().expect_err("a contradiction").to_string()
        };
        for (told, part) in [
            (broken(|s| drop(s.entries.remove(1))), "lacks entry 3"),
            (broken(|s| s.entries[3].term = Term(1)), "entry 5 cannot be"),
            (broken(|s| s.hard_state.commit = RaftIndex(9)), "committed but the log ends at 5"),
            (broken(|s| s.hard_state.term = Term(1)), "newest term is 1"),
            (broken(|s| s.snapshot.term = Term(3)), "term 1 in the log but 3 in the snapshot"),
            (broken(|s| s.snapshot.index = RaftIndex(7)), "lacks entry 7"),
            (broken(|s| s.snapshot = SnapshotData::default()), "no snapshot"),
            (broken(|s| s.snapshot.members = Members::default()), "no voters"),
        ] {
            assert!(told.contains(part), "{told:?} should say {part:?}");
            assert!(told.contains("rejoin"), "{told:?} should say what to do");
        }
    }

    #[test]
    fn the_commit_index_is_raised_to_what_the_snapshot_proves() {
        let mut state = recovered();
        state.snapshot.index = RaftIndex(5);
        state.snapshot.term = Term(2);
        assert_eq!(state.with_commit_raised().hard_state.commit, RaftIndex(5));
    }
}
