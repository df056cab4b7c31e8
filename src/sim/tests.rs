//! The world as a whole: a broker dies, the trio moves its leadership, and the same seed does it all again.

use std::time::Duration;

use super::kafka::fault::Fault;
use super::kafka::plan::{Flow, KafkaPlan, Switch, Version};
use super::world::{Statistics, Told, World, WorldPlan};
use crate::model::ids::{BrokerId, NodeId};
use crate::model::record::{Body, End};

fn world(seed: u64) -> World {
    let kafka = KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 6, 3);
    World::new(&WorldPlan::new(seed, kafka))
}

fn fault(text: &str) -> Fault {
    text.parse().expect("a fault")
}

fn run(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds)).unwrap_or_else(|violation| panic!("{violation}"));
}

fn ends(world: &mut World) -> Vec<End> {
    let told = world.take_told();
    let end = |told: Told| match told {
        Told::Recorded(_, record) => match record.body {
            Body::Outcome(outcome) => Some(outcome.end),
            _ => None,
        },
        _ => None,
    };
    told.into_iter().filter_map(|(_, told)| end(told)).collect()
}

#[test]
fn a_dead_leader_loses_its_partitions_to_replicas_in_sync() {
    let mut world = world(7);
    run(&mut world, 30);
    world.inflict(&fault("kill b1")).expect("b1 lives");
    run(&mut world, 1);
    assert_eq!(ends(&mut world), [End::Done]);
    let truth = world.kafka().truth();
    let led: Vec<_> = truth.partitions().filter_map(|id| truth.leader(id)).collect();
    assert_eq!(led.len(), 6);
    assert!(!led.contains(&BrokerId(1)), "{led:?}");
}

#[test]
fn a_crash_of_our_leader_is_survived_by_the_chain() {
    let mut world = world(8);
    run(&mut world, 30);
    let leader = world.leader().expect("somebody leads");
    world.inflict(&fault("kill b1")).expect("b1 lives");
    world.run_for(Duration::from_millis(40)).expect("no violation");
    world.crash(leader).expect("it runs");
    run(&mut world, 5);
    assert!(world.leader().is_some_and(|other| other != leader));
    world.start(leader).expect("its disk is good");
    run(&mut world, 10);
    let heads: Vec<_> = [1, 2, 3].map(|id| world.state_of(NodeId(id)).map(|state| state.head)).into();
    assert!(heads.iter().all(|head| head.is_some() && *head == heads[0]), "{heads:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace = |seed| {
        let mut world = world(seed);
        run(&mut world, 20);
        world.inflict(&fault("stop b2")).expect("b2 lives");
        run(&mut world, 20);
        world.trace()
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}

#[test]
fn a_jump_of_the_wall_clock_changes_nothing() {
    let trace = |by| {
        let mut world = world(5);
        run(&mut world, 10);
        world.wall_jump(NodeId(2), by);
        run(&mut world, 10);
        world.statistics()
    };
    assert_eq!(trace(0), trace(-86_400_000));
}

#[test]
fn readers_change_nothing_for_anybody_else() {
    let play = |readers| {
        let mut kafka = KafkaPlan::usual(Version::V4_3, 4).with_topic("orders", 6, 3);
        kafka.topics[0].flow = Flow { acks_all_per_s: 20, acks_one_per_s: 1_000 };
        let mut world = World::new(&WorldPlan { readers, ..WorldPlan::new(11, kafka) });
        run(&mut world, 15);
        for text in ["stop b2", "client-freeze b3", "kill b1"] {
            world.inflict(&fault(text)).expect("it lives");
            run(&mut world, 4);
            world.heal(&fault(text)).expect("it can");
            run(&mut world, 4);
        }
        // Whatever the trio thinks of so many faults, Kafka has fenced b1 by then.
        run(&mut world, 15);
        (world.trace(), world.statistics(), world.nothing_lost())
    };
    let ((alone, without, _), (beside, with, whole)) = (play(Switch::Off), play(Switch::On));
    assert_eq!(alone, beside);
    assert!(0 < with.lost_alone, "the last moment of b1");
    assert!(100 < with.reads && whole, "{with:?}");
    assert_eq!(Statistics { reads: with.reads, ..without }, with);
}
