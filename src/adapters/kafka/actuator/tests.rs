//! What the hand makes of Kafka's answers, without Kafka.

use kafka_protocol::messages::{AlterPartitionReassignmentsResponse, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::adapters::kafka::wire::fake_broker::{FakeBroker, Seen};
use crate::adapters::kafka::wire::{Api, Options, Rights};
use crate::model::ids::{LeaderEpoch, TopicId};
use crate::model::plan::{Precondition, When};

#[test]
fn what_somebody_else_is_reassigning_is_left_to_them() {
    let id = |number| PartitionId { topic: TopicId([1; 16]), number };
    let one = |number| Named { id: id(number), name: TopicPartition::new("t", number), to: Vec::new(), ordered: false };
    let (mut ready, mut left_out) = (vec![one(0), one(1), one(2)], Vec::new());
    leave_to_others(&mut ready, &mut left_out, &[TopicPartition::new("t", 1), TopicPartition::new("u", 0)].into());
    assert_eq!(ready.iter().map(|one| one.id).collect::<Vec<_>>(), [id(0), id(2)]);
    assert_eq!(left_out, [(StepRefusal::Stale, id(1))]);
}

#[test]
fn a_step_of_which_the_reorder_went_through_is_never_one_of_which_nothing_was_sent() {
    for error in [
        ApplyError::Expired,
        ApplyError::Unreachable("nobody".to_owned()),
        ApplyError::Refused(StepRefusal::Denied),
        ApplyError::Stale(StepRefusal::Stale),
        ApplyError::Unanswered("silence".to_owned()),
        ApplyError::Deposed(Term(3)),
    ] {
        let half = Halfway::Reordered.said(error.clone());
        assert!(matches!(half, ApplyError::Unanswered(_)), "{error:?} became {half:?}");
        assert_eq!(Halfway::NothingSent.said(error.clone()), error);
    }
}

#[test]
fn what_timed_out_inside_kafka_is_read_back_and_never_called_refused() {
    let name = TopicPartition::new("orders".to_owned(), 0);
    let id = PartitionId { topic: TopicId([1; 16]), number: 0 };
    let one = Named { id, name: name.clone(), to: vec![BrokerId(2)], ordered: false };
    let said =
        |error| refusals(&[&one], &[PartitionOutcome { partition: name.clone(), error, message: None }], |_| None);
    assert!(matches!(said(Some(ErrorCode::RequestTimedOut)), Err(ApplyError::Unanswered(_))));
    assert_eq!(said(None), Ok(Vec::new()));
    let refused = said(Some(ErrorCode::PreferredLeaderNotAvailable));
    assert_eq!(refused, Ok(vec![(StepRefusal::PreferredNotAvailable, id)]));
}

const TERM: Term = Term(3);

/// One partition, led by the first of two brokers.
fn shape() -> MetadataResponse {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
    let partition = MetadataResponsePartition::default()
        .with_leader_id(BrokerId(1))
        .with_leader_epoch(7)
        .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
        .with_isr_nodes(vec![BrokerId(1), BrokerId(2)]);
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("orders"))))
        .with_topic_id(Uuid::from_bytes([1; 16]))
        .with_partitions(vec![partition]);
    MetadataResponse::default().with_cluster_id(Some(StrBytes::from_static_str("c"))).with_topics(vec![topic])
}

fn reassigned() -> AlterPartitionReassignmentsResponse {
    use kafka_protocol::messages::alter_partition_reassignments_response::{
        ReassignablePartitionResponse, ReassignableTopicResponse,
    };
    let topic = ReassignableTopicResponse::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(vec![ReassignablePartitionResponse::default()]);
    AlterPartitionReassignmentsResponse::default().with_responses(vec![topic])
}

fn answer(seen: &Seen, body: &impl Encodable) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::from(&[0_u8][..]);
    body.encode(&mut bytes, seen.version).unwrap();
    bytes.to_vec()
}

/// Has a hand elect another leader for the leader of `TERM`; once the fake has taken the reorder, the trio is as `then` says. Gives
/// the keys of the requests that the fake got, and what the hand says of the step.
async fn elected_while(first: Role, then: Role) -> (Vec<i16>, Result<Receipt, ApplyError>) {
    let (roles, role) = watch::channel(first);
    let (keys, mut got) = mpsc::unbounded_channel();
    let broker = FakeBroker::start(move |mut peer| {
        let (roles, keys) = (roles.clone(), keys.clone());
        async move {
            peer.negotiate().await;
            while let Some(seen) = peer.request().await {
                keys.send(seen.key).unwrap();
                let body = if seen.key == Api::Metadata.key() {
                    answer(&seen, &shape())
                } else if seen.key == Api::AlterPartitionReassignments.key() {
                    roles.send_replace(then);
                    answer(&seen, &reassigned())
                } else {
                    return;
                };
                peer.answer(seen.correlation, &body).await;
            }
        }
    })
    .await;
    let connect = Options::new(Rights::ReadWrite);
    let hand = KafkaHand::new(
        HandOptions { bootstrap: vec![broker.endpoint.clone()], controllers: Vec::new(), connect },
        role,
    );
    let one = Move {
        partitions: [PartitionId { topic: TopicId([1; 16]), number: 0 }].into_iter().collect(),
        leader: Some(BrokerId(1)),
        leader_epoch: LeaderEpoch(7),
        from: vec![BrokerId(1), BrokerId(2)],
        to: vec![BrokerId(2), BrokerId(1)],
    };
    let expects = vec![Precondition::StillRed(BrokerId(1))];
    let step = Step { number: 1, when: When::AtOnce, act: Act::Elect { moves: vec![one] }, expects };
    let said = hand.apply(&step, TERM, Duration::from_secs(20)).await;
    got.close();
    (std::iter::from_fn(|| got.try_recv().ok()).collect(), said)
}

#[tokio::test]
async fn an_election_is_not_sent_when_another_term_began_after_its_reorder() {
    let (looks, reorders, elects): (i16, i16, i16) = (3, 45, 43);
    let leads = Role::Leading(TERM);
    let (sent, said) = elected_while(leads, leads).await;
    assert_eq!(sent, [looks, reorders, elects], "{said:?}");
    for then in [
        Role::Leaderless(Term(4)),
        Role::Following { leader: crate::model::ids::NodeId(2), term: Term(4) },
        Role::Leading(Term(5)),
    ] {
        let (sent, said) = elected_while(leads, then).await;
        assert_eq!(sent, [looks, reorders], "{then:?}: {said:?}");
        // The reorder went through: what came of the step is read back.
        assert!(matches!(said, Err(ApplyError::Unanswered(_))), "{then:?}: {said:?}");
    }
}

#[tokio::test]
async fn nothing_at_all_is_sent_for_a_term_that_is_over() {
    let over = Role::Leaderless(Term(4));
    assert_eq!(elected_while(over, over).await, (Vec::new(), Err(ApplyError::Deposed(TERM))));
}
