//! What every run stands on: the program that is measured, how it was built, the Kafka, and how busy the machine was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::{task, time};

use super::results::Circumstance;
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::client::{Steady, SteadyOptions};
use crate::lab::cluster::Cluster;
use crate::lab::names::Listener;
use crate::lab::trio::{Controllers, TrioOptions};

/// How many acknowledgements prove that the load flows before anything is measured: some seconds of it, which also warm the JVMs.
const WARM_RECORDS: usize = 1_000;
/// Generous: JVMs on a busy machine. Nothing here waits longer than it must.
pub(super) const WARM_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What all runs share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) program: PathBuf,
    pub(super) kafka: String,
    /// What is set on every node of Kafka beyond the arm's own settings, each `KEY=VALUE`.
    pub(super) settings: Vec<String>,
    /// `release` or `debug`: the folder that the program was built into.
    pub(super) build: String,
}

impl Ground {
    /// Finds the program, and says so where it is no release build.
    pub(super) fn new(program: Option<PathBuf>, kafka: String) -> Result<Self, LabError> {
        let own = std::env::current_exe().map_err(LabError::file("find", "this program"))?;
        let program = program.unwrap_or_else(|| own.with_file_name("tanist"));
        if !program.is_file() {
            let shown = program.display();
            return Err(LabError::Usage(format!("no program {shown}: cargo build --release, or --program PATH")));
        }
        let build = build_of(&program);
        if build != "release" {
            eprintln!("tanist-lab: {} is no release build; its figures will say so", program.display());
        }
        Ok(Self { program, kafka, settings: Vec::new(), build })
    }

    /// Gives Tanist as it is shipped, but for mode auto and, where it knows the controllers, the right to fence: a figure with a
    /// test's short times would be of another program.
    pub(super) fn shipped(&self, controllers: Controllers) -> TrioOptions {
        let program = self.program.clone();
        let options = TrioOptions { program, settings: Vec::new(), controllers, cluster_id: None };
        let may_fence = (controllers == Controllers::Told).to_string();
        options.with("act", "mode", "\"auto\"").with("act", "fence.heartbeat", &may_fence)
    }
}

/// Starts a steady load and waits until it flows.
pub(super) async fn start_load(
    cluster: &Cluster,
    topic: &str,
    partitions: i32,
    records_per_s: u32,
) -> Result<Steady, LabError> {
    let brokers = cluster.bootstrap(Listener::Clients);
    let options = SteadyOptions { brokers, topic: topic.to_owned(), partitions, records_per_s };
    let starting = task::spawn_blocking(move || Steady::start(&options)).await;
    let load = starting.map_err(|error| LabError::Usage(format!("the load did not start: {error}")))??;
    let deadline = clock::now() + WARM_WITHIN;
    while load.acknowledged() < WARM_RECORDS {
        if deadline <= clock::now() {
            let last_seen = format!("{} were", load.acknowledged());
            let awaited = format!("{WARM_RECORDS} records to be acknowledged");
            return Err(LabError::Late { awaited, within: WARM_WITHIN, last_seen });
        }
        time::sleep(LOOK_EVERY).await;
    }
    Ok(load)
}

/// Gives what a run is measured on that begins now: a busy machine shows in the raw data.
pub(super) fn circumstance(kafka: &str, tanist_build: Option<&str>) -> Circumstance {
    let tanist_build = tanist_build.map(str::to_owned);
    Circumstance { kafka: kafka.to_owned(), cores: cores(), tanist_build, load_before: load_average() }
}

/// Gives the machine's load of the last minute, as the kernel writes it.
fn load_average() -> Option<String> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next().map(str::to_owned)
}

/// Gives the folder that a program was built into: `release` or `debug`.
fn build_of(program: &Path) -> String {
    let folder = program.parent().and_then(|folder| folder.file_name());
    folder.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Gives how this program itself was built.
pub(super) fn own_build() -> Result<String, LabError> {
    std::env::current_exe().map(|own| build_of(&own)).map_err(LabError::file("find", "this program"))
}

/// Gives how many cores this machine lends us.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trio_runs_with_the_shipped_settings_but_for_mode_and_fence() {
        let ground = Ground {
            program: "tanist".into(),
            kafka: "4.3.1".to_owned(),
            settings: Vec::new(),
            build: "release".to_owned(),
        };
        for (controllers, fence) in [(Controllers::Told, "true"), (Controllers::Untold, "false")] {
            let settings = ground.shipped(controllers).settings;
            let fence = format!("fence.heartbeat = {fence}");
            assert_eq!(settings, [("act", "mode = \"auto\"".to_owned()), ("act", fence)]);
        }
    }
}
