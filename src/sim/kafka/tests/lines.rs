//! What lines tell and what they keep to themselves; controllers that go; records that flow; chance that repeats.
#![cfg(test)]

use super::lab::{Lab, secs, usual};
use crate::model::ids::{BrokerId, ControllerId, NodeId};
use crate::model::topology::Standing;
use crate::sim::kafka::code::Code;
use crate::sim::kafka::fault::Path;
use crate::sim::kafka::plan::Version;
use crate::sim::kafka::talk::{Acks, Answer, Asker, Door, ElectionKind, Line, News, RecordId, Request};

#[test]
fn an_observer_hears_of_a_change_before_its_rpc_is_answered() {
    for seed in 1..6 {
        let mut lab = Lab::new(&usual(Version::V4_3, 6), seed);
        let active = lab.kafka.truth().active_controller().unwrap();
        let line = Line::new(Asker::Node(NodeId(2)), Door::Controller(active));
        let call = lab.kafka.observe(lab.now, line);
        lab.run(secs(1.0));
        let (_, News::Metadata(first)) = lab.heard[&call].clone() else { panic!("nothing heard") };
        assert_eq!(first.brokers[&BrokerId(1)].epoch, Some(lab.epoch(1)));
        let partitions = Some(lab.partitions());
        let request = Request::Elect { kind: ElectionKind::Preferred, partitions };
        lab.act("reorder");
        let reordered = lab.now;
        let rpc = lab.ask(Asker::Node(NodeId(1)), Door::Controller(active), request);
        lab.wait(rpc, reordered.plus(secs(1.0))).unwrap();
        let (at, News::Metadata(shape)) = lab.heard[&call].clone() else { panic!("nothing heard") };
        assert_eq!(shape.partitions.values().next().unwrap().leader, Some(BrokerId(2)));
        let after = at.since(reordered);
        assert!(secs(0.005) <= after && after <= secs(0.045) && after < lab.now.since(reordered), "{after:?}");
    }
}

#[test]
fn a_kill_closes_lines_and_a_stop_does_not() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 1);
    let line = |lane| Line { from: Asker::Node(NodeId(1)), to: Door::Broker(BrokerId(1)), lane };
    let open = lab.kafka.connect(lab.now, line(0));
    lab.run(secs(0.1));
    assert_eq!(lab.heard[&open].1, News::Opened);
    lab.inflict("stop b1");
    lab.run(secs(5.0));
    assert_eq!(lab.heard[&open].1, News::Opened);
    let second = lab.kafka.connect(lab.now, line(1));
    let asked = lab.kafka.ask(lab.now, line(1), Request::ApiVersions);
    lab.run(secs(0.1));
    assert_eq!(lab.heard[&second].1, News::Opened, "the kernel accepts");
    assert!(!lab.heard.contains_key(&asked));
    let killed = lab.now;
    lab.inflict("kill b1");
    lab.run(secs(0.1));
    let (at, news) = lab.heard[&open].clone();
    assert_eq!(news, News::Closed);
    assert!(at.since(killed) <= secs(0.02));
    let refused = lab.kafka.connect(lab.now, line(0));
    lab.run(secs(0.1));
    assert_eq!(lab.heard[&refused].1, News::Refused);
}

#[test]
fn an_answer_that_is_lost_on_its_way_had_its_effect() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 1);
    assert!(lab.admin(Request::DescribeQuorum).is_some(), "the line stands already");
    lab.inflict("controller-freeze t1 outbound");
    assert_eq!(lab.reorder(&[2, 3, 1]), None, "silence");
    let partition = lab.partitions()[0];
    assert_eq!(lab.kafka.truth().partition(partition).unwrap().replicas[0], BrokerId(2));
    lab.heal("controller-freeze t1");
    lab.inflict("controller-freeze t1 inbound");
    assert_eq!(lab.reorder(&[3, 2, 1]), None, "silence");
    assert_eq!(lab.kafka.truth().partition(partition).unwrap().replicas[0], BrokerId(2), "and no effect");
}

#[test]
fn one_nodes_cut_is_not_anothers() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 1);
    let partition = lab.partitions()[0];
    lab.inflict("client-cut b1 from tanist1");
    let truth = |lab: &Lab, path| lab.kafka.truth().serves(partition, Acks::All, path);
    assert!(!truth(&lab, Path::Tanist(NodeId(1))));
    assert!(truth(&lab, Path::Tanist(NodeId(2))) && truth(&lab, Path::Clients));
    let ask = |lab: &mut Lab, node| {
        let call = lab.ask(Asker::Node(NodeId(node)), Door::Broker(BrokerId(1)), Request::ApiVersions);
        lab.run(secs(0.2));
        lab.heard[&call].1.clone()
    };
    assert_eq!(ask(&mut lab, 1), News::Refused);
    assert!(matches!(ask(&mut lab, 2), News::Answered { .. }));
}

#[test]
fn denials_throttles_and_caps_are_told_as_what_they_are() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 1);
    lab.inflict("client-deny b1");
    let answer = lab.asked(Door::Broker(BrokerId(1)), Request::Metadata, secs(0.1));
    assert!(matches!(answer, Some(Answer::Refused(code)) if code.number() == 31), "{answer:?}");
    lab.heal("client-deny b1");
    lab.inflict("client-throttle b1 400ms");
    let call = lab.ask(Asker::Node(NodeId(1)), Door::Broker(BrokerId(1)), Request::ApiVersions);
    lab.run(secs(0.1));
    assert!(matches!(&lab.heard[&call].1, News::Answered { throttled_for: Some(span), .. } if *span == secs(0.4)));
    lab.heal("client-throttle b1 400ms");
    lab.inflict("client-cap b1");
    let line = Line::new(Asker::Node(NodeId(3)), Door::Broker(BrokerId(1)));
    let call = lab.kafka.connect(lab.now, line);
    lab.run(secs(0.1));
    assert_eq!(lab.heard[&call].1, News::Closed);
}

#[test]
fn a_new_active_controller_gives_every_session_its_whole_time_again() {
    let mut lab = Lab::new(&usual(Version::V4_3, 6), 3);
    lab.inflict("kill b1");
    lab.run(secs(5.0));
    lab.inflict("kill k101");
    let since = lab.now;
    lab.run(secs(8.0));
    assert!(lab.kafka.truth().active_controller().is_some());
    assert_eq!(lab.kafka.truth().registrations()[&BrokerId(1)].standing, Standing::Active);
    while lab.kafka.truth().registrations()[&BrokerId(1)].standing == Standing::Active {
        lab.run(secs(0.1));
    }
    let after = lab.now.since(since).as_secs_f64();
    assert!((11.0..14.0).contains(&after), "{after}");
    let call = lab.ask(Asker::Node(NodeId(2)), Door::Controller(ControllerId(101)), Request::DescribeQuorum);
    lab.run(secs(0.1));
    assert_eq!(lab.heard[&call].1, News::Refused);
    lab.heal("kill k101");
    lab.run(secs(5.0));
    let call = lab.ask(Asker::Node(NodeId(2)), Door::Controller(ControllerId(101)), Request::DescribeQuorum);
    lab.run(secs(0.1));
    let News::Answered { answer, .. } = lab.heard[&call].1.clone() else { panic!("no answer") };
    assert_eq!(*answer, Answer::Refused(Code::NotLeaderOrFollower), "it is a standby now");
}

#[test]
fn without_a_majority_of_controllers_nothing_changes_and_requests_wait() {
    let mut lab = Lab::new(&usual(Version::V4_3, 6), 3);
    lab.inflict("kill k101,k102");
    lab.run(secs(20.0));
    assert_eq!(lab.kafka.truth().active_controller(), None);
    let end = lab.kafka.truth().metadata_end();
    let partitions = lab.partitions();
    let call = lab.ask(
        Asker::Operator(1),
        Door::Broker(BrokerId(2)),
        Request::Elect { kind: ElectionKind::Preferred, partitions: Some(partitions.clone()) },
    );
    lab.run(secs(5.0));
    assert!(!lab.heard.contains_key(&call));
    assert_eq!(lab.kafka.truth().metadata_end(), end);
    assert!(lab.kafka.truth().serves(partitions[0], Acks::All, Path::Clients), "the data path needs no controller");
    lab.heal("kill k101");
    lab.run(secs(8.0));
    assert!(lab.heard.contains_key(&call), "answered once somebody rules");
}

#[test]
fn a_request_that_a_stopped_broker_got_is_carried_out_when_it_goes_on() {
    let mut lab = Lab::new(&usual(Version::V4_3, 1), 2);
    let partition = lab.partitions()[0];
    lab.inflict("stop b1");
    let line = Line::new(Asker::Client(9), Door::Broker(BrokerId(1)));
    let record = RecordId(77);
    lab.kafka.ask(
        lab.now,
        line,
        Request::Produce { partition, acks: Acks::Leader, record, bulk: 0, within: secs(1.0) },
    );
    lab.run(secs(3.0));
    lab.kafka.close(lab.now, line);
    assert_eq!(lab.kafka.truth().records(partition), []);
    lab.heal("stop b1");
    lab.run(secs(0.5));
    assert_eq!(lab.kafka.truth().records(partition).len(), 1);
}

#[test]
fn what_flows_is_counted_without_an_event_for_each_record() {
    let mut plan = usual(Version::V4_3, 1);
    plan.topics[0].flow.acks_all_per_s = 1_000;
    let mut lab = Lab::new(&plan, 2);
    let partition = lab.partitions()[0];
    let end = |lab: &mut Lab, id: i32| {
        let answer = lab.asked(Door::Broker(BrokerId(id)), Request::ListOffsets(vec![partition]), secs(0.1));
        let Some(Answer::LogEnds(ends)) = answer else { panic!("no log ends") };
        ends.iter().find(|(of, _)| *of == partition).unwrap().1.unwrap().offset.0
    };
    let before = end(&mut lab, 3);
    lab.run(secs(10.0));
    let after = end(&mut lab, 3);
    assert!((10_000..10_100).contains(&(after - before)), "{}", after - before);
    lab.inflict("kill b1");
    let at_death = end(&mut lab, 3);
    lab.run(secs(5.0));
    assert_eq!(end(&mut lab, 3), at_death, "nobody leads, nothing flows");
    lab.act("fence");
    lab.run(secs(1.0));
    assert!(at_death + 500 < end(&mut lab, 3));
    assert_eq!(lab.kafka.truth().lost(), []);
}

#[test]
fn equal_seeds_hear_equally() {
    let play = |seed| {
        let mut lab = Lab::new(&usual(Version::V4_3, 20), seed);
        lab.inflict("stop b1");
        lab.served(lab.now, lab.now.plus(secs(12.0)));
        lab.heal("stop b1");
        lab.run(secs(20.0));
        format!("{:?}", lab.heard)
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}
