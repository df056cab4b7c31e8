//! Observations: single facts that one node measured, and the report that it makes of them for the others.
//!
//! Deliberately no judgement: "refused" and "silent" are facts, "failed" is a finding of a majority.

#[cfg(test)]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{BrokerId, ControllerEpoch, ControllerId, LeaderEpoch, Listener, Offset, PartitionId};
use super::time::{Timestamp, millis};
use super::topology::Topology;

/// One fact that this node measured, and when it learnt it. Never leaves the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// When the fact was learnt.
    pub at: Timestamp,
    /// The fact.
    pub fact: Fact,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// P1: how a ping (`ApiVersions`) on the persistent connection ended.
    Ping {
        /// The broker asked.
        broker: BrokerId,
        /// The listener it went through.
        path: Listener,
        /// When the request was sent: only a success *sent after* the first red contradicts it.
        sent_at: Timestamp,
        /// How it ended.
        outcome: PingOutcome,
    },
    /// P0: what became of the persistent connection, or of a fresh connect after it closed.
    Line {
        /// The broker.
        broker: BrokerId,
        /// The listener.
        path: Listener,
        /// What happened.
        change: LineChange,
    },
    /// P2 or P5o: the shape of the cluster.
    Topology(TopologyReading),
    /// P5: every broker's position in the metadata log.
    Pulse(PulseReading),
    /// P6: the log end offsets that one broker says its own replicas have.
    Offsets(OffsetsReading),
    /// P8: one broker's log dirs.
    LogDirs(LogDirsReading),
    /// P8: the reassignments in flight.
    Reassignments {
        /// When the request was sent.
        sent_at: Timestamp,
        /// The partitions being reassigned.
        partitions: BTreeSet<PartitionId>,
    },
    /// How well this node itself runs; feeds its local health (LHM).
    Own(OwnHealth),
    /// A probe that could not be made, and why: unknown is a value.
    Blind {
        /// The broker that was to be asked; none where the cluster as a whole was.
        broker: Option<BrokerId>,
        /// Which probe.
        probe: ProbeKind,
        /// Why it says nothing.
        why: Blindness,
    },
}

impl Fact {
    /// Gives the broker whose line this is about; none where it is about more than one line.
    #[must_use]
    pub fn line_of(&self) -> Option<BrokerId> {
        match self {
            Self::Ping { broker, .. } | Self::Line { broker, .. } => Some(*broker),
            Self::Blind { broker, .. } => *broker,
            Self::Topology(_)
            | Self::Pulse(_)
            | Self::Offsets(_)
            | Self::LogDirs(_)
            | Self::Reassignments { .. }
            | Self::Own(_) => None,
        }
    }
}

/// The probes of `judgement.md` §1 that stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// P0: the persistent connection itself.
    Line,
    /// P1: `ApiVersions` on it.
    Ping,
    /// P2: `Metadata`.
    Metadata,
    /// P5: `DescribeQuorum`.
    Pulse,
    /// P5o: the metadata log, read as an observer.
    Observer,
    /// P6: `ListOffsets` with replica id -2.
    Offsets,
    /// P8: `DescribeLogDirs`.
    LogDirs,
    /// P8: `ListPartitionReassignments`.
    Reassignments,
}

/// Why a probe says nothing: never to be mistaken for silence of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// Never tried yet.
    NotTried,
    /// Authentication or authorisation failed: the broker lives, we may not look.
    Denied,
    /// The broker throttles us.
    Throttled,
    /// Accepted, then closed before the first answer: a connection cap.
    Capped,
    /// This node has no route to the listener (no address, network unreachable).
    NoRoute,
    /// The answer could not be read.
    Malformed,
    /// The other end is another cluster than the configured one.
    WrongCluster,
    /// Nobody could be asked: no broker or controller answered this probe in time.
    NobodyAnswered,
    /// The answer is older than the event it should tell about.
    Stale,
    /// The other end does not speak a version of this request that we speak.
    Unsupported,
}

/// How a ping ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingOutcome {
    /// Answered after this round trip.
    Answered {
        /// From sending to the answer.
        rtt: Duration,
    },
    /// Not answered within its deadline; the connection is given up.
    TimedOut {
        /// The deadline that passed.
        after: Duration,
    },
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineChange {
    /// A connection stands and was answered once.
    Opened,
    /// The persistent connection was closed by the other end (FIN or RST).
    Closed,
    /// A fresh connect was refused.
    Refused,
    /// A fresh connect was not answered within its deadline.
    NoAnswer,
}

/// P2 or P5o: a shape of the cluster, where it came from and when it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyReading {
    /// The shape.
    pub topology: Arc<Topology>,
    /// Where it came from.
    pub source: TopologySource,
    /// When the request behind it was sent (for the observer: when the change arrived).
    pub sent_at: Timestamp,
}

/// Where a shape of the cluster came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopologySource {
    /// The metadata log itself, read from the active controller.
    Observer,
    /// `Metadata` answers of these brokers, the higher leader epoch believed.
    Metadata(BTreeSet<BrokerId>),
}

/// P5: one `DescribeQuorum` answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulseReading {
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// The active controller.
    pub controller: ControllerId,
    /// Its epoch; a change makes every pulse unknown until two have passed.
    pub controller_epoch: ControllerEpoch,
    /// The high watermark of the metadata log.
    pub high_watermark: Offset,
    /// The log end offset of the active controller itself.
    pub controller_log_end: Offset,
    /// Each broker's log end offset in the metadata log; a broker that is missing here is behind.
    pub brokers: BTreeMap<BrokerId, Offset>,
    /// Whether it came the way that changes go: from a controller where this node was told of them, else through a broker.
    pub as_changes_go: bool,
}

/// P6: what one broker says of its own replicas' log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetsReading {
    /// The broker asked.
    pub broker: BrokerId,
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// Per partition: its log end offset and the leader epoch that this broker has applied.
    pub log_ends: BTreeMap<PartitionId, LogEnd>,
}

/// A replica's log end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The log end offset (LEO).
    pub offset: Offset,
    /// The leader epoch that the broker has applied; LEOs compare only where it is equal and current.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// P8: one broker's log dirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirsReading {
    /// The broker asked.
    pub broker: BrokerId,
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// How many log dirs answered with an error.
    pub failed_dirs: u32,
    /// Whether every log dir is cordoned (KIP-1066): Kafka then refuses each replica list that names the broker.
    pub all_cordoned: bool,
    /// Bytes per replica on this broker.
    pub bytes: BTreeMap<PartitionId, u64>,
}

/// How well this node itself runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnHealth {
    /// How late this node's own timer fired.
    pub timer_lag: Duration,
    /// How long the slowest fsync took since this was told last.
    pub fsync: Duration,
}

/// What to look at at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookNow {
    /// P5, asked of healthy brokers other than these.
    Pulse {
        /// Brokers not to ask.
        not: BTreeSet<BrokerId>,
    },
    /// P2 and the reassignments in flight, asked of brokers other than these.
    Topology {
        /// Brokers not to ask.
        not: BTreeSet<BrokerId>,
        /// How often the same was asked for before, and nobody told it: other brokers are asked each time.
        turn: usize,
    },
    /// P6 of every broker but these, for these partitions only where any are named.
    Offsets {
        /// Brokers not to ask.
        not: BTreeSet<BrokerId>,
        /// The partitions; empty for all.
        partitions: BTreeSet<PartitionId>,
    },
    /// P1 of this broker.
    Ping(BrokerId),
}

/// What one node says of all brokers, at one moment, for the trio's leader. Ages, never instants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Local health: 0 is well; at 4 the node abstains (Lifeguard).
    pub lhm: u8,
    /// Whether this node reaches the active controller the way that changes go ([`PulseReading::as_changes_go`]).
    pub reaches_controller: bool,
    /// What it sees of each broker.
    pub brokers: BTreeMap<BrokerId, Sighting>,
    /// Brokers that this node has no vote on (`node.shares_host_with`).
    pub no_vote_on: BTreeSet<BrokerId>,
}

/// What one node sees of one broker over its client path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The listener that was looked through.
    pub path: Listener,
    /// Green, yellow, red or unknown.
    pub light: Light,
    /// How long it has been so (for red: since the first red).
    #[serde(with = "millis", rename = "light_for_ms")]
    pub light_for: Duration,
    /// How long ago the newest answered request was *sent*.
    #[serde(with = "millis::option", rename = "success_sent_ago_ms")]
    pub success_sent_ago: Option<Duration>,
    /// How long the broker has been silent: since the last success arrived, at the time of the report.
    #[serde(with = "millis::option", rename = "silent_for_ms")]
    pub silent_for: Option<Duration>,
    /// The silence beyond which this node calls it red (tau, without LHM).
    #[serde(with = "millis", rename = "tau_ms")]
    pub tau: Duration,
    /// Where it stands in the metadata log.
    pub pulse: Pulse,
    /// Whether ordinary partitions led by it still gain records.
    pub progress: Progress,
}

/// A broker's light over one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Answers.
    Green,
    /// Late: silence beyond 1.5 m; it is being asked again.
    Yellow,
    /// Refused twice: no process listens.
    RedRefused,
    /// Silent beyond tau: accepted or not, nothing answers.
    RedSilent,
    /// Was red, answers again, but not yet for long enough to be green.
    Recovering,
    /// Not known, and why.
    Unknown(Blindness),
}

impl Light {
    /// Tells whether this is a vote against the broker.
    #[must_use]
    pub fn is_red(self) -> bool {
        matches!(self, Self::RedRefused | Self::RedSilent)
    }
}

/// Where a broker stands in the metadata log, as one node reads it from `DescribeQuorum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pulse {
    /// Level, behind or unknown in the newest reading.
    pub state: PulseState,
    /// Pulses or echoes that passed since the first red (or, while green, in all): 0 says "no pulse yet".
    pub beats_since_red: u32,
    /// Whether it was behind at any beat since the first red.
    pub behind_since_red: bool,
    /// At how many beats running it has been level.
    pub level_beats: u32,
}

/// The newest reading of a broker's position in the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PulseState {
    /// Not known yet, or the active controller changed less than two beats ago.
    #[default]
    Unknown,
    /// Level with what others had reached.
    Level,
    /// Behind what another broker had reached before, by this many records.
    Behind(u64),
    /// Not in the answer at all: counts as behind.
    Missing,
}

impl PulseState {
    /// Tells whether the broker is behind (missing counts).
    #[must_use]
    pub fn is_behind(self) -> bool {
        matches!(self, Self::Behind(_) | Self::Missing)
    }
}

/// Whether clients are being served by the broker, from its followers' growing logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Fewer than two readings sent after the first red.
    #[default]
    Unknown,
    /// None of its ordinary partitions gained a record between them.
    None,
    /// This many of its ordinary partitions gained records.
    Growing(u32),
}
