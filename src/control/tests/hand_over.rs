//! A leader that is ill placed lets another node lead: when, whom, and when not.

use std::time::Duration;

use super::world::World;
use crate::decide::policy::{Mode, Policy};
use crate::model::ids::NodeId;
use crate::model::record::{Body, IllPlaced};

/// What the second node says of itself: it reaches no controller.
const SECOND_IS_CUT_TOO: &str = "n2 no-controller\n";

/// The second and the third reach no controller.
const ALL_ARE_CUT: &str = "n2 no-controller\nn3 no-controller\n";

fn world() -> World {
    World::leading(Policy { mode: Mode::Auto, ..Policy::default() })
}

fn why(world: &World) -> Vec<(NodeId, IllPlaced)> {
    let bodies = world.records.iter().map(|record| &record.body);
    bodies
        .filter_map(|body| if let Body::HandedOver { to, why, .. } = body { Some((*to, *why)) } else { None })
        .collect()
}

#[test]
fn a_leader_without_a_way_to_the_controllers_lets_another_lead_and_says_why() {
    let mut world = world();
    world.read_back_for(Duration::from_secs(5));
    world.way_open = false;
    world.read_back_for(Duration::from_secs(1));
    assert!(world.handed.is_empty(), "what was heard lately holds");
    world.read_back_for(Duration::from_secs(2));
    assert_eq!(world.handed, [NodeId(2)]);
    assert_eq!(why(&world), [(NodeId(2), IllPlaced::WayClosed)]);
    world.read_back_for(Duration::from_secs(8));
    assert_eq!(world.handed.len(), 1, "whoever was asked has time");
    world.read_back_for(Duration::from_secs(3));
    assert_eq!(world.handed.len(), 2, "nobody took over: another try");
}

#[test]
fn whoever_is_as_ill_placed_is_not_asked_to_lead() {
    for (peers, handed) in [(SECOND_IS_CUT_TOO, vec![NodeId(3)]), (ALL_ARE_CUT, Vec::new())] {
        let mut world = world();
        world.peers_say(peers);
        world.way_open = false;
        world.read_back_for(Duration::from_secs(5));
        assert_eq!(world.handed, handed, "{peers}");
    }
}

#[test]
fn nothing_is_decided_while_another_is_to_take_over() {
    let mut world = world();
    world.way_open = false;
    while world.handed.is_empty() {
        world.read_back_for(Duration::from_secs(1));
    }
    world.kill();
    let records = world.records.len();
    world.pass(Duration::from_secs(1));
    assert!(world.proposed.is_empty());
    assert_eq!(world.records.len(), records);
}

#[test]
fn a_plan_in_flight_is_brought_to_its_end_first() {
    let mut world = world();
    world.kill();
    world.commit();
    assert_eq!(world.sent.len(), 1);
    world.way_open = false;
    world.read_back_for(Duration::from_secs(6));
    assert!(world.handed.is_empty());
    world.live(Duration::from_secs(2));
    assert_eq!(world.handed, [NodeId(2)]);
}
