//! P2: the cluster's shape from two brokers at a time; and, less often, reassignments and `min.insync.replicas`.
//!
//! It also learns where the brokers are, fenced ones included, for everybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::lane::Lane;
use super::merge::{Beside, View, merge};
use super::shared::{Broker, Shared, blindness};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{
    Answer, Api, ClusterView, Configured, Connection, Endpoints, PartitionEligibility, Reassigning, RegisteredBroker,
    TopicEligibility, TopicFilter, TopicView, WireError,
};
use crate::control::pace::{SECOND_VIEW_WITHIN, VIEWS};
use crate::model::ids::{BrokerId, PartitionId, TopicId};
use crate::model::observation::{Blindness, Fact, ProbeKind, TopologyReading, TopologySource};

/// How many topics one request for settings names.
const TOPICS_PER_REQUEST: usize = 500;

/// Looks at the topology at its rhythm, and at once when a connection has closed.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut ticks = interval(shared.options.rhythm.shape);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_usize;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.shape_now.notified() => {}
        }
        turn = turn.wrapping_add(1);
        look(&shared, turn, &BTreeSet::new()).await;
    }
}

/// Looks once, at brokers other than `not`.
pub(super) async fn look(shared: &Shared, place: usize, not: &BTreeSet<BrokerId>) {
    let mut brokers = shared.whom_to_ask(place, not);
    brokers.truncate(VIEWS);
    if brokers.is_empty() {
        return begin(shared).await;
    }
    let sent_at = clock::timestamp();
    let mut asked: FuturesUnordered<_> = brokers.iter().map(|broker| view(shared, broker)).collect();
    let (mut views, mut why) = (Vec::new(), Blindness::NobodyAnswered);
    loop {
        // Nobody waits long for a second opinion, everybody for a first one.
        let patience = if views.is_empty() { shared.options.rhythm.within } else { SECOND_VIEW_WITHIN };
        match timeout(patience, asked.next()).await {
            Ok(Some(Ok(view))) => views.push(view),
            Ok(Some(Err(reason))) => why = reason,
            Ok(None) | Err(_) => break,
        }
    }
    let beside = Beside { min_isr: &shared.min_isr(), reassigning: &shared.reassigning() };
    let Some(topology) = merge(&views, &beside) else {
        return shared.tell(Fact::Blind { broker: None, probe: ProbeKind::Metadata, why }).await;
    };
    let topology = Arc::new(topology);
    shared.learn_topology(&topology);
    let source = TopologySource::Metadata(views.iter().map(|view| view.from).collect());
    shared.tell(Fact::Topology(TopologyReading { topology, source, sent_at })).await;
}

/// Finds the first brokers through the addresses that the settings give.
async fn begin(shared: &Shared) {
    let mut why = Blindness::NobodyAnswered;
    for endpoint in &shared.options.bootstrap {
        let lane = Lane::new(endpoint.clone(), shared.wire());
        match registered(shared, &lane).await {
            Ok(answer) if shared.is_ours(&answer.body.cluster_id) => {
                learn(shared, &answer.body.nodes);
                // Now there is somebody to ask for the rest.
                return shared.shape_now.notify_one();
            }
            Ok(_) => why = Blindness::WrongCluster,
            Err(error) => why = blindness(&error),
        }
    }
    shared.tell(Fact::Blind { broker: None, probe: ProbeKind::Metadata, why }).await;
}

async fn registered(shared: &Shared, lane: &Lane) -> Result<Answer<ClusterView>, WireError> {
    let connection = lane.connection().await?;
    lane.settle(connection.cluster(Endpoints::Brokers, shared.options.rhythm.within).await).await
}

fn learn(shared: &Shared, nodes: &[RegisteredBroker]) {
    shared.learn_brokers(nodes.iter().map(|node| (BrokerId(node.id), node.endpoint.clone())));
}

/// Asks one broker for everything it sees.
async fn view(shared: &Shared, broker: &Broker) -> Result<View, Blindness> {
    // Two requests, side by side on one connection.
    broker.count();
    broker.count();
    let seen = async {
        let connection = broker.shape.connection().await?;
        let within = shared.options.rhythm.within;
        let (cluster, topics) =
            tokio::join!(connection.cluster(Endpoints::Brokers, within), topics(&connection, within));
        Ok((broker.shape.settle(cluster).await?.body, broker.shape.settle(topics).await?.body))
    };
    let (cluster, topics) = seen.await.map_err(|error: WireError| blindness(&error))?;
    if !shared.is_ours(&cluster.cluster_id) {
        return Err(Blindness::WrongCluster);
    }
    learn(shared, &cluster.nodes);
    Ok(View { from: broker.id, cluster, topics })
}

/// Reads the topics with their eligible replicas where the broker can tell, else without.
async fn topics(connection: &Connection, within: Duration) -> Result<Answer<Vec<TopicEligibility>>, WireError> {
    if connection.features().agreed(Api::DescribeTopicPartitions).is_some() {
        return Ok(connection.eligibility(&[], within).await?.map(|seen| seen.topics));
    }
    let seen = connection.topology(TopicFilter::All, within).await?;
    Ok(seen.map(|seen| seen.topics.into_iter().map(without_elr).collect()))
}

fn without_elr(topic: TopicView) -> TopicEligibility {
    let partitions = topic.partitions.into_iter().map(|seen| PartitionEligibility {
        index: seen.index,
        error: seen.error,
        leader: seen.leader,
        leader_epoch: seen.leader_epoch,
        replicas: seen.replicas,
        isr: seen.isr,
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        offline: seen.offline,
    });
    TopicEligibility {
        name: topic.name,
        id: topic.id,
        internal: topic.internal,
        error: topic.error,
        partitions: partitions.collect(),
    }
}

/// Looks at reassignments and settings at their rhythm.
pub(super) async fn rounds(shared: Arc<Shared>) {
    let mut ticks = interval(shared.options.rhythm.shape);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut turn, mut last) = (0_usize, None);
    loop {
        ticks.tick().await;
        let unknown = topics_without_settings(&shared);
        let due = last.is_none_or(|last| shared.options.rhythm.rounds <= clock::now().duration_since(last));
        if shared.topology().is_none() || (unknown.is_empty() && !due) {
            continue;
        }
        turn = turn.wrapping_add(1);
        let Some(broker) = shared.whom_to_ask(turn, &BTreeSet::new()).into_iter().next() else { continue };
        if due {
            reassignments(&shared, &broker).await;
            last = Some(clock::now());
        }
        if broker.may_ask() {
            settings(&shared, &broker, &if due { all_topics(&shared) } else { unknown }).await;
        }
    }
}

/// Asks two brokers at once for the reassignments in flight, and tells the first answer.
pub(super) async fn look_at_reassignments(shared: &Shared, place: usize, not: &BTreeSet<BrokerId>) {
    let brokers = shared.whom_to_ask(place, not);
    let mut asked: FuturesUnordered<_> =
        brokers.iter().take(VIEWS).map(|broker| reassignments(shared, broker)).collect();
    while asked.next().await.is_some_and(|told| !told) {}
}

/// Asks one broker for the reassignments in flight; says whether it told them.
async fn reassignments(shared: &Shared, broker: &Broker) -> bool {
    broker.count();
    let sent_at = clock::timestamp();
    let answer = async {
        let connection = broker.rounds.connection().await?;
        broker.rounds.settle(connection.reassignments(shared.options.rhythm.within).await).await
    };
    match answer.await {
        Ok(answer) => {
            let ids = topic_ids(shared);
            let find = |name: &str, number| ids.get(name).map(|&topic| PartitionId { topic, number });
            let of = |one: &Reassigning| find(&one.partition.topic, one.partition.partition);
            let partitions: BTreeSet<_> = answer.body.iter().filter_map(of).collect();
            shared.learn_reassigning(partitions.clone());
            shared.tell(Fact::Reassignments { sent_at, partitions }).await;
            true
        }
        Err(error) => {
            let (broker, probe, why) = (Some(broker.id), ProbeKind::Reassignments, blindness(&error));
            shared.tell(Fact::Blind { broker, probe, why }).await;
            false
        }
    }
}

/// Reads `min.insync.replicas` of these topics.
async fn settings(shared: &Shared, broker: &Broker, topics: &BTreeMap<TopicId, String>) {
    let ids = topic_ids(shared);
    let mut min_isr = (*shared.min_isr()).clone();
    min_isr.retain(|id, _| ids.values().any(|known| known == id));
    let names: Vec<_> = topics.values().map(|name| Configured::Topic(name.clone())).collect();
    for chunk in names.chunks(TOPICS_PER_REQUEST) {
        let read = async {
            let connection = broker.rounds.connection().await?;
            let asked = connection.settings(chunk, &["min.insync.replicas"], shared.options.rhythm.within);
            broker.rounds.settle(asked.await).await
        };
        // What stays unread is read in a later round, from another broker; the snapshot says what is missing.
        let Ok(answer) = read.await else { return };
        for setting in answer.body.found {
            if let (Configured::Topic(name), Some(value)) = (setting.of, setting.value.and_then(|v| v.parse().ok()))
                && let Some(id) = ids.get(&name)
            {
                min_isr.insert(*id, value);
            }
        }
    }
    shared.learn_min_isr(min_isr);
}

fn topic_ids(shared: &Shared) -> BTreeMap<String, TopicId> {
    all_topics(shared).into_iter().map(|(id, name)| (name, id)).collect()
}

fn all_topics(shared: &Shared) -> BTreeMap<TopicId, String> {
    let topology = shared.topology();
    topology.iter().flat_map(|shape| &shape.topics).map(|(id, topic)| (*id, topic.name.clone())).collect()
}

fn topics_without_settings(shared: &Shared) -> BTreeMap<TopicId, String> {
    let known = shared.min_isr();
    let mut topics = all_topics(shared);
    topics.retain(|id, _| !known.contains_key(id));
    topics
}
