//! THE DIFFERENTIAL SUITE'S REAL SIDE: plays the table of `sim::differential` on real Kafka and writes down what it did.
//!
//! One cluster plays many batches, on fresh topics, and is made whole in between; a batch that fails takes its cluster with it.
//! What is recorded already is not played again, so that a broken-off recording goes on where it stopped.

mod ask;
mod look;
mod player;
mod reign;
mod truth;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::admin::chain;
use crate::lab::cluster::Cluster;
use crate::lab::options::{ClusterOptions, Disk, KAFKA_DEFAULT, Roles, Timing};
use crate::sim::differential::{Batch, Ground, Line, Recording};
use crate::sim::kafka::plan::Version;
use player::Player;

/// What to record.
#[derive(Debug, Args)]
pub struct DifferentialArgs {
    /// The Kafka releases.
    #[arg(long, value_delimiter = ',', default_value = KAFKA_DEFAULT)]
    kafka: Vec<String>,
    /// The folder of the recordings, one file per release; what is there already is not played again.
    #[arg(long, default_value = "tests/differential")]
    record: PathBuf,
    /// States to play; all if left out.
    #[arg(long, value_delimiter = ',')]
    state: Vec<String>,
    /// Play these states again although they are recorded.
    #[arg(long)]
    again: bool,
    /// Begin no new batch after this long.
    #[arg(long, value_parser = humantime::parse_duration)]
    within: Option<Duration>,
}

/// Younger than the 300 s after which Kafka gives leadership back by itself for the first time.
const CLUSTER_AGE_MAX: Duration = Duration::from_secs(240);
/// A batch that fails is played once more on a new cluster; twice is a finding.
const ATTEMPTS: u32 = 2;

/// Plays what is asked for and not recorded yet.
///
/// Errors: those of a cluster that does not start, and of a batch that failed twice.
pub async fn run(args: DifferentialArgs) -> Result<(), LabError> {
    let end = args.within.map(|within| clock::now() + within);
    let known: BTreeSet<String> = Batch::all().iter().map(|batch| batch.state.to_string()).collect();
    if let Some(unknown) = args.state.iter().find(|name| !known.contains(*name)) {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(LabError::Usage(format!("no state {unknown:?}: {}", names.join(", "))));
    }
    args.kafka.iter().try_for_each(|kafka| pretended(kafka).map(|_| ()))?;
    for kafka in &args.kafka {
        let path = args.record.join(format!("kafka-{kafka}.ndjson"));
        let mut recording = read(&path)?;
        let mut todo: Vec<Batch> = Batch::all();
        todo.retain(|batch| args.state.is_empty() || args.state.contains(&batch.state.to_string()));
        let recorded =
            |batch: &Batch| batch.cells.iter().all(|cell| recording.lines.contains_key(&(batch.state, *cell)));
        todo.retain(|batch| args.again || !recorded(batch));
        for ground in Ground::ALL {
            let ours: Vec<&Batch> = todo.iter().filter(|batch| batch.state.ground() == ground).collect();
            let mut keep = |lines: Vec<Line>| {
                recording.lines.extend(lines.into_iter().map(|line| ((line.state, line.action), line)));
                write(&path, &recording)
            };
            match play(kafka, ground, &ours, end, &mut keep).await {
                Err(LabError::Skipped(why)) => println!("skipped: {} batches: {why}", ours.len()),
                played => played?,
            }
        }
    }
    Ok(())
}

/// Plays batches on one cluster after another; keeps the lines of each at once.
async fn play(
    kafka: &str,
    ground: Ground,
    batches: &[&Batch],
    end: Option<Instant>,
    keep: &mut impl FnMut(Vec<Line>) -> Result<(), LabError>,
) -> Result<(), LabError> {
    let mut playing: Option<(Player, Instant)> = None;
    for batch in batches {
        for attempt in 1..=ATTEMPTS {
            if end.is_some_and(|end| end <= clock::now()) {
                return Ok(());
            }
            playing = playing.filter(|(_, since)| since.elapsed() < CLUSTER_AGE_MAX);
            let (mut player, since) = match playing.take() {
                Some(playing) => playing,
                None => (start(kafka, ground).await?, clock::now()),
            };
            let began = clock::now();
            match player.play(batch).await {
                Ok(lines) => {
                    let cells = lines.len();
                    keep(lines)?;
                    eprintln!("{kafka} {} {:?}: {cells} cells in {:?}", batch.state, batch.company, began.elapsed());
                    playing = Some((player, since));
                    break;
                }
                Err(error) => {
                    eprintln!("{kafka} {} {:?}: attempt {attempt}: {}", batch.state, batch.company, chain(&error));
                    if attempt == ATTEMPTS {
                        return Err(error);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Gives the version of the model that is held against this release.
fn pretended(kafka: &str) -> Result<Version, LabError> {
    Version::of(kafka)
        .ok_or_else(|| LabError::Usage(format!("the model pretends to be no Kafka {kafka}: 4.3, 4.1 or 3.9")))
}

async fn start(kafka: &str, ground: Ground) -> Result<Player, LabError> {
    let version = pretended(kafka)?;
    Player::of(Cluster::start(options(kafka, ground)).await?, version).await
}

/// Gives the cluster that a state is made in.
fn options(kafka: &str, ground: Ground) -> ClusterOptions {
    let (timing, disk, roles) = match ground {
        Ground::Tuned => (Timing::Tuned, Disk::Folder, Roles::Separate),
        Ground::TunedFreezable => (Timing::Tuned, Disk::Loop, Roles::Separate),
        Ground::Stock => (Timing::Stock, Disk::Folder, Roles::Separate),
        Ground::Combined => (Timing::Stock, Disk::Folder, Roles::Combined),
    };
    ClusterOptions { kafka: kafka.to_owned(), timing, disk, roles, ..ClusterOptions::default() }
}

/// Plays batches that are made in the same kind of cluster on one cluster, and keeps nothing.
///
/// Errors: those of the cluster and of a batch whose trouble could not be made; [`LabError::Skipped`] if this machine cannot have it.
pub async fn play_on_one(kafka: &str, ground: Ground, batches: &[Batch]) -> Result<Vec<Line>, LabError> {
    let mut player = start(kafka, ground).await?;
    let mut lines = Vec::new();
    for batch in batches {
        lines.extend(player.play(batch).await?);
    }
    Ok(lines)
}

fn read(path: &Path) -> Result<Recording, LabError> {
    if !path.exists() {
        return Ok(Recording::default());
    }
    let text = fs::read_to_string(path).map_err(LabError::file("read", path))?;
    Recording::read(&text).map_err(|error| LabError::Usage(format!("{}: {}", path.display(), chain(&error))))
}

/// Renamed into place, so that a broken-off run leaves the last whole recording.
fn write(path: &Path, recording: &Recording) -> Result<(), LabError> {
    let text = recording.write().map_err(|error| LabError::Usage(format!("cannot write a line: {error}")))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(LabError::file("make", folder))?;
    }
    let part = path.with_extension("part");
    fs::write(&part, text).map_err(LabError::file("write", &part))?;
    fs::rename(&part, path).map_err(LabError::file("rename", &part))
}
