//! Tests of the last check before a step is sent.

use super::super::recheck;
use super::*;
use crate::model::ids::BrokerEpoch;
use crate::model::plan::{Precondition, Step};

/// The objections to one step of the plan made on `fixture`, just before it is sent in the changed world.
fn again(fixture: &str, when: When, change: &str) -> Vec<Objection> {
    let (plan, _, _, _) = made_on(fixture);
    let step: &Step = plan.steps.iter().find(|step| step.when == when).expect("such a step");
    let (snapshot, policy) = parse(&format!("{fixture}{change}"));
    recheck(step, &plan, &snapshot, &policy)
}

#[test]
fn a_step_is_checked_again_just_before_it_is_sent() {
    let fence = refused("policy fence\n");
    let behind = "n1 pulse b1 behind 1 beats 1\nin-flight c-9\ncool-down b1 c-9 10s\n";
    assert_eq!(again(&fence, When::AtOnce, "in-flight c-9\n"), []);
    assert_eq!(again(&fence, When::EchoBehind, behind), []);
    let names_again = |when, change: &str| names(&again(&fence, when, change));
    assert_eq!(names_again(When::AtOnce, "paused\n"), ["Paused"]);
    assert_eq!(names_again(When::AtOnce, "n1 no-controller\n"), ["ControllerUnreachable"]);
    assert_eq!(names_again(When::AtOnce, "n2 sees b1 recovering 10ms sent 5ms\n"), ["NoMajority"]);
    assert_eq!(names_again(When::AtOnce, "maintenance b1\n"), ["Maintenance"]);
    assert_eq!(names_again(When::EchoBehind, &format!("{behind}broker b1 rack a epoch 999\n")), ["FactsMoved"]);
    // A new life is level: it is never fenced.
    let level = names_again(When::EchoBehind, "n1 pulse b1 level beats 2\nn2 pulse b1 level beats 2\n");
    assert!(level.contains(&"FactsMoved"), "{level:?}");
}

#[test]
fn an_election_of_a_cut_broker_is_vetoed_again_by_progress() {
    let fence = refused("policy fence\n");
    let level = "n1 pulse b1 level beats 1\nn2 pulse b1 level beats 1\n";
    // The echo partition p0 stands reordered by then.
    let after_echo = format!("{level}p0 led b1 of 2,3,1 isr 1,2,3 min 2\n");
    assert_eq!(again(&fence, When::EchoLevelStillRed, &after_echo), []);
    assert_eq!(
        again(&fence, When::EchoLevelStillRed, &format!("{after_echo}n3 progress b1 1\n")),
        [Objection::ProgressVeto { growing: 1 }]
    );
}

#[test]
fn an_election_of_a_cut_leader_is_held_by_the_cap() {
    let fence = refused("policy fence\n");
    let tails = "ends p1 1=6000 2=1000 3=1000\nends p2 1=2000 2=1000 3=1000\n";
    let level =
        format!("{tails}n1 pulse b1 level beats 1\nn2 pulse b1 level beats 1\np0 led b1 of 2,3,1 isr 1,2,3 min 2\n");
    let capped = |limit: u64| format!("{level}policy at-risk {limit}\n");
    // All but the echo partition, which has an election of its own.
    let partitions = (1..=5).map(partition).collect();
    let held = Objection::AtRisk { partitions, records: Some(6000), limit: 5999 };
    assert_eq!(again(&fence, When::EchoLevelStillRed, &capped(5999)), [held]);
    assert_eq!(again(&fence, When::EchoLevelStillRed, &capped(6000)), []);
    // A dead leader's tail is lost whoever moves, and giving the echo back moves nobody.
    let dead = format!("{tails}policy at-risk 0\nn1 pulse b1 behind 1 beats 1\n");
    assert_eq!(again(&fence, When::AtOnce, &dead), []);
    assert_eq!(again(&fence, When::EchoBehind, &dead), []);
}

#[test]
fn a_step_is_held_only_when_none_of_its_partitions_fits_any_more() {
    let elect = refused("");
    assert_eq!(again(&elect, When::AtOnce, "p0..p4 led b1 of 1,3,2 isr 1,2,3 min 2\n"), []);
    assert_eq!(again(&elect, When::AtOnce, "p0..p5 led b1 of 3,1,2 isr 1,2,3 min 2\n"), [Objection::FactsMoved]);
    assert_eq!(names(&again(&elect, When::AtOnce, "p0..p5 led b1 of 1,2,3 isr 1 min 2\n")), ["TargetNotInSync"]);
    assert_eq!(names(&again(&elect, When::AtOnce, "reassigning p0..p5\n")), ["ForeignReassignment"]);
}

#[test]
fn a_fence_without_its_preconditions_is_checked_all_the_same() {
    let (mut plan, _, _, _) = made_on(&crashed("policy fence\n"));
    plan.steps.iter_mut().for_each(|step| step.expects.clear());
    let fence = plan.steps.iter().find(|step| matches!(step.act, Act::Fence { .. })).expect("a fence").clone();
    let (snapshot, policy) = parse(&crashed("policy fence\nbroker b1 rack a epoch 999\n"));
    assert_eq!(recheck(&fence, &plan, &snapshot, &policy), [Objection::FactsMoved]);
    assert_eq!(fence.act, Act::Fence { broker: BrokerId(1), epoch: BrokerEpoch(101) });
    assert!(!plan.steps.iter().any(|step| step.expects.contains(&Precondition::MovesStand)));
}
