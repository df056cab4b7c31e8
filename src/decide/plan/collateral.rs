//! The collateral ledger: what taking one broker out of every ISR does to each partition, beside what Kafka would do.

use std::collections::BTreeMap;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::plan::{Collateral, NativeFate, Serving};
use crate::model::snapshot::Snapshot;
use crate::model::topology::{Partition, Topic};

/// Gives the ledger of a step that takes `broker` out of every ISR. `native_same`: whether Kafka, left alone, would fence
/// it too.
pub(super) fn ledger(step: u16, broker: BrokerId, native_same: NativeFate, snapshot: &Snapshot) -> Vec<Collateral> {
    let mut groups: BTreeMap<(Serving, Serving), Vec<PartitionId>> = BTreeMap::new();
    for (id, partition, topic) in snapshot.topology.walk() {
        if partition.isr.contains(&broker) || partition.leader == Some(broker) {
            let min_isr = min_isr(topic, partition);
            let fate = (before(broker, partition, min_isr), after(broker, partition, min_isr));
            groups.entry(fate).or_default().push(*id);
        }
    }
    let line = |((before, after), ids): ((Serving, Serving), Vec<PartitionId>)| Collateral {
        step,
        partitions: ids.into_iter().collect(),
        before,
        after,
        native_same,
    };
    groups.into_iter().map(line).collect()
}

/// Kafka caps `min.insync.replicas` at the replication factor.
fn min_isr(topic: Option<&Topic>, partition: &Partition) -> Option<usize> {
    let configured = topic?.min_isr?;
    Some(usize::from(configured).min(partition.replicas.len()))
}

/// Served by the broker at fault it does not serve; else as its ISR says on paper, the broker at fault included.
fn before(broker: BrokerId, partition: &Partition, min_isr: Option<usize>) -> Serving {
    match partition.leader {
        None => Serving::No,
        Some(leader) if leader == broker => Serving::No,
        Some(_) => serving(partition.isr.len(), min_isr),
    }
}

fn after(broker: BrokerId, partition: &Partition, min_isr: Option<usize>) -> Serving {
    let left = partition.isr.iter().filter(|member| **member != broker).count();
    if left == 0 { Serving::No } else { serving(left, min_isr) }
}

fn serving(in_sync: usize, min_isr: Option<usize>) -> Serving {
    match min_isr {
        None => Serving::Unknown,
        Some(min_isr) if in_sync < min_isr => Serving::UnderMinIsr,
        Some(_) => Serving::Full,
    }
}
