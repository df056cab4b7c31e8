//! What raft-rs has ready: sent, persisted, given out as committed, in the order that Raft demands.
//!
//! Order of one round: a leader's messages at once; what is committed already; then the write; after it the messages that
//! vouch for it, what it committed, and only then raft-rs's next step.

use raft::{Ready, StateRole, eraftpb};

use super::convert;
use super::io::{Committed, DropReason, Output, Persist, PersistToken, SnapshotWrite};
use super::log;
use super::members;
use super::peer::{Growth, Peer};
use super::start::SnapshotData;
use super::wire::EntryKind;
use crate::model::ids::{RaftIndex, Term};

/// A write that is under way, and what follows it.
pub(super) struct Pending {
    token: PersistToken,
    round: Option<Round>,
}

/// A round of raft-rs that waits for its write.
struct Round {
    ready: Ready,
    messages: Vec<eraftpb::Message>,
    committed: Vec<eraftpb::Entry>,
    installed: Option<SnapshotData>,
}

impl Pending {
    /// A write of our own, after which raft-rs has nothing to do.
    pub(super) fn plain(token: PersistToken) -> Self {
        Self { token, round: None }
    }
}

impl Peer {
    /// Takes what raft-rs has ready as far as it goes without the disk.
    pub(super) fn take_ready(&mut self) {
        let mut ready = self.raw.ready();
        let messages = ready.take_messages();
        self.send(messages);
        let mut committed = ready.take_committed_entries();
        // raft-rs touches its own progress while it takes notice of a write; members may only change after that.
        let first_change = committed.iter().position(|entry| entry.get_entry_type() != eraftpb::EntryType::EntryNormal);
        let later = committed.split_off(first_change.unwrap_or(committed.len()));
        self.give_out(committed);
        self.announce();

        let hard_state = ready.hs().map(convert::hard_state_from_raft);
        let entries = ready.take_entries();
        let installed = (!ready.snapshot().is_empty()).then(|| convert::snapshot_from_raft(ready.snapshot()));
        if let Some(snapshot) = &installed {
            self.raw.mut_store().install(snapshot.clone());
        }
        if let Some(state) = hard_state {
            self.raw.mut_store().set_hard_state(state);
        }
        self.raw.mut_store().append(&entries);

        let must_sync = ready.must_sync();
        let messages = ready.take_persisted_messages();
        let nothing_to_write = hard_state.is_none() && entries.is_empty() && installed.is_none();
        let round = Round { ready, messages, committed: later, installed: installed.clone() };
        if nothing_to_write {
            self.finish(round);
            return;
        }
        let token = self.next_token();
        self.out.push(Output::Persist(Persist {
            token,
            hard_state,
            entries: entries.iter().map(convert::entry_from_raft).collect(),
            snapshot: installed.map(SnapshotWrite::Received),
            cut_behind: None,
            must_sync,
        }));
        self.pending = Some(Pending { token, round: Some(round) });
    }

    /// Goes on after a write. The token of another write than the one under way is from an earlier life, and ignored.
    pub(super) fn persisted(&mut self, token: PersistToken) {
        if let Some(Pending { round, .. }) = self.pending.take_if(|pending| pending.token == token)
            && let Some(round) = round
        {
            self.finish(round);
        }
    }

    fn finish(&mut self, round: Round) {
        let Round { ready, messages, mut committed, installed } = round;
        self.send(messages);
        if let Some(snapshot) = installed {
            self.install(snapshot);
        }
        let mut light = self.raw.advance_append(ready);
        self.send(light.take_messages());
        committed.extend(light.take_committed_entries());
        self.give_out(committed);
        self.raw.advance_apply();
    }

    fn install(&mut self, snapshot: SnapshotData) {
        self.applied = snapshot.index;
        self.members_since.clear();
        self.growth = Growth::default();
        let covered: Vec<RaftIndex> = self.proposals.range(..=snapshot.index).map(|(index, _)| *index).collect();
        for index in covered {
            if let Some((_, token)) = self.proposals.remove(&index) {
                self.out.push(Output::Dropped { token, why: DropReason::OutcomeUnknown });
            }
        }
        self.out.push(Output::InstallSnapshot { index: snapshot.index, state: snapshot.state });
        self.out.push(Output::MembersChanged(snapshot.members));
    }

    /// Gives out what is committed, and carries out changes of the members among it.
    fn give_out(&mut self, entries: Vec<eraftpb::Entry>) {
        let Some(up_to) = entries.last().map(|entry| RaftIndex(entry.index)) else { return };
        let mut records = Vec::new();
        let mut changed = false;
        for entry in &entries {
            self.growth.entries = self.growth.entries.saturating_add(1);
            self.growth.bytes = self.growth.bytes.saturating_add(log::size_of_entry(entry));
            let index = RaftIndex(entry.index);
            if let Some((term, token)) = self.proposals.remove(&index)
                && term != Term(entry.term)
            {
                self.out.push(Output::Dropped { token, why: DropReason::Superseded });
            }
            let entry = convert::entry_from_raft(entry);
            match entry.kind {
                EntryKind::Record if entry.bytes.is_empty() => {}
                EntryKind::Record => records.push(entry),
                EntryKind::Members => changed |= self.apply_change(index, &entry.bytes),
                EntryKind::Unspecified => {}
            }
        }
        self.applied = up_to;
        self.out.push(Output::Committed(Committed { records, up_to }));
        if changed {
            let members = convert::members_from_raft(&self.raw.raft.prs().conf().to_conf_state());
            self.out.push(Output::MembersChanged(members));
        }
        let grown = self.options.snapshot_each_entries <= self.growth.entries
            || self.options.snapshot_each_bytes <= self.growth.bytes;
        if grown {
            self.need_snapshot();
        }
    }

    /// Carries a change out and says whether it changed anything. One that cannot be (it was checked when proposed, so only a
    /// faulty leader makes such) changes nothing, on every node alike.
    fn apply_change(&mut self, index: RaftIndex, body: &[u8]) -> bool {
        let Some(change) = members::decode(body) else { return false };
        let Ok(state) = self.raw.apply_conf_change(&change) else { return false };
        self.members_since.insert(index, convert::members_from_raft(&state));
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader && !raft.prs().conf().voters().contains(raft.id) {
            // It inherited its own removal from an earlier leader; raft-rs would panic at its next write.
            let term = raft.term;
            raft.become_follower(term, raft::INVALID_ID);
        }
        true
    }
}
