//! Tests of the way back: what is given back now, what waits, and what is no longer ours to give.

use expect_test::expect;

use crate::decide::fixture::{parse, partition, show_plan};
use crate::decide::guard::guard;
use crate::decide::plan::{plan_failback, plan_undo};
use crate::model::ids::{BrokerId, CaseId, Person};
use crate::model::plan::{OriginalOrder, Plan};
use crate::model::record::NoPlan;
use crate::model::ruling::{Objection, Ruling};

const UNDONE: &str = "broker b1 epoch 101\nbroker b2 epoch 102\nbroker b3 epoch 103\n\
    p0..p5 led b2 of 2,3,1 isr 1,2,3 min 2\np6 led b2 of 1,2,3 isr 1,2,3 min 2\n";

fn undo() -> Vec<OriginalOrder> {
    vec![OriginalOrder {
        partitions: (0..=6).map(partition).collect(),
        replicas: [1, 2, 3].map(BrokerId).to_vec(),
        leader: Some(BrokerId(1)),
    }]
}

fn failback(fixture: &str) -> Result<Plan, NoPlan> {
    let (snapshot, policy) = parse(fixture);
    plan_failback(BrokerId(1), CaseId(5), &undo(), &snapshot, &policy)
}

#[test]
fn a_failback_restores_one_partition_first_and_then_batches() {
    let plan = failback(&format!("{UNDONE}policy batch 3\n")).expect("a plan");
    expect![[r#"
        restore
          1. AtOnce Elect p0 2,3,1->1,2,3
          2. AfterPrevious Elect p1..p3(3) 2,3,1->1,2,3
          3. AfterPrevious Elect p4+p5 2,3,1->1,2,3
          4. AfterPrevious Prefer p6 1,2,3->1,2,3
    "#]]
    .assert_eq(&format!("restore\n{}", show_plan(&plan)));
    assert_eq!(plan.undo, undo());
}

#[test]
fn a_failback_waits_for_the_whole_list_to_be_in_sync() {
    let plan = failback(&format!("{UNDONE}p0..p4 led b2 of 2,3,1 isr 2,3\n")).expect("a plan");
    expect![[r#"
        restore
          1. AtOnce Elect p5 2,3,1->1,2,3
          2. AfterPrevious Prefer p6 1,2,3->1,2,3
    "#]]
    .assert_eq(&format!("restore\n{}", show_plan(&plan)));
    let none = failback(&UNDONE.replace("isr 1,2,3", "isr 2,3"));
    assert_eq!(none, Err(NoPlan::NobodyFit((0..=6).map(partition).collect())));
}

#[test]
fn what_is_restored_or_was_changed_by_others_is_left_alone() {
    let restored = UNDONE.replace("led b2 of 2,3,1", "led b1 of 1,2,3").replace("led b2 of 1,2,3", "led b1 of 1,2,3");
    assert_eq!(failback(&restored), Err(NoPlan::NothingToRestore));
    let replaced = UNDONE.replace("of 2,3,1", "of 2,3,4").replace("of 1,2,3", "of 4,2,3") + "broker b4\n";
    assert_eq!(failback(&replaced), Err(NoPlan::NothingToRestore));
}

#[test]
fn an_undo_needs_only_the_first_of_the_order_in_sync() {
    let (snapshot, policy) = parse(&UNDONE.replace("isr 1,2,3", "isr 1,2"));
    let plan = plan_undo(CaseId(5), &Person("ann".to_owned()), &undo(), &snapshot, &policy).expect("a plan");
    expect![[r#"
        restore
          1. AtOnce Elect p0 2,3,1->1,2,3
          2. AfterPrevious Elect p1..p5(5) 2,3,1->1,2,3
          3. AfterPrevious Prefer p6 1,2,3->1,2,3
    "#]]
    .assert_eq(&format!("restore\n{}", show_plan(&plan)));
}

#[test]
fn a_broker_in_maintenance_gets_nothing_back_and_holds_up_nobody_else() {
    let theirs = OriginalOrder {
        partitions: [partition(6)].into_iter().collect(),
        replicas: [3, 1, 2].map(BrokerId).to_vec(),
        leader: Some(BrokerId(3)),
    };
    let ours = OriginalOrder { partitions: (0..=5).map(partition).collect(), ..undo().remove(0) };
    let both = [ours.clone(), theirs.clone()];
    let well = "n1 sees b3 green 301s\nn2 sees b3 green 301s\n";
    let moved = format!("{UNDONE}{well}p6 led b2 of 2,3,1 isr 1,2,3 min 2\nmaintenance b3\n");
    let (snapshot, policy) = parse(&moved);
    let plan = plan_failback(BrokerId(1), CaseId(5), &both, &snapshot, &policy).expect("a plan");
    expect![[r#"
        restore
          1. AtOnce Elect p0 2,3,1->1,2,3
          2. AfterPrevious Elect p1..p5(5) 2,3,1->1,2,3
    "#]]
    .assert_eq(&format!("restore\n{}", show_plan(&plan)));
    assert_eq!(plan.undo, [ours]);
    assert_eq!(guard(&plan, None, &snapshot, &policy), Ruling::Allowed);
    // What is left is theirs alone: the guard says why it waits.
    let (snapshot, policy) = parse(&moved.replace("p0..p5 led b2 of 2,3,1", "p0..p5 led b1 of 1,2,3"));
    let rest = plan_failback(BrokerId(1), CaseId(5), &both, &snapshot, &policy).expect("a plan");
    assert_eq!(rest.undo, [theirs]);
    assert_eq!(guard(&rest, None, &snapshot, &policy), Ruling::Held(vec![Objection::Maintenance(BrokerId(3))]));
}

#[test]
fn whoever_is_to_lead_again_in_place_of_another_must_have_been_green_for_as_long() {
    let theirs = OriginalOrder {
        partitions: [partition(6)].into_iter().collect(),
        replicas: [3, 1, 2].map(BrokerId).to_vec(),
        leader: Some(BrokerId(1)),
    };
    let moved = format!("{UNDONE}p6 led b2 of 2,3,1 isr 1,2,3 min 2\n");
    let back = |sightings: &str| {
        let (snapshot, policy) = parse(&format!("{moved}{sightings}"));
        plan_failback(BrokerId(1), CaseId(5), std::slice::from_ref(&theirs), &snapshot, &policy)
            .map(|plan| show_plan(&plan))
    };
    let waits = Err(NoPlan::NobodyFit([partition(6)].into_iter().collect()));
    assert_eq!(back("n1 sees b3 green 20s\nn2 sees b3 green 299s\n"), waits);
    assert_eq!(back("n1 sees b3 refused 60ms\nn2 sees b3 yellow 400s\n"), waits);
    let long = "n1 sees b3 green 20s\nn2 sees b3 green 301s\nn3 sees b3 green 301s\n";
    assert!(back(long).is_ok(), "two of three have seen it for long enough");
    // A person who asks for it sees the cluster.
    let (snapshot, policy) = parse(&format!("{moved}n1 sees b3 green 20s\nn2 sees b3 green 20s\n"));
    assert!(plan_undo(CaseId(5), &Person("ann".to_owned()), &[theirs], &snapshot, &policy).is_ok());
}
