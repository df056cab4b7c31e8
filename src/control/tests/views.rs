//! What status says while something goes on: the mode in force, and what was last done in a case.

use std::time::Duration;

use super::world::World;
use crate::control::event::Event;
use crate::decide::policy::{Mode, Policy};
use crate::model::canon::to_canonical_bytes;
use crate::model::ids::{NodeId, RaftIndex, Term};
use crate::model::operator::view::{Latest, StatusView};
use crate::model::operator::{Answer, Ask};
use crate::model::record::{Attention, Body, End, RECORD_VERSION, Record};
use crate::model::time::LogTime;

fn status(world: &mut World) -> StatusView {
    world.ask(99, Ask::Status);
    match world.answers.last() {
        Some((_, Answer::Status(view))) => (**view).clone(),
        other => panic!("{other:?}"),
    }
}

fn last(world: &mut World) -> Option<Latest> {
    status(world).cases.into_iter().next().and_then(|case| case.last)
}

fn in_mode(mode: Mode) -> World {
    World::leading(Policy { mode, ..Policy::default() })
}

#[test]
fn an_act_is_told_while_it_is_carried_out_and_when_it_has_ended() {
    let mut world = in_mode(Mode::Auto);
    world.kill();
    world.commit();
    let Some(Latest::InFlight(plan)) = last(&mut world) else { panic!("{:?}", last(&mut world)) };
    for _ in 0..20 {
        world.live(Duration::from_millis(500));
        if let Some(Latest::Acted { plan: acted, end }) = last(&mut world) {
            assert_eq!((acted, end), (plan, End::Done));
            return;
        }
    }
    panic!("{:?}", last(&mut world));
}

#[test]
fn a_plan_on_offer_is_told_in_its_case() {
    let mut world = in_mode(Mode::Approve);
    world.kill();
    world.commit();
    world.pass(Duration::from_secs(1));
    world.commit();
    let offered = status(&mut world).plans.first().map(|plan| plan.digest);
    assert!(offered.is_some());
    assert_eq!(last(&mut world), offered.map(Latest::Offered));
}

#[test]
fn a_plan_that_would_have_been_sent_is_told_in_its_case() {
    let mut world = in_mode(Mode::Observe);
    world.kill();
    world.commit();
    assert!(matches!(last(&mut world), Some(Latest::WouldAct(_))), "{:?}", last(&mut world));
}

#[test]
fn the_mode_and_policy_in_force_are_told_and_what_each_node_would_bring() {
    let mut world = in_mode(Mode::Approve);
    let view = status(&mut world);
    assert_eq!((view.mode, Some(view.policy)), (Mode::Approve, world.controller.state().policy));
    // Another leader's settings come into force; this node's own stay what they are.
    let other = Policy { mode: Mode::Auto, ..Policy::default() };
    let record = Record {
        version: RECORD_VERSION,
        at: LogTime(1),
        wall_ms: 1,
        by: NodeId(2),
        term: Term(4),
        policy: other.digest(),
        case: None,
        body: Body::PolicyIs { settings: other.settings() },
    };
    let entry = to_canonical_bytes(&record).unwrap();
    world.event(Event::Committed { index: RaftIndex(1000), entry });
    let view = status(&mut world);
    assert_eq!((view.mode, view.policy), (Mode::Auto, other.digest()));
    let own = Policy { mode: Mode::Approve, ..Policy::default() }.digest();
    assert!(view.nodes.iter().all(|node| node.policy == Some(own)), "{:?}", view.nodes);
}

#[test]
fn how_well_each_broker_can_be_judged_is_told() {
    let view = status(&mut in_mode(Mode::Observe));
    assert!(view.brokers.iter().all(|broker| broker.judged.is_some_and(|judged| judged.gap < judged.tau)));
}

#[test]
fn a_history_that_was_set_aside_is_told_once_each_time() {
    let told = |world: &World, node| {
        let what = Body::Attention { what: Attention::AuditRebuilt { node: NodeId(node) } };
        world.records.iter().filter(|record| record.body == what).count()
    };
    let mut world = in_mode(Mode::Auto);
    world.event(Event::HistoryRebuilt);
    world.live(Duration::from_secs(2));
    assert_eq!(told(&world, 1), 1);
    let index = *world.controller.state().attentions.keys().next().unwrap();
    world.ask(7, Ask::Acknowledge { index });
    world.live(Duration::from_secs(2));
    assert_eq!((told(&world, 1), world.controller.state().attentions.len()), (1, 0));
    world.event(Event::HistoryRebuilt);
    world.rebuilt.insert(NodeId(2));
    world.live(Duration::from_secs(2));
    assert_eq!((told(&world, 1), told(&world, 2)), (2, 1));
}
