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
