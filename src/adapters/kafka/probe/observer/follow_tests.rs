//! The observer against a controller of the test's own: commits, snapshots, another cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData, SnapshotId};
use kafka_protocol::messages::{
    BrokerId as WireBroker, DescribeQuorumResponse, FetchRequest, FetchResponse, FetchSnapshotResponse,
    describe_quorum_response, fetch_snapshot_response,
};
use kafka_protocol::protocol::{Decodable, Encodable, decode_request_header_from_buffer};
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::observe;
use super::tests::{TOPIC, change, partition, topic};
use crate::adapters::kafka::probe::{ProbeOptions, shared::Shared};
use crate::adapters::kafka::wire::fake_broker::{FakeBroker, Peer, all_versions};
use crate::adapters::kafka::wire::{Api, METADATA_TOPIC_ID};
use crate::model::ids::{BrokerId, ClusterId, Listener, PartitionId};
use crate::model::observation::{Blindness, Fact, Observation};

const SOON: Duration = Duration::from_secs(10);
const EPOCH: i32 = 3;

/// What the controller answers, fetch by fetch; the last answer is repeated.
#[derive(Clone, Default)]
struct Script {
    fetches: Vec<PartitionData>,
    /// The parts of its snapshot.
    snapshot: Vec<Bytes>,
}

/// What the controller was asked.
#[derive(Default)]
struct Asked {
    fetches: AtomicUsize,
    offsets: Mutex<Vec<(i64, i32)>>,
}

struct Watch {
    told: mpsc::Receiver<Observation>,
    asked: Arc<Asked>,
    observer: JoinHandle<()>,
    _controller: FakeBroker,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.abort();
    }
}

impl Watch {
    async fn start(script: Script) -> Self {
        let asked = Arc::new(Asked::default());
        let (script, counted) = (Arc::new(script), Arc::clone(&asked));
        let controller = FakeBroker::start(move |peer| serve(peer, Arc::clone(&script), Arc::clone(&counted))).await;
        let mut options = ProbeOptions::new(Vec::new(), Listener("CLIENT".to_owned()));
        options.controllers = vec![controller.endpoint.clone()];
        options.cluster = Some(ClusterId("c".to_owned()));
        let (out, told) = mpsc::channel(64);
        let observer = tokio::spawn(observe(Arc::new(Shared::new(options, out))));
        Self { told, asked, observer, _controller: controller }
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(&Fact) -> Option<T>) -> T {
        loop {
            let seen = tokio::time::timeout(SOON, self.told.recv()).await.expect("the observer tells").unwrap();
            if let Some(found) = wanted(&seen.fact) {
                return found;
            }
        }
    }
}

async fn serve(mut peer: Peer, script: Arc<Script>, asked: Arc<Asked>) {
    while let Some(seen) = peer.request().await {
        let mut body = BytesMut::from([0_u8].as_slice());
        if seen.key == Api::ApiVersions.key() {
            peer.answer(seen.correlation, &all_versions()).await;
            continue;
        } else if seen.key == Api::DescribeQuorum.key() {
            quorum().encode(&mut body, seen.version).unwrap();
        } else if seen.key == Api::Fetch.key() {
            let mut bytes = seen.bytes.clone();
            decode_request_header_from_buffer(&mut bytes).unwrap();
            let request = FetchRequest::decode(&mut bytes, seen.version).unwrap();
            let from = &request.topics[0].partitions[0];
            asked.offsets.lock().unwrap().push((from.fetch_offset, from.last_fetched_epoch));
            let turn = asked.fetches.fetch_add(1, Ordering::SeqCst);
            let answer = script.fetches[turn.min(script.fetches.len() - 1)].clone();
            fetched(answer).encode(&mut body, seen.version).unwrap();
        } else {
            assert_eq!(seen.key, Api::FetchSnapshot.key());
            let sent = asked.offsets.lock().unwrap().iter().filter(|(offset, _)| *offset < 0).count();
            asked.offsets.lock().unwrap().push((-1, 0));
            chunk(&script.snapshot, sent).encode(&mut body, seen.version).unwrap();
        }
        peer.answer(seen.correlation, &body).await;
    }
}

fn quorum() -> DescribeQuorumResponse {
    use describe_quorum_response::{PartitionData, TopicData};
    let leader = PartitionData::default().with_leader_id(WireBroker(101)).with_leader_epoch(EPOCH);
    DescribeQuorumResponse::default().with_topics(vec![TopicData::default().with_partitions(vec![leader])])
}

fn fetched(partition: PartitionData) -> FetchResponse {
    let topic = FetchableTopicResponse::default().with_topic_id(METADATA_TOPIC_ID).with_partitions(vec![partition]);
    FetchResponse::default().with_responses(vec![topic])
}

fn chunk(parts: &[Bytes], sent: usize) -> FetchSnapshotResponse {
    use fetch_snapshot_response::{PartitionSnapshot, TopicSnapshot};
    let length = |parts: &[Bytes]| i64::try_from(parts.iter().map(Bytes::len).sum::<usize>()).unwrap();
    let part = PartitionSnapshot::default()
        .with_size(length(parts))
        .with_position(length(&parts[..sent]))
        .with_unaligned_records(parts[sent].clone());
    FetchSnapshotResponse::default().with_topics(vec![TopicSnapshot::default().with_partitions(vec![part])])
}

/// What the leader has from some offset on, and how far it is committed.
fn log(base_offset: i64, values: &[Bytes], high_watermark: i64) -> PartitionData {
    let records = if values.is_empty() { Bytes::new() } else { batch(base_offset, values) };
    PartitionData::default()
        .with_high_watermark(high_watermark)
        .with_log_start_offset(0)
        .with_aborted_transactions(None)
        .with_records(Some(records))
}

fn batch(base_offset: i64, values: &[Bytes]) -> Bytes {
    let record = |(offset, value): (i64, &Bytes)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: NO_SEQUENCE,
        timestamp: 1,
        key: None,
        value: Some(value.clone()),
        headers: IndexMap::new(),
    };
    let records: Vec<Record> = (base_offset..).zip(values).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}

fn led_by(fact: &Fact, leader: i32) -> Option<()> {
    let Fact::Topology(reading) = fact else { return None };
    let partition = reading.topology.partitions.get(&PartitionId { topic: TOPIC, number: 0 })?;
    (partition.leader == Some(BrokerId(leader))).then_some(())
}

#[tokio::test]
async fn nothing_is_believed_before_it_is_committed() {
    let made = [topic("t"), partition(&[1, 2], 1)];
    let moved = [change(&[], Some(2))];
    let fetches = vec![log(0, &made, 2), log(2, &moved, 2), log(3, &[], 2), log(3, &[], 3)];
    let mut watch = Watch::start(Script { fetches, ..Script::default() }).await;
    watch.until(|fact| led_by(fact, 1)).await;
    watch.until(|fact| led_by(fact, 2)).await;
    assert!(4 <= watch.asked.fetches.load(Ordering::SeqCst), "believed before the high watermark passed it");
    assert_eq!(watch.asked.offsets.lock().unwrap()[..4], [(0, 0), (2, EPOCH), (3, EPOCH), (3, EPOCH)]);
}

#[tokio::test]
async fn what_lies_before_the_log_is_read_from_a_snapshot_in_parts() {
    let whole = batch(0, &[topic("t"), partition(&[1, 2], 1)]);
    let named = log(0, &[], 12).with_snapshot_id(SnapshotId::default().with_end_offset(10).with_epoch(EPOCH));
    let fetches = vec![named, log(10, &[change(&[], Some(2)), change(&[(0, vec![2])], None)], 12)];
    let snapshot = vec![whole.slice(..70), whole.slice(70..)];
    let mut watch = Watch::start(Script { fetches, snapshot }).await;
    watch.until(|fact| led_by(fact, 2)).await;
    let offsets = watch.asked.offsets.lock().unwrap();
    assert_eq!(offsets[..4], [(0, 0), (-1, 0), (-1, 0), (10, EPOCH)]);
}

#[tokio::test]
async fn a_log_that_parts_from_what_was_committed_is_read_anew() {
    use kafka_protocol::messages::fetch_response::EpochEndOffset;
    let made = [topic("t"), partition(&[1, 2], 1)];
    let other = EpochEndOffset::default().with_epoch(1).with_end_offset(1);
    let fetches = vec![log(0, &made, 2), log(0, &[], 2).with_diverging_epoch(other), log(0, &made, 2)];
    let mut watch = Watch::start(Script { fetches, ..Script::default() }).await;
    watch.until(|fact| led_by(fact, 1)).await;
    watch.until(|fact| matches!(fact, Fact::Blind { why: Blindness::Stale, .. }).then_some(())).await;
    watch.until(|fact| led_by(fact, 1)).await;
    assert_eq!(watch.asked.offsets.lock().unwrap()[..3], [(0, 0), (2, EPOCH), (0, 0)]);
}

#[tokio::test]
async fn the_controller_of_another_cluster_is_told_as_such() {
    let fetches = vec![log(0, &[], 0).with_error_code(104)];
    let mut watch = Watch::start(Script { fetches, ..Script::default() }).await;
    watch.until(|fact| matches!(fact, Fact::Blind { why: Blindness::WrongCluster, .. }).then_some(())).await;
}
