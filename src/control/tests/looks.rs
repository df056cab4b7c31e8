//! What is looked at because a decision waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::world::{VICTIM, World};
use crate::control::event::Event;
use crate::decide::policy::{Mode, Policy};
use crate::model::ids::{BrokerId, NodeId};
use crate::model::observation::{Blindness, Fact, ProbeKind, TopologySource};

/// Both others see a crash that this node, the leader, has not met yet.
const SEEN_BY_OTHERS: &str = "n2 sees b1 refused 50ms sent 5s\nn3 sees b1 refused 50ms sent 5s\n\
    n2 pulse b1 level beats 0\nn3 pulse b1 level beats 0\n";

/// The same, later than detection waits.
const SEEN_FOR_LONG: &str = "n2 sees b1 refused 1100ms sent 5s\nn3 sees b1 refused 1100ms sent 5s\n\
    n2 pulse b1 level beats 0\nn3 pulse b1 level beats 0\n";

/// Another broker is refused a moment after the first.
const TWO_SEEN_BY_OTHERS: &str = "n2 sees b1 refused 110ms sent 5s\nn3 sees b1 refused 110ms sent 5s\n\
    n2 sees b2 refused 50ms sent 5s\nn3 sees b2 refused 50ms sent 5s\n";

/// A leader that only brokers tell the shape, three tenths of a second ago.
fn told_by_brokers() -> World {
    let mut world = World::leading(Policy { mode: Mode::Auto, ..Policy::default() });
    world.source = TopologySource::Metadata([BrokerId(2), BrokerId(3)].into());
    world.fact(Fact::Blind { broker: None, probe: ProbeKind::Observer, why: Blindness::NobodyAnswered });
    world.look();
    world.skip(Duration::from_millis(300));
    world
}

/// Lets time pass in which nobody says anything.
fn in_silence(world: &mut World, span: Duration) {
    world.skip(span);
    world.event(Event::Tick);
}

/// How often the shape had been asked for before, each time that it was.
fn turns(world: &World) -> Vec<usize> {
    world.shape_asked.iter().map(|(turn, _)| *turn).collect()
}

#[test]
fn where_nodes_contradict_each_other_all_three_look_at_once_and_again_each_second() {
    let mut world = World::leading(Policy { mode: Mode::Auto, ..Policy::default() });
    world.pinged.clear();
    world.peers_say("n2 sees b1 silent 900ms sent 5s\n");
    let all: Vec<_> = (1..=3).map(|node| (NodeId(node), VICTIM)).collect();
    assert_eq!(world.pinged, all);
    world.pass(Duration::from_millis(750));
    assert_eq!(world.pinged, all);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.pinged.len(), 6);
    world.peers_say("");
    world.read_back_for(Duration::from_secs(3));
    assert_eq!(world.pinged.len(), 6);
}

#[test]
fn the_shape_that_others_votes_wait_for_is_asked_for_at_once_and_decided_on_when_it_comes() {
    let mut world = told_by_brokers();
    world.peers_say(SEEN_BY_OTHERS);
    assert_eq!(world.shape_asked, [(0, BTreeSet::from([VICTIM]))]);
    world.commit();
    assert!(!world.kinds().contains(&"opened"));
    world.skip(Duration::from_millis(5));
    world.shape();
    world.commit();
    assert!(world.kinds().contains(&"opened") && !world.sent.is_empty(), "{:?}", world.kinds());
}

#[test]
fn a_shape_that_nobody_tells_is_asked_for_again_a_quarter_second_later_until_patience_ends() {
    let mut world = told_by_brokers();
    world.peers_say(SEEN_BY_OTHERS);
    in_silence(&mut world, Duration::from_millis(150));
    assert_eq!(world.shape_asked.len(), 1);
    in_silence(&mut world, Duration::from_millis(250));
    assert_eq!(turns(&world), [0, 1], "others are asked than those who did not tell it");
    in_silence(&mut world, Duration::from_millis(600));
    let asked = world.shape_asked.len();
    world.peers_say(SEEN_FOR_LONG);
    in_silence(&mut world, Duration::from_millis(250));
    assert_eq!(world.shape_asked.len(), asked);
    world.commit();
    assert!(world.kinds().contains(&"opened"), "{:?}", world.kinds());
}

#[test]
fn a_second_broker_is_asked_about_although_the_answer_about_the_first_is_not_in() {
    let mut world = told_by_brokers();
    world.peers_say(SEEN_BY_OTHERS);
    world.skip(Duration::from_millis(60));
    world.peers_say(TWO_SEEN_BY_OTHERS);
    let asked = [(0, BTreeSet::from([VICTIM])), (1, BTreeSet::from([VICTIM, BrokerId(2)]))];
    assert_eq!(world.shape_asked, asked);
}

#[test]
fn whoever_sees_the_refusal_itself_has_asked_already_and_asks_others_when_nobody_tells() {
    let mut world = told_by_brokers();
    world.lose(VICTIM);
    assert_eq!(turns(&world), [0, 0], "with the close and with the second refusal");
    world.peers_say(SEEN_BY_OTHERS);
    assert_eq!(turns(&world), [0, 0]);
    in_silence(&mut world, Duration::from_millis(300));
    assert_eq!(turns(&world), [0, 0, 1], "the leader goes on where its own question ended");
}

#[test]
fn where_the_metadata_log_tells_the_shape_nothing_is_asked_for() {
    let mut world = World::leading(Policy { mode: Mode::Auto, ..Policy::default() });
    world.skip(Duration::from_millis(300));
    world.peers_say(SEEN_BY_OTHERS);
    assert!(world.shape_asked.is_empty());
    world.commit();
    assert!(world.kinds().contains(&"opened"));
}
