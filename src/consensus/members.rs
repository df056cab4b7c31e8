//! Who belongs to the trio, and how that may change.
//!
//! Voters are fixed when a trio is first set up. After that only one thing changes them: a node whose disk was lost comes
//! back under a new id, first as a learner, then in the place of the old one.

use std::collections::BTreeSet;

use prost::Message as _;
use raft::eraftpb;

use super::convert;
use super::io::DropReason;
use super::log::MemLog;
use super::wire;
use crate::model::ids::NodeId;

/// Members beyond this are refused wherever they come from; the trio needs at most four voters and two learners.
pub const MEMBERS_MAX: usize = 16;

/// How far a learner may be behind, in entries, to be made a voter: about what one append message carries.
const LEARNER_LAG_ENTRIES_MAX: u64 = 1_000;

/// The members of the trio, with those of a change that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Those whose votes and acknowledgements count.
    pub voters: BTreeSet<NodeId>,
    /// Those that are only told.
    pub learners: BTreeSet<NodeId>,
    /// While a replacement is under way: the voters before it, a majority of whom must agree as well.
    pub voters_outgoing: BTreeSet<NodeId>,
    /// While a replacement is under way: outgoing voters that become learners afterwards.
    pub learners_next: BTreeSet<NodeId>,
    /// While a replacement is under way: whether the leader ends it by itself.
    pub auto_leave: bool,
}

impl Members {
    /// Gives the members of a new trio.
    #[must_use]
    pub fn voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// Gives every node that takes any part.
    #[must_use]
    pub fn all(&self) -> BTreeSet<NodeId> {
        [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Says whether these members contradict themselves, in a way that would make raft-rs panic.
    ///
    /// Errors: what is wrong, as a phrase.
    pub fn check(&self) -> Result<(), &'static str> {
        let all = self.all();
        if all.len() > MEMBERS_MAX {
            return Err("too many members");
        }
        if all.contains(&NodeId(0)) {
            return Err("a member with id 0");
        }
        if self.voters.is_empty() {
            return Err("no voters");
        }
        let voting = |id: &NodeId| self.voters.contains(id) || self.voters_outgoing.contains(id);
        if self.learners.iter().any(voting) {
            return Err("a learner that votes");
        }
        if !self.learners_next.is_subset(&self.voters_outgoing) || !self.learners_next.is_disjoint(&self.voters) {
            return Err("a future learner that is no outgoing voter");
        }
        if self.voters_outgoing.is_empty() && self.auto_leave {
            return Err("a change to be ended that was never begun");
        }
        Ok(())
    }
}

/// A wish to change the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// Let a node that was never a member listen.
    AddLearner(NodeId),
    /// Make a learner that has caught up a voter, and remove the voter that it replaces, in one step.
    Replace {
        /// The learner.
        learner: NodeId,
        /// The voter whose place it takes.
        gone: NodeId,
    },
    /// Remove a learner, or a voter without a replacement.
    Remove(NodeId),
}

/// Gives the next change on the way from the present members to those that the configuration wants, if one is due.
///
/// Somebody new comes in only in the place of a voter that is not wanted any more: a node whose disk was lost has got a new id
/// in the configuration. Nobody is removed without somebody to take the place, so that a slip in the configuration costs
/// no vote. To be asked by the leader now and then, with what [`super::Input::ChangeMembers`] answers ignored: what could
/// not be done now is due again.
#[must_use]
pub fn next_change(present: &Members, wanted: &BTreeSet<NodeId>) -> Option<MemberChange> {
    if !present.voters_outgoing.is_empty() {
        return None;
    }
    if let Some(stray) = present.learners.difference(wanted).next() {
        return Some(MemberChange::Remove(*stray));
    }
    let gone = *present.voters.difference(wanted).next()?;
    if let Some(learner) = present.learners.first() {
        return Some(MemberChange::Replace { learner: *learner, gone });
    }
    wanted.difference(&present.voters).next().map(|new| MemberChange::AddLearner(*new))
}

/// Gives the log entry's body for a change, if the change makes sense for the leader whose raft this is.
pub(super) fn plan_change(raft: &raft::Raft<MemLog>, change: MemberChange) -> Result<Vec<u8>, DropReason> {
    if raft.has_pending_conf() {
        return Err(DropReason::ChangePending);
    }
    let members = convert::members_from_raft(&raft.prs().conf().to_conf_state());
    if !members.voters_outgoing.is_empty() {
        return Err(DropReason::ChangePending);
    }
    let singles = match change {
        MemberChange::AddLearner(node) => {
            if node == NodeId(0) || members.all().contains(&node) || members.all().len() >= MEMBERS_MAX {
                return Err(DropReason::ImpossibleChange);
            }
            vec![(SingleKind::AddLearner, node)]
        }
        MemberChange::Replace { learner, gone } => {
            refuse_self(raft, gone)?;
            if !members.learners.contains(&learner) || !members.voters.contains(&gone) {
                return Err(DropReason::ImpossibleChange);
            }
            let matched = raft.prs().get(learner.0).map_or(0, |progress| progress.matched);
            // Nothing at all is known to be there before it has taken its first snapshot.
            if matched == 0 || matched.saturating_add(LEARNER_LAG_ENTRIES_MAX) < raft.raft_log.last_index() {
                return Err(DropReason::LearnerBehind);
            }
            vec![(SingleKind::AddVoter, learner), (SingleKind::Remove, gone)]
        }
        MemberChange::Remove(node) => {
            refuse_self(raft, node)?;
            let last_voter = members.voters.contains(&node) && members.voters.len() == 1;
            if last_voter || !members.all().contains(&node) {
                return Err(DropReason::ImpossibleChange);
            }
            vec![(SingleKind::Remove, node)]
        }
    };
    Ok(encode(&singles))
}

/// Names the kinds of a single change, as `peers.proto` numbers them.
use wire::member_changes::single::Kind as SingleKind;

/// raft-rs panics when a leader that removed itself persists its next entry.
fn refuse_self(raft: &raft::Raft<MemLog>, node: NodeId) -> Result<(), DropReason> {
    if node.0 == raft.id { Err(DropReason::WouldRemoveLeader) } else { Ok(()) }
}

fn encode(singles: &[(SingleKind, NodeId)]) -> Vec<u8> {
    let changes = singles
        .iter()
        .map(|(kind, node)| wire::member_changes::Single { kind: i32::from(*kind), node_id: node.0 })
        .collect();
    wire::MemberChanges { transition: i32::from(wire::member_changes::Transition::Auto), changes }.encode_to_vec()
}

/// Gives the change that an entry of kind MEMBERS asks for, or nothing if its body is none.
pub(super) fn decode(body: &[u8]) -> Option<eraftpb::ConfChangeV2> {
    let changes = wire::MemberChanges::decode(body).ok()?;
    if changes.changes.len() > MEMBERS_MAX {
        return None;
    }
    let mut decoded = eraftpb::ConfChangeV2::default();
    decoded.set_transition(match wire::member_changes::Transition::try_from(changes.transition).ok()? {
        wire::member_changes::Transition::Auto => eraftpb::ConfChangeTransition::Auto,
        wire::member_changes::Transition::Implicit => eraftpb::ConfChangeTransition::Implicit,
        wire::member_changes::Transition::Explicit => eraftpb::ConfChangeTransition::Explicit,
    });
    for change in changes.changes {
        if change.node_id == 0 {
            return None;
        }
        let mut single = eraftpb::ConfChangeSingle { node_id: change.node_id, ..eraftpb::ConfChangeSingle::default() };
        single.set_change_type(match SingleKind::try_from(change.kind).ok()? {
            SingleKind::AddVoter => eraftpb::ConfChangeType::AddNode,
            SingleKind::Remove => eraftpb::ConfChangeType::RemoveNode,
            SingleKind::AddLearner => eraftpb::ConfChangeType::AddLearnerNode,
        });
        decoded.mut_changes().push(single);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_raft_would_panic_on_are_refused() {
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let trio = Members::voters([NodeId(1), NodeId(2), NodeId(3)]);
        assert_eq!(trio.check(), Ok(()));
        let replacing = Members {
            voters: set(&[1, 2, 4]),
            voters_outgoing: set(&[1, 2, 3]),
            auto_leave: true,
            ..Members::default()
        };
        assert_eq!(replacing.check(), Ok(()));
        for (members, why) in [
            (Members::default(), "no voters"),
            (Members { learners: set(&[2]), ..trio.clone() }, "a learner that votes"),
            (Members { learners_next: set(&[9]), ..trio.clone() }, "a future learner that is no outgoing voter"),
            (Members { auto_leave: true, ..trio.clone() }, "a change to be ended that was never begun"),
            (Members { learners: set(&[0]), ..trio.clone() }, "a member with id 0"),
            (Members::voters((1..=17).map(NodeId)), "too many members"),
        ] {
            assert_eq!(members.check(), Err(why), "{members:?}");
        }
    }

    #[test]
    fn the_way_to_the_wanted_members_leads_over_a_learner_and_never_below_three_voters() {
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let (n3, n4, n5) = (NodeId(3), NodeId(4), NodeId(5));
        let trio = Members { voters: set(&[1, 2, 3]), ..Members::default() };
        let with = |learners: &[u64]| Members { learners: set(learners), ..trio.clone() };
        let joint = Members { voters_outgoing: set(&[1, 2, 3]), auto_leave: true, ..trio.clone() };
        let replace = MemberChange::Replace { learner: n4, gone: n3 };
        for (present, wanted, due) in [
            (trio.clone(), set(&[1, 2, 3]), None),
            (trio.clone(), set(&[1, 2, 4]), Some(MemberChange::AddLearner(n4))),
            (with(&[4]), set(&[1, 2, 4]), Some(replace)),
            (with(&[4, 5]), set(&[1, 2, 4]), Some(MemberChange::Remove(n5))),
            (with(&[4]), set(&[1, 2, 3]), Some(MemberChange::Remove(n4))),
            // A node left out, or one too many, is a slip: nothing is done.
            (trio.clone(), set(&[1, 2]), None),
            (trio.clone(), set(&[1, 2, 3, 4]), None),
            (joint, set(&[1, 2, 4]), None),
        ] {
            assert_eq!(next_change(&present, &wanted), due, "{present:?} {wanted:?}");
        }
    }

    #[test]
    fn a_change_reads_back_what_was_written() {
        let body = encode(&[(SingleKind::AddVoter, NodeId(4)), (SingleKind::Remove, NodeId(3))]);
        let decoded = decode(&body).expect("a change");
        let read: Vec<_> = decoded.get_changes().iter().map(|c| (c.get_change_type(), c.node_id)).collect();
        assert_eq!(read, [(eraftpb::ConfChangeType::AddNode, 4), (eraftpb::ConfChangeType::RemoveNode, 3)]);
    }

    #[test]
    fn a_body_that_is_no_change_is_nothing() {
        assert_eq!(decode(&[0xff; 9]), None);
        assert_eq!(decode(&encode(&[(SingleKind::AddVoter, NodeId(0))])), None);
    }
}
