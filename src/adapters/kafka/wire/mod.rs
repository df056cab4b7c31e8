//! The Kafka wire: connections, typed calls, typed errors.
//!
//! One [`Connection`] speaks to one listener of one broker or controller. It does not route, retry, cache or judge: the
//! caller picks the peer, sets a deadline per call and reads from [`WireError`] what to do next.
//!
//! Why own decoders (2026-11): `kafka-protocol` allocates whatever array length the wire claims, and a hostile one aborts
//! the process. Requests are encoded by that crate; answers are read by [`reader`], whose arrays can never be larger than
//! the bytes that came with them. A test holds our decoders against the crate's encoders, message by message.

mod admin;
mod api;
mod cluster;
mod connection;
mod error;
mod error_code;
mod fences;
mod fetch;
mod link;
mod log_dirs;
mod moves;
mod offsets;
mod produce;
mod quorum;
pub(in crate::adapters::kafka) mod reader;
mod records;
mod topics;
mod topology;
mod transport;
mod versions;

#[cfg(test)]
mod decoding_tests;
#[cfg(test)]
pub(in crate::adapters::kafka) mod fake_broker;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use admin::{Altered, Configured, NewTopic, Setting, Settings, TopicOutcome};
pub use api::{Api, Rights, Touch, Versions};
pub use cluster::{Allowed, ClusterView, Endpoints, Operation, RegisteredBroker};
pub use connection::{Answer, Connection, Options};
pub use error::{CloseReason, Closed, Obstacle, Sent, WireError};
pub use error_code::ErrorCode;
pub use fences::Fenced;
pub use fetch::{EpochEnd, FetchFrom, Fetched, SnapshotChunk, SnapshotId};
pub use log_dirs::{HostedReplica, LogDir};
pub use moves::{ElectionKind, Order, Reassigning, ReplicaCount};
pub use offsets::{EndOffset, ReplicaSide};
pub use produce::{Acks, Appended};
pub use quorum::{METADATA_TOPIC, METADATA_TOPIC_ID, Quorum, QuorumNode, QuorumReplica};
pub use reader::Malformed;
pub use records::{Batch, Record, batches};
pub use topics::{Eligibility, PartitionEligibility, TopicEligibility};
pub use topology::{BrokerNode, PartitionView, TopicFilter, TopicView, Topology};
pub use transport::{Endpoint, Transport};
pub use versions::{ApiRange, Features};

/// A partition by topic name and number, as Kafka's admin calls name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number within the topic, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names one partition.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// What one broker answered about one partition: `None` is yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOutcome {
    /// The partition asked about.
    pub partition: TopicPartition,
    /// Why not, when not.
    pub error: Option<ErrorCode>,
    /// The broker's own words; cluster-chosen text, for people only.
    pub message: Option<String>,
}
