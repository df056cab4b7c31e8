//! `bench-rolling`: what clients and records of a healthy cluster show of Tanist: nothing but what happened.
//!
//! Each run has one cluster with a steady acks=all load. First it is left alone in windows, with and without the trio in turn; then
//! every broker is restarted in good order (SIGTERM), each leading its share until then, once without and once with the trio in
//! mode auto. The ratio of both is made within one run, on one machine, minutes apart.

mod cell;
mod figure;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::results::{Kept, Results};
use crate::lab::LabError;
use crate::lab::options::KAFKA_DEFAULT;
use cell::Cell;
use figure::Figure;

/// What to measure.
#[derive(Debug, Args)]
pub struct RollingArgs {
    /// Runs; each restarts every broker once without and once with the trio.
    #[arg(short, long, default_value_t = 3)]
    n: u32,
    /// How long each quiet window lasts; there are two with and two without the trio.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "20s")]
    window: Duration,
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// The tanist program, a release build; the one beside this program if left out.
    #[arg(long)]
    program: Option<PathBuf>,
    #[command(flatten)]
    kept: Kept,
}

/// Whether the trio runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Arm {
    /// No process of Tanist runs.
    Without,
    /// Three run, in mode auto.
    With,
}

impl Arm {
    const ALL: [Self; 2] = [Self::Without, Self::With];

    fn other(self) -> Self {
        match self {
            Self::Without => Self::With,
            Self::With => Self::Without,
        }
    }
}

/// Measures what was asked for and has not been measured, and writes the table.
///
/// Errors: those of a cluster that does not start. What was measured until then is kept; the same command goes on from there.
pub async fn run(args: RollingArgs) -> Result<(), LabError> {
    let mut results: Results<Figure> = args.kept.open("rolling")?;
    if args.kept.measures() {
        let ground = Ground::new(args.program.clone(), args.kafka.clone())?;
        let runs = (1..=args.n).map(|run| Cell { run, window: args.window }).collect();
        let todo = results.unmeasured(runs, |cell| cell.key(&args.kafka));
        let total = todo.len();
        for (done, cell) in todo.into_iter().enumerate() {
            let figure = cell.measure(&ground).await?;
            eprintln!("{} of {total}: {figure}", done + 1);
            results.keep(figure)?;
        }
    }
    args.kept.write("rolling", &results, report::section)
}
