//! Random worlds hold every invariant, and a world in which something is deliberately broken does not.
//!
//! A few seeds only, as the library is not optimised here; `make simulate` plays a thousand.
#![cfg(test)]

use std::time::Duration;

use tanist::sim::random::{RandomPlan, shrink};
use tanist::sim::sabotage::Sabotage;
use tanist::sim::scenario::replay;

fn plan(seed: u64, minutes: u64, sabotage: Sabotage) -> RandomPlan {
    RandomPlan { seed, span: Duration::from_secs(60 * minutes), brokers: 5, partitions: 12, sabotage }
}

#[test]
fn random_worlds_hold_every_invariant() {
    for seed in 1..=3 {
        let plan = plan(seed, 3, Sabotage::None);
        let mut heard = Vec::new();
        let ran = plan.play_aloud(&plan.episodes(), &mut |now| heard.push(now));
        assert_eq!(ran.violation.map(|violation| violation.to_string()), None, "seed {seed}");
        assert!(heard.is_sorted(), "{heard:?}");
        assert_eq!(heard.last(), Some(&ran.span), "seed {seed}");
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    let trace = || {
        let plan = plan(5, 2, Sabotage::None);
        plan.play(&plan.episodes()).trace.to_string()
    };
    assert_eq!(trace(), trace());
}

#[test]
fn a_failing_run_shrinks_to_a_scenario_that_fails_alike() {
    let plan = plan(1, 5, Sabotage::ActsTwice);
    let episodes = plan.episodes();
    let violation = plan.play(&episodes).violation.expect("what is sent twice is noticed");
    let shrunk = shrink(&plan, episodes.clone(), violation.clone());
    assert!(shrunk.episodes.len() <= 2, "{:?}", shrunk.episodes);
    assert!(shrunk.episodes.len() < episodes.len());
    let played = replay(&plan.failing(&shrunk.episodes, &shrunk.violation)).expect("its own text is a scenario");
    assert_eq!(played.violation.map(|one| one.number), Some(violation.number), "{}", played.text);
}
