//! The guard over partitions: permutations, in-sync targets, epochs, foreign hands, limits.

use std::collections::BTreeMap;

use super::Objections;
use super::facts::Facts;
use super::places::{Moved, Places, Row};
use crate::model::finding::FindingKind;
use crate::model::ids::{BrokerId, PartitionId, TopicId};
use crate::model::plan::{Act, Move, Origin, Plan, Precondition, Step, When};
use crate::model::ruling::Objection;
use crate::model::topology::{Partition, PartitionSet};

/// Objects to a whole plan's moves.
pub(super) fn object(plan: &Plan, facts: &Facts<'_>, objections: &mut Objections) {
    let mut moving = plan.steps.iter().filter(|step| !step.act.moves().is_empty()).peekable();
    if moving.peek().is_none() {
        return;
    }
    let moves_later = moving.any(|step| step.when != When::AtOnce);
    let mut places = Places::new(&facts.snapshot.topology);
    for (index, step) in plan.steps.iter().enumerate() {
        object_to_size(index, step, plan, facts, objections);
        for each in step.act.moves() {
            object_to_move(each, step, &mut places, facts, objections);
            // Whoever leads it already gains nothing.
            let target = each.to.first().copied().filter(|target| each.leader != Some(*target));
            for partition in each.partitions.iter() {
                if places.count(partition, step.when, target) == Moved::Twice {
                    objections.insert(Objection::TwiceAtOnce { partition });
                }
            }
        }
        // What is due later finds the orders that the steps due at once have left.
        if step.when == When::AtOnce && moves_later {
            for each in step.act.moves() {
                for partition in each.partitions.iter() {
                    if let Some(row) = places.find(&partition) {
                        row.order = &each.to;
                    }
                }
            }
        }
    }
    object_to_targets(places.gains(), facts, objections);
    object_to_tails(plan, facts, objections);
}

/// A tail that is not known: does it count as short or as too long?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Untold {
    Short,
    TooLong,
}

/// Objects to the tails of a whole plan. A dead one's tail is lost whoever moves, and a person who asks for an undo sees it stated
/// in the plan. Giving leadership back is never urgent: there a tail that is not known counts as too long.
fn object_to_tails(plan: &Plan, facts: &Facts<'_>, objections: &mut Objections) {
    let untold = match &plan.origin {
        Origin::Finding { kind: FindingKind::ClientPathCut, .. } => Untold::Short,
        Origin::Failback { .. } => Untold::TooLong,
        Origin::Finding { .. } | Origin::Undo { .. } => return,
    };
    object_to_tails_of(&plan.steps, untold, facts, objections);
}

/// Objects to the tails of one step of a plan that was made before anybody knew that the leader is alive: by now its echo has told.
pub(super) fn object_to_live_tail(step: &Step, facts: &Facts<'_>, objections: &mut Objections) {
    object_to_tails_of(std::slice::from_ref(step), Untold::Short, facts, objections);
}

/// Counts, per topic, what a live leader has beyond whoever takes over.
fn object_to_tails_of(steps: &[Step], untold: Untold, facts: &Facts<'_>, objections: &mut Objections) {
    let mut topics: BTreeMap<TopicId, (Vec<PartitionId>, Option<u64>)> = BTreeMap::new();
    for each in steps.iter().flat_map(|step| step.act.moves()) {
        let Some((leader, target)) = each.leader.zip(each.to.first().copied()).filter(|(old, new)| old != new) else {
            continue;
        };
        for id in each.partitions.iter() {
            let end = |broker: BrokerId| Some(facts.snapshot.log_ends.get(&id, broker)?.offset.0);
            let tail = end(leader).zip(end(target)).map(|(old, new)| old.saturating_sub(new));
            let topic = topics.entry(id.topic).or_insert((Vec::new(), Some(0)));
            topic.0.push(id);
            topic.1 = topic.1.zip(tail).map(|(sum, tail)| sum.saturating_add(tail));
        }
    }
    let limit = facts.policy.guard.at_risk_records_max;
    for (ids, records) in topics.into_values() {
        if records.map_or(untold == Untold::TooLong, |records| limit < records) {
            objections.insert(Objection::AtRisk { partitions: ids.into_iter().collect(), records, limit });
        }
    }
}

fn object_to_size(index: usize, step: &Step, plan: &Plan, facts: &Facts<'_>, objections: &mut Objections) {
    let policy = &facts.policy.act;
    let limit = match &plan.origin {
        Origin::Finding { .. } => policy.max_partitions_per_request,
        Origin::Failback { .. } | Origin::Undo { .. } if index == 0 => 1,
        Origin::Failback { .. } | Origin::Undo { .. } => policy.failback_batch.min(policy.max_partitions_per_request),
    };
    let moves: usize = step.act.moves().iter().map(|each| each.partitions.len()).sum();
    let moves = u32::try_from(moves).unwrap_or(u32::MAX);
    if limit < moves {
        objections.insert(Objection::TooManyMoves { moves, limit });
    }
}

fn object_to_move(each: &Move, step: &Step, places: &mut Places<'_>, facts: &Facts<'_>, objections: &mut Objections) {
    let shuffled = is_permutation(&each.from, &each.to);
    let red_target = each
        .to
        .first()
        .is_some_and(|target| step.when != When::EchoLevelGreen && facts.needed() <= facts.red_votes(*target));
    let mut foreign = Vec::new();
    for id in each.partitions.iter() {
        let Some(Row { partition, order, .. }) = places.find(&id) else {
            objections.insert(Objection::FactsMoved);
            continue;
        };
        if !shuffled || (partition.replicas != each.from && !is_permutation(&partition.replicas, &each.from)) {
            objections.insert(Objection::NotAPermutation { partition: id });
        }
        if *order != each.from || partition.leader_epoch != each.leader_epoch || partition.leader != each.leader {
            objections.insert(Objection::FactsMoved);
        }
        if let Some(target) = each.to.first().copied()
            && (red_target || !may_lead(target, partition))
        {
            objections.insert(Objection::TargetNotInSync { partition: id, target });
        }
        if is_moving(&id, partition, facts) {
            foreign.push(id);
        }
    }
    if !foreign.is_empty() {
        objections.insert(Objection::ForeignReassignment(foreign.into_iter().collect()));
    }
    match step.act {
        Act::Reorder { .. } | Act::Elect { .. } => {
            let strangers = each.to.iter().filter(|broker| !facts.is_registered(**broker));
            objections.extend(strangers.map(|broker| Objection::NamesUnregistered(*broker)));
            let cordoned = each.to.iter().filter(|broker| facts.snapshot.cordoned.contains(broker));
            objections.extend(cordoned.map(|broker| Objection::NamesCordoned(*broker)));
        }
        // An election names no list.
        Act::Prefer { .. } | Act::Fence { .. } | Act::Unregister { .. } => {}
    }
}

fn object_to_targets(gains: BTreeMap<BrokerId, u32>, facts: &Facts<'_>, objections: &mut Objections) {
    let limit = facts.policy.score.leaders_max;
    for (target, gain) in gains {
        if facts.snapshot.standing.maintenance.contains(&target) {
            objections.insert(Objection::Maintenance(target));
        }
        let leaders = facts.snapshot.loads.get(&target).map_or(0, |load| load.leads).saturating_add(gain);
        if limit < leaders {
            objections.insert(Objection::TargetFull { target, leaders, limit });
        }
    }
}

/// Objects to a step's moves just before they are sent: only if no partition fits any more. One that does not is left out
/// by the actuator and reported.
pub(super) fn object_again(step: &Step, facts: &Facts<'_>, objections: &mut Objections) {
    let moves = step.act.moves();
    if moves.is_empty() {
        return;
    }
    let (mut fitting, mut foreign, mut out_of_sync) = (0_usize, Vec::new(), None);
    for each in moves {
        for id in each.partitions.iter() {
            let Some(partition) = facts.snapshot.topology.partitions.get(&id) else { continue };
            // Already as wanted counts as standing: applying a step twice changes nothing.
            if partition.replicas != each.from && partition.replicas != each.to {
                continue;
            }
            let Some(target) = each.to.first().copied() else { continue };
            let whole =
                !step.expects.contains(&Precondition::InSync) || each.to.iter().all(|b| partition.isr.contains(b));
            if is_moving(&id, partition, facts) {
                foreign.push(id);
            } else if !whole || !may_lead(target, partition) {
                out_of_sync = out_of_sync.or(Some((id, target)));
            } else {
                fitting += 1;
            }
        }
    }
    if 0 < fitting {
        return;
    }
    if let Some((partition, target)) = out_of_sync {
        objections.insert(Objection::TargetNotInSync { partition, target });
    } else if foreign.is_empty() {
        objections.insert(Objection::FactsMoved);
    }
    if !foreign.is_empty() {
        objections.insert(Objection::ForeignReassignment(foreign.into_iter().collect::<PartitionSet>()));
    }
}

fn is_moving(id: &PartitionId, partition: &Partition, facts: &Facts<'_>) -> bool {
    partition.reassigning || facts.snapshot.reassigning.contains(id)
}

/// In the ISR; or, where that is empty, in the ELR: both elections are clean.
fn may_lead(broker: BrokerId, partition: &Partition) -> bool {
    if partition.isr.is_empty() { partition.elr.contains(&broker) } else { partition.isr.contains(&broker) }
}

/// Lists of replicas are short: comparing each with each needs no set.
fn is_permutation(these: &[BrokerId], those: &[BrokerId]) -> bool {
    let once = |broker: &BrokerId, list: &[BrokerId]| list.iter().filter(|other| *other == broker).count() == 1;
    !these.is_empty()
        && these.len() == those.len()
        && these.iter().all(|broker| once(broker, these) && once(broker, those))
}
