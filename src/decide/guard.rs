//! Guard: whether a plan may be carried out, and each step again just before it is sent.
//!
//! Deliberately shares no code with `plan`, nor with how findings are voted: it counts, compares and tallies again from the
//! snapshot alone, so that one mistake cannot both make a plan and let it pass. Every "no" is an [`Objection`].

mod facts;
mod moves;
mod places;
mod whole;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::facts::{Facts, blast_radius, red_brokers, seen_red};
use super::policy::{Mode, Policy};
use crate::model::finding::{Finding, FindingKind};
use crate::model::ids::{BrokerId, CaseId};
use crate::model::observation::TopologySource;
use crate::model::plan::{Act, Class, Origin, Plan, Precondition, Step, When};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;

/// How many different people R3 takes.
const PEOPLE_R3: u8 = 2;

/// Objections as they are found; ordered and without repetition.
type Objections = BTreeSet<Objection>;

/// Rules on a whole plan, before it is committed.
pub fn guard(plan: &Plan, finding: Option<&Finding>, snapshot: &Snapshot, policy: &Policy) -> Ruling {
    let facts = Facts { snapshot, policy };
    let mut objections = Objections::new();
    object_to_moment(&facts, &mut objections);
    object_to_one_view(&facts, &mut objections);
    if let Some(case) = snapshot.standing.in_flight {
        objections.insert(Objection::PlanInFlight(case));
    }
    object_to_cool_downs(plan, &facts, &mut objections);
    object_to_origin(plan, finding, &facts, &mut objections);
    moves::object(plan, &facts, &mut objections);
    for step in &plan.steps {
        whole::object(step, &facts, &mut objections);
    }
    if plan.steps.is_empty() {
        objections.insert(Objection::FactsMoved);
    }
    if objections.is_empty() { permit(plan, policy) } else { Ruling::Held(objections.into_iter().collect()) }
}

/// Checks one step again, just before it is sent. The case that is in flight is this plan's own, and so are its cool-downs.
#[must_use]
pub fn recheck(step: &Step, plan: &Plan, snapshot: &Snapshot, policy: &Policy) -> Vec<Objection> {
    let facts = Facts { snapshot, policy };
    let mut objections = Objections::new();
    object_to_moment(&facts, &mut objections);
    if let Some(broker) = at_fault(plan) {
        object_to_radius(&facts, &mut objections);
        if snapshot.standing.maintenance.contains(&broker) {
            objections.insert(Objection::Maintenance(broker));
        }
        if step.when == When::EchoLevelStillRed {
            object_to_progress(broker, &facts, &mut objections);
            moves::object_to_live_tail(step, &facts, &mut objections);
        }
    }
    for expected in &step.expects {
        object_to_unmet(expected, &facts, &mut objections);
    }
    moves::object_again(step, &facts, &mut objections);
    whole::object_again(step, &facts, &mut objections);
    objections.into_iter().collect()
}

/// Objects to more red brokers than one fault explains, by every node's eyes: those that doubt themselves just because most brokers
/// are gone may not vote, and still say why nothing is done.
#[must_use]
pub fn too_many_red(snapshot: &Snapshot, policy: &Policy) -> Option<Objection> {
    let facts = Facts { snapshot, policy };
    blast_radius(&seen_red(&facts), &facts)
}

/// What an allowed plan still needs.
fn permit(plan: &Plan, policy: &Policy) -> Ruling {
    let class = plan.steps.iter().map(|step| step.act.class()).fold(plan.class, Class::max);
    let needs = |people| Ruling::NeedsApproval { class, people, expires_in: policy.act.approval_expires };
    let r2_is_automatic = || {
        plan.steps
            .iter()
            .filter(|step| step.act.class() == Class::R2)
            .all(|step| policy.act.auto_sends(step.act.name()) && knows_the_life(&step.act))
    };
    match (policy.mode, class) {
        (Mode::Observe | Mode::Approve | Mode::Auto, Class::R3) => needs(PEOPLE_R3),
        (Mode::Approve, Class::R0 | Class::R1 | Class::R2) => needs(1),
        // Observing shows what `auto` would do.
        (Mode::Observe | Mode::Auto, Class::R2) if !r2_is_automatic() => needs(1),
        (Mode::Observe | Mode::Auto, Class::R0 | Class::R1 | Class::R2) => Ruling::Allowed,
    }
}

/// Whatever the plan: is this a moment, and is this a side, to act at all?
fn object_to_moment(facts: &Facts<'_>, objections: &mut Objections) {
    let snapshot = facts.snapshot;
    if snapshot.standing.paused {
        objections.insert(Objection::Paused);
    }
    let own = snapshot.heard.get(&snapshot.taken_by);
    if !own.is_some_and(|heard| heard.report.reaches_controller) {
        objections.insert(Objection::ControllerUnreachable);
    }
    let (age, limit) = (snapshot.topology_age, facts.policy.guard.topology_age_max);
    if limit < age {
        objections.insert(Objection::StaleSnapshot { age, limit });
    }
}

/// One broker's picture may be old, and nobody can tell; it is believed only where no second one could be asked.
fn object_to_one_view(facts: &Facts<'_>, objections: &mut Objections) {
    let TopologySource::Metadata(told) = &facts.snapshot.topology_source else { return };
    let (Some(only), 1) = (told.first().copied(), told.len()) else { return };
    let brokers = facts.snapshot.topology.brokers.keys();
    if brokers.filter(|broker| facts.needed() <= facts.green_votes(**broker)).any(|broker| *broker != only) {
        objections.insert(Objection::OneView(only));
    }
}

fn object_to_cool_downs(plan: &Plan, facts: &Facts<'_>, objections: &mut Objections) {
    let orders = &facts.snapshot.standing;
    let own = own_case(plan, facts.snapshot);
    let mut object = |broker: Option<BrokerId>, cool_down: &crate::model::snapshot::CoolDown| {
        if facts.snapshot.taken_at < cool_down.until && Some(cool_down.owner) != own {
            objections.insert(Objection::CoolDown { broker, owner: cool_down.owner, until: cool_down.until });
        }
    };
    if let Some((broker, cool_down)) = subject(plan).and_then(|broker| orders.cool_downs.get_key_value(&broker)) {
        object(Some(*broker), cool_down);
    }
    let costly = plan.class == Class::R2 || plan.steps.iter().any(|step| step.act.class() == Class::R2);
    if let Some(cool_down) = orders.cluster_cool_down.as_ref().filter(|_| costly) {
        object(None, cool_down);
    }
}

fn object_to_origin(plan: &Plan, finding: Option<&Finding>, facts: &Facts<'_>, objections: &mut Objections) {
    match &plan.origin {
        Origin::Finding { kind, broker } => {
            if finding.is_none_or(|finding| (finding.kind, finding.broker) != (*kind, *broker)) {
                objections.insert(Objection::FactsMoved);
            }
            object_to_unmet(&Precondition::StillRed(*broker), facts, objections);
            object_to_radius(facts, objections);
            if facts.snapshot.standing.maintenance.contains(broker) {
                objections.insert(Objection::Maintenance(*broker));
            }
            // A closed port never waits for readings; a silent one that serves others is left alone.
            let stage_one_refused = *kind == FindingKind::LeaderNotServing && facts.mostly_refused(*broker);
            if !stage_one_refused && !facts.is_behind(*broker) {
                object_to_progress(*broker, facts, objections);
            }
        }
        Origin::Failback { broker, .. } => {
            object_to_unmet(&Precondition::Green(*broker), facts, objections);
            object_to_radius(facts, objections);
            if facts.snapshot.standing.maintenance.contains(broker) {
                objections.insert(Objection::Maintenance(*broker));
            }
        }
        // A person asked, and sees the cluster: only what is impossible or harmful is held.
        Origin::Undo { .. } => {}
    }
}

fn object_to_radius(facts: &Facts<'_>, objections: &mut Objections) {
    let red = red_brokers(facts);
    objections.extend(blast_radius(&red, facts));
}

fn object_to_progress(broker: BrokerId, facts: &Facts<'_>, objections: &mut Objections) {
    let growing = facts.growing(broker);
    if 0 < growing {
        objections.insert(Objection::ProgressVeto { growing });
    }
}

/// Preconditions about brokers; those about partitions are `moves`' business.
fn object_to_unmet(expected: &Precondition, facts: &Facts<'_>, objections: &mut Objections) {
    match expected {
        Precondition::StillRed(broker) => {
            let (votes, needed) = (facts.red_votes(*broker), facts.needed());
            if votes < needed {
                objections.insert(Objection::NoMajority { votes, needed });
            }
        }
        Precondition::Green(broker) => {
            if facts.green_votes(*broker) < facts.needed() {
                objections.insert(Objection::FactsMoved);
            }
        }
        Precondition::EpochIs { broker, epoch } => match facts.epoch(*broker) {
            None => {
                objections.insert(Objection::EpochUnknown(*broker));
            }
            Some(now) if now != *epoch => {
                objections.insert(Objection::FactsMoved);
            }
            Some(_) => {}
        },
        Precondition::MovesStand | Precondition::InSync | Precondition::NotReassigning => {}
    }
}

/// The broker that the plan is about.
fn subject(plan: &Plan) -> Option<BrokerId> {
    match &plan.origin {
        Origin::Finding { broker, .. } | Origin::Failback { broker, .. } => Some(*broker),
        Origin::Undo { .. } => None,
    }
}

/// The broker that the plan takes leadership from because it is at fault.
fn at_fault(plan: &Plan) -> Option<BrokerId> {
    match &plan.origin {
        Origin::Finding { broker, .. } => Some(*broker),
        Origin::Failback { .. } | Origin::Undo { .. } => None,
    }
}

fn own_case(plan: &Plan, snapshot: &Snapshot) -> Option<CaseId> {
    match &plan.origin {
        Origin::Finding { broker, .. } => snapshot.standing.cases.get(broker).map(|case| case.id),
        Origin::Failback { of, .. } | Origin::Undo { of, .. } => Some(*of),
    }
}

/// Where nobody knows the life that was found dead, nobody can tell a restarted broker from it: then a person is to say yes.
fn knows_the_life(act: &Act) -> bool {
    match act {
        Act::Unregister { epoch, .. } => epoch.is_some(),
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } | Act::Fence { .. } => true,
    }
}

/// The broker that an act takes out of every ISR.
fn whole_broker(act: &Act) -> Option<BrokerId> {
    match act {
        Act::Fence { broker, .. } | Act::Unregister { broker, .. } => Some(*broker),
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => None,
    }
}
