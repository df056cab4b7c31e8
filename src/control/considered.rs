//! What a round has considered, whether it came from a finding or from a request to put an order back.

use crate::decide::deliberate::{Deliberation, prune, prune_to_plan};
use crate::model::advice::Settled;
use crate::model::finding::Finding;
use crate::model::plan::{Plan, PlanDigest};
use crate::model::record::{Decision, DecisionVerdict, Inaction, NoPlan};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;

/// A deliberation, or a plan that no finding asked for.
#[derive(Debug, Clone)]
pub(super) enum Considered {
    /// What follows from a finding.
    Found(Deliberation),
    /// A failback or an undo.
    Restoring {
        /// The plan.
        plan: Plan,
        /// Its digest.
        digest: PlanDigest,
        /// What the guard says of it.
        ruling: Ruling,
    },
}

impl Considered {
    pub(super) fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Found(one) => Some(&one.finding),
            Self::Restoring { .. } => None,
        }
    }

    pub(super) fn plan(&self) -> Option<(&Plan, PlanDigest)> {
        match self {
            Self::Found(one) => one.plan.as_ref().map(|(plan, digest)| (plan, *digest)),
            Self::Restoring { plan, digest, .. } => Some((plan, *digest)),
        }
    }

    /// Gives the plan with its ruling, or why there is nothing to carry out.
    pub(super) fn offer(&self) -> Result<(&Plan, PlanDigest, &Ruling), Inaction> {
        match self {
            Self::Found(one) => match (&one.plan, &one.ruling, &one.inaction) {
                (Some((plan, digest)), Some(ruling), None) => Ok((plan, *digest, ruling)),
                (_, _, Some(why)) => Err(why.clone()),
                (_, _, None) => Err(Inaction::NoPlan(NoPlan::Blind)),
            },
            Self::Restoring { plan, digest, ruling } => Ok((plan, *digest, ruling)),
        }
    }

    pub(super) fn ruling(&self) -> Option<&Ruling> {
        match self {
            Self::Found(one) => one.ruling.as_ref(),
            Self::Restoring { ruling, .. } => Some(ruling),
        }
    }

    /// Gives the decision as it is recorded: with the snapshot pruned to what it was made on, and the plan that it follows.
    pub(super) fn decision(
        &self,
        snapshot: &Snapshot,
        verdict: DecisionVerdict,
        advice: Option<Settled>,
        parent: Option<PlanDigest>,
    ) -> Decision {
        let pruned = match self {
            Self::Found(one) => prune(snapshot, one),
            Self::Restoring { plan, .. } => prune_to_plan(snapshot, plan),
        };
        Decision {
            finding: self.finding().cloned(),
            snapshot: Box::new(pruned),
            plan: self.plan().map(|(plan, _)| Plan { parent, ..plan.clone() }),
            digest: self.plan().map(|(_, digest)| digest),
            ruling: self.ruling().cloned(),
            advice,
            verdict,
        }
    }
}
