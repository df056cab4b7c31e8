//! What became of a plan whose leader was lost, told by the cluster's shape alone.

use expect_test::{Expect, expect};

use crate::control::verify::reconciled;
use crate::decide::deliberate::deliberate;
use crate::decide::fixture::{PLAIN, REFUSED, parse};
use crate::model::record::Receipt;

/// Makes the plan of a fixture, and tells what became of it in another shape of the cluster.
fn check(fixture: &str, later: &str, expected: Expect) {
    let (snapshot, policy) = parse(fixture);
    let (plan, digest) = deliberate(&snapshot, &policy).remove(0).plan.expect("a plan");
    let outcome = reconciled(&plan, digest, &parse(later).0.topology);
    let step = |receipt: &Receipt| match receipt {
        Receipt::Done { not, .. } if not.is_empty() => "done".to_owned(),
        Receipt::Done { done, not } => format!("done {} not {}", done.len(), not[0].1.len()),
        Receipt::NotSent(_) => "not sent".to_owned(),
        Receipt::NotDue | Receipt::NotSeen | Receipt::Refused(_) | Receipt::Unanswered | Receipt::Skipped => {
            format!("{receipt:?}")
        }
    };
    let steps: Vec<String> = outcome.steps.iter().map(|one| step(&one.receipt)).collect();
    expected.assert_eq(&format!("{:?}: {}", outcome.end, steps.join(", ")));
}

/// One reorder, whose echo decides between a fence, an election and the order back; then the rest of the orders.
fn staged(later: &str, expected: Expect) {
    check(&format!("{PLAIN}{REFUSED}policy fence\n"), &format!("{PLAIN}{later}"), expected);
}

#[test]
fn of_a_plan_in_two_stages_only_the_way_that_it_took_counts() {
    staged("", expect!["NotDone: not sent, NotDue, NotDue, NotDue, NotDue, NotDue"]);
    let echo = "p0 led b1 of 2,3,1 isr 1,2,3\n";
    staged(echo, expect!["Partly: done, not sent, not sent, not sent, NotDue, NotDue"]);
    let fenced = "broker b1 fenced\np0 led b2 of 2,3,1 isr 2,3\np1..p5 led b2 of 1,2,3 isr 2,3\n";
    staged(fenced, expect!["Partly: done, done, NotDue, NotDue, NotDue, not sent"]);
    let ordered = "broker b1 fenced\np0..p5 led b2 of 2,3,1 isr 2,3\n";
    staged(ordered, expect!["Done: done, done, NotDue, NotDue, NotDue, done"]);
    let elected = "p0..p5 led b2 of 2,3,1 isr 1,2,3\n";
    staged(elected, expect!["Done: done, NotDue, done, done, NotDue, NotDue"]);
    let some = "p0..p2 led b2 of 2,3,1 isr 1,2,3\n";
    staged(some, expect!["Partly: done, NotDue, done 2 not 3, done, NotDue, NotDue"]);
}

#[test]
fn kafkas_own_fencing_is_not_taken_for_an_act_that_was_never_begun() {
    let by_kafka = "broker b1 fenced\np0..p5 led b2 of 1,2,3 isr 2,3\n";
    staged(by_kafka, expect!["NotDone: not sent, NotDue, NotDue, NotDue, NotDue, NotDue"]);
}

/// The broker is dead for sure: it is fenced at once.
const CRASHED: &str = "policy fence\nn1 sees b1 refused 400ms\nn2 sees b1 refused 400ms\nn1 pulse b1 behind 1 beats 1\n\
    n2 pulse b1 behind 1 beats 1\nn3 sees b1 yellow 100ms\n";

#[test]
fn a_fence_by_kafka_itself_makes_no_part_of_a_plan_that_was_never_begun() {
    let badly = "ends p2 1=900000 2=100 3=900000\n";
    let fixture = format!("{PLAIN}{CRASHED}{badly}");
    let fenced = "broker b1 fenced\np0..p5 led b2 of 1,2,3 isr 2,3\n";
    check(&fixture, &format!("{PLAIN}{fenced}"), expect!["NotDone: not sent, not sent, NotDue"]);
    // The order before the fence is nobody's but ours.
    let begun = format!("{PLAIN}{fenced}p2 led b3 of 3,2,1 isr 2,3\n");
    check(&fixture, &begun, expect!["Partly: done, done, not sent"]);
}

#[test]
fn a_fence_at_once_that_stands_is_what_was_wanted_whoever_did_it() {
    let fixture = format!("{PLAIN}{CRASHED}");
    check(&fixture, PLAIN, expect!["NotDone: not sent, NotDue"]);
    let fenced = format!("{PLAIN}broker b1 fenced\np0..p5 led b2 of 1,2,3 isr 2,3\n");
    check(&fixture, &fenced, expect!["Done: done, NotDue"]);
}

#[test]
fn leaders_that_kafka_chose_are_no_part_of_elections_that_were_never_sent() {
    // Half of the partitions have the wanted order already: for them an election alone, after those that need another order.
    let mixed = format!("{PLAIN}{REFUSED}").replace("of 1,2,3", "of 2,3,1");
    let kafkas = "broker b1 fenced\np0..p5 led b2 of 2,3,1 isr 2,3\n";
    check(&mixed, &format!("{PLAIN}{kafkas}"), expect!["NotDone: not sent, not sent"]);
    let ours = "p0..p2 led b2 of 2,3,1 isr 2,3\np3..p5 led b3 of 3,2,1 isr 2,3\n";
    check(&mixed, &format!("{PLAIN}{ours}"), expect!["Done: done, done"]);
}

#[test]
fn an_order_that_changed_without_its_election_was_sent() {
    let ordered = format!("{PLAIN}p0..p2 led b1 of 2,3,1 isr 1,2,3\np3..p5 led b1 of 3,2,1 isr 1,2,3\n");
    check(&format!("{PLAIN}{REFUSED}"), &ordered, expect!["Partly: done 0 not 6"]);
}

#[test]
fn elections_at_once_are_done_partly_done_or_not_done() {
    let elections = |later: &str, expected| check(&format!("{PLAIN}{REFUSED}"), &format!("{PLAIN}{later}"), expected);
    elections("", expect!["NotDone: not sent"]);
    elections("p0 led b2 of 2,3,1 isr 2,3\n", expect!["Partly: done 1 not 5"]);
    let all = "p0..p2 led b2 of 2,3,1 isr 2,3\np3..p5 led b3 of 3,2,1 isr 2,3\n";
    elections(all, expect!["Done: done"]);
}

#[test]
fn whether_a_broker_was_unregistered_is_told_by_its_registration_alone() {
    let follower = format!(
        "{PLAIN}policy unregister\nbroker b4 epoch 104\nn1 sees b1 refused 400ms\nn2 sees b1 refused 400ms\n\
        n1 pulse b1 behind 1 beats 1\nn2 pulse b1 behind 1 beats 1\nn3 sees b1 yellow 100ms\n"
    )
    .replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    let shape = "broker b2\nbroker b3\nbroker b4\np0..p5 led b2 of 2,1,3 isr 2,3\n";
    check(&follower, shape, expect!["Unknown: Unanswered"]);
    check(&follower, &format!("{shape}broker b1 fenced\n"), expect!["NotDone: not sent"]);
    check(&follower, &format!("{shape}broker b1 unregistered\n"), expect!["Done: done"]);
}
