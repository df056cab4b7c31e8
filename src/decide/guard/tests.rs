//! Tests of the guard: each objection once, by name, from a plan that would pass without one change.

mod again;

use expect_test::expect;

use super::guard;
use crate::decide::detect::detect;
use crate::decide::fixture::{PLAIN, REFUSED, parse, partition};
use crate::decide::plan::{plan_failback, plan_for};
use crate::decide::policy::Policy;
use crate::model::finding::Finding;
use crate::model::ids::{BrokerId, CaseId};
use crate::model::plan::{Act, Class, OriginalOrder, Plan, When};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;

const CRASHED: &str = "n1 sees b1 refused 400ms\nn2 sees b1 refused 400ms\nn3 sees b1 yellow 100ms\n\
    n1 pulse b1 behind 1 beats 1\nn2 pulse b1 behind 1 beats 1\n";

/// A plan made on a fixture that is well enough, with its finding.
fn made_on(fixture: &str) -> (Plan, Finding, Snapshot, Policy) {
    let (snapshot, policy) = parse(fixture);
    let finding = detect(&snapshot, &policy).remove(0);
    let plan = plan_for(&finding, &snapshot, &policy).expect("a plan");
    assert_eq!(guard(&plan, Some(&finding), &snapshot, &policy), Ruling::Allowed, "allowed without the change");
    (plan, finding, snapshot, policy)
}

/// The objections to the plan made on `fixture` when the world is that fixture and `change` more.
fn objections(fixture: &str, change: &str) -> Vec<Objection> {
    let (plan, finding, _, _) = made_on(fixture);
    let (snapshot, policy) = parse(&format!("{fixture}{change}"));
    held(guard(&plan, Some(&finding), &snapshot, &policy))
}

/// The objections to a plan that was tampered with.
fn tampered(fixture: &str, tamper: impl FnOnce(&mut Plan)) -> Vec<Objection> {
    let (mut plan, finding, snapshot, policy) = made_on(fixture);
    tamper(&mut plan);
    held(guard(&plan, Some(&finding), &snapshot, &policy))
}

fn held(ruling: Ruling) -> Vec<Objection> {
    match ruling {
        Ruling::Held(objections) => objections,
        Ruling::Allowed | Ruling::NeedsApproval { .. } => Vec::new(),
    }
}

fn names(objections: &[Objection]) -> Vec<&'static str> {
    objections.iter().map(Objection::name).collect()
}

fn refused(extra: &str) -> String {
    format!("{PLAIN}{REFUSED}{extra}")
}

fn crashed(extra: &str) -> String {
    format!("{PLAIN}{CRASHED}{extra}")
}

fn cut() -> String {
    crashed("").replace("behind 1 beats 1", "level beats 1")
}

#[test]
fn no_majority() {
    assert_eq!(names(&objections(&refused(""), "n2 sees b1 green 60s\n")), ["NoMajority"]);
    // Two red, and one request answered that was sent after the first red.
    assert_eq!(
        objections(&refused(""), "n3 sees b1 green 60s sent 10ms\n"),
        [Objection::NoMajority { votes: 1, needed: 2 }]
    );
}

#[test]
fn controller_unreachable() {
    assert_eq!(names(&objections(&refused(""), "n1 no-controller\n")), ["ControllerUnreachable"]);
    assert_eq!(names(&objections(&refused(""), "n2 no-controller\n")), [""; 0]);
}

#[test]
fn stale_snapshot() {
    assert_eq!(names(&objections(&refused(""), "shape 6s\n")), ["StaleSnapshot"]);
    assert_eq!(names(&objections(&refused(""), "shape 5s\n")), [""; 0]);
}

#[test]
fn foreign_reassignment() {
    let moving = objections(&refused(""), "reassigning p2\n");
    assert_eq!(moving, [Objection::ForeignReassignment([partition(2)].into_iter().collect())]);
}

#[test]
fn maintenance() {
    assert_eq!(objections(&refused(""), "maintenance b1\n"), [Objection::Maintenance(BrokerId(1))]);
    let target = objections(&refused(""), "maintenance b2\n");
    assert_eq!(target, [Objection::Maintenance(BrokerId(2))]);
}

#[test]
fn paused() {
    assert_eq!(objections(&refused(""), "paused\n"), [Objection::Paused]);
}

#[test]
fn cool_down_of_another_case_holds_and_of_the_own_case_does_not() {
    assert_eq!(names(&objections(&refused(""), "cool-down b1 c-3 10s\n")), ["CoolDown"]);
    assert_eq!(names(&objections(&refused(""), "cool-down b1 c-3 0s\n")), [""; 0]);
    assert_eq!(names(&objections(&refused(""), "cool-down b2 c-3 10s\n")), [""; 0]);
    let own = "cool-down b1 c-3 10s\ncase b1 c-3 leader_not_serving acted\n";
    assert_eq!(names(&objections(&refused(""), own)), [""; 0]);
    assert_eq!(names(&objections(&refused(""), "cool-down cluster c-3 10s\n")), [""; 0], "R1 needs no pause");
}

#[test]
fn cluster_cool_down_holds_r2() {
    let follower = crashed("policy unregister\npolicy auto-r2 Unregister\nbroker b4 epoch 104\n")
        .replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    assert_eq!(names(&objections(&follower, "cool-down cluster c-3 10s\n")), ["CoolDown"]);
}

#[test]
fn blast_radius() {
    let second = "n1 sees b2 silent 2s\nn3 sees b2 silent 2s\n";
    let objections = objections(&refused(""), second);
    assert!(names(&objections).contains(&"BlastRadius"), "{objections:?}");
    // Six brokers in one rack: two may be red; in two racks they may not.
    let six = refused("broker b4 epoch 4\nbroker b5 epoch 5\nbroker b6 epoch 6\n").replace(" rack b", " rack a");
    let second_of_six = "n1 sees b6 silent 2s\nn3 sees b6 silent 2s\n";
    assert_eq!(names(&super::tests::objections(&six, second_of_six)), [""; 0]);
    let other_rack = six.replace("broker b6", "broker b6 rack c");
    assert_eq!(names(&super::tests::objections(&other_rack, second_of_six)), ["BlastRadius"]);
    assert_eq!(names(&super::tests::objections(&other_rack, &format!("{second_of_six}maintenance b6\n"))), [""; 0]);
}

#[test]
fn progress_veto_holds_a_cut_path_and_never_a_refused_stage_one() {
    assert_eq!(objections(&cut(), "n2 progress b1 3\n"), [Objection::ProgressVeto { growing: 3 }]);
    assert_eq!(names(&objections(&cut(), "n2 progress b1 0\n")), [""; 0]);
    assert_eq!(names(&objections(&refused(""), "n2 progress b1 3\n")), [""; 0]);
    let silent = refused("").replace("refused", "silent");
    assert_eq!(names(&objections(&silent, "n2 progress b1 3\n")), ["ProgressVeto"]);
}

#[test]
fn target_not_in_sync() {
    let shrunk = objections(&refused(""), "p4 led b1 of 1,2,3 isr 1 min 2\n");
    assert_eq!(names(&shrunk), ["TargetNotInSync"]);
    let elr = objections(&refused(""), "p4 led b1 of 1,2,3 isr - elr 2,3 min 2\n");
    assert_eq!(names(&elr), [""; 0], "a clean ELR member of an empty ISR may lead");
}

#[test]
fn not_a_permutation() {
    let objections = tampered(&refused(""), |plan| edit_move(plan, |to| to[1] = BrokerId(9)));
    assert!(names(&objections).contains(&"NotAPermutation"), "{objections:?}");
    let fewer = tampered(&refused(""), |plan| edit_move(plan, |to| to.truncate(2)));
    assert!(names(&fewer).contains(&"NotAPermutation"), "{fewer:?}");
}

#[test]
fn min_isr_and_collateral_hold_a_fence_that_kafka_would_not_do() {
    // Not conditional, and the broker is not behind: Kafka would leave it in every ISR.
    let at_once = |plan: &mut Plan| plan.steps.iter_mut().for_each(|step| step.when = When::AtOnce);
    let led_elsewhere = "p8 led b2 of 2,1 isr 1,2 min 2\n";
    let mut found = tampered(&refused(&format!("policy fence\n{led_elsewhere}")), at_once);
    found.retain(|objection| matches!(objection, Objection::MinIsr(_) | Objection::Collateral(_)));
    assert_eq!(found, [Objection::MinIsr([partition(8)].into_iter().collect())]);
}

#[test]
fn a_fence_of_the_dead_takes_nothing_that_kafka_would_not_take_too() {
    let fixture = crashed("policy fence\np7 led b1 of 1 isr 1\np8 led b2 of 2,1 isr 1,2 min 2\n");
    made_on(&fixture);
}

#[test]
fn collateral() {
    // The only in-sync replica of what serves (red for too few): fencing it at once would stop it.
    let (mut plan, finding, _, _) = made_on(&crashed("policy fence\np7 led b1 of 1 isr 1\n"));
    plan.steps.iter_mut().for_each(|step| step.when = When::AtOnce);
    let serving = crashed("policy fence\np7 led b1 of 1 isr 1\nn2 sees b1 green 60s\n")
        .replace("behind 1 beats 1", "level beats 1");
    let (snapshot, policy) = parse(&serving);
    let objections = held(guard(&plan, Some(&finding), &snapshot, &policy));
    assert!(objections.contains(&Objection::Collateral([partition(7)].into_iter().collect())), "{objections:?}");
}

#[test]
fn names_unregistered() {
    let stranger = objections(&refused(""), "broker b3 rack c epoch 103 unregistered\n");
    assert_eq!(stranger, [Objection::NamesUnregistered(BrokerId(3))]);
    let follower = crashed("policy unregister\npolicy auto-r2 Unregister\nbroker b4 epoch 104\n")
        .replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    // Without b4 only two brokers would be left for three replicas.
    assert_eq!(objections(&follower, "broker b4 unregistered\n"), [Objection::NamesUnregistered(BrokerId(1))]);
}

#[test]
fn names_cordoned() {
    let cordoned = objections(&refused(""), "cordoned b3\n");
    assert_eq!(cordoned, [Objection::NamesCordoned(BrokerId(3))]);
    // An election names no list, and a fence names the broker alone.
    let fence = crashed("policy fence\n");
    assert_eq!(names(&objections(&fence.replace("of 1,2,3", "of 2,1,3"), "cordoned b1\n")), [""; 0]);
}

#[test]
fn one_view() {
    assert_eq!(objections(&refused(""), "source metadata\n"), [Objection::OneView(BrokerId(2))]);
    // Nobody else is there to be asked.
    let alone = "source metadata\nn1 sees b3 yellow 10ms\nn2 sees b3 yellow 10ms\n";
    assert!(!names(&objections(&refused(""), alone)).contains(&"OneView"));
}

#[test]
fn only_member() {
    let follower = crashed("policy unregister\npolicy auto-r2 Unregister\nbroker b4 epoch 104\n")
        .replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    let partitions = [partition(7)].into_iter().collect();
    assert_eq!(
        objections(&follower, "p7 led none of 1,2 isr - elr 1\n"),
        [Objection::OnlyMember { broker: BrokerId(1), partitions }]
    );
    let partitions = [partition(7)].into_iter().collect();
    assert_eq!(
        objections(&follower, "p7 led b2 of 1,2 isr 2 elr 1\n"),
        [Objection::OnlyMember { broker: BrokerId(1), partitions }]
    );
    assert_eq!(objections(&follower, "p7 led b2 of 1,2,3 isr 2 elr 1,3\n"), []);
}

/// Gives the test above that raises an objection: a new one does not compile without a row here.
fn raised_in(objection: &Objection) -> fn() {
    match objection {
        Objection::NoMajority { .. } => no_majority,
        Objection::ControllerUnreachable => controller_unreachable,
        Objection::StaleSnapshot { .. } => stale_snapshot,
        Objection::OneView(_) => one_view,
        Objection::ForeignReassignment(_) => foreign_reassignment,
        Objection::Maintenance(_) => maintenance,
        Objection::Paused => paused,
        Objection::CoolDown { .. } => cool_down_of_another_case_holds_and_of_the_own_case_does_not,
        Objection::BlastRadius { .. } => blast_radius,
        Objection::ProgressVeto { .. } => progress_veto_holds_a_cut_path_and_never_a_refused_stage_one,
        Objection::TargetNotInSync { .. } => target_not_in_sync,
        Objection::NotAPermutation { .. } => not_a_permutation,
        Objection::MinIsr(_) => min_isr_and_collateral_hold_a_fence_that_kafka_would_not_do,
        Objection::Collateral(_) => collateral,
        Objection::NamesUnregistered(_) => names_unregistered,
        Objection::NamesCordoned(_) => names_cordoned,
        Objection::OnlyMember { .. } => only_member,
        Objection::TooManyMoves { .. } => too_many_moves,
        Objection::TargetFull { .. } => target_full,
        Objection::AtRisk { .. } => at_risk,
        Objection::TwiceAtOnce { .. } => twice_at_once,
        Objection::PlanInFlight(_) => plan_in_flight,
        Objection::EpochUnknown(_) => epoch_unknown_and_another_life,
        Objection::NotPermitted { .. } => not_permitted,
        Objection::FactsMoved => facts_moved,
    }
}

#[test]
fn every_objection_has_a_test_of_its_own() {
    raised_in(&Objection::Paused)();
}

#[test]
fn too_many_moves() {
    assert_eq!(objections(&refused(""), "policy request-max 5\n"), [Objection::TooManyMoves { moves: 6, limit: 5 }]);
}

#[test]
fn target_full() {
    assert_eq!(names(&objections(&refused(""), "policy leaders-max 2\n")), ["TargetFull", "TargetFull"]);
}

#[test]
fn a_broker_that_gets_its_own_order_back_gains_no_leader() {
    // b1 leads six already; the step for an echo that finds it well names it first again.
    assert_eq!(names(&objections(&refused("policy fence\n"), "policy leaders-max 6\n")), [""; 0]);
}

#[test]
fn at_risk() {
    let behind = "ends p1 1=6000 2=1000 3=1000\nends p2 1=2000 2=1000 3=1000\n";
    let partitions = (0..=5).map(partition).collect();
    let held = Objection::AtRisk { partitions, records: Some(6000), limit: 5999 };
    assert_eq!(objections(&cut(), &format!("{behind}policy at-risk 5999\n")), [held]);
    assert_eq!(objections(&cut(), &format!("{behind}policy at-risk 6000\n")), []);
    // The dead one's tail is lost whoever moves.
    assert_eq!(objections(&refused(""), &format!("{behind}policy at-risk 0\n")), []);
}

#[test]
fn twice_at_once() {
    let twice = tampered(&refused(""), |plan| {
        let mut again = plan.steps[0].clone();
        again.number = 2;
        plan.steps.push(again);
    });
    assert!(names(&twice).contains(&"TwiceAtOnce"), "{twice:?}");
}

#[test]
fn plan_in_flight() {
    assert_eq!(objections(&refused(""), "in-flight c-3\n"), [Objection::PlanInFlight(CaseId(3))]);
}

#[test]
fn epoch_unknown_and_another_life() {
    let fence = refused("policy fence\n");
    assert_eq!(objections(&fence, "broker b1 rack a\n"), [Objection::EpochUnknown(BrokerId(1))]);
    assert_eq!(objections(&fence, "broker b1 rack a epoch 999\n"), [Objection::FactsMoved]);
}

#[test]
fn not_permitted() {
    let (plan, finding, snapshot, mut policy) = made_on(&refused("policy fence\n"));
    policy.act.fence_heartbeat = crate::decide::policy::Permission::Forbidden;
    let objections = held(guard(&plan, Some(&finding), &snapshot, &policy));
    assert_eq!(objections, [Objection::NotPermitted { act: "Fence".to_owned() }]);
}

#[test]
fn facts_moved() {
    assert_eq!(objections(&refused(""), "p4 led b2 of 1,2,3 isr 1,2,3 min 2 e 8\n"), [Objection::FactsMoved]);
    assert_eq!(objections(&refused(""), "p4 led b1 of 1,3,2 isr 1,2,3 min 2\n"), [Objection::FactsMoved]);
    assert_eq!(tampered(&refused(""), |plan| plan.steps.clear()), [Objection::FactsMoved]);
    let (plan, _, snapshot, policy) = made_on(&refused(""));
    assert_eq!(held(guard(&plan, None, &snapshot, &policy)), [Objection::FactsMoved], "no finding to answer");
}

#[test]
fn modes_and_classes_say_who_must_agree() {
    let rule = |fixture: &str, class: Option<Class>| {
        let (snapshot, policy) = parse(fixture);
        let finding = detect(&snapshot, &policy).remove(0);
        let mut plan = plan_for(&finding, &snapshot, &policy).expect("a plan");
        plan.class = class.unwrap_or(plan.class);
        format!("{:?}", guard(&plan, Some(&finding), &snapshot, &policy))
    };
    assert_eq!(rule(&refused(""), None), "Allowed");
    assert_eq!(rule(&refused("policy observe\n"), None), "Allowed");
    expect!["NeedsApproval { class: R1, people: 1, expires_in: 600s }"]
        .assert_eq(&rule(&refused("policy approve\n"), None));
    let unregister = crashed("policy unregister\nbroker b4 epoch 104\n").replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    expect!["NeedsApproval { class: R2, people: 1, expires_in: 600s }"].assert_eq(&rule(&unregister, None));
    assert_eq!(rule(&format!("{unregister}policy auto-r2 Unregister\n"), None), "Allowed");
    // Without the metadata log nobody knows which life was found dead.
    let nameless = format!("{unregister}policy auto-r2 Unregister\nbroker b1 rack a\n");
    expect!["NeedsApproval { class: R2, people: 1, expires_in: 600s }"].assert_eq(&rule(&nameless, None));
    expect!["NeedsApproval { class: R3, people: 2, expires_in: 600s }"].assert_eq(&rule(&refused(""), Some(Class::R3)));
}

#[test]
fn a_failback_needs_a_green_broker_and_small_batches() {
    let fixture = "broker b1 epoch 101\nbroker b2 epoch 102\nbroker b3 epoch 103\np0..p5 led b2 of 2,3,1 isr 1,2,3\n";
    let undo = [OriginalOrder {
        partitions: (0..=5).map(partition).collect(),
        replicas: [1, 2, 3].map(BrokerId).to_vec(),
        leader: Some(BrokerId(1)),
    }];
    let (snapshot, policy) = parse(fixture);
    let plan = plan_failback(BrokerId(1), CaseId(5), &undo, &snapshot, &policy).expect("a plan");
    assert_eq!(guard(&plan, None, &snapshot, &policy), Ruling::Allowed);
    let change = |change: &str| {
        let (snapshot, policy) = parse(&format!("{fixture}{change}"));
        held(guard(&plan, None, &snapshot, &policy))
    };
    assert_eq!(change("n1 sees b1 recovering 3s\nn2 sees b1 recovering 3s\n"), [Objection::FactsMoved]);
    assert_eq!(change("policy batch 4\n"), [Objection::TooManyMoves { moves: 5, limit: 4 }]);
    assert_eq!(names(&change("cool-down b1 c-4 10s\n")), ["CoolDown"]);
    assert_eq!(names(&change("cool-down b1 c-5 10s\n")), [""; 0]);
    assert_eq!(names(&change("maintenance b1\n")), ["Maintenance"]);
    assert_eq!(names(&change("ends p0..p5 1=1000 2=1100 3=1000\npolicy at-risk 599\n")), ["AtRisk"]);
    assert_eq!(names(&change("ends p0..p5 1=1000 2=1100 3=1000\npolicy at-risk 600\n")), [""; 0]);
    assert_eq!(names(&change("ends p3 2=1000 3=1000\n")), ["AtRisk"], "how far it has caught up is not known");
}

fn edit_move(plan: &mut Plan, edit: impl FnOnce(&mut Vec<BrokerId>)) {
    let Act::Elect { moves } = &mut plan.steps[0].act else { panic!("{:?} is not an election", plan.steps[0].act) };
    edit(&mut moves[0].to);
}
