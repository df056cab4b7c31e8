//! Choices: every replica that could lead, with every part of its score or the rule that forbids it.
//!
//! Deliberately no weighing: `decide::score` does that; here stands what it found, so that "why not broker 3" has an answer.

use serde::{Deserialize, Serialize};

use crate::model::ids::BrokerId;
use crate::model::topology::PartitionSet;

/// The candidates of partitions that share them, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The partitions.
    pub partitions: PartitionSet,
    /// Who was chosen; none where nobody is fit.
    pub chosen: Option<BrokerId>,
    /// Whom Kafka would choose by itself: the first in-sync replica in the list that is not the broker at fault.
    pub kafka_would: Option<BrokerId>,
    /// Every replica, with its score or why it is unfit.
    pub candidates: Vec<Candidate>,
}

/// A replica that could lead, or the reason why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Candidate {
    /// The replica.
    pub broker: BrokerId,
    /// Its score, or why it is unfit.
    pub verdict: Verdict,
}

/// A candidate's score or the rule that forbids it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// May lead; lower is better.
    Score(Score),
    /// May not lead.
    Unfit(Unfit),
}

/// A candidate's score, every part visible. Compared in the order of the fields of [`Score::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Score {
    /// The operator's promotion rule.
    pub promotion: Promotion,
    /// Whether it stands in the failure domain of the finding.
    pub shares_failed_rack: FailedRack,
    /// Permille of the limit in records, capped at 1000: how far its log end is behind.
    pub lag_permille: u32,
    /// The same lag in bytes, against the limit in bytes; 0 where it is not known how much a record weighs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lag_bytes_permille: u32,
    /// The same lag in time, against the limit in time; 0 where it is not known how fast the partition grows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lag_time_permille: u32,
    /// Permille: how many leaders its rack holds beyond an even share.
    pub rack_permille: u32,
    /// Permille: how many leaders it would hold beyond an even share.
    pub load_permille: u32,
    /// Permille: how many bytes a second it would take in as a leader beyond an even share; 0 where that is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in_permille: u32,
    /// Permille: how many partitions of Kafka's own topics it would lead beyond an even share; 0 for all other topics.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub coordinates_permille: u32,
    /// Permille: how unwell it looks (its silence against tau).
    pub health_permille: u32,
    /// The weighted sum of lag (the worst of three), rack, load (the worst of three) and health.
    pub weighted_permille: u32,
    /// Its place in the original order.
    pub position: u16,
}

/// A part that says nothing is left out of a record's bytes: records from before it read back to the same bytes.
fn is_zero(part: &u32) -> bool {
    *part == 0
}

impl Score {
    /// Gives what candidates are compared by, best first; ties end in the broker's id.
    #[must_use]
    pub fn key(&self, broker: BrokerId) -> (Promotion, FailedRack, u32, u16, BrokerId) {
        (self.promotion, self.shares_failed_rack, self.weighted_permille, self.position, broker)
    }
}

/// The operator's promotion rule for a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promotion {
    /// Rather this one.
    Prefer,
    /// No wish.
    Neutral,
    /// Rather another.
    PreferNot,
}

/// Whether a candidate stands in the failure domain of the finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedRack {
    /// Another rack, or racks are not set.
    No,
    /// The same rack.
    Yes,
}

/// Why a replica may not lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It is the broker at fault.
    AtFault,
    /// Not in the ISR, nor a clean ELR member of an empty one.
    OutOfIsr,
    /// Its own log end could not be read.
    LogEndSilent,
    /// Not green on the client path for a majority.
    NotGreen,
    /// Fenced, shutting down or unregistered.
    NotActive,
    /// The operator said never.
    Never,
    /// In maintenance.
    Maintenance,
    /// Its log dirs are cordoned: the operator is emptying it.
    Cordoned,
    /// Lost leadership lately.
    DemotedLately,
    /// The partition is being reassigned.
    Reassigning,
    /// What is known of the partition is too old.
    StaleView,
}
