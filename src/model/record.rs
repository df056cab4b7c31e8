//! Records: everything the ledger holds. Versioned, canonical, hash-chained; from them alone `why` is answered.
//!
//! Deliberately no prose: a record holds values; `render` turns them into sentences.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::advice::Opinion;
use super::finding::{Finding, FindingKind};
use super::ids::{BrokerEpoch, BrokerId, CaseId, ClusterId, Digest, NodeId, Person, RequestId, Term};
use super::plan::{Plan, PlanDigest};
use super::ruling::{Objection, Ruling};
use super::snapshot::Snapshot;
use super::time::{LogTime, millis};
use super::topology::PartitionSet;

/// The version of the record format; readers refuse a later one.
pub const RECORD_VERSION: u16 = 1;

/// One record of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format's version.
    pub version: u16,
    /// Log time: the leader adds the elapsed time to the last record's.
    pub at: LogTime,
    /// Wall time at the writer, milliseconds since 1970 UTC: annotation, nothing decides by it.
    pub wall_ms: u64,
    /// The node that wrote it: the trio's leader then.
    pub by: NodeId,
    /// The term in which it was written.
    pub term: Term,
    /// The policy (every setting that can change a decision) it was written under.
    pub policy: Digest,
    /// The case it belongs to, if any; a record that opens a case names the case by its own index.
    pub case: Option<CaseId>,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The trio's first record: which cluster it is tied to.
    Founded {
        /// The cluster.
        cluster: ClusterId,
    },
    /// A node of ours leads from here on.
    Led,
    /// The policy in force from here on, in full: what `policy` digests of later records stand for.
    PolicyIs {
        /// Key and value of every deciding setting.
        settings: BTreeMap<String, String>,
    },
    /// A case begins; its index is the case's id.
    Opened(Finding),
    /// An open case is seen differently now.
    Reclassified {
        /// Before.
        from: FindingKind,
        /// Now.
        to: Finding,
    },
    /// A decision, with all it was made on.
    Decided(Box<Decision>),
    /// The same non-decision went on: coalesced.
    StillHeld {
        /// Why nothing is done.
        why: Inaction,
        /// How many rounds decided the same.
        rounds: u64,
        /// Over how long.
        #[serde(with = "millis", rename = "over_ms")]
        over: Duration,
    },
    /// An intent goes on: its steps so far; the leadership is confirmed, and the rest gets a new `valid_for`.
    Continued {
        /// The plan.
        plan: PlanDigest,
        /// What its steps did so far.
        steps: Vec<StepOutcome>,
        /// How it stands.
        #[serde(with = "millis", rename = "valid_for_ms")]
        valid_for: Duration,
    },
    /// What came of a committed intent; closes it.
    Outcome(Outcome),
    /// What the adviser said.
    Opinion(Box<Opinion>),
    /// A person said yes to a plan.
    Approved {
        /// The plan.
        plan: PlanDigest,
        /// Who.
        by: Person,
        /// The request, for deduplication.
        request: RequestId,
    },
    /// A person said no to a plan.
    Rejected {
        /// The plan.
        plan: PlanDigest,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// The request.
        request: RequestId,
    },
    /// An offered plan no longer stands.
    Withdrawn {
        /// The plan.
        plan: PlanDigest,
        /// Why.
        why: Withdrawal,
    },
    /// Automation is paused.
    Paused {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// The request.
        request: RequestId,
    },
    /// Automation goes on.
    Resumed {
        /// Who.
        by: Person,
        /// The request.
        request: RequestId,
    },
    /// A person is told; status shows it until acknowledged.
    Attention {
        /// What about.
        what: Attention,
    },
    /// A person has seen an attention.
    Acknowledged {
        /// The record of the attention.
        attention: super::ids::RecordIndex,
        /// Who.
        by: Person,
        /// The request.
        request: RequestId,
    },
    /// A case ends.
    Closed {
        /// How.
        how: Closing,
    },
}

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
            Self::NothingToDo(_) | Self::NoPlan(NoPlan::NothingAffected | NoPlan::NothingToRestore) => Concern::None,
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
    /// Nothing is recorded that could be put back.
    NothingToRestore,
}

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
    /// A majority is red.
    Confirmed,
    /// Plan made and guarded.
    Planned,
    /// Intent committed.
    Committed,
    /// A step was sent.
    Sent(u16),
    /// A step was answered.
    Answered(u16),
    /// The echo told what the broker is.
    Echoed,
    /// Leadership was read back from two brokers.
    Verified,
}

/// Why an offered plan no longer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawal {
    /// Nobody said yes in time.
    Expired,
    /// A later round planned something else.
    Superseded {
        /// The new plan, if there is one.
        by: Option<PlanDigest>,
    },
    /// The case ended.
    CaseClosed,
    /// The trio was down altogether: approvals die.
    TrioWasDown,
}

/// What a person is told about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// A finding that the trio will not or may not cure.
    Finding {
        /// What.
        kind: FindingKind,
        /// Who.
        broker: BrokerId,
        /// Why nothing is done.
        why: Inaction,
    },
    /// A step whose effect could not be told.
    UnknownOutcome {
        /// The plan.
        plan: PlanDigest,
    },
    /// A plan failed.
    PlanFailed {
        /// The plan.
        plan: PlanDigest,
    },
    /// A plan waits for approval.
    ApprovalWanted {
        /// The plan.
        plan: PlanDigest,
    },
    /// A broker runs but is not registered: restart it.
    Zombie {
        /// The broker.
        broker: BrokerId,
        /// Its last life.
        epoch: Option<BrokerEpoch>,
    },
    /// A node's audit store was damaged, set aside and rebuilt.
    AuditRebuilt {
        /// The node.
        node: NodeId,
    },
}

impl Attention {
    /// Tells whether two attentions tell the same person the same, but for changing figures.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Finding { kind, broker, why }, Self::Finding { kind: kind_2, broker: broker_2, why: why_2 }) => {
                kind == kind_2 && broker == broker_2 && why.same_kind(why_2)
            }
            (
                Self::Finding { .. }
                | Self::UnknownOutcome { .. }
                | Self::PlanFailed { .. }
                | Self::ApprovalWanted { .. }
                | Self::Zombie { .. }
                | Self::AuditRebuilt { .. },
                _,
            ) => self == other,
        }
    }
}

/// How a case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// The broker is green and nothing was or remains changed.
    Recovered,
    /// The broker is green and the recorded order is back.
    FailedBack,
    /// A person undid it.
    Undone,
    /// The broker was unregistered for good, or left the cluster.
    Gone,
}

impl Body {
    /// Gives the record's kind, as tables and queries name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Founded { .. } => "founded",
            Self::Led => "led",
            Self::PolicyIs { .. } => "policy",
            Self::Opened(_) => "opened",
            Self::Reclassified { .. } => "reclassified",
            Self::Decided(_) => "decided",
            Self::StillHeld { .. } => "still held",
            Self::Continued { .. } => "continued",
            Self::Outcome(_) => "outcome",
            Self::Opinion(_) => "opinion",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Attention { .. } => "attention",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Closed { .. } => "closed",
        }
    }
}
