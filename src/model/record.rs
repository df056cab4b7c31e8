//! Records: everything the ledger holds. Versioned, canonical, hash-chained; from them alone `why` is answered.
//!
//! Deliberately no prose: a record holds values; `render` turns them into sentences.

mod attention;
mod decision;
mod outcome;
mod pause;
mod vantage;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::advice::Opinion;
use super::finding::{Finding, FindingKind};
use super::ids::{CaseId, ClusterId, Digest, NodeId, Person, RequestId, Term};
use super::plan::PlanDigest;
use super::time::{LogTime, millis};
pub use attention::Attention;
pub use decision::{Concern, Decision, DecisionVerdict, Inaction, NoPlan};
pub use outcome::{End, Mark, NotSent, Outcome, Receipt, Stage, StepOutcome, StepRefusal};
pub use pause::PauseFile;
pub use vantage::{IllPlaced, Vantage};

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
    /// The leader of ours lets another node lead.
    HandedOver {
        /// Which.
        to: NodeId,
        /// Why.
        why: IllPlaced,
        /// How well each node was placed.
        vantages: BTreeMap<NodeId, Vantage>,
    },
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
    /// A node's pause file appeared or went away: the trio is paused while any node's is there.
    PauseFile {
        /// The node.
        node: NodeId,
        /// What it says of its file.
        file: PauseFile,
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
            Self::HandedOver { .. } => "handed over",
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
            Self::PauseFile { .. } => "pause file",
            Self::Attention { .. } => "attention",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Closed { .. } => "closed",
        }
    }
}
