//! Whatever a peer or a store hands over: refused as no report, no request, no state, or taken without a panic.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::world::World;
use crate::control::event::{Event, PauseFile, PeerReport, Role};
use crate::control::state::State;
use crate::decide::fixture::{PLAIN, parse};
use crate::decide::policy::{Mode, Policy};
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::Head;
use crate::model::ids::{CaseId, NodeId, Person, RequestId, Term};
use crate::model::operator::{Answer, Ask, OperatorRequest};

/// A hostile value for one place of a document.
fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::from(u64::MAX)),
        Just(Value::from(i64::MIN)),
        Just(Value::from(-1)),
        Just(Value::from(0)),
        Just(Value::from(1.5)),
        Just(Value::from("")),
        Just(Value::from("n2")),
        Just(Value::Array(Vec::new())),
        Just(Value::Object(serde_json::Map::new())),
        any::<u64>().prop_map(Value::from),
    ]
}

/// Puts hostile values into places of a document, each found by counting through it.
fn spoil(document: &mut Value, spoils: &[(usize, Value)]) {
    for (place, value) in spoils {
        let places = count(document);
        replace(document, &mut (place % places), value);
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn replace(value: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *value = with.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        Value::Object(fields) => fields.values_mut().any(|field| replace(field, left, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn auto() -> Policy {
    Policy { mode: Mode::Auto, ..Policy::default() }
}

/// A leader whose case is open and whose plan is in flight.
fn busy() -> World {
    let mut world = World::leading(auto());
    world.kill();
    world.commit();
    world
}

fn reports() -> Vec<Value> {
    let red = format!("{PLAIN}n2 sees b1 refused 900ms sent 5s\nn2 pulse b1 missing\nn2 progress b1 3\n");
    let report = |text: &str| {
        let report = parse(text).0.heard[&NodeId(2)].report.clone();
        serde_json::to_value(PeerReport {
            report,
            way_open_ago: None,
            pause_file: PauseFile::Absent,
            head: Head::GENESIS,
            policy: Policy::default().digest(),
            history_rebuilt: true,
        })
        .unwrap()
    };
    vec![report(PLAIN), report(&red)]
}

fn requests() -> Vec<Value> {
    let asks = [
        Ask::Status,
        Ask::PlanList,
        Ask::PlanShow { digest: "abcdef".parse().unwrap() },
        Ask::Approve { digest: "abcdef".parse().unwrap() },
        Ask::Reject { digest: "abcdef".parse().unwrap(), reason: "no".parse().unwrap() },
        Ask::Undo { case: CaseId(4) },
        Ask::Pause { reason: "a drill".parse().unwrap() },
        Ask::Resume,
    ];
    let request = |ask| OperatorRequest { id: RequestId(7), by: Person("ada".to_owned()), ask };
    asks.into_iter().map(|ask| serde_json::to_value(request(ask)).unwrap()).collect()
}

fn answers() -> Vec<Value> {
    let mut world = busy();
    world.ask(1, Ask::Status);
    world.ask(2, Ask::PlanList);
    world.answers.iter().map(|(_, answer)| serde_json::to_value(answer).unwrap()).collect()
}

fn often() -> ProptestConfig {
    ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn a_spoilt_report_is_refused_or_taken() {
    let documents = reports();
    let spoils = prop::collection::vec((any::<usize>(), hostile()), 1..5);
    proptest!(often(), |(which in any::<Index>(), spoils in spoils)| {
        let mut document = which.get(&documents).clone();
        spoil(&mut document, &spoils);
        if let Ok(report) = serde_json::from_value::<PeerReport>(document) {
            let mut world = busy();
            for from in [NodeId(2), NodeId(3), NodeId(9)] {
                world.event(Event::Reported { from, report: report.clone() });
            }
            world.skip(Duration::from_millis(250));
            world.event(Event::Tick);
            world.ask(1, Ask::Status);
            world.commit();
        }
    });
}

#[test]
fn a_spoilt_request_or_answer_is_refused_or_taken() {
    let (requests, answers) = (requests(), answers());
    let spoils = prop::collection::vec((any::<usize>(), hostile()), 1..4);
    proptest!(often(), |(which in any::<Index>(), spoils in spoils)| {
        let mut request = which.get(&requests).clone();
        spoil(&mut request, &spoils);
        if let Ok(request) = serde_json::from_value::<OperatorRequest>(request) {
            let mut world = busy();
            world.event(Event::Asked { ticket: 1, request });
            world.commit();
        }
        let mut answer = which.get(&answers).clone();
        spoil(&mut answer, &spoils);
        let _ = serde_json::from_value::<Answer>(answer);
    });
}

/// Whoever takes a state from a peer's snapshot leads on with it.
fn goes_on_with(bytes: &[u8]) {
    if let Ok(state) = State::thaw(bytes) {
        let mut world = World::leading(auto());
        world.install(state);
        world.event(Event::Role(Role::Leading(Term(9))));
        world.commit_once();
        world.pass(Duration::from_millis(500));
        world.ask(1, Ask::Status);
    }
}

#[test]
fn a_spoilt_snapshot_of_the_state_is_refused_or_taken() {
    let whole = busy().controller.state().freeze().unwrap();
    goes_on_with(&whole);
    let flips = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    proptest!(often(), |(flips in flips, cut in prop::option::of(any::<Index>()))| {
        let mut bytes = whole.clone();
        for (place, byte) in &flips {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        goes_on_with(&bytes);
    });
    let document: Value = serde_json::from_slice(&whole).unwrap();
    let spoils = prop::collection::vec((any::<usize>(), hostile()), 1..4);
    proptest!(often(), |(spoils in spoils)| {
        let mut document = document.clone();
        spoil(&mut document, &spoils);
        // A fraction has no canonical form: no snapshot can hold one.
        if let Ok(bytes) = to_canonical_bytes(&document) {
            goes_on_with(&bytes);
        }
    });
}
