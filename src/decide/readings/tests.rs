//! Tests of the readings: whose word about the cluster's shape is taken.

use std::sync::Arc;

use super::*;
use crate::decide::fixture::{PLAIN, parse, partition};
use crate::model::ids::{BrokerEpoch, LeaderEpoch, Offset};
use crate::model::observation::LogEnd;

fn at(ms: u64) -> Timestamp {
    Timestamp(1000 * ms)
}

fn shape(text: &str, sent_at: Timestamp, source: TopologySource) -> TopologyReading {
    TopologyReading { topology: Arc::clone(&parse(text).0.topology), source, sent_at }
}

fn metadata() -> TopologySource {
    TopologySource::Metadata([BrokerId(2), BrokerId(3)].into())
}

fn leader(readings: &Readings) -> (Option<BrokerId>, LeaderEpoch) {
    let known = &readings.topology.as_ref().expect("a shape").topology.partitions[&partition(0)];
    (known.leader, known.leader_epoch)
}

const MOVED: &str = "broker b1 rack a\nbroker b2 rack b\nbroker b3 rack c\np0..p5 led b2 of 1,2,3 isr 2,3 min 2 e 8\n";

#[test]
fn a_view_that_lags_does_not_undo_an_election() {
    let mut readings = Readings::default();
    readings.note_topology(&shape(MOVED, at(1), metadata()));
    readings.note_topology(&shape(PLAIN, at(2), metadata()));
    assert_eq!(leader(&readings), (Some(BrokerId(2)), LeaderEpoch(8)));
}

#[test]
fn an_older_reading_that_arrives_late_is_dropped() {
    let mut readings = Readings::default();
    readings.note_topology(&shape(PLAIN, at(2), metadata()));
    let fewer = PLAIN.replace("p0..p5", "p0..p1");
    readings.note_topology(&shape(&fewer, at(1), metadata()));
    assert_eq!(readings.topology.expect("a shape").topology.partitions.len(), 6);
}

#[test]
fn the_observer_is_preferred_and_corrected_by_a_higher_epoch_only() {
    let mut readings = Readings::default();
    readings.note_topology(&shape(PLAIN, at(1), TopologySource::Observer));
    readings.note_topology(&shape(&PLAIN.replace("isr 1,2,3", "isr 1"), at(2), metadata()));
    let known = readings.topology.clone().expect("a shape");
    assert_eq!(known.source, TopologySource::Observer);
    assert_eq!(known.topology.partitions[&partition(0)].isr.len(), 3);
    assert_eq!(known.confirmed_at, at(2));
    readings.note_topology(&shape(MOVED, at(3), metadata()));
    assert_eq!(leader(&readings), (Some(BrokerId(2)), LeaderEpoch(8)));
}

#[test]
fn a_blind_observer_gives_way_to_the_brokers_but_its_epochs_stay_known() {
    let mut readings = Readings::default();
    readings.note_topology(&shape(PLAIN, at(1), TopologySource::Observer));
    readings.note_topology(&shape(&MOVED.replace(" e 8", ""), at(2), metadata()));
    readings.note_blind(at(3), None, ProbeKind::Observer, Blindness::NobodyAnswered);
    let known = readings.topology.clone().expect("a shape");
    assert_eq!(known.source, metadata());
    assert_eq!(known.topology.partitions[&partition(0)].isr.len(), 2);
    assert_eq!(known.topology.brokers[&BrokerId(1)].epoch, Some(BrokerEpoch(101)));
    readings.note_topology(&shape(PLAIN, at(4), TopologySource::Observer));
    assert_eq!(readings.topology.expect("a shape").source, TopologySource::Observer);
}

#[test]
fn a_pulse_confirms_what_the_observer_told_and_not_what_brokers_told() {
    let pulse = |sent_at| PulseReading::of(9, sent_at, Offset(5), BTreeMap::new());
    let mut readings = Readings::default();
    readings.note_topology(&shape(PLAIN, at(1), TopologySource::Observer));
    readings.note_pulse(&pulse(at(9)));
    assert_eq!(readings.topology.expect("a shape").confirmed_at, at(9));
    let mut readings = Readings::default();
    readings.note_topology(&shape(PLAIN, at(1), metadata()));
    readings.note_pulse(&pulse(at(9)));
    assert_eq!(readings.topology.expect("a shape").confirmed_at, at(1));
}

#[test]
fn what_a_broker_tells_of_the_controllers_opens_no_way_to_them() {
    let mut readings = Readings::default();
    let pulse = |sent_at, as_changes_go| PulseReading {
        as_changes_go,
        ..PulseReading::of(9, sent_at, Offset(5), BTreeMap::new())
    };
    readings.note_pulse(&pulse(at(1), false));
    assert_eq!((readings.way_open_ago(at(2)), readings.controller.is_some()), (None, true));
    readings.note_pulse(&pulse(at(2), true));
    readings.note_pulse(&pulse(at(9), false));
    assert_eq!(readings.way_open_ago(at(9)), Some(Duration::from_millis(7)));
}

#[test]
fn log_ends_of_part_of_a_broker_keep_the_rest() {
    let reading = |sent_at, number, offset| OffsetsReading {
        broker: BrokerId(2),
        sent_at,
        log_ends: [(partition(number), LogEnd { offset: Offset(offset), leader_epoch: None })].into(),
    };
    let mut readings = Readings::default();
    readings.note_offsets(&reading(at(1), 0, 10));
    readings.note_offsets(&reading(at(3), 1, 20));
    readings.note_offsets(&reading(at(2), 1, 19));
    let since = |ms| -> Vec<(i32, u64)> {
        let ends = readings.log_ends[&BrokerId(2)].since(at(ms));
        ends.iter().map(|(id, end)| (id.number, end.offset.0)).collect()
    };
    assert_eq!(since(1), [(0, 10), (1, 20)]);
    assert_eq!(since(2), [(1, 20)], "the newer of two readings counts");
    assert_eq!(since(4), []);
}

#[test]
fn log_ends_of_deleted_topics_are_forgotten() {
    let both = parse(&format!("{PLAIN}p6 led b1 of 1,2,3 isr 1,2,3\n")).0;
    let end = LogEnd { offset: Offset(5), leader_epoch: None };
    let mut readings = Readings::default();
    let told = |numbers: std::ops::RangeInclusive<i32>| OffsetsReading {
        broker: BrokerId(2),
        sent_at: at(1),
        log_ends: numbers.map(|number| (partition(number), end)).collect(),
    };
    readings.note_topology(&shape(PLAIN, at(1), TopologySource::Observer));
    readings.note_offsets(&told(0..=6));
    let held = |readings: &Readings| readings.log_ends[&BrokerId(2)].since(at(0)).len();
    assert_eq!(held(&readings), 6, "one more than the six that it holds");
    let reading =
        TopologyReading { topology: Arc::clone(&both.topology), source: TopologySource::Observer, sent_at: at(2) };
    readings.note_topology(&reading);
    readings.note_offsets(&told(6..=6));
    assert_eq!(held(&readings), 7);
}

#[test]
fn a_log_is_as_fast_as_when_it_last_grew_over_a_second_or_more() {
    let mut readings = Readings::default();
    let mut rate = |ms, offset| {
        let log_ends = [(partition(0), LogEnd { offset: Offset(offset), leader_epoch: None })].into();
        readings.note_offsets(&OffsetsReading { broker: BrokerId(2), sent_at: at(ms), log_ends });
        readings.log_ends[&BrokerId(2)].rates().first().map(|(_, rate)| *rate)
    };
    assert_eq!(rate(1000, 10), None);
    assert_eq!(rate(6000, 5010), Some(1000));
    assert_eq!(rate(6300, 5011), Some(1000), "too close to tell");
    assert_eq!(rate(8300, 5012), Some(1), "slow is not still");
    assert_eq!(rate(10_300, 7012), Some(1000));
    assert_eq!(rate(15_300, 7012), Some(1000), "it stands, as after its leader's death");
    assert_eq!(rate(20_300, 5), Some(1000), "it was cut");
}

#[test]
fn bytes_come_in_where_a_broker_leads_by_two_readings_of_its_log_dirs() {
    let mut readings = Readings::default();
    readings.note_topology(&shape(&format!("{PLAIN}p6 led b2 of 1,2,3 isr 1,2,3\n"), at(1), TopologySource::Observer));
    let mut carried = |ms, broker, sizes: [u64; 2]| {
        let bytes = [(partition(0), sizes[0]), (partition(6), sizes[1])].into();
        readings.note_log_dirs(&LogDirsReading {
            broker: BrokerId(broker),
            sent_at: at(ms),
            failed_dirs: 0,
            all_cordoned: false,
            bytes,
        });
        readings.carried[&BrokerId(broker)]
    };
    assert_eq!(carried(1000, 1, [100, 1000]), (1100, None));
    assert_eq!(carried(11_000, 1, [50_100, 2000]), (52_100, Some(5000)));
    assert_eq!(carried(21_000, 1, [10, 2000]), (2010, Some(5000)), "a deleted segment hides what came in");
    assert_eq!(carried(31_000, 1, [10, 2000]), (2010, Some(0)));
    carried(1000, 2, [100, 1000]);
    assert_eq!(carried(11_000, 2, [100, 41_000]), (41_100, Some(4000)));
}

#[test]
fn loads_count_leaders_replicas_and_isrs_with_others() {
    let loads = loads_in(&parse(&format!("{PLAIN}p6 led b1 of 1 isr 1\n")).0.topology);
    let of = |broker| loads[&BrokerId(broker)];
    assert_eq!((of(1).leads, of(1).replicas, of(1).in_isr_with_others), (7, 7, 6));
    assert_eq!([1, 2, 3].map(|broker| of(broker).coordinates), [0; 3]);
    let own = loads_in(&parse(&format!("{PLAIN}p0..p3 led b2 of 1,2,3 isr 1,2,3 internal\n")).0.topology);
    assert_eq!((own[&BrokerId(2)].leads, own[&BrokerId(2)].coordinates), (4, 4));
    assert_eq!((of(2).leads, of(2).replicas, of(2).in_isr_with_others), (0, 6, 6));
}
