//! Who leads which partition, asked of every broker over and over: the newest leader epoch wins.
//!
//! One task per broker, so that a silent broker delays nobody's news but its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::adapters::kafka::wire::{Connection, TopicFilter, Topology};
use crate::lab::admin;

/// A partition's leader as the newest news has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lead {
    pub(super) epoch: i32,
    pub(super) leader: Option<i32>,
}

/// What the brokers say by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) leads: BTreeMap<i32, Lead>,
    pub(super) addresses: BTreeMap<i32, SocketAddr>,
}

impl Map {
    /// Gives the leader of a partition and where it listens, if both are known.
    pub(super) fn leader(&self, partition: i32) -> Option<(i32, SocketAddr)> {
        let leader = self.leads.get(&partition)?.leader?;
        self.addresses.get(&leader).map(|address| (leader, *address))
    }

    /// Takes one broker's answer in; tells whether anything is new.
    fn learn(&mut self, answer: &Topology) -> bool {
        let before = self.clone();
        for broker in &answer.brokers {
            if let Ok(ip) = broker.endpoint.host.parse() {
                self.addresses.insert(broker.id, SocketAddr::new(ip, broker.endpoint.port));
            }
        }
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            // A partition without a leader is listed without an epoch: that is news only to those who know no leader.
            let Some(epoch) = partition.leader_epoch else { continue };
            let known = self.leads.get(&partition.index);
            if known.is_none_or(|known| known.epoch < epoch) {
                self.leads.insert(partition.index, Lead { epoch, leader: partition.leader });
            }
        }
        before != *self
    }
}

/// Keeps asking all `brokers` about `topic` until the set is dropped: each `every` so long, one after the other in that time, so that
/// news are seen sooner than each is asked.
pub(super) fn follow(brokers: &[SocketAddr], topic: &str, every: Duration) -> (watch::Receiver<Map>, JoinSet<()>) {
    let (news, map) = watch::channel(Map::default());
    let mut tasks = JoinSet::new();
    let turns = u32::try_from(brokers.len()).unwrap_or(1).max(1);
    for (broker, turn) in brokers.iter().zip(0_u32..) {
        let later = every.saturating_mul(turn).checked_div(turns).unwrap_or_default();
        tasks.spawn(ask_one(*broker, topic.to_owned(), (later, every), news.clone()));
    }
    (map, tasks)
}

/// A broker that serves answers within milliseconds; under load, 500 partitions take some tens.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

async fn ask_one(broker: SocketAddr, topic: String, (later, every): (Duration, Duration), news: watch::Sender<Map>) {
    time::sleep(later).await;
    let names = [topic];
    let mut open: Option<Connection> = None;
    loop {
        let connection = match open.take() {
            Some(connection) => Some(connection),
            None => admin::open(broker).await.ok(),
        };
        if let Some(connection) = connection
            && let Ok(answer) = connection.topology(TopicFilter::Named(&names), ANSWER_WITHIN).await
        {
            news.send_if_modified(|map| map.learn(&answer.body));
            open = Some(connection);
        }
        time::sleep(every).await;
    }
}
