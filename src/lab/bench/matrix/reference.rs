//! The figures that the project started from, measured on a machine of two cores before a line of it was written, one run each.
//!
//! Kept as they were written down; which cells stand here decides what the matrix measures. What was not measured then is unknown.

use std::time::Duration;

use Arm::{Stock, Tuned};
use Before::{Ms, Never, Unknown};
use Breakage::{ClientCut, ClientFreeze, ControllerFreeze, DiskFreeze, DiskStall, Kill, ReplicationFreeze, Stop};

use super::{Arm, Breakage};
use crate::lab::act::Act::{self, Elect, ElectFence, Evict, Fence, ReorderFence, ReorderUnregister, Unregister};

/// What was measured before: the worst partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// So many milliseconds after the fault.
    Ms(u64),
    /// Not for as long as it was watched.
    Never,
    /// It was not written down.
    Unknown,
}

/// One cell as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) arm: Arm,
    pub(super) breakage: Breakage,
    pub(super) act: Act,
    pub(super) delay_ms: u64,
    pub(super) partitions: i32,
    pub(super) all: Before,
    pub(super) one: Before,
}

const fn six(arm: Arm, breakage: Breakage, (act, delay_ms): (Act, u64), (all, one): (Before, Before)) -> Row {
    Row { arm, breakage, act, delay_ms, partitions: 6, all, one }
}

const fn many(partitions: i32, breakage: Breakage, act: Act, all_ms: u64) -> Row {
    Row { arm: Stock, breakage, act, delay_ms: 300, partitions, all: Ms(all_ms), one: Unknown }
}

/// Every cell of the notes, in their order.
pub(super) const ROWS: [Row; 45] = [
    six(Stock, Kill, (Act::None, 0), (Ms(8_500), Ms(8_500))),
    six(Tuned, Kill, (Act::None, 0), (Ms(3_300), Unknown)),
    six(Stock, Kill, (Elect, 1_000), (Ms(8_600), Ms(1_300))),
    six(Stock, Kill, (Evict, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, Kill, (Unregister, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, Kill, (ReorderUnregister, 1_000), (Ms(1_270), Unknown)),
    six(Stock, Kill, (Fence, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, Stop, (Act::None, 0), (Ms(8_600), Ms(8_500))),
    six(Tuned, Stop, (Act::None, 0), (Ms(3_300), Unknown)),
    six(Stock, Stop, (Elect, 1_000), (Ms(8_200), Ms(1_300))),
    six(Stock, Stop, (Evict, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, Stop, (Unregister, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, Stop, (Fence, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, ClientCut, (Act::None, 0), (Never, Never)),
    six(Tuned, ClientCut, (Act::None, 0), (Never, Never)),
    six(Stock, ClientCut, (Elect, 1_000), (Ms(1_300), Ms(1_300))),
    six(Stock, ClientFreeze, (Act::None, 0), (Never, Never)),
    six(Tuned, ClientFreeze, (Act::None, 0), (Never, Never)),
    six(Stock, ClientFreeze, (Elect, 1_000), (Ms(1_400), Ms(1_300))),
    six(Stock, ReplicationFreeze, (Act::None, 0), (Never, Ms(0))),
    six(Stock, ReplicationFreeze, (Elect, 5_000), (Ms(5_300), Ms(0))),
    six(Stock, ReplicationFreeze, (Evict, 5_000), (Ms(5_300), Ms(0))),
    six(Stock, ReplicationFreeze, (Fence, 5_000), (Ms(5_300), Ms(0))),
    // By then the ISR has shrunk to the leader.
    six(Stock, ReplicationFreeze, (Fence, 50_000), (Ms(50_300), Ms(0))),
    six(Stock, DiskFreeze, (Act::None, 0), (Never, Never)),
    six(Tuned, DiskFreeze, (Act::None, 0), (Never, Never)),
    six(Stock, DiskFreeze, (Elect, 3_000), (Ms(39_300), Ms(3_300))),
    six(Tuned, DiskFreeze, (Elect, 3_000), (Ms(9_300), Unknown)),
    six(Stock, DiskFreeze, (Evict, 3_000), (Ms(3_300), Ms(3_300))),
    six(Stock, DiskFreeze, (Unregister, 3_000), (Ms(3_300), Ms(3_300))),
    six(Stock, DiskFreeze, (Fence, 3_000), (Ms(3_300), Ms(3_300))),
    six(Stock, ControllerFreeze, (Act::None, 0), (Ms(0), Ms(0))),
    // It serves on for 5 s, out of the page cache.
    six(Stock, DiskStall, (Act::None, 0), (Ms(0), Ms(0))),
    many(500, Kill, Act::None, 9_800),
    many(500, Kill, Fence, 1_260),
    many(500, Kill, ReorderFence, 1_510),
    many(500, Kill, ElectFence, 1_640),
    many(500, Kill, ReorderUnregister, 1_580),
    many(500, Stop, Fence, 1_570),
    many(500, Stop, Elect, 9_800),
    many(2_000, Kill, Act::None, 12_000),
    many(2_000, Kill, Fence, 5_300),
    many(2_000, Kill, ReorderFence, 7_300),
    many(2_000, Kill, ElectFence, 8_600),
    many(2_000, Kill, ReorderUnregister, 9_500),
];

/// After the longest that is expected: what comes later counts as never.
const GRACE_MS: u64 = 15_000;

impl Row {
    /// Gives how long a run is watched: at least as long as `usual`, and well beyond what was measured before.
    pub(super) fn watch(&self, usual: Duration) -> Duration {
        match self.all {
            Ms(before) => usual.max(Duration::from_millis(before.saturating_add(GRACE_MS))),
            Never | Unknown => usual,
        }
    }
}
