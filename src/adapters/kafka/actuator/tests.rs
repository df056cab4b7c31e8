//! What the hand makes of Kafka's answers, without Kafka.

use super::*;
use crate::model::ids::TopicId;

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

#[test]
fn the_active_controller_is_asked_first_and_one_that_did_not_answer_last() {
    let ports = |list: Vec<Endpoint>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let peer = |port| Endpoint::new("k", port);
    let all = [peer(1), peer(2), peer(3)];
    let turn = |active: Option<u16>, mute: Option<u16>| {
        ports(contacts::in_turn(&all, active.map(peer).as_ref(), mute.map(peer).as_ref()))
    };
    assert_eq!(turn(None, None), "k:1 k:2 k:3");
    assert_eq!(turn(Some(2), None), "k:2 k:1 k:3");
    assert_eq!(turn(None, Some(1)), "k:2 k:3 k:1");
    assert_eq!(turn(Some(3), Some(1)), "k:3 k:2 k:1");
    assert_eq!(turn(Some(1), Some(1)), "k:1 k:2 k:3");
}
