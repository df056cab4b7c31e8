//! The price of a plan: what its whole-broker steps do to partitions that serve, and which records a move may drop.
//!
//! Deliberately per group of partitions with one fate: with 500 partitions the ledger stays readable.

use serde::{Deserialize, Serialize};

use crate::model::topology::PartitionSet;

/// What a whole-broker step does to partitions with the same fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// The step's number.
    pub step: u16,
    /// The partitions.
    pub partitions: PartitionSet,
    /// Whether they serve acks=all now.
    pub before: Serving,
    /// Whether they would afterwards.
    pub after: Serving,
    /// Whether Kafka's own fencing of the broker would do the same.
    pub native_same: NativeFate,
}

/// Whether a partition serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serving {
    /// acks=all, acks=1 and reads.
    Full,
    /// acks=1 and reads only: fewer in sync than `min.insync.replicas`.
    UnderMinIsr,
    /// Nothing: no leader that serves.
    No,
    /// Cannot be told: min ISR or reachability unknown.
    Unknown,
}

/// Whether Kafka left alone would bring the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeFate {
    /// Yes: the broker is dead and will be fenced.
    Same,
    /// No.
    Differs,
}

/// acks=1 records that a move may drop, summed over partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// The partitions.
    pub partitions: PartitionSet,
    /// The leader's tail beyond the candidate's log end; none where the leader's log end is not known.
    pub records: Option<u64>,
}
