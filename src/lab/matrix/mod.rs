//! THE MATRIX: fault x act, measured on real clusters, beside the figures that the project started from.
//!
//! Each cell runs on a topic of its own, on a cluster that is whole again; every run is a line of NDJSON at once, so that a broken-off
//! measurement goes on where it stopped. What "never" means is the watch time in the line.

mod cell;
mod figure;
mod reference;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use crate::lab::LabError;
use crate::lab::act::Act;
use crate::lab::cluster::Cluster;
use crate::lab::fault::FaultKind;
use crate::lab::link::Way;
use crate::lab::names::Vantage;
use crate::lab::options::{ClusterOptions, Disk, KAFKA_DEFAULT, Timing};
use cell::Cell;
use figure::{Figure, Results};

/// What to measure.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Kafka's own detection times, tuned ones, or both.
    #[arg(long, value_delimiter = ',', default_value = "stock")]
    arm: Vec<Arm>,
    /// The faults.
    #[arg(long, value_delimiter = ',', default_value = "kill,stop,client-cut,client-freeze")]
    fault: Vec<Breakage>,
    /// The acts.
    #[arg(long, value_delimiter = ',', default_value = "none,elect,fence,unregister,evict")]
    acts: Vec<Act>,
    /// Partitions led by the broker that is struck.
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Runs of each cell.
    #[arg(short, long, default_value_t = 1)]
    n: u32,
    /// When the act is sent, from the fault on; each fault's own usual delay if left out.
    #[arg(long, value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// How long a run is watched: what "never" means.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "20s")]
    watch: Duration,
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// Decides the order of the cells.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where each run is kept as a line of JSON; cells that are there already are not measured again.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Whose detection times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Arm {
    Stock,
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

/// A row of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Breakage {
    Kill,
    Stop,
    ClientCut,
    ClientFreeze,
    ReplicationFreeze,
    ControllerFreeze,
    DiskFreeze,
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

    /// The delay that the first measurements used.
    fn usual_delay(self) -> Duration {
        match self {
            Self::Kill | Self::Stop | Self::ClientCut | Self::ClientFreeze | Self::ControllerFreeze => {
                Duration::from_secs(1)
            }
            Self::DiskFreeze => Duration::from_secs(3),
            Self::ReplicationFreeze => Duration::from_secs(5),
            // ext4 commits every five seconds: before that a stalled device shows nothing.
            Self::DiskStall => Duration::from_secs(8),
        }
    }
}

/// Measures what was asked for and prints the table.
///
/// Errors: those of a cluster that does not start or does not become whole again.
pub async fn run(args: MatrixArgs) -> Result<(), LabError> {
    let mut results = Results::open(args.out.as_deref())?;
    let cells = cells(&args);
    let mut skipped = Vec::new();
    let groups: BTreeSet<(Arm, u8)> = cells.iter().map(|cell| (cell.arm, disk_order(cell.breakage.disk()))).collect();
    for (arm, disk) in groups {
        let mut todo: Vec<&Cell> =
            cells.iter().filter(|cell| (cell.arm, disk_order(cell.breakage.disk())) == (arm, disk)).collect();
        todo.retain(|cell| !results.has(&cell.key()));
        let Some(first) = todo.first() else { continue };
        let options = ClusterOptions {
            kafka: args.kafka.clone(),
            timing: arm.timing(),
            disk: first.breakage.disk(),
            ..ClusterOptions::default()
        };
        let cluster = match Cluster::start(options).await {
            Err(LabError::Skipped(why)) => {
                skipped.push(format!("{} cells of {}: {why}", todo.len(), arm.name()));
                continue;
            }
            started => started?,
        };
        for cell in todo {
            let figure = cell.measure(&cluster).await?;
            eprintln!("{figure}");
            results.keep(figure)?;
        }
    }
    let asked: BTreeSet<String> = cells.iter().map(Cell::key).collect();
    println!("{}", results.table(&asked));
    println!("\"never\": not within {}", humantime::format_duration(args.watch));
    // Last, so that nobody overlooks what was not measured.
    skipped.iter().for_each(|line| println!("skipped: {line}"));
    Ok(())
}

fn disk_order(disk: Disk) -> u8 {
    match disk {
        Disk::Folder => 0,
        Disk::Loop => 1,
        Disk::Stallable => 2,
    }
}

/// Gives every run of every cell, in an order that only the seed decides: neighbours must not share a warm cache or a busy minute.
fn cells(args: &MatrixArgs) -> Vec<Cell> {
    let mut cells = Vec::new();
    for arm in &args.arm {
        for breakage in &args.fault {
            for act in &args.acts {
                cells.extend((1..=args.n).map(|run| Cell {
                    kafka: args.kafka.clone(),
                    arm: *arm,
                    breakage: *breakage,
                    act: *act,
                    delay: args.delay.unwrap_or_else(|| breakage.usual_delay()),
                    partitions: args.partitions,
                    watch: args.watch,
                    run,
                }));
            }
        }
    }
    cells.sort_by_key(|cell| Sha256::digest(format!("{} {}", args.seed, cell.key())).to_vec());
    cells
}
