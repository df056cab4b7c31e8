//! The figures of one run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Watched};
use super::stand::Data;
use super::{Arm, Breakage};
use crate::lab::bench::ground::millis;
use crate::lab::bench::page::seconds;
use crate::lab::bench::results::{self, Circumstance};
use crate::lab::client::Recovery;
use crate::model::record::Mark;

/// What one run measured; "never" is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) on: Circumstance,
    /// What was set on every node of Kafka beyond the arm's own settings.
    #[serde(default)]
    pub(super) settings: Vec<String>,
    pub(super) data: Data,
    pub(super) arm: Arm,
    pub(super) fault: Breakage,
    pub(super) partitions: i32,
    pub(super) run: u32,
    /// How many runs its cluster had served before, the one that warms it included; 0 only where none did.
    runs_before: u32,
    watched_ms: u64,
    /// From sending the oracle's act to its answer; none where it sends none.
    oracle_took_ms: Option<u64>,
    /// What Kafka refused the oracle, if it did.
    pub(super) oracle_refused: Option<String>,
    pub(super) all_worst_ms: Option<u64>,
    all_median_ms: Option<u64>,
    pub(super) one_worst_ms: Option<u64>,
    one_median_ms: Option<u64>,
    /// When the trio's first plan reached each stage, by its own record; empty without a trio that lives, and in older lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<Mark>,
}

/// What the probe and the oracle gave.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) all: Recovery,
    pub(super) one: Recovery,
    pub(super) acted: Result<Duration, String>,
    pub(super) runs_before: u32,
    pub(super) data: Data,
    pub(super) stages: Vec<Mark>,
}

impl Figure {
    pub(super) fn of(cell: &Cell, watched: Watched<'_>, on: Circumstance, measured: &Measured) -> Self {
        let ground = watched.ground;
        let sends = cell.arm.oracle() != crate::lab::act::Act::None;
        let took = measured.acted.as_ref().ok().filter(|_| sends);
        Self {
            key: cell.key(&ground.kafka, &ground.settings),
            on,
            settings: ground.settings.clone(),
            data: measured.data,
            arm: cell.arm,
            fault: cell.fault,
            partitions: cell.partitions,
            run: cell.run,
            runs_before: measured.runs_before,
            watched_ms: millis(watched.within),
            oracle_took_ms: took.copied().map(millis),
            oracle_refused: measured.acted.as_ref().err().cloned(),
            all_worst_ms: measured.all.worst().map(millis),
            all_median_ms: measured.all.median().map(millis),
            one_worst_ms: measured.one.worst().map(millis),
            one_median_ms: measured.one.median().map(millis),
            stages: measured.stages.clone(),
        }
    }
}

impl results::Figure for Figure {
    fn key(&self) -> &str {
        &self.key
    }

    fn circumstance(&self) -> &Circumstance {
        &self.on
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: acks=all {}, acks=1 {}", self.key, seconds(self.all_worst_ms), seconds(self.one_worst_ms))?;
        self.oracle_refused.as_ref().map_or(Ok(()), |refused| write!(f, " ({refused})"))
    }
}
