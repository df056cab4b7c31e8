//! The table of BENCHMARKS.md: what a decision costs per partition at four sizes, so that anybody sees whether it grows with
//! their number or faster.
//!
//! Deliberately not criterion's own figures: it keeps them below `target`, each size for itself.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use criterion::measurement::Measurement as _;
use serde::Serialize;
use tanist::decide::policy::{Mode, Policy};

use super::{CpuTime, Lists, RIGHTS, SHAPES, SIZES, decide, topology, watch};

/// The middle of this many runs counts.
const RUNS: usize = 21;

const BEGIN: &str = "<!-- core: written by make bench -->";
const END: &str = "<!-- end of core -->";

/// One row and size: a line of the results.
#[derive(Debug, Serialize)]
struct Cell {
    rights: &'static str,
    shape: &'static str,
    partitions: i32,
    runs: usize,
    least_us: u128,
    middle_us: u128,
    most_us: u128,
    middle_ns_per_partition: u128,
}

/// Measures every cell, keeps them in `benches/results/core.ndjson` and writes the table.
pub(super) fn write() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut policy = Policy { mode: Mode::Auto, ..Policy::default() };
    let (mut lines, mut rows) = (String::new(), head());
    for (rights, permission) in RIGHTS {
        policy.act.fence_heartbeat = permission;
        for (shape, lists) in SHAPES {
            let cells = SIZES.map(|partitions| measure(rights, (shape, lists), partitions, &policy));
            for cell in &cells {
                writeln!(lines, "{}", serde_json::to_string(cell)?)?;
            }
            rows.push_str(&row(rights, shape, &cells));
        }
    }
    let results = root.join("benches/results/core.ndjson");
    fs::write(&results, lines).with_context(|| format!("cannot write {}", results.display()))?;
    print!("{rows}");
    let page = root.join("BENCHMARKS.md");
    let old = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let new = replaced(&old, &rows)
        .with_context(|| format!("{}: the table goes between a line {BEGIN:?} and a line {END:?}", page.display()))?;
    fs::write(&page, new).with_context(|| format!("cannot write {}", page.display()))
}

fn measure(rights: &'static str, (shape, lists): (&'static str, Lists), partitions: i32, policy: &Policy) -> Cell {
    let watch = watch(&Arc::new(topology(partitions, lists)), policy);
    let run = |_| {
        let begun = CpuTime.start();
        black_box(decide(&watch, policy));
        CpuTime.end(begun)
    };
    let mut runs: Vec<Duration> = (0..RUNS).map(run).collect();
    runs.sort_unstable();
    let at = |place: usize| runs.get(place).copied().unwrap_or_default();
    let middle = at(RUNS / 2);
    Cell {
        rights,
        shape,
        partitions,
        runs: RUNS,
        least_us: at(0).as_micros(),
        middle_us: middle.as_micros(),
        most_us: at(RUNS - 1).as_micros(),
        middle_ns_per_partition: middle.as_nanos() / u128::from(partitions.unsigned_abs()),
    }
}

fn head() -> String {
    let sizes: String = SIZES.iter().map(|size| format!(" {},000 |", size / 1000)).collect();
    format!(
        "| rights | broker 1 of 9 |{sizes} one of 200,000 against one of 10,000 |\n| --- | --- |{} --- |\n",
        " --- |".repeat(SIZES.len())
    )
}

fn row(rights: &str, shape: &str, cells: &[Cell]) -> String {
    let cell = |cell: &Cell| {
        let tenths = cell.middle_us / 100;
        format!(" {}.{} ms, {} ns each |", tenths / 10, tenths % 10, cell.middle_ns_per_partition)
    };
    let each = || cells.iter().map(|cell| cell.middle_ns_per_partition);
    let growth = 100 * each().next_back().unwrap_or(0) / each().next().unwrap_or(1).max(1);
    let cells: String = cells.iter().map(cell).collect();
    format!("| {rights} | {shape} |{cells} {}.{:02} x |\n", growth / 100, growth % 100)
}

fn replaced(page: &str, rows: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{rows}{END}{after}"))
}
