//! Several brokers' views of the cluster, made one: of two views of a partition the higher leader epoch is believed.
//!
//! Pure. A broker's view is its own replay of the metadata log and may lag; nothing here knows by how much.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::kafka::wire::{ClusterView, PartitionEligibility, RegisteredBroker, TopicEligibility};
use crate::model::ids::{BrokerId, ClusterId, LeaderEpoch, PartitionId, Rack, TopicId};
use crate::model::topology::{Partition, Registration, Standing, Topic, Topology};

/// What one broker said.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Who said it.
    pub(super) from: BrokerId,
    /// Who is registered.
    pub(super) cluster: ClusterView,
    /// Topics and partitions.
    pub(super) topics: Vec<TopicEligibility>,
}

/// What else is known, that views do not tell.
pub(super) struct Beside<'a> {
    pub(super) min_isr: &'a BTreeMap<TopicId, u16>,
    pub(super) reassigning: &'a BTreeSet<PartitionId>,
}

/// Makes one topology of the views; none of no views.
pub(super) fn merge(views: &[View], beside: &Beside<'_>) -> Option<Topology> {
    let first = views.first()?;
    let mut topology = Topology { cluster: ClusterId(first.cluster.cluster_id.clone()), ..Topology::default() };
    for view in views {
        for node in &view.cluster.nodes {
            topology.brokers.entry(BrokerId(node.id)).or_insert_with(|| registration(node, &view.cluster));
        }
        for topic in view.topics.iter().filter(|topic| topic.error.is_none()) {
            take_topic(&mut topology, topic, beside);
        }
    }
    name_the_missing(&mut topology, views);
    Some(topology)
}

fn registration(node: &RegisteredBroker, view: &ClusterView) -> Registration {
    let standing = match (view.includes_fenced, node.fenced) {
        (_, true) => Standing::Fenced,
        // Before Kafka 4.0 only unfenced brokers are listed.
        (true | false, false) => Standing::Active,
    };
    Registration { rack: node.rack.clone().map(Rack), epoch: None, standing }
}

fn take_topic(topology: &mut Topology, topic: &TopicEligibility, beside: &Beside<'_>) {
    let id = TopicId(*topic.id.as_bytes());
    topology.topics.entry(id).or_insert_with(|| Topic {
        name: topic.name.clone(),
        internal: topic.internal,
        min_isr: beside.min_isr.get(&id).copied(),
    });
    for seen in &topic.partitions {
        let id = PartitionId { topic: id, number: seen.index };
        let epoch = LeaderEpoch(seen.leader_epoch.unwrap_or_default());
        if topology.partitions.get(&id).is_none_or(|known| known.leader_epoch < epoch) {
            topology.partitions.insert(id, partition(seen, epoch, beside.reassigning.contains(&id)));
        }
    }
}

fn partition(seen: &PartitionEligibility, leader_epoch: LeaderEpoch, reassigning: bool) -> Partition {
    let set = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    Partition {
        leader: seen.leader.map(BrokerId),
        leader_epoch,
        replicas: seen.replicas.iter().copied().map(BrokerId).collect(),
        isr: set(&seen.isr),
        elr: set(&seen.elr),
        reassigning,
    }
}

/// Adds the brokers that replica lists name and nobody lists as registered.
fn name_the_missing(topology: &mut Topology, views: &[View]) {
    // A list without the fenced ones cannot tell a fenced broker from an unregistered one.
    let complete = views.iter().any(|view| view.cluster.includes_fenced);
    let standing = if complete { Standing::Unregistered } else { Standing::Unknown };
    let named: BTreeSet<BrokerId> = topology.partitions.values().flat_map(|p| p.replicas.iter().copied()).collect();
    for id in named {
        topology.brokers.entry(id).or_insert(Registration { rack: None, epoch: None, standing });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::wire::Endpoint;
    use uuid::Uuid;

    fn view(from: i32, nodes: &[(i32, bool)], leader: Option<i32>, epoch: i32, isr: &[i32]) -> View {
        let node = |&(id, fenced): &(i32, bool)| RegisteredBroker {
            id,
            endpoint: Endpoint::new("h", 1),
            rack: Some("a".to_owned()),
            fenced,
        };
        let cluster = ClusterView {
            cluster_id: "c".to_owned(),
            controller: None,
            nodes: nodes.iter().map(node).collect(),
            includes_fenced: true,
        };
        let partition = PartitionEligibility {
            index: 0,
            error: None,
            leader,
            leader_epoch: Some(epoch),
            replicas: vec![1, 2, 3],
            isr: isr.to_vec(),
            elr: vec![],
            last_known_elr: vec![],
            offline: vec![],
        };
        let topic = TopicEligibility {
            name: "t".to_owned(),
            id: Uuid::from_u128(1),
            internal: false,
            error: None,
            partitions: vec![partition],
        };
        View { from: BrokerId(from), cluster, topics: vec![topic] }
    }

    fn merged(views: &[View]) -> Topology {
        merge(views, &Beside { min_isr: &BTreeMap::new(), reassigning: &BTreeSet::new() }).unwrap()
    }

    #[test]
    fn the_higher_leader_epoch_is_believed_whoever_says_it() {
        let old = view(1, &[(1, false), (2, false)], Some(1), 4, &[1, 2]);
        let new = view(2, &[(1, false), (2, false)], Some(2), 5, &[2]);
        for views in [[old.clone(), new.clone()], [new, old]] {
            let topology = merged(&views);
            let partition = topology.partitions.values().next().unwrap();
            assert_eq!((partition.leader, partition.leader_epoch), (Some(BrokerId(2)), LeaderEpoch(5)));
            assert_eq!(partition.isr, BTreeSet::from([BrokerId(2)]));
        }
    }

    #[test]
    fn a_replica_on_a_broker_that_nobody_lists_is_unregistered() {
        let topology = merged(&[view(1, &[(1, false), (2, true)], Some(1), 4, &[1])]);
        let standings: Vec<_> = topology.brokers.iter().map(|(id, r)| (id.0, r.standing)).collect();
        assert_eq!(standings, [(1, Standing::Active), (2, Standing::Fenced), (3, Standing::Unregistered)]);
    }

    #[test]
    fn without_the_fenced_ones_a_missing_broker_is_unknown() {
        let mut old = view(1, &[(1, false)], Some(1), 4, &[1]);
        old.cluster.includes_fenced = false;
        let topology = merged(&[old]);
        assert_eq!(topology.brokers.get(&BrokerId(3)).unwrap().standing, Standing::Unknown);
    }
}
