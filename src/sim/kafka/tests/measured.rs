//! The measured table of faults and acts, row by row: who serves when, without and with an act.
//!
//! Each row is played under several seeds; every figure must lie in the range that stands beside the measured one. Ranges
//! are what the clocks of Kafka allow: a session is over 7 to 10.2 s after a crash, a lagging replica is dropped after 30 to 45 s.
#![cfg(test)]

use std::time::Duration;

use super::lab::{Lab, secs, usual};
use crate::sim::kafka::plan::{KafkaPlan, Settings, Version};

const SEEDS: std::ops::Range<u64> = 1..7;

#[test]
fn faults_without_an_act_end_when_stock_kafka_ends_them() {
    // fault | act, delay | acks=all: measured, range | acks=1: measured, range
    check(
        Version::V4_3,
        "kill b1                     | none 0         | 8.5 7.0-10.3  | 8.5 7.0-10.3
         stop b1                     | none 0         | 8.6 7.0-10.3  | 8.5 7.0-10.3
         client-cut b1               | none 0         | never         | never
         client-freeze b1            | none 0         | never         | never
         replication-freeze b1       | none 0         | never         | 0 0-0.1
         disk-freeze b1              | none 0         | never         | never
         controller-freeze b1        | none 0         | 0 0-0.1       | 0 0-0.1
         controller-cut b1           | none 0         | 0 0-0.1       | 0 0-0.1",
    );
}

#[test]
fn an_election_moves_leaders_and_leaves_the_old_one_in_the_isr() {
    check(
        Version::V4_3,
        "kill b1                     | reorder+prefer 1  | 8.6 7.0-10.3  | 1.3 1.0-1.6
         stop b1                     | reorder+prefer 1  | 8.2 7.0-10.3  | 1.3 1.0-1.6
         client-cut b1               | reorder+prefer 1  | 1.3 1.0-1.6   | 1.3 1.0-1.6
         client-freeze b1            | reorder+prefer 1  | 1.4 1.0-1.6   | 1.3 1.0-1.6
         replication-freeze b1       | reorder+prefer 5  | 5.3 5.0-5.6   | 0 0-0.1
         disk-freeze b1              | reorder+prefer 3  | 39.3 33-48.5  | 3.3 3.0-3.6",
    );
}

#[test]
fn taking_the_broker_out_serves_at_once() {
    check(
        Version::V4_3,
        "kill b1                     | evict 1        | 1.3 1.0-1.6   | 1.3 1.0-1.6
         kill b1                     | unregister 1   | 1.3 1.0-1.6   | 1.3 1.0-1.6
         kill b1                     | fence 1        | 1.3 1.0-1.6   | 1.3 1.0-1.6
         kill b1                     | reorder+unregister 1 | 1.27 1.0-1.6 | 1.27 1.0-1.6
         stop b1                     | evict 1        | 1.3 1.0-1.6   | 1.3 1.0-1.6
         stop b1                     | unregister 1   | 1.3 1.0-1.6   | 1.3 1.0-1.6
         stop b1                     | fence 1        | 1.3 1.0-1.6   | 1.3 1.0-1.6
         replication-freeze b1       | evict 5        | 5.3 5.0-5.6   | 0 0-0.1
         replication-freeze b1       | fence 5        | 5.3 5.0-5.6   | 0 0-0.1
         replication-freeze b1       | fence 50       | 50.3 50-50.9  | 0 0-0.1
         disk-freeze b1              | evict 3        | 3.3 3.0-3.6   | 3.3 3.0-3.6
         disk-freeze b1              | unregister 3   | 3.3 3.0-3.6   | 3.3 3.0-3.6
         disk-freeze b1              | fence 3        | 3.3 3.0-3.6   | 3.3 3.0-3.6
         kill b1                     | fence 0.05     | 0.31 0.1-0.45 | 0.31 0.1-0.45
         kill b1                     | unregister 0.05 | 0.31 0.1-0.45 | 0.31 0.1-0.45
         client-cut b1               | reorder+prefer 0.05 | 0.50 0.1-0.6 | 0.50 0.1-0.6",
    );
}

#[test]
fn other_versions_take_as_long() {
    let rows = "kill b1                     | unregister 1   | 1.3 1.0-1.6   | 1.3 1.0-1.6
                stop b1                     | fence 1        | 1.3 1.0-1.6   | 1.3 1.0-1.6
                disk-freeze b1              | fence 3        | 3.35 3.0-3.6  | 3.35 3.0-3.6
                kill b1                     | none 0         | 8.5 7.0-10.3  | 8.5 7.0-10.3";
    check(Version::V4_1, rows);
    // Its brokers act on a change up to half a second later (before KIP-1166).
    let rows = "kill b1                     | unregister 1   | 1.3 1.0-2.1   | 1.3 1.0-2.1
                stop b1                     | fence 1        | 1.3 1.0-2.1   | 1.3 1.0-2.1
                disk-freeze b1              | fence 3        | 3.35 3.0-4.1  | 3.35 3.0-4.1
                kill b1                     | none 0         | 8.5 7.0-10.8  | 8.5 7.0-10.8";
    check(Version::V3_9, rows);
    check(Version::V4_1, "replication-freeze b1 | fence 50 | 50.3 50-50.9 | 0 0-0.1");
    // Without ELR nobody may lead once the only one in sync is fenced; it un-fences itself and leads again, alone.
    check(Version::V3_9, "replication-freeze b1 | fence 50 | never | 0 0-0.1");
}

#[test]
fn tuned_settings_bring_every_deadline_nearer() {
    let tuned = KafkaPlan { settings: Settings::tuned(Version::V4_3), ..usual(Version::V4_3, 6) };
    check_with(
        &tuned,
        "kill b1        | none 0            | 3.3 2.5-4.0   | 3.3 2.5-4.0
         stop b1        | none 0            | 3.3 2.5-4.0   | 3.3 2.5-4.0
         client-cut b1  | none 0            | never         | never
         disk-freeze b1 | none 0            | never         | never
         disk-freeze b1 | reorder+prefer 3  | 9.3 8-11      | 3.3 3.0-3.6",
    );
}

#[test]
fn many_partitions_take_the_brokers_time() {
    let rows = "kill b1 | none 0                   | 9.8 8.0-11.8  | 9.8 8.0-11.8
                kill b1 | fence 0.3                | 1.25 1.0-1.9  | 1.25 1.0-1.9
                kill b1 | reorder+fence 0.3        | 1.5 1.2-2.4   | 1.5 1.2-2.4
                kill b1 | reorder+prefer+fence 0.3 | 1.6 1.4-2.8   | 1.6 1.2-2.8
                stop b1 | fence 0.3                | 1.57 1.0-1.9  | 1.57 1.0-1.9";
    check_with(&usual(Version::V4_3, 500), rows);
    let rows = "kill b1 | none 0                   | 12.0 10.8-15  | 12.0 10.8-15
                kill b1 | fence 0.3                | 5.3 4.3-6.0   | 5.3 4.3-6.0";
    check_with(&usual(Version::V4_3, 2_000), rows);
}

fn check(version: Version, rows: &str) {
    check_with(&usual(version, 6), rows);
}

/// The only place in this file that knows the model.
fn check_with(plan: &KafkaPlan, rows: &str) {
    let mut wrong = Vec::new();
    let seeds = if plan.topics[0].layout == usual(Version::V4_3, 6).topics[0].layout { SEEDS } else { 1..2 };
    for row in rows.lines() {
        for seed in seeds.clone() {
            let (said, fits) = play(plan, seed, row);
            if !fits {
                wrong.push(format!("{} seed {seed}: {said}", row.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{:?}\n{}", plan.version, wrong.join("\n"));
}

fn play(plan: &KafkaPlan, seed: u64, row: &str) -> (String, bool) {
    let [fault, act, all, one] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{row}") };
    let (act, delay) = act.split_once(' ').unwrap();
    let delay: f64 = delay.trim().parse().unwrap();
    let (acks_all, acks_one) = Lab::new(plan, seed).struck(fault, (act, secs(delay)), secs(60.0));
    let fits = within(all, acks_all) && within(one, acks_one);
    (format!("acks=all {acks_all:?}, acks=1 {acks_one:?}"), fits)
}

/// Tells whether a figure lies in a range such as `8.5 7.0-10.3`.
fn within(range: &str, figure: Option<Duration>) -> bool {
    let Some((_measured, range)) = range.split_once(' ') else { return range == "never" && figure.is_none() };
    let (least, most) = range.trim().split_once('-').unwrap();
    let (least, most): (f64, f64) = (least.parse().unwrap(), most.parse().unwrap());
    figure.is_some_and(|figure| (least..=most).contains(&figure.as_secs_f64()))
}
