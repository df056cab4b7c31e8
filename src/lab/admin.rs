//! The lab's own hands on Kafka: topics for tests, and the acts that the oracle and the matrix send.
//!
//! They use the nodes' own ports, past every proxy, so that no fault stops them. Nothing here decides when to act.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time;

use crate::adapters::clock;
use crate::adapters::kafka::wire::{
    Connection, ElectionKind, Endpoint, ErrorCode, NewTopic, Options, Order, PartitionOutcome, PartitionView,
    ReplicaCount, Rights, TopicFilter, TopicPartition, TopicView, WireError,
};
use crate::lab::LabError;
use crate::lab::cluster::Cluster;
use crate::lab::names::{BrokerId, Listener};
use crate::model::ids::BrokerEpoch;

/// How long one call of the lab may take: a controller with 2,000 changed partitions answers within 0.6 s.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// How long a broker may take to say what it believes before the next one is asked: a stopped one never does.
const VIEW_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What each partition of a new topic adds to the wait until all its replicas are in sync, on a slow machine.
const PARTITION_MADE_WITHIN: Duration = Duration::from_millis(10);
/// A message names so many partitions that are not as they should be: one of a topic of 2,000 filled half a megabyte.
const NAMED: usize = 3;

/// A topic to make: every replica of every partition, leader first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// The replicas of each partition from 0 on, leader first.
    pub replicas: Vec<Vec<BrokerId>>,
    /// Settings other than the cluster's, such as ("min.insync.replicas", "1").
    pub settings: Vec<(String, String)>,
}

impl TopicPlan {
    /// Gives a topic whose partitions are all led by `leader`; the others follow in the order of their ids.
    ///
    /// One next in line for all of them, as in the first measurements: where followers take turns, each fetches from the other
    /// before that one knows that it leads, and Kafka's own fetch backoff adds a second to most moves.
    #[must_use]
    pub fn led_by(name: &str, leader: BrokerId, partitions: usize, brokers: &[BrokerId]) -> Self {
        let others = brokers.iter().copied().filter(|broker| *broker != leader);
        let replicas: Vec<BrokerId> = [leader].into_iter().chain(others).take(COPIES).collect();
        Self { name: name.to_owned(), replicas: vec![replicas; partitions], settings: Vec::new() }
    }
}

/// Replicas of each partition of a lab topic, as the measurements were made with.
const COPIES: usize = 3;

/// An open connection to the active controller, had before a fault so that an act costs one call.
#[derive(Debug)]
pub struct Hands {
    controller: Connection,
}

impl Cluster {
    /// Gives a connection to the active controller.
    ///
    /// Errors: [`LabError::Kafka`] if no controller is active now.
    pub async fn hands(&self) -> Result<Hands, LabError> {
        let mut answers = Vec::new();
        for address in self.controllers(Listener::Clients) {
            match open(address).await {
                Ok(controller) => match controller.quorum(VIEW_WITHIN).await {
                    Ok(_) => return Ok(Hands { controller }),
                    Err(standby) => answers.push(standby.to_string()),
                },
                Err(gone) => answers.push(gone.to_string()),
            }
        }
        Err(LabError::Kafka { act: "find the active controller".to_owned(), answer: answers.join("; ") })
    }

    /// Makes a topic and waits until every broker that serves sees every replica of it in sync.
    ///
    /// Errors: [`LabError::Kafka`] with Kafka's refusal, [`LabError::Late`] with the last view.
    pub async fn create_topic(&self, plan: &TopicPlan) -> Result<TopicView, LabError> {
        let replicas = plan.replicas.iter().map(|ids| ids.iter().map(|id| id.0).collect()).collect();
        let topic = NewTopic { name: plan.name.clone(), replicas, settings: plan.settings.clone() };
        let failed = |answer: String| LabError::Kafka { act: format!("create topic {}", plan.name), answer };
        // Any broker forwards it to the active controller.
        let broker = self.any_broker().await?;
        let outcomes = broker.create_topics(&[topic], CALL_WITHIN).await.map_err(|error| failed(chain(&error)))?;
        if let Some(refused) = outcomes.body.iter().find(|outcome| outcome.error.is_some()) {
            return Err(failed(format!("{:?} {}", refused.error, refused.message.as_deref().unwrap_or_default())));
        }
        let many = u32::try_from(plan.replicas.len()).unwrap_or(u32::MAX);
        self.await_in_sync(&plan.name, CALL_WITHIN.saturating_add(PARTITION_MADE_WITHIN.saturating_mul(many))).await
    }

    /// Removes a topic.
    ///
    /// Errors: [`LabError::Kafka`].
    pub async fn delete_topic(&self, name: &str) -> Result<(), LabError> {
        let broker = self.any_broker().await?;
        let deleted = broker.delete_topics(&[name.to_owned()], CALL_WITHIN).await;
        deleted
            .map(|_| ())
            .map_err(|error| LabError::Kafka { act: format!("delete topic {name}"), answer: chain(&error) })
    }

    /// Waits until every broker sees every replica of the topic in sync, and every partition led.
    ///
    /// Errors: [`LabError::Late`] with the last view.
    pub async fn await_in_sync(&self, topic: &str, within: Duration) -> Result<TopicView, LabError> {
        let deadline = clock::now() + within;
        loop {
            let views = self.views(topic).await;
            let whole = |view: &TopicView| !view.partitions.is_empty() && view.partitions.iter().all(is_whole);
            if !views.is_empty() && views.iter().all(whole) {
                return views.into_iter().next().ok_or_else(|| LabError::Usage("no view".to_owned()));
            }
            if deadline <= clock::now() {
                let awaited = format!("every replica of {topic} in sync, as every broker sees it");
                return Err(LabError::Late { awaited, within, last_seen: told(&views) });
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives what the first broker that answers believes about a topic.
    ///
    /// Errors: [`LabError::Kafka`] if none does.
    pub async fn topic(&self, name: &str) -> Result<TopicView, LabError> {
        let views = self.views(name).await;
        views.into_iter().next().ok_or_else(|| LabError::Kafka {
            act: format!("describe topic {name}"),
            answer: "no broker answered".to_owned(),
        })
    }

    /// Waits until every broker, asked as its clients ask it, lists every broker: then its proxies serve, too.
    ///
    /// Errors: [`LabError::Late`] with what they listed last.
    pub async fn await_every_broker(&self, within: Duration) -> Result<(), LabError> {
        let deadline = clock::now() + within;
        let all: Vec<i32> = self.brokers().iter().map(|broker| broker.0).collect();
        loop {
            let asking = self.bootstrap(Listener::Clients).into_iter().map(|address| async move {
                let connection = open(address).await.ok()?;
                let answer = connection.topology(TopicFilter::Brokers, VIEW_WITHIN).await.ok()?;
                let mut ids: Vec<i32> = answer.body.brokers.iter().map(|broker| broker.id).collect();
                ids.sort_unstable();
                Some(ids)
            });
            let listed = futures::future::join_all(asking).await;
            if listed.iter().all(|ids| ids.as_ref() == Some(&all)) {
                return Ok(());
            }
            if deadline <= clock::now() {
                let awaited = "every broker to list every broker".to_owned();
                return Err(LabError::Late { awaited, within, last_seen: format!("{listed:?}") });
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives each answering broker's view of a topic; a broker that is dead or silent has none.
    async fn views(&self, topic: &str) -> Vec<TopicView> {
        let names = [topic.to_owned()];
        let asked = self.brokers().into_iter().filter_map(|broker| self.broker_behind_proxy(broker, Listener::Clients));
        let names = &names;
        let asking = asked.map(|address| async move {
            let connection = open(address).await.ok()?;
            let answer = connection.topology(TopicFilter::Named(names), VIEW_WITHIN).await.ok()?;
            answer.body.topics.into_iter().find(|view| view.name == topic)
        });
        futures::future::join_all(asking).await.into_iter().flatten().collect()
    }

    async fn any_broker(&self) -> Result<Connection, LabError> {
        let mut answers = Vec::new();
        for address in
            self.brokers().into_iter().filter_map(|broker| self.broker_behind_proxy(broker, Listener::Clients))
        {
            match open(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => answers.push(chain(&error)),
            }
        }
        Err(LabError::Kafka { act: "reach any broker".to_owned(), answer: answers.join("; ") })
    }
}

impl Hands {
    /// Fences a broker's present life as its own heartbeat would.
    ///
    /// Errors: [`LabError::Kafka`]; a newer life answers with a stale epoch and nothing happens.
    pub async fn fence(&self, broker: BrokerId, epoch: BrokerEpoch) -> Result<(), LabError> {
        let failed = |error: WireError| LabError::Kafka { act: format!("fence {broker}"), answer: chain(&error) };
        let quorum = self.controller.quorum(CALL_WITHIN).await.map_err(failed)?;
        let offset = quorum.body.high_watermark.unwrap_or_default();
        self.controller.fence(broker.0, epoch.0, offset, CALL_WITHIN).await.map(|_| ()).map_err(failed)
    }

    /// Drops a broker's registration.
    ///
    /// Errors: [`LabError::Kafka`].
    pub async fn unregister(&self, broker: BrokerId) -> Result<(), LabError> {
        let answer = self.controller.unregister(broker.0, CALL_WITHIN).await;
        answer
            .map(|_| ())
            .map_err(|error| LabError::Kafka { act: format!("unregister {broker}"), answer: chain(&error) })
    }

    /// Puts a broker last in the topic's replica lists and elects whoever is first now.
    ///
    /// Errors: [`LabError::Kafka`] with the first partition's refusal.
    pub async fn elect_away(&self, broker: BrokerId, topic: &TopicView) -> Result<(), LabError> {
        self.reorder_away(broker, topic).await?;
        let partitions: Vec<TopicPartition> = named(topic).collect();
        let answer = self.controller.elect(ElectionKind::Preferred, &partitions, CALL_WITHIN).await;
        outcome("elect", answer.map(|answer| answer.body))
    }

    /// Makes the first of each replica list lead, where it does not already.
    ///
    /// Errors: [`LabError::Kafka`] with the first partition's refusal.
    pub async fn elect_preferred(&self, topic: &TopicView) -> Result<(), LabError> {
        let partitions: Vec<TopicPartition> = named(topic).collect();
        let answer = self.controller.elect(ElectionKind::Preferred, &partitions, CALL_WITHIN).await;
        let needed = |outcome: &PartitionOutcome| outcome.error != Some(ErrorCode::ElectionNotNeeded);
        outcome("elect", answer.map(|answer| answer.body.into_iter().filter(needed).collect()))
    }

    /// Puts a broker last in the topic's replica lists; nobody's leadership changes by that alone.
    ///
    /// Errors: [`LabError::Kafka`] with the first partition's refusal.
    pub async fn reorder_away(&self, broker: BrokerId, topic: &TopicView) -> Result<(), LabError> {
        let orders = lists(topic, |replicas| {
            let (last, mut first): (Vec<i32>, Vec<i32>) = replicas.iter().copied().partition(|id| *id == broker.0);
            first.extend(last);
            first
        });
        self.reassign(&orders, ReplicaCount::Kept).await
    }

    /// Puts the topic's replica lists into the order that this view has; nobody's leadership changes by that alone.
    ///
    /// Errors: [`LabError::Kafka`] with the first partition's refusal.
    pub async fn reorder_as(&self, topic: &TopicView) -> Result<(), LabError> {
        self.reassign(&lists(topic, <[i32]>::to_vec), ReplicaCount::Kept).await
    }

    /// Takes a broker out of the topic's replica lists.
    ///
    /// Errors: [`LabError::Kafka`] with the first partition's refusal.
    pub async fn evict(&self, broker: BrokerId, topic: &TopicView) -> Result<(), LabError> {
        let orders = lists(topic, |replicas| replicas.iter().copied().filter(|id| *id != broker.0).collect());
        self.reassign(&orders, ReplicaCount::Free).await
    }

    async fn reassign(&self, orders: &[Order], count: ReplicaCount) -> Result<(), LabError> {
        let answer = self.controller.reassign(orders, count, CALL_WITHIN).await;
        outcome("reassign", answer.map(|answer| answer.body))
    }
}

/// Tells whether a partition is led and wholly in sync.
pub(crate) fn is_whole(partition: &PartitionView) -> bool {
    partition.leader.is_some() && partition.isr.len() == partition.replicas.len()
}

/// Tells what each broker that answered sees of a topic.
fn told(views: &[TopicView]) -> String {
    let one = |view: &TopicView| {
        let (whole, rest): (Vec<_>, Vec<_>) = view.partitions.iter().partition(|one| is_whole(one));
        let first: Vec<_> = rest.iter().take(NAMED).collect();
        match view.error {
            Some(error) => format!("{error:?}"),
            None if rest.is_empty() => format!("{} in sync", whole.len()),
            None => format!("{} in sync, {} not, such as {first:?}", whole.len(), rest.len()),
        }
    };
    if views.is_empty() {
        "no broker answered".to_owned()
    } else {
        views.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

fn named(topic: &TopicView) -> impl Iterator<Item = TopicPartition> {
    topic.partitions.iter().map(|one| TopicPartition::new(topic.name.clone(), one.index))
}

fn lists(topic: &TopicView, change: impl Fn(&[i32]) -> Vec<i32>) -> Vec<Order> {
    let changed = topic.partitions.iter().map(|one| Some(change(&one.replicas)));
    named(topic).zip(changed).map(|(partition, replicas)| Order { partition, replicas }).collect()
}

fn outcome(act: &str, answer: Result<Vec<PartitionOutcome>, WireError>) -> Result<(), LabError> {
    let failed = |answer: String| LabError::Kafka { act: act.to_owned(), answer };
    let outcomes = answer.map_err(|error| failed(chain(&error)))?;
    match outcomes.iter().find_map(|outcome| outcome.error.map(|error| (&outcome.partition, error))) {
        Some((partition, error)) => Err(failed(format!("{} of {}: {error:?}", partition.partition, partition.topic))),
        None => Ok(()),
    }
}

/// Opens a connection with all rights to a listener of the lab's own cluster.
pub(crate) async fn open(address: SocketAddr) -> Result<Connection, WireError> {
    let options =
        Options { connect_within: VIEW_WITHIN, client_id: "tanist-lab".into(), ..Options::new(Rights::ReadWrite) };
    Connection::open(&Endpoint::new(address.ip().to_string(), address.port()), &options).await
}

/// Gives an error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(in_sync: i32, not: i32) -> TopicView {
        let one = |index: i32| PartitionView {
            index,
            error: None,
            leader: Some(1),
            leader_epoch: Some(0),
            replicas: vec![1, 2, 3],
            isr: if index < in_sync { vec![1, 2, 3] } else { vec![1] },
            offline: vec![],
        };
        let partitions = (0..in_sync + not).map(one).collect();
        TopicView { name: "orders".to_owned(), id: uuid::Uuid::nil(), internal: false, error: None, partitions }
    }

    #[test]
    fn a_message_names_a_few_partitions_of_many() {
        assert_eq!(told(&[]), "no broker answered");
        assert_eq!(told(&[view(2, 0), view(2_000, 0)]), "2 in sync; 2000 in sync");
        let text = told(&[view(5, 1_995)]);
        assert!(text.starts_with("5 in sync, 1995 not, such as [PartitionView { index: 5,"), "{text}");
        assert!(text.len() < 1_000, "{}", text.len());
        let unknown = TopicView { error: Some(ErrorCode::UnknownTopicOrPartition), ..view(0, 0) };
        assert_eq!(told(&[unknown]), "UnknownTopicOrPartition");
    }
}
