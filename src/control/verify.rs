//! What a read-back shows: whether a step had the effect that was wanted, and what became of an earlier leader's intent.

use crate::model::ids::BrokerId;
use crate::model::plan::{Act, Intention, Step};
use crate::model::record::{Attention, Body, End, NotSent, Outcome, Receipt, StepOutcome, StepRefusal};
use crate::model::topology::{PartitionSet, Standing, Topology};

use super::controller::Controller;
use super::event::{Effect, Errand};
use super::lead::CaseRef;
use super::state::Intent;

/// What a read-back shows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its effect.
    AsWanted,
    /// Something else.
    Not,
}

/// Tells whether the cluster is as a step wanted it, but for partitions that its receipt left out.
pub(super) fn seen_as_wanted(step: &Step, outcomes: &[StepOutcome], topology: &Topology) -> Seen {
    let left_out: Vec<&PartitionSet> = outcomes
        .iter()
        .filter(|outcome| outcome.step == step.number)
        .filter_map(|outcome| match &outcome.receipt {
            Receipt::Done { not, .. } => Some(not.iter().map(|(_, set)| set)),
            Receipt::NotDue | Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Unanswered | Receipt::Skipped => {
                None
            }
        })
        .flatten()
        .collect();
    let (_, not) = sort(step, topology);
    let missed = not.iter().any(|partition| !left_out.iter().any(|set| set.contains(&partition)));
    match &step.act {
        Act::Fence { broker, .. } | Act::Unregister { broker, .. } if is_out(*broker, topology) => Seen::AsWanted,
        Act::Fence { .. } | Act::Unregister { .. } => Seen::Not,
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } if missed => Seen::Not,
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => Seen::AsWanted,
    }
}

/// Sorts the partitions of a step's moves into those that are as wanted and those that are not.
pub(super) fn sort(step: &Step, topology: &Topology) -> (PartitionSet, PartitionSet) {
    let intention = step.act.intention();
    let (mut wanted, mut not) = (Vec::new(), Vec::new());
    for one in step.act.moves() {
        for id in one.partitions.iter() {
            // A partition that was deleted meanwhile cannot be wrong any more.
            let Some(partition) = topology.partitions.get(&id) else { continue };
            let ordered = partition.replicas == one.to;
            let led = partition.leader == one.to.first().copied();
            let fits = match intention {
                Intention::Order => ordered,
                Intention::OrderAndLeader => ordered && led,
                Intention::BrokerOut => true,
            };
            if fits { wanted.push(id) } else { not.push(id) }
        }
    }
    (wanted.into_iter().collect(), not.into_iter().collect())
}

/// Tells whether a broker leads nothing and stands in no ISR that has another member.
fn is_out(broker: BrokerId, topology: &Topology) -> bool {
    let standing = topology.brokers.get(&broker).map(|registration| registration.standing);
    let serves = topology.partitions.values().any(|partition| {
        partition.leader == Some(broker) || (1 < partition.isr.len() && partition.isr.contains(&broker))
    });
    // Active with nothing to serve is a broker that came back in the meantime.
    !serves && standing != Some(Standing::ShuttingDown)
}

impl Controller {
    /// Asks what became of every intent that an earlier leader left open; none of it is sent again.
    pub(super) fn reconcile(&mut self) {
        let open: Vec<_> = self.state.intents.keys().copied().collect();
        for digest in open {
            let errand = self.next_errand();
            if let Some(lead) = self.lead.as_mut() {
                lead.reconciling.insert(errand, digest);
            }
            self.out.push(Effect::ReadBack { errand, not: std::collections::BTreeSet::new() });
        }
    }

    /// Closes an earlier leader's intent by what was read back; tells whether the errand was one of these.
    pub(super) fn was_reconciled(&mut self, errand: Errand, topology: Option<&Topology>) -> bool {
        let Some(digest) = self.lead.as_mut().and_then(|lead| lead.reconciling.remove(&errand)) else { return false };
        let Some(intent) = self.state.intents.get(&digest).cloned() else { return true };
        let Some(topology) = topology else {
            // Nobody answered: ask again, the intent stays open and nothing else is done meanwhile.
            let again = self.next_errand();
            if let Some(lead) = self.lead.as_mut() {
                lead.reconciling.insert(again, digest);
            }
            self.out.push(Effect::ReadBack { errand: again, not: std::collections::BTreeSet::new() });
            return true;
        };
        let outcome = reconciled(&intent, digest, topology);
        let (case, end) = (intent.case, outcome.end);
        self.write(CaseRef::Is(case), Body::Outcome(outcome));
        if end == End::Unknown {
            self.tell_once(CaseRef::Is(case), Some(case), Attention::UnknownOutcome { plan: digest });
        }
        true
    }
}

/// Tells of each step of an abandoned intent whether it is done, not done, or cannot be told.
fn reconciled(intent: &Intent, plan: crate::model::plan::PlanDigest, topology: &Topology) -> Outcome {
    let mut steps = Vec::new();
    let (mut done_any, mut not_any, mut dark) = (false, false, false);
    for step in &intent.plan.steps {
        let (wanted, not) = sort(step, topology);
        let receipt = match &step.act {
            Act::Fence { broker, .. } | Act::Unregister { broker, .. } if is_out(*broker, topology) => {
                Receipt::Done { done: PartitionSet::default(), not: Vec::new() }
            }
            Act::Unregister { broker, .. } if !topology.brokers.contains_key(broker) => Receipt::Unanswered,
            Act::Fence { .. } | Act::Unregister { .. } => Receipt::NotSent(NotSent::Deposed),
            Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => match (wanted.is_empty(), not.is_empty()) {
                (false, true) => Receipt::Done { done: wanted, not: Vec::new() },
                (false, false) => Receipt::Done { done: wanted, not: vec![(StepRefusal::Stale, not)] },
                (true, _) => Receipt::NotSent(NotSent::Deposed),
            },
        };
        match &receipt {
            Receipt::Done { not, .. } => {
                done_any = true;
                not_any |= !not.is_empty();
            }
            Receipt::Unanswered => dark = true,
            Receipt::NotDue | Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Skipped => not_any = true,
        }
        steps.push(StepOutcome { step: step.number, receipt });
    }
    let end = match (dark, done_any, not_any) {
        (true, _, _) => End::Unknown,
        (false, true, false) => End::Done,
        (false, true, true) => End::Partly,
        (false, false, _) => End::NotDone,
    };
    Outcome { plan, steps, end, timeline: Vec::new() }
}
