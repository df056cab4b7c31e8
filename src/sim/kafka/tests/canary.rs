//! What a canary shows of each fault: a record for each broker's own appends (P3, acks=1), and one for each pair (P4, acks=all).
#![cfg(test)]

use std::time::Duration;

use expect_test::{Expect, expect};

use super::lab::{Lab, secs};
use crate::model::ids::{BrokerId, PartitionId};
use crate::sim::kafka::plan::{KafkaPlan, Version};
use crate::sim::kafka::talk::{Acks, Answer, Asker, Call, Door, News, RecordId, Request};

/// How long after a fault the canary sings: past the page cache of a stalled device.
const SINGS_AFTER: Duration = Duration::from_secs(7);

/// P4's tau is 3 s, P3's 2 s.
const LISTENS_FOR: Duration = Duration::from_secs(2);

/// Gives the leader and the follower that a partition had at first.
fn pair(number: i32) -> (i32, i32) {
    let leader = number / 2;
    (leader + 1, (leader + 1 + number % 2) % 3 + 1)
}

fn produce(lab: &mut Lab, partition: PartitionId, acks: Acks) -> Call {
    let record = RecordId(lab.now.0);
    let request = Request::Produce { partition, acks, record, bulk: 0, within: LISTENS_FOR };
    let client = u32::try_from(partition.number).unwrap() + if acks == Acks::All { 1_000 } else { 2_000 };
    lab.ask(Asker::Client(client), Door::Broker(BrokerId(pair(partition.number).0)), request)
}

fn sings(lab: &mut Lab) -> String {
    let partitions = lab.partitions();
    let asked: Vec<(i32, Call, Call)> = partitions
        .iter()
        .map(|id| (id.number, produce(lab, *id, Acks::Leader), produce(lab, *id, Acks::All)))
        .collect();
    lab.run(LISTENS_FOR);
    let sang = |call: &Call| {
        let heard = lab.heard.get(call);
        heard.is_some_and(
            |(_, news)| matches!(news, News::Answered { answer, .. } if matches!(**answer, Answer::Produced { .. })),
        )
    };
    let mut silent: Vec<String> = asked
        .iter()
        .filter(|(number, alone, _)| number % 2 == 0 && !sang(alone))
        .map(|(n, _, _)| format!("b{}", pair(*n).0))
        .collect();
    if silent.is_empty() {
        silent.push("none".to_owned());
    }
    let mut broken: Vec<String> = asked
        .iter()
        .filter(|(_, alone, all)| sang(alone) && !sang(all))
        .map(|(n, _, _)| format!("b{}>b{}", pair(*n).0, pair(*n).1))
        .collect();
    if broken.is_empty() {
        broken.push("none".to_owned());
    }
    format!("append fails: {}; pairs fail besides: {}", silent.join(" "), broken.join(" "))
}

fn check(version: Version, expected: &Expect) {
    let mut table = String::new();
    for fault in [
        "nothing",
        "kill b2",
        "stop b2",
        "client-cut b2",
        "client-freeze b2",
        "client-delay b2 200ms",
        "disk-freeze b2",
        "disk-stall b2",
        "disk-fail b2",
        "replication-freeze b2 inbound",
        "replication-freeze b2 outbound",
        "replication-freeze b2",
        "controller-freeze b2",
        "controller-cut b2",
    ] {
        let mut lab = Lab::new(&KafkaPlan::usual(version, 3).with_canary(), 5);
        let before = sings(&mut lab);
        assert_eq!(before, "append fails: none; pairs fail besides: none", "{fault}");
        lab.run(secs(1.0));
        if fault != "nothing" {
            lab.inflict(fault);
        }
        lab.run(SINGS_AFTER);
        table.push_str(&format!("{fault:<31} {}\n", sings(&mut lab)));
    }
    expected.assert_eq(&table);
}

#[test]
fn a_canary_tells_a_stalled_append_a_cut_leader_and_a_straggler_apart() {
    check(
        Version::V4_3,
        &expect![[r#"
        nothing                         append fails: none; pairs fail besides: none
        kill b2                         append fails: b2; pairs fail besides: b1>b2 b3>b2
        stop b2                         append fails: b2; pairs fail besides: b1>b2 b3>b2
        client-cut b2                   append fails: b2; pairs fail besides: none
        client-freeze b2                append fails: b2; pairs fail besides: none
        client-delay b2 200ms           append fails: none; pairs fail besides: none
        disk-freeze b2                  append fails: b2; pairs fail besides: b1>b2 b3>b2
        disk-stall b2                   append fails: b2; pairs fail besides: b1>b2 b3>b2
        disk-fail b2                    append fails: b2; pairs fail besides: b1>b2 b3>b2
        replication-freeze b2 inbound   append fails: none; pairs fail besides: b2>b3 b2>b1
        replication-freeze b2 outbound  append fails: none; pairs fail besides: b2>b3 b2>b1
        replication-freeze b2           append fails: none; pairs fail besides: b2>b3 b2>b1
        controller-freeze b2            append fails: none; pairs fail besides: none
        controller-cut b2               append fails: none; pairs fail besides: none
    "#]],
    );
}

#[test]
fn on_a_larger_ring_each_broker_leads_two_and_follows_two() {
    let plan = KafkaPlan::usual(Version::V4_3, 5).with_topic("orders", 3, 3).with_canary();
    let crate::sim::kafka::talk::Layout::Given(pairs) = &plan.topics[1].layout else { panic!("a layout of its own") };
    for id in (1..=5).map(BrokerId) {
        let leads = pairs.iter().filter(|pair| pair[0] == id).count();
        let follows = pairs.iter().filter(|pair| pair[1] == id).count();
        assert_eq!((leads, follows), (2, 2), "{id}");
    }
    assert!(pairs.iter().all(|pair| pair.len() == 2 && pair[0] != pair[1]));
    assert_eq!(plan.topics[1].min_isr, Some(2));
}
