//! `Fetch` by topic id and `FetchSnapshot`: reading a log as a plain client.
//!
//! Without sessions, one partition at a time; for the observer of the metadata log and for the lab's final read.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_snapshot_request::{
    PartitionSnapshot, SnapshotId as WireSnapshotId, TopicSnapshot,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchSnapshotRequest};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::Decoded;
use super::moves::{millis, topic_name};
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, METADATA_TOPIC, WireError};

/// Where to read, and how long to wait for news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchFrom {
    /// The cluster that the peer must belong to, where it matters; another refuses with `InconsistentClusterId`.
    pub cluster_id: Option<String>,
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// The first offset wanted.
    pub offset: i64,
    /// The leader epoch the caller believes in, if it does.
    pub leader_epoch: Option<i32>,
    /// The epoch of the last record the caller has; the leader then says where the two logs part.
    pub last_fetched_epoch: Option<i32>,
    /// Units: bytes. At least one whole batch comes, however long.
    pub bytes_max: i32,
    /// How long the broker may wait for the first new byte (long poll).
    pub wait: Duration,
}

/// Where the caller's log and the leader's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The last epoch they share.
    pub epoch: i32,
    /// Its end in the leader's log.
    pub end_offset: i64,
}

/// A snapshot of the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotId {
    /// The first offset that the snapshot does not cover.
    pub end_offset: i64,
    /// The epoch of its last record.
    pub epoch: i32,
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The partition's own error, such as `NotLeaderOrFollower`.
    pub error: Option<ErrorCode>,
    /// Up to here records are committed.
    pub high_watermark: Option<i64>,
    /// The first offset still there.
    pub log_start: Option<i64>,
    /// The leader and its epoch as the peer knows them, if it says so.
    pub leader: Option<(i32, i32)>,
    /// Where the logs part, if they do; there are no records then.
    pub diverging: Option<EpochEnd>,
    /// The snapshot to read first, if the offset lies before the log; there are no records then.
    pub snapshot: Option<SnapshotId>,
    /// Record batches; the last may be cut off. Read with [`super::batches`].
    pub records: Bytes,
}

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Units: bytes of the whole snapshot.
    pub size_bytes: i64,
    /// Units: bytes; where this part begins.
    pub position: i64,
    /// Bytes of record batches, cut anywhere.
    pub records: Bytes,
}

impl Connection {
    /// Reads records of one partition from its leader.
    ///
    /// Contract: `within` covers `from.wait` as well.
    /// Errors: as every call; the partition's own error stands in the answer.
    pub async fn fetch(&self, from: &FetchFrom, within: Duration) -> Result<Answer<Fetched>, WireError> {
        let partition = FetchPartition::default()
            .with_partition(from.partition)
            .with_current_leader_epoch(from.leader_epoch.unwrap_or(-1))
            .with_fetch_offset(from.offset)
            .with_last_fetched_epoch(from.last_fetched_epoch.unwrap_or(-1))
            .with_log_start_offset(-1)
            .with_partition_max_bytes(from.bytes_max);
        let topic = FetchTopic::default().with_topic_id(from.topic_id).with_partitions(vec![partition]);
        let cluster_id = from.cluster_id.clone().map(StrBytes::from_string);
        let request = FetchRequest::default()
            .with_cluster_id(cluster_id)
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(millis(from.wait))
            .with_min_bytes(1)
            .with_max_bytes(from.bytes_max)
            .with_isolation_level(0)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        self.call(Api::Fetch, &request, decode_fetch, within).await
    }

    /// Reads a part of a snapshot of the metadata log from the active controller.
    ///
    /// Errors: as every call; [`WireError::Refused`] with `SnapshotNotFound` once it has been replaced.
    pub async fn fetch_snapshot(
        &self,
        snapshot: SnapshotId,
        leader_epoch: i32,
        position: i64,
        within: Duration,
    ) -> Result<Answer<SnapshotChunk>, WireError> {
        let id = WireSnapshotId::default().with_end_offset(snapshot.end_offset).with_epoch(snapshot.epoch);
        let partition = PartitionSnapshot::default()
            .with_partition(0)
            .with_current_leader_epoch(leader_epoch)
            .with_snapshot_id(id)
            .with_position(position);
        let topic = TopicSnapshot::default().with_name(topic_name(METADATA_TOPIC)).with_partitions(vec![partition]);
        let request = FetchSnapshotRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(SNAPSHOT_CHUNK_BYTES)
            .with_topics(vec![topic]);
        self.call(Api::FetchSnapshot, &request, decode_snapshot, within).await
    }
}

/// A part of a snapshot: large enough for few round trips, far below the frame limit.
const SNAPSHOT_CHUNK_BYTES: i32 = 1 << 20;

pub(super) fn decode_fetch(reader: &mut Reader, _version: i16) -> Result<Decoded<Fetched>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let _session = reader.i32()?;
    let topics = reader.array(18, |r| {
        let _topic = r.uuid()?;
        let partitions = r.array(37, fetched)?;
        r.tags()?;
        Ok(partitions)
    })?;
    reader.tags()?;
    let body = topics.into_iter().flatten().next();
    if error.is_some() {
        return Ok(Decoded { throttle_ms, error, message: None, body: body.unwrap_or_else(nothing) });
    }
    let Some(body) = body else { return Err(reader.malformed("an answer without the partition")) };
    Ok(Decoded::of(throttle_ms, body))
}

fn nothing() -> Fetched {
    Fetched {
        error: None,
        high_watermark: None,
        log_start: None,
        leader: None,
        diverging: None,
        snapshot: None,
        records: Bytes::new(),
    }
}

fn fetched(reader: &mut Reader) -> Result<Fetched, Malformed> {
    let mut fetched = nothing();
    let _partition = reader.i32()?;
    fetched.error = ErrorCode::from_wire(reader.i16()?);
    fetched.high_watermark = reader.i64_or_none()?;
    let _last_stable = reader.i64()?;
    fetched.log_start = reader.i64_or_none()?;
    reader.nullable_array(17, |r| {
        let (_producer, _first_offset) = (r.i64()?, r.i64()?);
        r.tags()
    })?;
    let _preferred_read_replica = reader.i32()?;
    fetched.records = reader.nullable_bytes()?.unwrap_or_default();
    reader.tagged(|tag, r| {
        match tag {
            0 => fetched.diverging = Some(EpochEnd { epoch: r.i32()?, end_offset: r.i64()? }),
            1 => fetched.leader = leader(r)?,
            2 => {
                let (end_offset, epoch) = (r.i64()?, r.i32()?);
                // Kafka's default, -1, says that there is none.
                fetched.snapshot = (0 <= end_offset).then_some(SnapshotId { end_offset, epoch });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(fetched)
}

fn leader(reader: &mut Reader) -> Result<Option<(i32, i32)>, Malformed> {
    let leader = reader.node_id_or_none()?;
    let epoch = reader.i32()?;
    Ok(leader.map(|id| (id, epoch)))
}

pub(super) fn decode_snapshot(reader: &mut Reader, _version: i16) -> Result<Decoded<SnapshotChunk>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let topics = reader.array(3, |r| {
        let _name = r.string()?;
        let partitions = r.array(37, chunk)?;
        r.tags()?;
        Ok(partitions)
    })?;
    reader.tags()?;
    let part = topics.into_iter().flatten().next();
    if error.is_some() {
        let body = SnapshotChunk { size_bytes: 0, position: 0, records: Bytes::new() };
        return Ok(Decoded { throttle_ms, error, message: None, body });
    }
    let Some((error, body)) = part else { return Err(reader.malformed("an answer without the partition")) };
    Ok(Decoded { throttle_ms, error, message: None, body })
}

fn chunk(reader: &mut Reader) -> Result<(Option<ErrorCode>, SnapshotChunk), Malformed> {
    let _index = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let (_end_offset, _epoch) = (reader.i64()?, reader.i32()?);
    reader.tags()?;
    let size_bytes = reader.i64()?;
    let position = reader.i64()?;
    let records = reader.nullable_bytes()?.unwrap_or_default();
    reader.tags()?;
    Ok((error, SnapshotChunk { size_bytes, position, records }))
}
