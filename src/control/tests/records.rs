//! What is written down: once, briefly while it goes on, and in a state that survives its own freezing.

use std::time::Duration;

use super::world::{GONE, VICTIM, World};
use crate::control::event::{Event, PauseFile};
use crate::control::state::State;
use crate::decide::policy::{GuardPolicy, Mode, Policy};
use crate::model::ids::NodeId;
use crate::model::operator::Ask;
use crate::model::record::{Attention, Body};

fn auto() -> World {
    World::leading(Policy { mode: Mode::Auto, ..Policy::default() })
}

/// A killed leader that nothing may be done about.
fn held() -> World {
    let mut world = auto();
    world.event(Event::PauseFile(PauseFile::Present));
    world.kill();
    world.commit();
    // Its own node finds it behind before the others say so.
    world.pulse();
    world.peers_say(GONE);
    world.commit();
    world
}

fn pass(world: &mut World, seconds: u64) {
    for _ in 0..seconds * 4 {
        world.pass(Duration::from_millis(250));
        world.commit();
    }
}

fn still_held(world: &World) -> Vec<(u64, Duration)> {
    let told =
        |body: &Body| if let Body::StillHeld { rounds, over, .. } = body { Some((*rounds, *over)) } else { None };
    world.records.iter().filter_map(|record| told(&record.body)).collect()
}

#[test]
fn a_state_with_an_open_intent_is_the_same_after_freezing_and_thawing() {
    let mut world = auto();
    world.ask(1, Ask::Pause { reason: "a drill".parse().unwrap() });
    world.commit();
    world.ask(2, Ask::Resume);
    world.commit();
    world.kill();
    world.commit();
    let state = world.controller.state();
    assert_eq!((state.intents.len(), state.cool_downs.len(), state.requests.len()), (1, 1, 2));
    let bytes = state.freeze().unwrap();
    assert_eq!(&State::thaw(&bytes).unwrap(), state);
    assert!(State::thaw(&bytes[1..]).is_err());
}

#[test]
fn a_non_decision_that_goes_on_is_written_once_and_then_once_a_minute() {
    let mut world = held();
    pass(&mut world, 50);
    assert_eq!((world.decisions().len(), still_held(&world).len()), (1, 0), "{:?}", world.kinds());
    pass(&mut world, 15);
    let again = still_held(&world);
    assert_eq!((world.decisions().len(), again.len()), (1, 1), "{:?}", world.kinds());
    assert!(100 < again[0].0 && again[0].1 == Duration::from_secs(60), "{again:?}");
}

/// What people are told of while the peers say this.
fn told_of(peers: &'static str, seconds: u64) -> Vec<String> {
    let mut world = auto();
    world.peers_say(peers);
    pass(&mut world, seconds);
    let told = |body: &Body| {
        let Body::Attention { what: Attention::Finding { kind, broker, .. } } = body else { return None };
        Some(format!("{kind} {broker}"))
    };
    world.records.iter().filter_map(|record| told(&record.body)).collect()
}

#[test]
fn a_person_is_told_when_nobody_can_tell_for_long_and_not_at_once() {
    let doubting = "n2 lhm 8\nn3 lhm 8\n";
    assert_eq!(told_of(doubting, 9), [""; 0]);
    assert_eq!(told_of(doubting, 15), ["Unknown b1", "Unknown b2", "Unknown b3"]);
    let denied = "n2 sees b1 denied 60s\nn3 sees b1 denied 60s\n";
    assert_eq!(told_of(denied, 6), ["Unknown b1"]);
    // The second node is red while the first goes on being answered.
    let split = "n2 sees b1 silent 4s sent 5s\n";
    assert_eq!(told_of(split, 6), ["Conflict b1"]);
}

#[test]
fn where_nodes_contradict_each_other_all_three_look_at_once_and_again_each_second() {
    let mut world = auto();
    world.pinged.clear();
    world.peers_say("n2 sees b1 silent 900ms sent 5s\n");
    let all: Vec<_> = (1..=3).map(|node| (NodeId(node), VICTIM)).collect();
    assert_eq!(world.pinged, all);
    world.pass(Duration::from_millis(750));
    assert_eq!(world.pinged, all);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.pinged.len(), 6);
    world.peers_say("");
    pass(&mut world, 3);
    assert_eq!(world.pinged.len(), 6);
}

#[test]
fn a_case_that_closes_at_once_needs_no_such_record() {
    let mut world = auto();
    world.event(Event::PauseFile(PauseFile::Present));
    world.kill();
    world.commit();
    world.revive();
    world.commit();
    pass(&mut world, 12);
    assert!(world.controller.state().cases.is_empty(), "{:?}", world.kinds());
    assert_eq!(still_held(&world), []);
}

#[test]
fn a_cool_down_that_is_over_is_dropped_by_the_next_record() {
    let mut world = auto();
    world.kill();
    world.commit();
    let short = GuardPolicy::default().broker_cool_down;
    world.skip(short.saturating_sub(Duration::from_secs(1)));
    world.ask(1, Ask::Pause { reason: "a drill".parse().unwrap() });
    world.commit();
    assert_eq!(world.controller.state().cool_downs.len(), 1);
    world.skip(Duration::from_secs(2));
    world.ask(2, Ask::Resume);
    world.commit();
    assert_eq!(world.controller.state().cool_downs.len(), 0);
}
