//! Topics and settings: `CreateTopics`, `DeleteTopics`, `DescribeConfigs`, `IncrementalAlterConfigs`.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};
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

/// What became of the settings of a topic or broker that were to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    /// Whose.
    pub of: Configured,
    /// Why not, when not.
    pub error: Option<ErrorCode>,
    /// The peer's own words.
    pub message: Option<String>,
}

/// Kafka's numbers for the kinds of resource.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Kafka's numbers for what is done to a setting.
const SET: i8 = 0;
const DELETE: i8 = 1;

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
            let (kind, name) = resource.named();
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_string(name))
                .with_configuration_keys(Some(keys.clone()))
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        self.call(Api::DescribeConfigs, &request, decode_settings, within).await
    }

    /// Changes settings of one topic or broker, and leaves the others as they are; none takes the default again.
    ///
    /// Contract: a broker takes only what is about itself ("Unexpected broker id" otherwise); controllers take everything.
    /// Errors: as every call; why the resource refused stands in the outcome.
    pub async fn alter(
        &self,
        of: &Configured,
        settings: &[(&str, Option<&str>)],
        within: Duration,
    ) -> Result<Answer<Vec<Altered>>, WireError> {
        let (kind, name) = of.named();
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let configs = settings.iter().map(|(name, value)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(if value.is_some() { SET } else { DELETE })
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(&name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        self.call(Api::IncrementalAlterConfigs, &request, decode_altered, within).await
    }
}

impl Configured {
    fn named(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (TOPIC, name.clone()),
            Self::Broker(id) => (BROKER, id.to_string()),
        }
    }

    fn read(reader: &Reader, kind: i8, name: String) -> Result<Self, Malformed> {
        match kind {
            TOPIC => Ok(Self::Topic(name)),
            BROKER => name.parse().map(Self::Broker).map_err(|_not| reader.malformed("a broker's id is not a number")),
            _ => Err(reader.malformed("settings of a resource that was not asked for")),
        }
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

pub(super) fn decode_altered(reader: &mut Reader, _version: i16) -> Result<Decoded<Vec<Altered>>, Malformed> {
    let throttle_ms = reader.i32()?;
    let outcomes = reader.array(6, |r| {
        let error = ErrorCode::from_wire(r.i16()?);
        let message = r.nullable_string()?;
        let (kind, name) = (r.i8()?, r.string()?);
        r.tags()?;
        Ok(Altered { of: Configured::read(r, kind, name)?, error, message })
    })?;
    reader.tags()?;
    Ok(Decoded::of(throttle_ms, outcomes))
}

fn resource(reader: &mut Reader, settings: &mut Settings) -> Result<(), Malformed> {
    let error = ErrorCode::from_wire(reader.i16()?);
    let _message = reader.nullable_string()?;
    let kind = reader.i8()?;
    let name = reader.string()?;
    let of = Configured::read(reader, kind, name)?;
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
