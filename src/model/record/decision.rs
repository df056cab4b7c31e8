//! Decisions as the ledger holds them: what was found and planned, what follows, and why nothing does.
//!
//! Deliberately complete: with the policy of its record, a decision can be made again from this alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::advice::Settled;
use crate::model::finding::{Finding, FindingKind};
use crate::model::plan::{Plan, PlanDigest};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;
use crate::model::time::{LogTime, millis};
use crate::model::topology::PartitionSet;

/// A decision with all it was made on, so that it can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The finding that it answers; none for a failback or an undo.
    pub finding: Option<Finding>,
    /// The snapshot, pruned to what the decision reads.
    pub snapshot: Box<Snapshot>,
    /// The plan, where there is one.
    pub plan: Option<Plan>,
    /// Its digest.
    pub digest: Option<PlanDigest>,
    /// What the guard said of it, where there is one.
    pub ruling: Option<Ruling>,
    /// What advice made of that: that it was not asked for is said, too. None where its word is not in yet.
    pub advice: Option<Settled>,
    /// What follows.
    pub verdict: DecisionVerdict,
}

/// What follows from a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionVerdict {
    /// An intent: carried out once committed, in its term, within `valid_for`.
    Act {
        /// How long after its commit the first step may be sent.
        #[serde(with = "millis", rename = "valid_for_ms")]
        valid_for: Duration,
        /// Until when other cases keep their hands off the broker.
        cool_down_until: LogTime,
        /// Until when, where the plan is of class R2 or above, no other case has one like it.
        cluster_cool_down_until: LogTime,
        /// Until when the broker is no target, having lost its leadership.
        demoted_until: LogTime,
    },
    /// Observe-only: this would have been sent.
    WouldAct,
    /// A person must say yes first.
    Offer {
        /// When the offer ends.
        expires: LogTime,
        /// How many different people must say yes.
        people: u8,
    },
    /// Nothing is done.
    Nothing(Inaction),
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inaction {
    /// The finding calls for nothing (restarting, stopped in good order, unknown).
    NothingToDo(FindingKind),
    /// The finding only warns.
    OnlyWarns(FindingKind),
    /// The guard holds the plan.
    Held(Vec<Objection>),
    /// No replica is fit to lead, or the broker leads nothing that could move.
    NoPlan(NoPlan),
    /// As many intents as one case may have were carried out, and the finding stays.
    TriedEnough,
}

/// Whether a person must know that nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Nothing is wrong with doing nothing.
    None,
    /// Somebody should look.
    Person,
}

impl Inaction {
    /// Tells whether two reasons are the same but for figures that change from round to round (ages, counts).
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Held(these), Self::Held(those)) => {
                these.len() == those.len() && these.iter().zip(those).all(|(this, that)| this.name() == that.name())
            }
            (Self::NoPlan(this), Self::NoPlan(that)) => std::mem::discriminant(this) == std::mem::discriminant(that),
            (Self::NothingToDo(_) | Self::OnlyWarns(_) | Self::Held(_) | Self::NoPlan(_) | Self::TriedEnough, _) => {
                self == other
            }
        }
    }

    /// Gives whether a person must know.
    #[must_use]
    pub fn concern(&self) -> Concern {
        match self {
            // Whoever cannot see, or sees two things at once, looks after nobody: that must not go unsaid.
            Self::NothingToDo(FindingKind::Unknown | FindingKind::Conflict) => Concern::Person,
            Self::NothingToDo(_)
            | Self::NoPlan(NoPlan::NothingAffected | NoPlan::NothingToRestore | NoPlan::NotStable) => Concern::None,
            Self::Held(objections) if objections.iter().all(Objection::passes_by_itself) => Concern::None,
            Self::OnlyWarns(_)
            | Self::Held(_)
            | Self::NoPlan(NoPlan::NobodyFit(_) | NoPlan::Blind | NoPlan::NoFence)
            | Self::TriedEnough => Concern::Person,
        }
    }
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPlan {
    /// The broker leads nothing and is in no ISR with others.
    NothingAffected,
    /// Nobody is fit to lead any of them.
    NobodyFit(PartitionSet),
    /// The cluster's shape is not known well enough.
    Blind,
    /// Only a fence would help, and the settings forbid it or what it needs (epoch, pulse) is not known.
    NoFence,
    /// The broker has not been green for long enough to lead again.
    NotStable,
    /// Nothing is recorded that could be put back.
    NothingToRestore,
}
