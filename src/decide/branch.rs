//! Branch: what the echo of the first step says about the broker, and so which conditional step is due.

use std::time::Duration;

use super::policy::Policy;
use crate::model::ids::BrokerId;
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
    /// The broker was behind and is level again: a new life, which is left alone.
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
pub fn branch(
    _plan: &Plan,
    _broker: BrokerId,
    _since_echo: Duration,
    _snapshot: &Snapshot,
    _policy: &Policy,
) -> Branch {
    Branch::Neither(NoBranch::NoEcho)
}
