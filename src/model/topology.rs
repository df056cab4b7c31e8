//! The cluster's shape: who is registered, who leads what, who is in sync.
//!
//! Deliberately no health: that a broker is listed here says nothing about whether it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{BrokerEpoch, BrokerId, ClusterId, LeaderEpoch, Offset, PartitionId, Rack, TopicId};

/// The shape of one Kafka cluster, as some source told it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topology {
    /// The cluster's own id.
    pub cluster: ClusterId,
    /// How far the metadata log had been read, where the source knows.
    pub metadata_offset: Option<Offset>,
    /// Every broker that is registered (and, where the source cannot tell, every one that is named).
    pub brokers: BTreeMap<BrokerId, Registration>,
    /// The topics by id.
    pub topics: BTreeMap<TopicId, Topic>,
    /// Every partition.
    pub partitions: BTreeMap<PartitionId, Partition>,
}

/// What the cluster says of one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its failure domain.
    pub rack: Option<Rack>,
    /// Its life; known to the observer of the metadata log only.
    pub epoch: Option<BrokerEpoch>,
    /// Where it stands with the active controller.
    pub standing: Standing,
}

/// Where a broker stands with the active controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Registered and unfenced.
    Active,
    /// Registered and fenced: leads nothing, in no ISR that has another member.
    Fenced,
    /// In controlled shutdown.
    ShuttingDown,
    /// Named in replica lists but not registered.
    Unregistered,
    /// The source cannot tell.
    Unknown,
}

/// A topic's name and the settings that decide whether its partitions serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name: for people; never part of a decision, never in a prompt.
    pub name: String,
    /// Kafka's own (`__consumer_offsets`, `__transaction_state`).
    pub internal: bool,
    /// Its effective `min.insync.replicas` (before Kafka caps it at the replication factor), where known.
    pub min_isr: Option<u16>,
}

/// One partition's assignment and leadership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its leader; none while leaderless.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The replicas in the controller's order; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: BTreeSet<BrokerId>,
    /// The eligible leader replicas (KIP-966), where the feature is on.
    pub elr: BTreeSet<BrokerId>,
    /// Whether a reassignment is in flight.
    pub reassigning: bool,
}

/// A set of partitions, kept small on paper: per topic the runs of consecutive numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionSet(BTreeMap<TopicId, Vec<Run>>);

/// Consecutive partition numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run(pub i32, pub i32);

impl PartitionSet {
    /// Gives the partitions in order.
    pub fn iter(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.0.iter().flat_map(|(topic, runs)| {
            runs.iter().flat_map(move |run| (run.0..=run.1).map(move |number| PartitionId { topic: *topic, number }))
        })
    }

    /// Gives how many partitions the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().flatten().map(|run| usize::try_from(i64::from(run.1) - i64::from(run.0) + 1).unwrap_or(0)).sum()
    }

    /// Tells whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether the set holds `partition`.
    #[must_use]
    pub fn contains(&self, partition: &PartitionId) -> bool {
        self.0
            .get(&partition.topic)
            .is_some_and(|runs| runs.iter().any(|run| run.0 <= partition.number && partition.number <= run.1))
    }
}

impl FromIterator<PartitionId> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = PartitionId>>(partitions: I) -> Self {
        let mut runs: BTreeMap<TopicId, Vec<Run>> = BTreeMap::new();
        // A sorted list rather than a set: sets of tens of thousands are made for each plan, mostly in order already.
        let mut sorted: Vec<PartitionId> = partitions.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        for partition in sorted {
            let of_topic = runs.entry(partition.topic).or_default();
            match of_topic.last_mut() {
                Some(last) if i64::from(last.1) + 1 == i64::from(partition.number) => last.1 = partition.number,
                _ => of_topic.push(Run(partition.number, partition.number)),
            }
        }
        Self(runs)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Fenced => "fenced",
            Self::ShuttingDown => "shutting down",
            Self::Unregistered => "unregistered",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_partitions_is_written_as_runs_and_read_back() {
        let topic = TopicId([1; 16]);
        let numbers = [5, 0, 1, 2, 9, 6];
        let set: PartitionSet = numbers.iter().map(|&number| PartitionId { topic, number }).collect();
        assert_eq!(serde_json::to_string(&set).unwrap(), format!("{{\"{topic}\":[[0,2],[5,6],[9,9]]}}"));
        assert_eq!(set.iter().map(|p| p.number).collect::<Vec<_>>(), [0, 1, 2, 5, 6, 9]);
        assert_eq!(set.len(), 6);
        assert!(set.contains(&PartitionId { topic, number: 6 }));
        assert!(!set.contains(&PartitionId { topic, number: 7 }));
    }
}
