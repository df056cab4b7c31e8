//! `DescribeQuorum`: how far every voter and broker has read the metadata log.
//!
//! Answered by the active controller; a broker forwards to it, a standby controller refuses with `NOT_LEADER_OR_FOLLOWER`.

use std::time::Duration;

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{DescribeQuorumRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, Endpoint, ErrorCode, WireError};

/// The metadata log's topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// The metadata log's topic id.
pub const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);

/// The state of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quorum {
    /// The active controller.
    pub leader: Option<i32>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Up to here the log is committed.
    pub high_watermark: Option<i64>,
    /// The controllers.
    pub voters: Vec<QuorumReplica>,
    /// The brokers, and standby controllers that do not vote.
    pub observers: Vec<QuorumReplica>,
    /// The controllers' addresses (Kafka 3.9 and later).
    pub nodes: Vec<QuorumNode>,
}

/// One reader of the metadata log, as the active controller last heard from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Kafka's node id.
    pub id: i32,
    /// Its log end offset; the first offset that it lacks.
    pub log_end_offset: Option<i64>,
    /// Units: milliseconds on the active controller's wall clock; compare within one answer only.
    pub last_fetch_ms: Option<i64>,
    /// Units: as above.
    pub last_caught_up_ms: Option<i64>,
}

/// A controller's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumNode {
    /// Kafka's node id.
    pub id: i32,
    /// Its listeners by name.
    pub listeners: Vec<(String, Endpoint)>,
}

impl Connection {
    /// Asks how far every node has read the metadata log.
    ///
    /// Errors: as every call; [`WireError::Refused`] with `NotLeaderOrFollower` from a standby controller.
    pub async fn quorum(&self, within: Duration) -> Result<Answer<Quorum>, WireError> {
        let topic = TopicData::default()
            .with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        self.call(Api::DescribeQuorum, &request, decode, within).await
    }
}

struct Part {
    error: Option<ErrorCode>,
    message: Option<String>,
    quorum: Quorum,
}

pub(super) fn decode(reader: &mut Reader, version: i16) -> Result<Decoded<Quorum>, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = if 2 <= version { reader.nullable_string()? } else { None };
    let topics = reader.array(3, |r| {
        let _name = r.string()?;
        let partitions = r.array(25, |r| partition(r, version))?;
        r.tags()?;
        Ok(partitions)
    })?;
    let nodes = if 2 <= version { reader.array(6, node)? } else { Vec::new() };
    reader.tags()?;
    let part = topics.into_iter().flatten().next();
    if error.is_some() {
        return Ok(Decoded { throttle_ms: 0, error, message, body: Quorum::default() });
    }
    let Some(part) = part else { return Err(reader.malformed("an answer without the metadata partition")) };
    let body = Quorum { nodes, ..part.quorum };
    Ok(Decoded { throttle_ms: 0, error: part.error, message: part.message, body })
}

fn partition(reader: &mut Reader, version: i16) -> Result<Part, Malformed> {
    let _index = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = if 2 <= version { reader.nullable_string()? } else { None };
    let leader = reader.node_id_or_none()?;
    let leader_epoch = reader.i32()?;
    let high_watermark = reader.i64_or_none()?;
    let voters = reader.array(29, |r| replica(r, version))?;
    let observers = reader.array(29, |r| replica(r, version))?;
    reader.tags()?;
    let quorum = Quorum { leader, leader_epoch, high_watermark, voters, observers, nodes: Vec::new() };
    Ok(Part { error, message, quorum })
}

fn replica(reader: &mut Reader, version: i16) -> Result<QuorumReplica, Malformed> {
    let id = reader.i32()?;
    if 2 <= version {
        let _directory = reader.uuid()?;
    }
    let log_end_offset = reader.i64_or_none()?;
    let last_fetch_ms = reader.i64_or_none()?;
    let last_caught_up_ms = reader.i64_or_none()?;
    reader.tags()?;
    Ok(QuorumReplica { id, log_end_offset, last_fetch_ms, last_caught_up_ms })
}

fn node(reader: &mut Reader) -> Result<QuorumNode, Malformed> {
    let id = reader.i32()?;
    let listeners = reader.array(5, |r| {
        let name = r.string()?;
        let host = r.string()?;
        let port = r.u16()?;
        r.tags()?;
        Ok((name, Endpoint { host, port }))
    })?;
    reader.tags()?;
    Ok(QuorumNode { id, listeners })
}
