//! What the hand sees before it writes, and what it makes of that.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Hand, HandOptions, receipt};
use crate::control::event::{Errand, Event, Role};
use crate::control::pace::{READ_BACK_REST, READ_BACK_WITHIN};
use crate::model::ids::{BrokerId, NodeId, PartitionId, Term};
use crate::model::plan::{Act, Move, Precondition, Step, When};
use crate::model::record::{NotSent, Receipt, StepRefusal};
use crate::model::time::Timestamp;
use crate::sim::clock::Clock;
use crate::sim::desk::Desk;
use crate::sim::kafka::Kafka;
use crate::sim::kafka::plan::{KafkaPlan, Version};
use crate::sim::kafka::talk::{Asker, Door, Heard, Line, Order, ReplicaCount, Request};
use crate::sim::sabotage::Sabotage;
use crate::sim::stimulus::{Note, Out, Stimulus};

const ONE: BrokerId = BrokerId(1);
const FOUR: BrokerId = BrokerId(4);
const TERM: Term = Term(3);
const VALID_FOR: Duration = Duration::from_millis(800);

/// A hand at a cluster of four brokers that has been up for long.
struct Bench {
    kafka: Kafka,
    now: Timestamp,
    hand: Hand,
    coming: Vec<Heard>,
    timers: Vec<(Timestamp, Errand, u32)>,
    /// What was written.
    sent: Vec<Request>,
    errands: u64,
}

impl Bench {
    fn new(version: Version) -> Self {
        let plan = KafkaPlan::usual(version, 4).with_topic("orders", 4, 3);
        let mut hand = Hand::new(HandOptions {
            brokers: plan.brokers.iter().map(|broker| broker.id).collect(),
            controllers: plan.controllers.clone(),
            sabotage: Sabotage::None,
        });
        hand.became(Role::Leading(TERM));
        let (kafka, now) = (Kafka::new(&plan, 1), plan.start);
        let mut bench = Self { kafka, now, hand, coming: Vec::new(), timers: Vec::new(), sent: Vec::new(), errands: 0 };
        bench.run(30);
        bench
    }

    /// Lets the hand do something, and keeps what it wants.
    fn give(&mut self, act: impl FnOnce(&mut Hand, &mut Desk<'_>)) {
        let mut out = Vec::new();
        {
            let mut desk = Desk {
                me: NodeId(1),
                world: self.now,
                clock: Clock::new(0),
                kafka: &mut self.kafka,
                out: &mut out,
                facts: Vec::new(),
            };
            act(&mut self.hand, &mut desk);
        }
        for one in out {
            match one {
                Out::Later(at, Stimulus::Hand(errand, turn)) => self.timers.push((at, errand, turn)),
                Out::Note(Note::Touches { request, .. }) => self.sent.push(*request),
                other => panic!("{other:?}"),
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    /// Lets time pass: what Kafka says reaches the hand, and its timers end.
    fn run_for(&mut self, span: Duration) {
        let end = self.now.plus(span);
        loop {
            self.coming.extend(self.kafka.take_heard());
            let heard = self.coming.iter().map(|heard| heard.at).min();
            let timer = self.timers.iter().map(|(at, ..)| *at).min();
            let next = [self.kafka.next_due(), heard, timer].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.kafka.advance(self.now);
            if let Some(place) = self.coming.iter().position(|heard| heard.at <= self.now) {
                let heard = self.coming.remove(place);
                self.give(|hand, desk| hand.heard(desk, heard));
            } else if let Some(place) = self.timers.iter().position(|(at, ..)| *at <= self.now) {
                let (_, errand, turn) = self.timers.remove(place);
                self.give(|hand, desk| hand.due(desk, errand, turn));
            }
        }
        self.now = end;
        self.kafka.advance(end);
    }

    /// Begins a fault and lets as much time pass that Kafka has fenced whom it would.
    fn strike(&mut self, fault: &str) {
        self.kafka.inflict(self.now, &fault.parse().unwrap()).unwrap();
        self.run(15);
    }

    /// Hands a step to the hand.
    fn apply(&mut self, act: Act, expects: Vec<Precondition>) {
        let step = Step { number: 1, when: When::AtOnce, act, expects };
        self.errands += 1;
        let errand = Errand(self.errands);
        self.give(|hand, desk| hand.apply(desk, errand, step, (TERM, VALID_FOR)));
    }

    /// Gives what has come of the step three seconds later.
    fn receipt(&mut self) -> Receipt {
        self.run(3);
        assert_eq!(self.hand.under_way(), 0);
        match self.hand.take_done().as_slice() {
            [Event::Applied { result, .. }] => result.receipt.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Begins to read the shape back from all.
    fn read_back(&mut self) {
        self.errands += 1;
        let errand = Errand(self.errands);
        self.give(|hand, desk| hand.read_back(desk, errand, BTreeSet::new()));
    }

    /// Gives how many views the read-backs brought that have ended since last asked.
    fn views(&mut self) -> Vec<usize> {
        let views = |event: Event| match event {
            Event::ReadBack { views, .. } => views.shapes.len(),
            other => panic!("{other:?}"),
        };
        self.hand.take_done().into_iter().map(views).collect()
    }

    /// Has broker 1 struck off; gives what comes of it.
    fn strike_off(&mut self) -> Receipt {
        self.apply(Act::Unregister { broker: ONE, epoch: None }, Vec::new());
        self.receipt()
    }

    /// Gives a fence of the present life of broker 1.
    fn fence(&self) -> Act {
        Act::Fence { broker: ONE, epoch: self.kafka.truth().registration(ONE).unwrap().epoch }
    }

    /// Gives an election that moves a partition, as it stands now, to another of those in sync.
    fn elect(&self, id: PartitionId) -> Act {
        let truth = self.kafka.truth();
        let (now, leader) = (truth.partition(id).unwrap(), truth.leader(id));
        let first = *now.isr.iter().rfind(|one| Some(**one) != leader).unwrap();
        let mut to = now.replicas.clone();
        to.sort_by_key(|one| *one != first);
        let partitions = [id].into_iter().collect();
        Act::Elect { moves: vec![Move { partitions, leader, leader_epoch: now.leader_epoch, from: now.replicas, to }] }
    }

    /// Has an operator give broker 4 a replica of the partition that it has none of, and broker 4 dead: the copy does not end.
    fn somebody_moves_one(&mut self) -> PartitionId {
        self.strike("kill b4");
        let truth = self.kafka.truth();
        let lacks = |id: &PartitionId| !truth.replicas(*id).unwrap().contains(&FOUR);
        let theirs = truth.partitions().find(lacks).unwrap();
        let mut replicas = truth.replicas(theirs).unwrap().to_vec();
        replicas.push(FOUR);
        let orders = vec![Order { partition: theirs, replicas: Some(replicas) }];
        let line = Line::new(Asker::Operator(1), Door::Broker(BrokerId(2)));
        self.kafka.ask(self.now, line, Request::Reassign { orders, count: ReplicaCount::Free });
        self.run(2);
        assert_eq!(self.kafka.truth().partition(theirs).unwrap().adding, [FOUR]);
        theirs
    }

    /// Tells whether anything was sent about a partition.
    fn touched(&self, id: PartitionId) -> bool {
        self.sent.iter().any(|request| match request {
            Request::Reassign { orders, .. } => orders.iter().any(|order| order.partition == id),
            Request::Elect { partitions: Some(partitions), .. } => partitions.contains(&id),
            other => panic!("{other:?}"),
        })
    }

    fn partitions(&self) -> Vec<PartitionId> {
        self.kafka.truth().partitions().collect()
    }

    fn is_registered(&self) -> bool {
        self.kafka.truth().registration(ONE).is_some()
    }
}

#[test]
fn a_broker_that_answers_is_not_struck_off() {
    for version in [Version::V3_9, Version::V4_3] {
        let mut bench = Bench::new(version);
        assert_eq!(bench.strike_off(), Receipt::Refused(StepRefusal::Stale), "{version:?}");
        assert!(bench.sent.is_empty() && bench.is_registered(), "{version:?}");
    }
}

#[test]
fn a_saboteur_without_a_last_look_strikes_off_a_broker_that_answers() {
    let mut bench = Bench::new(Version::V4_3);
    bench.hand.options.sabotage = Sabotage::ActsOnOldFacts;
    assert_eq!(bench.strike_off(), receipt(&[], &[]));
    assert!(bench.sent == [Request::Unregister(ONE)] && !bench.is_registered());
}

#[test]
fn a_broker_that_does_not_answer_is_struck_off() {
    for version in [Version::V3_9, Version::V4_3] {
        for fault in ["kill b1", "stop b1"] {
            let mut bench = Bench::new(version);
            bench.strike(fault);
            assert_eq!(bench.strike_off(), receipt(&[], &[]), "{version:?}, {fault}");
            assert_eq!(bench.sent.last(), Some(&Request::Unregister(ONE)), "{version:?}, {fault}");
            assert!(!bench.is_registered(), "{version:?}, {fault}");
        }
    }
}

#[test]
fn a_broker_that_is_struck_off_already_is_left_alone_where_brokers_can_tell() {
    for (version, again) in [(Version::V3_9, true), (Version::V4_3, false)] {
        let mut bench = Bench::new(version);
        bench.strike("kill b1");
        assert_eq!(bench.strike_off(), receipt(&[], &[]), "{version:?}");
        bench.sent.clear();
        assert_eq!(bench.strike_off(), receipt(&[], &[]), "{version:?}");
        assert_eq!(!bench.sent.is_empty(), again, "{version:?}: before 4.0 fenced brokers are not told");
    }
}

#[test]
fn where_no_broker_says_who_is_registered_nothing_is_sent() {
    let mut bench = Bench::new(Version::V4_3);
    for fault in ["kill b1", "client-cut b2", "client-cut b3", "client-cut b4"] {
        bench.strike(fault);
    }
    assert_eq!(bench.strike_off(), Receipt::NotSent(NotSent::Unreachable));
    assert!(bench.sent.is_empty() && bench.is_registered());
}

#[test]
fn nobody_is_asked_for_a_term_that_is_over() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("kill b1");
    bench.hand.became(Role::Leaderless(Term(4)));
    assert_eq!(bench.strike_off(), Receipt::NotSent(NotSent::Deposed));
    assert!(bench.sent.is_empty() && bench.is_registered());
}

#[test]
fn the_facts_are_not_read_again_for_a_term_that_is_over() {
    let mut bench = Bench::new(Version::V4_3);
    bench.hand.became(Role::Leaderless(Term(4)));
    bench.apply(bench.elect(bench.partitions()[0]), Vec::new());
    assert_eq!(bench.hand.under_way(), 0, "nobody is asked");
    assert_eq!(bench.receipt(), Receipt::NotSent(NotSent::Deposed));
}

#[test]
fn no_other_peer_is_called_once_the_term_is_over() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("controller-freeze t1");
    bench.apply(bench.fence(), Vec::new());
    bench.run_for(Duration::from_millis(100));
    bench.hand.became(Role::Leaderless(Term(4)));
    assert_eq!(bench.receipt(), Receipt::NotSent(NotSent::Deposed));
}

#[test]
fn where_nobody_is_left_to_be_called_that_is_said_and_not_that_the_time_is_over() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("controller-freeze t1");
    bench.apply(bench.fence(), Vec::new());
    // Two take as long as a peer may, and the third what is left of the step's time.
    assert_eq!(bench.receipt(), Receipt::NotSent(NotSent::Unreachable));
    assert!(bench.sent.is_empty());
}

/// What a step expects that is in no hurry.
fn patient() -> Vec<Precondition> {
    vec![Precondition::MovesStand, Precondition::NotReassigning]
}

/// What a step expects while an outage of broker 4 runs.
fn urgent() -> Vec<Precondition> {
    [patient(), vec![Precondition::StillRed(FOUR)]].concat()
}

#[test]
fn what_somebody_else_is_reassigning_is_left_to_them() {
    for version in [Version::V3_9, Version::V4_3] {
        let mut bench = Bench::new(version);
        let theirs = bench.somebody_moves_one();
        bench.apply(bench.elect(theirs), patient());
        assert_eq!(bench.receipt(), Receipt::Refused(StepRefusal::Stale), "{version:?}");
        assert!(bench.sent.is_empty(), "{version:?}");
        let ours = bench.partitions().into_iter().find(|id| *id != theirs).unwrap();
        let moves = [theirs, ours].map(|id| bench.elect(id).moves().to_vec()).concat();
        bench.apply(Act::Elect { moves }, patient());
        assert_eq!(bench.receipt(), receipt(&[ours], &[(StepRefusal::Stale, theirs)]), "{version:?}");
        assert!(bench.touched(ours) && !bench.touched(theirs), "{version:?}");
    }
}

#[test]
fn a_step_in_need_does_not_ask_who_else_is_at_work_and_a_saboteur_never_does() {
    for (sabotage, expects) in [(Sabotage::None, urgent()), (Sabotage::ActsOnOldFacts, patient())] {
        let mut bench = Bench::new(Version::V4_3);
        let theirs = bench.somebody_moves_one();
        bench.hand.options.sabotage = sabotage;
        bench.apply(bench.elect(theirs), expects);
        assert_eq!(bench.receipt(), receipt(&[theirs], &[]), "{sabotage:?}");
        assert!(bench.touched(theirs), "{sabotage:?}");
    }
}

#[test]
fn whoever_has_just_told_the_shape_is_asked_who_is_at_work_and_for_the_change() {
    for controllers in [0, 3] {
        let mut bench = Bench::new(Version::V4_3);
        bench.hand.options.controllers.truncate(controllers);
        // It is the first in the list, takes connections, and answers nothing.
        bench.strike("stop b1");
        let id = bench.partitions()[0];
        assert_ne!(bench.kafka.truth().leader(id), Some(ONE), "it would not be asked");
        bench.apply(bench.elect(id), patient());
        bench.run_for(Duration::from_millis(200));
        assert_eq!(bench.receipt(), receipt(&[id], &[]), "{controllers}");
    }
}

#[test]
fn a_broker_that_does_not_say_who_is_at_work_is_not_the_last_to_be_asked() {
    let mut bench = Bench::new(Version::V4_3);
    let id = bench.partitions()[0];
    // It tells the shape, and asks the controllers in vain for what is being reassigned.
    bench.kafka.inflict(bench.now, &"controller-cut b2".parse().unwrap()).unwrap();
    bench.apply(bench.elect(id), patient());
    assert_eq!(bench.receipt(), receipt(&[id], &[]));
}

#[test]
fn where_no_broker_says_who_is_at_work_nothing_is_sent() {
    let mut bench = Bench::new(Version::V4_3);
    // Brokers tell the shape all the same, and ask their controllers for what is being reassigned.
    bench.strike("kill k101,k102,k103");
    let id = bench.partitions()[0];
    bench.apply(bench.elect(id), patient());
    bench.run_for(VALID_FOR);
    assert!(bench.hand.take_done().is_empty(), "three are asked, each for as long as a look may take");
    assert_eq!(bench.receipt(), Receipt::NotSent(NotSent::Unreachable));
    assert!(bench.sent.is_empty());
}

#[test]
fn a_read_back_ends_once_nobody_is_left_to_answer() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("kill b2,b3,b4");
    bench.read_back();
    bench.run_for(READ_BACK_REST * 2);
    assert_eq!(bench.views(), [1], "it only rests before it is given back");
    assert_eq!(bench.hand.under_way(), 0);
}

#[test]
fn whoever_did_not_tell_the_shape_in_time_is_called_over_a_new_line() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("client-freeze b2,b3,b4");
    bench.read_back();
    bench.run_for(READ_BACK_WITHIN - READ_BACK_REST);
    let waits = |bench: &Bench| bench.kafka.truth().longest_lines().get(&Asker::Node(NodeId(1))).copied();
    assert_eq!(waits(&bench), Some(1), "what is on a frozen line arrives once it opens");
    bench.run(1);
    assert_eq!(bench.views(), [1]);
    assert_eq!(waits(&bench), Some(0), "the frozen lines are given up");
}

#[test]
fn a_line_on_which_another_errand_waits_is_not_given_up() {
    let mut bench = Bench::new(Version::V4_3);
    bench.strike("client-freeze b2,b3,b4");
    bench.read_back();
    bench.run_for(READ_BACK_REST);
    bench.read_back();
    // The first waits no longer, and rests; the second still waits.
    bench.run_for(READ_BACK_WITHIN - READ_BACK_REST / 2);
    bench.kafka.heal(bench.now, &"client-freeze b2,b3,b4".parse().unwrap()).unwrap();
    bench.run_for(READ_BACK_REST);
    assert_eq!(bench.views(), [2, 1], "the second hears what it waits for, before the first is given back");
}
