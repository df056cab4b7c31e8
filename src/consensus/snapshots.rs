//! Snapshots and what they allow to be cut: asked for, taken in, and given up when they are lost on the way.

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::{ProgressState, SnapshotStatus};

use super::convert;
use super::io::{Output, Persist, SnapshotWrite};
use super::peer::{Growth, Peer};
use super::ready::Pending;
use super::start::SnapshotData;
use crate::model::ids::{NodeId, RaftIndex, Term};

/// After so many election timeouts without an answer a snapshot counts as lost: raft-rs would wait for ever.
const SNAPSHOT_PATIENCE_ELECTIONS: usize = 4;

impl Peer {
    /// Takes the state machine's state in as the newest snapshot.
    pub(super) fn snapshotted(&mut self, index: RaftIndex, state: Bytes) {
        self.growth.asked = false;
        let newest = self.raw.store().newest_snapshot();
        let bytes = state.len();
        if self.options.snapshot_bytes_max < bytes {
            self.out.push(Output::SnapshotTooLarge { bytes, bytes_max: self.options.snapshot_bytes_max });
            return;
        }
        // A state older than the newest snapshot is worth nothing; one from beyond what was given out cannot be.
        let Some(term) = self.raw.store().term_at(index.0).filter(|_| newest.index < index && index <= self.applied)
        else {
            return;
        };
        let members = self.members_since.range(..=index).next_back().map_or(&newest.members, |(_, members)| members);
        let snapshot = SnapshotData { index, term: Term(term), members: members.clone(), state };
        self.members_since.retain(|since, _| index < *since);
        self.growth = Growth { entries: self.applied.0.saturating_sub(index.0), ..Growth::default() };
        self.raw.mut_store().set_snapshot(snapshot.clone(), self.options.keep_bytes);
        let token = self.next_token();
        self.out.push(Output::Persist(Persist {
            token,
            // The snapshot proves its index to be committed; the commit index on the disk may still lag behind it.
            hard_state: Some(convert::hard_state_from_raft(&self.raw.raft.hard_state())),
            entries: Vec::new(),
            snapshot: Some(SnapshotWrite::Own(snapshot)),
            cut_behind: None,
            must_sync: true,
        }));
        self.pending = Some(Pending::plain(token));
    }

    /// Cuts the log on the disk behind the newest snapshot, as far as the caller allows and slow peers do not need it.
    pub(super) fn compact(&mut self, up_to: RaftIndex) {
        let covered = up_to.min(self.raw.store().newest_snapshot().index);
        let cut = RaftIndex(covered.0.saturating_sub(self.options.keep_entries));
        // Cutting costs a write: it waits until a tenth of what is kept can go.
        let step = (self.options.keep_entries / 10).max(1);
        if cut.0 < self.cut_asked.0.saturating_add(step) {
            return;
        }
        self.cut_asked = cut;
        let token = self.next_token();
        self.out.push(Output::Persist(Persist {
            token,
            hard_state: None,
            entries: Vec::new(),
            snapshot: None,
            cut_behind: Some(cut),
            must_sync: false,
        }));
        self.pending = Some(Pending::plain(token));
    }

    /// Asks for a snapshot unless that was done already.
    pub(super) fn need_snapshot(&mut self) {
        if !self.growth.asked {
            self.growth.asked = true;
            self.out.push(Output::NeedSnapshot { applied: self.applied });
        }
    }

    /// Once a snapshot is sent, raft-rs sends that follower nothing else until it hears that the snapshot arrived or was
    /// lost. Links may lose it unnoticed, so that after a while without progress it counts as lost, and is sent again.
    pub(super) fn give_up_lost_snapshots(&mut self) {
        let waiting = |progress: &raft::Progress| progress.state == ProgressState::Snapshot;
        let to: BTreeSet<NodeId> =
            self.raw.raft.prs().iter().filter(|(_, progress)| waiting(progress)).map(|(id, _)| NodeId(*id)).collect();
        self.snapshots_out.retain(|node, _| to.contains(node));
        let patience = self.options.election_ticks.saturating_mul(SNAPSHOT_PATIENCE_ELECTIONS);
        for node in to {
            let ticks = self.snapshots_out.entry(node).or_insert(0);
            *ticks = ticks.saturating_add(1);
            if patience < *ticks {
                self.snapshot_lost(node);
            }
        }
    }

    /// Tells raft-rs that a snapshot on its way to this node, if there is one, will not arrive.
    pub(super) fn snapshot_lost(&mut self, to: NodeId) {
        if self.snapshots_out.remove(&to).is_some() {
            self.raw.report_snapshot(to.0, SnapshotStatus::Failure);
        }
    }
}
