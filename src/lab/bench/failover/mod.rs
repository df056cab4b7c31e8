//! `bench-failover`: how long produce fails after a leader's fault, with Kafka alone, with Tanist, and with an oracle that knows at once.
//!
//! Each run has a trio of its own, so that none inherits cool-downs from another; a cluster serves some runs with the same needs, one
//! after the other, and is made whole in between. Which runs, and in which order, only the seed decides. Every run is a line of NDJSON at once, and runs that are there are not repeated.
//! The table in BENCHMARKS.md is made from those lines and from nothing else.

mod cell;
mod figure;
mod goal;
mod report;
mod spread;
mod stand;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::lab::LabError;
use crate::lab::act::Act;
use crate::lab::bench::ground::Ground;
use crate::lab::bench::results::{self, Kept, Results};
use crate::lab::fault::FaultKind;
use crate::lab::options::{KAFKA_DEFAULT, Timing};
use crate::lab::trio::Controllers;
use cell::{Cell, Watched};
use figure::Figure;
use stand::Stand;

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Who acts.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "stock,tuned,tanist-public,tanist-fence,oracle-public,oracle-fence,trio-dead,trio-killed"
    )]
    arm: Vec<Arm>,
    /// What befalls the leader.
    #[arg(long, value_delimiter = ',', default_value = "kill,stop")]
    fault: Vec<Breakage>,
    /// Partitions led by the broker that is struck.
    #[arg(long, value_delimiter = ',', default_value = "6,500")]
    partitions: Vec<i32>,
    /// Runs of each cell; 20 for Tanist and 10 for the others if left out.
    #[arg(short, long)]
    n: Option<u32>,
    /// End after so many runs; the same command goes on from there.
    #[arg(long)]
    at_most: Option<usize>,
    /// Decides the order of the runs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a run is watched: what "never" means.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    watch: Duration,
    /// Settings of every Kafka node beyond the arm's own, each KEY=VALUE; their runs have a table of their own.
    #[arg(long = "set")]
    settings: Vec<String>,
    /// Where Kafka's data are kept during a run. In memory, unless the disk is what you want to measure.
    #[arg(long, default_value = "/dev/shm")]
    data_in: PathBuf,
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// The tanist program, a release build; the one beside this program if left out.
    #[arg(long)]
    program: Option<PathBuf>,
    #[command(flatten)]
    kept: Kept,
}

/// Who acts after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Arm {
    /// Kafka alone, with its own times.
    Stock,
    /// Kafka alone: session 3 s, heartbeat 0.5 s, replica lag 5 s.
    Tuned,
    /// Tanist without the controllers' listener.
    TanistPublic,
    /// Tanist with fencing by heartbeat.
    TanistFence,
    /// The lab, 50 ms after the fault, with what the first kind of Tanist may send.
    OraclePublic,
    /// The lab, 50 ms after the fault, with a fence.
    OracleFence,
    /// Nobody: all three nodes of Tanist die just before the fault.
    TrioDead,
    /// Tanist with fencing, all three nodes of which die at some moment after the fault, another one in each run.
    TrioKilled,
}

impl Arm {
    const ALL: [Self; 8] = [
        Self::Stock,
        Self::Tuned,
        Self::TanistPublic,
        Self::TanistFence,
        Self::OraclePublic,
        Self::OracleFence,
        Self::TrioDead,
        Self::TrioKilled,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Tuned => "tuned",
            Self::TanistPublic => "tanist-public",
            Self::TanistFence => "tanist-fence",
            Self::OraclePublic => "oracle-public",
            Self::OracleFence => "oracle-fence",
            Self::TrioDead => "trio-dead",
            Self::TrioKilled => "trio-killed",
        }
    }

    fn timing(self) -> Timing {
        match self {
            Self::Tuned => Timing::Tuned,
            Self::Stock
            | Self::TanistPublic
            | Self::TanistFence
            | Self::OraclePublic
            | Self::OracleFence
            | Self::TrioDead
            | Self::TrioKilled => Timing::Stock,
        }
    }

    /// Gives how the trio may reach Kafka; none where there is no trio.
    fn trio(self) -> Option<Controllers> {
        match self {
            Self::TanistPublic => Some(Controllers::Untold),
            Self::TanistFence | Self::TrioDead | Self::TrioKilled => Some(Controllers::Told),
            Self::Stock | Self::Tuned | Self::OraclePublic | Self::OracleFence => None,
        }
    }

    /// Gives what the lab itself sends: the best act of class R1 that the rights allow.
    ///
    /// Dropping the registration is public as well, but R2: it waits for people, so the oracle does not send it either. A fence
    /// alone is the best fence here, as the topic's next in line is the same for every partition (`kafka.md` §13: fewest records).
    fn oracle(self) -> Act {
        match self {
            Self::OraclePublic => Act::Elect,
            Self::OracleFence => Act::Fence,
            Self::Stock | Self::Tuned | Self::TanistPublic | Self::TanistFence | Self::TrioDead | Self::TrioKilled => {
                Act::None
            }
        }
    }

    /// Gives the oracle that this arm is held against.
    fn floor(self) -> Option<Self> {
        match self {
            Self::TanistPublic => Some(Self::OraclePublic),
            Self::TanistFence => Some(Self::OracleFence),
            Self::Stock | Self::Tuned | Self::OraclePublic | Self::OracleFence | Self::TrioDead | Self::TrioKilled => {
                None
            }
        }
    }

    /// Gives when the trio dies in its nth run (from 1), counted from the fault; none where it lives.
    ///
    /// The moments of ten runs lie evenly over a second and a half, which is before, in and after everything that it does.
    fn trio_dies(self, run: u32) -> Option<Duration> {
        match self {
            Self::TrioDead => Some(Duration::ZERO),
            Self::TrioKilled => Some(DIES_EVERY * (run % DEATHS)),
            Self::Stock
            | Self::Tuned
            | Self::TanistPublic
            | Self::TanistFence
            | Self::OraclePublic
            | Self::OracleFence => None,
        }
    }

    /// Tells whether it is measured with so many partitions: a dead trio leaves Kafka alone with any number of them.
    fn takes(self, partitions: i32) -> bool {
        self.trio_dies(1).is_none() || partitions == SIZES[0]
    }

    fn usual_runs(self) -> u32 {
        match self {
            Self::Stock | Self::Tuned | Self::OraclePublic | Self::OracleFence | Self::TrioDead | Self::TrioKilled => {
                10
            }
            Self::TanistPublic | Self::TanistFence => 20,
        }
    }
}

/// What befalls the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Breakage {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
}

impl Breakage {
    const ALL: [Self; 2] = [Self::Kill, Self::Stop];

    fn kind(self) -> FaultKind {
        match self {
            Self::Kill => FaultKind::Kill,
            Self::Stop => FaultKind::Stop,
        }
    }
}

/// How many different moments the trio dies at, and how far apart they are.
const DEATHS: u32 = 10;
const DIES_EVERY: Duration = Duration::from_millis(150);

/// The sizes that the goals name.
const SIZES: [i32; 2] = [6, 500];

/// What Kafka alone took in the runs that are kept in the repository: the middle one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KafkaAlone {
    pub(crate) runs: usize,
    /// None is "never".
    pub(crate) all: Option<Duration>,
    pub(crate) one: Option<Duration>,
}

/// The runs that are kept in the repository.
const KEPT: &str = include_str!("../../../../benches/results/failover.ndjson");

/// Gives what Kafka alone takes after the kill of the leader of so many partitions; none where no run was kept.
pub(crate) fn kafka_alone(partitions: i32) -> Option<KafkaAlone> {
    let kept = results::parse::<Figure>(KEPT).ok()?;
    let stock = |one: &&Figure| {
        (one.arm, one.fault, one.partitions, one.on.kafka.as_str(), one.settings.is_empty())
            == (Arm::Stock, Breakage::Kill, partitions, KAFKA_DEFAULT, true)
    };
    let figures: Vec<&Figure> = kept.values().filter(stock).collect();
    let all = spread::Spread::of(figures.iter().map(|one| one.all_worst_ms))?.middle;
    let one = spread::Spread::of(figures.iter().map(|one| one.one_worst_ms))?.middle;
    Some(KafkaAlone { runs: figures.len(), all: all.map(Duration::from_millis), one: one.map(Duration::from_millis) })
}

/// Measures what was asked for and has not been measured, and writes the table.
///
/// Errors: those of a cluster that does not start. What was measured until then is kept; the same command goes on from there.
pub async fn run(args: BenchArgs) -> Result<(), LabError> {
    let mut results: Results<Figure> = args.kept.open("failover")?;
    if args.kept.measures() {
        let known = Ground::new(args.program.clone(), args.kafka.clone())?;
        let ground = Ground { settings: args.settings.clone(), ..known };
        let todo = results.unmeasured(runs(&args), |cell| cell.key(&args.kafka, &args.settings));
        let total = todo.len();
        let watched = Watched { ground: &ground, within: args.watch };
        let mut stand: Option<Stand> = None;
        for (done, cell) in grouped(todo).into_iter().take(args.at_most.unwrap_or(usize::MAX)).enumerate() {
            let mut fit = match stand.take() {
                Some(stand) if stand.fits(cell.needs()) && stand.runs() <= RUNS_A_CLUSTER => stand,
                Some(_) | None => {
                    let stand = Stand::raise(cell.needs(), &ground, &args.data_in).await?;
                    warmed(stand, cell, watched).await?
                }
            };
            let figure = cell.measure(&fit, watched).await?;
            eprintln!("{} of {total}: {figure}", done + 1);
            results.keep(figure)?;
            fit.restore(&cell.blow()).await?;
            stand = Some(fit);
        }
    }
    args.kept.write("failover", &results, report::section)
}

/// Strikes once without keeping the figure: Java is cold on a new cluster, whoever acts, and no cluster in production is new.
///
/// Of the runs that were kept before this was here, those that came first took 0.1 to 0.6 s longer than the others of their arm.
async fn warmed(mut stand: Stand, first: Cell, watched: Watched<'_>) -> Result<Stand, LabError> {
    let cell = Cell { arm: Arm::OracleFence, fault: Breakage::Kill, run: 0, ..first };
    cell.measure(&stand, watched).await?;
    stand.restore(&cell.blow()).await?;
    Ok(stand)
}

/// A cluster's share, beside the strike that warms it: few enough that neighbours in the order stay neighbours in time.
const RUNS_A_CLUSTER: u32 = 10;

/// Puts runs that can share a cluster behind each other, a cluster's share at a time, and changes nothing else in their order.
fn grouped(mut rest: Vec<Cell>) -> Vec<Cell> {
    let mut order = Vec::new();
    while let Some(needs) = rest.first().map(Cell::needs) {
        let mut left = RUNS_A_CLUSTER;
        let (now, later) = rest.into_iter().partition(|cell| {
            let taken = 0 < left && cell.needs() == needs;
            left -= u32::from(taken);
            taken
        });
        let now: Vec<Cell> = now;
        order.extend(now);
        rest = later;
    }
    order
}

/// Gives every run of every cell, in an order that only the seed decides: neighbours must not share a busy minute.
fn runs(args: &BenchArgs) -> Vec<Cell> {
    let mut runs = BTreeSet::new();
    for arm in args.arm.iter().copied() {
        for fault in args.fault.iter().copied() {
            for partitions in args.partitions.iter().copied().filter(|partitions| arm.takes(*partitions)) {
                let n = args.n.unwrap_or_else(|| arm.usual_runs());
                runs.extend((1..=n).map(|run| Cell { arm, fault, partitions, run }));
            }
        }
    }
    let mut runs: Vec<Cell> = runs.into_iter().collect();
    runs.sort_by_key(|cell| Sha256::digest(format!("{} {}", args.seed, cell.key(&args.kafka, &[]))).to_vec());
    runs
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn keys(line: &str) -> Vec<String> {
        let args = Words::parse_from(line.split(' ')).args;
        runs(&args).iter().map(|cell| cell.key("4.3.1", &[])).collect()
    }

    #[test]
    fn the_whole_benchmark_has_the_runs_that_the_goals_want() {
        assert_eq!(keys("bench").len(), (2 * 20 + 4 * 10) * 2 * 2 + 2 * 10 * 2);
    }

    #[test]
    fn the_kept_runs_are_readable_and_hold_what_kafka_alone_takes() {
        results::parse::<Figure>(KEPT).unwrap();
        let alone = kafka_alone(6).unwrap();
        assert!(0 < alone.runs && Some(Duration::from_secs(5)) < alone.all, "{alone:?}");
        assert_eq!(kafka_alone(7), None);
    }

    #[test]
    fn the_trio_dies_at_ten_moments_from_the_fault_on() {
        let moments: BTreeSet<Duration> = (1..=10).filter_map(|run| Arm::TrioKilled.trio_dies(run)).collect();
        assert_eq!(moments.len(), 10);
        assert_eq!(moments.first().zip(moments.last()), Some((&Duration::ZERO, &Duration::from_millis(1_350))));
    }

    #[test]
    fn a_cluster_serves_its_share_and_no_run_is_lost_by_that() {
        let args = Words::parse_from(["bench"]).args;
        let (plain, order) = (runs(&args), grouped(runs(&args)));
        assert_eq!(plain.iter().collect::<BTreeSet<_>>(), order.iter().collect::<BTreeSet<_>>());
        assert_eq!(plain.len(), order.len());
        let share = usize::try_from(RUNS_A_CLUSTER).unwrap();
        let starts = 1 + order.windows(2).filter(|pair| pair[0].needs() != pair[1].needs()).count();
        let shared = order.chunks(share).filter(|runs| runs.iter().all(|run| run.needs() == runs[0].needs())).count();
        assert!(order.len() / share * 9 / 10 <= shared && starts <= order.len() / share, "{shared} {starts}");
    }

    #[test]
    fn the_seed_alone_decides_the_order() {
        let one = keys("bench -n 2");
        assert_eq!(one, keys("bench -n 2 --seed 1"));
        let mut other = keys("bench -n 2 --seed 2");
        assert_ne!(one, other);
        let mut sorted = one;
        sorted.sort();
        other.sort();
        assert_eq!(sorted, other);
    }
}
