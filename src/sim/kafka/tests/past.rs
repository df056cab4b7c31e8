//! What was so a moment ago: who was in sync, who believes so still, and for how long a broker has read the metadata log.
#![cfg(test)]

use std::time::Duration;

use super::lab::{Lab, secs, usual};
use crate::model::ids::{BrokerId, NodeId};
use crate::model::time::Timestamp;
use crate::sim::kafka::plan::Version;
use crate::sim::kafka::talk::{Asker, Door, Request};

const ONE: BrokerId = BrokerId(1);

/// Broker 1 dies and is fenced; gives when all was well, and when it is out of the ISR for certain.
fn fenced(lab: &mut Lab) -> (Timestamp, Timestamp) {
    let well = lab.now;
    lab.inflict("kill b1");
    lab.act("fence");
    (well, lab.now)
}

fn was_in_sync(lab: &Lab, since: Timestamp) -> bool {
    lab.kafka.truth().was_in_sync(lab.partitions()[0], ONE, since)
}

#[test]
fn who_left_the_isr_was_in_sync_until_then_and_not_since() {
    for version in [Version::V4_3, Version::V3_9] {
        let mut lab = Lab::new(&usual(version, 1), 1);
        assert!(was_in_sync(&lab, lab.now));
        let (well, _) = fenced(&mut lab);
        assert!(was_in_sync(&lab, well), "{version:?}");
        // Of 3.9 the others may believe so for half a second.
        lab.run(secs(2.0));
        assert!(!was_in_sync(&lab, lab.now), "{version:?}");
        assert!(was_in_sync(&lab, well), "{version:?}");
        lab.run(secs(11.0));
        assert!(was_in_sync(&lab, well), "{version:?}: nobody can tell any more");
        assert!(!was_in_sync(&lab, lab.now), "{version:?}");
    }
}

#[test]
fn who_does_not_read_the_metadata_log_believes_what_was_so_before() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 2);
    lab.inflict("controller-freeze b3");
    let (_, out) = fenced(&mut lab);
    assert!(was_in_sync(&lab, out), "broker 3 says so");
    lab.heal("controller-freeze b3");
    lab.run(secs(2.0));
    assert!(was_in_sync(&lab, out), "broker 3 may have said so after that");
    assert!(!was_in_sync(&lab, lab.now));
}

#[test]
fn a_broker_reads_the_metadata_log_for_as_long_as_nothing_keeps_it_from_that() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 3);
    assert!(lab.kafka.truth().reads_for(ONE).is_some_and(|span| secs(20.0) <= span));
    for fault in ["stop b1", "controller-cut b1", "disk-freeze b1"] {
        lab.inflict(fault);
        assert_eq!(lab.kafka.truth().reads_for(ONE), None, "{fault}");
        lab.heal(fault);
        lab.run(secs(1.0));
        assert!(lab.kafka.truth().reads_for(ONE).is_some_and(|span| span < secs(1.0)), "{fault}");
    }
    lab.inflict("client-cut b1");
    lab.run(secs(1.0));
    assert!(lab.kafka.truth().reads_for(ONE).is_some_and(|span| secs(1.0) <= span));
}

#[test]
fn what_a_frozen_path_holds_up_waits_on_its_line() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 4);
    let asker = Asker::Node(NodeId(1));
    let waits = |lab: &Lab| lab.kafka.truth().longest_lines().get(&asker).copied();
    lab.inflict("client-freeze b1");
    for _ in 0..3 {
        lab.ask(asker, Door::Broker(ONE), Request::Metadata);
    }
    lab.run(Duration::from_millis(100));
    assert_eq!(waits(&lab), Some(3));
    assert_eq!(lab.kafka.truth().longest_lines().get(&Asker::Node(NodeId(2))), None);
    lab.heal("client-freeze b1");
    lab.run(secs(1.0));
    assert_eq!(waits(&lab), Some(0));
}
