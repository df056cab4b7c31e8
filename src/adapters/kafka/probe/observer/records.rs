//! The records of the metadata log that Tanist reads, out of their frames.
//!
//! A frame is: frame version, record type, record version (unsigned varints), then the record in flexible encoding. Types
//! that say nothing about brokers, topics or partitions are passed over; a *newer version* of one that does is refused,
//! because guessing at it would show a cluster that is not there.
//!
//! Source: `metadata/src/main/resources/common/metadata/*.json` of Kafka 3.7 to 4.3.

use bytes::Bytes;

use crate::adapters::kafka::wire::Malformed;
use crate::adapters::kafka::wire::reader::Reader;
use crate::model::ids::{BrokerEpoch, BrokerId, PartitionId, TopicId};

/// One record of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetadataRecord {
    /// A broker's life begins.
    Register { broker: BrokerId, epoch: BrokerEpoch, rack: Option<String>, fenced: bool, shutting_down: bool },
    /// A broker's registration is dropped.
    Unregister { broker: BrokerId },
    /// A broker is fenced or unfenced, or goes into controlled shutdown; none leaves as it is.
    RegistrationChange { broker: BrokerId, fenced: Option<bool>, shutting_down: bool },
    /// A topic is made.
    Topic { topic: TopicId, name: String },
    /// A topic is deleted with its partitions.
    RemoveTopic { topic: TopicId },
    /// A partition is made, or stands so in a snapshot.
    Partition { partition: PartitionId, state: PartitionState },
    /// A partition changes; what is none stays.
    PartitionChange { partition: PartitionId, change: PartitionChange },
    /// A setting is set (or, without a value, unset).
    Setting { kind: i8, whose: String, name: String, value: Option<String> },
    /// The eligible leader replicas of a topic, or of all where none is named, are forgotten.
    ClearElr { topic: Option<String> },
    /// The records up to `End` take effect together.
    Begin,
    /// They take effect.
    End,
    /// They do not.
    Abort,
    /// Nothing that Tanist reads.
    Other,
}

/// A partition as its record states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionState {
    pub(crate) replicas: Vec<BrokerId>,
    pub(crate) isr: Vec<BrokerId>,
    pub(crate) elr: Vec<BrokerId>,
    pub(crate) adding: bool,
    pub(crate) removing: bool,
    pub(crate) leader: Option<BrokerId>,
    pub(crate) leader_epoch: i32,
}

/// What changes in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PartitionChange {
    pub(crate) isr: Option<Vec<BrokerId>>,
    /// The new leader, or nobody; a change of leader raises the leader epoch by one.
    pub(crate) leader: Option<Option<BrokerId>>,
    pub(crate) replicas: Option<Vec<BrokerId>>,
    pub(crate) adding: Option<bool>,
    pub(crate) removing: Option<bool>,
    pub(crate) elr: Option<Vec<BrokerId>>,
}

/// The leader of a `PartitionChange` that changes no leader.
const LEADER_UNCHANGED: i32 = -2;

/// Reads one record's value.
///
/// Errors: [`Malformed`] for bytes that are no record, or a newer version of a type that Tanist must understand.
pub(crate) fn read(value: Bytes) -> Result<MetadataRecord, Malformed> {
    let mut reader = Reader::new(value);
    let frame_version = reader.uvarint()?;
    if frame_version != 1 {
        return Err(reader.malformed("a metadata record in an unknown frame"));
    }
    let kind = reader.uvarint()?;
    let version = reader.uvarint()?;
    let newest = match kind {
        0 => 4,
        3 | 5 => 2,
        17 => 3,
        1 | 2 | 4 | 7 | 8 | 9 | 23 | 24 | 25 | 28 => 0,
        _ => return Ok(MetadataRecord::Other),
    };
    if newest < version {
        return Err(reader.malformed("a metadata record of a version newer than Tanist knows"));
    }
    let record = body(&mut reader, kind, version)?;
    reader.end()?;
    Ok(record)
}

fn body(reader: &mut Reader, kind: u32, version: u32) -> Result<MetadataRecord, Malformed> {
    let record = match kind {
        0 => return register(reader, version),
        3 => return partition(reader, version),
        5 => return partition_change(reader),
        17 => return registration_change(reader),
        1 => {
            let broker = BrokerId(reader.i32()?);
            reader.i64()?;
            MetadataRecord::Unregister { broker }
        }
        2 => {
            let name = reader.string()?;
            MetadataRecord::Topic { name, topic: topic_id(reader)? }
        }
        4 => MetadataRecord::Setting {
            kind: reader.i8()?,
            whose: reader.string()?,
            name: reader.string()?,
            value: reader.nullable_string()?,
        },
        7 | 8 => {
            let broker = BrokerId(reader.i32()?);
            reader.i64()?;
            MetadataRecord::RegistrationChange { broker, fenced: Some(kind == 7), shutting_down: false }
        }
        9 => MetadataRecord::RemoveTopic { topic: topic_id(reader)? },
        23 => MetadataRecord::Begin,
        24 => MetadataRecord::End,
        25 => MetadataRecord::Abort,
        28 => MetadataRecord::ClearElr { topic: Some(reader.string()?).filter(|name| !name.is_empty()) },
        _ => return Err(reader.malformed("a metadata record without a reader")),
    };
    reader.tags()?;
    Ok(record)
}

fn register(reader: &mut Reader, version: u32) -> Result<MetadataRecord, Malformed> {
    let broker = BrokerId(reader.i32()?);
    if 2 <= version {
        let _is_migrating = reader.bool()?;
    }
    let _incarnation = reader.uuid()?;
    let epoch = BrokerEpoch(reader.i64()?);
    reader.array(7, |r| {
        let (_name, _host) = (r.string()?, r.string()?);
        let (_port, _protocol) = (r.u16()?, r.i16()?);
        r.tags()
    })?;
    reader.array(6, |r| {
        let _name = r.string()?;
        let (_min, _max) = (r.i16()?, r.i16()?);
        r.tags()
    })?;
    let rack = reader.nullable_string()?;
    let fenced = reader.bool()?;
    let shutting_down = if 1 <= version { reader.bool()? } else { false };
    reader.tags()?;
    Ok(MetadataRecord::Register { broker, epoch, rack, fenced, shutting_down })
}

fn registration_change(reader: &mut Reader) -> Result<MetadataRecord, Malformed> {
    let broker = BrokerId(reader.i32()?);
    let _epoch = reader.i64()?;
    let (mut fenced, mut shutting_down) = (None, false);
    reader.tagged(|tag, r| {
        match tag {
            0 => {
                fenced = match r.i8()? {
                    1 => Some(true),
                    -1 => Some(false),
                    _ => None,
                }
            }
            1 => shutting_down = r.i8()? == 1,
            _ => {}
        }
        Ok(())
    })?;
    Ok(MetadataRecord::RegistrationChange { broker, fenced, shutting_down })
}

fn partition(reader: &mut Reader, version: u32) -> Result<MetadataRecord, Malformed> {
    let number = reader.i32()?;
    let partition = PartitionId { topic: topic_id(reader)?, number };
    let replicas = brokers(reader.node_ids()?);
    let isr = brokers(reader.node_ids()?);
    let removing = !reader.nullable_node_ids()?.is_empty();
    let adding = !reader.nullable_node_ids()?.is_empty();
    let leader = reader.node_id_or_none()?.map(BrokerId);
    let leader_epoch = reader.i32()?;
    let _partition_epoch = reader.i32()?;
    if 1 <= version {
        reader.array(16, Reader::uuid)?;
    }
    let mut elr = Vec::new();
    reader.tagged(|tag, r| {
        if tag == 1 {
            elr = brokers(r.nullable_node_ids()?);
        }
        Ok(())
    })?;
    let state = PartitionState { replicas, isr, elr, adding, removing, leader, leader_epoch };
    Ok(MetadataRecord::Partition { partition, state })
}

fn partition_change(reader: &mut Reader) -> Result<MetadataRecord, Malformed> {
    let number = reader.i32()?;
    let partition = PartitionId { topic: topic_id(reader)?, number };
    let mut change = PartitionChange::default();
    reader.tagged(|tag, r| {
        let list = |r: &mut Reader| r.nullable_array(4, Reader::i32).map(|ids| ids.map(brokers));
        match tag {
            0 => change.isr = list(r)?,
            1 => {
                let leader = r.i32()?;
                change.leader = (leader != LEADER_UNCHANGED).then_some(Some(BrokerId(leader)).filter(|id| 0 <= id.0));
            }
            2 => change.replicas = list(r)?,
            3 => change.removing = list(r)?.map(|ids| !ids.is_empty()),
            4 => change.adding = list(r)?.map(|ids| !ids.is_empty()),
            6 => change.elr = list(r)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(MetadataRecord::PartitionChange { partition, change })
}

fn topic_id(reader: &mut Reader) -> Result<TopicId, Malformed> {
    Ok(TopicId(*reader.uuid()?.as_bytes()))
}

fn brokers(ids: Vec<i32>) -> Vec<BrokerId> {
    ids.into_iter().map(BrokerId).collect()
}
