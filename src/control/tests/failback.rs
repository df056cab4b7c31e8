//! The way back: leadership returns to whom it was taken from, each plan names the one that it follows, and the case ends.

use std::time::Duration;

use super::world::World;
use crate::decide::policy::{ActPolicy, Mode, Policy};
use crate::model::plan::Origin;
use crate::model::record::{Body, Closing};

const STABLE: Duration = Duration::from_secs(2);

fn policy() -> Policy {
    let act = ActPolicy { failback_after: STABLE, ..ActPolicy::default() };
    Policy { mode: Mode::Auto, act, ..Policy::default() }
}

/// A leader was killed, and its partitions were moved.
fn moved() -> World {
    let mut world = World::leading(policy());
    world.kill();
    world.commit();
    world.live(Duration::from_secs(1));
    assert_eq!(world.outcomes().len(), 1, "{:?}", world.kinds());
    world
}

fn endings(world: &World) -> Vec<Closing> {
    let ending = |body: &Body| if let Body::Closed { how } = body { Some(*how) } else { None };
    world.records.iter().filter_map(|record| ending(&record.body)).collect()
}

#[test]
fn a_failback_follows_the_plan_that_it_puts_back_and_ends_the_case() {
    let mut world = moved();
    world.revive();
    world.live(Duration::from_secs(15));
    let plans: Vec<_> = world.decisions().iter().filter_map(|one| Some((one.plan.clone()?, one.digest?))).collect();
    let [(first, taken), (back, _)] = plans.as_slice() else { panic!("{:?}", world.kinds()) };
    assert!(matches!(back.origin, Origin::Failback { .. }), "{:?}", back.origin);
    assert_eq!((first.parent, back.parent), (None, Some(*taken)));
    assert_eq!(endings(&world), [Closing::FailedBack]);
    assert!(world.controller.state().first_orders.is_empty());
}
