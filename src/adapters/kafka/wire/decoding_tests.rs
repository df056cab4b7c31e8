//! Our decoders against the codec crate's encoders, against mutations of valid answers, and against noise.
//!
//! An allocation that follows a hostile length aborts the process, so these tests fail by not finishing.

use bytes::Bytes;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::connection::{Decoded, Decoder, read_answer};
use super::reader::Malformed;
use super::samples::{Sample, nodes_allowing, samples};
use super::{
    Api, Operation, admin, batches, cluster, fences, fetch, log_dirs, moves, offsets, produce, quorum, topics,
    topology, versions,
};

/// Reads any answer, and gives what it says as text.
fn read(api: Api, version: i16, bytes: Bytes) -> Result<String, Malformed> {
    fn shown<T: std::fmt::Debug>(
        api: Api,
        version: i16,
        bytes: Bytes,
        decode: Decoder<T>,
    ) -> Result<String, Malformed> {
        let Decoded { throttle_ms, error, message, body } = read_answer(api, version, bytes, decode)?;
        Ok(format!("{body:?} throttle={throttle_ms} error={error:?} message={message:?}"))
    }
    match api {
        Api::ApiVersions => shown(api, version, bytes, versions::read),
        Api::Metadata => shown(api, version, bytes, topology::decode),
        Api::DescribeTopicPartitions => shown(api, version, bytes, topics::decode),
        Api::DescribeCluster => shown(api, version, bytes, cluster::decode),
        Api::DescribeQuorum => shown(api, version, bytes, quorum::decode),
        Api::ListOffsets => shown(api, version, bytes, offsets::decode),
        Api::DescribeLogDirs => shown(api, version, bytes, log_dirs::decode),
        Api::ListPartitionReassignments => shown(api, version, bytes, moves::decode_reassignments),
        Api::DescribeConfigs => shown(api, version, bytes, admin::decode_settings),
        Api::Fetch => shown(api, version, bytes, fetch::decode_fetch),
        Api::FetchSnapshot => shown(api, version, bytes, fetch::decode_snapshot),
        Api::Produce => shown(api, version, bytes, produce::decode),
        Api::CreateTopics => shown(api, version, bytes, admin::decode_create),
        Api::DeleteTopics => shown(api, version, bytes, admin::decode_delete),
        Api::ElectLeaders => shown(api, version, bytes, moves::decode_elect),
        Api::AlterPartitionReassignments => shown(api, version, bytes, moves::decode_reassign),
        Api::IncrementalAlterConfigs => shown(api, version, bytes, admin::decode_altered),
        Api::UnregisterBroker => shown(api, version, bytes, fences::decode_unregister),
        Api::BrokerHeartbeat => shown(api, version, bytes, fences::decode_fence),
    }
}

#[test]
fn every_answer_says_what_the_codec_crate_wrote() {
    check_samples(expect![[r#"
        ApiVersions v0: Features { offered: {3: (0, 13)}, finalized: {} } throttle=0 error=None message=None
        ApiVersions v3: Features { offered: {3: (0, 13)}, finalized: {"eligible.leader.replicas.version": 1} } throttle=0 error=None message=None
        Metadata v12: Topology { cluster_id: Some("c"), brokers: [BrokerNode { id: 1, endpoint: Endpoint { host: "h", port: 9092 }, rack: Some("a") }, BrokerNode { id: 2, endpoint: Endpoint { host: "h", port: 9092 }, rack: None }], topics: [TopicView { name: "orders", id: 00000000-0000-0000-0000-000000000009, internal: false, error: None, partitions: [PartitionView { index: 0, error: None, leader: Some(1), leader_epoch: Some(7), replicas: [1, 2], isr: [2], offline: [1] }, PartitionView { index: 1, error: Some(LeaderNotAvailable), leader: None, leader_epoch: Some(7), replicas: [1, 2], isr: [2], offline: [1] }] }] } throttle=3 error=None message=None
        DescribeTopicPartitions v0: Page { topics: [TopicEligibility { name: "t", id: 00000000-0000-0000-0000-000000000002, internal: false, error: None, partitions: [PartitionEligibility { index: 3, error: None, leader: None, leader_epoch: Some(4), replicas: [1, 2, 3], isr: [], elr: [2], last_known_elr: [], offline: [1] }] }], next: Some(TopicPartition { topic: "t", partition: 4 }) } throttle=0 error=None message=None
        DescribeCluster v1: ClusterView { cluster_id: "c", controller: None, nodes: [RegisteredBroker { id: 5, endpoint: Endpoint { host: "h", port: 1 }, rack: None, fenced: false }], includes_fenced: false } throttle=0 error=None message=None
        DescribeCluster v2: ClusterView { cluster_id: "c", controller: None, nodes: [RegisteredBroker { id: 5, endpoint: Endpoint { host: "h", port: 1 }, rack: None, fenced: true }], includes_fenced: true } throttle=0 error=None message=None
        DescribeQuorum v1: Quorum { leader: Some(101), leader_epoch: 2, high_watermark: Some(40), voters: [QuorumReplica { id: 101, log_end_offset: Some(41), last_fetch_ms: Some(11), last_caught_up_ms: None }], observers: [QuorumReplica { id: 1, log_end_offset: None, last_fetch_ms: Some(11), last_caught_up_ms: None }], nodes: [] } throttle=0 error=None message=None
        DescribeQuorum v2: Quorum { leader: Some(101), leader_epoch: 2, high_watermark: Some(40), voters: [QuorumReplica { id: 101, log_end_offset: Some(41), last_fetch_ms: Some(11), last_caught_up_ms: None }], observers: [QuorumReplica { id: 1, log_end_offset: None, last_fetch_ms: Some(11), last_caught_up_ms: None }], nodes: [QuorumNode { id: 101, listeners: [("CONTROLLER", Endpoint { host: "h", port: 9093 })] }] } throttle=0 error=None message=Some("")
        ListOffsets v7: [EndOffset { partition: TopicPartition { topic: "t", partition: 0 }, end_offset: Ok(77), leader_epoch: Some(5) }, EndOffset { partition: TopicPartition { topic: "t", partition: 1 }, end_offset: Err(KafkaStorageError), leader_epoch: None }] throttle=0 error=None message=None
        DescribeLogDirs v4: [LogDir { path: "/d", error: None, total_bytes: None, usable_bytes: Some(10), cordoned: false, replicas: [HostedReplica { partition: TopicPartition { topic: "t", partition: 0 }, size_bytes: 1024, future: true }] }] throttle=0 error=None message=None
        DescribeLogDirs v5: [LogDir { path: "/d", error: None, total_bytes: None, usable_bytes: Some(10), cordoned: true, replicas: [HostedReplica { partition: TopicPartition { topic: "t", partition: 0 }, size_bytes: 1024, future: true }] }] throttle=0 error=None message=None
        ListPartitionReassignments v0: [Reassigning { partition: TopicPartition { topic: "t", partition: 0 }, replicas: [1, 2, 3], adding: [3], removing: [1] }] throttle=0 error=None message=Some("")
        DescribeConfigs v4: Settings { found: [Setting { of: Topic("t"), name: "min.insync.replicas", value: Some("2") }], refused: [(Broker(3), ClusterAuthorizationFailed)] } throttle=0 error=None message=None
        Fetch v13: Fetched { error: None, high_watermark: Some(8), log_start: None, leader: Some((1, 4)), diverging: Some(EpochEnd { epoch: 3, end_offset: 5 }), snapshot: Some(SnapshotId { end_offset: 6, epoch: 2 }), records: b"abc" } throttle=0 error=None message=None
        FetchSnapshot v0: SnapshotChunk { size_bytes: 9, position: 4, records: b"part" } throttle=0 error=None message=None
        Produce v9: [Appended { partition: TopicPartition { topic: "t", partition: 0 }, offset: Ok(12) }, Appended { partition: TopicPartition { topic: "t", partition: 1 }, offset: Err(NotEnoughReplicas) }] throttle=0 error=None message=None
        CreateTopics v7: [TopicOutcome { name: Some("t"), id: 00000000-0000-0000-0000-000000000003, error: None, message: Some("") }] throttle=0 error=None message=None
        DeleteTopics v6: [TopicOutcome { name: Some("t"), id: 00000000-0000-0000-0000-000000000003, error: None, message: None }] throttle=0 error=None message=None
        ElectLeaders v2: [PartitionOutcome { partition: TopicPartition { topic: "t", partition: 0 }, error: Some(ElectionNotNeeded), message: Some("not needed") }] throttle=0 error=None message=None
        AlterPartitionReassignments v0: [PartitionOutcome { partition: TopicPartition { topic: "t", partition: 2 }, error: None, message: None }] throttle=0 error=None message=Some("")
        AlterPartitionReassignments v1: [PartitionOutcome { partition: TopicPartition { topic: "t", partition: 2 }, error: None, message: None }] throttle=0 error=None message=Some("")
        IncrementalAlterConfigs v1: [Altered { of: Topic("t"), error: None, message: Some("") }, Altered { of: Broker(3), error: Some(InvalidRequest), message: Some("no") }] throttle=0 error=None message=None
        UnregisterBroker v0: () throttle=0 error=Some(BrokerIdNotRegistered) message=Some("")
        BrokerHeartbeat v0: Fenced { caught_up: false, fenced: true, should_shut_down: false } throttle=0 error=None message=None
    "#]]);
}

fn check_samples(expected: Expect) {
    let mut shown = String::new();
    for Sample { api, version, bytes } in samples() {
        let body = read(api, version, bytes).unwrap_or_else(|error| format!("MALFORMED {error}"));
        shown.push_str(&format!("{api} v{version}: {body}\n"));
    }
    expected.assert_eq(&shown);
}

#[test]
fn what_the_asker_may_do_is_read_from_kafkas_bits() {
    let told = |bits: i32| {
        let bytes = nodes_allowing(bits);
        read_answer(Api::DescribeCluster, 2, bytes, cluster::decode_allowed).unwrap().body
    };
    // What Kafka 4.3 says of a superuser: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, both kinds of CONFIGS, IDEMPOTENT_WRITE.
    let all = told(0b1_1111_1010_0000);
    let describe_only = told(1 << 8);
    for operation in [Operation::Alter, Operation::Describe, Operation::ClusterAction] {
        assert!(all.may(operation));
        assert_eq!(describe_only.may(operation), operation == Operation::Describe);
        // What a broker says where it was not asked, and where whoever asks may not describe the cluster.
        assert!(!told(i32::MIN).may(operation) && !told(0).may(operation));
    }
}

#[test]
fn every_version_we_speak_has_a_sample() {
    let samples = samples();
    for api in Api::ALL {
        let versions = api.versions();
        for version in [versions.min, versions.max] {
            assert!(samples.iter().any(|s| s.api == api && s.version == version), "{api} v{version}");
        }
    }
}

#[test]
fn a_cut_answer_is_malformed_wherever_it_is_cut() {
    for Sample { api, version, bytes } in samples() {
        for end in 0..bytes.len() {
            assert!(read(api, version, bytes.slice(..end)).is_err(), "{api} v{version} cut at {end} was believed");
        }
    }
}

#[test]
fn no_claimed_length_makes_us_allocate_it() {
    // The largest compact length, the largest plain one, and one that fits 32 bits but no memory.
    let claims: [&[u8]; 3] =
        [&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x7f, 0xff, 0xff, 0xff], &[0x80, 0x80, 0x80, 0x80, 0x08]];
    for Sample { api, version, bytes } in samples() {
        for at in 0..=bytes.len() {
            for claim in claims {
                let inserted = [&bytes[..at], claim, &bytes[at..]].concat();
                let replaced = [&bytes[..at], claim, bytes.get(at + 1..).unwrap_or_default()].concat();
                // Any verdict will do; what counts is that there is one.
                let _ = read(api, version, inserted.into());
                let _ = read(api, version, replaced.into());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        for Sample { api, version, .. } in samples() {
            let _ = read(api, version, noise.clone().into());
        }
        let _ = batches(noise.into());
    }

    #[test]
    fn mutated_answers_never_panic(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let samples = samples();
        let Sample { api, version, bytes } = which.get(&samples);
        let mut bytes = bytes.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(*api, *version, bytes.into());
    }

    #[test]
    fn mutated_batches_are_refused_or_whole(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let whole = produce::batch(&Bytes::from_static(b"a value"), 17).unwrap();
        let mut bytes = whole.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let read = batches(bytes.into());
        // Behind the checksum's own field every change must show.
        if 17 <= at && byte != whole[at] {
            prop_assert!(read.is_err());
        }
    }
}

#[test]
fn a_batch_reads_back_what_was_written_and_a_cut_one_is_left_away() {
    let whole = produce::batch(&Bytes::from_static(b"a value"), 17).unwrap();
    let two = [whole.as_ref(), whole.as_ref()].concat();
    let read = batches(two.clone().into()).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].base_offset, read[0].next_offset, read[0].control), (0, 1, false));
    assert_eq!(read[0].records[0].value.as_deref(), Some(b"a value".as_slice()));
    for cut in 1..whole.len() {
        assert_eq!(batches(two[..two.len() - cut].to_vec().into()).unwrap().len(), 1, "cut by {cut}");
    }
}
