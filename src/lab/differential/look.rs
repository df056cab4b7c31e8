//! What ordinary clients are answered: who leads, who lists whom, which replica takes a record, how long each replica is.
//!
//! Every question goes over a fresh connection through the proxies, as a client's would; the controllers are asked directly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time;

use crate::adapters::kafka::wire::{
    Acks, Connection, Endpoint, ErrorCode, Obstacle, Options, PartitionView, Quorum, ReplicaSide, Rights, TopicFilter,
    TopicPartition, TopicView, WireError,
};
use crate::lab::cluster::Cluster;
use crate::lab::names::Listener;
use crate::model::ids::BrokerId;
use crate::sim::differential::Action;
use crate::sim::differential::reading::{Pulse, Reading, Silence, View};

/// Who lives answers within milliseconds.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(700);
/// Longer than a follower's fetch backoff of 1 s: whoever can replicate does so by then.
const REPLICAS_WAIT: Duration = Duration::from_millis(1_500);
/// Longer, so that a broker that waited in vain can say so.
const TAKEN_WITHIN: Duration = Duration::from_millis(2_000);
/// A follower has a record within one fetch of the leader's.
const REPLICATED: Duration = Duration::from_millis(400);
const PULSES: usize = 3;
const PULSE_EVERY: Duration = Duration::from_millis(300);

/// The names of the cells' topics.
pub(super) type Names = BTreeMap<Action, String>;

/// Asks everything; `asked` are the brokers that a record is sent to.
pub(super) async fn look(
    cluster: &Cluster,
    controller: &Connection,
    names: &Names,
    asked: &[BrokerId],
    reading: &mut Reading,
) {
    let one = take_all(cluster, names, asked, Acks::Leader);
    let all = take_all(cluster, names, asked, Acks::All);
    let views = view_all(cluster, names);
    let (views, one, all, pulses) = tokio::join!(views, one, all, pulses(cluster, controller));
    reading.pulses = pulses;
    time::sleep(REPLICATED).await;
    let ends = end_all(cluster, names).await;
    for (broker, seen) in views {
        reading.lists.insert(broker, seen.as_ref().map(|seen| seen.0.clone()).map_err(Clone::clone));
        for cell in names.keys() {
            let view = match &seen {
                Ok((_, views)) => views.get(cell).cloned().unwrap_or(Err(Silence::Silent)),
                Err(silence) => Err(silence.clone()),
            };
            reading.cells.entry(*cell).or_default().views.insert(broker, view);
        }
    }
    for (cell, ends) in ends {
        reading.cells.entry(cell).or_default().ends = ends;
    }
    for (cell, one) in one {
        reading.cells.entry(cell).or_default().one = one;
    }
    for (cell, all) in all {
        reading.cells.entry(cell).or_default().all = all;
    }
}

type Seen = Result<(BTreeSet<BrokerId>, BTreeMap<Action, Result<View, Silence>>), Silence>;

async fn view_all(cluster: &Cluster, names: &Names) -> Vec<(BrokerId, Seen)> {
    let asking =
        cluster.brokers().into_iter().map(|broker| async move { (broker, view(cluster, names, broker).await) });
    futures::future::join_all(asking).await
}

async fn view(cluster: &Cluster, names: &Names, broker: BrokerId) -> Seen {
    let connection = open(cluster, broker).await?;
    let wanted: Vec<String> = names.values().cloned().collect();
    let answer =
        connection.topology(TopicFilter::Named(&wanted), ANSWER_WITHIN).await.map_err(|error| silence(&error))?;
    let listed = answer.body.brokers.iter().map(|broker| BrokerId(broker.id)).collect();
    let topics: BTreeMap<&str, &TopicView> =
        answer.body.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
    let seen =
        names.iter().map(|(cell, name)| (*cell, topics.get(name.as_str()).map_or(Err(Silence::Silent), view_of)));
    Ok((listed, seen.collect()))
}

fn view_of(topic: &&TopicView) -> Result<View, Silence> {
    if let Some(error) = topic.error {
        return Err(Silence::Error(error.name().to_owned()));
    }
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    let shown = |one: &PartitionView| View {
        leader: one.leader.map(BrokerId),
        leader_epoch: one.leader_epoch,
        isr: ids(&one.isr),
        offline: ids(&one.offline),
    };
    topic.partitions.iter().find(|one| one.index == 0).map(shown).ok_or(Silence::Silent)
}

type Taken = BTreeMap<Action, BTreeMap<BrokerId, Result<(), Silence>>>;

async fn take_all(cluster: &Cluster, names: &Names, asked: &[BrokerId], acks: Acks) -> Taken {
    let asking = asked.iter().map(|broker| async move { (*broker, take(cluster, names, *broker, acks).await) });
    by_cell(names, futures::future::join_all(asking).await)
}

async fn take(cluster: &Cluster, names: &Names, broker: BrokerId, acks: Acks) -> PerCell<()> {
    let connection = open(cluster, broker).await?;
    let named = |name: &String| (TopicPartition::new(name.clone(), 0), Bytes::from_static(b"differential"));
    let records: Vec<_> = names.values().map(named).collect();
    let answer = connection
        .produce_waiting(&records, acks, REPLICAS_WAIT, TAKEN_WITHIN)
        .await
        .map_err(|error| silence(&error))?;
    let mut taken = BTreeMap::new();
    for appended in answer.body {
        taken.insert(appended.partition.topic, appended.offset.map(|_| ()).map_err(refusal));
    }
    Ok(taken)
}

type Ends = BTreeMap<Action, BTreeMap<BrokerId, Result<i64, Silence>>>;

async fn end_all(cluster: &Cluster, names: &Names) -> Ends {
    let asking =
        cluster.brokers().into_iter().map(|broker| async move { (broker, ends(cluster, names, broker).await) });
    by_cell(names, futures::future::join_all(asking).await)
}

async fn ends(cluster: &Cluster, names: &Names, broker: BrokerId) -> PerCell<i64> {
    let connection = open(cluster, broker).await?;
    let wanted: Vec<TopicPartition> = names.values().map(|name| TopicPartition::new(name.clone(), 0)).collect();
    let answer =
        connection.end_offsets(&wanted, ReplicaSide::OwnLog, ANSWER_WITHIN).await.map_err(|error| silence(&error))?;
    Ok(answer.body.into_iter().map(|end| (end.partition.topic, end.end_offset.map_err(refusal))).collect())
}

/// What one broker answered per topic, or why it did not.
type PerCell<T> = Result<BTreeMap<String, Result<T, Silence>>, Silence>;

fn by_cell<T: Clone>(
    names: &Names,
    answers: Vec<(BrokerId, PerCell<T>)>,
) -> BTreeMap<Action, BTreeMap<BrokerId, Result<T, Silence>>> {
    let mut cells: BTreeMap<Action, BTreeMap<BrokerId, Result<T, Silence>>> = BTreeMap::new();
    for (broker, answer) in answers {
        for (cell, name) in names {
            let told = match &answer {
                Ok(topics) => topics.get(name).cloned().unwrap_or(Err(Silence::Silent)),
                Err(silence) => Err(silence.clone()),
            };
            cells.entry(*cell).or_default().insert(broker, told);
        }
    }
    cells
}

/// A broker that is behind in every sample stays behind; one that lives catches up between two pulses.
async fn pulses(cluster: &Cluster, controller: &Connection) -> BTreeMap<BrokerId, Pulse> {
    let mut best: BTreeMap<BrokerId, Pulse> = cluster.brokers().into_iter().map(|id| (id, Pulse::Absent)).collect();
    for sample in 0..PULSES {
        if 0 < sample {
            time::sleep(PULSE_EVERY).await;
        }
        let Ok(answer) = controller.quorum(ANSWER_WITHIN).await else { continue };
        let end = end_of(&answer.body);
        // A combined node is a voter and a broker; the active one stands where the log ends.
        for reader in answer.body.voters.iter().chain(&answer.body.observers) {
            // A voter that has not fetched yet from a newly active one has no place.
            if let (Some(at), Some(pulse)) = (reader.log_end_offset, best.get_mut(&BrokerId(reader.id))) {
                let level = Some(at) == end || *pulse == Pulse::Level;
                *pulse = if level { Pulse::Level } else { Pulse::Behind };
            }
        }
    }
    best
}

fn end_of(quorum: &Quorum) -> Option<i64> {
    quorum.voters.iter().find(|voter| Some(voter.id) == quorum.leader)?.log_end_offset
}

async fn open(cluster: &Cluster, broker: BrokerId) -> Result<Connection, Silence> {
    let address = cluster.broker_address(broker, Listener::Clients).ok_or(Silence::Refused)?;
    let options = Options {
        connect_within: ANSWER_WITHIN,
        client_id: "tanist-differential".into(),
        ..Options::new(Rights::ReadWrite)
    };
    let endpoint = Endpoint::new(address.ip().to_string(), address.port());
    Connection::open(&endpoint, &options).await.map_err(|error| silence(&error))
}

fn refusal(code: ErrorCode) -> Silence {
    Silence::Error(code.name().to_owned())
}

fn silence(error: &WireError) -> Silence {
    match error {
        WireError::Unreachable { why: Obstacle::ConnectTimedOut | Obstacle::NeverItsTurn, .. }
        | WireError::Unanswered { .. } => Silence::Silent,
        WireError::Refused { code, .. } | WireError::Denied { code, .. } => refusal(*code),
        WireError::Unreachable { .. }
        | WireError::ConnectionCapped { .. }
        | WireError::Closed { .. }
        | WireError::Unsupported { .. }
        | WireError::Malformed { .. }
        | WireError::ReadOnly { .. }
        | WireError::Unsendable { .. } => Silence::Refused,
    }
}
