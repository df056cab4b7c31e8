//! What the controller hears and what it wants done: values both, so that production and simulation differ in nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::advice::{Brief, Opinion};
use crate::model::chain::Head;
use crate::model::ids::BrokerId;
use crate::model::ids::{CaseId, Digest, NodeId, RaftIndex, Term};
use crate::model::observation::{LookNow, Observation, Report};
use crate::model::operator::{Answer, OperatorRequest};
use crate::model::plan::{Class, PlanDigest, Step};
pub use crate::model::record::PauseFile;
use crate::model::record::{Receipt, Record};
use crate::model::time::millis;
use crate::model::topology::Topology;
pub use crate::model::trio::Role;

use serde::{Deserialize, Serialize};

/// What a read-back brought: the shape of the cluster as each broker that answered in time shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Views {
    /// One for each broker, two at most.
    pub shapes: Vec<Topology>,
    /// How many were wanted: two, or one where a single broker is left to ask.
    pub wanted: usize,
}

impl Views {
    /// Tells whether as many brokers answered as were wanted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.wanted <= self.shapes.len()
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed.
    Tick,
    /// This node measured something.
    Observed(Observation),
    /// Another node reported.
    Reported {
        /// Who.
        from: NodeId,
        /// What, as it was when sent.
        report: PeerReport,
    },
    /// This node's place in the trio changed.
    Role(Role),
    /// An entry of the log is committed; entries come in order, each once.
    Committed {
        /// Its index in the Raft log.
        index: RaftIndex,
        /// Its bytes: a record or a piece of one.
        entry: Vec<u8>,
    },
    /// A proposal of this node will never be committed by it.
    ProposalDropped,
    /// A step was carried out, or was not.
    Applied {
        /// Which errand.
        errand: Errand,
        /// What came of it.
        result: StepResult,
    },
    /// The cluster was read back, or could not be.
    ReadBack {
        /// Which errand.
        errand: Errand,
        /// What was seen.
        views: Views,
    },
    /// The adviser answered, or did not.
    Advised {
        /// The case it was asked about.
        case: CaseId,
        /// The plan it was asked about.
        plan: PlanDigest,
        /// Its opinion, or why there is none.
        opinion: Box<Opinion>,
    },
    /// An operator asked something.
    Asked {
        /// How to find the asker again.
        ticket: u64,
        /// What.
        request: OperatorRequest,
    },
    /// The pause file of this node appeared or went away (unreadable counts as there).
    PauseFile(PauseFile),
    /// The history of this node was damaged and set aside: it is rebuilt, and a person must be told.
    HistoryRebuilt,
}

/// What a node sends to the trio's leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// What it sees.
    pub report: Report,
    /// How long ago it last heard Kafka's active controller the way that changes go; none if never.
    #[serde(default, with = "millis::option", rename = "way_open_ago_ms")]
    pub way_open_ago: Option<Duration>,
    /// Whether it was paused by a file of its own.
    pub pause_file: PauseFile,
    /// The head of its audit chain: removal of the last records shows by comparison.
    pub head: Head,
    /// The policy of its own settings: what is in force while another leads may differ.
    pub policy: Digest,
    /// Whether its history was set aside and that is not recorded yet.
    pub history_rebuilt: bool,
}

/// What nodes tell each other beside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerWords {
    /// What the sender sees.
    Report(Box<PeerReport>),
    /// Nodes contradict each other about this broker: the receiver is to ping it at once.
    Look(BrokerId),
    /// An operator asked the sender; the receiver leads.
    Asked {
        /// How the sender finds the operator again.
        ticket: u64,
        /// What was asked.
        request: Box<OperatorRequest>,
    },
    /// The answer to that.
    Answered {
        /// The sender's ticket.
        ticket: u64,
        /// The answer.
        answer: Box<Answer>,
    },
}

/// Names one thing that was sent out to be done, so that a late answer finds nobody waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errand(pub u64);

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// What it did.
    pub receipt: Receipt,
    /// Words for people where something went wrong: never recorded, only logged.
    pub said: Option<String>,
}

/// Something the controller wants done.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Propose these entries, in this order, one after the other.
    Propose(Vec<Vec<u8>>),
    /// Keep this record in the audit history: it is committed and has its place.
    Keep(Box<Kept>),
    /// Look at something at once.
    Look(LookNow),
    /// Have another node ping this broker at once.
    LookToo {
        /// The node.
        to: NodeId,
        /// The broker.
        broker: BrokerId,
    },
    /// Send this node's report to the trio's leader.
    Report {
        /// The leader.
        to: NodeId,
        /// The report.
        report: Box<PeerReport>,
    },
    /// Carry out a step: only ever after the commit of its intent, in its term, within its time.
    Apply {
        /// Which errand.
        errand: Errand,
        /// The step.
        step: Box<Step>,
        /// The term in which it was committed.
        term: Term,
        /// How long it may still be sent.
        within: Duration,
    },
    /// Read the shape of the cluster back from at least two brokers.
    ReadBack {
        /// Which errand.
        errand: Errand,
        /// Brokers not to ask.
        not: BTreeSet<BrokerId>,
    },
    /// Let this node lead, which has all that is committed or will have it in a moment.
    HandOver {
        /// Which.
        to: NodeId,
    },
    /// Ask the adviser.
    Advise {
        /// About which case.
        case: CaseId,
        /// About which plan.
        plan: PlanDigest,
        /// Its class: with the brief's urgency it says how long may be taken.
        class: Class,
        /// The brief.
        brief: Box<Brief>,
    },
    /// Answer an operator.
    Answer {
        /// The asker.
        ticket: u64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Tell the people of this node, at WARN.
    Warn(String),
}

/// A committed record with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The Raft index of the entry that completed it.
    pub raft: RaftIndex,
    /// Its index and hash.
    pub head: Head,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// The record.
    pub record: Record,
}
