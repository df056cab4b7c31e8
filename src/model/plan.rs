//! Plans: steps with preconditions, an undo, a class and a digest. A plan leaves no choice to the executor.
//!
//! Deliberately no way to carry anything out: the actuator does that, after the guard and the commit.

mod choice;
mod collateral;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::finding::FindingKind;
use super::ids::{BrokerEpoch, BrokerId, CaseId, Digest, LeaderEpoch, Person};
use super::topology::{Partition, PartitionSet};
pub use choice::{Candidate, Choice, FailedRack, Promotion, Score, Unfit, Verdict};
pub use collateral::{AtRisk, Collateral, NativeFate, Serving};

/// What is to be done to Kafka, completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The plan that this one follows or supersedes, if any.
    pub parent: Option<Digest>,
    /// Where it came from.
    pub origin: Origin,
    /// How dangerous it is.
    pub class: Class,
    /// The steps, in order; each names when it is due.
    pub steps: Vec<Step>,
    /// The order to restore: the first recorded order of each partition touched.
    pub undo: Vec<OriginalOrder>,
    /// What each whole-broker step does to partitions that serve, or would.
    pub collateral: Vec<Collateral>,
    /// acks=1 records that moving a live leader may drop.
    pub at_risk: Vec<AtRisk>,
    /// Every candidate of every affected partition, with its score or why it is unfit.
    pub choices: Vec<Choice>,
}

/// Where a plan came from: every change to Kafka is a plan, whatever its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A finding about a broker.
    Finding {
        /// What was found.
        kind: FindingKind,
        /// About whom.
        broker: BrokerId,
    },
    /// The case's recorded order is restored after recovery.
    Failback {
        /// The broker that came back.
        broker: BrokerId,
        /// The case whose acts are put back.
        of: CaseId,
    },
    /// A person asked for the recorded order back.
    Undo {
        /// The case.
        of: CaseId,
        /// Who asked.
        by: Person,
    },
}

/// How dangerous a plan or step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Changes nothing in Kafka.
    R0,
    /// Reversible in seconds.
    R1,
    /// Reversible but costly.
    R2,
    /// May lose acknowledged acks=all data.
    R3,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number within the plan, from 1.
    pub number: u16,
    /// When it is due.
    pub when: When,
    /// What it does.
    pub act: Act,
    /// What must hold just before it is sent; checked again by guard and actuator.
    pub expects: Vec<Precondition>,
}

/// When a step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// As soon as the intent is committed.
    AtOnce,
    /// Once the echo of the step before says that the broker is behind.
    EchoBehind,
    /// Once the echo says level while the broker is still red (after the progress veto).
    EchoLevelStillRed,
    /// Once the echo says level and the broker answers again.
    EchoLevelGreen,
    /// After the outcome of the steps before was verified; off the path of the failover.
    Afterwards,
    /// After the step before was verified (batches of a failback).
    AfterPrevious,
}

/// What a step does to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The same replicas in another order (`AlterPartitionReassignments`); moves no leader by itself.
    Reorder {
        /// The moves.
        moves: Vec<Move>,
    },
    /// Reorder, then `ElectLeaders` PREFERRED.
    Elect {
        /// The moves.
        moves: Vec<Move>,
    },
    /// `ElectLeaders` PREFERRED alone: the order is already right.
    Prefer {
        /// The partitions, each with the leader that is wanted (and stands first).
        moves: Vec<Move>,
    },
    /// `BrokerHeartbeat` with WantFence and the broker's epoch, a compare-and-set.
    Fence {
        /// The broker.
        broker: BrokerId,
        /// The life that is fenced; a new incarnation is left alone.
        epoch: BrokerEpoch,
    },
    /// `UnregisterBroker`: no compare-and-set; a live broker becomes a zombie.
    Unregister {
        /// The broker.
        broker: BrokerId,
        /// The life that was found dead, where known; checked just before.
        epoch: Option<BrokerEpoch>,
    },
}

/// Partitions that share leader, epoch and order, and get the same new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The partitions.
    pub partitions: PartitionSet,
    /// Their leader at decision.
    pub leader: Option<BrokerId>,
    /// Their leader's epoch at decision.
    pub leader_epoch: LeaderEpoch,
    /// Their replicas at decision.
    pub from: Vec<BrokerId>,
    /// Their replicas afterwards: the same set; the first is the one who is to lead.
    pub to: Vec<BrokerId>,
}

impl Move {
    /// Tells whether a view is not older than the decision: a broker that was stopped, or cut off from the controllers, may tell for
    /// minutes what was so before, which on the way back is just what is wanted.
    #[must_use]
    pub fn is_heard_by(&self, seen: &Partition) -> bool {
        self.leader_epoch <= seen.leader_epoch
    }

    /// Tells whether a view shows the wanted leader: where another one led at decision, in a later epoch.
    #[must_use]
    pub fn is_led_in(&self, seen: &Partition) -> bool {
        let wanted = self.to.first().copied();
        let heard = if self.leader == wanted { self.is_heard_by(seen) } else { self.leader_epoch < seen.leader_epoch };
        wanted.is_some() && seen.leader == wanted && heard
    }
}

/// What must hold just before a step is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// Each move's partitions still have its replicas; `to[0]` is in the ISR (or a clean ELR member of an empty one).
    /// A partition that no longer fits is left out and reported, unless none fits: then the step is `Stale`.
    MovesStand,
    /// The broker still has this epoch.
    EpochIs {
        /// The broker.
        broker: BrokerId,
        /// Its life at decision.
        epoch: BrokerEpoch,
    },
    /// The broker is still red for a majority.
    StillRed(BrokerId),
    /// The broker is green.
    Green(BrokerId),
    /// Every partition of the step's moves has the whole of `to` in its ISR.
    InSync,
    /// No reassignment of the partitions is in flight.
    NotReassigning,
}

/// The order that partitions had before the trio touched them first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalOrder {
    /// The partitions.
    pub partitions: PartitionSet,
    /// Their replicas then.
    pub replicas: Vec<BrokerId>,
    /// Their leader then.
    pub leader: Option<BrokerId>,
}

/// The digest of a plan: what approvals are bound to, and by which a plan is known.
pub type PlanDigest = Digest;

/// What a step wants to be so afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intention {
    /// The replicas stand in the wanted order.
    Order,
    /// And the first of them leads.
    OrderAndLeader,
    /// The broker leads nothing and is in no ISR with others.
    BrokerOut,
}

impl When {
    /// Tells whether the step waits for an echo.
    #[must_use]
    pub fn is_echo(self) -> bool {
        matches!(self, Self::EchoBehind | Self::EchoLevelStillRed | Self::EchoLevelGreen)
    }
}

impl Act {
    /// Gives what the act wants to be so afterwards.
    #[must_use]
    pub fn intention(&self) -> Intention {
        match self {
            Self::Reorder { .. } => Intention::Order,
            Self::Elect { .. } | Self::Prefer { .. } => Intention::OrderAndLeader,
            Self::Fence { .. } | Self::Unregister { .. } => Intention::BrokerOut,
        }
    }

    /// Gives how dangerous the act is by nature (`judgement.md` §3).
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Reorder { .. } | Self::Elect { .. } | Self::Prefer { .. } | Self::Fence { .. } => Class::R1,
            Self::Unregister { .. } => Class::R2,
        }
    }

    /// Gives the moves, where the act has any.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        match self {
            Self::Reorder { moves } | Self::Elect { moves } | Self::Prefer { moves } => moves,
            Self::Fence { .. } | Self::Unregister { .. } => &[],
        }
    }

    /// Gives the act's name as people read it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reorder { .. } => "Reorder",
            Self::Elect { .. } => "Elect",
            Self::Prefer { .. } => "Prefer",
            Self::Fence { .. } => "Fence",
            Self::Unregister { .. } => "Unregister",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R0 => "R0",
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
        })
    }
}
