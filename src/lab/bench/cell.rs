//! One run: a cluster, perhaps a trio, a load, the fault, and the probe.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::{task, time};

use super::figure::{Figure, Measured};
use super::{Arm, Breakage};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::act::Against;
use crate::lab::admin::TopicPlan;
use crate::lab::client::{Probe, Steady, SteadyOptions};
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::ClusterOptions;
use crate::lab::settled::await_settled;
use crate::lab::trio::{Controllers, Trio, TrioOptions};

/// The broker that is struck: it leads every partition of the topic.
const VICTIM: BrokerId = BrokerId(1);
const TOPIC: &str = "load";
/// When the oracle acts, from the fault on.
const ORACLE_AFTER: Duration = Duration::from_millis(50);
/// Enough that every partition of 500 has open batches now and then, little enough for a small machine.
const RECORDS_A_SECOND: u32 = 200;
/// How many acknowledgements prove that the load flows before anything is broken: some seconds of it, which also warm the JVMs.
const WARM_RECORDS: usize = 1_000;
const WARM_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What all runs share.
#[derive(Debug)]
pub(super) struct Ground {
    program: PathBuf,
    pub(super) kafka: String,
    pub(super) watch: Duration,
    /// `release` or `debug`: the folder that the program was built into.
    pub(super) build: String,
}

impl Ground {
    /// Finds the program, and says so where it is no release build.
    pub(super) fn new(program: Option<PathBuf>, kafka: String, watch: Duration) -> Result<Self, LabError> {
        let own = std::env::current_exe().map_err(LabError::file("find", "this program"))?;
        let program = program.unwrap_or_else(|| own.with_file_name("tanist"));
        if !program.is_file() {
            let shown = program.display();
            return Err(LabError::Usage(format!("no program {shown}: cargo build --release, or --program PATH")));
        }
        let folder = program.parent().and_then(|folder| folder.file_name());
        let build = folder.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
        if build != "release" {
            eprintln!("tanist-lab: {} is no release build; its figures will say so", program.display());
        }
        Ok(Self { program, kafka, watch, build })
    }
}

/// One run of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) arm: Arm,
    pub(super) fault: Breakage,
    pub(super) partitions: i32,
    pub(super) run: u32,
}

impl Cell {
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self, kafka: &str) -> String {
        let Self { arm, fault, partitions, run } = self;
        format!("{kafka} {} {} x{partitions} #{run}", arm.name(), fault.kind())
    }

    /// Carries the run out; everything that it started is gone afterwards.
    pub(super) async fn measure(self, ground: &Ground) -> Result<Figure, LabError> {
        let busy = load_average();
        let options =
            ClusterOptions { kafka: ground.kafka.clone(), timing: self.arm.timing(), ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await?;
        let partitions = usize::try_from(self.partitions).unwrap_or_default();
        let brokers = cluster.brokers();
        let topic = cluster.create_topic(&TopicPlan::led_by(TOPIC, VICTIM, partitions, &brokers)).await?;
        let trio = match self.arm.trio() {
            Some(controllers) => Some(start_trio(&cluster, ground, controllers).await?),
            None => None,
        };
        let load = self.start_load(&cluster).await?;
        if let Some(trio) = &trio {
            await_settled(trio, brokers.len(), WARM_WITHIN).await?;
        }
        let against = Against { broker: VICTIM, epoch: cluster.broker_epoch(VICTIM)?, topic };
        let hands = cluster.hands().await?;
        let probe = Probe::new(cluster.bootstrap(Listener::Clients), TOPIC, self.partitions);
        let at = cluster.inflict(&Fault::at(self.fault.kind(), VICTIM))?;
        let acting = async {
            time::sleep_until((at + ORACLE_AFTER).into()).await;
            let sent = clock::now();
            self.arm.oracle().send(&hands, &against).await.map(|()| sent.elapsed())
        };
        let ((all, one), acted) = tokio::join!(probe.both(at, ground.watch), acting);
        // The victim may be stopped: the clients end when the cluster does, and nobody needs their report.
        drop(load);
        let measured = Measured { all, one, acted: acted.map_err(|error| error.to_string()) };
        Ok(Figure::of(&self, ground, busy, &measured))
    }

    async fn start_load(&self, cluster: &Cluster) -> Result<Steady, LabError> {
        let options = SteadyOptions {
            brokers: cluster.bootstrap(Listener::Clients),
            topic: TOPIC.to_owned(),
            partitions: self.partitions,
            records_per_s: RECORDS_A_SECOND,
        };
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
}

async fn start_trio(cluster: &Cluster, ground: &Ground, controllers: Controllers) -> Result<Trio, LabError> {
    let options = trio_options(&ground.program, controllers);
    let trio = Trio::start(cluster, &cluster.folder().join("trio"), options).await?;
    trio.await_leader(WARM_WITHIN).await?;
    Ok(trio)
}

/// Gives Tanist as it is shipped, but for what makes the arm: a figure with a test's short times would be of another program.
fn trio_options(program: &Path, controllers: Controllers) -> TrioOptions {
    let options = TrioOptions { program: program.to_owned(), settings: Vec::new(), controllers, cluster_id: None };
    let may_fence = (controllers == Controllers::Told).to_string();
    options.with("act", "mode", "\"auto\"").with("act", "fence.heartbeat", &may_fence)
}

/// Gives the machine's load of the last minute before the run, as the kernel writes it: a busy machine shows in the raw data.
fn load_average() -> Option<String> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trio_runs_with_the_shipped_settings_but_for_mode_and_fence() {
        for (controllers, fence) in [(Controllers::Told, "true"), (Controllers::Untold, "false")] {
            let settings = trio_options(Path::new("tanist"), controllers).settings;
            let fence = format!("fence.heartbeat = {fence}");
            assert_eq!(settings, [("act", "mode = \"auto\"".to_owned()), ("act", fence)]);
        }
    }
}
