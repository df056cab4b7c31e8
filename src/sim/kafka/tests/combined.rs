//! Combined nodes: what strikes a process strikes both roles, what strikes one listener does not.
#![cfg(test)]

use std::time::Duration;

use super::lab::{Lab, secs, usual};
use crate::model::ids::{BrokerId, ControllerId, NodeId};
use crate::model::topology::Standing;
use crate::sim::kafka::code::Code;
use crate::sim::kafka::fault::Path;
use crate::sim::kafka::plan::{KafkaPlan, Version, controllers_apart};
use crate::sim::kafka::talk::{Acks, Answer, Asker, Door, News, Quorum, Request};

/// A lab of three combined nodes; b1, which leads everything, is the active controller k1.
fn lab() -> Lab {
    let lab = Lab::new(&usual(Version::V4_3, 6).with_combined_nodes(), 3);
    assert_eq!(active(&lab), Some(ControllerId(1)));
    lab
}

fn active(lab: &Lab) -> Option<ControllerId> {
    lab.kafka.truth().active_controller()
}

fn another_is_active(lab: &Lab) -> bool {
    active(lab).is_some_and(|id| id != ControllerId(1))
}

/// Gives what is heard of a controller's listener within a tenth of a second.
fn asked(lab: &mut Lab, id: i32) -> Option<News> {
    let call = lab.ask(Asker::Node(NodeId(2)), Door::Controller(ControllerId(id)), Request::DescribeQuorum);
    lab.run(secs(0.1));
    lab.heard.get(&call).map(|(_, news)| news.clone())
}

fn says_standby(news: Option<News>) -> bool {
    matches!(news, Some(News::Answered { answer, .. }) if *answer == Answer::Refused(Code::NotLeaderOrFollower))
}

fn quorum(lab: &mut Lab) -> Quorum {
    let Some(Answer::Quorum(quorum)) = lab.admin(Request::DescribeQuorum) else { panic!("no quorum") };
    quorum
}

/// Gives by how many records a standby is behind in the metadata log.
fn behind(lab: &mut Lab, id: i32) -> u64 {
    let quorum = quorum(lab);
    quorum.log_end.0 - quorum.voters[&ControllerId(id)].log_end.0
}

fn is_back(lab: &mut Lab) -> bool {
    let partition = lab.partitions()[0];
    let in_sync = lab.kafka.truth().partition(partition).unwrap().isr.contains(&BrokerId(1));
    in_sync && says_standby(asked(lab, 1))
}

#[test]
fn a_death_by_either_name_ends_both_roles_and_a_start_brings_both_back() {
    for fault in ["kill b1", "kill k1", "disk-fail b1"] {
        let mut lab = lab();
        lab.inflict(fault);
        assert_eq!(active(&lab), None, "{fault}");
        assert!(!lab.kafka.truth().has_process(BrokerId(1)), "{fault}");
        lab.run(secs(4.0));
        assert!(another_is_active(&lab), "{fault}");
        assert_eq!(asked(&mut lab, 1), Some(News::Refused), "{fault}");
        assert_eq!(
            quorum(&mut lab).voters.get(&ControllerId(1)),
            None,
            "{fault}: it has fetched nothing in this reign"
        );
        lab.heal(fault);
        lab.run(secs(25.0));
        assert!(is_back(&mut lab), "{fault}");
    }
}

#[test]
fn a_stop_by_either_name_takes_the_vote_as_well_and_its_end_gives_it_back() {
    for fault in ["stop b1", "stop k1"] {
        let mut lab = lab();
        lab.inflict(fault);
        assert_eq!(active(&lab), None, "{fault}");
        lab.run(secs(4.0));
        assert!(another_is_active(&lab), "{fault}");
        assert_eq!(asked(&mut lab, 1), None, "the kernel accepts, and nobody answers");
        lab.heal(fault);
        lab.run(secs(1.0));
        assert!(is_back(&mut lab), "{fault}");
    }
}

#[test]
fn in_good_order_the_broker_leaves_first_and_the_controller_hands_over_last() {
    let mut lab = lab();
    lab.inflict("terminate b1");
    lab.run(secs(0.3));
    assert_eq!(active(&lab), Some(ControllerId(1)), "it lets its own broker go");
    assert!(!lab.kafka.truth().leads(BrokerId(1)));
    lab.run(secs(2.5));
    assert!(!lab.kafka.truth().has_process(BrokerId(1)));
    assert!(another_is_active(&lab));
    lab.heal("terminate b1");
    lab.run(secs(20.0));
    assert!(is_back(&mut lab));
}

#[test]
fn a_frozen_disk_keeps_the_controller_from_the_quorum_until_it_thaws() {
    let mut lab = lab();
    lab.inflict("disk-freeze b1");
    assert_eq!(active(&lab), None);
    lab.run(secs(4.0));
    assert!(another_is_active(&lab));
    let ping = lab.asked(Door::Broker(BrokerId(1)), Request::ApiVersions, Duration::from_millis(100));
    assert!(ping.is_some(), "pings touch no disk");
    assert_eq!(asked(&mut lab, 1), None, "its thread of Raft hangs");
    assert_eq!(quorum(&mut lab).voters.get(&ControllerId(1)), None, "it has fetched nothing in this reign");
    lab.heal("disk-freeze b1");
    lab.run(secs(1.0));
    assert!(says_standby(asked(&mut lab, 1)));
    assert!(behind(&mut lab, 1) <= 1, "at most a pulse that came just now");
}

#[test]
fn a_stalled_device_shows_at_once_to_a_voter_and_late_to_writers() {
    let mut lab = lab();
    let partition = lab.partitions()[0];
    lab.inflict("disk-stall b1");
    lab.run(secs(3.5));
    assert!(another_is_active(&lab));
    assert!(lab.kafka.truth().serves(partition, Acks::All, Path::Clients), "the page cache hides it");
    lab.run(secs(3.0));
    assert!(!lab.kafka.truth().serves(partition, Acks::Leader, Path::Clients));
}

#[test]
fn a_way_to_the_controllers_that_is_cut_matters_to_a_standby_and_not_to_the_active_one() {
    let mut lab = lab();
    lab.inflict("controller-cut b1");
    lab.run(secs(15.0));
    assert_eq!(active(&lab), Some(ControllerId(1)));
    assert_eq!(lab.kafka.truth().registrations()[&BrokerId(1)].standing, Standing::Active);
    lab.heal("controller-cut b1");
    lab.inflict("controller-cut b2");
    lab.run(secs(3.0));
    assert_eq!(active(&lab), Some(ControllerId(1)));
    assert!(4 <= behind(&mut lab, 2));
    lab.inflict("kill b3");
    assert_eq!(active(&lab), None, "of three only one has the log");
    lab.heal("controller-cut b2");
    lab.run(secs(1.0));
    assert_eq!(active(&lab), Some(ControllerId(1)));
}

#[test]
fn a_combined_node_is_a_voter_and_no_observer() {
    let plan = KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 6, 3).with_combined_nodes();
    let mut lab = Lab::new(&plan, 1);
    let quorum = quorum(&mut lab);
    assert_eq!(quorum.leader, ControllerId(1));
    assert!(quorum.brokers.keys().eq(&[BrokerId(4)]), "{:?}", quorum.brokers);
    assert!(quorum.voters.keys().eq(&[2, 3].map(ControllerId)), "{:?}", quorum.voters);
}

#[test]
fn each_role_has_a_listener_of_its_own() {
    let mut lab = lab();
    let ping = |lab: &mut Lab| {
        let call = lab.ask(Asker::Node(NodeId(2)), Door::Broker(BrokerId(1)), Request::ApiVersions);
        lab.run(secs(0.1));
        lab.heard[&call].1.clone()
    };
    lab.inflict("client-cut b1");
    assert_eq!(ping(&mut lab), News::Refused);
    assert!(matches!(asked(&mut lab, 1), Some(News::Answered { .. })));
    lab.heal("client-cut b1");
    lab.inflict("controller-cut t2");
    assert!(matches!(ping(&mut lab), News::Answered { .. }));
    assert_eq!(asked(&mut lab, 1), Some(News::Refused));
}

#[test]
fn controllers_apart_have_numbers_that_no_broker_has() {
    assert_eq!(controllers_apart(3), [101, 102, 103].map(ControllerId));
    assert_eq!(controllers_apart(100), [101, 102, 103].map(ControllerId));
    assert_eq!(controllers_apart(200), [201, 202, 203].map(ControllerId));
}
