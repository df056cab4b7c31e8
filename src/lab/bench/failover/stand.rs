//! What runs stand on: a cluster and a topic led by the victim, made whole again after each run.
//!
//! A cluster serves several runs, as six JVMs start more slowly than most runs last, and as a cluster in production is warm. It is
//! whole when every replica is in sync again, the lists are in the order of the beginning and the victim leads the topic.
//!
//! The others lead a topic of their own, into which records trickle, as brokers in production do. Without it a follower may just
//! have asked the new leader for an idle partition, and asks for what it leads now only when that answer comes: up to half a second.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time;

use crate::adapters::clock;
use crate::adapters::kafka::wire::{Acks, TopicPartition, TopicView};
use crate::lab::LabError;
use crate::lab::admin::{self, TopicPlan};
use crate::lab::bench::ground::Ground;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::{ClusterOptions, Timing};

/// The broker that is struck: it leads every partition of the topic.
pub(super) const VICTIM: BrokerId = BrokerId(1);
pub(super) const TOPIC: &str = "load";
/// Generous: a broker that comes back reads the logs of 500 partitions on a busy machine.
const WHOLE_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The topic that the other brokers lead, a partition each.
const BESIDE: &str = "beside";
/// Far below the half second that an idle fetch waits.
const TRICKLE: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a cluster must be like for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) timing: Timing,
    pub(super) partitions: i32,
}

/// What Kafka's data lie on, which decides a race: see [`Stand::raise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Data {
    /// A file system in memory: syncing a file costs nothing.
    Memory,
    Disk,
}

impl Data {
    fn of(folder: &Path) -> Result<Self, LabError> {
        let found = statfs(folder).map_err(|errno| LabError::file("look at", folder)(errno.into()))?;
        Ok(if found.filesystem_type() == TMPFS_MAGIC { Self::Memory } else { Self::Disk })
    }
}

/// A cluster for runs with the same needs.
#[derive(Debug)]
pub(super) struct Stand {
    needs: Needs,
    cluster: Cluster,
    data: Data,
    /// As it was made.
    topic: TopicView,
    /// What fills the topic of the other brokers; ends with the stand.
    _beside: JoinSet<()>,
    /// How many runs it has served, the first of which only warmed it.
    runs: u32,
}

impl Stand {
    /// Starts a cluster below this folder and makes the topic.
    ///
    /// Why it should lie in memory: a broker that comes to lead writes and syncs a checkpoint for each partition. Where that
    /// takes milliseconds, as on a disk that others use as well, the follower's fetch comes before it is done and is sent away for
    /// `replica.fetch.backoff.ms` (seen in the brokers' logs: 23 ms for 7 partitions, the fetch after 7 ms).
    pub(super) async fn raise(needs: Needs, ground: &Ground, data_in: &Path) -> Result<Self, LabError> {
        let (kafka, settings) = (ground.kafka.clone(), ground.settings.clone());
        let (timing, temporary_in) = (needs.timing, Some(data_in.to_path_buf()));
        let options = ClusterOptions { kafka, settings, timing, temporary_in, ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await?;
        let data = Data::of(cluster.folder())?;
        let partitions = usize::try_from(needs.partitions).unwrap_or_default();
        let plan = TopicPlan::led_by(TOPIC, VICTIM, partitions, &cluster.brokers());
        let topic = cluster.create_topic(&plan).await?;
        let beside = fill_beside(&cluster).await?;
        Ok(Self { needs, cluster, data, topic, _beside: beside, runs: 0 })
    }

    pub(super) fn fits(&self, needs: Needs) -> bool {
        self.needs == needs
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) fn topic(&self) -> &TopicView {
        &self.topic
    }

    pub(super) fn data(&self) -> Data {
        self.data
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs
    }

    /// Heals the victim and gives leadership back, in the order of the beginning.
    ///
    /// Errors: [`LabError::Late`] with the last view if the cluster does not become whole.
    pub(super) async fn restore(&mut self, fault: &Fault) -> Result<(), LabError> {
        self.runs += 1;
        self.cluster.heal(fault)?;
        self.cluster.await_ready(VICTIM).await?;
        self.cluster.await_in_sync(TOPIC, WHOLE_WITHIN).await?;
        let hands = self.cluster.hands().await?;
        hands.reorder_as(&self.topic).await?;
        let deadline = clock::now() + WHOLE_WITHIN;
        loop {
            // Refused while a partition's first replica is not in sync, which the next round finds out.
            let elected = hands.elect_preferred(&self.topic).await;
            let now = self.cluster.await_in_sync(TOPIC, WHOLE_WITHIN).await?;
            if now.partitions.iter().all(|one| one.leader == Some(VICTIM.0)) {
                return Ok(());
            }
            if deadline <= clock::now() {
                let awaited = format!("{VICTIM} to lead all of {TOPIC} again");
                let last_seen = format!("{elected:?}; {now:?}");
                return Err(LabError::Late { awaited, within: WHOLE_WITHIN, last_seen });
            }
            time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Makes the topic of the others and lets records trickle into it, without waiting for replicas: the victim is one of them.
async fn fill_beside(cluster: &Cluster) -> Result<JoinSet<()>, LabError> {
    let others: Vec<BrokerId> = cluster.brokers().into_iter().filter(|broker| *broker != VICTIM).collect();
    let lists = others.iter().map(|leader| {
        let rest = cluster.brokers().into_iter().filter(|broker| broker != leader);
        [*leader].into_iter().chain(rest).collect()
    });
    let plan = TopicPlan { name: BESIDE.to_owned(), replicas: lists.collect(), settings: Vec::new() };
    cluster.create_topic(&plan).await?;
    let mut filling = JoinSet::new();
    for (partition, leader) in (0..).zip(others) {
        if let Some(address) = cluster.broker_address(leader, Listener::Clients) {
            filling.spawn(trickle(address, TopicPartition::new(BESIDE, partition)));
        }
    }
    Ok(filling)
}

/// Sends a record now and then for as long as it is let.
async fn trickle(address: SocketAddr, partition: TopicPartition) {
    let records = [(partition, Bytes::from_static(b"beside"))];
    loop {
        if let Ok(connection) = admin::open(address).await {
            while connection.produce(&records, Acks::Leader, ANSWER_WITHIN).await.is_ok() {
                time::sleep(TRICKLE).await;
            }
        }
        time::sleep(LOOK_EVERY).await;
    }
}
