//! What each answer looks like to people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::{Expect, expect};

use super::shows;
use crate::model::ids::{CaseId, Digest, NodeId, Person, RecordIndex, Term};
use crate::model::operator::view::{Difference, PlanState, PlanView};
use crate::model::operator::{Answer, ChainFault, Entry, HeadPlace, HeadSeen, Refusal, Role, Verification};
use crate::model::record::{Attention, Body, End, Outcome, Receipt, StepOutcome, StepRefusal};
use crate::model::ruling::{Objection, Ruling};
use crate::model::time::LogTime;
use crate::render::fixture::{ORDERS, PLAN, b, history, orders, plan};
use crate::render::{Style, answer};

#[test]
fn the_history_is_listed_one_line_a_record() {
    shows(
        &Answer::Records(entries()),
        expect![[r#"
        RECORD  TIME (UTC)               CASE  KIND          WHAT
        1       2026-11-22 03:10:00.000  -     founded       the trio belongs to cluster MkU3OEVBNTcwNTJENDM2Qg
        2       2026-11-22 03:10:00.001  -     led           n1 leads from here on, in term 7
        3       2026-11-22 03:10:00.002  -     policy        policy 0c0c0c0c0c0c with 1 setting, mode auto
        4       2026-11-22 03:12:07.040  c-4   opened        b1 was found LeaderNotServing: n1 red, refused for 38
                                                             ms, n2 red, refused for 31 ms, n3 unsure (yellow) for
                                                             20 ms; the metadata log had not beaten since; it led 4
                                                             partitions
        5       2026-11-22 03:12:07.041  c-4   decided       act: plan 5e5e5e5e5e5e (reorder the replicas of 1
                                                             partition, fence b1 in its life 8812 by heartbeat,
                                                             reorder the replicas of 3 partitions)
        6       2026-11-22 03:12:07.300  c-4   reclassified  no longer LeaderNotServing: b1 was found BrokerCrashed:
                                                             n1 red, refused for 38 ms, n2 red, refused for 31 ms,
                                                             n3 unsure (yellow) for 20 ms; missing from the metadata
                                                             log's answer after 1 beat; it led 4 partitions
        7       2026-11-22 03:12:07.460  c-4   outcome       plan 5e5e5e5e5e5e: done and verified
        8       2026-11-22 03:20:00.000  c-4   closed        the case ended: the broker is green and the recorded
                                                             order is back
        9       2026-11-22 03:30:00.000  -     paused        olga paused automation: moving racks
        10      2026-11-22 03:31:00.000  c-10  opened        b3 was found BrokerSilent: n1 red, silent for 1.24 s,
                                                             n2 red, silent for 1.24 s, n3 red, silent for 1.24 s; 3
                                                             records behind in the metadata log after 2 beats; no
                                                             partition it leads gained records; it led 4 partitions;
                                                             2 brokers red at once
        11      2026-11-22 03:31:00.002  c-10  decided       nothing done: the guard held it: automation is paused
                                                             and 2 brokers red at once (racks r1\u{1b}[2J, r2), at
                                                             most 1 is one incident: are we cut off?
        12      2026-11-22 03:32:00.000  c-10  still held    still nothing, 240 rounds over 1 min 0 s: the guard
                                                             held it: automation is paused and 2 brokers red at once
                                                             (racks r1\u{1b}[2J, r2), at most 1 is one incident: are
                                                             we cut off?
        13      2026-11-22 03:32:00.001  c-10  attention     a person was told: BrokerSilent b3: the guard held it:
                                                             automation is paused and 2 brokers red at once (racks
                                                             r1\u{1b}[2J, r2), at most 1 is one incident: are we cut
                                                             off?
        14      2026-11-22 03:40:00.000  -     resumed       olga let automation go on
    "#]],
    );
}

#[test]
fn a_record_is_shown_whole() {
    shows(
        &Answer::Record(Box::new(entries().swap_remove(4))),
        expect![[r#"
        record 5, decided, 2026-11-22 03:12:07.041 UTC (log time 127.041s)
        written by n1 in term 7, under policy 0c0c0c0c0c0c
        case c-4
        act: plan 5e5e5e5e5e5e (reorder the replicas of 1 partition, fence b1 in its life 8812 by heartbeat, reorder
          the replicas of 3 partitions)
        b1 was found LeaderNotServing: n1 red, refused for 38 ms, n2 red, refused for 31 ms, n3 unsure (yellow) for 20
          ms; the metadata log had not beaten since; it led 4 partitions
        LeaderNotServing b1, class R1, reversible in seconds
        steps
          s1 reorder the replicas of 1 partition, at once
            orders-0: led by b1 in e5, b1, b2, b3 -> b3, b2, b1
            only if the replicas are as planned and the new leader is in sync, nobody is reassigning
          s2 fence b1 in its life 8812 by heartbeat, if the echo says behind
            only if b1 is still in its life 8812, b1 is still red for a majority
          s3 reorder the replicas of 3 partitions, afterwards, off the path
            orders-1..2: led by b1 in e5, b1, b2, b3 -> b3, b2, b1
            orders-7: led by b1 in e5, b1, b2, b3 -> b2, b1, b3
            only if the replicas are as planned and the new leader is in sync
        candidates
          orders-0..2: b3 is to lead, Kafka itself would choose b2
            b3 score 27 (lag 0, rack 0, load 100, health 0), place 3 in the original order
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
          orders-7: b2 is to lead, as Kafka itself would choose
            b2 score 154 (lag 200, rack 0, load 300, health 0), place 2 in the original order
            b1 unfit, it is the broker at fault
            b3 unfit, it was not in the ISR
        undo: the recorded order back
          orders-0..2, orders-7: b1, b2, b3, led by b1
        collateral: what the whole-broker steps do to acks=all
          s2 payments-0: serves -> does not serve; Kafka alone would do the same
        at risk: 1 record written with acks=1 to orders-1
        guard: allowed
        advice: none, as no adviser is configured
    "#]],
    );
    shows(
        &Answer::Record(Box::new(entries().swap_remove(6))),
        expect![[r#"
        record 7, outcome, 2026-11-22 03:12:07.460 UTC (log time 127.460s)
        written by n1 in term 7, under policy 0c0c0c0c0c0c
        case c-4
        plan 5e5e5e5e5e5e: done and verified
          s1 done for aaaaaaaa-0
          s2 done
          s3 done for aaaaaaaa-1, aaaaaaaa-7; not for aaaaaaaa-2: the facts had moved
    "#]],
    );
}

#[test]
fn a_plan_is_shown_whole_with_its_objections() {
    let held = Ruling::Held(vec![
        Objection::Paused,
        Objection::CoolDown { broker: Some(b(1)), owner: CaseId(2), until: LogTime(300_000) },
        Objection::Collateral(orders([0, 1])),
    ]);
    let mut view = plan_view();
    view.ruling = Some(held);
    let text = answer(&Answer::Plan(Box::new(view)), Style::plain(100));
    for part in ["guard: held, 3 objections", "CoolDown: b1 was acted on in c-2", "Collateral: orders-0..1 would stop"]
    {
        assert!(text.contains(part), "{text}");
    }
    shows(
        &Answer::Plans(vec![plan_view()]),
        expect![[r#"
        DIGEST        CASE  CLASS  ORIGIN               STEPS                    STATE
        5e5e5e5e5e5e  c-4   R1     LeaderNotServing b1  Reorder, Fence, Reorder  waits for 2 different people: olga
                                                                                 said yes, 9 min 0 s left
    "#]],
    );
}

#[test]
fn a_history_that_is_not_whole_names_every_fault() {
    let found = Verification {
        node: NodeId(2),
        last: RecordIndex(40),
        head: Digest([0x11; 32]),
        faults: vec![
            ChainFault::Broken { index: RecordIndex(17) },
            ChainFault::Shorter { last: RecordIndex(40), place: HeadPlace::Peer(NodeId(1)), there: RecordIndex(43) },
        ],
        compared: vec![
            HeadSeen { place: HeadPlace::Checkpoint, head: Some((RecordIndex(40), Digest([0x11; 32]))) },
            HeadSeen { place: HeadPlace::Peer(NodeId(3)), head: None },
        ],
    };
    shows(
        &Answer::Verified(found),
        expect![[r#"
        the history of n2 is NOT whole: 2 faults
          record 17 is not the one that was chained: changed, inserted or re-ordered
          it ends with record 40, but n1 has 43: the last ones are missing here
        head 1111111111111111111111111111111111111111111111111111111111111111 at record 40
          the checkpoint in redb has 111111111111 at record 40
          n3 was NOT compared: not heard since this node started
    "#]],
    );
}

#[test]
fn a_no_says_what_to_do() {
    let difference = vec![Difference { part: "steps".to_owned(), was: "Fence".to_owned(), is: "Elect".to_owned() }];
    shows(
        &Answer::Superseded { plan: PLAN, by: Some(Digest([0x6f; 32])), difference },
        expect![[r#"
        plan 5e5e5e5e5e5e no longer stands; plan 6f6f6f6f6f6f stands instead
          steps: was Fence, is Elect
    "#]],
    );
    shows(
        &Answer::NoQuorum { term: Term(9), heard: vec![NodeId(2)] },
        expect![[r#"
        no quorum: in term 9 only n2 heard each other, two of three are needed; nothing was recorded. To pause one
          node all the same, make a file named PAUSE in its data directory
    "#]],
    );
    shows(
        &Answer::NeedsMore { plan: PLAN, people: 1 },
        expect![[r#"
        counted; plan 5e5e5e5e5e5e needs 1 person more to say yes
    "#]],
    );
    let eve = Person("eve\u{1b}[31m".to_owned());
    shows(
        &Answer::Refused(Refusal::Role { by: eve, needs: Role::Approver }),
        expect![[r#"
        eve\u{1b}[31m is not an approver: surface.roles in the settings says who is
    "#]],
    );
}

#[test]
fn what_went_wrong_says_what_to_do() {
    let mut entry = entries().swap_remove(6);
    let mut shown = |body: Body, expected: Expect| {
        entry.record.body = body;
        shows(&Answer::Record(Box::new(entry.clone())), expected);
    };
    let told = |what: Attention| Body::Attention { what };
    shown(
        told(Attention::PlanFailed { plan: PLAN }),
        expect![[r#"
        record 7, attention, 2026-11-22 03:12:07.460 UTC (log time 127.460s)
        written by n1 in term 7, under policy 0c0c0c0c0c0c
        case c-4
        a person was told: plan 5e5e5e5e5e5e failed: tanist why c-4 says what its steps did, tanist undo c-4 puts the
          order back
    "#]],
    );
    shown(
        told(Attention::UnknownOutcome { plan: PLAN }),
        expect![[r#"
        record 7, attention, 2026-11-22 03:12:07.460 UTC (log time 127.460s)
        written by n1 in term 7, under policy 0c0c0c0c0c0c
        case c-4
        a person was told: it cannot be told what plan 5e5e5e5e5e5e did: read Kafka and decide; tanist why c-4 says
          what its steps did, tanist undo c-4 puts the order back
    "#]],
    );
    let steps = vec![StepOutcome { step: 1, receipt: Receipt::Refused(StepRefusal::Denied) }];
    let denied = Outcome { plan: PLAN, steps, end: End::NotDone, timeline: Vec::new() };
    shown(
        Body::Outcome(denied),
        expect![[r#"
        record 7, outcome, 2026-11-22 03:12:07.460 UTC (log time 127.460s)
        written by n1 in term 7, under policy 0c0c0c0c0c0c
        case c-4
        plan 5e5e5e5e5e5e: nothing was changed
          s1 refused: Kafka does not let us: give this node's user Alter on the cluster (for a fence: ClusterAction),
            with kafka-acls.sh
    "#]],
    );
}

fn entries() -> Vec<Entry> {
    history().into_iter().map(|(index, record)| Entry { index, hash: None, record }).collect()
}

fn plan_view() -> PlanView {
    PlanView {
        digest: PLAN,
        case: CaseId(4),
        record: RecordIndex(5),
        state: PlanState::Offered {
            people: 2,
            approved: BTreeSet::from([Person("olga".to_owned())]),
            expires_in: Duration::from_secs(540),
        },
        plan: plan(),
        ruling: Some(Ruling::Allowed),
        topics: BTreeMap::from([(ORDERS, "orders".to_owned())]),
    }
}
