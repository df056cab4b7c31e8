//! The measured way back of a broker, and the pulse and echo of the metadata log.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::lab::{Lab, secs, usual};
use crate::model::ids::BrokerId;
use crate::model::topology::Standing;
use crate::sim::kafka::fault::Path;
use crate::sim::kafka::plan::{Switch, Version};
use crate::sim::kafka::talk::{Acks, Answer, Door, Request};

#[test]
fn a_broker_is_back_in_every_isr_as_soon_as_measured() {
    // fault | act at 1 s | returned 5 s after the fault: in every ISR after this, by that range
    let rows = "kill b1        | unregister | 3 1.8-3.9
                kill b1        | fence      | 8 5.2-9.9
                stop b1        | fence      | 1 0-1.2
                stop b1        | unregister | never
                stop b1        | evict      | gone
                disk-freeze b1 | evict      | gone
                disk-freeze b1 | fence      | 1 0-1.2
                client-cut b1  | fence      | 0 0-0.1";
    let mut wrong = Vec::new();
    for row in rows.lines() {
        for seed in 1..7 {
            let said = come_back(Version::V4_3, seed, row);
            let expected = row.split('|').nth(2).unwrap().trim();
            let fits = match (expected.split_once(' '), said) {
                (Some((_, range)), Back::InSync(after)) => {
                    let (least, most) = range.split_once('-').unwrap();
                    (least.parse().unwrap()..=most.parse().unwrap()).contains(&after)
                }
                (None, Back::Never) => expected == "never",
                (None, Back::Gone) => expected == "gone",
                (Some(_), Back::Never | Back::Gone) | (None, Back::InSync(_)) => false,
            };
            if !fits {
                wrong.push(format!("{} seed {seed}: {said:?}", row.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fenced_broker_of_3_9_registers_again_at_once() {
    let Back::InSync(after) = come_back(Version::V3_9, 3, "kill b1 | fence |") else { panic!("not back") };
    assert!(after < 4.0, "{after}");
}

/// `auto.leader.rebalance.enable`: the first replica leads again at the next look of the controller, at most five minutes later, and only
/// where it is in sync by then.
#[test]
fn leadership_comes_back_with_the_rebalance_and_never_without_it() {
    for (switch, comes_back) in [(Switch::On, true), (Switch::Off, false)] {
        let mut plan = usual(Version::V4_3, 6);
        plan.settings.auto_rebalance = switch;
        let interval = plan.settings.rebalance_interval;
        let mut lab = Lab::new(&plan, 3);
        let led_by_first = |lab: &Lab| {
            let leads = |id| lab.kafka.truth().partition(id).unwrap().leader == Some(BrokerId(1));
            lab.partitions().into_iter().filter(|id| leads(*id)).count()
        };
        assert_eq!(led_by_first(&lab), 6);
        lab.inflict("kill b1");
        lab.run(interval);
        assert_eq!(led_by_first(&lab), 0, "dead when it was looked at");
        lab.heal("kill b1");
        lab.run(secs(25.0));
        assert_eq!(led_by_first(&lab), 0, "in sync, and not looked at yet");
        lab.run(interval);
        assert_eq!(led_by_first(&lab), if comes_back { 6 } else { 0 }, "{switch:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Back {
    InSync(f64),
    Never,
    Gone,
}

fn come_back(version: Version, seed: u64, row: &str) -> Back {
    let mut words = row.split('|').map(str::trim);
    let (fault, act) = (words.next().unwrap(), words.next().unwrap());
    let mut lab = Lab::new(&usual(version, 6), seed);
    lab.inflict(fault);
    let since = lab.now;
    lab.run(secs(1.0));
    lab.act(act);
    lab.run_until(since.plus(secs(5.0)));
    lab.heal(fault);
    let back = lab.now;
    let truths =
        |lab: &Lab| lab.partitions().iter().map(|id| lab.kafka.truth().partition(*id).unwrap()).collect::<Vec<_>>();
    while lab.now < back.plus(secs(22.0)) {
        let all = truths(&lab);
        if all.iter().all(|one| one.isr.contains(&BrokerId(1))) {
            assert!(all.iter().all(|one| one.leader != Some(BrokerId(1))), "leadership does not move back by itself");
            return Back::InSync(lab.now.since(back).as_secs_f64());
        }
        lab.run(secs(0.02));
    }
    if truths(&lab).iter().any(|one| one.replicas.contains(&BrokerId(1))) { Back::Never } else { Back::Gone }
}

#[test]
fn stock_kafka_gives_leadership_back_within_five_minutes_of_a_return() {
    let mut lab = Lab::new(&usual(Version::V4_3, 6), 2);
    lab.act("fence");
    lab.run(secs(5.0));
    let led = |lab: &Lab| {
        lab.partitions()
            .iter()
            .filter(|id| lab.kafka.truth().partition(**id).unwrap().leader == Some(BrokerId(1)))
            .count()
    };
    assert_eq!(led(&lab), 0);
    lab.run(secs(300.0));
    assert_eq!(led(&lab), 6);
}

fn behind(lab: &mut Lab) -> BTreeMap<i32, u64> {
    let Some(Answer::Quorum(quorum)) = lab.admin(Request::DescribeQuorum) else { panic!("no quorum") };
    quorum.brokers.iter().map(|(id, one)| (id.0, quorum.log_end.0 - one.log_end.0)).collect()
}

#[test]
fn the_pulse_falls_behind_where_a_process_or_its_disk_hangs_and_nowhere_else() {
    for (fault, after, least, most) in [
        ("kill b1", 1.1, 2, 3),
        ("stop b1", 1.1, 2, 3),
        ("disk-freeze b1", 3.1, 6, 7),
        ("controller-freeze b1", 3.1, 6, 7),
        ("client-cut b1", 3.1, 0, 0),
        ("replication-freeze b1", 3.1, 0, 0),
        ("disk-stall b1", 4.2, 0, 0),
        ("disk-stall b1", 7.6, 4, 7),
    ] {
        let mut lab = Lab::new(&usual(Version::V4_3, 6), 4);
        lab.inflict(fault);
        lab.run(secs(after));
        // Between pulses, so that everybody who reads has read.
        let mut seen = behind(&mut lab);
        while seen[&2] != 0 || seen[&3] != 0 {
            lab.run(secs(0.02));
            seen = behind(&mut lab);
        }
        assert!((least..=most).contains(&seen[&1]), "{fault}: {seen:?}");
    }
}

#[test]
fn an_order_is_an_echo_by_the_time_it_is_answered() {
    for (fault, least, most) in
        [("kill b1", 1, 8), ("stop b1", 1, 8), ("disk-freeze b1", 1, 8), ("client-cut b1", 0, 0)]
    {
        for seed in 1..5 {
            let mut lab = Lab::new(&usual(Version::V4_3, 6), seed);
            lab.inflict(fault);
            lab.act("reorder");
            let mut seen = behind(&mut lab);
            assert!(seen[&2] <= 1 && seen[&3] <= 1, "at most a pulse that came just now: {fault}");
            while seen[&2] != 0 || seen[&3] != 0 {
                lab.run(secs(0.02));
                seen = behind(&mut lab);
            }
            assert!((least..=most).contains(&seen[&1]), "{fault}: {seen:?}");
        }
    }
}

#[test]
fn a_stalled_disk_is_silent_to_writers_only() {
    let mut lab = Lab::new(&usual(Version::V4_3, 6), 1);
    let partition = lab.partitions()[0];
    lab.inflict("disk-freeze b1");
    let door = Door::Broker(BrokerId(1));
    let soon = Duration::from_millis(100);
    assert!(lab.asked(door, Request::ApiVersions, soon).is_some());
    assert!(lab.asked(door, Request::ListOffsets(vec![]), soon).is_some());
    assert!(lab.asked(door, Request::DescribeLogDirs, soon).is_none());
    lab.act("unregister");
    let Some(Answer::Metadata(stale)) = lab.asked(door, Request::Metadata, soon) else { panic!("no metadata") };
    let Some(Answer::Metadata(fresh)) = lab.asked(Door::Broker(BrokerId(2)), Request::Metadata, soon) else {
        panic!("no metadata")
    };
    assert_eq!(stale.partitions[&partition].leader, Some(BrokerId(1)), "it believes what was");
    assert_eq!(fresh.partitions[&partition].leader, Some(BrokerId(2)));
    assert_eq!(fresh.brokers[&BrokerId(1)].standing, Standing::Unregistered);
    lab.run(secs(20.0));
    assert_eq!(lab.kafka.truth().registrations().len(), 2);
}

#[test]
fn a_block_device_that_stalls_serves_from_the_cache_for_some_seconds() {
    let mut lab = Lab::new(&usual(Version::V4_3, 6), 1);
    let partition = lab.partitions()[0];
    lab.inflict("disk-stall b1");
    lab.run(secs(4.0));
    assert!(lab.kafka.truth().serves(partition, Acks::All, Path::Clients));
    lab.run(secs(2.0));
    assert!(!lab.kafka.truth().serves(partition, Acks::Leader, Path::Clients));
    lab.run(secs(40.0));
    assert!(!lab.kafka.truth().serves(partition, Acks::Leader, Path::Clients), "stock Kafka does nothing");
    assert_eq!(lab.kafka.truth().registrations()[&BrokerId(1)].standing, Standing::Active);
}
