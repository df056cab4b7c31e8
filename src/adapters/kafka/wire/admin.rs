//! Topics and settings: `CreateTopics`, `DeleteTopics`, `DescribeConfigs`.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::Decoded;
use super::moves::{millis, topic_name};
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, WireError};

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The replicas of each partition from 0 on, leader first.
    pub replicas: Vec<Vec<i32>>,
    /// Settings other than the cluster's.
    pub settings: Vec<(String, String)>,
}

/// What became of a topic that was created or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOutcome {
    /// Its name, if the broker knows it.
    pub name: Option<String>,
    /// Its id; nil where there is none.
    pub id: Uuid,
    /// Why not, when not.
    pub error: Option<ErrorCode>,
    /// The broker's own words.
    pub message: Option<String>,
}

/// Whose settings to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configured {
    /// A topic's, defaults included.
    Topic(String),
    /// One broker's; ask that broker itself.
    Broker(i32),
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Whose.
    pub of: Configured,
    /// Kafka's name for it.
    pub name: String,
    /// Its value, or why it cannot be told; a secret has none.
    pub value: Option<String>,
}

/// Settings found, and resources whose settings cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What was found.
    pub found: Vec<Setting>,
    /// Whose settings could not be read, and why.
    pub refused: Vec<(Configured, ErrorCode)>,
}

/// Kafka's numbers for the kinds of resource.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

impl Connection {
    /// Creates topics.
    ///
    /// Errors: as every call; a topic's own error stands in its outcome.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        within: Duration,
    ) -> Result<Answer<Vec<TopicOutcome>>, WireError> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(millis(within));
        self.call(Api::CreateTopics, &request, decode_create, within).await
    }

    /// Deletes topics by name.
    ///
    /// Errors: as every call; a topic's own error stands in its outcome.
    pub async fn delete_topics(
        &self,
        names: &[String],
        within: Duration,
    ) -> Result<Answer<Vec<TopicOutcome>>, WireError> {
        let topics = names.iter().map(|name| DeleteTopicState::default().with_name(Some(topic_name(name))));
        let request = DeleteTopicsRequest::default().with_topics(topics.collect()).with_timeout_ms(millis(within));
        self.call(Api::DeleteTopics, &request, decode_delete, within).await
    }

    /// Reads the named settings of topics and brokers.
    ///
    /// Errors: as every call; what one resource refuses stands beside what the others gave.
    pub async fn settings(
        &self,
        of: &[Configured],
        names: &[&str],
        within: Duration,
    ) -> Result<Answer<Settings>, WireError> {
        let keys: Vec<StrBytes> = names.iter().map(|name| StrBytes::from_string((*name).to_owned())).collect();
        let resources = of.iter().map(|resource| {
            let (kind, name) = match resource {
                Configured::Topic(name) => (TOPIC, name.clone()),
                Configured::Broker(id) => (BROKER, id.to_string()),
            };
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_string(name))
                .with_configuration_keys(Some(keys.clone()))
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        self.call(Api::DescribeConfigs, &request, decode_settings, within).await
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let assignments = (0_i32..).zip(&topic.replicas).map(|(index, replicas)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(replicas.iter().copied().map(BrokerId).collect())
    });
    let configs = topic.settings.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    // With a manual assignment both counts must be -1.
    CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments.collect())
        .with_configs(configs.collect())
}

pub(super) fn decode_create(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<TopicOutcome>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let outcomes = reader.array(28, |r| {
        let name = Some(r.string()?);
        let id = r.uuid()?;
        let error = ErrorCode::from_wire(r.i16()?);
        let message = r.nullable_string()?;
        let _partitions = r.i32()?;
        let _replication_factor = r.i16()?;
        r.nullable_array(6, |r| {
            let _name = r.string()?;
            let _value = r.nullable_string()?;
            let (_read_only, _source, _sensitive) = (r.bool()?, r.i8()?, r.bool()?);
            r.tags()
        })?;
        r.tags()?;
        Ok(TopicOutcome { name, id, error, message })
    })?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, outcomes))
}

pub(super) fn decode_delete(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<TopicOutcome>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let outcomes = reader.array(21, |r| {
        let name = r.nullable_string()?;
        let id = r.uuid()?;
        let error = ErrorCode::from_wire(r.i16()?);
        let message = r.nullable_string()?;
        r.tags()?;
        Ok(TopicOutcome { name, id, error, message })
    })?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, outcomes))
}

pub(super) fn decode_settings(reader: &mut Reader, _version: i16) -> Result<Decoded<Settings>, Malformed> {
    let throttle_ms = reader.i32()?;
    let mut settings = Settings::default();
    reader.array(7, |r| resource(r, &mut settings))?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, settings))
}

fn resource(reader: &mut Reader, settings: &mut Settings) -> Result<(), Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let _message = reader.nullable_string()?;
    let kind = reader.i8()?;
    let name = reader.string()?;
    let of = match kind {
        TOPIC => Configured::Topic(name),
        BROKER => Configured::Broker(name.parse().map_err(|_not| reader.malformed("a broker's id is not a number"))?),
        _ => return Err(reader.malformed("settings of a resource that was not asked for")),
    };
    let entries = reader.array(9, entry)?;
    reader.tags()?;
    if let Some(error) = error {
        settings.refused.push((of, error));
    } else {
        settings.found.extend(entries.into_iter().map(|(name, value)| Setting { of: of.clone(), name, value }));
    }
    Ok(())
}

fn entry(reader: &mut Reader) -> Result<(String, Option<String>), Malformed> {
    let name = reader.string()?;
    let value = reader.nullable_string()?;
    let (_read_only, _source, _sensitive) = (reader.bool()?, reader.i8()?, reader.bool()?);
    reader.array(4, |r| {
        let _name = r.string()?;
        let _value = r.nullable_string()?;
        let _source = r.i8()?;
        r.tags()
    })?;
    let _type = reader.i8()?;
    let _documentation = reader.nullable_string()?;
    reader.tags()?;
    Ok((name, value))
}
