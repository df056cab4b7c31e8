//! Attentions: what a person is told about, until they say that they have seen it.
//!
//! Deliberately no addressee: who is told, and how, is the surface's business.

use serde::{Deserialize, Serialize};

use super::decision::Inaction;
use crate::model::finding::FindingKind;
use crate::model::ids::{BrokerEpoch, BrokerId, NodeId};
use crate::model::plan::PlanDigest;

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
            // Of one case: whoever has not looked yet finds the newest plan there.
            (Self::PlanFailed { .. }, Self::PlanFailed { .. }) => true,
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
