//! What a read-back shows: whether a step had the effect that was wanted, and what became of an earlier leader's intent.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::plan::{Act, Intention, Move, Plan, PlanDigest, Step, When};
use crate::model::record::{Attention, Body, End, NotSent, Outcome, Receipt, StepOutcome, StepRefusal};
use crate::model::topology::{PartitionSet, Standing, Topology};

use super::controller::Controller;
use super::event::{Effect, Errand};
use super::lead::CaseRef;

/// Partitions by the step that touched them; none named for an act on a whole broker.
pub(super) type BySteps = BTreeMap<u16, PartitionSet>;

/// What a read-back shows of the steps that were sent, where it shows another thing than their effects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// These lack theirs, and may still get them.
    pub(super) lacking: BySteps,
    /// Somebody else has given these other replicas since: what was wanted will not come.
    pub(super) taken: BySteps,
}

impl Seen {
    /// Tells whether everything is as wanted, or somebody else's.
    pub(super) fn is_settled(&self) -> bool {
        self.lacking.is_empty()
    }

    /// Gives what two views show together: an effect counts where both show it, and so does somebody else's.
    pub(super) fn and(self, other: Self) -> Self {
        let mut together = Self::default();
        for (step, lacking) in self.lacking.iter().chain(&other.lacking) {
            add(&mut together.lacking, *step, lacking.iter());
        }
        for (one, another) in [(&self.taken, &other.taken), (&other.taken, &self.taken)] {
            for (step, taken) in one {
                let shown = |id: &PartitionId| another.get(step).is_some_and(|taken| taken.contains(id));
                let (both, alone): (Vec<_>, Vec<_>) = taken.iter().partition(shown);
                for (partitions, to) in [(both, &mut together.taken), (alone, &mut together.lacking)] {
                    if !partitions.is_empty() {
                        add(to, *step, partitions);
                    }
                }
            }
        }
        together
    }
}

/// Adds partitions to those of a step; none for an act on a whole broker.
fn add(to: &mut BySteps, step: u16, partitions: impl IntoIterator<Item = PartitionId>) {
    let all = to.entry(step).or_default();
    *all = all.iter().chain(partitions).collect();
}

/// Gives what a read-back shows of steps with their receipts. The newest step that touched a partition says how it is to
/// stand; partitions that a receipt left out are nobody's.
pub(super) fn look_back(sent: &[(&Step, &Receipt)], topology: &Topology) -> Seen {
    let (mut judged, mut seen) = (BTreeSet::new(), Seen::default());
    for (step, receipt) in sent.iter().rev() {
        if let Act::Fence { broker, .. } | Act::Unregister { broker, .. } = &step.act {
            if !is_out(*broker, topology) {
                seen.lacking.insert(step.number, PartitionSet::default());
            }
            continue;
        }
        let (_, not) = sort(step, topology);
        let missed = not.iter().filter(|id| !judged.contains(id) && !is_left_out(id, receipt));
        let (taken, lacking): (Vec<_>, Vec<_>) = missed.partition(|id| is_taken(step, *id, topology));
        for (partitions, to) in [(taken, &mut seen.taken), (lacking, &mut seen.lacking)] {
            if !partitions.is_empty() {
                add(to, step.number, partitions);
            }
        }
        judged.extend(step.act.moves().iter().flat_map(|one| one.partitions.iter()));
    }
    seen
}

/// Tells whether somebody else has given a partition other replicas since the decision: an order of ours changes none.
fn is_taken(step: &Step, id: PartitionId, topology: &Topology) -> bool {
    let Some(partition) = topology.partitions.get(&id) else { return false };
    let sorted = |replicas: &[BrokerId]| replicas.iter().copied().collect::<BTreeSet<_>>();
    let ours = step.act.moves().iter().find(|one| one.partitions.contains(&id));
    ours.is_some_and(|one| one.is_heard_by(partition) && sorted(&one.to) != sorted(&partition.replicas))
}

fn is_left_out(id: &PartitionId, receipt: &Receipt) -> bool {
    match receipt {
        Receipt::Done { not, .. } => not.iter().any(|(_, set)| set.contains(id)),
        Receipt::NotDue
        | Receipt::NotSent(_)
        | Receipt::Refused(_)
        | Receipt::Unanswered
        | Receipt::NotSeen
        | Receipt::Skipped => false,
    }
}

/// Sorts the partitions of a step's moves into those that are as wanted and those that are not.
fn sort(step: &Step, topology: &Topology) -> (PartitionSet, PartitionSet) {
    let intention = step.act.intention();
    let (mut wanted, mut not) = (Vec::new(), Vec::new());
    for one in step.act.moves() {
        for id in one.partitions.iter() {
            // A partition that was deleted meanwhile cannot be wrong any more.
            let Some(partition) = topology.partitions.get(&id) else { continue };
            let ordered = partition.replicas == one.to && one.is_heard_by(partition);
            let fits = match intention {
                Intention::Order => ordered,
                Intention::OrderAndLeader => ordered && one.is_led_in(partition),
                Intention::BrokerOut => true,
            };
            if fits { wanted.push(id) } else { not.push(id) }
        }
    }
    (wanted.into_iter().collect(), not.into_iter().collect())
}

/// Tells whether a broker leads nothing and stands in no ISR that has another member.
fn is_out(broker: BrokerId, topology: &Topology) -> bool {
    let serves = topology.partitions.values().any(|partition| {
        partition.leader == Some(broker) || (1 < partition.isr.len() && partition.isr.contains(&broker))
    });
    // Active with nothing to serve is a broker that came back in the meantime.
    !serves && standing(broker, topology) != Some(Standing::ShuttingDown)
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
            self.out.push(Effect::ReadBack { errand, not: BTreeSet::new() });
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
            self.out.push(Effect::ReadBack { errand: again, not: BTreeSet::new() });
            return true;
        };
        let outcome = reconciled(&intent.plan, digest, topology);
        let (case, end) = (intent.case, outcome.end);
        self.write(CaseRef::Is(case), Body::Outcome(outcome));
        if end == End::Unknown {
            self.tell_once(CaseRef::Is(case), Some(case), Attention::UnknownOutcome { plan: digest });
        }
        true
    }
}

/// Which way an abandoned plan went, as far as the cluster shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing of what is due at once bears our mark: nothing else can have been sent.
    NotBegun,
    /// What was wanted at once stands, and Kafka may have done that by itself: a fence, or leaders that it would choose, too.
    Fulfilled,
    /// Begun, and no step that waits for the echo is in effect.
    Begun,
    /// The fence is.
    Fenced,
    /// The election after a level echo is.
    Elected,
}

/// Whose doing it is that the cluster looks as a step wanted it, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trace {
    /// It does not.
    Nothing,
    /// Kafka fences who falls silent, elects where a leader is gone, and gives leadership back by itself.
    PerhapsKafkas,
    /// Kafka changes no order and unregisters nobody by itself.
    Ours,
}

fn trace(step: &Step, topology: &Topology) -> Trace {
    match &step.act {
        Act::Fence { broker, .. } if is_out(*broker, topology) => Trace::PerhapsKafkas,
        Act::Unregister { broker, .. } if standing(*broker, topology) == Some(Standing::Unregistered) => Trace::Ours,
        Act::Fence { .. } | Act::Unregister { .. } => Trace::Nothing,
        Act::Reorder { moves } | Act::Elect { moves } | Act::Prefer { moves } => {
            moves.iter().map(|one| trace_of_move(one, topology)).max().unwrap_or(Trace::Nothing)
        }
    }
}

fn trace_of_move(one: &Move, topology: &Topology) -> Trace {
    let mut ordered = one
        .partitions
        .iter()
        .filter_map(|id| topology.partitions.get(&id))
        .filter(|partition| partition.replicas == one.to && one.is_heard_by(partition))
        .peekable();
    if one.from != one.to {
        return if ordered.peek().is_some() { Trace::Ours } else { Trace::Nothing };
    }
    if one.leader != one.to.first().copied() && ordered.any(|partition| one.is_led_in(partition)) {
        Trace::PerhapsKafkas
    } else {
        Trace::Nothing
    }
}

fn way(plan: &Plan, topology: &Topology) -> Way {
    let due = |when: When| plan.steps.iter().filter(move |step| step.when == when);
    let in_effect = |step: &Step| trace(step, topology) != Trace::Nothing;
    let whole = |step: &Step| in_effect(step) && sort(step, topology).1.is_empty();
    let ours = plan.steps.iter().any(|step| step.when != When::EchoLevelGreen && trace(step, topology) == Trace::Ours);
    if !ours {
        // Steps are sent in order, and no later one where an earlier one did nothing. A part of what would look like this is
        // no proof: Kafka's own failover moves some leaders to where they were wanted, and others elsewhere.
        return if due(When::AtOnce).all(whole) { Way::Fulfilled } else { Way::NotBegun };
    }
    // An order that changed is the trio's doing; a leader that changed may be Kafka's own.
    let ordered = due(When::EchoLevelStillRed).filter(|step| matches!(step.act, Act::Elect { .. })).count();
    let mut elections =
        due(When::EchoLevelStillRed).filter(|step| ordered == 0 || matches!(step.act, Act::Elect { .. }));
    if plan.steps.iter().any(|step| matches!(step.act, Act::Fence { .. }) && in_effect(step)) {
        Way::Fenced
    } else if elections.any(in_effect) {
        Way::Elected
    } else {
        Way::Begun
    }
}

/// Tells of each step of an abandoned intent whether it is done, not done, not due, or cannot be told.
pub(super) fn reconciled(plan: &Plan, digest: PlanDigest, topology: &Topology) -> Outcome {
    let way = way(plan, topology);
    let receipt = |step: &Step| match (step.when, way) {
        (When::AtOnce | When::AfterPrevious, Way::NotBegun) => match shown(step, topology) {
            Receipt::Unanswered => Receipt::Unanswered,
            Receipt::Done { .. }
            | Receipt::NotDue
            | Receipt::NotSent(_)
            | Receipt::Refused(_)
            | Receipt::NotSeen
            | Receipt::Skipped => Receipt::NotSent(NotSent::Deposed),
        },
        (When::AtOnce | When::AfterPrevious, _)
        | (When::EchoBehind | When::Afterwards, Way::Fenced)
        | (When::EchoLevelStillRed, Way::Elected) => shown(step, topology),
        (When::EchoBehind | When::EchoLevelStillRed, Way::Begun) => Receipt::NotSent(NotSent::Deposed),
        (When::EchoBehind | When::EchoLevelStillRed | When::EchoLevelGreen | When::Afterwards, _) => Receipt::NotDue,
    };
    let steps: Vec<StepOutcome> =
        plan.steps.iter().map(|step| StepOutcome { step: step.number, receipt: receipt(step) }).collect();
    Outcome { plan: digest, end: end(&steps), steps, timeline: Vec::new() }
}

fn end(steps: &[StepOutcome]) -> End {
    let (mut done_any, mut not_any, mut dark) = (false, false, false);
    for outcome in steps {
        match &outcome.receipt {
            Receipt::Done { not, .. } => {
                done_any = true;
                not_any |= !not.is_empty();
            }
            Receipt::NotDue => {}
            Receipt::Unanswered | Receipt::NotSeen => dark = true,
            Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::Skipped => not_any = true,
        }
    }
    match (dark, done_any, not_any) {
        (true, _, _) => End::Unknown,
        (false, true, false) => End::Done,
        (false, true, true) => End::Partly,
        (false, false, _) => End::NotDone,
    }
}

fn standing(broker: BrokerId, topology: &Topology) -> Option<Standing> {
    topology.brokers.get(&broker).map(|known| known.standing)
}

/// Gives what the cluster shows of one step that may have been sent.
fn shown(step: &Step, topology: &Topology) -> Receipt {
    match &step.act {
        Act::Fence { broker, .. } if is_out(*broker, topology) => done(PartitionSet::default()),
        Act::Fence { .. } => Receipt::NotSent(NotSent::Deposed),
        // Whoever serves nothing may be fenced only: that it was unregistered is told by its registration alone.
        Act::Unregister { broker, .. } => match standing(*broker, topology) {
            Some(Standing::Unregistered) => done(PartitionSet::default()),
            Some(Standing::Active | Standing::Fenced | Standing::ShuttingDown) => Receipt::NotSent(NotSent::Deposed),
            Some(Standing::Unknown) | None => Receipt::Unanswered,
        },
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => {
            let (wanted, not) = sort(step, topology);
            match (wanted.is_empty(), not.is_empty()) {
                (false, true) => done(wanted),
                // An order that changed was sent, even where leadership did not follow.
                (true, false) if trace(step, topology) != Trace::Ours => Receipt::NotSent(NotSent::Deposed),
                (_, false) => Receipt::Done { done: wanted, not: vec![(StepRefusal::NotSeen, not)] },
                (true, true) => Receipt::NotSent(NotSent::Deposed),
            }
        }
    }
}

fn done(partitions: PartitionSet) -> Receipt {
    Receipt::Done { done: partitions, not: Vec::new() }
}
