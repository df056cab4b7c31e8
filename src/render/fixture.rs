//! Realistic records, by hand: one failover with its failback, then a pause under which a second case is held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::advice::{Settled, Why};
use crate::model::finding::{Echo, Finding, FindingKind, Say, Vote};
use crate::model::ids::{
    BrokerEpoch, BrokerId, CaseId, ClusterId, Digest, LeaderEpoch, NodeId, PartitionId, Person, Rack, RecordIndex,
    RequestId, Term, TopicId,
};
use crate::model::observation::{Light, Progress, PulseState, TopologySource};
use crate::model::plan::{
    Act, AtRisk, Candidate, Choice, Class, Collateral, FailedRack, Move, NativeFate, Origin, OriginalOrder, Plan,
    Precondition, Promotion, Score, Serving, Step, Unfit, Verdict, When,
};
use crate::model::record::{
    Attention, Body, Closing, Decision, DecisionVerdict, End, Inaction, Mark, Outcome, Receipt, Record, Stage,
    StepOutcome, StepRefusal,
};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::{Snapshot, StandingOrders};
use crate::model::time::LogTime;
use crate::model::topology::{PartitionSet, Topic, Topology};

pub(super) const ORDERS: TopicId = TopicId([0xaa; 16]);
pub(super) const PAYMENTS: TopicId = TopicId([0xbb; 16]);
pub(crate) const PLAN: Digest = Digest([0x5e; 32]);

/// 2026-11-22 03:10:00 UTC.
const START_MS: u64 = 1_795_317_000_000;

pub(super) fn b(id: i32) -> BrokerId {
    BrokerId(id)
}

pub(super) fn orders(numbers: impl IntoIterator<Item = i32>) -> PartitionSet {
    numbers.into_iter().map(|number| PartitionId { topic: ORDERS, number }).collect()
}

/// Gives the whole history.
pub(crate) fn history() -> Vec<(RecordIndex, Record)> {
    let c4 = Some(CaseId(4));
    let c9 = Some(CaseId(9));
    let olga = Person("olga".to_owned());
    let settings = BTreeMap::from([("mode".to_owned(), "\"auto\"".to_owned())]);
    let held = Inaction::Held(vec![
        Objection::Paused,
        Objection::BlastRadius {
            red: 2,
            limit: 1,
            racks: BTreeSet::from([Rack("r1\u{1b}[2J".to_owned()), Rack("r2".to_owned())]),
        },
    ]);
    let bodies = [
        (0, None, Body::Founded { cluster: ClusterId("MkU3OEVBNTcwNTJENDM2Qg".to_owned()) }),
        (1, None, Body::Led),
        (2, None, Body::PolicyIs { settings }),
        (127_040, c4, Body::Opened(finding(FindingKind::LeaderNotServing, b(1)))),
        (127_041, c4, Body::Decided(Box::new(acted()))),
        (127_300, c4, Body::Reclassified { from: FindingKind::LeaderNotServing, to: crashed() }),
        (127_460, c4, Body::Outcome(outcome())),
        (600_000, c4, Body::Closed { how: Closing::FailedBack }),
        (1_260_000, c9, Body::Opened(silent())),
        (1_260_002, c9, Body::Decided(Box::new(nothing(held.clone())))),
        (1_320_000, c9, Body::StillHeld { why: held.clone(), rounds: 240, over: Duration::from_secs(60) }),
        (
            1_320_001,
            c9,
            Body::Attention { what: Attention::Finding { kind: FindingKind::BrokerSilent, broker: b(3), why: held } },
        ),
        (1_800_000, None, Body::Resumed { by: olga.clone(), request: RequestId(2) }),
    ];
    let mut records: Vec<(u64, Option<CaseId>, Body)> = bodies.into();
    let paused = Body::Paused { by: olga, reason: "moving racks".to_owned(), request: RequestId(1) };
    records.insert(8, (1_200_000, None, paused));
    let records = records.into_iter().zip(1..);
    records.map(|((ms, case, body), index)| (RecordIndex(index), record(ms, renumbered(case), body))).collect()
}

/// The second case was opened by record 10, behind the pause.
fn renumbered(case: Option<CaseId>) -> Option<CaseId> {
    case.map(|case| if case == CaseId(9) { CaseId(10) } else { case })
}

fn record(ms: u64, case: Option<CaseId>, body: Body) -> Record {
    Record {
        version: 1,
        at: LogTime(ms),
        wall_ms: START_MS + ms,
        by: NodeId(1),
        term: Term(7),
        policy: Digest([0x0c; 32]),
        case,
        body,
    }
}

fn finding(kind: FindingKind, broker: BrokerId) -> Finding {
    let vote =
        |says, light, ms| Vote { says, age: Duration::from_millis(12), light, light_for: Duration::from_millis(ms) };
    Finding {
        kind,
        broker,
        path: None,
        votes: BTreeMap::from([
            (NodeId(1), vote(Say::Red, Some(Light::RedRefused), 38)),
            (NodeId(2), vote(Say::Red, Some(Light::RedRefused), 31)),
            (NodeId(3), vote(Say::Unsure, Some(Light::Yellow), 20)),
        ]),
        echo: Echo { state: PulseState::Unknown, beats_since_red: 0, behind_since_red: false, level_beats: 0 },
        progress: Progress::Unknown,
        leads: 4,
        red_brokers: 1,
        red_for: Duration::from_millis(31),
    }
}

fn crashed() -> Finding {
    let echo = Echo { state: PulseState::Missing, beats_since_red: 1, behind_since_red: true, level_beats: 0 };
    Finding { echo, ..finding(FindingKind::BrokerCrashed, b(1)) }
}

fn silent() -> Finding {
    let mut silent = finding(FindingKind::BrokerSilent, b(3));
    for vote in silent.votes.values_mut() {
        vote.light = vote.light.map(|_| Light::RedSilent);
        vote.says = Say::Red;
        vote.light_for = Duration::from_millis(1_240);
    }
    silent.echo = Echo { state: PulseState::Behind(3), beats_since_red: 2, behind_since_red: true, level_beats: 0 };
    silent.progress = Progress::None;
    Finding { red_brokers: 2, ..silent }
}

fn snapshot() -> Snapshot {
    let topic = |name: &str| Topic { name: name.to_owned(), internal: false, min_isr: Some(2) };
    let topology = Topology {
        topics: BTreeMap::from([(ORDERS, topic("orders")), (PAYMENTS, topic("payments"))]),
        ..Topology::default()
    };
    Snapshot {
        taken_at: LogTime(127_041),
        taken_by: NodeId(1),
        controller: None,
        heard: BTreeMap::new(),
        voters: BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]),
        topology: Arc::new(topology),
        topology_age: Duration::from_millis(40),
        topology_source: TopologySource::Observer,
        loads: BTreeMap::new(),
        log_ends: crate::model::told::Told::default(),
        records_in: crate::model::told::Told::default(),
        bytes_in: crate::model::told::Told::default(),
        reassigning: BTreeSet::new(),
        cordoned: BTreeSet::new(),
        standing: StandingOrders::default(),
        missing: BTreeSet::new(),
    }
}

fn score(lag: u32, load: u32, position: u16) -> Verdict {
    Verdict::Score(Score {
        promotion: Promotion::Neutral,
        shares_failed_rack: FailedRack::No,
        lag_permille: lag,
        lag_bytes_permille: 0,
        lag_time_permille: 0,
        rack_permille: 0,
        load_permille: load,
        bytes_in_permille: 0,
        coordinates_permille: 0,
        health_permille: 0,
        weighted_permille: (4 * lag + 3 * load) / 11,
        position,
    })
}

fn candidate(id: i32, verdict: Verdict) -> Candidate {
    Candidate { broker: b(id), verdict }
}

/// Gives the plan of the first case: an echo, a fence if it is behind, the order put right afterwards.
pub(super) fn plan() -> Plan {
    let payments: PartitionSet = [PartitionId { topic: PAYMENTS, number: 0 }].into_iter().collect();
    let one = |partitions: PartitionSet, to: [i32; 3]| Move {
        partitions,
        leader: Some(b(1)),
        leader_epoch: LeaderEpoch(5),
        from: vec![b(1), b(2), b(3)],
        to: to.map(b).to_vec(),
    };
    let step = |number, when, act, expects| Step { number, when, act, expects };
    let echo = Act::Reorder { moves: vec![one(orders([0]), [3, 2, 1])] };
    let fence = Act::Fence { broker: b(1), epoch: BrokerEpoch(8812) };
    let order = Act::Reorder { moves: vec![one(orders([1, 2]), [3, 2, 1]), one(orders([7]), [2, 1, 3])] };
    let unfit = |id, why| candidate(id, Verdict::Unfit(why));
    Plan {
        parent: None,
        origin: Origin::Finding { kind: FindingKind::LeaderNotServing, broker: b(1) },
        class: Class::R1,
        steps: vec![
            step(1, When::AtOnce, echo, vec![Precondition::MovesStand, Precondition::NotReassigning]),
            step(
                2,
                When::EchoBehind,
                fence,
                vec![Precondition::EpochIs { broker: b(1), epoch: BrokerEpoch(8812) }, Precondition::StillRed(b(1))],
            ),
            step(3, When::Afterwards, order, vec![Precondition::MovesStand]),
        ],
        undo: vec![OriginalOrder {
            partitions: orders([0, 1, 2, 7]),
            replicas: vec![b(1), b(2), b(3)],
            leader: Some(b(1)),
        }],
        collateral: vec![Collateral {
            step: 2,
            partitions: payments,
            before: Serving::Full,
            after: Serving::No,
            native_same: NativeFate::Same,
        }],
        at_risk: vec![AtRisk { partitions: orders([1]), records: Some(1) }],
        choices: vec![
            Choice {
                partitions: orders([0, 1, 2]),
                chosen: Some(b(3)),
                kafka_would: Some(b(2)),
                candidates: vec![
                    candidate(3, score(0, 100, 2)),
                    candidate(2, score(200, 300, 1)),
                    unfit(1, Unfit::AtFault),
                ],
            },
            Choice {
                partitions: orders([7]),
                chosen: Some(b(2)),
                kafka_would: Some(b(2)),
                candidates: vec![candidate(2, score(200, 300, 1)), unfit(1, Unfit::AtFault), unfit(3, Unfit::OutOfIsr)],
            },
        ],
    }
}

fn acted() -> Decision {
    Decision {
        finding: Some(finding(FindingKind::LeaderNotServing, b(1))),
        snapshot: Box::new(snapshot()),
        plan: Some(plan()),
        digest: Some(PLAN),
        ruling: Some(Ruling::Allowed),
        advice: Some(Settled::Proceed(Why::NoAdviser)),
        verdict: DecisionVerdict::Act {
            valid_for: Duration::from_millis(800),
            cool_down_until: LogTime(427_041),
            cluster_cool_down_until: LogTime(1_927_041),
            demoted_until: LogTime(427_041),
        },
    }
}

fn nothing(why: Inaction) -> Decision {
    Decision {
        finding: Some(silent()),
        snapshot: Box::new(snapshot()),
        plan: None,
        digest: None,
        ruling: None,
        advice: None,
        verdict: DecisionVerdict::Nothing(why),
    }
}

fn outcome() -> Outcome {
    let mark = |stage, after_us| Mark { stage, after_us };
    let done = |step, done, not| StepOutcome { step, receipt: Receipt::Done { done, not } };
    Outcome {
        plan: PLAN,
        steps: vec![
            done(1, orders([0]), vec![]),
            done(2, PartitionSet::default(), vec![]),
            done(3, orders([1, 7]), vec![(StepRefusal::Stale, orders([2]))]),
        ],
        end: End::Done,
        timeline: vec![
            mark(Stage::Suspected, 0),
            mark(Stage::Confirmed, 31_400),
            mark(Stage::Committed, 34_900),
            mark(Stage::Sent(1), 35_100),
            mark(Stage::Answered(1), 61_000),
            mark(Stage::Echoed, 122_000),
            mark(Stage::Sent(2), 122_300),
            mark(Stage::Answered(2), 140_000),
            mark(Stage::Verified, 210_750),
        ],
    }
}
