//! Field by field between our prost messages and raft-rs's own, so that raft's parser never sees bytes.
//!
//! Nothing is judged here: [`super::check`] has done that on the way in.

use bytes::Bytes;
use raft::eraftpb;

use super::io::{HardState, LogEntry};
use super::members::Members;
use super::start::SnapshotData;
use super::wire::{self, EntryKind, MessageKind, PeerMessage};
use crate::model::ids::{NodeId, RaftIndex, Term};

/// Gives raft's form of a checked message; nothing if its kind is none.
pub(super) fn message_to_raft(message: PeerMessage) -> Option<eraftpb::Message> {
    let mut converted = eraftpb::Message::default();
    converted.set_msg_type(kind_to_raft(message.kind())?);
    converted.to = message.to;
    converted.from = message.from;
    converted.term = message.term;
    converted.log_term = message.log_term;
    converted.index = message.index;
    converted.commit = message.commit;
    converted.commit_term = message.commit_term;
    converted.reject = message.reject;
    converted.reject_hint = message.reject_hint;
    if message.transfer {
        converted.context = Bytes::from_static(raft::CAMPAIGN_TRANSFER);
    }
    let entries: Option<Vec<_>> = message.entries.into_iter().map(wire_entry_to_raft).collect();
    converted.set_entries(entries?.into());
    if let Some(snapshot) = message.snapshot {
        converted.set_snapshot(snapshot_to_raft(&snapshot_from_wire(snapshot)));
    }
    Some(converted)
}

/// Gives our form of a message that raft wants sent; nothing for the kinds that never leave a node.
pub(super) fn message_from_raft(message: eraftpb::Message) -> Option<PeerMessage> {
    let kind = kind_from_raft(message.get_msg_type())?;
    let snapshot =
        (kind == MessageKind::Snapshot).then(|| snapshot_to_wire(snapshot_from_raft(message.get_snapshot())));
    Some(PeerMessage {
        kind: i32::from(kind),
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        commit: message.commit,
        commit_term: message.commit_term,
        snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        transfer: message.context.as_ref() == raft::CAMPAIGN_TRANSFER,
        entries: message.get_entries().iter().map(|entry| entry_to_wire(entry_from_raft(entry))).collect(),
    })
}

fn kind_to_raft(kind: MessageKind) -> Option<eraftpb::MessageType> {
    use eraftpb::MessageType as Raft;
    Some(match kind {
        MessageKind::Unspecified => return None,
        MessageKind::Append => Raft::MsgAppend,
        MessageKind::AppendResponse => Raft::MsgAppendResponse,
        MessageKind::RequestVote => Raft::MsgRequestVote,
        MessageKind::RequestVoteResponse => Raft::MsgRequestVoteResponse,
        MessageKind::Snapshot => Raft::MsgSnapshot,
        MessageKind::Heartbeat => Raft::MsgHeartbeat,
        MessageKind::HeartbeatResponse => Raft::MsgHeartbeatResponse,
        MessageKind::TimeoutNow => Raft::MsgTimeoutNow,
        MessageKind::RequestPreVote => Raft::MsgRequestPreVote,
        MessageKind::RequestPreVoteResponse => Raft::MsgRequestPreVoteResponse,
    })
}

fn kind_from_raft(kind: eraftpb::MessageType) -> Option<MessageKind> {
    use eraftpb::MessageType as Raft;
    Some(match kind {
        Raft::MsgAppend => MessageKind::Append,
        Raft::MsgAppendResponse => MessageKind::AppendResponse,
        Raft::MsgRequestVote => MessageKind::RequestVote,
        Raft::MsgRequestVoteResponse => MessageKind::RequestVoteResponse,
        Raft::MsgSnapshot => MessageKind::Snapshot,
        Raft::MsgHeartbeat => MessageKind::Heartbeat,
        Raft::MsgHeartbeatResponse => MessageKind::HeartbeatResponse,
        Raft::MsgTimeoutNow => MessageKind::TimeoutNow,
        Raft::MsgRequestPreVote => MessageKind::RequestPreVote,
        Raft::MsgRequestPreVoteResponse => MessageKind::RequestPreVoteResponse,
        Raft::MsgHup
        | Raft::MsgBeat
        | Raft::MsgPropose
        | Raft::MsgUnreachable
        | Raft::MsgSnapStatus
        | Raft::MsgCheckQuorum
        | Raft::MsgTransferLeader
        | Raft::MsgReadIndex
        | Raft::MsgReadIndexResp => return None,
    })
}

fn wire_entry_to_raft(entry: wire::LogEntry) -> Option<eraftpb::Entry> {
    let kind = entry.kind();
    entry_to_raft(LogEntry { index: RaftIndex(entry.index), term: Term(entry.term), kind, bytes: entry.data })
}

/// Gives raft's form of an entry; nothing if its kind is none.
pub(super) fn entry_to_raft(entry: LogEntry) -> Option<eraftpb::Entry> {
    let mut converted = eraftpb::Entry::default();
    converted.set_entry_type(match entry.kind {
        EntryKind::Unspecified => return None,
        EntryKind::Record => eraftpb::EntryType::EntryNormal,
        EntryKind::Members => eraftpb::EntryType::EntryConfChangeV2,
    });
    converted.index = entry.index.0;
    converted.term = entry.term.0;
    converted.data = entry.bytes;
    Some(converted)
}

/// Gives our form of an entry of raft's log. A change of the old kind never enters it; it would read as unspecified.
pub(super) fn entry_from_raft(entry: &eraftpb::Entry) -> LogEntry {
    let kind = match entry.get_entry_type() {
        eraftpb::EntryType::EntryNormal => EntryKind::Record,
        eraftpb::EntryType::EntryConfChangeV2 => EntryKind::Members,
        eraftpb::EntryType::EntryConfChange => EntryKind::Unspecified,
    };
    LogEntry { index: RaftIndex(entry.index), term: Term(entry.term), kind, bytes: entry.data.clone() }
}

fn entry_to_wire(entry: LogEntry) -> wire::LogEntry {
    wire::LogEntry { kind: i32::from(entry.kind), term: entry.term.0, index: entry.index.0, data: entry.bytes }
}

/// Gives the hard state as we keep it.
pub(super) fn hard_state_from_raft(state: &eraftpb::HardState) -> HardState {
    HardState {
        term: Term(state.term),
        vote: (state.vote != raft::INVALID_ID).then_some(NodeId(state.vote)),
        commit: RaftIndex(state.commit),
    }
}

/// Gives the hard state as raft keeps it.
pub(super) fn hard_state_to_raft(state: &HardState) -> eraftpb::HardState {
    eraftpb::HardState {
        term: state.term.0,
        vote: state.vote.map_or(raft::INVALID_ID, |node| node.0),
        commit: state.commit.0,
        ..eraftpb::HardState::default()
    }
}

/// Gives the members as raft keeps them.
pub(super) fn members_to_raft(members: &Members) -> eraftpb::ConfState {
    let ids = |set: &std::collections::BTreeSet<NodeId>| set.iter().map(|node| node.0).collect::<Vec<_>>();
    let mut converted = eraftpb::ConfState::default();
    converted.set_voters(ids(&members.voters));
    converted.set_learners(ids(&members.learners));
    converted.set_voters_outgoing(ids(&members.voters_outgoing));
    converted.set_learners_next(ids(&members.learners_next));
    converted.auto_leave = members.auto_leave;
    converted
}

/// Gives the members as we keep them.
pub(super) fn members_from_raft(state: &eraftpb::ConfState) -> Members {
    let ids = |list: &[u64]| list.iter().copied().map(NodeId).collect();
    Members {
        voters: ids(state.get_voters()),
        learners: ids(state.get_learners()),
        voters_outgoing: ids(state.get_voters_outgoing()),
        learners_next: ids(state.get_learners_next()),
        auto_leave: state.auto_leave,
    }
}

/// Gives the members as they travel and are stored.
pub(super) fn members_to_wire(members: &Members) -> wire::Members {
    let ids = |set: &std::collections::BTreeSet<NodeId>| set.iter().map(|node| node.0).collect();
    wire::Members {
        voters: ids(&members.voters),
        learners: ids(&members.learners),
        voters_outgoing: ids(&members.voters_outgoing),
        learners_next: ids(&members.learners_next),
        auto_leave: members.auto_leave,
    }
}

/// Gives the members that a message names, unchecked.
pub(super) fn members_from_wire(members: &wire::Members) -> Members {
    let ids = |list: &[u64]| list.iter().copied().map(NodeId).collect();
    Members {
        voters: ids(&members.voters),
        learners: ids(&members.learners),
        voters_outgoing: ids(&members.voters_outgoing),
        learners_next: ids(&members.learners_next),
        auto_leave: members.auto_leave,
    }
}

/// Gives the snapshot as it travels and is stored.
#[must_use]
pub fn snapshot_to_wire(snapshot: SnapshotData) -> wire::Snapshot {
    wire::Snapshot {
        index: snapshot.index.0,
        term: snapshot.term.0,
        members: Some(members_to_wire(&snapshot.members)),
        state: snapshot.state,
    }
}

/// Gives the snapshot that a message carries, unchecked.
#[must_use]
pub fn snapshot_from_wire(snapshot: wire::Snapshot) -> SnapshotData {
    SnapshotData {
        index: RaftIndex(snapshot.index),
        term: Term(snapshot.term),
        members: snapshot.members.as_ref().map(members_from_wire).unwrap_or_default(),
        state: snapshot.state,
    }
}

/// Gives the snapshot as raft handles it.
pub(super) fn snapshot_to_raft(snapshot: &SnapshotData) -> eraftpb::Snapshot {
    let mut metadata = eraftpb::SnapshotMetadata {
        index: snapshot.index.0,
        term: snapshot.term.0,
        ..eraftpb::SnapshotMetadata::default()
    };
    metadata.set_conf_state(members_to_raft(&snapshot.members));
    let mut converted = eraftpb::Snapshot::default();
    converted.set_metadata(metadata);
    converted.data = snapshot.state.clone();
    converted
}

/// Gives the snapshot as we keep it.
pub(super) fn snapshot_from_raft(snapshot: &eraftpb::Snapshot) -> SnapshotData {
    let metadata = snapshot.get_metadata();
    SnapshotData {
        index: RaftIndex(metadata.index),
        term: Term(metadata.term),
        members: members_from_raft(metadata.get_conf_state()),
        state: snapshot.data.clone(),
    }
}
