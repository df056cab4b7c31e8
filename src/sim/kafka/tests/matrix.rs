//! The recorded matrix of faults and acts, cell by cell, beside what the model does.
//!
//! What real Kafka did is not written here: `make matrix` recorded it (`benches/results/matrix.ndjson`). Here stands only how far from
//! that a figure may lie, and why: what Kafka's own clocks leave open.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::lab::{Lab, secs, usual};
use crate::sim::kafka::plan::{Settings, Version};

const RECORDED: &str = include_str!("../../../../benches/results/matrix.ndjson");

/// What a second wait of a follower, or cold Java, adds to a recorded figure.
const LATE: Duration = Duration::from_millis(1_000);

/// What was recorded last took 1.6 to 3.2 times as long as on the machine whose work the model pretends (`kafka.md` §13). Whether that was
/// the machine or a lab that is not optimised beside it cannot be told apart. Unit: tenths.
const SLOWER: u32 = 25;
const AS_SLOW: u32 = 10;

/// One run on real Kafka.
#[derive(Debug, Deserialize)]
struct Run {
    arm: String,
    fault: String,
    act: String,
    delay_ms: u64,
    partitions: usize,
    watched_ms: u64,
    all_worst_ms: Option<u64>,
    one_worst_ms: Option<u64>,
}

/// What names a cell: whose times, fault, act, its delay in ms, partitions.
type Cell = (String, String, String, u64, usize);

#[test]
fn every_cell_that_was_recorded_comes_out_alike() {
    let mut cells: BTreeMap<Cell, Vec<Run>> = BTreeMap::new();
    for run in RECORDED.lines().map(|line| serde_json::from_str::<Run>(line).unwrap()) {
        let cell = (run.arm.clone(), run.fault.clone(), run.act.clone(), run.delay_ms, run.partitions);
        cells.entry(cell).or_default().push(run);
    }
    let wrong: Vec<String> = cells.iter().flat_map(|(cell, runs)| differing(cell, runs)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differing(cell: &Cell, runs: &[Run]) -> Vec<String> {
    let (arm, fault, act, delay_ms, partitions) = cell;
    let mut plan = usual(Version::V4_3, *partitions);
    if arm == "tuned" {
        plan.settings = Settings::tuned(Version::V4_3);
    }
    let watch = runs.iter().map(|run| run.watched_ms).max().unwrap();
    let watch = Duration::from_millis(watch.saturating_sub(*delay_ms));
    let delay = Duration::from_millis(*delay_ms);
    let seeds = if *partitions <= 6 { 1..4 } else { 1..2 };
    let mut wrong = Vec::new();
    for seed in seeds {
        let (all, one) = Lab::new(&plan, seed).struck(&format!("{fault} b1"), (acts(act), delay), watch);
        let recorded_all: Vec<Option<u64>> = runs.iter().map(|run| run.all_worst_ms).collect();
        let recorded_one: Vec<Option<u64>> = runs.iter().map(|run| run.one_worst_ms).collect();
        let open = open(cell);
        for (acks, model, recorded, open) in [("all", all, recorded_all, open.0), ("1", one, recorded_one, open.1)] {
            if !is_alike(model, &recorded, (open + LATE, open), slower(cell)) {
                wrong.push(format!(
                    "{cell:?} seed {seed}: acks={acks} {model:?}, recorded {recorded:?} ms, open {open:?}"
                ));
            }
        }
    }
    wrong
}

/// Gives the same act in the words of the pretended laboratory.
fn acts(act: &str) -> &'static str {
    match act {
        "none" => "none",
        "elect" => "reorder+prefer",
        "fence" => "fence",
        "reorder-fence" => "reorder+fence",
        "elect-fence" => "reorder+prefer+fence",
        "unregister" => "unregister",
        "reorder-unregister" => "reorder+unregister",
        "evict" => "evict",
        other => panic!("no act {other}"),
    }
}

/// Gives how far a figure may lie outside what was recorded, with acks=all and with acks=1. The model knows neither the wait for a new
/// leader that heard later (`backoff`, twice in some runs) nor Java that is cold, so it may be that much sooner.
fn open(cell: &Cell) -> (Duration, Duration) {
    let (arm, fault, act, _, partitions) = cell;
    let tuned = arm == "tuned";
    // Where in a heartbeat's interval the fault falls decides when the session ends.
    let heartbeat = if tuned { secs(0.5) } else { secs(2.0) };
    // A follower that hears of a new leader before that leader does waits `replica.fetch.backoff.ms`; the recording client looks every 0.1 s.
    let backoff = secs(1.2);
    // A lagging follower is looked for every half of `replica.lag.time.max.ms`.
    let lag = if tuned { secs(2.5) } else { secs(15.0) };
    let native = act == "none" || (act == "elect" && ["kill", "stop"].contains(&fault.as_str()));
    let all = if native {
        heartbeat + backoff
    } else if act == "elect" && fault == "disk-freeze" {
        lag + backoff
    } else {
        backoff
    };
    let one = if act == "none" { heartbeat + secs(0.5) } else { secs(0.5) };
    // With many partitions most of it is the brokers' own work for each record, and machines differ by half.
    let work = if *partitions <= 6 { Duration::ZERO } else { secs(0.0025) * u32::try_from(*partitions).unwrap() };
    (all + work * AS_SLOW / slower(cell), one + work * AS_SLOW / slower(cell))
}

/// Gives how many tenths of what it takes on the machine whose work the model pretends was recorded of a cell.
fn slower((_, _, act, _, partitions): &Cell) -> u32 {
    let recorded_later = 500 < *partitions || act == "elect-fence";
    if recorded_later { SLOWER } else { AS_SLOW }
}

fn is_alike(
    model: Option<Duration>,
    recorded: &[Option<u64>],
    (sooner, later): (Duration, Duration),
    slower: u32,
) -> bool {
    let Some(model) = model else { return recorded.contains(&None) };
    let figures: Vec<Duration> = recorded.iter().flatten().map(|ms| Duration::from_millis(*ms)).collect();
    let (Some(least), Some(most)) = (figures.iter().min(), figures.iter().max()) else { return false };
    ((*least * AS_SLOW / slower).saturating_sub(sooner)..=*most * AS_SLOW / slower + later).contains(&model)
}
