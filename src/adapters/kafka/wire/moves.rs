//! Replica orders and elections: `AlterPartitionReassignments`, `ListPartitionReassignments`, `ElectLeaders`.
//!
//! None of them is a compare-and-set: the caller reads before and verifies after. `None` as an outcome's error says that
//! a record was written, not that the wished-for leader leads.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ListPartitionReassignmentsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, PartitionOutcome, TopicPartition, WireError};

/// A replica list to give to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The partition.
    pub partition: TopicPartition,
    /// The replicas, most preferred first; `None` cancels the reassignment under way.
    pub replicas: Option<Vec<i32>>,
}

/// What may become of the number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaCount {
    /// It must stay: refused by Kafka 4.1 and later where it would change. Earlier versions do not check.
    Kept,
    /// It may change, as an eviction does.
    Free,
}

/// Which election to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica of the list, if it is in sync.
    Preferred,
    /// For leaderless partitions: may lose acknowledged records.
    Unclean,
}

/// A reassignment under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassigning {
    /// The partition.
    pub partition: TopicPartition,
    /// All replicas now, those added and removed included.
    pub replicas: Vec<i32>,
    /// Those being added.
    pub adding: Vec<i32>,
    /// Those being removed.
    pub removing: Vec<i32>,
}

impl Connection {
    /// Gives partitions new replica lists.
    ///
    /// Errors: as every call; a partition's own error stands in its outcome.
    pub async fn reassign(
        &self,
        orders: &[Order],
        count: ReplicaCount,
        within: Duration,
    ) -> Result<Answer<Vec<PartitionOutcome>>, WireError> {
        let mut by_topic: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for order in orders {
            let replicas = order.replicas.as_ref().map(|ids| ids.iter().copied().map(BrokerId).collect());
            by_topic.entry(&order.partition.topic).or_default().push(
                ReassignablePartition::default()
                    .with_partition_index(order.partition.partition)
                    .with_replicas(replicas),
            );
        }
        let topics = by_topic.into_iter().map(|(topic, partitions)| {
            ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
        });
        let guarded = 1 <= self.version(Api::AlterPartitionReassignments)?;
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(millis(within))
            .with_allow_replication_factor_change(!(guarded && count == ReplicaCount::Kept))
            .with_topics(topics.collect());
        self.call(Api::AlterPartitionReassignments, &request, decode_reassign, within).await
    }

    /// Lists every reassignment under way.
    ///
    /// Errors: as every call.
    pub async fn reassignments(&self, within: Duration) -> Result<Answer<Vec<Reassigning>>, WireError> {
        let request = ListPartitionReassignmentsRequest::default().with_timeout_ms(millis(within)).with_topics(None);
        self.call(Api::ListPartitionReassignments, &request, decode_reassignments, within).await
    }

    /// Holds elections for these partitions.
    ///
    /// Errors: as every call; a partition's own error stands in its outcome.
    pub async fn elect(
        &self,
        kind: ElectionKind,
        partitions: &[TopicPartition],
        within: Duration,
    ) -> Result<Answer<Vec<PartitionOutcome>>, WireError> {
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for TopicPartition { topic, partition } in partitions {
            by_topic.entry(topic).or_default().push(*partition);
        }
        let topics = by_topic.into_iter().map(|(topic, partitions)| {
            TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(partitions)
        });
        let kind = match kind {
            ElectionKind::Preferred => 0,
            ElectionKind::Unclean => 1,
        };
        let request = ElectLeadersRequest::default()
            .with_election_type(kind)
            .with_topic_partitions(Some(topics.collect()))
            .with_timeout_ms(millis(within));
        self.call(Api::ElectLeaders, &request, decode_elect, within).await
    }
}

/// Gives a deadline as Kafka's own timeout: the controller gives up when we do.
pub(super) fn millis(within: Duration) -> i32 {
    i32::try_from(within.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(super) fn decode_reassign(reader: &mut Reader, version: i16) -> Result<Decoded<Vec<PartitionOutcome>>, Malformed> {
    let throttle_ms = reader.i32()?;
    if 1 <= version {
        let _allow_replication_factor_change = reader.bool()?;
    }
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = reader.nullable_string()?;
    let body = outcomes(reader)?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message, body })
}

pub(super) fn decode_elect(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<PartitionOutcome>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let body = outcomes(reader)?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message: None, body })
}

/// Reads outcomes grouped by topic; both calls share the layout.
fn outcomes(reader: &mut Reader) -> Result<Vec<PartitionOutcome>, Malformed> {
    let topics = reader.array(3, |r| {
        let topic = r.string()?;
        let outcomes = r.array(8, |r| {
            let partition = TopicPartition::new(&topic, r.i32()?);
            let error = ErrorCode::from_wire(r.i16()?);
            let message = r.nullable_string()?;
            r.tags()?;
            Ok(PartitionOutcome { partition, error, message })
        })?;
        r.tags()?;
        Ok(outcomes)
    })?;
    Ok(topics.into_iter().flatten().collect())
}

pub(super) fn decode_reassignments(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<Reassigning>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = reader.nullable_string()?;
    let topics = reader.array(3, |r| {
        let topic = r.string()?;
        let partitions = r.array(8, |r| {
            let partition = TopicPartition::new(&topic, r.i32()?);
            let replicas = r.node_ids()?;
            let adding = r.node_ids()?;
            let removing = r.node_ids()?;
            r.tags()?;
            Ok(Reassigning { partition, replicas, adding, removing })
        })?;
        r.tags()?;
        Ok(partitions)
    })?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message, body: topics.into_iter().flatten().collect() })
}
