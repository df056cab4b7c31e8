//! Tests of scoring: lag in three measures, load in two, and what is not known counts nothing.

use expect_test::{Expect, expect};

use crate::decide::deliberate::deliberate;
use crate::decide::fixture::{PLAIN, REFUSED, parse, show, show_choices};

/// Decides on a broker that refuses, with this said besides, and compares the candidates.
fn check(extra: &str, expected: Expect) {
    let (snapshot, policy) = parse(&format!("{PLAIN}{REFUSED}{extra}"));
    let (plan, _) = deliberate(&snapshot, &policy).remove(0).plan.expect("a plan");
    expected.assert_eq(&show_choices(&plan));
}

#[test]
fn few_large_records_are_a_lag_in_bytes() {
    // A thousand records of a megabyte each.
    check(
        "ends p0..p5 1=2000 2=1000 3=2000\ngrows p0..p5 2000 2000000000\n",
        expect![[r#"
        p0..p2(3): b3, Kafka b2
          b1 AtFault
          b2 545 = lag 0 (bytes 1000 time 0) rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
        p3..p5(3): b3, Kafka b2
          b1 AtFault
          b2 545 = lag 0 (bytes 1000 time 0) rack 0 load 0 health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
    "#]],
    );
}

#[test]
fn few_records_of_a_slow_partition_are_a_lag_in_time() {
    // A record a second: twenty are twenty seconds, less the five that two readings may lie apart, of thirty.
    check(
        "ends p0..p5 1=150 2=130 3=150\ngrows p0..p5 1 100\n",
        expect![[r#"
        p3..p5(3): b2, Kafka b2
          b1 AtFault
          b2 272 = lag 0 (bytes 0 time 500) rack 0 load 0 health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
        p0..p2(3): b3, Kafka b2
          b1 AtFault
          b2 272 = lag 0 (bytes 0 time 500) rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]],
    );
}

#[test]
fn what_a_busy_partition_gains_between_two_readings_is_no_lag_in_time() {
    check(
        "ends p0..p5 1=90000 2=60000 3=90000\ngrows p0..p5 8000 80000\n",
        expect![[r#"
        p3..p5(3): b2, Kafka b2
          b1 AtFault
          b2 163 = lag 300 rack 0 load 0 health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
        p0..p2(3): b3, Kafka b2
          b1 AtFault
          b2 163 = lag 300 rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]],
    );
}

#[test]
fn without_a_speed_only_records_count() {
    check(
        "ends p0..p5 1=150 2=130 3=150\n",
        expect![[r#"
        p0..p2(3): b2, Kafka b2
          b1 AtFault
          b2 0 = lag 0 rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
        p3..p5(3): b3, Kafka b2
          b1 AtFault
          b2 272 = lag 0 rack 1000 load 1000 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]],
    );
}

#[test]
fn bytes_that_come_in_are_a_load_of_their_own_and_grow_with_the_plan() {
    check(
        "load b1 60000000\nload b2 90000000\nload b3 0\ngrows p0..p5 1000 10000000\n",
        expect![[r#"
        p3: b2, Kafka b2
          b1 AtFault
          b2 109 = lag 0 rack 0 load 0 (bytes 600 coordinates 0) health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
        p4: b2, Kafka b2
          b1 AtFault
          b2 163 = lag 0 rack 0 load 0 (bytes 900 coordinates 0) health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
        p5: b2, Kafka b2
          b1 AtFault
          b2 181 = lag 0 rack 0 load 0 (bytes 1000 coordinates 0) health 0
          b3 272 = lag 0 rack 1000 load 1000 health 0
        p0..p2(3): b3, Kafka b2
          b1 AtFault
          b2 109 = lag 0 rack 0 load 0 (bytes 600 coordinates 0) health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]],
    );
}

#[test]
fn a_quiet_cluster_has_no_load_in_bytes() {
    check(
        "load b1 6000\nload b2 90000\nload b3 0\ngrows p0..p5 10 1000\n",
        expect![[r#"
        p0..p2(3): b2, Kafka b2
          b1 AtFault
          b2 0 = lag 0 rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
        p3..p5(3): b3, Kafka b2
          b1 AtFault
          b2 272 = lag 0 rack 1000 load 1000 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]],
    );
}

#[test]
fn a_broker_that_coordinates_more_than_its_share_is_passed_over_for_more_of_it() {
    // b2 leads no ordinary partition, so that leaders alone would speak for it.
    check(
        "p0..p0 led b1 of 1,2,3 isr 1,2,3 internal\np1..p6 led b2 of 2,1,3 isr 1,2,3 internal\n\
         p6..p15 led b3 of 3,1,2 isr 1,2,3 min 2\n",
        expect![[r#"
            p0..p5(6): b2, Kafka b2
              b1 AtFault
              b2 0 = lag 0 rack 0 load 0 health 0
              b3 0 = lag 0 rack 0 load 0 health 0
            i0: b3, Kafka b2
              b1 AtFault
              b2 190 = lag 0 rack 100 load 100 (bytes 0 coordinates 1000) health 0
              b3 0 = lag 0 rack 0 load 0 health 0
        "#]],
    );
}

#[test]
fn nobody_is_to_lead_on_a_cordoned_broker_and_no_list_that_names_it_is_reordered() {
    // p3 would need b4 in its list; p4 has its next leader first already.
    let text = format!(
        "{PLAIN}{REFUSED}broker b4 epoch 104\ncordoned b4\np3 led b1 of 1,2,4 isr 1,2,4\np4 led b1 of 2,4,1 isr 1,2,4\n"
    );
    let (snapshot, policy) = parse(&text);
    let deliberations = deliberate(&snapshot, &policy);
    expect![[r#"
        LeaderNotServing b1, leads 6, red 1
          1. AtOnce Elect p0..p2(3) 1,2,3->2,3,1 p5 1,2,3->3,2,1
          2. AtOnce Prefer p4 2,4,1->2,4,1
          allowed
    "#]]
    .assert_eq(&show(&deliberations));
    let (plan, _) = deliberations[0].plan.as_ref().expect("a plan");
    expect![[r#"
        p0..p2(3): b2, Kafka b2
          b1 AtFault
          b2 0 = lag 0 rack 0 load 0 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
        p3: b2, Kafka b2
          b1 AtFault
          b2 272 = lag 0 rack 1000 load 1000 health 0
          b4 Cordoned
        p4: b2, Kafka b2
          b2 272 = lag 0 rack 1000 load 1000 health 0
          b4 Cordoned
          b1 AtFault
        p5: b3, Kafka b2
          b1 AtFault
          b2 272 = lag 0 rack 1000 load 1000 health 0
          b3 0 = lag 0 rack 0 load 0 health 0
    "#]]
    .assert_eq(&show_choices(plan));
}
