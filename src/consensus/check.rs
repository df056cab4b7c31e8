//! Looks at every message before raft-rs does, because raft-rs panics on what it does not expect.
//!
//! What passes here cannot make raft-rs panic. It deliberately does not ask whether the sender is a member: a node that
//! lags may hear from a leader that it does not know yet. Who may connect at all is decided by the links.

use super::members;
use super::start::SnapshotData;
use super::wire::{self, EntryKind, MessageKind, PeerMessage};
use super::{convert, log::MemLog};
use crate::model::ids::{NodeId, RaftIndex, Term};

/// Indexes and terms beyond this are nonsense: at a million a second it takes 142 years to get there, and raft-rs adds to
/// them without looking.
const NUMBER_MAX: u64 = 1 << 52;

/// Entries in one message; raft-rs fills messages by size, so this is only a bound on nonsense.
const ENTRIES_MAX: usize = 65_536;

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The kind is none that travels.
    #[error("a message of a kind that nodes do not send")]
    Kind,
    /// The message names another sender than the link's other end.
    #[error("it names {named} as its sender")]
    Sender {
        /// The named sender.
        named: NodeId,
    },
    /// The message is for another node, or from this one.
    #[error("it is for {named}")]
    Addressee {
        /// The named addressee.
        named: NodeId,
    },
    /// The term is 0, which raft-rs would take for a message of its own.
    #[error("it has no term")]
    NoTerm,
    /// An index or term is too large to be true.
    #[error("it has an index or a term that is too large to be true")]
    Number,
    /// Entries have gaps, wrong terms or unknown kinds, or are in a message that carries none.
    #[error("its entries cannot be")]
    Entries,
    /// A snapshot is missing, in the wrong place, or contradicts itself.
    #[error("its snapshot cannot be")]
    Snapshot,
    /// The leader believes that this node has entries which it does not have.
    #[error("it counts on entries up to {commit}, but this log ends at {last}")]
    CommitBeyondLog {
        /// What the message says.
        commit: RaftIndex,
        /// The end of this log.
        last: RaftIndex,
    },
    /// A follower acknowledges entries that this leader never made.
    #[error("it acknowledges entries up to {acknowledged}, but this log ends at {last}")]
    AcknowledgedBeyondLog {
        /// What the message says.
        acknowledged: RaftIndex,
        /// The end of this log.
        last: RaftIndex,
    },
    /// Only the leader may tell a follower to take over.
    #[error("it tells this node to take over, but its sender does not lead")]
    NotFromLeader,
    /// An answer from a node that is no member.
    #[error("it answers, but its sender is no member")]
    NotAMember,
    /// Too much waits for the disk.
    #[error("too many inputs wait for the disk")]
    Overloaded,
}

/// Says whether a message may be given to raft.
///
/// Errors: [`Rejected`] is the first reason found.
pub(super) fn check(raft: &raft::Raft<MemLog>, from: NodeId, message: &PeerMessage) -> Result<(), Rejected> {
    if message.from != from.0 || from == NodeId(0) {
        return Err(Rejected::Sender { named: NodeId(message.from) });
    }
    if message.to != raft.id || message.from == raft.id {
        return Err(Rejected::Addressee { named: NodeId(message.to) });
    }
    if message.term == 0 {
        return Err(Rejected::NoTerm);
    }
    check_numbers(message)?;
    let kind = MessageKind::try_from(message.kind).map_err(|_| Rejected::Kind)?;
    if kind != MessageKind::Append && !message.entries.is_empty() {
        return Err(Rejected::Entries);
    }
    if (kind == MessageKind::Snapshot) != message.snapshot.is_some() {
        return Err(Rejected::Snapshot);
    }
    match kind {
        MessageKind::Unspecified => Err(Rejected::Kind),
        MessageKind::Append => check_entries(message),
        MessageKind::Heartbeat => check_commit(raft, message),
        MessageKind::AppendResponse => check_acknowledgement(raft, message),
        MessageKind::Snapshot => {
            message.snapshot.as_ref().map_or(Err(Rejected::Snapshot), |s| check_snapshot(message, s))
        }
        MessageKind::TimeoutNow => check_leader(raft, message),
        MessageKind::RequestVote | MessageKind::RequestPreVote if message.log_term > message.term => {
            Err(Rejected::Number)
        }
        MessageKind::RequestVote
        | MessageKind::RequestPreVote
        | MessageKind::RequestVoteResponse
        | MessageKind::RequestPreVoteResponse
        | MessageKind::HeartbeatResponse => Ok(()),
    }
}

fn check_numbers(message: &PeerMessage) -> Result<(), Rejected> {
    let numbers =
        [message.term, message.log_term, message.index, message.commit, message.commit_term, message.reject_hint];
    if numbers.iter().any(|number| *number > NUMBER_MAX) { Err(Rejected::Number) } else { Ok(()) }
}

/// raft-rs trusts indexes to follow each other, and panics if a conflict seems to lie below its commit index.
fn check_entries(message: &PeerMessage) -> Result<(), Rejected> {
    if message.entries.len() > ENTRIES_MAX || message.log_term > message.term {
        return Err(Rejected::Entries);
    }
    // Our logs begin at 1. To raft-rs term 0 matches every place that it does not have, however far beyond its log.
    if message.index == 0 || message.log_term == 0 {
        return Err(Rejected::Entries);
    }
    let mut index = message.index;
    let mut term = message.log_term;
    for entry in &message.entries {
        index = index.saturating_add(1);
        if entry.index != index || entry.term < term || message.term < entry.term || !check_body(entry) {
            return Err(Rejected::Entries);
        }
        term = entry.term;
    }
    Ok(())
}

fn check_body(entry: &wire::LogEntry) -> bool {
    match EntryKind::try_from(entry.kind) {
        Ok(EntryKind::Record) => true,
        Ok(EntryKind::Members) => members::decode(&entry.data).is_some(),
        Ok(EntryKind::Unspecified) | Err(_) => false,
    }
}

/// raft-rs panics on a heartbeat that commits beyond the log. Of a past leader it does not read the commit index.
fn check_commit(raft: &raft::Raft<MemLog>, message: &PeerMessage) -> Result<(), Rejected> {
    let last = raft.raft_log.last_index();
    if raft.term <= message.term && last < message.commit {
        return Err(Rejected::CommitBeyondLog { commit: RaftIndex(message.commit), last: RaftIndex(last) });
    }
    Ok(())
}

fn check_acknowledgement(raft: &raft::Raft<MemLog>, message: &PeerMessage) -> Result<(), Rejected> {
    let last = raft.raft_log.last_index();
    let leads = raft.state == raft::StateRole::Leader && raft.term == message.term;
    if leads && last < message.index {
        return Err(Rejected::AcknowledgedBeyondLog { acknowledged: RaftIndex(message.index), last: RaftIndex(last) });
    }
    Ok(())
}

fn check_snapshot(message: &PeerMessage, snapshot: &wire::Snapshot) -> Result<(), Rejected> {
    let SnapshotData { index, term, members, state: _ } = convert::snapshot_from_wire(snapshot.clone());
    let named = snapshot.members.as_ref().map_or(0, |wire| {
        [&wire.voters, &wire.learners, &wire.voters_outgoing, &wire.learners_next].map(Vec::len).into_iter().sum()
    });
    let counted =
        members.voters.len() + members.learners.len() + members.voters_outgoing.len() + members.learners_next.len();
    let sound = RaftIndex(0) < index
        && index <= RaftIndex(NUMBER_MAX)
        && Term(0) < term
        && term <= Term(message.term)
        // Somebody named twice would not survive the way into a set and back.
        && named == counted
        && members.check().is_ok();
    if sound { Ok(()) } else { Err(Rejected::Snapshot) }
}

fn check_leader(raft: &raft::Raft<MemLog>, message: &PeerMessage) -> Result<(), Rejected> {
    if message.term == raft.term && message.from == raft.leader_id { Ok(()) } else { Err(Rejected::NotFromLeader) }
}
