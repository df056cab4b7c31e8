//! `Produce`: appends one record per partition, for the canary and the lab.
//!
//! Not a producer: no batching, no idempotence, no retries. The real client in the process is librdkafka.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use super::connection::Decoded;
use super::moves::{millis, topic_name};
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, TopicPartition, WireError};
use crate::adapters::clock;

/// How many replicas must hold a record before the leader says yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// The leader alone.
    Leader,
    /// Every replica in sync.
    All,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Where it went.
    pub partition: TopicPartition,
    /// Its offset, or why it was refused.
    pub offset: Result<i64, ErrorCode>,
}

impl Connection {
    /// Appends one record to each of these partitions, all led by this broker.
    ///
    /// Errors: as every call; a partition's own error stands in its entry.
    pub async fn produce(
        &self,
        records: &[(TopicPartition, Bytes)],
        acks: Acks,
        within: Duration,
    ) -> Result<Answer<Vec<Appended>>, WireError> {
        self.produce_waiting(records, acks, within, within).await
    }

    /// Appends as [`Connection::produce`] does, but lets the broker wait for its replicas no longer than `wait`: a partition
    /// whose replicas stay away then answers `RequestTimedOut` instead of holding back what became of the others.
    ///
    /// Contract: `within` is longer than `wait`.
    /// Errors: as every call; a partition's own error stands in its entry.
    pub async fn produce_waiting(
        &self,
        records: &[(TopicPartition, Bytes)],
        acks: Acks,
        wait: Duration,
        within: Duration,
    ) -> Result<Answer<Vec<Appended>>, WireError> {
        let written_ms = i64::try_from(clock::wall_ms()).unwrap_or(i64::MAX);
        let mut by_topic: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
        for (TopicPartition { topic, partition }, value) in records {
            let batch = batch(value, written_ms).map_err(|error| WireError::Unsendable {
                api: Api::Produce,
                version: Api::Produce.versions().max,
                what: error.to_string(),
            })?;
            by_topic
                .entry(topic)
                .or_default()
                .push(PartitionProduceData::default().with_index(*partition).with_records(Some(batch)));
        }
        let topics = by_topic.into_iter().map(|(topic, partitions)| {
            TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(partitions)
        });
        let acks = match acks {
            Acks::Leader => 1,
            Acks::All => -1,
        };
        let request =
            ProduceRequest::default().with_acks(acks).with_timeout_ms(millis(wait)).with_topic_data(topics.collect());
        self.call(Api::Produce, &request, decode, within).await
    }
}

pub(super) fn batch(value: &Bytes, written_ms: i64) -> anyhow::Result<Bytes> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: written_ms,
        key: None,
        value: Some(value.clone()),
        headers: IndexMap::new(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, [&record], &options)?;
    Ok(batch.freeze())
}

pub(super) fn decode(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<Appended>>, Malformed> {
    let topics = reader.array(3, |r| {
        let topic = r.string()?;
        let partitions = r.array(33, |r| partition(r, &topic))?;
        r.tags()?;
        Ok(partitions)
    })?;
    let throttle_ms = reader.i32()?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, topics.into_iter().flatten().collect()))
}

fn partition(reader: &mut Reader, topic: &str) -> Result<Appended, Malformed> {
    let partition = TopicPartition::new(topic, reader.i32()?);
    let error = ErrorCode::from_wire(reader.i16()?);
    let base_offset = reader.i64()?;
    let _append_time = reader.i64()?;
    let _log_start = reader.i64()?;
    reader.array(6, |r| {
        let _index = r.i32()?;
        let _message = r.nullable_string()?;
        r.tags()
    })?;
    let _message = reader.nullable_string()?;
    reader.tags()?;
    Ok(Appended { partition, offset: error.map_or(Ok(base_offset), Err) })
}
