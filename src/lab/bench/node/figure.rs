//! The figures of one run: what each of the three nodes used and asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Arm;
use crate::lab::bench::results::{self, Circumstance};

/// What one run measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) on: Circumstance,
    pub(super) arm: Arm,
    pub(super) partitions: u32,
    pub(super) run: u32,
    pub(super) watched_ms: u64,
    pub(super) nodes: Vec<NodeUse>,
}

/// What one node used while it was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeUse {
    pub(super) id: u8,
    pub(super) place: Place,
    /// At the end.
    pub(super) resident_kib: u64,
    /// Since the process started.
    pub(super) peak_kib: u64,
    /// At the end, without the program's own file.
    pub(super) anonymous_kib: u64,
    pub(super) cpu_ms: u64,
    pub(super) asked: Vec<Asked>,
}

/// What one node asked of one broker or controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Of whom: `b1`, `k101`.
    pub(super) of: String,
    pub(super) in_all: u64,
    pub(super) most_in_a_second: u64,
}

/// What a node was in the trio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// It led all the time.
    Leads,
    /// It followed.
    Follows,
}

impl Figure {
    /// Gives a node's share of one core. Units: permille.
    pub(super) fn cpu_permille(&self, node: &NodeUse) -> u64 {
        node.cpu_ms.saturating_mul(1_000).checked_div(self.watched_ms).unwrap_or_default()
    }

    /// Gives how often something was asked. Units: hundredths of a request a second.
    pub(super) fn rate_centi(&self, asked: &Asked) -> u64 {
        asked.in_all.saturating_mul(100_000).checked_div(self.watched_ms).unwrap_or_default()
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
        write!(f, "{}:", self.key)?;
        for node in &self.nodes {
            let (cpu, place) = (self.cpu_permille(node), if node.place == Place::Leads { " (leads)" } else { "" });
            let most = node.asked.iter().max_by_key(|asked| asked.in_all);
            let (of, rate) = most.map_or(("nobody", 0), |asked| (asked.of.as_str(), self.rate_centi(asked)));
            let mib = node.resident_kib / 1_024;
            write!(f, " n{}{place} {mib} MiB, CPU {cpu} permille, {} of {of} a second;", node.id, hundredths(rate))?;
        }
        Ok(())
    }
}

/// Writes a number of hundredths.
pub(super) fn hundredths(centi: u64) -> String {
    format!("{}.{:02}", centi / 100, centi % 100)
}
