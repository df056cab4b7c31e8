//! What `why` answers, compared as people read it.

mod answers;
mod status;

use expect_test::{Expect, expect};

use super::fixture::{b, history, orders};
use super::{Read, Style, answer, why};
use crate::model::ids::{CaseId, RecordIndex};
use crate::model::operator::{Answer, Found};
use crate::model::plan::{Choice, Origin};
use crate::model::record::{Body, Record};

#[test]
fn a_broker_took_a_partition_by_score_and_votes() {
    asks(
        "why did broker 2 take orders-7",
        expect![[r#"
        b2 took orders-7 in c-4, 2026-11-22 03:12:07.041 UTC (record 5)
          b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for
            20 ms; the metadata log had not beaten since; it led 4 partitions
          guard: allowed
          outcome (record 7): done and verified
        b2 was the only one fit:
          orders-7: b2 is to lead, as Kafka itself would choose
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
            b3 unfit, it was not in the ISR
        from records 5, 7: tanist audit show NUMBER
    "#]],
    );
    asks(
        "orders-1",
        expect![[r#"
        b3 took orders-1 in c-4, 2026-11-22 03:12:07.041 UTC (record 5)
          b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for
            20 ms; the metadata log had not beaten since; it led 4 partitions
          guard: allowed
          outcome (record 7): done and verified
        b3 came before b2 with score 27 against 154 (lag 0 against 200, load 100 against 300; lower is better):
          orders-0..2: b3 is to lead, Kafka itself would choose b2
            b3 score 27 (lag 0, rack 0, load 100, health 0), place 3 in the original order
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
        from records 5, 7: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn a_broker_was_passed_over_part_by_part() {
    asks(
        "why not broker 3 orders-7",
        expect![[r#"
        b2 took orders-7 in c-4, 2026-11-22 03:12:07.041 UTC (record 5)
          b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for
            20 ms; the metadata log had not beaten since; it led 4 partitions
          guard: allowed
          outcome (record 7): done and verified
        not b3: it was not in the ISR
          orders-7: b2 is to lead, as Kafka itself would choose
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
            b3 unfit, it was not in the ISR
        from records 5, 7: tanist audit show NUMBER
    "#]],
    );
    asks(
        "why not b2 orders-1",
        expect![[r#"
        b3 took orders-1 in c-4, 2026-11-22 03:12:07.041 UTC (record 5)
          b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for
            20 ms; the metadata log had not beaten since; it led 4 partitions
          guard: allowed
          outcome (record 7): done and verified
        not b2: b3 came before b2 with score 27 against 154 (lag 0 against 200, load 100 against 300; lower is better)
          orders-0..2: b3 is to lead, Kafka itself would choose b2
            b3 score 27 (lag 0, rack 0, load 100, health 0), place 3 in the original order
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
        from records 5, 7: tanist audit show NUMBER
    "#]],
    );
    asks(
        "why not broker 3",
        expect![[r#"
        last in c-4, 2026-11-22 03:12:07.041 UTC (record 5): act: plan 5e5e5e5e5e5e (reorder the replicas of 1
          partition, fence b1 in its life 8812 by heartbeat, reorder the replicas of 3 partitions)
          orders-7: not b3: it was not in the ISR
        from record 5: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn nothing_happened_while_paused_and_the_objections_say_why() {
    asks(
        "why did nothing happen at 03:31",
        expect![[r#"
        at 2026-11-22 03:31:00.000 UTC
          2026-11-22 03:31:00.000 record 10: b3 was found BrokerSilent: n1 red, silent for 1.24 s, n2 red, silent for
            1.24 s, n3 red, silent for 1.24 s; 3 records behind in the metadata log after 2 beats; no partition it
            leads gained records; it led 4 partitions; 2 brokers red at once
          2026-11-22 03:31:00.002 record 11: nothing done: the guard held it: automation is paused and 2 brokers red
            at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
          automation was paused by olga since 2026-11-22 03:30:00.000 (record 9): moving racks
          the mode was auto (record 3)
          c-10 was open since record 10
            2026-11-22 03:31:00.002 (record 11): nothing was done, the guard held it with 2 objections
              Paused: automation is paused
              BlastRadius: 2 brokers red at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
          c-10 stayed so from 2026-11-22 03:31:00.000 to 2026-11-22 03:32:00.000 (record 12, 240 rounds): Paused,
            BlastRadius
          between record 11 and record 12 lie 59.9 s
        from records 3, 9, 10, 11, 12: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn nothing_happened_because_nothing_was_wrong() {
    asks(
        "03:25",
        expect![[r#"
        at 2026-11-22 03:25:00.000 UTC
          nothing was recorded within this minute
          the mode was auto (record 3)
          no case was open: no majority saw anything wrong
          between record 8 and record 9 lie 10 min 0 s
        from records 3, 8: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn a_time_of_the_day_is_the_last_one_that_the_records_reach() {
    asks(
        "23:00",
        expect![[r#"
        no record reaches 23:00:00 UTC
    "#]],
    );
    asks(
        "2026-11-22T03:40",
        expect![[r#"
        at 2026-11-22 03:40:00.000 UTC
          2026-11-22 03:40:00.000 record 14: olga let automation go on
          the mode was auto (record 3)
          c-10 was open since record 10: b3 was found BrokerSilent: n1 red, silent for 1.24 s, n2 red, silent for 1.24
            s, n3 red, silent for 1.24 s; 3 records behind in the metadata log after 2 beats; no partition it leads
            gained records; it led 4 partitions; 2 brokers red at once
            2026-11-22 03:31:00.002 (record 11): nothing was done, the guard held it with 2 objections
              Paused: automation is paused
              BlastRadius: 2 brokers red at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
          record 14 of 2026-11-22 03:40:00.000 is the last one
        from records 3, 10, 11, 14: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn a_case_is_told_from_the_first_red_to_the_order_restored() {
    asks(
        "c-4",
        expect![[r#"
        c-4:
          2026-11-22 03:12:07.040 record 4: b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused
            for 31 ms, n3 unsure (yellow) for 20 ms; the metadata log had not beaten since; it led 4 partitions
          2026-11-22 03:12:07.041 record 5: act: plan 5e5e5e5e5e5e (reorder the replicas of 1 partition, fence b1 in
            its life 8812 by heartbeat, reorder the replicas of 3 partitions)
          2026-11-22 03:12:07.300 record 6: no longer LeaderNotServing: b1 was found BrokerCrashed: n1 red, refused
            for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for 20 ms; missing from the metadata log's answer
            after 1 beat; it led 4 partitions
          2026-11-22 03:12:07.460 record 7: plan 5e5e5e5e5e5e: done and verified
              +0.0 ms suspected: red for the leader of the trio
               +31 ms confirmed, planned and guarded: red for n1 and n2
                        orders-0..2: b3 is to lead, Kafka itself would choose b2
                          b3 score 27 (lag 0, rack 0, load 100, health 0), place 3 in the original order
                          b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
                          b1 unfit, it is the broker at fault
                        orders-7: b2 is to lead, as Kafka itself would choose
                          b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
                          b1 unfit, it is the broker at fault
                          b3 unfit, it was not in the ISR
               +34 ms committed by two of three
               +35 ms s1 sent (reorder the replicas of 1 partition)
               +61 ms s1 answered
              +122 ms the echo told what the broker is
              +122 ms s2 sent (fence b1 in its life 8812 by heartbeat)
              +140 ms s2 answered
              +210 ms verified by two brokers
            s1 done for orders-0
            s2 done
            s3 done for orders-1, orders-7; not for orders-2: the facts had moved
          2026-11-22 03:20:00.000 record 8: the case ended: the broker is green and the recorded order is back
        from records 4, 5, 6, 7, 8: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn a_broker_beside_a_time_is_told_as_it_was_then() {
    asks(
        "b3 at 03:35",
        expect![[r#"
        c-10:
          2026-11-22 03:31:00.000 record 10: b3 was found BrokerSilent: n1 red, silent for 1.24 s, n2 red, silent for
            1.24 s, n3 red, silent for 1.24 s; 3 records behind in the metadata log after 2 beats; no partition it
            leads gained records; it led 4 partitions; 2 brokers red at once
          2026-11-22 03:31:00.002 record 11: nothing done: the guard held it: automation is paused and 2 brokers red
            at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
          2026-11-22 03:32:00.000 record 12: still nothing, 240 rounds over 1 min 0 s: the guard held it: automation
            is paused and 2 brokers red at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
          2026-11-22 03:32:00.001 record 13: a person was told: BrokerSilent b3: the guard held it: automation is
            paused and 2 brokers red at once (racks r1\u{1b}[2J, r2), at most 1 is one incident: are we cut off?
        c-4:
          2026-11-22 03:12:07.040 record 4: b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused
            for 31 ms, n3 unsure (yellow) for 20 ms; the metadata log had not beaten since; it led 4 partitions
          2026-11-22 03:12:07.041 record 5: act: plan 5e5e5e5e5e5e (reorder the replicas of 1 partition, fence b1 in
            its life 8812 by heartbeat, reorder the replicas of 3 partitions)
          2026-11-22 03:12:07.300 record 6: no longer LeaderNotServing: b1 was found BrokerCrashed: n1 red, refused
            for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for 20 ms; missing from the metadata log's answer
            after 1 beat; it led 4 partitions
          2026-11-22 03:12:07.460 record 7: plan 5e5e5e5e5e5e: done and verified
              +0.0 ms suspected: red for the leader of the trio
               +31 ms confirmed, planned and guarded: red for n1 and n2
                        orders-0..2: b3 is to lead, Kafka itself would choose b2
                          b3 score 27 (lag 0, rack 0, load 100, health 0), place 3 in the original order
                          b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
                          b1 unfit, it is the broker at fault
                        orders-7: b2 is to lead, as Kafka itself would choose
                          b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
                          b1 unfit, it is the broker at fault
                          b3 unfit, it was not in the ISR
               +34 ms committed by two of three
               +35 ms s1 sent (reorder the replicas of 1 partition)
               +61 ms s1 answered
              +122 ms the echo told what the broker is
              +122 ms s2 sent (fence b1 in its life 8812 by heartbeat)
              +140 ms s2 answered
              +210 ms verified by two brokers
            s1 done for orders-0
            s2 done
            s3 done for orders-1, orders-7; not for orders-2: the facts had moved
          2026-11-22 03:20:00.000 record 8: the case ended: the broker is green and the recorded order is back
        from records 4, 5, 6, 7, 8, 10, 11, 12, 13: tanist audit show NUMBER
    "#]],
    );
}

#[test]
fn what_no_record_says_is_not_answered() {
    for question in ["payments-3", "b9", "c-99", "why not b9", "why b3 orders-7"] {
        let answer = why(&question.parse().unwrap(), &history(), Read::WHOLE);
        assert!(answer.lines.iter().all(|line| line.starts_with("no record")), "{question}: {:?}", answer.lines);
    }
    assert_eq!(why(&"b9".parse().unwrap(), &history(), Read::WHOLE).found, Found::No);
    assert_eq!(why(&"b1".parse().unwrap(), &[], Read::WHOLE).found, Found::No);
    assert_eq!(why(&"03:12".parse().unwrap(), &[], Read::WHOLE).lines, ["no record reaches 03:12:00 UTC"]);
}

/// The history with a failback after the first case: its order comes from the record, not from a score.
fn with_failback() -> Vec<(RecordIndex, Record)> {
    let mut records = history();
    let (_, mut back) = records[4].clone();
    let Body::Decided(decision) = &mut back.body else { panic!("{back:?}") };
    decision.finding = None;
    let plan = decision.plan.as_mut().unwrap();
    plan.origin = Origin::Failback { broker: b(1), of: CaseId(4) };
    plan.choices = vec![Choice {
        partitions: orders([0, 1, 2, 7]),
        chosen: Some(b(1)),
        kafka_would: None,
        candidates: Vec::new(),
    }];
    back.wall_ms = records.last().unwrap().1.wall_ms;
    records.push((RecordIndex(15), back));
    records
}

#[test]
fn a_broker_that_was_given_its_partition_back_was_not_chosen_by_score() {
    let explanation = why(&"orders-7".parse().unwrap(), &with_failback(), Read::WHOLE);
    shows(&Answer::Explained(explanation), expect![[r#""#]]);
}

#[test]
fn what_was_not_read_is_not_denied() {
    let records: Vec<_> = history().into_iter().skip(13).collect();
    let told = |read| why(&"03:40".parse().unwrap(), &records, read).lines.join("\n");
    assert!(told(Read::WHOLE).contains("no case was open: no majority saw anything wrong"));
    let cut = told(Read::from(Some(RecordIndex(14))));
    assert!(!cut.contains("no case was open"), "{cut}");
    assert!(cut.contains("records before 14 were not read"), "{cut}");
}

/// Asks the fixture's records.
fn asks(question: &str, expected: Expect) {
    let explanation = why(&question.parse().unwrap(), &history(), Read::WHOLE);
    shows(&Answer::Explained(explanation), expected);
}

/// Compares an answer as a terminal of 110 columns shows it.
fn shows(shown: &Answer, expected: Expect) {
    expected.assert_eq(&answer(shown, Style::plain(110)));
}
