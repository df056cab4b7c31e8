//! Tests of the branch: every thing that an echo may say.

use std::time::Duration;

use super::{Branch, NoBranch, branch};
use crate::decide::detect::detect;
use crate::decide::fixture::{PLAIN, REFUSED, parse};
use crate::decide::plan::plan_for;
use crate::model::ids::BrokerId;
use crate::model::plan::When;

/// What follows `ms` after the echo, once the world is that of stage one and `change` more.
fn after(ms: u64, change: &str) -> Branch {
    let staged = format!("{PLAIN}{REFUSED}policy fence\n");
    let (snapshot, policy) = parse(&staged);
    let plan = plan_for(&detect(&snapshot, &policy)[0], &snapshot, &policy).expect("a plan");
    let (snapshot, policy) = parse(&format!("{staged}{change}"));
    branch(&plan, BrokerId(1), Duration::from_millis(ms), &snapshot, &policy)
}

const LEVEL: &str = "n1 pulse b1 level beats 1\nn2 pulse b1 level beats 1\n";

#[test]
fn an_echo_that_leaves_the_broker_behind_is_due_for_the_fence() {
    assert_eq!(after(70, "n1 pulse b1 behind 1 beats 1\n"), Branch::Due(When::EchoBehind));
    assert_eq!(after(70, "n2 pulse b1 missing beats 1\n"), Branch::Due(When::EchoBehind));
}

#[test]
fn an_echo_not_heard_is_waited_for_and_then_given_up() {
    assert_eq!(after(70, ""), Branch::Wait { at_most: Duration::from_millis(1430) });
    assert_eq!(after(1500, ""), Branch::Neither(NoBranch::NoEcho));
}

#[test]
fn a_level_broker_that_is_still_red_waits_for_progress_and_is_then_relieved() {
    assert_eq!(after(70, LEVEL), Branch::Wait { at_most: Duration::from_millis(430) });
    assert_eq!(after(500, LEVEL), Branch::Due(When::EchoLevelStillRed));
    assert_eq!(after(70, &format!("{LEVEL}n1 progress b1 0\n")), Branch::Due(When::EchoLevelStillRed));
}

#[test]
fn a_level_broker_whose_partitions_grow_is_left_alone() {
    let grows = format!("{LEVEL}n3 progress b1 2\n");
    assert_eq!(after(70, &grows), Branch::Neither(NoBranch::Growing { partitions: 2 }));
}

#[test]
fn a_broker_level_again_after_having_been_behind_is_left_alone() {
    let back = "n1 pulse b1 level beats 2 once-behind\nn2 pulse b1 level beats 2 once-behind\n";
    assert_eq!(after(70, back), Branch::Neither(NoBranch::Restarted));
}

#[test]
fn a_level_broker_that_answers_again_gets_its_order_back() {
    let answers =
        "n1 sees b1 recovering 50ms sent 20ms\nn2 sees b1 recovering 50ms sent 20ms\nn3 sees b1 green 1s sent 20ms\n";
    assert_eq!(after(70, answers), Branch::Due(When::EchoLevelGreen));
    let still_red_for_one = answers.replacen("recovering 50ms sent 20ms", "refused 50ms", 1);
    assert_eq!(after(70, &still_red_for_one), Branch::Wait { at_most: Duration::from_millis(1430) });
}

#[test]
fn nodes_that_no_longer_agree_decide_nothing() {
    let split = "n1 pulse b1 behind 1 beats 1\nn3 sees b1 green 1s sent 10ms\n";
    assert_eq!(after(70, split), Branch::Wait { at_most: Duration::from_millis(1430) });
    assert_eq!(after(1500, split), Branch::Neither(NoBranch::Split));
}

#[test]
fn a_plan_without_conditions_has_no_branch() {
    let (snapshot, policy) = parse(&format!("{PLAIN}{REFUSED}"));
    let plan = plan_for(&detect(&snapshot, &policy)[0], &snapshot, &policy).expect("a plan");
    let told = branch(&plan, BrokerId(1), Duration::ZERO, &snapshot, &policy);
    assert_eq!(told, Branch::Neither(NoBranch::Unconditional));
}
