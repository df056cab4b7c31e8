//! The yardstick: when each partition first took a record again, issued after the fault, over connections opened after it.
//!
//! Partitions are spread over lanes, each with connections of its own, as Kafka answers one request per connection at a time and
//! a batch only when its slowest partition is done. A lane asks again as soon as it was refused or the leader changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::adapters::clock;
use crate::adapters::kafka::wire::{Acks, Connection, TopicPartition};
use crate::lab::admin;
use crate::lab::client::map::{self, Map};

/// What to probe and how closely.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Where to ask who leads: all brokers, on the listener of ordinary clients.
    pub brokers: Vec<SocketAddr>,
    /// The topic.
    pub topic: String,
    /// Its partitions to probe.
    pub partitions: Vec<i32>,
    /// The pause after a refusal, and between two questions about who leads (longer from 100 partitions on): the figure's grain.
    pub every: Duration,
}

/// When each partition recovered, counted from the fault; none if it did not while it was watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// By partition.
    pub after: BTreeMap<i32, Option<Duration>>,
    /// How long it was watched: what "never" means.
    pub watched: Duration,
}

impl Recovery {
    /// Gives the slowest partition's figure; none if one never recovered.
    #[must_use]
    pub fn worst(&self) -> Option<Duration> {
        self.after.values().copied().max_by_key(|after| after.unwrap_or(Duration::MAX)).flatten()
    }

    /// Gives the middle partition's figure; none if it never recovered.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut sorted: Vec<Option<Duration>> = self.after.values().copied().collect();
        sorted.sort_by_key(|after| after.unwrap_or(Duration::MAX));
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().flatten()
    }
}

impl Probe {
    /// Gives a probe of partitions 0 to `partitions` - 1 with the usual grain.
    #[must_use]
    pub fn new(brokers: Vec<SocketAddr>, topic: &str, partitions: i32) -> Self {
        Self { brokers, topic: topic.to_owned(), partitions: (0..partitions).collect(), every: GRAIN }
    }

    /// Watches until every partition took a record or `watch` is over; counts from `fault`.
    pub async fn first_success(&self, acks: Acks, fault: Instant, watch: Duration) -> Recovery {
        let (map, _following) = self.follow();
        self.watch(acks, fault, watch, map).await
    }

    /// Watches acks=all and acks=1 side by side; gives them in this order.
    pub async fn both(&self, fault: Instant, watch: Duration) -> (Recovery, Recovery) {
        let (map, _following) = self.follow();
        let all = self.watch(Acks::All, fault, watch, map.clone());
        tokio::join!(all, self.watch(Acks::Leader, fault, watch, map))
    }

    /// Follows the leaders; large topics less often, or the question itself would load the brokers that are measured.
    fn follow(&self) -> (watch::Receiver<Map>, JoinSet<()>) {
        let large = u32::try_from(self.partitions.len() / 250).unwrap_or(u32::MAX);
        map::follow(&self.brokers, &self.topic, self.every.saturating_mul(large.saturating_add(1)))
    }

    async fn watch(&self, acks: Acks, fault: Instant, watch: Duration, map: watch::Receiver<Map>) -> Recovery {
        let errand = Errand { topic: self.topic.as_str().into(), acks, fault, end: fault + watch, map };
        let lanes = self.partitions.len().min(LANES_MAX);
        let mut running = JoinSet::new();
        for lane in 0..lanes {
            let pending = self.partitions.iter().copied().skip(lane).step_by(lanes).collect();
            let lane = Lane {
                errand: errand.clone(),
                every: self.every,
                pending,
                in_flight: BTreeSet::new(),
                idle: BTreeMap::new(),
            };
            running.spawn(lane.run());
        }
        let mut after: BTreeMap<i32, Option<Duration>> = self.partitions.iter().map(|one| (*one, None)).collect();
        while let Some(lane) = running.join_next().await {
            // A lane that panicked leaves its partitions at "never", which is seen.
            after.extend(lane.unwrap_or_default().into_iter().map(|(partition, took)| (partition, Some(took))));
        }
        Recovery { after, watched: watch }
    }
}

const GRAIN: Duration = Duration::from_millis(20);
/// Enough that a batch of 500 partitions is no coarser than some thirty, few enough for a small machine's brokers.
const LANES_MAX: usize = 16;
/// Longer than any wait for replicas that ends well; a leader that went silent is left as soon as another one is known.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Some of the partitions, with connections of their own.
#[derive(Debug)]
struct Lane {
    errand: Errand,
    every: Duration,
    pending: BTreeSet<i32>,
    /// Partitions that an attempt under way may still serve.
    in_flight: BTreeSet<i32>,
    /// Connections that an attempt has given back; all were opened after the fault.
    idle: BTreeMap<SocketAddr, Connection>,
}

/// What every attempt of a lane shares.
#[derive(Debug, Clone)]
struct Errand {
    topic: Arc<str>,
    acks: Acks,
    fault: Instant,
    end: Instant,
    map: watch::Receiver<Map>,
}

/// What one attempt came to.
#[derive(Debug)]
struct Attempted {
    partitions: Vec<i32>,
    took: Vec<(i32, Duration)>,
    connection: Option<(SocketAddr, Connection)>,
}

impl Lane {
    async fn run(mut self) -> BTreeMap<i32, Duration> {
        let mut took = BTreeMap::new();
        let mut attempts = JoinSet::new();
        while !self.pending.is_empty() && clock::now() < self.errand.end {
            self.launch(&mut attempts);
            let Some(attempted) = self.next(&mut attempts).await else { continue };
            for partition in &attempted.partitions {
                self.in_flight.remove(partition);
            }
            for (partition, after) in attempted.took {
                self.pending.remove(&partition);
                took.insert(partition, after);
            }
            self.idle.extend(attempted.connection);
        }
        took
    }

    /// Starts one attempt per leader for what is neither served nor being tried.
    fn launch(&mut self, attempts: &mut JoinSet<Attempted>) {
        let mut led: BTreeMap<SocketAddr, Vec<i32>> = BTreeMap::new();
        let map = self.errand.map.borrow();
        for partition in self.pending.difference(&self.in_flight) {
            if let Some((_, address)) = map.leader(*partition) {
                led.entry(address).or_default().push(*partition);
            }
        }
        drop(map);
        for (address, partitions) in led {
            self.in_flight.extend(&partitions);
            attempts.spawn(self.errand.clone().attempt(address, partitions, self.idle.remove(&address), self.every));
        }
    }

    /// Gives the next attempt that ends, or nothing once the grain is over: a new leader may be known.
    async fn next(&self, attempts: &mut JoinSet<Attempted>) -> Option<Attempted> {
        tokio::select! {
            Some(attempted) = attempts.join_next() => attempted.ok(),
            () = time::sleep(self.every) => None,
        }
    }
}

impl Errand {
    /// Sends one record to each partition and gives those that took it; rests a grain before it gives back those that did not.
    async fn attempt(
        self,
        address: SocketAddr,
        partitions: Vec<i32>,
        connection: Option<Connection>,
        rest: Duration,
    ) -> Attempted {
        let sent = tokio::select! {
            sent = self.clone().send(address, &partitions, connection) => sent,
            () = superseded(self.map.clone(), address, &partitions) => None,
            () = time::sleep_until(self.end.into()) => None,
        };
        let (took, connection) = sent.unzip();
        let took = took.unwrap_or_default();
        if took.len() < partitions.len() {
            time::sleep(rest).await;
        }
        Attempted { partitions, took, connection: connection.map(|connection| (address, connection)) }
    }

    async fn send(
        self,
        address: SocketAddr,
        partitions: &[i32],
        connection: Option<Connection>,
    ) -> Option<(Vec<(i32, Duration)>, Connection)> {
        let connection = match connection {
            Some(connection) => connection,
            None => admin::open(address).await.ok()?,
        };
        let named = |partition: &i32| (TopicPartition::new(&*self.topic, *partition), Bytes::from_static(b"probe"));
        let records: Vec<_> = partitions.iter().map(named).collect();
        let answer = connection.produce(&records, self.acks, ANSWER_WITHIN).await.ok()?;
        let after = clock::now().saturating_duration_since(self.fault);
        let took =
            answer.body.iter().filter(|one| one.offset.is_ok()).map(|one| (one.partition.partition, after)).collect();
        Some((took, connection))
    }
}

/// Waits until another leader is known for one of the partitions: the present attempt may hang at a silent one.
async fn superseded(mut map: watch::Receiver<Map>, address: SocketAddr, partitions: &[i32]) {
    let elsewhere = |map: &Map| {
        let moved = |partition: &i32| map.leader(*partition).is_some_and(|(_, leads)| leads != address);
        partitions.iter().any(moved)
    };
    if map.wait_for(elsewhere).await.is_err() {
        // Nobody asks any more, so nothing can supersede the attempt.
        std::future::pending::<()>().await;
    }
}
