//! What a script asks of the active controller.

use super::script::VICTIM;
use crate::model::ids::BrokerId;

/// What to ask of the active controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// `ElectLeaders` for the cell's partition.
    Elect(Election),
    /// `AlterPartitionReassignments` for the cell's partition; no list calls off what is under way.
    Reassign {
        /// The new list.
        replicas: Option<Vec<BrokerId>>,
        /// Whether it may be longer or shorter than the old one.
        size: Size,
    },
    /// `CreateTopics`, one partition.
    CreateTopic(Vec<BrokerId>),
    /// `DeleteTopics`.
    DeleteTopic,
    /// `BrokerHeartbeat` with `WantFence`.
    Fence(BrokerId, Life),
    /// `UnregisterBroker`.
    Unregister(BrokerId),
    /// `IncrementalAlterConfigs`: every copy of the cell's topic counts for the quotas of its brokers.
    CountCopies,
    /// The same: how much a broker gives to followers that are not in sync, in bytes a second; none is no limit.
    Rate(BrokerId, Option<u64>),
}

impl Deed {
    /// Tells whether it strikes a whole broker, and so every cell of a batch.
    #[must_use]
    pub fn is_broad(&self) -> bool {
        match self {
            Self::Fence(_, life) => *life == Life::Present,
            Self::Unregister(broker) => *broker == VICTIM,
            Self::Elect(_)
            | Self::Reassign { .. }
            | Self::CreateTopic(_)
            | Self::DeleteTopic
            | Self::CountCopies
            | Self::Rate(..) => false,
        }
    }
}

/// Which election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first of the list, if it is in sync.
    Preferred,
    /// For a partition without a leader; may lose records.
    Unclean,
}

/// What may become of the number of replicas (`AllowReplicationFactorChange`, Kafka 4.1 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It must stay.
    Kept,
    /// It may change.
    Free,
}

/// Which life of a broker a heartbeat names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The one that is registered.
    Present,
    /// One before it.
    Older,
    /// One after it.
    Newer,
}
