//! The guard over acts on a whole broker: permission, its life, and what they do to every partition.

use super::facts::Facts;
use super::{Objections, object_to_unmet, whole_broker};
use crate::decide::policy::Permission;
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::plan::{Act, Precondition, Step, When};
use crate::model::ruling::Objection;
use crate::model::topology::{Partition, PartitionSet};

/// Objects to a whole-broker step of a plan.
pub(super) fn object(step: &Step, facts: &Facts<'_>, objections: &mut Objections) {
    let Some(broker) = whole_broker(&step.act) else { return };
    object_to_rights(step, facts, objections);
    // Due only once it is behind, or behind now: Kafka's own fencing takes the same partitions out of service.
    if step.when != When::EchoBehind && !facts.is_behind(broker) {
        object_to_collateral(broker, facts, objections);
        // A whole broker is taken out at once only where the nodes do not contradict each other about its pulse; whoever
        // waits for the echo is asked again then.
        if step.when == When::AtOnce && !facts.is_behind(broker) {
            objections.insert(Objection::FactsMoved);
        }
    }
}

/// Objects to a whole-broker step just before it is sent: by now the broker must have been found behind.
pub(super) fn object_again(step: &Step, facts: &Facts<'_>, objections: &mut Objections) {
    let Some(broker) = whole_broker(&step.act) else { return };
    object_to_rights(step, facts, objections);
    object_to_unmet(&Precondition::StillRed(broker), facts, objections);
    if !facts.is_behind(broker) {
        objections.insert(Objection::FactsMoved);
        object_to_collateral(broker, facts, objections);
    }
}

fn object_to_rights(step: &Step, facts: &Facts<'_>, objections: &mut Objections) {
    let (permission, expected) = match &step.act {
        Act::Fence { broker, epoch } => {
            (facts.policy.act.fence_heartbeat, Some(Precondition::EpochIs { broker: *broker, epoch: *epoch }))
        }
        Act::Unregister { broker, epoch } => {
            object_to_unregistering(*broker, facts, objections);
            let expected = epoch.map(|epoch| Precondition::EpochIs { broker: *broker, epoch });
            (facts.policy.act.unregister, expected)
        }
        Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => return,
    };
    if permission == Permission::Forbidden {
        objections.insert(Objection::NotPermitted { act: step.act.name().to_owned() });
    }
    if let Some(expected) = expected {
        object_to_unmet(&expected, facts, objections);
    }
}

/// Every list that names an unregistered broker is refused by Kafka, and what only it held in sync loses its last witness.
fn object_to_unregistering(broker: BrokerId, facts: &Facts<'_>, objections: &mut Objections) {
    let topology = &facts.snapshot.topology;
    let left = topology.brokers.keys().filter(|other| **other != broker && facts.is_registered(**other)).count();
    let factor = topology.partitions.values().map(|partition| partition.replicas.len()).max().unwrap_or(0);
    if !facts.is_registered(broker) || left < factor {
        objections.insert(Objection::NamesUnregistered(broker));
    }
    let partitions: PartitionSet = topology
        .partitions
        .iter()
        .filter(|(_, partition)| is_only_member(broker, partition))
        .map(|(id, _)| *id)
        .collect();
    if !partitions.is_empty() {
        objections.insert(Objection::OnlyMember { broker, partitions });
    }
}

/// An ELR member counts beside a whole ISR, too: it is who may lead cleanly when that is lost.
fn is_only_member(broker: BrokerId, partition: &Partition) -> bool {
    let only = |set: &std::collections::BTreeSet<BrokerId>| set.len() == 1 && set.contains(&broker);
    only(&partition.isr) || only(&partition.elr)
}

/// What would stop serving, or fall below min ISR, although Kafka alone would not do that. A min ISR that is not known
/// counts as the whole replica set: nobody can say that one fewer is enough.
fn object_to_collateral(broker: BrokerId, facts: &Facts<'_>, objections: &mut Objections) {
    let (mut stopped, mut short): (Vec<PartitionId>, Vec<PartitionId>) = (Vec::new(), Vec::new());
    let red = facts.needed() <= facts.red_votes(broker);
    for (id, partition) in &facts.snapshot.topology.partitions {
        if !partition.isr.contains(&broker) {
            continue;
        }
        let serves = partition.leader.is_some_and(|leader| leader != broker || !red);
        let configured = facts.snapshot.topology.topics.get(&id.topic).and_then(|topic| topic.min_isr);
        let min_isr = configured.map_or(partition.replicas.len(), |min| usize::from(min).min(partition.replicas.len()));
        let (now, left) = (partition.isr.len(), partition.isr.len() - 1);
        if serves && left == 0 {
            stopped.push(*id);
        } else if serves && min_isr <= now && left < min_isr {
            short.push(*id);
        }
    }
    if !stopped.is_empty() {
        objections.insert(Objection::Collateral(stopped.into_iter().collect()));
    }
    if !short.is_empty() {
        objections.insert(Objection::MinIsr(short.into_iter().collect()));
    }
}
