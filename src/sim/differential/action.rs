//! The columns of the table: what is asked of Kafka.
//!
//! What only looks (Metadata of every broker, DescribeQuorum, ListOffsets of every replica, Produce with either kind of
//! acknowledgement) is no column: every cell looks, after every stage.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deed::{Deed, Election, Life, Size};
use super::state::State;
use crate::model::ids::BrokerId;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: what Kafka does by itself.
    None,
    /// A preferred election, the replica list as it is.
    Preferred,
    /// An unclean election.
    Unclean,
    /// Another order of the same replicas.
    Reorder,
    /// The other order, then a preferred election.
    Move,
    /// The opposite order, then an unclean election.
    ReorderUnclean,
    /// Broker 1 leaves the replica list.
    RemoveOnly,
    /// Only broker 2 stays in the replica list.
    RemoveToOne,
    /// Broker 1 leaves the replica list, and the number of replicas must not change.
    RemoveGuarded,
    /// Broker 3 joins a list of two.
    AddReplica,
    /// Broker 3 takes the place of broker 1.
    Replace,
    /// A broker that does not exist joins the list.
    UnknownTarget,
    /// The reassignment under way is called off.
    Cancel,
    /// A topic with three replicas is made.
    CreateTopic,
    /// The topic is deleted.
    DeleteTopic,
    /// A heartbeat asks to fence an older life of broker 1.
    FenceStale,
    /// A heartbeat asks to fence a life of broker 1 that has not been yet.
    FenceFuture,
    /// A broker that does not exist is unregistered.
    UnregisterUnknown,
    /// A heartbeat asks to fence broker 1.
    Fence,
    /// The other order, then a heartbeat that asks to fence broker 1.
    ReorderFence,
    /// Broker 1 is unregistered.
    Unregister,
    /// The other order, then broker 1 is unregistered.
    ReorderUnregister,
    /// Broker 1 is killed and started again at once.
    Restart,
}

/// Who shares one trouble: what touches its own topic only goes side by side, what touches a whole broker does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Company {
    /// Actions on a topic of their own, and those that change nothing.
    Topics,
    /// Actions that fence broker 1.
    Fences,
    /// Actions that unregister broker 1.
    Unregisters,
    /// The restart.
    Restarts,
}

impl Company {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Topics, Self::Fences, Self::Unregisters, Self::Restarts];
}

const NOBODY: BrokerId = BrokerId(9);

impl Action {
    /// Every action, in the order in which those of one company are carried out.
    pub const ALL: [Self; 23] = [
        Self::None,
        Self::Preferred,
        Self::Unclean,
        Self::Reorder,
        Self::Move,
        Self::ReorderUnclean,
        Self::RemoveOnly,
        Self::RemoveToOne,
        Self::RemoveGuarded,
        Self::AddReplica,
        Self::Replace,
        Self::UnknownTarget,
        Self::Cancel,
        Self::CreateTopic,
        Self::DeleteTopic,
        Self::FenceStale,
        Self::FenceFuture,
        Self::UnregisterUnknown,
        Self::ReorderFence,
        Self::Fence,
        Self::ReorderUnregister,
        Self::Unregister,
        Self::Restart,
    ];

    /// Gives who shares its trouble.
    #[must_use]
    pub fn company(self) -> Company {
        match self {
            Self::Fence | Self::ReorderFence => Company::Fences,
            Self::Unregister | Self::ReorderUnregister => Company::Unregisters,
            Self::Restart => Company::Restarts,
            Self::None
            | Self::Preferred
            | Self::Unclean
            | Self::Reorder
            | Self::Move
            | Self::ReorderUnclean
            | Self::RemoveOnly
            | Self::RemoveToOne
            | Self::RemoveGuarded
            | Self::AddReplica
            | Self::Replace
            | Self::UnknownTarget
            | Self::Cancel
            | Self::CreateTopic
            | Self::DeleteTopic
            | Self::FenceStale
            | Self::FenceFuture
            | Self::UnregisterUnknown => Company::Topics,
        }
    }

    /// Gives the replicas of the cell's topic, leader first; none if the action itself makes the topic.
    #[must_use]
    pub fn replicas(self, state: State) -> Option<Vec<BrokerId>> {
        let narrow = matches!(self, Self::AddReplica | Self::Replace) || state == State::Reassigning;
        match (self, state) {
            (Self::CreateTopic, _) => None,
            (_, State::SoleReplica) => Some(ids(&[1])),
            _ if narrow => Some(ids(&[1, 2])),
            _ => Some(ids(&[1, 2, 3])),
        }
    }

    /// Gives what is asked, in order.
    #[must_use]
    pub fn deeds(self, state: State) -> Vec<Deed> {
        let order = |replicas: &[i32]| Deed::Reassign { replicas: Some(ids(replicas)), size: Size::Kept };
        let size = |replicas: &[i32]| Deed::Reassign { replicas: Some(ids(replicas)), size: Size::Free };
        let (one, two) = (BrokerId(1), state == State::Reassigning);
        let other_order = if two { order(&[3, 1]) } else { order(&[2, 3, 1]) };
        match self {
            Self::None | Self::Restart => vec![],
            Self::Preferred => vec![Deed::Elect(Election::Preferred)],
            Self::Unclean => vec![Deed::Elect(Election::Unclean)],
            Self::Reorder => vec![other_order],
            Self::Move => vec![other_order, Deed::Elect(Election::Preferred)],
            Self::ReorderUnclean => vec![order(&[3, 2, 1]), Deed::Elect(Election::Unclean)],
            Self::RemoveOnly if two => vec![size(&[2])],
            Self::RemoveOnly => vec![size(&[2, 3])],
            Self::RemoveToOne => vec![size(&[2])],
            Self::RemoveGuarded => vec![order(&[2, 3])],
            Self::AddReplica if state == State::SoleReplica => vec![size(&[1, 2])],
            Self::AddReplica => vec![size(&[1, 2, 3])],
            Self::Replace if state == State::SoleReplica => vec![order(&[2])],
            Self::Replace => vec![order(&[3, 2])],
            Self::UnknownTarget => {
                vec![Deed::Reassign { replicas: Some(vec![BrokerId(2), BrokerId(3), NOBODY]), size: Size::Free }]
            }
            Self::Cancel => vec![Deed::Reassign { replicas: None, size: Size::Free }],
            Self::CreateTopic => vec![Deed::CreateTopic(ids(&[2, 3, 1]))],
            Self::DeleteTopic => vec![Deed::DeleteTopic],
            Self::FenceStale => vec![Deed::Fence(one, Life::Older)],
            Self::FenceFuture => vec![Deed::Fence(one, Life::Newer)],
            Self::UnregisterUnknown => vec![Deed::Unregister(NOBODY)],
            Self::Fence => vec![Deed::Fence(one, Life::Present)],
            Self::ReorderFence => vec![other_order, Deed::Fence(one, Life::Present)],
            Self::Unregister => vec![Deed::Unregister(one)],
            Self::ReorderUnregister => vec![other_order, Deed::Unregister(one)],
        }
    }

    /// Gives the action's name as recordings write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Preferred => "preferred",
            Self::Unclean => "unclean",
            Self::Reorder => "reorder",
            Self::Move => "move",
            Self::ReorderUnclean => "reorder-unclean",
            Self::RemoveOnly => "remove-only",
            Self::RemoveToOne => "remove-to-one",
            Self::RemoveGuarded => "remove-guarded",
            Self::AddReplica => "add-replica",
            Self::Replace => "replace",
            Self::UnknownTarget => "unknown-target",
            Self::Cancel => "cancel",
            Self::CreateTopic => "create-topic",
            Self::DeleteTopic => "delete-topic",
            Self::FenceStale => "fence-stale",
            Self::FenceFuture => "fence-future",
            Self::UnregisterUnknown => "unregister-unknown",
            Self::Fence => "fence",
            Self::ReorderFence => "reorder-fence",
            Self::Unregister => "unregister",
            Self::ReorderUnregister => "reorder-unregister",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
