//! The figures that the project started from, measured on a machine of two cores before a line of it was written: what "before" says.
//!
//! Kept as they were written down. A cell that was not measured then has none.

use crate::lab::act::Act;

/// One cell as it was measured: arm, fault, act, delay in ms, acks=all, acks=1.
type Row = (&'static str, &'static str, Act, u64, &'static str, &'static str);

/// Six partitions, all led by the broker that is struck.
const SIX: [Row; 30] = [
    ("stock", "kill", Act::None, 1_000, "8.5 s", "8.5 s"),
    ("tuned", "kill", Act::None, 1_000, "3.3 s", "-"),
    ("stock", "kill", Act::Elect, 1_000, "8.6 s", "1.3 s"),
    ("stock", "kill", Act::Evict, 1_000, "1.3 s", "1.3 s"),
    ("stock", "kill", Act::Unregister, 1_000, "1.3 s", "1.3 s"),
    ("stock", "kill", Act::Fence, 1_000, "1.3 s", "1.3 s"),
    ("stock", "stop", Act::None, 1_000, "8.6 s", "8.5 s"),
    ("tuned", "stop", Act::None, 1_000, "3.3 s", "-"),
    ("stock", "stop", Act::Elect, 1_000, "8.2 s", "1.3 s"),
    ("stock", "stop", Act::Evict, 1_000, "1.3 s", "1.3 s"),
    ("stock", "stop", Act::Unregister, 1_000, "1.3 s", "1.3 s"),
    ("stock", "stop", Act::Fence, 1_000, "1.3 s", "1.3 s"),
    ("stock", "client-cut", Act::None, 1_000, "never", "never"),
    ("tuned", "client-cut", Act::None, 1_000, "never", "never"),
    ("stock", "client-cut", Act::Elect, 1_000, "1.3 s", "1.3 s"),
    ("stock", "client-freeze", Act::None, 1_000, "never", "never"),
    ("tuned", "client-freeze", Act::None, 1_000, "never", "never"),
    ("stock", "client-freeze", Act::Elect, 1_000, "1.4 s", "1.3 s"),
    ("stock", "replication-freeze", Act::None, 5_000, "never", "0 s"),
    ("stock", "replication-freeze", Act::Elect, 5_000, "5.3 s", "0 s"),
    ("stock", "replication-freeze", Act::Evict, 5_000, "5.3 s", "0 s"),
    ("stock", "replication-freeze", Act::Fence, 5_000, "5.3 s", "0 s"),
    ("stock", "disk-freeze", Act::None, 3_000, "never", "never"),
    ("tuned", "disk-freeze", Act::None, 3_000, "never", "never"),
    ("stock", "disk-freeze", Act::Elect, 3_000, "39.3 s", "3.3 s"),
    ("tuned", "disk-freeze", Act::Elect, 3_000, "9.3 s", "-"),
    ("stock", "disk-freeze", Act::Evict, 3_000, "3.3 s", "3.3 s"),
    ("stock", "disk-freeze", Act::Unregister, 3_000, "3.3 s", "3.3 s"),
    ("stock", "disk-freeze", Act::Fence, 3_000, "3.3 s", "3.3 s"),
    ("stock", "controller-freeze", Act::None, 1_000, "0 s", "0 s"),
];

/// Five hundred partitions; the delay was 0.3 s there.
const FIVE_HUNDRED: [Row; 4] = [
    ("stock", "kill", Act::None, 300, "9.8 s", "-"),
    ("stock", "kill", Act::Fence, 300, "1.26 s", "-"),
    ("stock", "kill", Act::ReorderFence, 300, "1.51 s", "-"),
    ("stock", "kill", Act::ReorderUnregister, 300, "1.58 s", "-"),
];

/// Gives the worst partition's acks=all and acks=1 of that cell, as measured before.
pub(super) fn find(
    arm: &str,
    fault: &str,
    act: Act,
    delay_ms: u64,
    partitions: i32,
) -> Option<(&'static str, &'static str)> {
    let rows: &[Row] = match partitions {
        6 => &SIX,
        500 => &FIVE_HUNDRED,
        _ => &[],
    };
    // Without an act its delay says nothing.
    let same_delay = |row: &Row| act == Act::None || row.3 == delay_ms;
    rows.iter().find(|row| row.0 == arm && row.1 == fault && row.2 == act && same_delay(row)).map(|row| (row.4, row.5))
}
