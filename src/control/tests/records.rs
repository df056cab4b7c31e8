//! What is written down: once, briefly while it goes on, and in a state that survives its own freezing.

use std::time::Duration;

use super::given::GONE;
use super::world::{VICTIM, World};
use crate::control::event::{Event, PauseFile, Role};
use crate::control::state::State;
use crate::decide::policy::{GuardPolicy, Mode, Policy};
use crate::model::ids::{BrokerId, NodeId, Term};
use crate::model::operator::Ask;
use crate::model::record::{Attention, Body};
use crate::model::topology::Standing;

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

/// A leader and a follower that have been away for seconds.
const TWO_GONE: &str = "n2 sees b1 refused 9s sent 9s\nn3 sees b1 refused 9s sent 9s\nn2 sees b2 refused 9s sent 9s\n\
    n3 sees b2 refused 9s sent 9s\nn2 pulse b1 missing\nn3 pulse b1 missing\nn2 pulse b2 missing\nn3 pulse b2 missing\n";

/// What the leader's log says at WARN of a person being told, in a world that `begin` brings about, and how often that is recorded.
fn warned_of(begin: impl FnOnce(&mut World)) -> (Vec<String>, usize) {
    let mut world = auto();
    begin(&mut world);
    pass(&mut world, 6);
    let told = world.kinds().iter().filter(|kind| **kind == "attention").count();
    let said = world.warned.iter().filter_map(|line| line.split_once(" tells a person: "));
    (said.map(|(_, what)| what.split_once(';').map_or(what, |(what, _)| what).to_owned()).collect(), told)
}

#[test]
fn what_a_person_is_told_stands_in_the_log_too_once_for_each_record() {
    let radius = "the guard held it: 2 brokers red at once (racks a, b), at most 1 is one incident: are we cut off?";
    let two = |world: &mut World| {
        world.lose(VICTIM);
        world.lose(BrokerId(2));
        world.peers_say(TWO_GONE);
    };
    let alone = "BrokerCrashed b2: only a fence would have helped, and none was allowed or possible".to_owned();
    let both = vec![format!("BrokerCrashed b1: {radius}"), alone];
    assert_eq!(warned_of(two), (both, 2));
    let behind = "n2 pulse b1 behind 99 beats 99\nn3 pulse b1 behind 99 beats 99\n";
    let stalled = "CutOrStalled b1: CutOrStalled only warns: a person was told".to_owned();
    assert_eq!(warned_of(|world| world.peers_say(behind)), (vec![stalled], 1));
    let zombie = |world: &mut World| {
        world.topology.brokers.get_mut(&BrokerId(3)).unwrap().standing = Standing::Unregistered;
        world.shape();
    };
    assert_eq!(warned_of(zombie), (vec!["b3 runs but is not registered: restart it".to_owned()], 1));
}

#[test]
fn a_follower_says_in_its_log_what_a_person_is_told_and_a_node_that_replays_its_own_log_does_not() {
    let warned_as = |role: Role| {
        let mut world = auto();
        world.rebuilt.insert(NodeId(3));
        world.pass(Duration::from_millis(250));
        assert!(!world.proposed.is_empty());
        world.event(Event::Role(role));
        world.commit();
        assert_eq!(world.kinds().last(), Some(&"attention"));
        world.warned
    };
    let said = "record 4 tells a person: the history of n3 was damaged, set aside and rebuilt: look at its disk; once seen: \
        tanist audit acknowledge 4";
    assert_eq!(warned_as(Role::Following { leader: NodeId(2), term: Term(4) }), [said]);
    assert_eq!(warned_as(Role::Leaderless(Term(4))), [""; 0]);
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
