//! `bench-node`: what one node costs beside a healthy cluster: memory, CPU time, and requests to each broker and controller.
//!
//! Requests are counted by the lab's proxies, as frames on the node's own listeners: what a node says of itself is not asked.
//! Each run has a cluster and a trio of its own, and watches all three nodes for a minute.

mod cell;
mod figure;
mod report;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::results::{Kept, Results};
use crate::lab::LabError;
use crate::lab::options::KAFKA_DEFAULT;
use crate::lab::trio::Controllers;
use cell::Cell;
use figure::Figure;

/// What to measure.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Whether the nodes are told where the controllers are.
    #[arg(long, value_delimiter = ',', default_value = "controllers,brokers-only")]
    arm: Vec<Arm>,
    /// Partitions of the cluster, each with three replicas.
    #[arg(long, value_delimiter = ',', default_value = "2000")]
    partitions: Vec<u32>,
    /// Runs of each cell.
    #[arg(short, long, default_value_t = 3)]
    n: u32,
    /// How long the nodes are watched.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "60s")]
    watch: Duration,
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// The tanist program, a release build; the one beside this program if left out.
    #[arg(long)]
    program: Option<PathBuf>,
    #[command(flatten)]
    kept: Kept,
}

/// How the nodes look at Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Arm {
    /// With the controllers' listener: observer, pulse from the active controller.
    Controllers,
    /// Brokers' public interfaces only.
    BrokersOnly,
}

impl Arm {
    const ALL: [Self; 2] = [Self::Controllers, Self::BrokersOnly];

    fn name(self) -> &'static str {
        match self {
            Self::Controllers => "controllers",
            Self::BrokersOnly => "brokers-only",
        }
    }

    fn controllers(self) -> Controllers {
        match self {
            Self::Controllers => Controllers::Told,
            Self::BrokersOnly => Controllers::Untold,
        }
    }
}

/// Measures what was asked for and has not been measured, and writes the table.
///
/// Errors: those of a cluster that does not start. What was measured until then is kept; the same command goes on from there.
pub async fn run(args: NodeArgs) -> Result<(), LabError> {
    let mut results: Results<Figure> = args.kept.open("node")?;
    if args.kept.measures() {
        let ground = Ground::new(args.program.clone(), args.kafka.clone())?;
        let todo = results.unmeasured(runs(&args), |cell| cell.key(&args.kafka));
        let total = todo.len();
        for (done, cell) in todo.into_iter().enumerate() {
            let figure = cell.measure(&ground, args.watch).await?;
            eprintln!("{} of {total}: {figure}", done + 1);
            results.keep(figure)?;
        }
    }
    args.kept.write("node", &results, report::section)
}

/// Gives every run, the arms in turn.
fn runs(args: &NodeArgs) -> Vec<Cell> {
    let mut runs = Vec::new();
    for run in 1..=args.n {
        for partitions in args.partitions.iter().copied() {
            runs.extend(args.arm.iter().map(|arm| Cell { arm: *arm, partitions, run }));
        }
    }
    runs
}
