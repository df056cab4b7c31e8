//! Outcomes: what each step of a committed intent did, how the whole ended, and when each stage was reached.
//!
//! Deliberately no retry in here: what was sent and not answered is read back, never sent again.

use serde::{Deserialize, Serialize};

use crate::model::plan::PlanDigest;
use crate::model::topology::PartitionSet;

/// What came of a committed intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The plan.
    pub plan: PlanDigest,
    /// Per step, in order: what it did.
    pub steps: Vec<StepOutcome>,
    /// How it ended.
    pub end: End,
    /// When, after the intent's commit, each stage was reached.
    pub timeline: Vec<Mark>,
}

impl Outcome {
    /// Tells whether nothing was changed for certain, as nothing was sent or Kafka refused all of it (controllers that elect, facts that
    /// moved between the decision and the last look, a right that is missing): it was no try.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let passed = |receipt: &Receipt| match receipt {
            Receipt::NotSent(_) | Receipt::NotDue | Receipt::Refused(_) => true,
            Receipt::Done { .. } | Receipt::NotSeen | Receipt::Unanswered | Receipt::Skipped => false,
        };
        self.end == End::NotDone && self.steps.iter().all(|step| passed(&step.receipt))
    }

    /// Tells whether something was changed for certain.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let moved = |step: &StepOutcome| matches!(&step.receipt, Receipt::Done { done, .. } if !done.is_empty());
        matches!(self.end, End::Done | End::Partly) && self.steps.iter().any(moved)
    }

    /// Tells whether Kafka refused a step, for another reason than that the facts had moved: that does not pass with an election.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refused = |receipt: &Receipt| matches!(receipt, Receipt::Refused(why) if *why != StepRefusal::Stale);
        self.steps.iter().any(|step| refused(&step.receipt))
    }
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every due step was done and verified.
    Done,
    /// Some partitions moved, others not.
    Partly,
    /// Nothing was changed.
    NotDone,
    /// It cannot be told what happened: a person is told.
    Unknown,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// Its number.
    pub step: u16,
    /// What was done.
    pub receipt: Receipt,
}

/// What a step did, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// Sent, answered, and (for leadership) read back.
    Done {
        /// Partitions that are as wanted.
        done: PartitionSet,
        /// Partitions that were left out or refused, by reason.
        not: Vec<(StepRefusal, PartitionSet)>,
    },
    /// Not due: its condition did not come true.
    NotDue,
    /// Nothing was sent.
    NotSent(NotSent),
    /// Refused by Kafka as a whole.
    Refused(StepRefusal),
    /// Sent, and no answer: read back, never resent.
    Unanswered,
    /// Sent and answered, but what was read back shows nothing of it.
    NotSeen,
    /// Dry run: not sent on purpose.
    Skipped,
}

/// Why a step or one of its partitions was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepRefusal {
    /// The facts that it was planned on have moved.
    Stale,
    /// The broker has a new life: never fenced.
    NewIncarnation,
    /// The preferred leader was not available (Kafka error 80).
    PreferredNotAvailable,
    /// Kafka says that we may not.
    Denied,
    /// What was read back shows another thing.
    NotSeen,
    /// Another Kafka error.
    Kafka(i16),
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotSent {
    /// Nobody could be reached to send it to.
    Unreachable,
    /// The intent's time was over.
    Expired,
    /// The term had changed.
    Deposed,
    /// A precondition did not hold any more.
    Precondition,
    /// Automation was paused meanwhile.
    Paused,
    /// An earlier step failed.
    EarlierFailed,
}

/// A stage of a case and when it was reached, relative to the intent's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which stage.
    pub stage: Stage,
    /// Microseconds after the first red (the leader's clock).
    pub after_us: u64,
}

/// The stages of a failover that the timeline names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The leader's own first red.
    Suspected,
    /// A majority is red; the round that finds so has planned and guarded in the same instant.
    Confirmed,
    /// Intent committed.
    Committed,
    /// A step was sent.
    Sent(u16),
    /// A step was answered.
    Answered(u16),
    /// The echo told what the broker is.
    Echoed,
    /// Leadership was read back from two brokers, and both showed it.
    Verified,
    /// One broker showed it, and no second one answered in time.
    VerifiedByOne,
}
