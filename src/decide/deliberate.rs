//! Deliberate: detect, plan and guard in one, and again from a record.

use super::policy::Policy;
use crate::model::finding::Finding;
use crate::model::ids::BrokerId;
use crate::model::plan::{Plan, PlanDigest};
use crate::model::record::{Decision, Inaction};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;

/// One finding and all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Deliberation {
    /// The finding.
    pub finding: Finding,
    /// The plan that answers it, and its digest.
    pub plan: Option<(Plan, PlanDigest)>,
    /// What the guard says of the plan.
    pub ruling: Option<Ruling>,
    /// Why nothing is done, where nothing is.
    pub inaction: Option<Inaction>,
}

/// Whether a recorded decision comes out the same again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It does.
    Same,
    /// It does not.
    Differs {
        /// In what.
        what: String,
    },
}

/// Decides about every broker that is not plainly well.
#[must_use]
pub fn deliberate(_snapshot: &Snapshot, _policy: &Policy) -> Vec<Deliberation> {
    Vec::new()
}

/// Decides about one broker; none where it is plainly well.
#[must_use]
pub fn deliberate_one(_broker: BrokerId, _snapshot: &Snapshot, _policy: &Policy) -> Option<Deliberation> {
    None
}

/// Gives the snapshot without what this decision does not read.
#[must_use]
pub fn prune(snapshot: &Snapshot, _deliberation: &Deliberation) -> Snapshot {
    snapshot.clone()
}

/// Gives the snapshot without what a failback or undo plan does not read.
#[must_use]
pub fn prune_to_plan(snapshot: &Snapshot, _plan: &Plan) -> Snapshot {
    snapshot.clone()
}

/// Decides again from a record and compares.
#[must_use]
pub fn replay(_decision: &Decision, _policy: &Policy) -> Replayed {
    Replayed::Differs { what: "nothing was decided again".to_owned() }
}
