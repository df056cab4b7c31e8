//! Three peers in one thread, under a virtual clock, a bad network and worse disks: whatever happens, at most one leads in a
//! term, all apply the same records in the same order, and nothing that was committed is lost.
//!
//! A failing seed is printed; `CONSENSUS_SEED=n cargo test --test consensus one_seed` runs it alone.
#![cfg(test)]

mod answers;
mod checks;
mod disk;
mod hostile;
mod lonely;
mod mischief;
mod random;
mod rejoin;
mod world;

use std::time::Duration;

use checks::Violation;
use disk::{Honesty, Torn};
use world::{Chaos, World};

/// How many seeds a test tries; `CONSENSUS_SEEDS=n` tries more.
fn seeds() -> u64 {
    setting("CONSENSUS_SEEDS").unwrap_or(400)
}

fn setting(name: &str) -> Option<u64> {
    std::env::vars().find(|(found, _)| found == name).and_then(|(_, value)| value.parse().ok())
}

fn run(seed: u64, chaos: Chaos, honesty: Honesty) -> Result<World, Violation> {
    let mut world = World::new(seed, chaos, honesty);
    world.run_for(Duration::from_secs(20))?;
    world.calm_down()?;
    Ok(world)
}

/// Runs one seed and names it if anything goes wrong, a panic included.
fn must_hold(seed: u64, chaos: Chaos) -> World {
    match std::panic::catch_unwind(|| run(seed, chaos, Honesty::Honest)) {
        Ok(Ok(world)) => world,
        Ok(Err(violation)) => panic!("seed {seed} ({chaos:?}): {violation}"),
        Err(_) => panic!("seed {seed} ({chaos:?}): a panic, see above"),
    }
}

#[test]
fn everything_holds_under_loss_delay_reorder_duplicates_partitions_and_crashes() {
    let mut committed = 0;
    let mut snapshots = 0;
    let mut torn = Torn::default();
    for seed in 0..seeds() {
        let world = must_hold(seed, Chaos::Full);
        committed += world.checks.committed_records();
        snapshots += world.snapshots_installed_by_leader;
        torn = Torn { taken: torn.taken + world.torn().taken, refused: torn.refused + world.torn().refused };
    }
    println!("torn writes: {torn:?}");
    // The run must have been about something.
    assert!(committed > seeds() * 50, "only {committed} records committed in {} seeds", seeds());
    assert!(torn.taken > seeds() && torn.refused > 0, "too few torn writes in {} seeds: {torn:?}", seeds());
    assert!(snapshots > seeds() / 4, "only {snapshots} snapshots sent in {} seeds", seeds());
}

#[test]
fn a_node_whose_disk_is_wiped_comes_back_under_a_new_id() {
    let mut replaced = 0;
    for seed in 0..seeds() / 4 {
        replaced += u64::from(must_hold(seed, Chaos::FullWithWipe).rejoin.is_done());
    }
    assert!(replaced > seeds() / 5, "only {replaced} of {} wiped nodes were replaced", seeds() / 4);
}

#[test]
fn a_lost_leader_is_replaced_within_three_seconds() {
    for seed in 0..200 {
        let mut world = World::new(seed, Chaos::None, Honesty::Honest);
        world.run_for(Duration::from_secs(5)).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        let leader = world.leading().unwrap_or_else(|| panic!("seed {seed}: nobody leads after five calm seconds"));
        world.crash(leader);
        let mut waited = Duration::ZERO;
        while world.leading().is_none() {
            let step = Duration::from_millis(10);
            world.run_for(step).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
            waited += step;
            assert!(waited < Duration::from_secs(3), "seed {seed}: nobody led three seconds after {leader} died");
        }
    }
}

#[test]
fn a_leader_cut_off_from_both_others_stops_leading() {
    for seed in 0..50 {
        let mut world = World::new(seed, Chaos::None, Honesty::Honest);
        world.run_for(Duration::from_secs(5)).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        let leader = world.leading().unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        world.cut_off(leader);
        world.run_for(Duration::from_millis(1_100)).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        assert_ne!(world.leading_by_own_account(leader), Some(true), "seed {seed}: {leader} leads on alone");
    }
}

#[test]
fn a_leader_whose_disk_stalls_is_replaced() {
    for seed in 0..50 {
        let mut world = World::new(seed, Chaos::None, Honesty::Honest);
        world.run_for(Duration::from_secs(5)).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        let leader = world.leading().unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        world.stall_disk(leader, Duration::from_secs(5));
        world.run_for(Duration::from_secs(3)).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        let newest = world.leading_with_quorum().unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        assert_ne!(newest, leader, "seed {seed}: {leader} leads on without a disk");
    }
}

#[test]
fn an_equal_seed_gives_an_equal_trace() {
    for seed in 0..20 {
        let trace = || must_hold(seed, Chaos::FullWithWipe).trace();
        assert_eq!(trace(), trace(), "seed {seed} ran differently the second time");
    }
    let traces: std::collections::BTreeSet<_> = (0..20).map(|seed| must_hold(seed, Chaos::Full).trace()).collect();
    assert_eq!(traces.len(), 20, "different seeds must not run equally");
}

#[test]
fn a_disk_that_lies_about_syncing_is_found_out() {
    let found = (0..100).filter(|seed| {
        let honesty = Honesty::AcknowledgesBeforeSyncing;
        std::panic::catch_unwind(|| run(*seed, Chaos::Full, honesty)).is_ok_and(|outcome| outcome.is_err())
    });
    assert!(found.count() > 10, "the checks must notice acknowledged writes that a crash undoes");
}

#[test]
fn one_seed() {
    let seed = setting("CONSENSUS_SEED").unwrap_or(0);
    must_hold(seed, Chaos::Full);
    must_hold(seed, Chaos::FullWithWipe);
}
