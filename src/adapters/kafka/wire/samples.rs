//! Valid answers for tests: every request in every version that we speak, written by the codec crate.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsResponse, ApiKey, ApiVersionsResponse, BrokerHeartbeatResponse, BrokerId,
    CreateTopicsResponse, DeleteTopicsResponse, DescribeClusterResponse, DescribeConfigsResponse,
    DescribeLogDirsResponse, DescribeQuorumResponse, DescribeTopicPartitionsResponse, ElectLeadersResponse,
    FetchResponse, FetchSnapshotResponse, IncrementalAlterConfigsResponse, ListOffsetsResponse,
    ListPartitionReassignmentsResponse, MetadataResponse, ProduceResponse, ProducerId, TopicName,
    UnregisterBrokerResponse,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use super::Api;

/// One valid answer of a request in a version that we speak.
pub(super) struct Sample {
    pub(super) api: Api,
    pub(super) version: i16,
    pub(super) bytes: Bytes,
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic(value: &str) -> TopicName {
    TopicName(text(value))
}

fn ids(values: &[i32]) -> Vec<BrokerId> {
    values.iter().copied().map(BrokerId).collect()
}

fn sample(api: Api, version: i16, answer: &impl Encodable) -> Sample {
    let mut bytes = BytesMut::new();
    if 1 <= ApiKey::try_from(api.key()).unwrap().response_header_version(version) {
        bytes.extend_from_slice(&[0]);
    }
    answer.encode(&mut bytes, version).unwrap();
    Sample { api, version, bytes: bytes.freeze() }
}

fn metadata() -> MetadataResponse {
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    let broker = |id: i32, rack: Option<&str>| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(text("h"))
            .with_port(9092)
            .with_rack(rack.map(text))
    };
    let partition = MetadataResponsePartition::default()
        .with_partition_index(0)
        .with_leader_id(BrokerId(1))
        .with_leader_epoch(7)
        .with_replica_nodes(ids(&[1, 2]))
        .with_isr_nodes(ids(&[2]))
        .with_offline_replicas(ids(&[1]));
    let leaderless = partition.clone().with_partition_index(1).with_leader_id(BrokerId(-1)).with_error_code(5);
    MetadataResponse::default()
        .with_throttle_time_ms(3)
        .with_brokers(vec![broker(1, Some("a")), broker(2, None)])
        .with_cluster_id(Some(text("c")))
        .with_controller_id(BrokerId(2))
        .with_topics(vec![
            MetadataResponseTopic::default()
                .with_name(Some(topic("orders")))
                .with_topic_id(Uuid::from_u128(9))
                .with_partitions(vec![partition, leaderless]),
        ])
}

fn eligible() -> DescribeTopicPartitionsResponse {
    use kafka_protocol::messages::describe_topic_partitions_response::{
        Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    };
    let partition = DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(3)
        .with_leader_id(BrokerId(-1))
        .with_leader_epoch(4)
        .with_replica_nodes(ids(&[1, 2, 3]))
        .with_eligible_leader_replicas(Some(ids(&[2])))
        .with_last_known_elr(None)
        .with_offline_replicas(ids(&[1]));
    DescribeTopicPartitionsResponse::default()
        .with_topics(vec![
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(topic("t")))
                .with_topic_id(Uuid::from_u128(2))
                .with_partitions(vec![partition]),
        ])
        .with_next_cursor(Some(Cursor::default().with_topic_name(topic("t")).with_partition_index(4)))
}

fn nodes(version: i16) -> DescribeClusterResponse {
    use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
    let node = DescribeClusterBroker::default().with_broker_id(BrokerId(5)).with_host(text("h")).with_port(1);
    DescribeClusterResponse::default()
        .with_endpoint_type(1)
        .with_cluster_id(text("c"))
        .with_controller_id(BrokerId(-1))
        .with_brokers(vec![node.with_is_fenced(2 <= version)])
}

/// An answer that says what the asker may do.
pub(super) fn nodes_allowing(bits: i32) -> Bytes {
    sample(Api::DescribeCluster, 2, &nodes(2).with_cluster_authorized_operations(bits)).bytes
}

fn quorum_of(version: i16) -> DescribeQuorumResponse {
    use kafka_protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
    let replica = |id: i32, end: i64| {
        ReplicaState::default()
            .with_replica_id(BrokerId(id))
            .with_log_end_offset(end)
            .with_last_fetch_timestamp(11)
            .with_last_caught_up_timestamp(-1)
    };
    let partition = PartitionData::default()
        .with_leader_id(BrokerId(101))
        .with_leader_epoch(2)
        .with_high_watermark(40)
        .with_current_voters(vec![replica(101, 41)])
        .with_observers(vec![replica(1, -1)])
        .with_error_message((2 <= version).then(StrBytes::new));
    let topics = vec![TopicData::default().with_topic_name(topic("m")).with_partitions(vec![partition])];
    let listener = Listener::default().with_name(text("CONTROLLER")).with_host(text("h")).with_port(9093);
    let node = Node::default().with_node_id(BrokerId(101)).with_listeners(vec![listener]);
    let answer = DescribeQuorumResponse::default().with_topics(topics);
    if version < 2 { answer } else { answer.with_nodes(vec![node]) }
}

fn ends() -> ListOffsetsResponse {
    use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
    let end = ListOffsetsPartitionResponse::default().with_offset(77).with_leader_epoch(5);
    let lost = ListOffsetsPartitionResponse::default().with_partition_index(1).with_error_code(56).with_offset(-1);
    ListOffsetsResponse::default()
        .with_topics(vec![ListOffsetsTopicResponse::default().with_name(topic("t")).with_partitions(vec![end, lost])])
}

fn dirs() -> DescribeLogDirsResponse {
    use kafka_protocol::messages::describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
    };
    let replica = DescribeLogDirsPartition::default().with_partition_size(1024).with_is_future_key(true);
    let topics = vec![DescribeLogDirsTopic::default().with_name(topic("t")).with_partitions(vec![replica])];
    DescribeLogDirsResponse::default().with_results(vec![
        DescribeLogDirsResult::default().with_log_dir(text("/d")).with_topics(topics).with_usable_bytes(10),
    ])
}

/// The codec knows versions up to 4: in 5 a byte follows the bytes that are free, before the tags of the dir and the answer.
fn cordoned() -> Sample {
    let Sample { api, bytes, .. } = sample(Api::DescribeLogDirs, 4, &dirs());
    let mut bytes = bytes.to_vec();
    bytes.insert(bytes.len() - 2, 1);
    Sample { api, version: 5, bytes: bytes.into() }
}

fn settings() -> DescribeConfigsResponse {
    use kafka_protocol::messages::describe_configs_response::{
        DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
    };
    let synonym = DescribeConfigsSynonym::default().with_name(text("s")).with_value(Some(text("1")));
    let entry = DescribeConfigsResourceResult::default()
        .with_name(text("min.insync.replicas"))
        .with_value(Some(text("2")))
        .with_synonyms(vec![synonym]);
    let found = DescribeConfigsResult::default().with_resource_type(2).with_resource_name(text("t"));
    let refused = DescribeConfigsResult::default().with_resource_type(4).with_resource_name(text("3"));
    DescribeConfigsResponse::default().with_results(vec![found.with_configs(vec![entry]), refused.with_error_code(31)])
}

fn fetched() -> FetchResponse {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData, SnapshotId,
    };
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(1)).with_first_offset(2);
    let partition = PartitionData::default()
        .with_high_watermark(8)
        .with_last_stable_offset(8)
        .with_log_start_offset(-1)
        .with_diverging_epoch(EpochEndOffset::default().with_epoch(3).with_end_offset(5))
        .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(BrokerId(1)).with_leader_epoch(4))
        .with_snapshot_id(SnapshotId::default().with_end_offset(6).with_epoch(2))
        .with_aborted_transactions(Some(vec![aborted]))
        .with_records(Some(Bytes::from_static(b"abc")));
    FetchResponse::default().with_responses(vec![
        FetchableTopicResponse::default().with_topic_id(Uuid::from_u128(1)).with_partitions(vec![partition]),
    ])
}

fn snapshot() -> FetchSnapshotResponse {
    use kafka_protocol::messages::fetch_snapshot_response::{PartitionSnapshot, SnapshotId, TopicSnapshot};
    let part = PartitionSnapshot::default()
        .with_snapshot_id(SnapshotId::default().with_end_offset(6).with_epoch(2))
        .with_size(9)
        .with_position(4)
        .with_unaligned_records(Bytes::from_static(b"part"));
    FetchSnapshotResponse::default()
        .with_topics(vec![TopicSnapshot::default().with_name(topic("m")).with_partitions(vec![part])])
}

fn appended() -> ProduceResponse {
    use kafka_protocol::messages::produce_response::{
        BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
    };
    let yes = PartitionProduceResponse::default().with_base_offset(12);
    let wrong = BatchIndexAndErrorMessage::default().with_batch_index_error_message(Some(text("bad")));
    let no = PartitionProduceResponse::default().with_index(1).with_error_code(19).with_record_errors(vec![wrong]);
    ProduceResponse::default().with_responses(vec![
        TopicProduceResponse::default().with_name(topic("t")).with_partition_responses(vec![yes, no]),
    ])
}

fn created() -> CreateTopicsResponse {
    use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
    let config = CreatableTopicConfigs::default().with_name(text("n")).with_value(Some(text("v")));
    CreateTopicsResponse::default().with_topics(vec![
        CreatableTopicResult::default()
            .with_name(topic("t"))
            .with_topic_id(Uuid::from_u128(3))
            .with_configs(Some(vec![config])),
    ])
}

fn altered() -> IncrementalAlterConfigsResponse {
    use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
    let done = AlterConfigsResourceResponse::default().with_resource_type(2).with_resource_name(text("t"));
    let refused = AlterConfigsResourceResponse::default()
        .with_resource_type(4)
        .with_resource_name(text("3"))
        .with_error_code(42)
        .with_error_message(Some(text("no")));
    IncrementalAlterConfigsResponse::default().with_responses(vec![done, refused])
}

fn deleted() -> DeleteTopicsResponse {
    use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
    let gone = DeletableTopicResult::default().with_name(Some(topic("t"))).with_topic_id(Uuid::from_u128(3));
    DeleteTopicsResponse::default().with_responses(vec![gone])
}

fn elected() -> ElectLeadersResponse {
    use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
    let no = PartitionResult::default().with_error_code(84).with_error_message(Some(text("not needed")));
    ElectLeadersResponse::default().with_replica_election_results(vec![
        ReplicaElectionResult::default().with_topic(topic("t")).with_partition_result(vec![no]),
    ])
}

fn reassigned() -> AlterPartitionReassignmentsResponse {
    use kafka_protocol::messages::alter_partition_reassignments_response::{
        ReassignablePartitionResponse, ReassignableTopicResponse,
    };
    let yes = ReassignablePartitionResponse::default().with_partition_index(2).with_error_message(None);
    AlterPartitionReassignmentsResponse::default()
        .with_responses(vec![ReassignableTopicResponse::default().with_name(topic("t")).with_partitions(vec![yes])])
}

fn reassigning() -> ListPartitionReassignmentsResponse {
    use kafka_protocol::messages::list_partition_reassignments_response::{
        OngoingPartitionReassignment, OngoingTopicReassignment,
    };
    let one = OngoingPartitionReassignment::default()
        .with_replicas(ids(&[1, 2, 3]))
        .with_adding_replicas(ids(&[3]))
        .with_removing_replicas(ids(&[1]));
    ListPartitionReassignmentsResponse::default()
        .with_topics(vec![OngoingTopicReassignment::default().with_name(topic("t")).with_partitions(vec![one])])
}

fn offered() -> ApiVersionsResponse {
    use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
    let range = ApiVersion::default().with_api_key(3).with_min_version(0).with_max_version(13);
    let feature = FinalizedFeatureKey::default()
        .with_name(text("eligible.leader.replicas.version"))
        .with_max_version_level(1)
        .with_min_version_level(1);
    ApiVersionsResponse::default()
        .with_api_keys(vec![range])
        .with_finalized_features_epoch(4)
        .with_finalized_features(vec![feature])
}

/// Every answer in every version that we speak.
pub(super) fn samples() -> Vec<Sample> {
    let bare = ApiVersionsResponse::default().with_api_keys(offered().api_keys);
    let fenced = BrokerHeartbeatResponse::default().with_is_fenced(true);
    let kept = reassigned();
    vec![
        sample(Api::ApiVersions, 0, &bare),
        sample(Api::ApiVersions, 3, &offered()),
        sample(Api::Metadata, 12, &metadata()),
        sample(Api::DescribeTopicPartitions, 0, &eligible()),
        sample(Api::DescribeCluster, 1, &nodes(1)),
        sample(Api::DescribeCluster, 2, &nodes(2)),
        sample(Api::DescribeQuorum, 1, &quorum_of(1)),
        sample(Api::DescribeQuorum, 2, &quorum_of(2)),
        sample(Api::ListOffsets, 7, &ends()),
        sample(Api::DescribeLogDirs, 4, &dirs()),
        cordoned(),
        sample(Api::ListPartitionReassignments, 0, &reassigning()),
        sample(Api::DescribeConfigs, 4, &settings()),
        sample(Api::Fetch, 13, &fetched()),
        sample(Api::FetchSnapshot, 0, &snapshot()),
        sample(Api::Produce, 9, &appended()),
        sample(Api::CreateTopics, 7, &created()),
        sample(Api::DeleteTopics, 6, &deleted()),
        sample(Api::ElectLeaders, 2, &elected()),
        sample(Api::AlterPartitionReassignments, 0, &kept),
        sample(Api::AlterPartitionReassignments, 1, &reassigned().with_allow_replication_factor_change(false)),
        sample(Api::IncrementalAlterConfigs, 1, &altered()),
        sample(Api::UnregisterBroker, 0, &UnregisterBrokerResponse::default().with_error_code(102)),
        sample(Api::BrokerHeartbeat, 0, &fenced),
    ]
}
