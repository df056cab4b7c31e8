//! Replication throttles: who is held up, for how long, and who never is.
#![cfg(test)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::lab::{Lab, secs, usual};
use crate::model::ids::{BrokerId, Offset, PartitionId};
use crate::sim::kafka::code::Code;
use crate::sim::kafka::plan::{KafkaPlan, Version};
use crate::sim::kafka::talk::{
    Acks, Answer, Copies, Door, Layout, Order, Rates, RecordId, ReplicaCount, Request, Throttled,
};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
/// As many of the model's records as 900 kB hold.
const CHUNK: u32 = 9_000;

/// A topic of one partition that broker 1 alone has, with six chunks of records in it.
fn filled(version: Version) -> (Lab, PartitionId) {
    let mut plan = usual(version, 1);
    plan.topics[0].layout = Layout::Given(vec![vec![ONE]]);
    plan.topics[0].min_isr = Some(1);
    let mut lab = Lab::new(&plan, 5);
    let partition = lab.partitions()[0];
    for number in 0..6 {
        let (acks, bulk, within) = (Acks::All, CHUNK - 1, secs(1.0));
        let record = RecordId(number);
        let produce = Request::Produce { partition, acks, record, bulk, within };
        let answer = lab.asked(Door::Broker(ONE), produce, secs(1.0));
        let expected = Offset(u64::from(CHUNK) * (number + 1) - 1);
        assert!(matches!(answer, Some(Answer::Produced { offset, .. }) if offset == expected), "{answer:?}");
    }
    (lab, partition)
}

fn all() -> Throttled {
    Throttled { leader: Copies::All, follower: Copies::All }
}

fn throttle(lab: &mut Lab, topic: PartitionId, throttled: Throttled, broker: BrokerId, rates: Rates) {
    let done = lab.admin(Request::SetThrottled { topic: topic.topic, throttled });
    assert_eq!(done, Some(Answer::Done));
    assert_eq!(lab.admin(Request::SetRates { broker, rates }), Some(Answer::Done));
}

fn add_broker_two(lab: &mut Lab, partition: PartitionId) {
    let orders = vec![Order { partition, replicas: Some(vec![ONE, TWO]) }];
    lab.admin(Request::Reassign { orders, count: ReplicaCount::Free });
}

/// Gives after how long the new replica is in sync, and when it had grown before; none if it never is.
fn joined(lab: &mut Lab, partition: PartitionId, within: f64) -> (Vec<Duration>, Option<Duration>) {
    let began = lab.now;
    let (mut grew, mut last) = (Vec::new(), Offset(0));
    while lab.now.since(began) < secs(within) {
        lab.run(Duration::from_millis(50));
        let took = lab.now.since(began);
        if lab.kafka.truth().partition(partition).unwrap().isr.contains(&TWO) {
            return (grew, Some(took));
        }
        let asked = lab.asked(Door::Broker(TWO), Request::ListOffsets(vec![partition]), secs(1.0));
        let Some(Answer::LogEnds(ends)) = asked else { panic!("{asked:?}") };
        let end = ends[0].1.map_or(last, |end| end.offset);
        if end != last {
            grew.push(took);
            last = end;
        }
    }
    (grew, None)
}

/// Each rate as it was measured on Kafka 4.3.1 with six records of 900 kB (`kafka_wire` repeats the first of them).
#[test]
fn a_copy_takes_as_long_as_it_was_measured() {
    for (rate, within, least, most) in [
        (None, 5.0, 0.0, 1.0),
        (Some(1_000_000), 10.0, 2.7, 4.2),
        (Some(100_000), 60.0, 29.0, 33.0),
        (Some(20_000), 90.0, 54.0, 58.0),
    ] {
        for both in [Rates { leader: rate, follower: None }, Rates { leader: None, follower: rate }] {
            let (mut lab, partition) = filled(Version::V4_3);
            let broker = if both.leader.is_some() { ONE } else { TWO };
            throttle(&mut lab, partition, all(), broker, both);
            add_broker_two(&mut lab, partition);
            let (grew, took) = joined(&mut lab, partition, within);
            assert!(
                took.is_some_and(|took| (secs(least)..=secs(most)).contains(&took)),
                "{both:?}: {took:?} by way of {grew:?}"
            );
        }
    }
}

#[test]
fn a_rate_that_answers_without_records_use_up_copies_nothing() {
    let (mut lab, partition) = filled(Version::V4_3);
    throttle(&mut lab, partition, all(), ONE, Rates { leader: Some(1), follower: None });
    add_broker_two(&mut lab, partition);
    assert_eq!(joined(&mut lab, partition, 120.0), (vec![], None));
    throttle(&mut lab, partition, all(), ONE, Rates::default());
    let (_, took) = joined(&mut lab, partition, 5.0);
    assert!(took.is_some_and(|took| took < secs(1.0)), "lifted, it goes on at once: {took:?}");
}

#[test]
fn only_named_copies_count() {
    let named = |partition: i32| Copies::Of(BTreeSet::from([(partition, ONE)]));
    for (leader, held) in [(named(0), true), (named(1), false), (Copies::None, false)] {
        let (mut lab, partition) = filled(Version::V4_3);
        let throttled = Throttled { leader, follower: Copies::None };
        throttle(&mut lab, partition, throttled.clone(), ONE, Rates { leader: Some(1), follower: None });
        add_broker_two(&mut lab, partition);
        assert_eq!(joined(&mut lab, partition, 20.0).1.is_none(), held, "{throttled:?}");
    }
}

/// What goes to those in sync is not held up but uses the quota up: a copy that is allowed less than is written never ends.
#[test]
fn a_rate_below_what_is_written_never_ends() {
    let plan = |writes: u32| {
        let mut plan: KafkaPlan = usual(Version::V4_3, 1);
        plan.topics[0].layout = Layout::Given(vec![vec![ONE, BrokerId(3)]]);
        plan.topics[0].flow.acks_all_per_s = writes;
        plan
    };
    for (writes, ends) in [(200, true), (20_000, false)] {
        let mut lab = Lab::new(&plan(writes), 5);
        let partition = lab.partitions()[0];
        throttle(&mut lab, partition, all(), ONE, Rates { leader: Some(1_000_000), follower: None });
        let orders = vec![Order { partition, replicas: Some(vec![ONE, BrokerId(3), TWO]) }];
        lab.admin(Request::Reassign { orders, count: ReplicaCount::Free });
        assert_eq!(joined(&mut lab, partition, 300.0).1.is_some(), ends, "{writes} a second");
        assert!(lab.kafka.truth().partition(partition).unwrap().isr.contains(&BrokerId(3)), "who is in sync stays so");
    }
}

#[test]
fn a_reorder_and_an_election_are_not_held_up() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 5);
    let partition = lab.partitions()[0];
    for broker in [1, 2, 3].map(BrokerId) {
        throttle(&mut lab, partition, all(), broker, Rates { leader: Some(1), follower: Some(1) });
    }
    lab.reorder(&[2, 1, 3]);
    lab.prefer();
    lab.run(secs(0.2));
    assert_eq!(lab.kafka.truth().partition(partition).unwrap().leader, Some(TWO));
}

#[test]
fn settings_of_a_broker_are_taken_by_it_and_by_controllers_only() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 5);
    let rates = Rates { leader: Some(5), follower: None };
    let ask = |lab: &mut Lab, door, broker| lab.asked(door, Request::SetRates { broker, rates }, secs(2.0));
    assert_eq!(ask(&mut lab, Door::Broker(ONE), ONE), Some(Answer::Done));
    assert_eq!(ask(&mut lab, Door::Broker(TWO), ONE), Some(Answer::Refused(Code::InvalidRequest)));
    let nobody = lab.admin(Request::SetRates { broker: BrokerId(9), rates });
    assert_eq!(nobody, Some(Answer::Refused(Code::BrokerIdNotRegistered)));
    let unknown = Request::SetThrottled { topic: crate::model::ids::TopicId([9; 16]), throttled: all() };
    assert_eq!(lab.admin(unknown), Some(Answer::Refused(Code::UnknownTopicOrPartition)));
}
