//! Rulings: what the guard says of a plan. A "no" is a value with a typed reason.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{BrokerId, CaseId, PartitionId, Rack};
use super::plan::Class;
use super::time::{LogTime, millis};
use super::topology::PartitionSet;

/// What the guard says of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Ruling {
    /// May be carried out at once.
    Allowed,
    /// May be carried out once people have said yes.
    NeedsApproval {
        /// Its class.
        class: Class,
        /// How many different people.
        people: u8,
        /// How long the offer stands.
        #[serde(with = "millis", rename = "expires_in_ms")]
        expires_in: Duration,
    },
    /// Held, for every one of these reasons.
    Held(Vec<Objection>),
}

/// Why the guard holds a plan (or a step).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objection {
    /// Fewer votes than a majority of the trio.
    NoMajority {
        /// Votes for the finding.
        votes: u8,
        /// How many are needed.
        needed: u8,
    },
    /// The side that decides does not reach the active controller.
    ControllerUnreachable,
    /// One broker alone told how the cluster stands, although another could have been asked: its picture may be old.
    OneView(BrokerId),
    /// The picture is too old.
    StaleSnapshot {
        /// Its age.
        #[serde(with = "millis", rename = "age_ms")]
        age: Duration,
        /// The limit.
        #[serde(with = "millis", rename = "limit_ms")]
        limit: Duration,
    },
    /// Somebody else is moving these partitions.
    ForeignReassignment(PartitionSet),
    /// The broker is in maintenance.
    Maintenance(BrokerId),
    /// Automation is paused.
    Paused,
    /// Too soon after another act on this broker.
    CoolDown {
        /// The broker; none for the cluster-wide one.
        broker: Option<BrokerId>,
        /// Whose act started it.
        owner: CaseId,
        /// Until when.
        until: LogTime,
    },
    /// More brokers red than one incident explains: are we cut off?
    BlastRadius {
        /// Brokers that look red.
        red: u32,
        /// The limit.
        limit: u32,
        /// The racks they stand in.
        racks: BTreeSet<Rack>,
    },
    /// Its partitions still gain records: clients are being served.
    ProgressVeto {
        /// How many grow.
        growing: u32,
    },
    /// The chosen leader was not in the ISR, nor a clean ELR member of an empty one.
    TargetNotInSync {
        /// The partition.
        partition: PartitionId,
        /// The chosen one.
        target: BrokerId,
    },
    /// The chosen leader is not a replica, or the set of replicas would change.
    NotAPermutation {
        /// The partition.
        partition: PartitionId,
    },
    /// Partitions would have fewer in sync than `min.insync.replicas`, where Kafka alone would not do that.
    MinIsr(PartitionSet),
    /// Partitions that serve now would stop, where Kafka alone would not do that.
    Collateral(PartitionSet),
    /// The act names an unregistered broker, or would leave fewer registered than the highest replication factor.
    NamesUnregistered(BrokerId),
    /// The act names a broker whose log dirs are all cordoned.
    NamesCordoned(BrokerId),
    /// The broker is the only ISR or ELR member of these.
    OnlyMember {
        /// The broker.
        broker: BrokerId,
        /// The partitions.
        partitions: PartitionSet,
    },
    /// More partitions in one step than the policy allows.
    TooManyMoves {
        /// In the step.
        moves: u32,
        /// The limit.
        limit: u32,
    },
    /// A target would lead more than the policy allows.
    TargetFull {
        /// The target.
        target: BrokerId,
        /// Leaders it would hold.
        leaders: u32,
        /// The limit.
        limit: u32,
    },
    /// Moving a live leader would drop more acks=1 records of one topic than the policy allows.
    AtRisk {
        /// The partitions of the topic.
        partitions: PartitionSet,
        /// The old leader's tail beyond the new leader's log end; none where a log end is not known.
        records: Option<u64>,
        /// The limit.
        limit: u64,
    },
    /// Two steps change the same partition at once.
    TwiceAtOnce {
        /// The partition.
        partition: PartitionId,
    },
    /// Another plan is in flight.
    PlanInFlight(CaseId),
    /// The act needs the broker's epoch, and nobody knows it.
    EpochUnknown(BrokerId),
    /// The act is not allowed by the settings (`act.fence.*`).
    NotPermitted {
        /// The act's name.
        act: String,
    },
    /// The facts that the plan was made on have moved.
    FactsMoved,
}

impl Objection {
    /// Tells whether the objection goes away without anybody doing anything: no reason to wake a person.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        matches!(
            self,
            Self::CoolDown { .. }
                | Self::PlanInFlight(_)
                | Self::FactsMoved
                | Self::StaleSnapshot { .. }
                | Self::OneView(_)
        )
    }

    /// Gives the objection's name, as records, metrics and tables use it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoMajority { .. } => "NoMajority",
            Self::ControllerUnreachable => "ControllerUnreachable",
            Self::StaleSnapshot { .. } => "StaleSnapshot",
            Self::OneView(_) => "OneView",
            Self::ForeignReassignment(_) => "ForeignReassignment",
            Self::Maintenance(_) => "Maintenance",
            Self::Paused => "Paused",
            Self::CoolDown { .. } => "CoolDown",
            Self::BlastRadius { .. } => "BlastRadius",
            Self::ProgressVeto { .. } => "ProgressVeto",
            Self::TargetNotInSync { .. } => "TargetNotInSync",
            Self::NotAPermutation { .. } => "NotAPermutation",
            Self::MinIsr(_) => "MinIsr",
            Self::Collateral(_) => "Collateral",
            Self::NamesUnregistered(_) => "NamesUnregistered",
            Self::NamesCordoned(_) => "NamesCordoned",
            Self::OnlyMember { .. } => "OnlyMember",
            Self::TooManyMoves { .. } => "TooManyMoves",
            Self::TargetFull { .. } => "TargetFull",
            Self::AtRisk { .. } => "AtRisk",
            Self::TwiceAtOnce { .. } => "TwiceAtOnce",
            Self::PlanInFlight(_) => "PlanInFlight",
            Self::EpochUnknown(_) => "EpochUnknown",
            Self::NotPermitted { .. } => "NotPermitted",
            Self::FactsMoved => "FactsMoved",
        }
    }
}
