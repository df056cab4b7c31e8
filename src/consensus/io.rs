//! What goes into a peer and what comes out of it: plain values, no behaviour.

use bytes::Bytes;

use super::check::Rejected;
use super::members::{MemberChange, Members};
use super::start::SnapshotData;
use super::wire::{EntryKind, PeerMessage};
use crate::model::ids::{NodeId, RaftIndex, Term};
use crate::model::trio;

/// One thing that happened to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One tick of the peer's logical clock passed; its length is a matter of whoever calls.
    Tick,
    /// A message arrived on a link that has authenticated its other end.
    Message {
        /// The node at the other end of the link; a message that names another sender is refused.
        from: NodeId,
        /// What it said.
        message: Box<PeerMessage>,
    },
    /// Somebody wants a record in the log.
    Propose(Proposal),
    /// The persist with this token is on the disk, synced where it asked for that.
    Persisted(PersistToken),
    /// The state machine's whole state right after applying everything up to and including `index`.
    Snapshotted {
        /// The index of [`Output::NeedSnapshot`], not that of the last record: a member that was added after that record
        /// would be missing among the snapshot's members, and would never be sent it.
        index: RaftIndex,
        /// The state.
        state: Bytes,
    },
    /// Everything up to `up_to` may leave the log as far as the caller is concerned (the audit store holds it for sure).
    Compact {
        /// The newest index that nobody but slow peers still needs.
        up_to: RaftIndex,
    },
    /// A message to this node was probably lost.
    PeerUnreachable(NodeId),
    /// Somebody wants other members.
    ChangeMembers {
        /// Comes back in [`Output::Proposed`] or [`Output::Dropped`].
        token: u64,
        /// The wish.
        change: MemberChange,
    },
    /// Somebody wants another leader; only the leader heeds it.
    TransferLeadership {
        /// The voter that should lead.
        to: NodeId,
    },
}

/// A record to be put into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Names the proposal in answers; unique on this node while the proposal is under way.
    pub token: u64,
    /// The record; not empty.
    pub bytes: Bytes,
}

impl Proposal {
    /// Gives the entries of one batch names, each the one after the last that was given.
    #[must_use]
    pub fn batch(entries: Vec<Vec<u8>>, last_token: &mut u64) -> Vec<Self> {
        let named = |entry| {
            *last_token = last_token.wrapping_add(1);
            Self { token: *last_token, bytes: Bytes::from(entry) }
        };
        entries.into_iter().map(named).collect()
    }
}

/// Names one [`Persist`]; rises by one with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersistToken(pub u64);

/// One thing to be carried out, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message; losing it is allowed, and reported with [`Input::PeerUnreachable`] where it is noticed.
    Send {
        /// The addressee.
        to: NodeId,
        /// The message.
        message: PeerMessage,
    },
    /// Make this durable in one transaction, then give [`Input::Persisted`]. At most one is outstanding; until then the
    /// peer only queues what it is given.
    Persist(Persist),
    /// Records that two of three nodes hold, to be applied in order.
    Committed(Committed),
    /// The proposal got a place in this leader's log; it is not committed yet.
    Proposed {
        /// The proposal's token.
        token: u64,
        /// Its place.
        index: RaftIndex,
        /// The term in which it was proposed; an entry of another term at this place is another entry.
        term: Term,
    },
    /// The proposal will not appear, or (where the reason says so) nobody can say whether it will.
    Dropped {
        /// The proposal's token.
        token: u64,
        /// Why.
        why: DropReason,
    },
    /// The node's role changed. A loss comes before anything else of its step, a gain after all that must be applied first.
    Became(Role),
    /// Replace the state machine's state; empty at the very beginning of a trio's life.
    InstallSnapshot {
        /// The last index that the state contains.
        index: RaftIndex,
        /// The state.
        state: Bytes,
    },
    /// The log has grown enough since the last snapshot, or a new member needs one: please give [`Input::Snapshotted`] with
    /// the state as it is once every output before this one is carried out.
    NeedSnapshot {
        /// Everything up to here has been given out as committed.
        applied: RaftIndex,
    },
    /// The state is too large to be sent to a peer in one message, so the log cannot be cut any more: a person must look.
    SnapshotTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The members changed: links to new ones should be opened, to others closed.
    MembersChanged(Members),
    /// A message was refused; the peer's state is as if it had never arrived.
    Rejected {
        /// The other end of its link.
        from: NodeId,
        /// What was wrong.
        why: Rejected,
    },
    /// This node must not take part any more; nothing but this comes out from now on.
    Faulted(Fault),
}

/// What to write to the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Persist {
    /// To be given back.
    pub token: PersistToken,
    /// Term, vote and commit index, if they changed.
    pub hard_state: Option<HardState>,
    /// New entries; whatever the log holds from the first one's index on is replaced by them.
    pub entries: Vec<LogEntry>,
    /// A new snapshot, and what it means for the log.
    pub snapshot: Option<SnapshotWrite>,
    /// Entries up to and including this one may be deleted; their position is to be remembered.
    pub cut_behind: Option<RaftIndex>,
    /// False only where losing the write in a crash does no harm (a commit index alone).
    pub must_sync: bool,
}

/// A snapshot on its way to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotWrite {
    /// Made here; the log stays as it is.
    Own(SnapshotData),
    /// Received from the leader; the whole log is replaced by it.
    Received(SnapshotData),
}

/// What Raft must never forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardState {
    /// The newest term this node knows.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// What it knows to be committed; may lag behind.
    pub commit: RaftIndex,
}

/// A place in the log, with the term of the entry there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// The index; 0 is before the first entry.
    pub index: RaftIndex,
    /// The term.
    pub term: Term,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its index.
    pub index: RaftIndex,
    /// The term of the leader that made it.
    pub term: Term,
    /// What its bytes are.
    pub kind: EntryKind,
    /// The bytes.
    pub bytes: Bytes,
}

/// A stretch of the log that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The records, in order. Their indexes have gaps: leaders' opening entries and member changes stay inside.
    pub records: Vec<LogEntry>,
    /// The stretch reaches up to and including this index.
    pub up_to: RaftIndex,
}

/// Why a proposal will not appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// This node does not lead; ask that one, if one is known.
    NotLeader(Option<NodeId>),
    /// The leader is handing over.
    HandingOver,
    /// Too much is uncommitted or queued; try again later.
    Overloaded,
    /// The record is empty.
    Empty,
    /// The record is larger than a log entry may be.
    TooLarge,
    /// A member change is still under way.
    ChangePending,
    /// The wished change makes no sense with the present members.
    ImpossibleChange,
    /// The learner has not caught up yet.
    LearnerBehind,
    /// The leader cannot remove itself: transfer leadership first.
    WouldRemoveLeader,
    /// Another leader's entry took its place.
    Superseded,
    /// A snapshot covers its place: it may or may not be in there; read the state back.
    OutcomeUnknown,
}

/// Who leads, as far as this node knows, and what it is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Role {
    /// The present term.
    pub term: Term,
    /// The leader of that term.
    pub leader: Option<NodeId>,
    /// This node's own standing.
    pub standing: Standing,
}

impl Role {
    /// Gives this node's place as the controller hears of it.
    #[must_use]
    pub fn told_by(self, me: NodeId) -> trio::Role {
        match (self.standing, self.leader) {
            (Standing::Leading, _) => trio::Role::Leading(self.term),
            // Elected, but it may lack what its predecessors committed: not yet.
            (Standing::Elected | Standing::Candidate, _) | (Standing::Follower, None) => {
                trio::Role::Leaderless(self.term)
            }
            (Standing::Follower, Some(leader)) if leader == me => trio::Role::Leaderless(self.term),
            (Standing::Follower, Some(leader)) => trio::Role::Following { leader, term: self.term },
        }
    }
}

/// What a node is in its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Follows, or waits for a leader.
    #[default]
    Follower,
    /// Asks for votes.
    Candidate,
    /// Won its election, but has not yet applied an entry of its own term: it may lack what its predecessors committed.
    Elected,
    /// Leads, and has applied everything that any earlier leader committed.
    Leading,
}

/// Why a node must stop taking part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The leader holds this node's acknowledgement of entries that its disk no longer has.
    #[error(
        "this node acknowledged log entries up to {acknowledged} but holds only {held}: its disk lost them; \
         remove the data directory and run `tanist node rejoin`"
    )]
    LostAcknowledged {
        /// What the leader knows it to have acknowledged.
        acknowledged: RaftIndex,
        /// What it has.
        held: RaftIndex,
    },
}
