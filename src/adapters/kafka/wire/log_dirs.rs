//! `DescribeLogDirs`: a broker's log directories, their errors and what lies in them.
//!
//! Its `OffsetLag` is left out: it is practically always 0 (kafka.md §5).

use std::time::Duration;

use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::protocol::Encodable;
use kafka_protocol::protocol::buf::ByteBufMut;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, TopicPartition, WireError};

/// One log directory of the broker that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path on the broker; cluster-chosen text.
    pub path: String,
    /// Such as `KAFKA_STORAGE_ERROR` when the directory is offline.
    pub error: Option<ErrorCode>,
    /// Units: bytes of the volume, if the broker can tell.
    pub total_bytes: Option<i64>,
    /// Units: bytes free on the volume, if the broker can tell.
    pub usable_bytes: Option<i64>,
    /// Whether it takes no new replicas (KIP-1066, Kafka 4.3).
    pub cordoned: bool,
    /// The replicas in it.
    pub replicas: Vec<HostedReplica>,
}

/// One replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedReplica {
    /// The partition.
    pub partition: TopicPartition,
    /// Units: bytes on disk.
    pub size_bytes: i64,
    /// Whether it is the copy that a move between directories is building.
    pub future: bool,
}

impl Connection {
    /// Asks a broker for its log directories and every replica in them.
    ///
    /// Errors: as every call. It may block on a stalled disk: give it a connection of its own.
    pub async fn log_dirs(&self, within: Duration) -> Result<Answer<Vec<LogDir>>, WireError> {
        self.call(Api::DescribeLogDirs, &EveryTopic, decode, within).await
    }
}

/// The request, which has the same bytes in every version from 2 to 5; the codec knows them up to 4.
struct EveryTopic;

const NEWEST_KNOWN: i16 = 4;

impl Encodable for EveryTopic {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, version: i16) -> anyhow::Result<()> {
        DescribeLogDirsRequest::default().with_topics(None).encode(buf, version.min(NEWEST_KNOWN))
    }

    fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
        DescribeLogDirsRequest::default().with_topics(None).compute_size(version.min(NEWEST_KNOWN))
    }
}

pub(super) fn decode(reader: &mut Reader, version: i16) -> Result<Decoded<Vec<LogDir>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let dirs = reader.array(21, |reader| dir(reader, version))?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message: None, body: dirs })
}

fn dir(reader: &mut Reader, version: i16) -> Result<LogDir, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let path = reader.string()?;
    let topics = reader.array(3, |r| {
        let topic = r.string()?;
        let replicas = r.array(22, |r| replica(r, &topic))?;
        r.tags()?;
        Ok(replicas)
    })?;
    let total_bytes = reader.i64_or_none()?;
    let usable_bytes = reader.i64_or_none()?;
    let cordoned = 5 <= version && reader.bool()?;
    reader.tags()?;
    Ok(LogDir { path, error, total_bytes, usable_bytes, cordoned, replicas: topics.into_iter().flatten().collect() })
}

fn replica(reader: &mut Reader, topic: &str) -> Result<HostedReplica, Malformed> {
    let partition = TopicPartition::new(topic, reader.i32()?);
    let size_bytes = reader.i64()?;
    let _offset_lag = reader.i64()?;
    let future = reader.bool()?;
    reader.tags()?;
    Ok(HostedReplica { partition, size_bytes, future })
}
