//! `bench-matrix`: fault x act on real clusters, beside the figures that the project started from.
//!
//! Each run has a topic of its own, on a cluster that is whole again; clusters serve the runs with the same needs one after the
//! other. Every run is a line of NDJSON at once, and runs that are there are not repeated. What "never" means is the watch time in
//! the line. The table in BENCHMARKS.md is made from those lines and from nothing else.

mod cell;
mod figure;
mod reference;
mod report;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::results::{Kept, Results};
use crate::lab::LabError;
use crate::lab::act::Act;
use crate::lab::cluster::Cluster;
use crate::lab::fault::FaultKind;
use crate::lab::link::Way;
use crate::lab::names::Vantage;
use crate::lab::options::{ClusterOptions, Disk, KAFKA_DEFAULT, Timing};
use cell::Cell;
use figure::Figure;

/// What to measure.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Cells with Kafka's own detection times, tuned ones, or both.
    #[arg(long, value_delimiter = ',', default_value = "stock,tuned")]
    arm: Vec<Arm>,
    /// Cells with these faults; all if left out.
    #[arg(long, value_delimiter = ',')]
    fault: Vec<Breakage>,
    /// Cells with these acts; all if left out.
    #[arg(long, value_delimiter = ',')]
    act: Vec<Act>,
    /// Cells with so many partitions led by the broker that is struck.
    #[arg(long, value_delimiter = ',', default_value = "6,500,2000")]
    partitions: Vec<i32>,
    /// Runs of each cell.
    #[arg(short, long, default_value_t = 3)]
    n: u32,
    /// End after so many runs; the same command goes on from there.
    #[arg(long)]
    at_most: Option<usize>,
    /// How long a run is watched at least; longer where it took long before.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "20s")]
    watch: Duration,
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// Decides the order of the runs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    kept: Kept,
}

/// Whose detection times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Arm {
    /// Kafka's own: session 9 s, heartbeat 2 s, replica lag 30 s.
    Stock,
    /// Session 3 s, heartbeat 0.5 s, replica lag 5 s.
    Tuned,
}

impl Arm {
    fn timing(self) -> Timing {
        match self {
            Self::Stock => Timing::Stock,
            Self::Tuned => Timing::Tuned,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Tuned => "tuned",
        }
    }
}

/// What befalls the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Breakage {
    Kill,
    Stop,
    ClientCut,
    ClientFreeze,
    /// Followers cannot fetch from it; it can from them.
    ReplicationFreeze,
    ControllerFreeze,
    DiskFreeze,
    /// The device stalls under the page cache: the leader serves on for some seconds.
    DiskStall,
}

impl Breakage {
    fn kind(self) -> FaultKind {
        match self {
            Self::Kill => FaultKind::Kill,
            Self::Stop => FaultKind::Stop,
            Self::ClientCut => FaultKind::ClientCut(Vantage::All),
            Self::ClientFreeze => FaultKind::ClientFreeze(Vantage::All, Way::Both),
            Self::ReplicationFreeze => FaultKind::ReplicationFreeze(Way::Both),
            Self::ControllerFreeze => FaultKind::ControllerFreeze(Way::Both),
            Self::DiskFreeze => FaultKind::DiskFreeze,
            Self::DiskStall => FaultKind::DiskStall,
        }
    }

    /// The disk that the fault needs.
    fn disk(self) -> Disk {
        match self {
            Self::DiskFreeze => Disk::Loop,
            Self::DiskStall => Disk::Stallable,
            Self::Kill
            | Self::Stop
            | Self::ClientCut
            | Self::ClientFreeze
            | Self::ReplicationFreeze
            | Self::ControllerFreeze => Disk::Folder,
        }
    }
}

/// Measures what was asked for and has not been measured, and writes the table.
///
/// Errors: those of a cluster that does not start or does not become whole again. What was measured until then is kept; the same
/// command goes on from there.
pub async fn run(args: MatrixArgs) -> Result<(), LabError> {
    let mut results: Results<Figure> = args.kept.open("matrix")?;
    let mut skipped = BTreeSet::new();
    if args.kept.measures() {
        let todo = results.unmeasured(cells(&args), |cell| cell.key(&args.kafka));
        let total = todo.len();
        let mut standing: Option<((Arm, Disk), Cluster)> = None;
        for (done, cell) in todo.into_iter().take(args.at_most.unwrap_or(usize::MAX)).enumerate() {
            let fit = standing.take().filter(|(needs, _)| *needs == cell.needs());
            let cluster = match fit {
                Some((_, cluster)) => cluster,
                None => match start(&args.kafka, cell.needs()).await {
                    Err(LabError::Skipped(why)) => {
                        skipped.insert(format!("{}: {why}", cell.key(&args.kafka)));
                        continue;
                    }
                    started => started?,
                },
            };
            let figure = cell.measure(&cluster, args.watch).await?;
            eprintln!("{} of {total}: {figure}", done + 1);
            results.keep(figure)?;
            standing = Some((cell.needs(), cluster));
        }
    }
    args.kept.write("matrix", &results, report::section)?;
    // Last, so that nobody overlooks what was not measured.
    skipped.iter().for_each(|line| println!("skipped: {line}"));
    Ok(())
}

async fn start(kafka: &str, (arm, disk): (Arm, Disk)) -> Result<Cluster, LabError> {
    let options = ClusterOptions { kafka: kafka.to_owned(), timing: arm.timing(), disk, ..ClusterOptions::default() };
    Cluster::start(options).await
}

/// Gives every run of every cell that is asked for: the first of each cell, then the second of each; within that those with the same
/// needs behind each other, and these in an order that only the seed decides: neighbours must not share a warm cache or a busy minute.
fn cells(args: &MatrixArgs) -> Vec<Cell> {
    let asked = |row: &&reference::Row| {
        args.arm.contains(&row.arm)
            && (args.fault.is_empty() || args.fault.contains(&row.breakage))
            && (args.act.is_empty() || args.act.contains(&row.act))
            && args.partitions.contains(&row.partitions)
    };
    let rows: Vec<_> = reference::ROWS.iter().filter(asked).collect();
    let mut cells: Vec<Cell> =
        (1..=args.n).flat_map(|run| rows.iter().map(move |row| Cell { row: **row, run })).collect();
    cells.sort_by_key(|cell| {
        let chance = Sha256::digest(format!("{} {}", args.seed, cell.key(&args.kafka))).to_vec();
        (cell.run, cell.row.arm, cell.row.breakage.disk(), chance)
    });
    cells
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        args: MatrixArgs,
    }

    fn asked(line: &str) -> Vec<Cell> {
        cells(&Words::parse_from(line.split(' ')).args)
    }

    fn keys(line: &str) -> Vec<String> {
        asked(line).iter().map(|cell| cell.key("4.3.1")).collect()
    }

    #[test]
    fn every_cell_that_was_measured_before_is_measured_once_a_run() {
        let keys = keys("bench -n 2");
        assert_eq!(keys.len(), 2 * reference::ROWS.len());
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "each has a name of its own");
        assert!(keys.contains(&"4.3.1 stock kill evict after 1000ms x6 #2".to_owned()), "{keys:?}");
    }

    #[test]
    fn a_run_of_all_cells_needs_a_cluster_of_each_kind_once() {
        let cells = asked("bench -n 3");
        let changes = 1 + cells.windows(2).filter(|pair| pair[0].needs() != pair[1].needs()).count();
        assert_eq!(changes, 3 * 5);
        assert!(cells.windows(2).all(|pair| pair[0].run <= pair[1].run));
    }

    #[test]
    fn words_narrow_what_is_measured_and_the_seed_decides_its_order() {
        let evict = keys("bench -n 1 --act evict --fault kill,stop");
        assert_eq!(evict.len(), 2, "{evict:?}");
        let (one, other) = (keys("bench -n 1"), keys("bench -n 1 --seed 2"));
        assert_eq!(one, keys("bench -n 1"));
        assert_ne!(one, other);
        assert_eq!(BTreeSet::from_iter(one), BTreeSet::from_iter(other));
    }
}
