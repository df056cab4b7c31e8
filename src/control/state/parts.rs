//! The parts of the replicated state: an open case, an offer, an intent, an order to put back.
//!
//! Deliberately values only: `state` says how records change them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::finding::Finding;
use crate::model::ids::{BrokerId, CaseId, NodeId, Person, RecordIndex, Term};
use crate::model::plan::{Plan, PlanDigest};
use crate::model::record::{Attention, End, Inaction, Withdrawal};
use crate::model::time::LogTime;

/// A standing order to do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseOrder {
    /// Who gave it.
    pub by: Person,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: LogTime,
    /// The same as wall time, for people.
    pub wall_ms: u64,
}

/// The life of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The finding, as last classified.
    pub finding: Finding,
    /// When it was opened.
    pub opened: LogTime,
    /// The newest plan that was carried out in it, and how that ended (none while in flight).
    pub acted: Option<(PlanDigest, Option<End>)>,
    /// Whether what was changed in it was put back.
    pub put_back: PutBack,
    /// How many intents it has had, but for those that changed nothing and ways back that gave something back: a case that keeps
    /// failing ends at a person's desk.
    pub acts: u16,
    /// Plans that a person said no to: not offered again in this case.
    pub rejected: BTreeSet<PlanDigest>,
    /// The newest plan that was recorded as "would have".
    pub would: Option<PlanDigest>,
    /// The newest reason for doing nothing.
    pub inaction: Option<Inaction>,
}

/// Whether what a case changed was put back, and at whose wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutBack {
    /// It was not, or nothing was changed.
    Not,
    /// By the failback that follows every move.
    ByFailback,
    /// By a person's undo.
    ByPerson,
}

/// A plan that people may say yes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its case.
    pub case: CaseId,
    /// The plan.
    pub plan: Plan,
    /// Until when.
    pub expires: LogTime,
    /// How many different people must say yes.
    pub people: u8,
    /// Who has.
    pub approvals: BTreeSet<Person>,
    /// The record that offered it.
    pub record: RecordIndex,
}

/// A plan that was on offer and is no more: whoever says yes to it late is told what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its digest.
    pub digest: PlanDigest,
    /// The plan.
    pub plan: Plan,
    /// Its case.
    pub case: CaseId,
    /// Why it no longer stands.
    pub why: Withdrawal,
}

/// A committed word that a plan is about to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its case.
    pub case: CaseId,
    /// The plan.
    pub plan: Plan,
    /// The term in which it was committed.
    pub term: Term,
    /// The node that is to carry it out.
    pub by: NodeId,
    /// The record that holds it.
    pub record: RecordIndex,
}

/// A partition's order before the trio touched it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstOrder {
    /// The case that touched it first.
    pub case: CaseId,
    /// Its replicas then.
    pub replicas: Vec<BrokerId>,
    /// Its leader then.
    pub leader: Option<BrokerId>,
}

/// Something that people were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What.
    pub what: Attention,
    /// When, as wall time, for people.
    pub wall_ms: u64,
    /// In which case.
    pub case: Option<CaseId>,
}

/// Whether something on a node pauses the trio without a quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PausedHere {
    /// A pause file is there, or cannot be read.
    Yes,
    /// None.
    No,
}
