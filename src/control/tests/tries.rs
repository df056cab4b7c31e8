//! What counts as a try, and what goes on after a step that was not sent or not answered.

use std::time::Duration;

use super::given::GONE;
use super::world::{VICTIM, World};
use crate::control::event::Event;
use crate::control::pace::TICK;
use crate::decide::fixture::partition;
use crate::decide::policy::{ActPolicy, GuardPolicy, Mode, Permission, Policy};
use crate::model::ids::BrokerId;
use crate::model::plan::Act;
use crate::model::record::{Attention, Body, End, NotSent, Receipt, StepRefusal};
use crate::model::topology::Partition;

fn policy(mode: Mode) -> Policy {
    Policy { mode, ..Policy::default() }
}

fn fencing() -> Policy {
    let act = ActPolicy { fence_heartbeat: Permission::Allowed, ..ActPolicy::default() };
    Policy { act, ..policy(Mode::Auto) }
}

fn ends(world: &World) -> Vec<End> {
    world.outcomes().iter().map(|outcome| outcome.end).collect()
}

fn told_of_failure(world: &World) -> usize {
    let told = |body: &Body| matches!(body, Body::Attention { what: Attention::PlanFailed { .. } });
    world.records.iter().filter(|record| told(&record.body)).count()
}

/// Kafka has fenced the victim: it leads nothing and is in no ISR that has another member.
fn fence(world: &mut World) {
    for partition in world.topology.partitions.values_mut() {
        partition.isr.retain(|broker| *broker != VICTIM || partition.replicas.len() == 1);
        if partition.leader == Some(VICTIM) {
            let led = Partition { leader: partition.isr.iter().next().copied(), ..partition.clone() };
            *partition = led.after(Some(&*partition));
        }
    }
}

/// For so long this comes of whatever is to be sent; and each time that is seen.
fn in_vain(world: &mut World, span: Duration, receipt: &Receipt, mut seen: impl FnMut(&mut World)) {
    for _ in 0..span.as_millis() / 250 {
        seen(world);
        if world.answered < world.sent.len() {
            world.answer(receipt.clone());
        }
        world.pass(Duration::from_millis(250));
        world.commit();
    }
}

/// Nothing can be sent, as the controllers elect.
const ELECTING: Receipt = Receipt::NotSent(NotSent::Unreachable);

/// The victim was lost and is back, and what it led is to be given back to it in 2 s.
fn on_the_way_back() -> World {
    let act = ActPolicy { failback_after: Duration::from_secs(2), ..ActPolicy::default() };
    let mut world = World::leading(Policy { act, ..policy(Mode::Auto) });
    world.kill();
    world.commit();
    world.live(Duration::from_secs(1));
    world.revive();
    world
}

#[test]
fn a_step_whose_time_is_over_with_nothing_done_is_not_sent_and_was_no_try() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit();
    world.answer(Receipt::NotSent(NotSent::Expired));
    world.commit();
    let outcome = &world.outcomes()[0];
    assert_eq!(outcome.steps[0].receipt, Receipt::NotSent(NotSent::Expired));
    assert!(outcome.is_untouched());
    assert!(world.controller.state().cases.values().all(|case| case.acts == 0));
}

#[test]
fn what_was_not_answered_and_is_seen_to_be_done_lets_the_plan_go_on() {
    let mut world = World::leading(fencing());
    world.kill();
    world.commit();
    world.done();
    world.skip(Duration::from_millis(100));
    world.peers_say(GONE);
    world.pulse();
    assert!(matches!(world.sent[1].step.act, Act::Fence { broker: VICTIM, .. }), "{:?}", world.sent);
    fence(&mut world);
    world.answer(Receipt::Unanswered);
    world.live(Duration::from_secs(2));
    assert_eq!(ends(&world), [End::Done], "{:?}", world.outcomes());
    assert!(matches!(world.sent[2].step.act, Act::Reorder { .. }), "{:?}", world.sent);
}

#[test]
fn controllers_that_elect_use_up_no_tries_and_a_person_is_told_once() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    world.commit();
    let seen = |world: &mut World| {
        world.kill();
        world.shape();
    };
    in_vain(&mut world, Duration::from_secs(8), &ELECTING, seen);
    let tries = world.outcomes().len();
    assert!((4..=6).contains(&tries), "{tries} tries in 8 s");
    assert_eq!(told_of_failure(&world), 1, "{:?}", world.kinds());
}

#[test]
fn the_way_back_meets_electing_controllers_at_the_same_pace() {
    let mut world = on_the_way_back();
    let before = world.outcomes().len();
    in_vain(&mut world, Duration::from_secs(40), &ELECTING, |_| ());
    let tries = world.outcomes().len() - before;
    assert!((4..=9).contains(&tries), "{tries} tries");
    world.live(Duration::from_secs(15));
    assert_eq!(ends(&world).last(), Some(&End::Done), "{:?}", world.kinds());
    assert!(world.kinds().contains(&"closed"), "{:?}", world.kinds());
}

#[test]
fn a_right_that_is_missing_on_the_way_back_uses_up_no_tries_and_a_person_is_told_at_once() {
    let mut world = on_the_way_back();
    let before = world.outcomes().len();
    in_vain(&mut world, Duration::from_secs(40), &Receipt::Refused(StepRefusal::Denied), |world| {
        let refused = before < world.outcomes().len();
        assert_eq!(told_of_failure(world), usize::from(refused), "{:?}", world.kinds());
    });
    let tries = world.outcomes().len() - before;
    assert!((4..=9).contains(&tries), "{tries} tries in 40 s");
    world.live(Duration::from_secs(60));
    assert_eq!(ends(&world).last(), Some(&End::Done), "once the right is given: {:?}", world.kinds());
    assert!(world.kinds().contains(&"closed"), "{:?}", world.kinds());
}

#[test]
fn a_way_back_that_goes_on_in_parts_uses_up_no_tries() {
    let mut world = on_the_way_back();
    let before = world.outcomes().len();
    // Of each plan the first step, of one partition, is done; before the next one controllers elect.
    for _ in 0..400 {
        if world.answered < world.sent.len() {
            let first = world.sent.last().unwrap().step.number == 1;
            if first { world.done() } else { world.answer(ELECTING) }
        }
        world.read_back_for(Duration::from_millis(250));
    }
    let parts = ends(&world).split_off(before);
    assert_eq!(parts, [End::Partly, End::Partly, End::Partly, End::Partly, End::Partly, End::Done]);
    assert!(world.kinds().contains(&"closed"), "{:?}", world.kinds());
}

#[test]
fn a_way_back_of_which_nobody_can_tell_is_tried_again_later_and_later() {
    let mut world = on_the_way_back();
    let before = world.outcomes().len();
    let mut tried = Vec::new();
    for quarter in 0..480_u32 {
        if world.answered < world.sent.len() {
            tried.push(quarter / 4);
            world.answer(Receipt::Unanswered);
        }
        world.read_back_for(Duration::from_millis(250));
    }
    let unknown = ends(&world).split_off(before);
    assert_eq!(unknown, [End::Unknown, End::Unknown, End::Unknown], "tried at second {tried:?}");
    let rests: Vec<u32> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((30..45).contains(&rests[0]) && (60..75).contains(&rests[1]), "tried at second {tried:?}");
    world.live(Duration::from_secs(150));
    assert_eq!(ends(&world).last(), Some(&End::Done), "once it is answered again: {:?}", world.kinds());
    assert!(world.kinds().contains(&"closed"), "{:?}", world.kinds());
}

#[test]
fn a_log_end_that_is_late_is_waited_for_a_moment_and_no_longer() {
    let chosen = |arrives: bool| {
        let mut world = World::leading(policy(Mode::Auto));
        world.late_ends = [BrokerId(2)].into();
        world.live(GuardPolicy::default().log_end_age_max + Duration::from_secs(1));
        world.kill();
        assert!(world.proposed.is_empty(), "nothing is planned without it at once");
        if arrives {
            world.late_ends.clear();
            world.look();
        } else {
            world.pass(Duration::from_millis(500));
        }
        world.commit();
        world.decisions()[0].plan.as_ref().unwrap().choices[0].chosen
    };
    assert_eq!(chosen(true), Some(BrokerId(2)));
    assert_eq!(chosen(false), Some(BrokerId(3)));
}

#[test]
fn a_proposal_that_was_dropped_is_made_again_at_the_pace_of_rounds() {
    let mut world = World::leading(policy(Mode::Auto));
    world.kill();
    assert!(!world.proposed.is_empty());
    world.proposed.clear();
    world.event(Event::ProposalDropped);
    assert!(world.proposed.is_empty(), "the log that is handing over would drop it again, and so on for ever");
    world.pass(Duration::from_millis(250));
    world.commit();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
}

#[test]
fn a_large_cluster_is_not_planned_for_anew_with_every_word() {
    let guard = GuardPolicy { log_end_age_max: Duration::from_millis(1500), ..GuardPolicy::default() };
    let mut world = World::leading(Policy { guard, ..policy(Mode::Auto) });
    let one = world.topology.partitions[&partition(0)].clone();
    world.topology.partitions.extend((6..20_000).map(|number| (partition(number), one.clone())));
    world.late_ends = [BrokerId(2)].into();
    world.live(Duration::from_secs(2));
    world.kill();
    assert!(world.proposed.is_empty(), "a plan was made, and waits for a log end");
    world.late_ends.clear();
    world.look();
    assert!(world.proposed.is_empty(), "the next one rests");
    world.skip(TICK);
    world.event(Event::Tick);
    world.commit();
    assert_eq!(world.sent.len(), 1, "{:?}", world.warned);
}
