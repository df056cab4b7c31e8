//! From what one broker answers to the model's shape of the cluster.

use std::collections::BTreeSet;

use crate::adapters::kafka::wire;
use crate::model::ids::{BrokerId, ClusterId, LeaderEpoch, PartitionId, Rack, TopicId};
use crate::model::topology::{Partition, Registration, Standing, Topic, Topology};

/// Gives the model's shape of what one broker answered. Brokers that `Metadata` names are unfenced; others are not named.
#[must_use]
pub fn to_model(answer: &wire::Topology) -> Topology {
    let mut topology =
        Topology { cluster: ClusterId(answer.cluster_id.clone().unwrap_or_default()), ..Topology::default() };
    for broker in &answer.brokers {
        let rack = broker.rack.clone().map(Rack);
        topology.brokers.insert(BrokerId(broker.id), Registration { rack, epoch: None, standing: Standing::Active });
    }
    for topic in answer.topics.iter().filter(|topic| topic.error.is_none()) {
        let id = TopicId(*topic.id.as_bytes());
        topology.topics.insert(id, Topic { name: topic.name.clone(), internal: topic.internal, min_isr: None });
        for partition in &topic.partitions {
            topology.partitions.insert(PartitionId { topic: id, number: partition.index }, to_partition(partition));
        }
    }
    topology
}

fn to_partition(view: &wire::PartitionView) -> Partition {
    Partition {
        leader: view.leader.map(BrokerId),
        leader_epoch: LeaderEpoch(view.leader_epoch.unwrap_or_default()),
        replicas: view.replicas.iter().copied().map(BrokerId).collect(),
        isr: view.isr.iter().copied().map(BrokerId).collect(),
        elr: BTreeSet::new(),
        reassigning: false,
    }
}
