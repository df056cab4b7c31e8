//! The operator who brings a wiped node back: under a new id, as a learner, then in the old one's place.

use tanist::consensus::{Input, Members, next_change};
use tanist::model::ids::NodeId;

/// How far the replacement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejoin {
    /// No disk was wiped.
    NotNeeded,
    /// `gone` was wiped and `new` started in its place.
    Wanted {
        /// The id that never votes again.
        gone: NodeId,
        /// The id under which the node comes back.
        new: NodeId,
    },
    /// `new` votes, `gone` is no member.
    Done,
}

impl Rejoin {
    /// Says whether a wiped node was replaced.
    pub(crate) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Gives what the operator asks the leader for, seeing its members.
    pub(crate) fn next(&mut self, token: u64, members: &Members) -> Option<Input> {
        let Self::Wanted { gone, new } = *self else { return None };
        if members.voters.contains(&new) && members.voters_outgoing.is_empty() {
            assert!(!members.all().contains(&gone), "the replacement is one step");
            *self = Self::Done;
            return None;
        }
        let before = members.voters.iter().chain(&members.voters_outgoing).copied();
        let wanted = before.filter(|node| *node != gone).chain([new]).collect();
        let change = next_change(members, &wanted)?;
        Some(Input::ChangeMembers { token, change })
    }
}
