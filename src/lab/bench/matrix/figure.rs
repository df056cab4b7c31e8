//! What one run measured: one line of NDJSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Arm, Breakage};
use crate::lab::act::Act;
use crate::lab::bench::page::seconds;
use crate::lab::bench::results::{self, Circumstance};

/// What one run measured; "never" is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) on: Circumstance,
    /// The folder that the lab was built into: `release` or `debug`.
    pub(super) lab_build: String,
    pub(super) arm: Arm,
    pub(super) fault: Breakage,
    pub(super) act: Act,
    pub(super) delay_ms: u64,
    pub(super) partitions: i32,
    pub(super) run: u32,
    pub(super) watched_ms: u64,
    /// From sending the act to its answer.
    pub(super) act_took_ms: Option<u64>,
    /// What Kafka refused, if it did.
    pub(super) act_refused: Option<String>,
    pub(super) all_worst_ms: Option<u64>,
    pub(super) all_median_ms: Option<u64>,
    pub(super) one_worst_ms: Option<u64>,
    pub(super) one_median_ms: Option<u64>,
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
        self.act_refused.as_ref().map_or(Ok(()), |refused| write!(f, " ({refused})"))
    }
}
