//! A connection against peers that behave, misbehave and vanish.

use std::time::Duration;

use super::fake_broker::{FakeBroker, Peer, all_versions, frame};
use super::{
    Acks, Api, CloseReason, Connection, Endpoint, ErrorCode, Obstacle, Options, Rights, Sent, TopicFilter,
    TopicPartition, WireError,
};
use tokio::io::AsyncWriteExt;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

/// An empty `DescribeLogDirs` answer: header tags, throttle 0, no error, no directories, tags.
const NO_DIRS: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 1, 0];

async fn open(broker: &FakeBroker) -> Connection {
    Connection::open(&broker.endpoint, &Options::new(Rights::ReadOnly)).await.unwrap()
}

/// A fake that negotiates and then leaves the rest to `then`.
async fn negotiated<F>(then: impl Fn(Peer) -> F + Send + Sync + Clone + 'static) -> FakeBroker
where
    F: Future<Output = ()> + Send + 'static,
{
    FakeBroker::start(move |mut peer| {
        let then = then.clone();
        async move {
            peer.negotiate().await;
            then(peer).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_that_arrives_byte_by_byte_is_read_whole() {
    let broker = negotiated(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        for byte in frame(seen.correlation, &NO_DIRS) {
            peer.stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        peer.hang().await;
    })
    .await;
    let answer = open(&broker).await.log_dirs(LONG).await.unwrap();
    assert_eq!(answer.body, vec![]);
    assert_eq!(answer.throttled_for, None);
}

#[tokio::test]
async fn two_answers_in_one_segment_reach_their_own_callers() {
    let broker = negotiated(|mut peer| async move {
        let first = peer.request().await.unwrap();
        let second = peer.request().await.unwrap();
        let throttled = [0, 0, 0, 0, 7, 0, 0, 1, 0];
        let both = [frame(first.correlation, &NO_DIRS), frame(second.correlation, &throttled)].concat();
        peer.stream.write_all(&both).await.unwrap();
        peer.hang().await;
    })
    .await;
    let connection = open(&broker).await;
    let (first, second) = tokio::join!(connection.log_dirs(LONG), connection.log_dirs(LONG));
    assert_eq!(first.unwrap().throttled_for, None);
    assert_eq!(second.unwrap().throttled_for, Some(Duration::from_millis(7)));
}

#[tokio::test]
async fn an_answer_to_another_request_closes_the_connection() {
    let broker = negotiated(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        peer.answer(seen.correlation + 1, &NO_DIRS).await;
        peer.hang().await;
    })
    .await;
    let connection = open(&broker).await;
    let error = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(error, WireError::Malformed { api: Api::DescribeLogDirs, .. }), "{error}");
    assert_eq!(error.sent(), Sent::Maybe);
    assert!(matches!(connection.closed().await.reason, CloseReason::Violation(_)));
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_closes_the_connection() {
    let broker = negotiated(|mut peer| async move {
        peer.answer(99, &NO_DIRS).await;
        peer.hang().await;
    })
    .await;
    assert!(matches!(open(&broker).await.closed().await.reason, CloseReason::Violation(_)));
}

#[tokio::test]
async fn a_frame_beyond_the_limit_closes_the_connection_before_it_is_read() {
    for length in [i32::MAX, (16 << 20) + 1, -1, 3] {
        let broker = negotiated(move |mut peer| async move {
            peer.request().await.unwrap();
            peer.stream.write_all(&length.to_be_bytes()).await.unwrap();
            peer.hang().await;
        })
        .await;
        let connection = open(&broker).await;
        let error = connection.log_dirs(LONG).await.unwrap_err();
        assert!(matches!(error, WireError::Malformed { .. }), "{length}: {error}");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_an_answer_is_told_at_once() {
    let broker = negotiated(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        let whole = frame(seen.correlation, &NO_DIRS);
        peer.stream.write_all(&whole[..9]).await.unwrap();
        peer.reset();
    })
    .await;
    let connection = open(&broker).await;
    let error = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(error, WireError::Closed { sent: Sent::Maybe, reason: CloseReason::Reset, .. }), "{error}");
    assert_eq!(connection.closed().await.reason, CloseReason::Reset);
    let after = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(after, WireError::Closed { sent: Sent::No, .. }), "{after}");
}

#[tokio::test]
async fn an_idle_connection_tells_fin_from_rst_without_being_asked() {
    let fin = negotiated(|peer| async move { drop(peer) }).await;
    assert_eq!(open(&fin).await.closed().await.reason, CloseReason::Finished);
    let rst = negotiated(|peer| async move { peer.reset() }).await;
    assert_eq!(open(&rst).await.closed().await.reason, CloseReason::Reset);
}

#[tokio::test]
async fn a_hung_peer_costs_the_deadline_and_its_late_answer_hurts_nobody() {
    let broker = negotiated(|mut peer| async move {
        let first = peer.request().await.unwrap();
        let second = peer.request().await.unwrap();
        peer.answer(first.correlation, &[1, 2, 3]).await;
        peer.answer(second.correlation, &NO_DIRS).await;
        peer.hang().await;
    })
    .await;
    let connection = open(&broker).await;
    let error = connection.log_dirs(SHORT).await.unwrap_err();
    assert!(matches!(error, WireError::Unanswered { within: SHORT, .. }), "{error}");
    assert_eq!(connection.log_dirs(LONG).await.unwrap().body, vec![]);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_unanswered_first_and_unreachable_for_those_behind() {
    let broker = negotiated(|peer| async move {
        // Keeps the socket open without reading: its buffers fill up.
        std::future::pending::<()>().await;
        drop(peer);
    })
    .await;
    let options = Options::new(Rights::ReadWrite);
    let connection = Connection::open(&broker.endpoint, &options).await.unwrap();
    let large = vec![(TopicPartition::new("t", 0), bytes::Bytes::from(vec![0; 12 << 20]))];
    let first = connection.produce(&large, Acks::All, SHORT).await.unwrap_err();
    assert!(matches!(first, WireError::Unanswered { .. }), "{first}");
    let second = connection.log_dirs(SHORT).await.unwrap_err();
    assert!(matches!(second, WireError::Unreachable { why: Obstacle::NeverItsTurn, .. }), "{second}");
    assert_eq!(second.sent(), Sent::No);
}

#[tokio::test]
async fn a_refused_port_is_unreachable_and_nothing_was_sent() {
    let broker = FakeBroker::start(|peer| peer.hang()).await;
    let endpoint = broker.endpoint.clone();
    drop(broker);
    let closed = async {
        // The listener closes once its task has gone.
        while Connection::knock(&endpoint, LONG).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, closed).await.unwrap();
    let error = Connection::open(&endpoint, &Options::new(Rights::ReadOnly)).await.unwrap_err();
    assert_eq!(error, WireError::Unreachable { peer: endpoint, why: Obstacle::Refused });
    assert_eq!(error.sent(), Sent::No);
}

#[tokio::test]
async fn a_name_without_an_address_is_unreachable() {
    let nowhere = Endpoint::new("broker.invalid", 9092);
    let error = Connection::open(&nowhere, &Options::new(Rights::ReadOnly)).await.unwrap_err();
    assert!(matches!(error, WireError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn accepted_and_closed_before_the_first_answer_is_a_connection_cap() {
    let broker = FakeBroker::start(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let error = Connection::open(&broker.endpoint, &Options::new(Rights::ReadOnly)).await.unwrap_err();
    assert!(matches!(error, WireError::ConnectionCapped { .. }), "{error}");
}

#[tokio::test]
async fn a_peer_that_accepts_and_hangs_does_not_hold_up_opening() {
    let broker = FakeBroker::start(|peer| peer.hang()).await;
    let options = Options { connect_within: SHORT, ..Options::new(Rights::ReadOnly) };
    let error = Connection::open(&broker.endpoint, &options).await.unwrap_err();
    assert!(matches!(error, WireError::Unanswered { api: Api::ApiVersions, .. }), "{error}");
}

#[tokio::test]
async fn an_older_peer_is_asked_again_in_version_0() {
    let broker = FakeBroker::start(|mut peer| async move {
        let newest = peer.request().await.unwrap();
        assert_eq!((newest.key, newest.version), (18, 3));
        peer.answer(newest.correlation, &[0, 35, 0, 0, 0, 0]).await;
        let oldest = peer.request().await.unwrap();
        assert_eq!(oldest.version, 0);
        // One request, Metadata, in versions 0 to 12.
        peer.answer(oldest.correlation, &[0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 12]).await;
        peer.hang().await;
    })
    .await;
    let connection = open(&broker).await;
    assert_eq!(connection.features().agreed(Api::Metadata), Some(12));
    let error = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(error, WireError::Unsupported { theirs: None, .. }), "{error}");
    assert_eq!(error.sent(), Sent::No);
}

#[tokio::test]
async fn versions_that_do_not_overlap_are_unsupported() {
    let broker = FakeBroker::start(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        // Metadata in versions 0 to 11: the last one without what we read.
        peer.answer(seen.correlation, &[0, 0, 2, 0, 3, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0]).await;
        peer.hang().await;
    })
    .await;
    let error = open(&broker).await.topology(TopicFilter::All, LONG).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} does not speak Metadata in versions 12-12; it offers 0-11", broker.endpoint)
    );
}

#[tokio::test]
async fn a_read_only_connection_sends_no_request_that_changes_kafka() {
    let broker = negotiated(|mut peer| async move {
        // Whatever arrives here arrives wrongly, and closes the connection.
        peer.request().await;
    })
    .await;
    let connection = open(&broker).await;
    let refused = [
        connection.elect(super::ElectionKind::Preferred, &[], LONG).await.unwrap_err(),
        connection.reassign(&[], super::ReplicaCount::Kept, LONG).await.unwrap_err(),
        connection.unregister(1, LONG).await.unwrap_err(),
        connection.fence(1, 1, 1, LONG).await.unwrap_err(),
        connection.produce(&[], Acks::All, LONG).await.unwrap_err(),
        connection.create_topics(&[], LONG).await.unwrap_err(),
        connection.delete_topics(&[], LONG).await.unwrap_err(),
        connection.alter(&super::Configured::Broker(1), &[], LONG).await.unwrap_err(),
    ];
    let changing = Api::ALL.iter().filter(|api| api.touch() == super::Touch::Changes).count();
    assert_eq!(refused.len(), changing, "a request that changes Kafka is missing from this test");
    for error in refused {
        assert!(matches!(error, WireError::ReadOnly { .. }), "{error}");
    }
    assert_eq!(connection.closed_already(), None);
}

#[tokio::test]
async fn a_missing_right_is_a_denial_and_another_code_a_refusal() {
    let broker = negotiated(|mut peer| async move {
        for code in [31, 41] {
            let seen = peer.request().await.unwrap();
            peer.answer(seen.correlation, &[0, 0, 0, 0, 0, 0, code, 1, 0]).await;
        }
        peer.hang().await;
    })
    .await;
    let connection = open(&broker).await;
    let denied = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(denied, WireError::Denied { code: ErrorCode::ClusterAuthorizationFailed, .. }), "{denied}");
    let refused = connection.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(refused, WireError::Refused { code: ErrorCode::NotController, .. }), "{refused}");
}

#[tokio::test]
async fn bytes_behind_an_answer_make_it_malformed() {
    let broker = negotiated(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        peer.answer(seen.correlation, &[NO_DIRS.as_slice(), &[0]].concat()).await;
        peer.hang().await;
    })
    .await;
    let error = open(&broker).await.log_dirs(LONG).await.unwrap_err();
    assert!(matches!(error, WireError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn dropping_the_connection_closes_the_socket() {
    let (seen_close, closed) = tokio::sync::mpsc::channel(1);
    let mut closed = closed;
    let broker = negotiated(move |mut peer| {
        let seen_close = seen_close.clone();
        async move {
            assert!(peer.request().await.is_none());
            seen_close.send(()).await.unwrap();
        }
    })
    .await;
    let connection = open(&broker).await;
    let end = connection.closed();
    drop(connection);
    assert_eq!(end.await.reason, CloseReason::Ours);
    tokio::time::timeout(LONG, closed.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ping_is_an_exchange_of_its_own() {
    let broker = negotiated(|mut peer| async move {
        let seen = peer.request().await.unwrap();
        assert_eq!(seen.key, Api::ApiVersions.key());
        peer.answer(seen.correlation, &all_versions()).await;
        peer.hang().await;
    })
    .await;
    open(&broker).await.ping(LONG).await.unwrap();
}
