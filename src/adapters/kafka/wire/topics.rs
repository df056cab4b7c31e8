//! `DescribeTopicPartitions`: who may lead cleanly although it is not in the ISR.
//!
//! Kafka 3.8 and later, brokers only; the lists stay empty while the feature is off. Read page by page.

use std::time::Duration;

use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, TopicPartition, WireError};

/// How many partitions one answer may hold; the broker's own limit is 2,000 by default.
const PARTITIONS_PER_PAGE: i32 = 2_000;
/// How many pages one reading may take: two million partitions, Kafka's own goal for a cluster.
const PAGES_MAX: usize = 1_000;

/// What one broker says about who may lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eligibility {
    /// The topics asked about.
    pub topics: Vec<TopicEligibility>,
}

/// One topic; a topic that spans pages appears once per page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicEligibility {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// Whether Kafka keeps its own books in it.
    pub internal: bool,
    /// Why it cannot be told, when it cannot.
    pub error: Option<ErrorCode>,
    /// Its partitions.
    pub partitions: Vec<PartitionEligibility>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionEligibility {
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
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas that may lead without loss although they left the ISR.
    pub elr: Vec<i32>,
    /// Replicas that were eligible before an unclean shutdown.
    pub last_known_elr: Vec<i32>,
    /// Replicas that are offline.
    pub offline: Vec<i32>,
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) topics: Vec<TopicEligibility>,
    pub(super) next: Option<TopicPartition>,
}

impl Connection {
    /// Asks one broker who may lead; no names means all topics.
    ///
    /// Errors: as every call; [`WireError::Malformed`] also if the pages do not advance.
    pub async fn eligibility(&self, names: &[String], within: Duration) -> Result<Answer<Eligibility>, WireError> {
        let first = self.eligibility_page(names, None, within).await?;
        let mut cursor = first.body.next.clone();
        let mut whole = first.map(|page| Eligibility { topics: page.topics });
        for _ in 0..PAGES_MAX {
            let Some(at) = cursor.take() else { return Ok(whole) };
            let left = within.saturating_sub(whole.asked_at.elapsed());
            let page = self.eligibility_page(names, Some(&at), left).await?;
            whole.round_trip = whole.round_trip.saturating_add(page.round_trip);
            whole.throttled_for = whole.throttled_for.max(page.throttled_for);
            whole.body.topics.extend(page.body.topics);
            cursor = page.body.next;
            if cursor.as_ref().is_some_and(|next| next <= &at) {
                break;
            }
        }
        let what = Malformed { what: "the pages of DescribeTopicPartitions do not end", left_bytes: 0 };
        Err(WireError::Malformed { peer: self.peer().clone(), api: Api::DescribeTopicPartitions, what })
    }

    async fn eligibility_page(
        &self,
        names: &[String],
        cursor: Option<&TopicPartition>,
        within: Duration,
    ) -> Result<Answer<Page>, WireError> {
        let name = |name: &str| TopicName(StrBytes::from_string(name.to_owned()));
        let at =
            |at: &TopicPartition| Cursor::default().with_topic_name(name(&at.topic)).with_partition_index(at.partition);
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(names.iter().map(|topic| TopicRequest::default().with_name(name(topic))).collect())
            .with_response_partition_limit(PARTITIONS_PER_PAGE)
            .with_cursor(cursor.map(at));
        self.call(Api::DescribeTopicPartitions, &request, decode, within).await
    }
}

pub(super) fn decode(reader: &mut Reader, _version: i16) -> Result<Decoded<Page>, Malformed> {
    let throttle_ms = reader.i32()?;
    let topics = reader.array(26, topic)?;
    // A nullable structure opens with -1 for null, 1 otherwise.
    let next = if reader.i8()? < 0 {
        None
    } else {
        let next = TopicPartition { topic: reader.string()?, partition: reader.i32()? };
        reader.tags()?;
        Some(next)
    };
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, Page { topics, next }))
}

fn topic(reader: &mut Reader) -> Result<TopicEligibility, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let name = reader.string()?;
    let id = reader.uuid()?;
    let internal = reader.bool()?;
    let partitions = reader.array(20, partition)?;
    let _authorized_operations = reader.i32()?;
    reader.tags()?;
    Ok(TopicEligibility { name, id, internal, error, partitions })
}

fn partition(reader: &mut Reader) -> Result<PartitionEligibility, Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let index = reader.i32()?;
    let leader = reader.node_id_or_none()?;
    let leader_epoch = reader.node_id_or_none()?;
    let replicas = reader.node_ids()?;
    let isr = reader.node_ids()?;
    let elr = reader.nullable_node_ids()?;
    let last_known_elr = reader.nullable_node_ids()?;
    let offline = reader.node_ids()?;
    reader.tags()?;
    Ok(PartitionEligibility { index, error, leader, leader_epoch, replicas, isr, elr, last_known_elr, offline })
}
