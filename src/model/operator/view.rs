//! How things stand, as a node tells it: the data behind `tanist status` and `tanist plan`.
//!
//! Deliberately a view: nothing is decided by it, so it may leave out what does not fit on a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::finding::FindingKind;
use crate::model::ids::{
    BrokerId, CaseId, ClusterId, ControllerId, Digest, IdError, NodeId, Person, Rack, RecordIndex, Term, TopicId,
};
use crate::model::observation::{Blindness, Light, ProbeKind, PulseState};
use crate::model::plan::{Origin, Plan, PlanDigest};
use crate::model::record::{Attention, End, Inaction};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Missing;
use crate::model::time::{LogTime, millis};
use crate::model::topology::Standing;

/// How things stand, from one node's point of view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The node that tells.
    pub node: NodeId,
    /// The Kafka cluster that the trio is tied to; none before the first record.
    pub cluster: Option<ClusterId>,
    /// Who leads the trio, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The newest term this node knows.
    pub term: Term,
    /// Whether at least two of three hear each other.
    pub quorum: Quorum,
    /// What automation may do, by the leader's settings.
    pub mode: Mode,
    /// Why automation is paused; none while it is not.
    pub paused: Option<PauseView>,
    /// The policy in force: the leader's.
    pub policy: Digest,
    /// The three nodes.
    pub nodes: Vec<NodeView>,
    /// The active controller of Kafka, where known.
    pub controller: Option<ControllerId>,
    /// The brokers, each as seen from each node.
    pub brokers: Vec<BrokerView>,
    /// The open cases.
    pub cases: Vec<CaseView>,
    /// Plans that wait or are in flight.
    pub plans: Vec<PlanBrief>,
    /// What a person was told and has not acknowledged.
    pub attentions: Vec<AttentionView>,
    /// How far this node's history reaches.
    pub audit: AuditHead,
    /// What the newest snapshot lacks; with a follower, what its own view lacks.
    pub missing: BTreeSet<Missing>,
    /// What this node may or can not look at, and why.
    pub blind: BTreeSet<BlindView>,
    /// What is wrong with this node itself and what to do about it, in whole sentences.
    pub troubles: Vec<String>,
}

/// Whether the trio can record anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quorum {
    /// At least two of three hear each other, as far as this node can tell.
    Present,
    /// This node hears no leader: nothing acts.
    Lost,
}

/// What automation may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything but the sending, recorded as "would have".
    #[default]
    Observe,
    /// Every plan waits for a person.
    Approve,
    /// R1 is sent at once, R2 where the settings say so; the rest waits for people.
    Auto,
}

/// Why automation is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseView {
    /// A person paused it, for all nodes.
    By {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// Since when, in milliseconds since 1970 UTC.
        since_wall_ms: u64,
    },
    /// A node's pause file exists.
    File {
        /// The node.
        node: NodeId,
    },
    /// A node cannot tell whether its pause file exists: it counts as there.
    Unreadable {
        /// The node.
        node: NodeId,
    },
}

/// Something that a node cannot see, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindView {
    /// Why.
    pub why: Blindness,
    /// Which probe.
    pub probe: ProbeKind,
    /// Of which broker; none where the cluster as a whole was asked.
    pub broker: Option<BrokerId>,
}

/// One node of the trio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// How long ago it was heard; none for never. The telling node itself is 0.
    #[serde(with = "millis::option", rename = "heard_ago_ms")]
    pub heard_ago: Option<Duration>,
    /// Its local health, 0 (well) to 8; none where unknown.
    pub lhm: Option<u8>,
    /// Whether it reaches Kafka's active controller, where known.
    pub reaches_controller: Option<bool>,
    /// The policy of its own settings, where known.
    pub policy: Option<Digest>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerView {
    /// Its id.
    pub id: BrokerId,
    /// Its failure domain.
    pub rack: Option<Rack>,
    /// Where it stands with the active controller.
    pub standing: Standing,
    /// Partitions it leads.
    pub leads: u32,
    /// Replicas it holds.
    pub replicas: u32,
    /// What each node sees; a node that is missing here has not been heard.
    pub seen: BTreeMap<NodeId, Seen>,
    /// How many of its log dirs answered with an error; none where they were not read.
    pub failed_dirs: Option<u32>,
    /// How well the telling node can judge it; none where it never heard of it.
    pub judged: Option<Judged>,
}

/// How well one node can judge one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The usual gap between two answers.
    #[serde(with = "millis", rename = "gap_ms")]
    pub gap: Duration,
    /// The silence beyond which it is red.
    #[serde(with = "millis", rename = "tau_ms")]
    pub tau: Duration,
    /// Pauses that ended well and count towards its tail.
    pub stalls: u32,
    /// The index of its Pareto tail; none while too few stalls are known.
    pub tail_index_permille: Option<u64>,
    /// From its falling silent to red, on average.
    #[serde(with = "millis", rename = "detection_ms")]
    pub detection: Duration,
    /// Needless reds to expect in the budget's period.
    pub false_acts_permille: u64,
}

/// What one node sees of one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its light.
    pub light: Light,
    /// For how long.
    #[serde(with = "millis", rename = "light_for_ms")]
    pub light_for: Duration,
    /// Where it stands in the metadata log.
    pub pulse: PulseState,
}

/// An open case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseView {
    /// Its id.
    pub id: CaseId,
    /// What was found.
    pub kind: FindingKind,
    /// About whom.
    pub broker: BrokerId,
    /// For how long it has been open, by log time.
    #[serde(with = "millis", rename = "open_for_ms")]
    pub open_for: Duration,
    /// What was last done or decided in it; none before the first decision.
    pub last: Option<Latest>,
}

/// What was last done or decided in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latest {
    /// This plan is being carried out.
    InFlight(PlanDigest),
    /// Nothing is done.
    Nothing(Inaction),
    /// This plan waits for people.
    Offered(PlanDigest),
    /// This plan was carried out.
    Acted {
        /// The plan.
        plan: PlanDigest,
        /// How it ended.
        end: End,
    },
    /// Observe-only: this plan would have been sent.
    WouldAct(PlanDigest),
}

/// One line about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanBrief {
    /// Its digest.
    pub digest: PlanDigest,
    /// Its case.
    pub case: CaseId,
    /// Where it stands.
    pub state: PlanState,
}

/// Where a plan stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Waits for people.
    Offered {
        /// How many different people must say yes.
        people: u8,
        /// Who has.
        approved: BTreeSet<Person>,
        /// How long the offer still stands.
        #[serde(with = "millis", rename = "expires_in_ms")]
        expires_in: Duration,
    },
    /// Its intent is committed and being carried out.
    InFlight,
    /// Observe-only: it would have been sent.
    WouldAct,
    /// The guard holds it.
    Held,
    /// Carried out, refused, expired or superseded: history.
    Past,
}

/// One plan, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Its digest.
    pub digest: PlanDigest,
    /// Its case.
    pub case: CaseId,
    /// The record of the decision that made it.
    pub record: RecordIndex,
    /// Where it stands.
    pub state: PlanState,
    /// The plan.
    pub plan: Plan,
    /// What the guard said of it.
    pub ruling: Option<Ruling>,
    /// The names of the topics it touches.
    pub topics: BTreeMap<TopicId, String>,
}

/// Something that a person was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionView {
    /// Its record: what `tanist audit acknowledge` takes.
    pub index: RecordIndex,
    /// When, in milliseconds since 1970 UTC.
    pub wall_ms: u64,
    /// The case, if any.
    pub case: Option<CaseId>,
    /// What.
    pub what: Attention,
}

/// How far a node's history reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The last record.
    pub index: RecordIndex,
    /// The chain's hash there; none before the first record.
    pub hash: Option<Digest>,
    /// Log time of the last record.
    pub at: LogTime,
}

/// One way in which two plans differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which part: `steps`, `preconditions`, `undo`, `class`, `origin`.
    pub part: String,
    /// In the plan that was meant.
    pub was: String,
    /// In the plan that stands.
    pub is: String,
}

impl Mode {
    /// Gives the name as settings spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        [Self::Observe, Self::Approve, Self::Auto]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| IdError { text: text.to_owned(), wanted: "one of \"observe\", \"approve\", \"auto\"" })
    }
}

impl PlanView {
    /// Gives the broker that the plan is about, where it is about one.
    #[must_use]
    pub fn broker(&self) -> Option<BrokerId> {
        match &self.plan.origin {
            Origin::Finding { broker, .. } | Origin::Failback { broker, .. } => Some(*broker),
            Origin::Undo { .. } => None,
        }
    }
}
