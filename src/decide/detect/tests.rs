//! Tests of detection: each row of the classification table, and what keeps a row from matching.

use expect_test::{Expect, expect};

use super::{awaiting_shape, detect};
use crate::decide::fixture::{PLAIN, REFUSED, parse};
use crate::model::ids::BrokerId;

/// The only place in this file that knows the API under test.
fn check(fixture: &str, expected: Expect) {
    let (snapshot, policy) = parse(fixture);
    let findings = detect(&snapshot, &policy);
    let lines = findings.iter().map(|finding| {
        let votes: Vec<String> = finding.votes.iter().map(|(node, vote)| format!("{node} {:?}", vote.says)).collect();
        format!("{} {}: {}\n", finding.kind, finding.broker, votes.join(", "))
    });
    expected.assert_eq(&lines.collect::<String>());
}

fn plain(extra: &str) -> String {
    format!("{PLAIN}{extra}")
}

/// Two nodes see b1 with this light, three with this pulse.
fn red(light: &str, pulse: &str) -> String {
    let sees = format!("n1 sees b1 {light} 900ms\nn2 sees b1 {light} 800ms\nn3 sees b1 yellow 100ms\n");
    plain(&format!("{sees}n1 pulse b1 {pulse}\nn2 pulse b1 {pulse}\nn3 pulse b1 {pulse}\n"))
}

#[test]
fn a_cluster_that_is_well_has_no_findings() {
    check(PLAIN, expect![""]);
}

#[test]
fn a_leader_refused_twice_whose_echo_is_not_heard_is_not_serving() {
    check(
        &plain(REFUSED),
        expect![[r#"
        LeaderNotServing b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_silent_leader_without_a_beat_is_not_serving() {
    check(
        &red("silent", "unknown"),
        expect![[r#"
        LeaderNotServing b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn refused_and_behind_is_crashed() {
    check(
        &red("refused", "behind 1 beats 1"),
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn refused_and_missing_from_the_answer_is_crashed() {
    check(
        &red("refused", "missing beats 1"),
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn silent_and_behind_is_silent() {
    check(
        &red("silent", "behind 2 beats 1"),
        expect![[r#"
        BrokerSilent b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_follower_that_crashed_is_a_finding_too() {
    let fixture = red("refused", "behind 1 beats 1").replace("led b1 of 1,2,3", "led b2 of 2,1,3");
    check(
        &fixture,
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn refused_but_level_at_a_beat_since_red_is_a_cut_client_path() {
    check(
        &red("refused", "level beats 1"),
        expect![[r#"
        ClientPathCut b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
    check(
        &red("silent", "level beats 1"),
        expect![[r#"
        ClientPathCut b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn refused_once_behind_and_level_at_two_beats_is_recovering() {
    check(
        &red("refused", "level beats 2 once-behind"),
        expect![[r#"
        Recovering b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
    let fenced = red("refused", "level beats 2").replace("epoch 101", "epoch 101 fenced");
    check(
        &fenced,
        expect![[r#"
        Recovering b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn whoever_was_away_and_is_level_at_one_beat_is_not_called_cut_off() {
    let nothing_yet = || expect![""];
    check(&red("refused", "level beats 1 once-behind"), nothing_yet());
    check(&red("silent", "level beats 1 once-behind"), nothing_yet());
    let kept = expect![[r#"
        BrokerStopped b1: n1 Red, n2 Red, n3 Unsure
    "#]];
    check(&format!("{}case b1 c-5 broker_stopped idle\n", red("refused", "level beats 1 once-behind")), kept);
    check(
        &red("silent", "level beats 2 once-behind"),
        expect![[r#"
        ClientPathCut b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn what_one_node_alone_has_seen_red_for_long_was_well_until_enough_do() {
    let long_red_for_one = format!(
        "{PLAIN}n1 sees b1 refused 60ms\nn2 sees b1 refused 60ms\nn3 sees b1 silent 5s\n\
         n1 pulse b1 level beats 0\nn2 pulse b1 level beats 0\nn3 pulse b1 level beats 9\n"
    );
    check(
        &long_red_for_one,
        expect![[r#"
        LeaderNotServing b1: n1 Red, n2 Red, n3 Red
    "#]],
    );
    check(
        &long_red_for_one.replace("level beats 0", "level beats 1"),
        expect![[r#"
        ClientPathCut b1: n1 Red, n2 Red, n3 Red
    "#]],
    );
}

#[test]
fn refused_leading_nothing_and_in_no_isr_with_others_is_stopped() {
    let handed_over = red("refused", "missing beats 1").replace("led b1 of 1,2,3 isr 1,2,3", "led b2 of 1,2,3 isr 2,3");
    check(
        &handed_over,
        expect![[r#"
        BrokerStopped b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_shape_older_than_the_red_cannot_tell_a_crash_from_a_stop_and_is_waited_for() {
    let older = red("refused", "missing beats 1") + "source metadata\nshape 2s\n";
    check(&older, expect![""]);
    let newer = red("refused", "missing beats 1") + "source metadata\nshape 200ms\n";
    check(
        &newer,
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
    let patience_over = older.replace("refused 900ms", "refused 1200ms");
    check(
        &patience_over,
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_broker_that_answers_but_is_behind_is_cut_or_stalled() {
    let behind = |n: u32| (1..=3).map(|node| format!("n{node} pulse b2 behind {n} beats 9\n")).collect::<String>();
    check(
        &plain(&behind(4)),
        expect![[r#"
        CutOrStalled b2: n1 Unsure, n2 Unsure, n3 Unsure
    "#]],
    );
    check(&plain(&behind(3)), expect![""]);
}

#[test]
fn a_broker_that_answers_but_is_not_registered_is_a_zombie() {
    check(
        &PLAIN.replace("epoch 103", "epoch 103 unregistered"),
        expect![[r#"
        Zombie b3: n1 Unsure, n2 Unsure, n3 Unsure
    "#]],
    );
}

#[test]
fn a_success_sent_after_the_first_red_is_a_conflict_once_patience_ends() {
    let split = "n1 sees b1 silent 600ms\nn2 sees b1 silent 500ms\nn3 sees b1 green 60s sent 200ms\n";
    check(&plain(split), expect![""]);
    check(
        &plain(&split.replace("silent 600ms", "silent 1600ms")),
        expect![[r#"
        Conflict b1: n1 Red, n2 Red, n3 Serves
    "#]],
    );
}

#[test]
fn a_success_sent_before_the_first_red_contradicts_nothing() {
    let sent_before = "n1 sees b1 refused 60ms\nn2 sees b1 refused 50ms\nn3 sees b1 green 60s sent 61ms\n\
        n1 pulse b1 unknown\nn2 pulse b1 unknown\n";
    check(
        &plain(sent_before),
        expect![[r#"
        LeaderNotServing b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn one_node_alone_proves_nothing_and_is_unknown_after_patience() {
    let alone = "n1 sees b1 silent 900ms\nn2 sees b1 denied 60s\nn3 sees b1 yellow 10ms\n";
    check(&plain(alone), expect![""]);
    check(
        &plain(&alone.replace("900ms", "1000ms")),
        expect![[r#"
        Unknown b1: n1 Red, n2 Blind(Denied), n3 Unsure
    "#]],
    );
}

#[test]
fn a_majority_that_may_not_look_is_unknown_never_red() {
    check(
        &plain("n1 sees b1 denied 60s\nn2 sees b1 denied 60s\n"),
        expect![[r#"
        Unknown b1: n1 Blind(Denied), n2 Blind(Denied), n3 Unsure
    "#]],
    );
}

#[test]
fn where_a_majority_doubts_itself_nothing_is_known_of_any_broker() {
    let nobody = "n1 lhm 4\nn2 lhm 8\n";
    check(
        &plain(nobody),
        expect![[r#"
        Unknown b1: n1 Abstains, n2 Abstains, n3 Unsure
        Unknown b2: n1 Abstains, n2 Abstains, n3 Unsure
        Unknown b3: n1 Abstains, n2 Abstains, n3 Unsure
    "#]],
    );
    check(&plain("n1 lhm 4\n"), expect![""]);
}

#[test]
fn old_reports_abstaining_nodes_and_neighbours_on_the_host_have_no_vote() {
    for lost in ["n2 age 501ms", "n2 lhm 4", "n2 no-vote b1", "n2 unheard"] {
        check(&plain(&format!("{REFUSED}{lost}\n")), expect![""]);
    }
    check(
        &plain(&format!("{REFUSED}n2 age 500ms\nn2 lhm 3\nn3 sees b1 yellow 20ms sent 900ms\n")),
        expect![[r#"
        LeaderNotServing b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_case_keeps_its_finding_until_the_broker_is_green() {
    // Fenced by us, it leads nothing and is in no ISR: that makes it no stop in good order.
    let after_fence = red("refused", "missing beats 3").replace("led b1 of 1,2,3 isr 1,2,3", "led b2 of 1,2,3 isr 2,3");
    check(
        &format!("{after_fence}case b1 c-5 broker_crashed acted\n"),
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
    check(
        &plain("n1 sees b1 recovering 2s\nn2 sees b1 recovering 2s\ncase b1 c-5 broker_silent acted\n"),
        expect![[r#"
        BrokerSilent b1: n1 Unsure, n2 Unsure, n3 Unsure
    "#]],
    );
    check(&plain("case b1 c-5 broker_silent acted\n"), expect![""]);
}

#[test]
fn a_case_is_renamed_when_more_becomes_known() {
    check(
        &format!("{}case b1 c-5 leader_not_serving acted\n", red("refused", "behind 1 beats 1")),
        expect![[r#"
        BrokerCrashed b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
    check(
        &format!("{}case b1 c-5 broker_crashed acted\n", red("refused", "level beats 2 once-behind")),
        expect![[r#"
        Recovering b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn a_crash_turns_out_to_be_a_stop_only_before_kafka_could_have_fenced_it() {
    let handed_over = |red_for: &str| {
        let left = red("refused", "missing beats 1").replace("led b1 of 1,2,3 isr 1,2,3", "led b2 of 1,2,3 isr 2,3");
        left.replace("900ms", red_for).replace("800ms", red_for).replace("yellow 100ms", &format!("refused {red_for}"))
    };
    check(
        &format!("{}case b1 c-5 broker_crashed open\n", handed_over("1s")),
        expect![[r#"
            BrokerStopped b1: n1 Red, n2 Red, n3 Red
        "#]],
    );
    check(
        &format!("{}case b1 c-5 broker_crashed open\n", handed_over("2s")),
        expect![[r#"
            BrokerCrashed b1: n1 Red, n2 Red, n3 Red
        "#]],
    );
    check(
        &format!(
            "{}case b1 c-5 broker_stopped open\n",
            red("refused", "missing beats 1").replace("led b1 of", "led b2 of")
        ),
        expect![[r#"
        BrokerStopped b1: n1 Red, n2 Red, n3 Unsure
    "#]],
    );
}

#[test]
fn of_a_trio_two_are_always_needed() {
    let mut text = plain(REFUSED);
    text.push_str("n2 unheard\nn3 unheard\n");
    let (mut snapshot, policy) = parse(&text);
    snapshot.voters = [snapshot.taken_by].into();
    assert_eq!(detect(&snapshot, &policy), []);
}

#[test]
fn a_refused_broker_waits_for_a_shape_that_brokers_told_after_the_first_red_until_patience_ends() {
    let awaiting = |lines: &str| {
        let (snapshot, policy) = parse(&plain(&format!("{REFUSED}{lines}")));
        awaiting_shape(&snapshot, &policy)
    };
    assert_eq!(awaiting("source metadata\nshape 100ms\n"), [BrokerId(1)].into());
    assert!(awaiting("source metadata\nshape 60ms\n").is_empty());
    assert!(awaiting("shape 100ms\n").is_empty());
    let long = "n1 sees b1 refused 1s\nn2 sees b1 refused 1s\nsource metadata\nshape 2s\n";
    assert!(awaiting(long).is_empty());
}
