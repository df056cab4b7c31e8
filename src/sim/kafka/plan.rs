//! What the pretended cluster is made of: brokers, controllers, topics, version and settings.

use std::time::Duration;

use super::talk::Layout;
use super::timing;
use crate::model::ids::{BrokerId, ClusterId, ControllerId, Rack, TopicId};
use crate::model::time::Timestamp;

/// The name of the canary's topic.
const CANARY: &str = "canary";

/// A cluster to pretend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaPlan {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// When it is already up and level.
    pub start: Timestamp,
    /// Which Kafka.
    pub version: Version,
    /// The brokers.
    pub brokers: Vec<BrokerPlan>,
    /// The controllers; one with a broker's number is the same process (a combined node).
    pub controllers: Vec<ControllerId>,
    /// The topics that exist at the start.
    pub topics: Vec<TopicPlan>,
    /// The settings.
    pub settings: Settings,
}

/// A broker to pretend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlan {
    /// Its number.
    pub id: BrokerId,
    /// Its failure domain.
    pub rack: Option<Rack>,
}

/// A topic to pretend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Its replicas.
    pub layout: Layout,
    /// Its `min.insync.replicas`; none takes the cluster's.
    pub min_isr: Option<u16>,
    /// What clients write to each of its partitions all the time, without a request of their own being simulated.
    pub flow: Flow,
}

/// A steady stream of records into each partition of a topic, while its leader serves clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// Records a second with acks=all; they stop while the partition does not serve acks=all.
    pub acks_all_per_s: u32,
    /// Records a second with acks=1.
    pub acks_one_per_s: u32,
}

/// Which Kafka is pretended: where they differ, the newest of each rule's range that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.9.1: no ELR, fenced brokers unseen, sessions expire by event.
    V3_9,
    /// 4.1.0: ELR, factor guard (KIP-860).
    V4_1,
    /// 4.3.1: as 4.1 with the completion rule of KAFKA-19975.
    V4_3,
}

impl Version {
    /// Gives the version that pretends to be this release, if any does.
    #[must_use]
    pub fn of(release: &str) -> Option<Self> {
        let all = [("3.9.", Self::V3_9), ("4.1.", Self::V4_1), ("4.3.", Self::V4_3)];
        all.into_iter().find(|(begins, _)| release.starts_with(begins)).map(|(_, version)| version)
    }

    /// Gives how long brokers that read the metadata log need at most until they act on what is written there.
    #[must_use]
    pub fn heard_within(self) -> Duration {
        self.apply_lag().1
    }

    pub(super) fn apply_lag(self) -> timing::Range {
        match self {
            Self::V3_9 => timing::APPLY_LAG_3_9,
            Self::V4_1 | Self::V4_3 => timing::METADATA_LAG,
        }
    }
}

/// The settings of brokers and controllers that matter to a failover, under Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `broker.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_max: Duration,
    /// `min.insync.replicas` of the cluster.
    pub min_isr: u16,
    /// The feature `eligible.leader.replicas.version`.
    pub elr: Switch,
    /// `auto.leader.rebalance.enable`.
    pub auto_rebalance: Switch,
    /// `leader.imbalance.check.interval.seconds`.
    pub rebalance_interval: Duration,
    /// `unclean.leader.election.enable`.
    pub unclean_election: Switch,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl Settings {
    /// Gives what a new cluster of that version has by default, with a minimum of two in sync.
    #[must_use]
    pub fn stock(version: Version) -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(2),
            session_timeout: Duration::from_secs(9),
            replica_lag_max: Duration::from_secs(30),
            min_isr: 2,
            elr: match version {
                Version::V3_9 => Switch::Off,
                Version::V4_1 | Version::V4_3 => Switch::On,
            },
            auto_rebalance: Switch::On,
            rebalance_interval: Duration::from_secs(300),
            unclean_election: Switch::Off,
        }
    }

    /// Gives the same with the short times that the lab calls tuned.
    #[must_use]
    pub fn tuned(version: Version) -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(500),
            session_timeout: Duration::from_secs(3),
            replica_lag_max: Duration::from_secs(5),
            ..Self::stock(version)
        }
    }
}

impl KafkaPlan {
    /// Gives the usual cluster: brokers 1 to `brokers` in racks a, b, c in turn, controllers apart from them, no topics.
    #[must_use]
    pub fn usual(version: Version, brokers: u16) -> Self {
        let rack =
            |id: i32| Rack(["c", "a", "b"].get(usize::try_from(id % 3).unwrap_or(0)).map_or("a", |r| r).to_owned());
        let broker = |id: u16| BrokerPlan { id: BrokerId(i32::from(id)), rack: Some(rack(i32::from(id))) };
        Self {
            cluster: ClusterId("simulated".to_owned()),
            start: Timestamp(0),
            version,
            brokers: (1..=brokers).map(broker).collect(),
            controllers: controllers_apart(brokers).to_vec(),
            topics: Vec::new(),
            settings: Settings::stock(version),
        }
    }

    /// Lets the first three brokers be the controllers as well (`process.roles=broker,controller`).
    #[must_use]
    pub fn with_combined_nodes(mut self) -> Self {
        self.controllers = self.brokers.iter().take(3).map(|broker| ControllerId(broker.id.0)).collect();
        self
    }

    /// Adds a topic whose number names it, spread round robin over the brokers.
    #[must_use]
    pub fn with_topic(self, name: &str, partitions: u32, factor: u16) -> Self {
        self.with(name, Layout::Spread { partitions, factor }, None)
    }

    /// Adds the canary's topic: each broker leads two partitions, which the next two of the ring follow, and acks=all needs both
    /// replicas. With three brokers that is every ordered pair; a record tells of the leader's appends (acks=1) or of the pair (acks=all).
    #[must_use]
    pub fn with_canary(self) -> Self {
        let ids: Vec<BrokerId> = self.brokers.iter().map(|broker| broker.id).collect();
        let follower = |place: usize, next: usize| ids.iter().cycle().nth(place.saturating_add(next)).copied();
        let led = |(place, leader): (usize, &BrokerId)| {
            [1, 2].map(|next| std::iter::once(*leader).chain(follower(place, next)).collect::<Vec<_>>())
        };
        let pairs = ids.iter().enumerate().flat_map(led).collect();
        self.with(CANARY, Layout::Given(pairs), Some(2))
    }

    fn with(mut self, name: &str, layout: Layout, min_isr: Option<u16>) -> Self {
        let mut id = [0; 16];
        if let Some(last) = id.last_mut() {
            *last = u8::try_from(self.topics.len().saturating_add(1)).unwrap_or(u8::MAX);
        }
        self.topics.push(TopicPlan { id: TopicId(id), name: name.to_owned(), layout, min_isr, flow: Flow::default() });
        self
    }
}

/// Gives the numbers of controllers in processes of their own: 101 to 103, or the three after the last broker's, as no two nodes
/// share a number.
#[must_use]
pub fn controllers_apart(brokers: u16) -> [ControllerId; 3] {
    let first = i32::from(brokers).saturating_add(1).max(101);
    [0, 1, 2].map(|next| ControllerId(first.saturating_add(next)))
}
