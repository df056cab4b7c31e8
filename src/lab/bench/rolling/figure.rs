//! The figures of one run: what producing felt like, and what the records say.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Arm;
use crate::lab::bench::ground::micros;
use crate::lab::bench::results::{self, Circumstance};
use crate::lab::client::Felt;

/// What one run measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) on: Circumstance,
    pub(super) run: u32,
    pub(super) window_ms: u64,
    pub(super) quiet: Vec<Quiet>,
    pub(super) rolled: Vec<Rolled>,
    /// Records that were acknowledged and cannot be read.
    pub(super) lost: usize,
}

/// A window in which nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Quiet {
    pub(super) arm: Arm,
    pub(super) latency: Latency,
}

/// Every broker restarted in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rolled {
    pub(super) arm: Arm,
    pub(super) restarts: usize,
    pub(super) latency: Latency,
    /// What the trio's records say; none without a trio.
    pub(super) told: Option<Told>,
}

/// Acks=all latencies, as the steady producer felt them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) records: usize,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) longest_us: u64,
    /// The worst partition's longest time without an acknowledgement.
    pub(super) gap_us: u64,
}

/// What the records say about what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// How often each finding was made, by its name.
    pub(super) findings: BTreeMap<String, u32>,
    pub(super) acts: u32,
    pub(super) offers: u32,
    pub(super) attentions: u32,
}

impl Quiet {
    pub(super) fn of(arm: Arm, felt: &Felt) -> Self {
        Self { arm, latency: Latency::of(felt) }
    }
}

impl Rolled {
    pub(super) fn of(arm: Arm, restarts: usize, felt: &Felt, told: Option<Told>) -> Self {
        Self { arm, restarts, latency: Latency::of(felt), told }
    }
}

impl Latency {
    fn of(felt: &Felt) -> Self {
        Self {
            records: felt.records,
            p50_us: micros(felt.p50),
            p99_us: micros(felt.p99),
            longest_us: micros(felt.longest),
            gap_us: micros(felt.gap),
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
        write!(f, "{}: {} lost;", self.key, self.lost)?;
        for one in &self.quiet {
            write!(f, " quiet {:?} p50 {} p99 {};", one.arm, ms(one.latency.p50_us), ms(one.latency.p99_us))?;
        }
        for one in &self.rolled {
            write!(f, " rolled {:?} p99 {} gap {}", one.arm, ms(one.latency.p99_us), ms(one.latency.gap_us))?;
            if let Some(told) = &one.told {
                write!(f, " {:?}, {} acts", told.findings, told.acts)?;
            }
            write!(f, ";")?;
        }
        Ok(())
    }
}

/// Writes microseconds as milliseconds with two decimals.
pub(super) fn ms(us: u64) -> String {
    format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
}
