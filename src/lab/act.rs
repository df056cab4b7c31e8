//! The acts that the matrix and the oracle send after a fault: what each does to Kafka, nothing about when or whether.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::adapters::kafka::wire::TopicView;
use crate::lab::LabError;
use crate::lab::admin::Hands;
use crate::lab::names::BrokerId;
use crate::model::ids::BrokerEpoch;

/// One act against a broker that leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Nothing: what Kafka does by itself.
    None,
    /// Reorder, then a preferred election.
    Elect,
    /// A heartbeat in the broker's name that asks for fencing.
    Fence,
    /// Reorder, then fence: the candidate of our choice leads.
    ReorderFence,
    /// Reorder, a preferred election, then fence: a record more for each partition.
    ElectFence,
    /// The broker's registration is dropped.
    Unregister,
    /// Reorder, then unregister.
    ReorderUnregister,
    /// The broker leaves the replica lists.
    Evict,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Elect => "elect",
            Self::Fence => "fence",
            Self::ReorderFence => "reorder-fence",
            Self::ElectFence => "elect-fence",
            Self::Unregister => "unregister",
            Self::ReorderUnregister => "reorder-unregister",
            Self::Evict => "evict",
        })
    }
}

/// Against whom an act goes, known before the fault.
#[derive(Debug, Clone)]
pub struct Against {
    /// The broker.
    pub broker: BrokerId,
    /// Its life.
    pub epoch: BrokerEpoch,
    /// What it leads.
    pub topic: TopicView,
}

impl Act {
    /// Carries the act out.
    ///
    /// Errors: [`LabError::Kafka`] with what Kafka refused.
    pub async fn send(self, hands: &Hands, against: &Against) -> Result<(), LabError> {
        let Against { broker, epoch, topic } = against;
        match self {
            Self::None => Ok(()),
            Self::Elect => hands.elect_away(*broker, topic).await,
            Self::Fence => hands.fence(*broker, *epoch).await,
            Self::ReorderFence => {
                hands.reorder_away(*broker, topic).await?;
                hands.fence(*broker, *epoch).await
            }
            Self::ElectFence => {
                hands.elect_away(*broker, topic).await?;
                hands.fence(*broker, *epoch).await
            }
            Self::Unregister => hands.unregister(*broker).await,
            Self::ReorderUnregister => {
                hands.reorder_away(*broker, topic).await?;
                hands.unregister(*broker).await
            }
            Self::Evict => hands.evict(*broker, topic).await,
        }
    }

    /// Tells whether the broker is gone from the cluster until its process starts anew.
    #[must_use]
    pub fn drops_registration(self) -> bool {
        matches!(self, Self::Unregister | Self::ReorderUnregister)
    }
}
