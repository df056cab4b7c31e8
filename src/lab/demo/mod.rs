//! THE DEMO: a real cluster and a real trio, two failovers in front of somebody's eyes, and the proof that nothing was lost.
//!
//! What it prints comes from three places: the trio's own records and answers, asked as a person would ask them; the lab's probe,
//! which produces over fresh connections; and the final read. It decides nothing and reaches into no process.

mod history;
mod model;
mod scene;
mod settings;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::lab::LabError;
use crate::lab::bench;
use crate::lab::names::BrokerId;
use history::Failover;
use scene::Scene;

/// What the demo is to show.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stay up afterwards, until Ctrl-C, and print how to look around.
    #[arg(long)]
    keep: bool,
    /// Whether a real language model is asked for its opinion.
    #[arg(long, value_enum, default_value_t = Llm::On)]
    llm: Llm,
    /// The tanist program; the one beside this program if left out.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Whether a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Llm {
    /// The small one that set-up installs, if it is there.
    On,
    /// None: rules only.
    Off,
}

/// The brokers that die, each with the topic that it leads.
const FIRST: (BrokerId, &str) = (BrokerId(1), "orders");
const SECOND: (BrokerId, &str) = (BrokerId(2), "payments");
const PARTITIONS: i32 = 6;
/// Plays the demo, to its end or to Ctrl-C; everything that it started is then stopped.
///
/// Errors: [`LabError`] with what did not happen; the demo never says that something went well which it did not see.
pub async fn run(args: DemoArgs) -> Result<(), LabError> {
    tokio::select! {
        played = play(&args) => played,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(LabError::socket("wait for Ctrl-C")),
    }
}

async fn play(args: &DemoArgs) -> Result<(), LabError> {
    let program = program(args.program.clone())?;
    let mut scene = Scene::set(&program, args.llm == Llm::On).await?;
    scene.show_status().await?;

    title("1  the leader of six partitions is killed");
    let first = scene.failover(FIRST).await?;
    scene.show_opinion(&first).await?;

    title("2  it comes back and leads again");
    scene.failback(FIRST).await?;

    title("3  the leader of the trio is killed, then another broker");
    scene.lose_our_leader().await?;
    let second = scene.failover(SECOND).await?;

    title("4  was anything lost?");
    scene.prove(&[FIRST, SECOND]).await?;
    print_comparison(&[(FIRST, &first), (SECOND, &second)]);
    if args.keep {
        scene.print_how_to_look();
        // Ctrl-C ends it, in `run`.
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Gives the program to run.
fn program(named: Option<PathBuf>) -> Result<PathBuf, LabError> {
    let own = std::env::current_exe().map_err(LabError::file("find", "this program"))?;
    let program = named.unwrap_or_else(|| own.with_file_name("tanist"));
    if program.is_file() {
        return Ok(program);
    }
    Err(LabError::Usage(format!("no program {}: build it (cargo build) or name one with --program", program.display())))
}

fn title(text: &str) {
    println!("\n== {text}\n");
}

fn print_comparison(failovers: &[((BrokerId, &str), &Failover)]) {
    println!("\nfirst produce that succeeded after kill -9, slowest of {PARTITIONS} partitions");
    println!("  {:<34}{:>10}{:>10}", "", "acks=all", "acks=1");
    if let Some(alone) = bench::failover::kafka_alone(PARTITIONS) {
        let label = format!("Kafka alone (BENCHMARKS.md, n = {})", alone.runs);
        println!("  {label:<34}{:>10}{:>10}", history::seconds(alone.all), history::seconds(alone.one));
    }
    for ((broker, topic), failover) in failovers {
        let (all, one) = (history::seconds(failover.all_worst), history::seconds(failover.one_worst));
        println!("  {:<34}{all:>10}{one:>10}", format!("this run, {broker} leading {topic}"));
    }
    println!("  (what Kafka alone takes on this machine, and Tanist beside it: make bench-failover)");
}
