//! The command line of `tanist-lab`: what a person types, and the tables that answer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::lab::LabError;
use crate::lab::admin::chain;
use crate::lab::bench::failover::{self, BenchArgs};
use crate::lab::bench::matrix::{self, MatrixArgs};
use crate::lab::bench::node::{self, NodeArgs};
use crate::lab::bench::rolling::{self, RollingArgs};
use crate::lab::cluster::Cluster;
use crate::lab::control::{self, Control, Description, Reply, Request};
use crate::lab::demo::{self, DemoArgs};
use crate::lab::differential::{self, DifferentialArgs};
use crate::lab::fault::{self, Fault};
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::{ClusterOptions, Disk, KAFKA_DEFAULT, Roles, Timing};

/// Real Kafka clusters, really broken.
#[derive(Debug, Parser)]
#[command(name = "tanist-lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cluster and stay until Ctrl-C or `down`.
    Up(UpArgs),
    /// Begin a fault in the cluster of a folder, such as "kill b1" or "client-freeze b1 from tanist2".
    Fault {
        /// The cluster's folder.
        dir: PathBuf,
        /// What to break.
        #[arg(value_parser = Fault::from_str, long_help = format!("One of: {}", fault::NAMES))]
        fault: Fault,
        /// How long to wait before.
        #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
        after: Duration,
        /// How long it lasts; until `heal` if left out.
        #[arg(long, value_parser = humantime::parse_duration)]
        lasting: Option<Duration>,
    },
    /// End a fault, or all of them.
    Heal {
        /// The cluster's folder.
        dir: PathBuf,
        /// Which; all that are on if left out.
        #[arg(value_parser = Fault::from_str)]
        fault: Option<Fault>,
    },
    /// Make a topic whose partitions are all led by one broker.
    Topic {
        /// The cluster's folder.
        dir: PathBuf,
        /// Its name.
        name: String,
        /// How many partitions.
        #[arg(long, default_value_t = 6)]
        partitions: usize,
        /// Who leads them.
        #[arg(long, default_value = "b1")]
        leader: BrokerId,
    },
    /// Show the nodes, their addresses and the faults that are on.
    Status {
        /// The cluster's folder.
        dir: PathBuf,
    },
    /// End the cluster of a folder.
    Down {
        /// The cluster's folder.
        dir: PathBuf,
    },
    /// Measure fault x act beside what the project started from; writes the table of BENCHMARKS.md.
    BenchMatrix(MatrixArgs),
    /// Measure how long produce fails: Kafka alone, Tanist, and an oracle; writes the table of BENCHMARKS.md.
    BenchFailover(BenchArgs),
    /// Measure what a node costs beside a healthy cluster: memory, CPU time, requests; writes the table of BENCHMARKS.md.
    BenchNode(NodeArgs),
    /// Measure what clients feel of the trio while a cluster is healthy or restarted in good order; writes the tables of BENCHMARKS.md.
    BenchRolling(RollingArgs),
    /// Show two failovers on a real cluster with a real trio, and prove that nothing was lost.
    Demo(DemoArgs),
    /// Record what real Kafka does in every cell of the differential table; the model is held against it.
    Differential(DifferentialArgs),
}

#[derive(Debug, Args)]
struct UpArgs {
    /// The Kafka release.
    #[arg(long, default_value = KAFKA_DEFAULT)]
    kafka: String,
    /// How many brokers, in racks a, b, c in turn.
    #[arg(long, default_value_t = 3)]
    brokers: i32,
    /// Session 3 s, heartbeat 0.5 s, replica lag 5 s instead of Kafka's own times.
    #[arg(long)]
    tuned: bool,
    /// Broker and controller in one process.
    #[arg(long)]
    combined: bool,
    /// File systems that `disk-freeze` can freeze (root only).
    #[arg(long, conflicts_with = "stallable_disks")]
    freezable_disks: bool,
    /// Block devices that `disk-stall` can stop (root only).
    #[arg(long)]
    stallable_disks: bool,
    /// Settings of every node beyond the lab's own, each KEY=VALUE.
    #[arg(long = "set")]
    settings: Vec<String>,
    /// The cluster's folder, kept afterwards; a temporary one, removed afterwards, if left out.
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl UpArgs {
    fn options(self) -> ClusterOptions {
        let disk = match (self.freezable_disks, self.stallable_disks) {
            (true, _) => Disk::Loop,
            (false, true) => Disk::Stallable,
            (false, false) => Disk::Folder,
        };
        ClusterOptions {
            kafka: self.kafka,
            brokers: self.brokers,
            roles: if self.combined { Roles::Combined } else { Roles::Separate },
            timing: if self.tuned { Timing::Tuned } else { Timing::Stock },
            disk,
            settings: self.settings,
            dir: self.dir,
            ..ClusterOptions::default()
        }
    }
}

/// Runs the command line; gives 0 when it was done, 1 when the cluster refused, 2 when the words made no sense.
#[must_use]
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&LabError::Socket { act: "start".to_owned(), source: error }),
    };
    match runtime.block_on(carry_out(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &LabError) -> ExitCode {
    eprintln!("tanist-lab: {}", chain(error));
    match error {
        LabError::Usage(_) => ExitCode::from(2),
        LabError::Missing { .. }
        | LabError::Jars { .. }
        | LabError::File { .. }
        | LabError::Socket { .. }
        | LabError::Command { .. }
        | LabError::Ended { .. }
        | LabError::Late { .. }
        | LabError::Unfit { .. }
        | LabError::Skipped(_)
        | LabError::Kafka { .. } => ExitCode::FAILURE,
    }
}

async fn carry_out(command: Command) -> Result<(), LabError> {
    match command {
        Command::Up(args) => up(args.options()).await,
        Command::Fault { dir, fault, after, lasting } => tell(&dir, Request::Inflict { fault, after, lasting }).await,
        Command::Heal { dir, fault } => tell(&dir, Request::Heal(fault)).await,
        Command::Topic { dir, name, partitions, leader } => {
            tell(&dir, Request::Topic { name, partitions, leader }).await
        }
        Command::Status { dir } => {
            println!("{}", table(&Description::read(&dir)?));
            tell(&dir, Request::Status).await
        }
        Command::Down { dir } => tell(&dir, Request::Down).await,
        Command::BenchMatrix(args) => matrix::run(args).await,
        Command::BenchFailover(args) => failover::run(args).await,
        Command::BenchNode(args) => node::run(args).await,
        Command::BenchRolling(args) => rolling::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Differential(args) => differential::run(args).await,
    }
}

async fn tell(dir: &Path, request: Request) -> Result<(), LabError> {
    match control::ask(dir, &request).await? {
        Reply::Done(text) => {
            println!("{text}");
            Ok(())
        }
        Reply::Refused(why) => Err(LabError::Kafka { act: "that".to_owned(), answer: why }),
    }
}

async fn up(options: ClusterOptions) -> Result<(), LabError> {
    eprintln!("starting Kafka {} ...", options.kafka);
    let control = Control::open(Cluster::start(options).await?)?;
    println!("{}", table(&Description::of(control.cluster())));
    println!("folder {}", control.cluster().folder().display());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(LabError::socket("wait for SIGTERM"))?;
    tokio::select! {
        served = control.serve() => served,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(LabError::socket("wait for Ctrl-C")),
        _ = terminate.recv() => Ok(()),
    }
}

fn table(description: &Description) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let listeners: Vec<String> = Listener::all().map(|one| one.to_string()).collect();
    let head = ["node", "rack", "pid"].map(str::to_owned).into_iter().chain(listeners.iter().cloned());
    table.set_header(head);
    let pid = |pid: Option<u32>| pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let brokers =
        description.brokers.iter().map(|one| (one.id.to_string(), one.rack.to_string(), pid(one.pid), &one.listeners));
    let controllers =
        description.controllers.iter().map(|one| (one.id.to_string(), "-".to_owned(), pid(one.pid), &one.listeners));
    for (id, rack, pid, addresses) in brokers.chain(controllers) {
        let address = |one: &String| addresses.get(one).map_or_else(|| "-".to_owned(), ToString::to_string);
        table.add_row([id, rack, pid].into_iter().chain(listeners.iter().map(address)));
    }
    table
}
