//! What people ask of the trio and what it answers: shared by the controller, the servers and the command line.
//!
//! Deliberately no text for people: `render` turns answers into sentences. Anything that a person typed is checked here,
//! by its type, before the controller sees it.

pub mod question;
mod typed;
mod verification;
pub mod view;

use serde::{Deserialize, Serialize};

use super::ids::{CaseId, Digest, NodeId, Person, RecordIndex, RequestId, Term};
use super::plan::PlanDigest;
use super::record::Record;
use question::Question;
pub use typed::{DigestPrefix, REASON_CHARS_MAX, Reason};
pub use verification::{ChainFault, HeadPlace, HeadSeen, Verification};
use view::{Difference, PlanView, StatusView};

/// The version of requests and answers; a server refuses a later one.
pub const OPERATOR_VERSION: u32 = 1;

/// One request of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRequest {
    /// Lets a repeated request be recognised.
    pub id: RequestId,
    /// Who asks: as the socket or the certificate says, never as the request does.
    pub by: Person,
    /// What they ask.
    pub ask: Ask,
}

/// What a person asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How things stand.
    Status,
    /// The plans that wait for approval or are in flight.
    PlanList,
    /// One plan, whole.
    PlanShow {
        /// The start of its digest.
        digest: DigestPrefix,
    },
    /// Yes to a plan.
    Approve {
        /// The start of its digest.
        digest: DigestPrefix,
    },
    /// No to a plan.
    Reject {
        /// The start of its digest.
        digest: DigestPrefix,
        /// Why.
        reason: Reason,
    },
    /// The newest records, oldest first.
    AuditList {
        /// How many at most.
        last: u32,
        /// Of this case only.
        case: Option<CaseId>,
        /// From this record on.
        since: Option<RecordIndex>,
    },
    /// One record, whole.
    AuditShow {
        /// Which.
        index: RecordIndex,
    },
    /// Whether this node's chain is whole, and whether its head agrees with redb's and the peers'.
    AuditVerify,
    /// Records as NDJSON, one page from this record on.
    AuditExport {
        /// The first record wanted.
        from: RecordIndex,
    },
    /// Why something is, or was not, so.
    Why {
        /// The question.
        question: Question,
    },
    /// The recorded order of a case back, as a plan of its own.
    Undo {
        /// The case.
        case: CaseId,
    },
    /// Automation stops, on all nodes.
    Pause {
        /// Why.
        reason: Reason,
    },
    /// Automation goes on.
    Resume,
    /// An attention was seen.
    Acknowledge {
        /// The record of the attention.
        index: RecordIndex,
    },
}

/// What the asking person must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May look: everybody who can connect.
    Reader,
    /// May also pause, resume, undo and acknowledge.
    Operator,
    /// May also approve and reject plans.
    Approver,
}

/// What the trio answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `Status`.
    Status(Box<StatusView>),
    /// To `PlanList`.
    Plans(Vec<PlanView>),
    /// To `PlanShow`.
    Plan(Box<PlanView>),
    /// To `AuditList`.
    Records(Vec<Entry>),
    /// To `AuditShow`.
    Record(Box<Entry>),
    /// To `AuditVerify`.
    Verified(Verification),
    /// To `AuditExport`.
    Page {
        /// NDJSON lines, each the canonical bytes with index and hash.
        lines: Vec<String>,
        /// Where the next page starts; none after the last record.
        next: Option<RecordIndex>,
    },
    /// To `Why`.
    Explained(Explanation),
    /// Done, and committed as this record where there is one.
    Done {
        /// The record.
        record: Option<RecordIndex>,
        /// The plan that the request concerned or made, if any.
        plan: Option<PlanDigest>,
    },
    /// Counted, but not enough yet: so many more different people must say yes.
    NeedsMore {
        /// The plan.
        plan: PlanDigest,
        /// How many more.
        people: u8,
    },
    /// The plan is now an offer that waits for approval (`Undo` in mode `approve`, or a plan above R1).
    Offered {
        /// The plan.
        plan: PlanDigest,
        /// How many different people must say yes.
        people: u8,
    },
    /// The plan no longer stands.
    Superseded {
        /// The plan that was meant.
        plan: PlanDigest,
        /// The plan that stands instead, if any.
        by: Option<PlanDigest>,
        /// How they differ, in order.
        difference: Vec<Difference>,
    },
    /// There is no such plan, record or case, or the prefix names several.
    NotFound(NotFound),
    /// No, for this reason.
    Refused(Refusal),
    /// Another node leads: ask there.
    NotLeader {
        /// Who leads.
        leader: NodeId,
        /// Where people reach it (`surface.listen` of that node), where known.
        address: Option<String>,
    },
    /// Nobody leads, or the leader cannot reach another node: nothing was or will be recorded.
    NoQuorum {
        /// The newest term this node knows.
        term: Term,
        /// Nodes heard from lately, this one included.
        heard: Vec<NodeId>,
    },
    /// It may or may not have been recorded: ask again with the same request id.
    Unanswered,
}

/// A record with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub index: RecordIndex,
    /// The chain's hash up to and including it, where the answering node has it.
    pub hash: Option<Digest>,
    /// The record.
    pub record: Record,
}

/// An answer to "why", from records only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// What was understood.
    pub question: String,
    /// Whether the records held an answer.
    pub found: Found,
    /// The answer, line by line.
    pub lines: Vec<String>,
    /// The records it rests on.
    pub cites: Vec<RecordIndex>,
}

/// Whether an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The records answer it.
    Yes,
    /// No record says anything about it.
    #[default]
    No,
}

/// What does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFound {
    /// No plan's digest starts so.
    Plan(DigestPrefix),
    /// Several do.
    Ambiguous(Vec<PlanDigest>),
    /// No such record here; the last one is named.
    Record {
        /// Which was wanted.
        index: RecordIndex,
        /// The last.
        last: RecordIndex,
    },
    /// No such case, or nothing recorded in it that could be put back.
    Case(CaseId),
    /// The record is no attention, or has been acknowledged.
    Attention(RecordIndex),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The person lacks the role.
    Role {
        /// Who.
        by: Person,
        /// The role that is needed.
        needs: Role,
    },
    /// The same person has said yes already; another one is needed.
    AlreadyApproved {
        /// Who.
        by: Person,
    },
    /// The offer's time is over.
    Expired {
        /// The plan.
        plan: PlanDigest,
    },
    /// The guard holds the plan.
    Held(Vec<super::ruling::Objection>),
    /// No plan can be made of what was asked.
    NoPlan(super::record::NoPlan),
    /// Observe-only: nothing is ever sent.
    ObserveOnly,
    /// The pause is this node's own file: remove it there.
    PausedByFile {
        /// The node.
        node: NodeId,
    },
    /// Too many requests at once.
    Busy,
    /// The request's version is not spoken here.
    Version {
        /// The newest that is.
        speaks: u32,
    },
    /// The history here is being rebuilt.
    AuditRebuilding,
}

impl Ask {
    /// Gives the role that it takes.
    #[must_use]
    pub fn needs(&self) -> Role {
        match self {
            Self::Status
            | Self::PlanList
            | Self::PlanShow { .. }
            | Self::AuditList { .. }
            | Self::AuditShow { .. }
            | Self::AuditVerify
            | Self::AuditExport { .. }
            | Self::Why { .. } => Role::Reader,
            Self::Undo { .. } | Self::Pause { .. } | Self::Resume | Self::Acknowledge { .. } => Role::Operator,
            Self::Approve { .. } | Self::Reject { .. } => Role::Approver,
        }
    }

    /// Tells whether any node answers it from what it has: what changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.needs() == Role::Reader
    }
}
