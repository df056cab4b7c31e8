//! Makes a run that fails smaller: leaves episodes out, as many at once as possible, while the same invariant fails.

use std::time::Duration;

use super::{Episode, RandomPlan};
use crate::sim::checks::Violation;

/// The most runs that are spent on one failure.
const RUNS_MAX: u32 = 200;

/// What is left of a run that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// The episodes that are needed.
    pub episodes: Vec<Episode>,
    /// How it fails with them.
    pub violation: Violation,
    /// How many runs it took.
    pub runs: u32,
}

/// Leaves out of a failing run whatever it fails without.
#[must_use]
pub fn shrink(plan: &RandomPlan, episodes: Vec<Episode>, violation: Violation) -> Shrunk {
    let mut left = Shrunk { episodes, violation, runs: 0 };
    // What begins after the failure had no part in it; the world settles for half a minute first.
    let failed_at = Duration::from_micros(left.violation.at.0);
    let before: Vec<Episode> = left.episodes.iter().filter(|one| one.at <= failed_at).cloned().collect();
    left.keep_if_it_fails(plan, before);
    let mut size = left.episodes.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        while start < left.episodes.len() && left.runs < RUNS_MAX {
            let end = start.saturating_add(size);
            let without = left
                .episodes
                .iter()
                .enumerate()
                .filter(|(place, _)| *place < start || end <= *place)
                .map(|(_, one)| one);
            let fewer: Vec<Episode> = without.cloned().collect();
            if !left.keep_if_it_fails(plan, fewer) {
                start = end;
            }
        }
        if size == 1 || RUNS_MAX <= left.runs {
            return left;
        }
        size = size.div_ceil(2).max(1);
    }
}

impl Shrunk {
    /// Tries with these episodes; keeps them, and says so, if the same invariant fails.
    fn keep_if_it_fails(&mut self, plan: &RandomPlan, episodes: Vec<Episode>) -> bool {
        self.runs = self.runs.saturating_add(1);
        match plan.play(&episodes).violation {
            Some(violation) if violation.number == self.violation.number => {
                self.episodes = episodes;
                self.violation = violation;
                true
            }
            Some(_) | None => false,
        }
    }
}
