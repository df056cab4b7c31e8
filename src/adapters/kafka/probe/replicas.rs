//! P6 and P8 of one broker: the log ends of its replicas, and its log dirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::shared::{Broker, Shared, blindness};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{EndOffset, LogDir, ReplicaSide, TopicPartition, WireError};
use crate::model::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, TopicId};
use crate::model::observation::{Blindness, Fact, LogDirsReading, LogEnd, OffsetsReading, ProbeKind};
use crate::model::topology::{Partition, Topology};

/// How many partitions one request names: about 400 kB of request.
const PARTITIONS_PER_REQUEST: usize = 10_000;
/// How often to see whether the topology is known by now, before a broker is asked for the first time.
const KNOWN_YET_EVERY: Duration = Duration::from_millis(50);

/// Waits until it is known which partitions there are.
async fn topology_known(shared: &Shared) {
    while shared.topology().is_none() {
        sleep(KNOWN_YET_EVERY).await;
    }
}

/// Looks at one broker's log ends until the probe ends.
pub(super) async fn watch_offsets(shared: Arc<Shared>, broker: Arc<Broker>) {
    topology_known(&shared).await;
    let mut ticks = interval(shared.options.rhythm.offsets);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(topology) = shared.topology().filter(|_| broker.may_ask()) else { continue };
        let hosts = |(id, of): (&PartitionId, &Partition)| of.replicas.contains(&broker.id).then_some(*id);
        let wanted: Vec<PartitionId> = topology.partitions.iter().filter_map(hosts).collect();
        read_offsets(&shared, &broker, &topology, &wanted).await;
    }
}

/// Looks once at the log ends of these partitions' replicas (none named: of all) on every broker but these, all at once.
pub(super) async fn look_at_offsets(shared: Arc<Shared>, not: &BTreeSet<BrokerId>, partitions: &BTreeSet<PartitionId>) {
    let Some(topology) = shared.topology() else { return };
    let mut hosted = topology.hosted(partitions);
    let mut looks = JoinSet::new();
    for broker in shared.brokers().into_iter().filter(|broker| !not.contains(&broker.id)) {
        let Some(wanted) = hosted.remove(&broker.id) else { continue };
        let (shared, topology) = (Arc::clone(&shared), Arc::clone(&topology));
        broker.count();
        looks.spawn(async move { read_offsets(&shared, &broker, &topology, &wanted).await });
    }
    looks.join_all().await;
}

/// Looks once at the log ends of these of a broker's replicas.
async fn read_offsets(shared: &Shared, broker: &Broker, topology: &Topology, wanted: &[PartitionId]) {
    let named = |id: &PartitionId| Some(TopicPartition::new(topology.topics.get(&id.topic)?.name.clone(), id.number));
    let wanted: Vec<TopicPartition> = wanted.iter().filter_map(named).collect();
    let ids = ids_by_name(topology);
    let sent_at = clock::timestamp();
    let mut log_ends = BTreeMap::new();
    for chunk in wanted.chunks(PARTITIONS_PER_REQUEST) {
        let ends = async {
            let connection = broker.offsets.connection().await?;
            let asked = connection.end_offsets(chunk, ReplicaSide::OwnLog, shared.options.rhythm.within);
            broker.offsets.settle(asked.await).await
        };
        match ends.await {
            Ok(answer) => log_ends.extend(answer.body.into_iter().filter_map(|end| log_end(end, &ids))),
            Err(error) => {
                blind(shared, broker, ProbeKind::Offsets, &error).await;
                return;
            }
        }
    }
    shared.tell(Fact::Offsets(OffsetsReading { broker: broker.id, sent_at, log_ends })).await;
}

/// Looks at one broker's log dirs until the probe ends.
pub(super) async fn watch_log_dirs(shared: Arc<Shared>, broker: Arc<Broker>) {
    topology_known(&shared).await;
    loop {
        let unseen = if broker.may_ask() { read_log_dirs(&shared, &broker).await } else { Some(Blindness::NotTried) };
        sleep(shared.options.rhythm.next_dirs(unseen)).await;
    }
}

/// Looks once; says why not, where it told nothing.
async fn read_log_dirs(shared: &Shared, broker: &Broker) -> Option<Blindness> {
    let sent_at = clock::timestamp();
    let dirs = async {
        let connection = broker.dirs.connection().await?;
        broker.dirs.settle(connection.log_dirs(shared.options.rhythm.within).await).await
    };
    match dirs.await {
        Ok(answer) => {
            let topology = shared.topology();
            let ids = topology.as_deref().map(ids_by_name).unwrap_or_default();
            let failed = answer.body.iter().filter(|dir| dir.error.is_some()).count();
            let failed_dirs = u32::try_from(failed).unwrap_or(u32::MAX);
            let bytes = sizes(&answer.body, &ids);
            let all_cordoned = !answer.body.is_empty() && answer.body.iter().all(|dir| dir.cordoned);
            let reading = LogDirsReading { broker: broker.id, sent_at, failed_dirs, all_cordoned, bytes };
            shared.tell(Fact::LogDirs(reading)).await;
            None
        }
        Err(error) => Some(blind(shared, broker, ProbeKind::LogDirs, &error).await),
    }
}

async fn blind(shared: &Shared, broker: &Broker, probe: ProbeKind, error: &WireError) -> Blindness {
    let why = blindness(error);
    shared.tell(Fact::Blind { broker: Some(broker.id), probe, why }).await;
    why
}

fn ids_by_name(topology: &Topology) -> BTreeMap<&str, TopicId> {
    topology.topics.iter().map(|(id, topic)| (topic.name.as_str(), *id)).collect()
}

fn log_end(end: EndOffset, ids: &BTreeMap<&str, TopicId>) -> Option<(PartitionId, LogEnd)> {
    let id = PartitionId { topic: *ids.get(end.partition.topic.as_str())?, number: end.partition.partition };
    let offset = Offset(u64::try_from(end.end_offset.ok()?).ok()?);
    Some((id, LogEnd { offset, leader_epoch: end.leader_epoch.map(LeaderEpoch) }))
}

fn sizes(dirs: &[LogDir], ids: &BTreeMap<&str, TopicId>) -> BTreeMap<PartitionId, u64> {
    let replicas = dirs.iter().flat_map(|dir| &dir.replicas).filter(|replica| !replica.future);
    replicas
        .filter_map(|replica| {
            let topic = *ids.get(replica.partition.topic.as_str())?;
            let size = u64::try_from(replica.size_bytes).ok()?;
            Some((PartitionId { topic, number: replica.partition.partition }, size))
        })
        .collect()
}
