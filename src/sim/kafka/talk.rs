//! What passes between an asker and the pretended Kafka: lines, requests, answers, and what is heard of them.
//!
//! Deliberately no bytes: the codec is tested against real Kafka; here the meaning of each request counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::code::Code;
pub use super::consume::{FetchFrom, Fetched};
pub use super::throttle::{Copies, Rates, Throttled};
use crate::model::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId,
};
use crate::model::observation::LogEnd;
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

/// Who asks. A Tanist node uses the listener of its own; clients and operators use the clients' one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// A Tanist node.
    Node(NodeId),
    /// An ordinary client.
    Client(u32),
    /// Somebody with admin tools, on the clients' path.
    Operator(u32),
    /// A consumer that only reads, on the clients' path: that it does so changes nothing for anybody else.
    Reader(u32),
}

/// Who is asked. Which listener of a broker is meant follows from the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// A broker.
    Broker(BrokerId),
    /// A controller's listener.
    Controller(ControllerId),
}

/// One connection's two ends and its purpose. Kafka serves one request at a time on each, in order.
///
/// An asker that must not wait behind its own slow request uses another lane. `ask` opens a line that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Who asks.
    pub from: Asker,
    /// Who is asked.
    pub to: Door,
    /// Which of the asker's connections to that door.
    pub lane: u8,
}

/// Names one connect, one request or one observation, so that its echo is recognised. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call(pub u64);

/// A record that a client writes, named by the client; two records of one client never share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId(pub u64);

/// How many replicas must have a record before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acks {
    /// The leader alone (acks=1).
    Leader,
    /// Every in-sync replica, and at least `min.insync.replicas` (acks=all).
    All,
}

/// Which partition leader is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElectionKind {
    /// The first replica, from among the in-sync ones.
    Preferred,
    /// Any living replica of a leaderless partition.
    Unclean,
}

/// A wanted replica list; none cancels the reassignment in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The partition.
    pub partition: PartitionId,
    /// Its replicas in order of preference.
    pub replicas: Option<Vec<BrokerId>>,
}

/// Whether a reassignment may change how many replicas a partition has (KIP-860; ignored before 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaCount {
    /// It must stay.
    Kept,
    /// It may change.
    Free,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The replicas of each partition.
    pub layout: Layout,
    /// Its `min.insync.replicas`; none takes the cluster's.
    pub min_isr: Option<u16>,
}

/// How a topic's replicas are placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Round robin over the brokers that are active.
    Spread {
        /// How many partitions.
        partitions: u32,
        /// How many replicas each.
        factor: u16,
    },
    /// As given: each partition's replicas in order.
    Given(Vec<Vec<BrokerId>>),
}

/// What can be asked. Who may be asked what is Kafka's rule: a controller knows no `Produce`, a standby says `NotController`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `ApiVersions`: the ping.
    ApiVersions,
    /// `Metadata`, with what `DescribeTopicPartitions` and `DescribeConfigs` add: the broker's own, perhaps stale, view.
    Metadata,
    /// `DescribeCluster`: who is registered (fenced ones from 4.0 on).
    DescribeCluster,
    /// `DescribeQuorum`: the positions in the metadata log.
    DescribeQuorum,
    /// `ListOffsets` with replica id -2: the log ends of the broker's own replicas; empty asks for all it hosts.
    ListOffsets(Vec<PartitionId>),
    /// `DescribeLogDirs`.
    DescribeLogDirs,
    /// `ListPartitionReassignments`.
    ListReassignments,
    /// `AlterPartitionReassignments`.
    Reassign {
        /// What is wanted.
        orders: Vec<Order>,
        /// Whether the number of replicas may change.
        count: ReplicaCount,
    },
    /// `ElectLeaders`.
    Elect {
        /// Which leaders.
        kind: ElectionKind,
        /// Of which partitions; none means all.
        partitions: Option<Vec<PartitionId>>,
    },
    /// `BrokerHeartbeat` with `WantFence` in a broker's name; controllers only.
    Fence {
        /// The broker.
        broker: BrokerId,
        /// The life that is meant: a compare-and-set.
        epoch: BrokerEpoch,
    },
    /// `UnregisterBroker`.
    Unregister(BrokerId),
    /// `CreateTopics`, of one topic.
    CreateTopic(NewTopic),
    /// `DeleteTopics`, of one topic.
    DeleteTopic(TopicId),
    /// `IncrementalAlterConfigs` of a topic's `min.insync.replicas`.
    SetMinIsr {
        /// The topic.
        topic: TopicId,
        /// The new minimum.
        min_isr: u16,
    },
    /// `IncrementalAlterConfigs` of a broker's `leader.` and `follower.replication.throttled.rate`.
    SetRates {
        /// The broker; brokers take it about themselves only.
        broker: BrokerId,
        /// The new rates.
        rates: Rates,
    },
    /// `IncrementalAlterConfigs` of a topic's `leader.` and `follower.replication.throttled.replicas`.
    SetThrottled {
        /// The topic.
        topic: TopicId,
        /// Whose copies count.
        throttled: Throttled,
    },
    /// `Produce` of one record.
    Produce {
        /// Where to.
        partition: PartitionId,
        /// When it counts as written.
        acks: Acks,
        /// The record.
        record: RecordId,
        /// How many nameless records stand before it in its batch.
        bulk: u32,
        /// After so long the leader answers `RequestTimedOut`, though the record stays.
        within: Duration,
    },
    /// `Fetch` by a consumer, from the leader, below the high watermark.
    Fetch(FetchFrom),
    /// `Metadata` of one partition: who leads it, in the broker's own view.
    WhoLeads(PartitionId),
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The request as a whole was refused.
    Refused(Code),
    /// Answered, with nothing to tell (`ApiVersions`).
    Fine,
    /// The cluster's shape as the broker sees it; registrations without epochs.
    Metadata(Arc<Topology>),
    /// Who is registered, and who of them is fenced.
    Cluster {
        /// Those that are listed.
        registered: BTreeMap<BrokerId, Fenced>,
        /// Whether fenced ones are listed at all (4.0 and later).
        includes_fenced: bool,
    },
    /// The positions in the metadata log.
    Quorum(Quorum),
    /// The log ends in any order, or why there is none.
    LogEnds(Vec<(PartitionId, Result<LogEnd, Code>)>),
    /// The broker's log dirs.
    LogDirs(LogDirs),
    /// The reassignments in flight.
    Reassignments(BTreeMap<PartitionId, Reassigning>),
    /// Per partition: done (none), or why not.
    Outcomes(BTreeMap<PartitionId, Option<Code>>),
    /// The heartbeat was taken; the broker is fenced now.
    Fenced,
    /// The broker's registration is gone.
    Unregistered,
    /// The topic stands.
    Created(TopicId),
    /// The topic is gone, or its setting is changed.
    Done,
    /// The record was appended at this offset, in this leader's epoch, and counts as written.
    Produced {
        /// Where.
        offset: Offset,
        /// In whose epoch.
        leader_epoch: LeaderEpoch,
    },
    /// What a consumer may read.
    Fetched(Fetched),
    /// Who leads a partition.
    Led {
        /// The leader, if there is one.
        leader: Option<BrokerId>,
        /// The epoch, of the leader or of there being none.
        leader_epoch: LeaderEpoch,
    },
}

impl Answer {
    /// How many records one fetch brings at most.
    pub const FETCH_MAX: usize = 500;
}

/// Whether a registered broker is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fenced {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// A `DescribeQuorum` answer of the active controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: ControllerId,
    /// Its epoch.
    pub epoch: ControllerEpoch,
    /// Up to here the metadata log is committed.
    pub high_watermark: Offset,
    /// The log end of the active controller itself.
    pub log_end: Offset,
    /// Each broker's position, as its last fetch told.
    pub brokers: BTreeMap<BrokerId, Position>,
    /// Each other controller's position.
    pub voters: BTreeMap<ControllerId, Position>,
}

/// Where a reader stands in the metadata log, as the active controller last heard from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The first offset that it lacks.
    pub log_end: Offset,
    /// How long ago it fetched last.
    pub fetched_ago: Duration,
}

/// A `DescribeLogDirs` answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogDirs {
    /// How many log dirs answered with an error.
    pub failed: u32,
    /// Whether every log dir is cordoned; nobody cordons one in the pretended world.
    pub all_cordoned: bool,
    /// Bytes per replica on this broker.
    pub bytes: BTreeMap<PartitionId, u64>,
}

/// A reassignment in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassigning {
    /// The replicas now.
    pub replicas: Vec<BrokerId>,
    /// Those that are to come.
    pub adding: Vec<BrokerId>,
    /// Those that are to go.
    pub removing: Vec<BrokerId>,
}

/// Something that an asker hears, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When it arrives at the asker; never before it was given out.
    pub at: Timestamp,
    /// Over which line; the asker is in it.
    pub line: Line,
    /// What it echoes; for a close, the connect (or first request) that opened the line.
    pub call: Call,
    /// What.
    pub news: News,
}

/// What is heard. What never comes is silence: the asker owns its time-out and closes the line.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The line stands.
    Opened,
    /// Nobody listens there, or a firewall rejects.
    Refused,
    /// The request was answered.
    Answered {
        /// With what.
        answer: Box<Answer>,
        /// The quota was exceeded: nothing more is read from this line for so long.
        throttled_for: Option<Duration>,
    },
    /// The line was closed by the other end (FIN or RST): what was asked on it and not answered never will be.
    Closed,
    /// The metadata log brought a change: the shape after it, registrations with epochs.
    Metadata(Arc<Topology>),
}

impl Heard {
    /// Tells whether a request was turned away by whoever is not in charge: nothing was done.
    #[must_use]
    pub fn turned_away(&self) -> bool {
        let refused =
            |answer: &Answer| matches!(answer, Answer::Refused(Code::NotController | Code::NotLeaderOrFollower));
        matches!(&self.news, News::Answered { answer, .. } if refused(answer))
    }
}

impl Line {
    /// Gives the first line from an asker to a door.
    #[must_use]
    pub fn new(from: Asker, to: Door) -> Self {
        Self { from, to, lane: 0 }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Client(number) => write!(f, "client{number}"),
            Self::Operator(number) => write!(f, "operator{number}"),
            Self::Reader(number) => write!(f, "reader{number}"),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(broker) => broker.fmt(f),
            Self::Controller(controller) => controller.fmt(f),
        }
    }
}
