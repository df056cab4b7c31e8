//! Guard: whether a plan may be carried out. Shares no code with `plan`: it re-derives what it checks from the snapshot.

use super::policy::Policy;
use crate::model::finding::Finding;
use crate::model::plan::{Plan, Step};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;

/// Rules on a whole plan, before it is committed.
pub fn guard(_plan: &Plan, _finding: Option<&Finding>, _snapshot: &Snapshot, _policy: &Policy) -> Ruling {
    Ruling::Held(vec![Objection::FactsMoved])
}

/// Checks one step again, just before it is sent.
#[must_use]
pub fn recheck(_step: &Step, _plan: &Plan, _snapshot: &Snapshot, _policy: &Policy) -> Vec<Objection> {
    vec![Objection::FactsMoved]
}
