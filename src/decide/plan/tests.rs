//! Tests of planning: the shapes of plans, who is chosen and why not.

use expect_test::{Expect, expect};

use super::digest;
use crate::decide::deliberate::deliberate;
use crate::decide::fixture::{PLAIN, REFUSED, parse, show, show_choices};
use crate::model::ids::BrokerId;
use crate::model::plan::Plan;

/// Decides on a fixture and compares what follows.
fn check(fixture: &str, expected: Expect) {
    let (snapshot, policy) = parse(fixture);
    expected.assert_eq(&show(&deliberate(&snapshot, &policy)));
}

/// Decides on a fixture and compares who was chosen, and why not the others.
fn check_choices(fixture: &str, expected: Expect) {
    expected.assert_eq(&show_choices(&plan(fixture)));
}

fn plan(fixture: &str) -> Plan {
    let (snapshot, policy) = parse(fixture);
    let mut deliberations = deliberate(&snapshot, &policy);
    deliberations.remove(0).plan.expect("a plan").0
}

const CRASHED: &str = "n1 sees b1 refused 400ms\nn2 sees b1 refused 400ms\nn1 pulse b1 behind 1 beats 1\nn2 pulse b1 behind 1 beats 1\n\
    n3 sees b1 yellow 100ms\n";

fn refused(extra: &str) -> String {
    format!("{PLAIN}{REFUSED}{extra}")
}

fn crashed(extra: &str) -> String {
    format!("{PLAIN}{CRASHED}{extra}")
}

#[test]
fn where_a_fence_may_follow_one_reorder_is_the_echo_and_every_branch_is_planned() {
    check(
        &refused("policy fence\n"),
        expect![[r#"
            LeaderNotServing b1, leads 6, red 1
              1. AtOnce Reorder p0 1,2,3->2,3,1
              2. EchoBehind Fence b1 epoch 101
              3. EchoLevelStillRed Elect p1..p5(5) 1,2,3->2,3,1
              4. EchoLevelStillRed Prefer p0 2,3,1->2,3,1
              5. EchoLevelGreen Reorder p0 2,3,1->1,2,3
              6. Afterwards Reorder p1..p5(5) 1,2,3->2,3,1
              collateral p0..p5(6): No to Full, native Same
              allowed
        "#]],
    );
}

#[test]
fn without_a_fence_all_are_reordered_and_elected_at_once() {
    check(
        &refused(""),
        expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p3..p5(3) 1,2,3->3,2,1
          allowed
    "#]],
    );
}

#[test]
fn without_the_brokers_epoch_or_without_a_pulse_nothing_is_staged() {
    let no_epoch = refused("policy fence\n").replace("rack a epoch 101", "rack a");
    check(
        &no_epoch,
        expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p3..p5(3) 1,2,3->3,2,1
          allowed
    "#]],
    );
    check(
        &refused("policy fence\nmissing pulse\n"),
        expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p3..p5(3) 1,2,3->3,2,1
          allowed
    "#]],
    );
}

#[test]
fn a_broker_already_behind_is_fenced_at_once_without_an_echo() {
    check(
        &crashed("policy fence\n"),
        expect![[r#"
            BrokerCrashed b1, leads 6, red 1
              1. AtOnce Fence b1 epoch 101
              2. Afterwards Reorder p0..p5(6) 1,2,3->2,3,1
              collateral p0..p5(6): No to Full, native Same
              allowed
        "#]],
    );
}

#[test]
fn only_partitions_where_kafka_would_choose_badly_are_reordered_before_a_fence() {
    check(
        &crashed("policy fence\nends p2 1=900000 2=100 3=900000\n"),
        expect![[r#"
            BrokerCrashed b1, leads 6, red 1
              1. AtOnce Reorder p2 1,2,3->3,2,1
              2. AtOnce Fence b1 epoch 101
              3. Afterwards Reorder p0..p5(5) 1,2,3->2,3,1
              collateral p0..p5(6): No to Full, native Same
              allowed
        "#]],
    );
}

#[test]
fn a_dead_follower_is_fenced_so_that_acks_all_goes_on() {
    let follower = crashed("policy fence\n").replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    check(
        &follower,
        expect![[r#"
        BrokerCrashed b1, leads 0, red 1
          1. AtOnce Fence b1 epoch 101
          collateral p0..p5(6): Full to Full, native Same
          allowed
    "#]],
    );
    check(
        &follower.replace("policy fence\n", ""),
        expect![[r#"
        BrokerCrashed b1, leads 0, red 1
          nothing: NoPlan(NoFence)
    "#]],
    );
}

#[test]
fn a_dead_follower_may_be_unregistered_where_that_is_permitted_and_four_brokers_remain_for_three_replicas() {
    let follower = crashed("policy unregister\nbroker b4 epoch 104\n").replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    check(
        &follower,
        expect![[r#"
        BrokerCrashed b1, leads 0, red 1
          1. AtOnce Unregister b1
          collateral p0..p5(6): Full to Full, native Same
          needs approval: R2 by 1
    "#]],
    );
    check(
        &format!("{follower}policy auto-r2 Unregister\n"),
        expect![[r#"
        BrokerCrashed b1, leads 0, red 1
          1. AtOnce Unregister b1
          collateral p0..p5(6): Full to Full, native Same
          allowed
    "#]],
    );
}

#[test]
fn what_nobody_else_can_lead_does_not_hide_that_a_dead_follower_blocks_the_rest() {
    let alone = crashed("policy unregister\nbroker b4 epoch 104\np6 led b1 of 1 isr 1\n");
    let (snapshot, policy) = parse(&alone.replace("led b1 of 1,2,3", "led b2 of 2,1,3"));
    let shown = show(&deliberate(&snapshot, &policy));
    assert!(shown.starts_with("BrokerCrashed b1, leads 1, red 1\n  1. AtOnce Unregister b1\n"), "{shown}");
    assert!(shown.contains("held: OnlyMember"), "{shown}");
}

#[test]
fn a_cut_client_path_is_cured_by_elections_alone() {
    let level = crashed("policy fence\n").replace("behind 1 beats 1", "level beats 1");
    check(
        &level,
        expect![[r#"
        ClientPathCut b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p3..p5(3) 1,2,3->3,2,1
          allowed
    "#]],
    );
}

#[test]
fn an_order_that_is_right_already_needs_only_an_election() {
    let second = refused("policy fence\n").replace("of 1,2,3", "of 2,3,1");
    check(
        &second,
        expect![[r#"
            LeaderNotServing b1, leads 6, red 1
              1. AtOnce Prefer p0 2,3,1->2,3,1
              2. EchoBehind Fence b1 epoch 101
              3. EchoLevelStillRed Prefer p1..p5(5) 2,3,1->2,3,1
              collateral p0..p5(6): No to Full, native Same
              allowed
        "#]],
    );
}

#[test]
fn no_request_is_larger_than_allowed_and_internal_topics_move_apart() {
    check(
        &refused("policy request-max 2\np0..p0 led b1 of 1,2,3 isr 1,2,3 internal\n"),
        expect![[r#"
        LeaderNotServing b1, leads 7, red 1
          1. AtOnce Elect p0+p1 1,2,3->2,3,1
          2. AtOnce Elect p2+p3 1,2,3->2,3,1
          3. AtOnce Elect p4+p5 1,2,3->3,2,1
          4. AtOnce Elect i0 1,2,3->3,2,1
          allowed
    "#]],
    );
}

#[test]
fn a_list_that_names_an_unregistered_broker_is_not_reordered() {
    let stranger = refused("broker b4 unregistered\np3 led b1 of 1,2,4 isr 1,2\n");
    check(
        &stranger,
        expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p4+p5 1,2,3->3,2,1
          allowed
        Zombie b4, leads 0, red 1
          nothing: OnlyWarns(Zombie)
    "#]],
    );
}

#[test]
fn nobody_fit_means_no_plan() {
    check(
        &refused("").replace("isr 1,2,3", "isr 1"),
        expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          nothing: NoPlan(NobodyFit(PartitionSet({TopicId(01010101010101010101010101010101): [Run(0, 5)]})))
    "#]],
    );
}

#[test]
fn the_score_says_of_every_replica_why_or_why_not() {
    check_choices(
        &refused("ends p0..p5 1=100000 2=50000 3=100000\n"),
        expect![[r#"
            p3..p5(3): b2, Kafka b2
              b1 AtFault
              b2 272 = lag 500 rack 0 load 0 health 0
              b3 272 = lag 0 rack 1000 load 1000 health 0
            p0..p2(3): b3, Kafka b2
              b1 AtFault
              b2 272 = lag 500 rack 0 load 0 health 0
              b3 0 = lag 0 rack 0 load 0 health 0
        "#]],
    );
}

#[test]
fn every_rule_that_forbids_a_replica_has_its_name() {
    for (unfit, extra) in [
        ("OutOfIsr", "p0..p5 led b1 of 1,2,3 isr 1,3\n"),
        ("LogEndSilent", "ends p0..p5 1=1000 3=1000\n"),
        ("NotGreen", "n1 sees b2 yellow 10ms\nn2 sees b2 yellow 10ms\n"),
        ("NotActive", "broker b2 rack b fenced\n"),
        ("Never", "policy never b2\n"),
        ("Maintenance", "maintenance b2\n"),
        ("DemotedLately", "demoted b2 c-3 10s\n"),
        ("StaleView", "ends p0..p5 1=1000 2=1000@8 3=1000\n"),
    ] {
        let choices = show_choices(&plan(&refused(extra)));
        assert!(choices.contains(&format!("b2 {unfit}\n")), "{unfit}: {choices}");
        assert!(choices.contains("b1 AtFault\n"), "{choices}");
        assert!(choices.contains(": b3, "), "{unfit}: b3 leads: {choices}");
    }
    let moving = show_choices(&plan(&refused("reassigning p0\n")));
    assert!(moving.contains("p0: nobody, Kafka b2\n  b1 AtFault\n  b2 Reassigning\n"), "{moving}");
}

#[test]
fn a_demotion_that_is_over_forbids_nothing() {
    assert!(!show_choices(&plan(&refused("demoted b2 c-3 0s\n"))).contains("DemotedLately"));
}

#[test]
fn ten_thousand_partitions_spread_over_the_survivors() {
    let mut fixture = refused("").replace("p0..p5", "p0..p9999");
    fixture.push_str("broker b4 rack a epoch 104\nbroker b5 rack b epoch 105\n");
    for five in 0..2 {
        fixture.push_str(&format!("p{}..p{} led b1 of 1,4,5 isr 1,4,5\n", five * 5000, five * 5000 + 2499));
    }
    let plan = plan(&fixture);
    let leads = |broker: i32| -> usize {
        let ours = plan.choices.iter().filter(|choice| choice.chosen == Some(BrokerId(broker)));
        ours.map(|choice| choice.partitions.len()).sum()
    };
    // b4 shares the rack of the broker at fault: any other comes first.
    assert_eq!([2, 3, 4, 5].map(leads).iter().sum::<usize>(), 10_000);
    assert!([2, 3].map(leads).iter().all(|leads| (2400..=2600).contains(leads)), "{:?}", [2, 3, 4, 5].map(leads));
    assert!(plan.choices.len() < 40, "{} choices", plan.choices.len());
}

#[test]
fn a_promotion_rule_comes_before_the_score() {
    let preferred = show_choices(&plan(&refused("policy prefer b3\n")));
    assert!(preferred.contains(": b3, Kafka b2\n") && !preferred.contains(": b2, "), "{preferred}");
}

#[test]
fn the_records_at_risk_are_the_leaders_tail_or_unknown() {
    let risky = plan(&refused("ends p0 1=1500 2=1000 3=1000\nends p1 1=1100 2=1000 3=1000\n"));
    assert_eq!(risky.at_risk.iter().map(|risk| risk.records).collect::<Vec<_>>(), [Some(600)]);
    let silent = plan(&refused("ends p0 2=1000 3=1000\n"));
    assert_eq!(silent.at_risk.iter().map(|risk| risk.records).collect::<Vec<_>>(), [None]);
}

#[test]
fn digests_cover_what_is_done_and_nothing_else() {
    let one = plan(&refused(""));
    let mut other = one.clone();
    other.choices.clear();
    other.at_risk.clear();
    other.collateral.clear();
    assert_eq!(digest(&one), digest(&other));
    other.steps.pop();
    assert_ne!(digest(&one), digest(&other));
    let mut other = one.clone();
    other.undo.clear();
    assert_ne!(digest(&one), digest(&other));
}
