//! The way back: a case's recorded order again, one partition first, then batches, each after the one before was verified.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::choose::{Passing, accepted, at_risk, kind, tail};
use super::steps::{Change, Moving, Steps};
use crate::decide::policy::Policy;
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::Light;
use crate::model::plan::{Choice, Class, Origin, OriginalOrder, Plan, Precondition, When};
use crate::model::record::NoPlan;
use crate::model::snapshot::Snapshot;
use crate::model::topology::Partition;

/// What must have been reached before the order comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ripe {
    /// Every replica is in sync again.
    AllInSync,
    /// The first of the recorded order may lead.
    FirstInSync,
}

/// Gives the plan that restores `undo`.
pub(super) fn restore(
    origin: Origin,
    ripe: Ripe,
    undo: &[OriginalOrder],
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, NoPlan> {
    let (changes, unripe) = changes(&origin, (ripe, undo), snapshot, policy);
    let changes = without_maintenance(changes, snapshot);
    let references: Vec<&Change<'_>> = changes.iter().collect();
    let Some((first, rest)) = references.split_first() else {
        return Err(if unripe.is_empty() {
            NoPlan::NothingToRestore
        } else {
            NoPlan::NobodyFit(unripe.into_iter().collect())
        });
    };
    let expects = expects(&origin, ripe);
    let mut steps = Steps::new(policy.act.failback_batch.min(policy.act.max_partitions_per_request));
    steps.push_changes(When::AtOnce, Moving::Elect, std::slice::from_ref(first), &expects);
    steps.push_changes(When::AfterPrevious, Moving::Elect, rest, &expects);
    let touched: BTreeSet<PartitionId> = changes.iter().map(|change| change.id).collect();
    Ok(Plan {
        parent: None,
        origin,
        class: Class::R1,
        steps: steps.finish(),
        undo: restricted(undo, &touched),
        collateral: Vec::new(),
        at_risk: at_risk(changes.iter().filter_map(|change| passing(change, snapshot))),
        choices: choices(&changes),
    })
}

fn passing(change: &Change<'_>, snapshot: &Snapshot) -> Option<Passing> {
    let to = *change.to.first()?;
    let ends = snapshot.log_ends.of(change.id).collect::<Vec<_>>();
    Some(Passing { id: change.id, tail: tail(&ends, change.leader, to) })
}

fn expects(origin: &Origin, ripe: Ripe) -> Vec<Precondition> {
    let mut expects = vec![Precondition::MovesStand, Precondition::NotReassigning];
    if ripe == Ripe::AllInSync {
        expects.push(Precondition::InSync);
    }
    match origin {
        Origin::Failback { broker, .. } => expects.push(Precondition::Green(*broker)),
        Origin::Undo { .. } | Origin::Finding { .. } => {}
    }
    expects
}

/// The changes that can be made now, and the partitions that must wait.
fn changes<'a>(
    origin: &Origin,
    (ripe, undo): (Ripe, &'a [OriginalOrder]),
    snapshot: &'a Snapshot,
    policy: &Policy,
) -> (Vec<Change<'a>>, Vec<PartitionId>) {
    let (mut changes, mut unripe) = (Vec::new(), Vec::new());
    for original in undo {
        for id in original.partitions.iter() {
            // A partition that is gone, or whose replicas somebody has replaced since, is no longer ours to restore.
            let Some(partition) = snapshot.topology.partitions.get(&id) else { continue };
            if !same_set(&partition.replicas, &original.replicas) || is_restored(partition, original) {
                continue;
            }
            let may = may_move(&id, partition, original, ripe, snapshot);
            if may && may_lead_again(original, origin, snapshot, policy) {
                changes.push(Change::new(id, kind(&id, snapshot), partition, Cow::Borrowed(&original.replicas)));
            } else {
                unripe.push(id);
            }
        }
    }
    changes.sort_by_key(|change| (change.kind, change.id));
    changes.dedup_by_key(|change| change.id);
    (changes, unripe)
}

/// A broker in maintenance gets nothing back, and holds up nobody else. Where all of it is theirs it stays: the guard says why that waits.
fn without_maintenance<'a>(changes: Vec<Change<'a>>, snapshot: &Snapshot) -> Vec<Change<'a>> {
    let is_theirs =
        |change: &Change<'_>| change.to.first().is_some_and(|one| snapshot.standing.maintenance.contains(one));
    let (theirs, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_theirs);
    if others.is_empty() { theirs } else { others }
}

fn is_restored(partition: &Partition, original: &OriginalOrder) -> bool {
    partition.replicas == original.replicas && partition.leader == original.replicas.first().copied()
}

fn may_move(id: &PartitionId, now: &Partition, original: &OriginalOrder, ripe: Ripe, snapshot: &Snapshot) -> bool {
    let in_sync = match ripe {
        Ripe::AllInSync => original.replicas.iter().all(|replica| now.isr.contains(replica)),
        Ripe::FirstInSync => original.replicas.first().is_some_and(|first| now.isr.contains(first)),
    };
    let moving = now.reassigning || snapshot.reassigning.contains(id);
    in_sync && !moving && accepted(&original.replicas, snapshot)
}

/// A way back may end at another broker than the one whose recovery it is about, as that one had led in its place: it must have been
/// green for as long. What a person asks for waits for nobody.
fn may_lead_again(original: &OriginalOrder, origin: &Origin, snapshot: &Snapshot, policy: &Policy) -> bool {
    match (origin, original.replicas.first()) {
        (Origin::Failback { broker, .. }, Some(first)) => first == broker || is_stable(*first, snapshot, policy),
        (Origin::Finding { .. } | Origin::Undo { .. }, _) | (_, None) => true,
    }
}

/// Tells whether a majority has seen a broker green for the stable period: leadership is given back to no other one.
#[must_use]
pub fn is_stable(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> bool {
    let green = snapshot
        .heard
        .values()
        .filter_map(|heard| heard.report.brokers.get(&broker))
        .filter(|seen| seen.light == Light::Green && policy.act.failback_after <= seen.light_for);
    snapshot.voters.len() < green.count().saturating_mul(2)
}

fn same_set(these: &[BrokerId], those: &[BrokerId]) -> bool {
    these.len() == those.len() && these.iter().collect::<BTreeSet<_>>() == those.iter().collect()
}

fn restricted(undo: &[OriginalOrder], touched: &BTreeSet<PartitionId>) -> Vec<OriginalOrder> {
    let restrict = |original: &OriginalOrder| OriginalOrder {
        partitions: original.partitions.iter().filter(|id| touched.contains(id)).collect(),
        ..original.clone()
    };
    undo.iter().map(restrict).filter(|original| !original.partitions.is_empty()).collect()
}

/// No scores: the recorded order says who leads.
fn choices(changes: &[Change<'_>]) -> Vec<Choice> {
    let leaders: BTreeSet<BrokerId> = changes.iter().filter_map(|change| change.to.first().copied()).collect();
    let of = |leader: BrokerId| Choice {
        partitions: changes
            .iter()
            .filter(|change| change.to.first() == Some(&leader))
            .map(|change| change.id)
            .collect(),
        chosen: Some(leader),
        kafka_would: None,
        candidates: Vec::new(),
    };
    leaders.into_iter().map(of).collect()
}
