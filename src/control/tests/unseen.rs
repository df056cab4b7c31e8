//! What a node that sees nothing says in its log.

use std::time::Duration;

use super::world::World;
use crate::control::event::Event;
use crate::decide::policy::Policy;
use crate::model::observation::{Blindness, Fact, ProbeKind};

#[test]
fn whoever_is_told_nothing_of_the_cluster_says_so_once_and_says_when_that_is_over() {
    let mut world = World::leading(Policy::default());
    let tick = |world: &mut World| {
        world.skip(Duration::from_secs(1));
        world.event(Event::Tick);
    };
    let blind = Fact::Blind { broker: None, probe: ProbeKind::Metadata, why: Blindness::NobodyAnswered };
    for _ in 0..10 {
        world.fact(blind.clone());
        tick(&mut world);
    }
    let said = "the cluster's shape: nobody answered: is Kafka running and reachable from here? \
                Check kafka.\"bootstrap.servers\"";
    assert_eq!(world.warned, [said]);
    world.shape();
    tick(&mut world);
    assert_eq!(world.warned, [said, "the cluster's shape is seen again"]);
}
