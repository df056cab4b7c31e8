//! Detect: from a snapshot to findings, one per broker that is not plainly well.

use super::policy::Policy;
use crate::model::finding::Finding;
use crate::model::snapshot::Snapshot;

/// Gives one finding per broker that is not plainly well, in the order of their ids.
#[must_use]
pub fn detect(_snapshot: &Snapshot, _policy: &Policy) -> Vec<Finding> {
    Vec::new()
}
