//! `ListOffsets`: how long a replica's own log is, follower or leader.
//!
//! Asked with replica id -2 of each replica's own broker (kafka.md §5): any replica answers with its log end offset, even
//! when the partition has no leader.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, TopicPartition, WireError};

/// Asks for the latest offset.
const LATEST: i64 = -1;

/// Whose end of the log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaSide {
    /// The log end offset of the replica on the broker that is asked.
    OwnLog,
    /// The high watermark; only the leader answers.
    HighWatermark,
}

/// The end of one replica's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The first offset that the log lacks, or why it cannot be told.
    pub end_offset: Result<i64, ErrorCode>,
    /// The leader epoch that the broker has applied; compare offsets only between equal ones.
    pub leader_epoch: Option<i32>,
}

impl Connection {
    /// Asks this broker for the end of its replicas' logs, all in one request.
    ///
    /// Contract: no partition twice (Kafka refuses the request).
    /// Errors: as every call; a partition's own error stands in its entry.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
        side: ReplicaSide,
        within: Duration,
    ) -> Result<Answer<Vec<EndOffset>>, WireError> {
        let replica = match side {
            ReplicaSide::OwnLog => -2,
            ReplicaSide::HighWatermark => -1,
        };
        let mut by_topic: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for TopicPartition { topic, partition } in partitions {
            by_topic.entry(topic).or_default().push(
                ListOffsetsPartition::default()
                    .with_partition_index(*partition)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(LATEST),
            );
        }
        let topics = by_topic.into_iter().map(|(topic, partitions)| {
            let name = TopicName(StrBytes::from_string(topic.to_owned()));
            ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(replica)).with_topics(topics.collect());
        self.call(Api::ListOffsets, &request, decode, within).await
    }
}

pub(super) fn decode(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<EndOffset>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let topics = reader.array(3, |r| {
        let topic = r.string()?;
        let partitions = r.array(27, |r| partition(r, &topic))?;
        r.tags()?;
        Ok(partitions)
    })?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, topics.into_iter().flatten().collect()))
}

fn partition(reader: &mut Reader, topic: &str) -> Result<EndOffset, Malformed> {
    let partition = TopicPartition::new(topic, reader.i32()?);
    let error = ErrorCode::from_wire(reader.i16()?);
    let _timestamp = reader.i64()?;
    let offset = reader.i64_or_none()?;
    let leader_epoch = reader.node_id_or_none()?;
    reader.tags()?;
    let end_offset = match (error, offset) {
        (Some(error), _) => Err(error),
        (None, Some(offset)) => Ok(offset),
        (None, None) => return Err(reader.malformed("neither an offset nor an error")),
    };
    Ok(EndOffset { partition, end_offset, leader_epoch })
}
