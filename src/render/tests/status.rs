//! How things stand, as somebody woken at night reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use expect_test::expect;

use super::shows;
use crate::model::finding::FindingKind;
use crate::model::ids::{CaseId, ClusterId, ControllerId, Digest, NodeId, Rack, RecordIndex, Term};
use crate::model::observation::{Blindness, Light, ProbeKind, PulseState};
use crate::model::operator::Answer;
use crate::model::operator::view::{
    AttentionView, AuditHead, BlindView, BrokerView, CaseView, Latest, Mode, NodeView, PauseView, PlanBrief, PlanState,
    Quorum, Seen, StatusView,
};
use crate::model::record::{Attention, End, Inaction};
use crate::model::ruling::Objection;
use crate::model::snapshot::Missing;
use crate::model::time::LogTime;
use crate::model::topology::Standing;
use crate::render::fixture::{PLAN, b};
use crate::render::{Colour, Style, answer};

#[test]
fn the_status_fits_on_a_screen() {
    shows(
        &Answer::Status(Box::new(status())),
        expect![[r#"
        n1 leads the trio in term 7
        cluster MkU3OEVBNTcwNTJENDM2Qg, controller k101, mode auto, policy 0c0c0c0c0c0c, history to record 12

        NODE  ROLE     HEARD       DOUBT   CONTROLLER
        n1    leads    this node   0 of 8  reached
        n2    follows  120 ms ago  5 of 8  NOT reached
        n3    ?        never       ?       ?

        BROKER  RACK          STANDING  LEADS  REPLICAS  FROM N1               FROM N2                FROM N3
        b1      r1            active    4      12        red, refused 1.40 s,  red, refused 1.40 s,   not heard
                                                         behind                behind
        b2      r2\u{1b}[31m  active    4      12        green 1.40 s          green 1.40 s           not heard
        b3      r3            active    4      12        green 1.40 s          yellow 1.40 s, behind  not heard

        Open cases
          c-4 BrokerCrashed b1, open for 1 min 1 s: would have acted by plan 5e5e5e5e5e5e (observe)

        Plans
          5e5e5e5e5e5e c-4 is being carried out

        Attention
          12 c-4 2026-11-22 03:10:00.000: b3 runs but is not registered: restart it
          once seen: tanist audit acknowledge NUMBER

        Not known
          2 things: the report of n3, the log ends on b1
    "#]],
    );
}

#[test]
fn each_case_says_what_was_last_done_in_it() {
    let last = |last: Option<Latest>| {
        let mut view = status();
        view.cases.iter_mut().for_each(|case| case.last = last.clone());
        answer(&Answer::Status(Box::new(view)), Style::plain(120))
    };
    for (latest, wanted) in [
        (None, "1 min 1 s: nothing decided yet\n"),
        (Some(Latest::InFlight(PLAN)), "1 min 1 s: plan 5e5e5e5e5e5e is being carried out\n"),
        (Some(Latest::Offered(PLAN)), "1 min 1 s: plan 5e5e5e5e5e5e waits for approval\n"),
        (Some(Latest::Acted { plan: PLAN, end: End::Done }), "1 min 1 s: plan 5e5e5e5e5e5e: done and verified\n"),
        (
            Some(Latest::Nothing(Inaction::Held(vec![Objection::Paused]))),
            "1 min 1 s: nothing done, the guard held it: automation is paused\n",
        ),
    ] {
        let text = last(latest);
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
}

#[test]
fn a_follower_without_quorum_says_so_first() {
    let view = StatusView {
        leader: None,
        quorum: Quorum::Lost,
        paused: Some(PauseView::File { node: NodeId(1) }),
        cluster: None,
        controller: None,
        nodes: vec![],
        brokers: vec![],
        cases: vec![],
        plans: vec![],
        attentions: vec![],
        missing: BTreeSet::new(),
        troubles: vec!["Kafka answers with another cluster's id: set node.cluster".to_owned()],
        ..status()
    };
    shows(
        &Answer::Status(Box::new(view)),
        expect![[r#"
        n1 knows no leader (term 7)
        cluster not known yet, controller not known, mode auto, policy 0c0c0c0c0c0c, history to record 12
        NO QUORUM: fewer than two of three nodes hear each other; nothing acts or is recorded
        PAUSED by the file PAUSE in the data directory of n1; remove it there to go on

        NODE  ROLE  HEARD  DOUBT  CONTROLLER

        no broker is known yet

        Trouble on this node
          Kafka answers with another cluster's id: set node.cluster
    "#]],
    );
}

#[test]
fn what_is_not_seen_says_why_and_what_to_do() {
    let one = |why, probe, broker: Option<i32>| BlindView { why, probe, broker: broker.map(b) };
    let view = StatusView {
        blind: BTreeSet::from([
            one(Blindness::Denied, ProbeKind::Offsets, Some(1)),
            one(Blindness::Denied, ProbeKind::LogDirs, Some(2)),
            one(Blindness::WrongCluster, ProbeKind::Metadata, None),
            one(Blindness::NobodyAnswered, ProbeKind::Pulse, None),
        ]),
        missing: BTreeSet::from([Missing::Probe(ProbeKind::Pulse, Blindness::NobodyAnswered)]),
        cases: vec![],
        plans: vec![],
        attentions: vec![],
        ..status()
    };
    let text = answer(&Answer::Status(Box::new(view)), Style::plain(110));
    let below = text.split_once("yellow 1.40 s, behind  not heard").unwrap().1;
    let told = &below[below.find("\nNot known").unwrap()..];
    expect![[r#""#]].assert_eq(told);
}

#[test]
fn a_broker_that_lost_a_log_dir_is_named() {
    let mut view = status();
    view.brokers[1].failed_dirs = Some(1);
    let text = answer(&Answer::Status(Box::new(view)), Style::plain(110));
    assert!(text.contains("\nDisks\n  b2 cannot use 1 log dir: look at its disks\n"), "{text}");
}

#[test]
fn a_node_with_other_settings_than_those_in_force_is_named() {
    let mut view = status();
    view.nodes[1].policy = Some(Digest([0x0d; 32]));
    let text = answer(&Answer::Status(Box::new(view)), Style::plain(200));
    let wanted = "Settings that differ\n  n2 has policy 0d0d0d0d0d0d, in force is 0c0c0c0c0c0c: give the three nodes";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn lights_are_coloured_on_terminals_only() {
    let answer_with = |colour| answer(&Answer::Status(Box::new(status())), Style { width: 110, colour });
    assert!(answer_with(Colour::Ansi).contains("\u{1b}["));
    assert!(!answer_with(Colour::Plain).contains('\u{1b}'), "a rack's name steers the terminal");
}

fn status() -> StatusView {
    let seen = |light, pulse| Seen { light, light_for: Duration::from_millis(1_400), pulse };
    let green = seen(Light::Green, PulseState::Level);
    let node = |id, heard, lhm| NodeView {
        id: NodeId(id),
        heard_ago: heard,
        lhm,
        reaches_controller: lhm.map(|lhm| lhm < 4),
        policy: lhm.map(|_| Digest([0x0c; 32])),
    };
    let broker = |id, rack: &str, seen: Vec<(u64, Seen)>| BrokerView {
        id: b(id),
        rack: Some(Rack(rack.to_owned())),
        standing: Standing::Active,
        leads: 4,
        replicas: 12,
        seen: seen.into_iter().map(|(node, seen)| (NodeId(node), seen)).collect(),
        failed_dirs: Some(0),
        judged: None,
    };
    let dead = seen(Light::RedRefused, PulseState::Missing);
    let silent = Attention::Zombie { broker: b(3), epoch: None };
    StatusView {
        node: NodeId(1),
        cluster: Some(ClusterId("MkU3OEVBNTcwNTJENDM2Qg".to_owned())),
        leader: Some(NodeId(1)),
        term: Term(7),
        quorum: Quorum::Present,
        mode: Mode::Auto,
        paused: None,
        policy: Digest([0x0c; 32]),
        nodes: vec![
            node(1, Some(Duration::ZERO), Some(0)),
            node(2, Some(Duration::from_millis(120)), Some(5)),
            node(3, None, None),
        ],
        controller: Some(ControllerId(101)),
        brokers: vec![
            broker(1, "r1", vec![(1, dead), (2, dead)]),
            broker(2, "r2\u{1b}[31m", vec![(1, green), (2, green)]),
            broker(3, "r3", vec![(1, green), (2, seen(Light::Yellow, PulseState::Behind(2)))]),
        ],
        cases: vec![CaseView {
            id: CaseId(4),
            kind: FindingKind::BrokerCrashed,
            broker: b(1),
            open_for: Duration::from_secs(61),
            last: Some(Latest::WouldAct(PLAN)),
        }],
        plans: vec![PlanBrief { digest: PLAN, case: CaseId(4), state: PlanState::InFlight }],
        attentions: vec![AttentionView {
            index: RecordIndex(12),
            wall_ms: 1_795_317_000_000,
            case: Some(CaseId(4)),
            what: silent,
        }],
        audit: AuditHead { index: RecordIndex(12), hash: None, at: LogTime(127_041) },
        blind: BTreeSet::new(),
        missing: BTreeSet::from([Missing::Report(NodeId(3)), Missing::LogEnds(b(1))]),
        troubles: vec![],
    }
}
