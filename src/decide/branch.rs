//! Branch: what the echo of the first step says about the broker, and so which conditional steps are due.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::policy::Policy;
use super::votes;
use crate::model::ids::BrokerId;
use crate::model::observation::Progress;
use crate::model::plan::{Plan, When};
use crate::model::snapshot::Snapshot;

/// What follows from the echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Not told yet: ask again, at most for this long.
    Wait {
        /// How long at most.
        at_most: Duration,
    },
    /// The steps that are due then are due now.
    Due(When),
    /// No conditional step is due, and why.
    Neither(NoBranch),
}

/// Why no conditional step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBranch {
    /// The plan has no conditional steps.
    Unconditional,
    /// No echo and no pulse told in time what the broker is.
    NoEcho,
    /// The broker was behind and is level again: resumed or restarted; it is left alone.
    Restarted,
    /// The broker is level, and its partitions gain records: clients are being served.
    Growing {
        /// How many grow.
        partitions: u32,
    },
    /// The nodes no longer agree on whether it is red.
    Split,
}

/// Says which conditional steps of a plan are due, `since_echo` after its first step was answered.
#[must_use]
pub fn branch(plan: &Plan, broker: BrokerId, since_echo: Duration, snapshot: &Snapshot, policy: &Policy) -> Branch {
    let conditional = |when| matches!(when, When::EchoBehind | When::EchoLevelStillRed | When::EchoLevelGreen);
    if !plan.steps.iter().any(|step| conditional(step.when)) {
        return Branch::Neither(NoBranch::Unconditional);
    }
    let tally = votes::tally(broker, snapshot, policy);
    let echo = votes::echo(broker, snapshot, policy);
    let level = votes::is_level_since(&echo, broker, snapshot, policy);
    let wait_or = |limit: Duration, then: Branch| match limit.checked_sub(since_echo) {
        Some(at_most) if !at_most.is_zero() => Branch::Wait { at_most },
        Some(_) | None => then,
    };
    if tally.confirmed() && echo.state.is_behind() {
        Branch::Due(When::EchoBehind)
    } else if tally.confirmed() && level {
        if echo.behind_since_red {
            return Branch::Neither(NoBranch::Restarted);
        }
        match votes::progress(broker, snapshot, policy) {
            Progress::Growing(partitions) => Branch::Neither(NoBranch::Growing { partitions }),
            Progress::None => Branch::Due(When::EchoLevelStillRed),
            Progress::Unknown => wait_or(policy.act.progress_wait, Branch::Due(When::EchoLevelStillRed)),
        }
    } else if tally.red == 0 && level {
        Branch::Due(When::EchoLevelGreen)
    } else {
        let why = if tally.confirmed() { NoBranch::NoEcho } else { NoBranch::Split };
        wait_or(policy.act.echo_wait, Branch::Neither(why))
    }
}
