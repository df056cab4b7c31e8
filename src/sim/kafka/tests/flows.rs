//! What consumers may read and what they are refused; what becomes of records that a leader alone has acknowledged.
#![cfg(test)]

use expect_test::expect;

use super::lab::{Lab, secs, usual};
use super::script::check;
use crate::model::ids::{BrokerId, NodeId, Offset};
use crate::model::time::Timestamp;
use crate::sim::kafka::plan::{Flow, Version};
use crate::sim::kafka::talk::{Asker, Door, FetchFrom, Line, News, Request};

#[test]
fn a_consumer_is_given_what_lies_below_the_high_watermark() {
    check(
        Version::V4_3,
        "fetch b1 0; produce all b1; fetch b1 0; replication-freeze b1; produce one b1; fetch b1 0; fetch b1 1; fetch b1 2; fetch b1 3",
        expect![[r#"
            fetch b1 0            0 below 0
            produce all b1        at 0 in e0
            fetch b1 0            1 below 1, from 0 in e0
            replication-freeze b1
            produce one b1        at 1 in e0
            fetch b1 0            1 below 1, from 0 in e0
            fetch b1 1            0 below 1
            fetch b1 2            0 below 1
            fetch b1 3            OFFSET_OUT_OF_RANGE (1)
        "#]],
    );
}

#[test]
fn whose_epoch_a_consumer_means_is_looked_at_before_who_leads() {
    check(
        Version::V4_3,
        "fetch b2 0; fetch b1 0 e0; fetch b1 0 e1; reorder 2,3,1; prefer; run 1s; fetch b1 0 e0; fetch b1 0 e1; fetch b1 0; \
         fetch b2 0 e0; fetch b2 0 e1; delete; run 1s; fetch b2 0 e1",
        expect![[r#"
            fetch b2 0            NOT_LEADER_OR_FOLLOWER (6)
            fetch b1 0 e0         0 below 0
            fetch b1 0 e1         UNKNOWN_LEADER_EPOCH (75)
            reorder 2,3,1         done
            prefer                done
            run 1s
            fetch b1 0 e0         FENCED_LEADER_EPOCH (74)
            fetch b1 0 e1         NOT_LEADER_OR_FOLLOWER (6)
            fetch b1 0            NOT_LEADER_OR_FOLLOWER (6)
            fetch b2 0 e0         FENCED_LEADER_EPOCH (74)
            fetch b2 0 e1         0 below 0
            delete                Done
            run 1s
            fetch b2 0 e1         UNKNOWN_TOPIC_OR_PARTITION (3)
        "#]],
    );
}

#[test]
fn what_the_next_leader_never_had_is_out_of_its_range_and_was_acknowledged_by_one_alone() {
    check(
        Version::V4_3,
        "produce all b1; replication-freeze b1; produce one b1; produce one b1; fetch b1 3; fence b1; run 1s; fetch b2 3 e1; \
         fetch b2 0 e1; lost; lost-alone",
        expect![[r#"
            produce all b1        at 0 in e0
            replication-freeze b1
            produce one b1        at 1 in e0
            produce one b1        at 2 in e0
            fetch b1 3            0 below 1
            fence b1              Fenced
            run 1s
            fetch b2 3 e1         OFFSET_OUT_OF_RANGE (1)
            fetch b2 0 e1         1 below 1, from 0 in e0
            lost                  []
            lost-alone            2
        "#]],
    );
}

#[test]
fn what_a_leader_alone_acknowledged_is_safe_once_the_others_have_it() {
    check(
        Version::V4_3,
        "produce one b1; run 1s; kill b1; fence b1; run 1s; records; lost-alone",
        expect![[r#"
            produce one b1        at 0 in e0
            run 1s
            kill b1
            fence b1              Fenced
            run 1s
            records               1
            lost-alone            0
        "#]],
    );
}

#[test]
fn what_a_deposed_leader_acknowledges_alone_is_lost() {
    check(
        Version::V4_3,
        "controller-freeze b1; fence b1; run 1s; produce one b1; fetch b1 0 e0; fetch b1 0 e1; lost-alone",
        expect![[r#"
            controller-freeze b1
            fence b1              Fenced
            run 1s
            produce one b1        at 0 in e0
            fetch b1 0 e0         0 below 0
            fetch b1 0 e1         UNKNOWN_LEADER_EPOCH (75)
            lost-alone            1
        "#]],
    );
}

#[test]
fn each_broker_tells_who_leads_as_it_sees_it() {
    check(
        Version::V4_3,
        "who b1; reorder 2,3,1; prefer; run 1s; who b1; controller-cut b3; kill b2; fence b2; run 1s; who b1; who b3",
        expect![[r#"
            who b1                b1 leads in e0
            reorder 2,3,1         done
            prefer                done
            run 1s
            who b1                b2 leads in e1
            controller-cut b3
            kill b2
            fence b2              Fenced
            run 1s
            who b1                b3 leads in e2
            who b3                b2 leads in e1
        "#]],
    );
}

/// A cluster with writers, all of whose partitions broker 1 leads.
fn written(partitions: usize, acks_all_per_s: u32, acks_one_per_s: u32) -> Lab {
    let mut plan = usual(Version::V4_3, partitions);
    plan.topics[0].flow = Flow { acks_all_per_s, acks_one_per_s };
    Lab::new(&plan, 2)
}

/// Kills broker 1 and lets another one lead; gives how many records were lost that it had acknowledged alone.
fn lost_with_broker_one(lab: &mut Lab) -> u64 {
    lab.inflict("kill b1");
    lab.act("fence");
    lab.run(secs(1.0));
    assert_eq!(lab.kafka.truth().lost(), [], "nothing of what all had");
    lab.kafka.truth().lost_alone()
}

#[test]
fn what_a_killed_leader_acknowledged_alone_in_its_last_moment_is_lost_with_it() {
    let mut lab = written(2, 100, 10_000);
    lab.run(secs(5.0));
    assert_eq!(lab.kafka.truth().lost_alone(), 0);
    // Two and a half milliseconds, of both partitions.
    assert_eq!(lost_with_broker_one(&mut lab), 50);
}

#[test]
fn what_flows_to_a_leader_alone_is_lost_with_it_unless_the_others_get_it_in_time() {
    let mut lab = written(1, 20, 1_000);
    lab.inflict("replication-freeze b1");
    lab.run(secs(5.0));
    let lost = lost_with_broker_one(&mut lab);
    assert!((5_000..5_010).contains(&lost), "{lost}");
    let mut lab = written(1, 20, 1_000);
    lab.inflict("replication-freeze b1");
    lab.run(secs(5.0));
    lab.heal("replication-freeze b1");
    lab.run(secs(5.0));
    assert_eq!(lost_with_broker_one(&mut lab), 2, "those of its last moment");
}

/// Each is healed after two and a half seconds, and the next one follows after as much.
const FAULTS: [&str; 10] = [
    "stop b1",
    "client-freeze b1",
    "client-cut b2",
    "client-delay b1 50ms",
    "client-cap b1",
    "client-deny b3",
    "client-throttle b2 100ms",
    "controller-freeze b3",
    "kill b1",
    "terminate b2",
];

/// Gives what a node of ours hears while things go wrong and so many readers read.
fn heard_beside(readers: u32, version: Version) -> Vec<Option<(Timestamp, News)>> {
    let mut plan = usual(version, 6);
    plan.topics[0].flow = Flow { acks_all_per_s: 100, acks_one_per_s: 100 };
    let mut lab = Lab::new(&plan, 3);
    let partitions = lab.partitions();
    let mut asked = Vec::new();
    for (fault, round) in FAULTS.iter().flat_map(|fault| (0..20).map(move |round| (fault, round))) {
        match round {
            0 => lab.inflict(fault),
            10 => lab.heal(fault),
            _ => {}
        }
        for broker in [1, 2, 3].map(|id| Door::Broker(BrokerId(id))) {
            for (reader, partition) in (0..readers).zip(partitions.iter().copied()) {
                let line = Line::new(Asker::Reader(reader), broker);
                if round % 4 == 3 {
                    // Whether or not it was answered.
                    lab.kafka.close(lab.now, line);
                }
                let from = FetchFrom { partition, offset: Offset(0), leader_epoch: None };
                let request = if round % 2 == 0 { Request::Fetch(from) } else { Request::WhoLeads(partition) };
                lab.kafka.ask(lab.now, line, request);
            }
            for request in [Request::ListOffsets(Vec::new()), Request::Metadata] {
                asked.push(lab.ask(Asker::Node(NodeId(1)), broker, request));
            }
        }
        lab.run(secs(0.25));
    }
    asked.iter().map(|call| lab.heard.get(call).cloned()).collect()
}

#[test]
fn whoever_reads_changes_nothing_for_anybody_else() {
    for version in [Version::V4_3, Version::V3_9] {
        let alone = heard_beside(0, version);
        assert!(alone.iter().flatten().count() < alone.len(), "something was lost");
        assert!(alone == heard_beside(3, version), "{version:?}");
    }
}
