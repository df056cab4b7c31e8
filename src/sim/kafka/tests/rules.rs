//! What Kafka allows and refuses, rule by rule: one command a line, and what it answered.
#![cfg(test)]

use expect_test::expect;

use super::script::{check, check_set};
use crate::sim::kafka::plan::{Switch, Version};

#[test]
fn a_preferred_election_wants_the_first_replica_in_sync_and_not_leading_yet() {
    check(
        Version::V4_3,
        "prefer; reorder 2,3,1; show; prefer; show; kill b2; run 12s; show; prefer; unclean",
        expect![[r#"
            prefer                ELECTION_NOT_NEEDED (84)
            reorder 2,3,1         done
            show                  b1 leads in e0 of 2,3,1, isr [1,2,3]
            prefer                done
            show                  b2 leads in e1 of 2,3,1, isr [1,2,3]
            kill b2
            run 12s
            show                  b3 leads in e2 of 2,3,1, isr [1,3]
            prefer                PREFERRED_LEADER_NOT_AVAILABLE (80)
            unclean               ELECTION_NOT_NEEDED (84)
        "#]],
    );
}

#[test]
fn an_unclean_election_fills_a_leaderless_partition_only() {
    check(
        Version::V3_9,
        "unclean; kill b2; kill b3; run 12s; show; kill b1; run 12s; show; prefer; unclean; heal kill b2; run 6s; show; unclean; show; lost",
        expect![[r#"
            unclean               ELECTION_NOT_NEEDED (84)
            kill b2
            kill b3
            run 12s
            show                  b1 leads in e0 of 1,2,3, isr [1]
            kill b1
            run 12s
            show                  nobody leads in e1 of 1,2,3, isr [1]
            prefer                PREFERRED_LEADER_NOT_AVAILABLE (80)
            unclean               ELIGIBLE_LEADERS_NOT_AVAILABLE (83)
            heal kill b2
            run 6s
            show                  nobody leads in e1 of 1,2,3, isr [1]
            unclean               done
            show                  b2 leads in e2 of 1,2,3, isr [2]
            lost                  []
        "#]],
    );
}

#[test]
fn eligible_replicas_lead_cleanly_after_the_isr_is_gone() {
    check(
        Version::V4_3,
        "replication-freeze b1; produce one b1; run 50s; show; produce all b1; prefer; reorder 2,3,1; prefer; fence b1; run 1s; show; lost",
        expect![[r#"
            replication-freeze b1
            produce one b1        at 0 in e0
            run 50s
            show                  b1 leads in e0 of 1,2,3, isr [1], elr [2,3]
            produce all b1        NOT_ENOUGH_REPLICAS (19)
            prefer                ELECTION_NOT_NEEDED (84)
            reorder 2,3,1         done
            prefer                PREFERRED_LEADER_NOT_AVAILABLE (80)
            fence b1              Fenced
            run 1s
            show                  b2 leads in e1 of 2,3,1, isr [2,3]
            lost                  []
        "#]],
    );
}

#[test]
fn a_broker_that_came_back_uncleanly_is_not_eligible_but_the_last_known_leader_is() {
    check(
        Version::V4_3,
        "kill b2; kill b3; run 12s; show; kill b1; run 12s; show; heal kill b1; run 4s; show; heal kill b2; run 4s; show",
        expect![[r#"
            kill b2
            kill b3
            run 12s
            show                  b1 leads in e0 of 1,2,3, isr [1], elr [2]
            kill b1
            run 12s
            show                  nobody leads in e1 of 1,2,3, isr [], elr [1,2]
            heal kill b1
            run 4s
            show                  nobody leads in e1 of 1,2,3, isr [], elr [2]
            heal kill b2
            run 4s
            show                  b1 leads in e2 of 1,2,3, isr [1,2]
        "#]],
    );
}

#[test]
fn remove_only_completes_by_the_rule_of_its_version() {
    let script = "kill b3; run 12s; show; stop b1; reorder 2,3; show; list; reorder 2; show";
    check(
        Version::V4_3,
        script,
        expect![[r#"
            kill b3
            run 12s
            show                  b1 leads in e0 of 1,2,3, isr [1,2]
            stop b1
            reorder 2,3           done
            show                  b1 leads in e0 of 2,3,1, isr [1,2], removing [1]
            list                  2,3,1 adding  removing 1
            reorder 2             done
            show                  b2 leads in e1 of 2, isr [2], elr [1]
        "#]],
    );
    check(
        Version::V3_9,
        script,
        expect![[r#"
        kill b3
        run 12s
        show                  b1 leads in e0 of 1,2,3, isr [1,2]
        stop b1
        reorder 2,3           done
        show                  b1 leads in e0 of 2,3,1, isr [1,2], removing [1]
        list                  2,3,1 adding  removing 1
        reorder 2             done
        show                  b2 leads in e1 of 2, isr [2]
    "#]],
    );
}

#[test]
fn a_replica_is_added_once_it_has_everything() {
    check(
        Version::V4_3,
        "reorder 1,2; run 1s; show; produce all b1; reorder 1,2,3; list; run 2s; show; list; stop b3; reorder 3,2,1; run 1s; show; cancel",
        expect![[r#"
            reorder 1,2           done
            run 1s
            show                  b1 leads in e1 of 1,2, isr [1,2]
            produce all b1        at 0 in e1
            reorder 1,2,3         done
            list                  1,2,3 adding 3 removing
            run 2s
            show                  b1 leads in e1 of 1,2,3, isr [1,2,3]
            list                  nothing
            stop b3
            reorder 3,2,1         done
            run 1s
            show                  b1 leads in e1 of 3,2,1, isr [1,2,3]
            cancel                NO_REASSIGNMENT_IN_PROGRESS (85)
        "#]],
    );
}

#[test]
fn a_reassignment_can_be_given_up() {
    check(
        Version::V4_3,
        "reorder 1,2; run 1s; stop b3; reorder 1,2,3; run 2s; show; list; cancel; show; cancel",
        expect![[r#"
            reorder 1,2           done
            run 1s
            stop b3
            reorder 1,2,3         done
            run 2s
            show                  b1 leads in e1 of 1,2,3, isr [1,2], adding [3]
            list                  1,2,3 adding 3 removing
            cancel                done
            show                  b1 leads in e2 of 1,2, isr [1,2]
            cancel                NO_REASSIGNMENT_IN_PROGRESS (85)
        "#]],
    );
}

#[test]
fn the_number_of_replicas_is_guarded_from_4_1_on() {
    check(
        Version::V4_3,
        "reorder-kept 2,3; reorder-kept 2,1,3; show",
        expect![[r#"
        reorder-kept 2,3      INVALID_REPLICATION_FACTOR (38)
        reorder-kept 2,1,3    done
        show                  b1 leads in e0 of 2,1,3, isr [1,2,3]
    "#]],
    );
    check(
        Version::V3_9,
        "reorder-kept 2,3; run 1s; show",
        expect![[r#"
        reorder-kept 2,3      done
        run 1s
        show                  b2 leads in e1 of 2,3, isr [2,3]
    "#]],
    );
}

#[test]
fn while_a_broker_is_unregistered_whatever_names_it_is_refused() {
    check(
        Version::V4_3,
        "kill b1; unregister b1; unregister b1; run 1s; show; reorder 2,3,1; reorder 1,2,3; create 3; create 2; prefer; reorder 2,3; show; cluster b2",
        expect![[r#"
            kill b1
            unregister b1         Unregistered
            unregister b1         BROKER_ID_NOT_REGISTERED (102)
            run 1s
            show                  b2 leads in e1 of 1,2,3, isr [2,3]
            reorder 2,3,1         INVALID_REPLICA_ASSIGNMENT (39)
            reorder 1,2,3         INVALID_REPLICA_ASSIGNMENT (39)
            create 3              INVALID_REPLICATION_FACTOR (38)
            create 2              created
            prefer                PREFERRED_LEADER_NOT_AVAILABLE (80)
            reorder 2,3           done
            show                  b2 leads in e2 of 2,3, isr [2,3]
            cluster b2            b2 fenced No, b3 fenced No
        "#]],
    );
}

#[test]
fn a_fenced_broker_stays_registered_and_may_be_named() {
    check(
        Version::V4_3,
        "kill b1; fence b1; run 1s; show; reorder 2,3,1; create 3; cluster b2",
        expect![[r#"
        kill b1
        fence b1              Fenced
        run 1s
        show                  b2 leads in e1 of 1,2,3, isr [2,3]
        reorder 2,3,1         done
        create 3              created
        cluster b2            b1 fenced Yes, b2 fenced No, b3 fenced No
    "#]],
    );
    check(
        Version::V3_9,
        "kill b1; fence b1; run 1s; cluster b2",
        expect![[r#"
        kill b1
        fence b1              Fenced
        run 1s
        cluster b2            b2 fenced No, b3 fenced No
    "#]],
    );
}

#[test]
fn a_fence_is_a_compare_and_set_of_the_brokers_life() {
    check(
        Version::V4_3,
        "fence-stale b1; show; fence b1; show; run 3s; show; cluster b2; fence b9",
        expect![[r#"
        fence-stale b1        STALE_BROKER_EPOCH (77)
        show                  b1 leads in e0 of 1,2,3, isr [1,2,3]
        fence b1              Fenced
        show                  b2 leads in e1 of 1,2,3, isr [2,3]
        run 3s
        show                  b2 leads in e1 of 1,2,3, isr [2,3,1]
        cluster b2            b1 fenced No, b2 fenced No, b3 fenced No
        fence b9              STALE_BROKER_EPOCH (77)
    "#]],
    );
}

#[test]
fn a_record_written_to_the_leader_alone_is_lost_with_it_and_one_written_to_all_is_not() {
    check(
        Version::V4_3,
        "produce all b1; replication-freeze b1; produce one b1; records; fence b1; run 1s; show; records; produce all b2; lost",
        expect![[r#"
            produce all b1        at 0 in e0
            replication-freeze b1
            produce one b1        at 1 in e0
            records               2
            fence b1              Fenced
            run 1s
            show                  b2 leads in e1 of 1,2,3, isr [2,3]
            records               1
            produce all b2        at 1 in e1
            lost                  []
        "#]],
    );
}

#[test]
fn below_the_minimum_nothing_is_acknowledged_by_all() {
    check(
        Version::V3_9,
        "kill b2; kill b3; run 12s; show; produce all b1; produce one b1; min-isr 1; produce all b1; produce all b2",
        expect![[r#"
            kill b2
            kill b3
            run 12s
            show                  b1 leads in e0 of 1,2,3, isr [1]
            produce all b1        NOT_ENOUGH_REPLICAS (19)
            produce one b1        at 0 in e0
            min-isr 1             Done
            produce all b1        at 1 in e0
            produce all b2        no answer
        "#]],
    );
}

#[test]
fn a_leader_that_hears_late_of_a_follower_that_left_takes_it_in_again() {
    check(
        Version::V4_3,
        "disk-freeze b1; kill b2; run 12s; show; heal kill b2; run 6s; show; heal disk-freeze b1; run 2s; show",
        expect![[r#"
            disk-freeze b1
            kill b2
            run 12s
            show                  b1 leads in e0 of 1,2,3, isr [1,3]
            heal kill b2
            run 6s
            show                  b1 leads in e0 of 1,2,3, isr [1,3]
            heal disk-freeze b1
            run 2s
            show                  b1 leads in e0 of 1,2,3, isr [1,3,2]
        "#]],
    );
}

#[test]
fn a_clean_shutdown_hands_leaders_over_first() {
    check(
        Version::V4_3,
        "terminate b1; run 1s; show; run 6s; produce all b2; cluster b2; heal terminate b1; run 15s; show; cluster b2",
        expect![[r#"
            terminate b1
            run 1s
            show                  b2 leads in e1 of 1,2,3, isr [2,3]
            run 6s
            produce all b2        at 0 in e1
            cluster b2            b1 fenced Yes, b2 fenced No, b3 fenced No
            heal terminate b1
            run 15s
            show                  b2 leads in e1 of 1,2,3, isr [2,3,1]
            cluster b2            b1 fenced No, b2 fenced No, b3 fenced No
        "#]],
    );
}

#[test]
fn a_hung_broker_holds_up_the_shutdown_of_another_until_it_is_fenced() {
    check(
        Version::V4_3,
        "stop b3; terminate b1; run 5s; alive b1; run 7s; alive b1",
        expect![[r#"
        stop b3
        terminate b1
        run 5s
        alive b1              true
        run 7s
        alive b1              false
    "#]],
    );
}

#[test]
fn unclean_election_by_configuration_happens_with_the_fencing() {
    check_set(
        Version::V3_9,
        "kill b2; kill b3; run 12s; produce one b1; heal kill b2; stop b2; kill b1; run 12s; show; heal stop b2; run 5s; show",
        expect![[r#"
            kill b2
            kill b3
            run 12s
            produce one b1        at 0 in e0
            heal kill b2
            stop b2
            kill b1
            run 12s
            show                  nobody leads in e1 of 1,2,3, isr [1]
            heal stop b2
            run 5s
            show                  b2 leads in e2 of 1,2,3, isr [2]
        "#]],
        |settings| settings.unclean_election = Switch::On,
    );
}

#[test]
fn a_deleted_topic_is_unknown_and_its_name_free() {
    check(
        Version::V4_3,
        "delete; produce all b1; prefer; create 3; run 1s",
        expect![[r#"
        delete                Done
        produce all b1        UNKNOWN_TOPIC_OR_PARTITION (3)
        prefer                UNKNOWN_TOPIC_OR_PARTITION (3)
        create 3              created
        run 1s
    "#]],
    );
}
