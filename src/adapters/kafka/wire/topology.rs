//! `Metadata`: brokers, topics and partitions as one broker sees them.
//!
//! A broker's own replayed view: it may be stale. Ask two, believe the higher leader epoch. `Brokers` holds the unfenced
//! ones only.

use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, Endpoint, ErrorCode, WireError};

/// How many topics one request names: an answer of 1,000 topics with 12 partitions each takes about 1 MB.
const TOPICS_PER_REQUEST: usize = 1_000;

/// Which topics to ask about.
#[derive(Debug, Clone, Copy)]
pub enum TopicFilter<'a> {
    /// All of them.
    All,
    /// None: brokers only.
    Brokers,
    /// These, whether they exist or not.
    Named(&'a [String]),
}

/// What one broker believes about the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// Unfenced brokers.
    pub brokers: Vec<BrokerNode>,
    /// The topics asked about.
    pub topics: Vec<TopicView>,
}

/// A broker that clients are told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerNode {
    /// Kafka's node id.
    pub id: i32,
    /// Its address on the listener that was asked.
    pub endpoint: Endpoint,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicView {
    /// Its name; cluster-chosen text.
    pub name: String,
    /// Its id; nil if the topic is unknown.
    pub id: Uuid,
    /// Whether Kafka keeps its own books in it.
    pub internal: bool,
    /// Why it cannot be told, when it cannot.
    pub error: Option<ErrorCode>,
    /// Its partitions.
    pub partitions: Vec<PartitionView>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// Its number.
    pub index: i32,
    /// Such as `LEADER_NOT_AVAILABLE`.
    pub error: Option<ErrorCode>,
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// The leader's epoch.
    pub leader_epoch: Option<i32>,
    /// The replicas in Kafka's order of preference.
    pub replicas: Vec<i32>,
    /// The replicas in sync; the last known ones if there is no leader.
    pub isr: Vec<i32>,
    /// Replicas on fenced or unregistered brokers, or on failed directories.
    pub offline: Vec<i32>,
}

impl Connection {
    /// Asks one broker what it believes about brokers and topics.
    ///
    /// Errors: as every call; a topic's own error stands in its view.
    pub async fn topology(&self, topics: TopicFilter<'_>, within: Duration) -> Result<Answer<Topology>, WireError> {
        match topics {
            TopicFilter::All => self.topology_of(None, within).await,
            TopicFilter::Brokers => self.topology_of(Some(&[]), within).await,
            TopicFilter::Named(names) => {
                let mut chunks = names.chunks(TOPICS_PER_REQUEST);
                let mut whole = self.topology_of(Some(chunks.next().unwrap_or_default()), within).await?;
                for chunk in chunks {
                    let left = within.saturating_sub(whole.asked_at.elapsed());
                    let more = self.topology_of(Some(chunk), left).await?;
                    whole.round_trip = whole.round_trip.saturating_add(more.round_trip);
                    whole.throttled_for = whole.throttled_for.max(more.throttled_for);
                    whole.body.topics.extend(more.body.topics);
                }
                Ok(whole)
            }
        }
    }

    async fn topology_of(&self, names: Option<&[String]>, within: Duration) -> Result<Answer<Topology>, WireError> {
        let named = |name: &String| {
            MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.clone()))))
        };
        let request = MetadataRequest::default()
            .with_topics(names.map(|names| names.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        self.call(Api::Metadata, &request, decode, within).await
    }
}

pub(super) fn decode(reader: &mut Reader, _version: i16) -> Result<Decoded<Topology>, Malformed> {
    let throttle_ms = reader.i32()?;
    let brokers = reader.array(11, broker)?;
    let cluster_id = reader.nullable_string()?;
    // "Controller" here is a random live broker in KRaft: it says nothing.
    let _random_broker = reader.i32()?;
    let topics = reader.array(26, topic)?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, Topology { cluster_id, brokers, topics }))
}

fn broker(reader: &mut Reader) -> Result<BrokerNode, Malformed> {
    let id = reader.i32()?;
    let host = reader.string()?;
    let port = port(reader)?;
    let rack = reader.nullable_string()?;
    reader.tags()?;
    Ok(BrokerNode { id, endpoint: Endpoint { host, port }, rack })
}

/// Reads a port that Kafka sends in 32 bits.
pub(super) fn port(reader: &mut Reader) -> Result<u16, Malformed> {
    u16::try_from(reader.i32()?).map_err(|_wide| reader.malformed("a port is not in 0-65535"))
}

fn topic(reader: &mut Reader) -> Result<TopicView, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let name = reader.string()?;
    let id = reader.uuid()?;
    let internal = reader.bool()?;
    let partitions = reader.array(18, partition)?;
    let _authorized_operations = reader.i32()?;
    reader.tags()?;
    Ok(TopicView { name, id, internal, error, partitions })
}

fn partition(reader: &mut Reader) -> Result<PartitionView, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let index = reader.i32()?;
    let leader = reader.node_id_or_none()?;
    let leader_epoch = reader.node_id_or_none()?;
    let replicas = reader.node_ids()?;
    let isr = reader.node_ids()?;
    let offline = reader.node_ids()?;
    reader.tags()?;
    Ok(PartitionView { index, error, leader, leader_epoch, replicas, isr, offline })
}
