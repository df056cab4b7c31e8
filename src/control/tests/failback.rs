//! The way back: leadership returns to whom it was taken from, each plan names the one that it follows, and the case ends.

use std::time::Duration;

use super::world::{VICTIM, World};
use crate::decide::policy::{ActPolicy, Mode, Policy};
use crate::model::ids::CaseId;
use crate::model::operator::{Answer, Ask, NotFound, Refusal};
use crate::model::plan::Origin;
use crate::model::record::{Attention, Body, Closing, Inaction, NoPlan};

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

fn waits(world: &World) -> Vec<&'static str> {
    let wait = |body: &Body| {
        if let Body::StillHeld { why: Inaction::NoPlan(NoPlan::NotStable), .. } = body {
            Some("not stable")
        } else if let Body::StillHeld { why: Inaction::NoPlan(NoPlan::NobodyFit(_)), .. } = body {
            Some("nobody fit")
        } else if let Body::Attention { what: Attention::Finding { why: Inaction::NoPlan(NoPlan::NobodyFit(_)), .. } } =
            body
        {
            Some("told")
        } else {
            None
        }
    };
    world.records.iter().filter_map(|record| wait(&record.body)).collect()
}

#[test]
fn waiting_for_a_failback_is_recorded_and_a_long_wait_is_a_persons() {
    let mut world = moved();
    for partition in world.topology.partitions.values_mut() {
        partition.isr.remove(&VICTIM);
    }
    world.revive_as("n2 sees b1 green 100ms\nn3 sees b1 green 100ms\n");
    world.live(Duration::from_secs(1));
    assert_eq!(waits(&world), ["not stable"]);
    // Stable by now, and not caught up.
    world.peers_say("");
    world.live(Duration::from_secs(1));
    assert_eq!(waits(&world), ["not stable", "nobody fit"]);
    world.live(STABLE * 3);
    assert_eq!(waits(&world), ["not stable", "nobody fit", "told"]);
    world.live(Duration::from_secs(60));
    assert_eq!(waits(&world), ["not stable", "nobody fit", "told", "nobody fit"]);
    assert_eq!(world.decisions().iter().filter(|one| one.finding.is_none()).count(), 0);
}

#[test]
fn a_persons_undo_ends_the_case_as_undone_once_the_broker_is_well() {
    let mut world = moved();
    let case = *world.controller.state().cases.keys().next().unwrap();
    // It is in sync again, and the peers have not seen it green for long.
    world.revive_as("n2 sees b1 green 100ms\nn3 sees b1 green 100ms\n");
    world.ask(1, Ask::Undo { case });
    world.commit();
    assert!(matches!(world.answers[..], [(1, Answer::Done { .. })]), "{:?}", world.answers);
    world.live(Duration::from_secs(15));
    assert_eq!(endings(&world), [Closing::Undone]);
}

#[test]
fn a_case_where_nothing_was_changed_ends_as_recovered() {
    let mut world = World::leading(Policy::default());
    world.kill();
    world.commit();
    world.revive();
    world.live(Duration::from_secs(15));
    assert_eq!(endings(&world), [Closing::Recovered]);
}

#[test]
fn a_broker_that_left_for_good_takes_its_case_along() {
    let mut world = moved();
    for partition in world.topology.partitions.values_mut() {
        partition.isr.remove(&VICTIM);
        partition.replicas.retain(|replica| *replica != VICTIM);
    }
    world.live(Duration::from_secs(2));
    assert_eq!(endings(&world), []);
    world.topology.brokers.remove(&VICTIM);
    world.live(Duration::from_secs(2));
    assert_eq!(endings(&world), [Closing::Gone]);
    assert!(world.controller.state().cases.is_empty());
    world.live(Duration::from_secs(5));
    assert_eq!(world.kinds().iter().filter(|kind| **kind == "opened").count(), 1, "{:?}", world.kinds());
}

#[test]
fn an_undo_that_cannot_be_says_why() {
    let mut world = moved();
    let case = *world.controller.state().cases.keys().next().unwrap();
    for partition in world.topology.partitions.values_mut() {
        partition.isr.remove(&VICTIM);
    }
    world.live(Duration::from_secs(1));
    world.ask(1, Ask::Undo { case });
    world.ask(2, Ask::Undo { case: CaseId(99) });
    let all = world.topology.partitions.keys().copied().collect();
    let refused = Answer::Refused(Refusal::NoPlan(NoPlan::NobodyFit(all)));
    assert_eq!(world.answers, [(1, refused), (2, Answer::NotFound(NotFound::Case(CaseId(99))))]);
}
