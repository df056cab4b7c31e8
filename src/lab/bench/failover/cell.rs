//! One run on a cluster that is whole: perhaps a trio, a load, the fault, and the probe.

use std::thread;
use std::time::Duration;

use tokio::time;

use super::figure::{Figure, Measured};
use super::stand::{Needs, Stand, TOPIC, VICTIM};
use super::{Arm, Breakage};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::act::Against;
use crate::lab::bench::ground::{Ground, WARM_WITHIN, circumstance, start_load};
use crate::lab::client::{Probe, Steady};
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::folder::Folder;
use crate::lab::names::Listener;
use crate::lab::records;
use crate::lab::settled::await_settled;
use crate::lab::trio::{Controllers, NODES, Trio};
use crate::model::operator::Entry;
use crate::model::record::{Body, Mark};

/// When the oracle acts, from the fault on.
const ORACLE_AFTER: Duration = Duration::from_millis(50);
/// Enough that every partition of 500 has open batches now and then, little enough for a small machine.
const RECORDS_A_SECOND: u32 = 200;

/// Longer than a read-back goes on, which comes before the outcome.
const RECORDED_WITHIN: Duration = Duration::from_secs(8);

/// What a run stands on, and how long it is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) ground: &'a Ground,
    pub(super) within: Duration,
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
    /// Gives what tells this run from every other one on that Kafka.
    pub(super) fn key(&self, kafka: &str, settings: &[String]) -> String {
        let Self { arm, fault, partitions, run } = self;
        let set: String = settings.iter().map(|line| format!(" {line}")).collect();
        format!("{kafka}{set} {} {} x{partitions} #{run}", arm.name(), fault.kind())
    }

    /// Gives what a cluster must be like for it.
    pub(super) fn needs(&self) -> Needs {
        Needs { timing: self.arm.timing(), partitions: self.partitions }
    }

    /// Carries the run out on a cluster that is whole; the victim is still struck afterwards.
    ///
    /// The trio is new and ends with the run: none inherits cool-downs or learnt silences from another.
    pub(super) async fn measure(self, stand: &Stand, watched: Watched<'_>) -> Result<Figure, LabError> {
        let (ground, cluster) = (watched.ground, stand.cluster());
        let on = circumstance(&ground.kafka, self.arm.trio().map(|_| ground.build.as_str()));
        // The folder goes after the processes that write to it.
        let (trio, _folder) = match self.arm.trio() {
            Some(controllers) => Some(start_trio(cluster, ground, controllers).await?),
            None => None,
        }
        .unzip();
        let load = start_load(cluster, TOPIC, self.partitions, RECORDS_A_SECOND).await?;
        if let Some(trio) = &trio {
            await_settled(trio, cluster.brokers().len(), WARM_WITHIN).await?;
        }
        let against = Against { broker: VICTIM, epoch: cluster.broker_epoch(VICTIM)?, topic: stand.topic().clone() };
        let hands = cluster.hands().await?;
        let probe = Probe::new(cluster.bootstrap(Listener::Clients), TOPIC, self.partitions);
        let dies = self.arm.trio_dies(self.run);
        if dies == Some(Duration::ZERO) {
            kill(trio.as_ref())?;
        }
        let at = cluster.inflict(&self.blow())?;
        let acting = async {
            time::sleep_until((at + ORACLE_AFTER).into()).await;
            let sent = clock::now();
            self.arm.oracle().send(&hands, &against).await.map(|()| sent.elapsed())
        };
        let dying = async {
            let Some(after) = dies else { return Ok(()) };
            time::sleep_until((at + after).into()).await;
            kill(trio.as_ref())
        };
        let ((all, one), acted, died) = tokio::join!(probe.both(at, watched.within), acting, dying);
        died?;
        let stages = match &trio {
            Some(trio) if dies.is_none() => first_stages(trio).await?,
            Some(_) | None => Vec::new(),
        };
        drop(trio);
        end_load(load);
        let acted = acted.map_err(|error| error.to_string());
        let measured = Measured { all, one, acted, runs_before: stand.runs(), data: stand.data(), stages };
        Ok(Figure::of(&self, watched, on, &measured))
    }

    /// Gives the fault as the lab carries it out.
    pub(super) fn blow(&self) -> Fault {
        Fault::at(self.fault.kind(), VICTIM)
    }
}

async fn start_trio(cluster: &Cluster, ground: &Ground, controllers: Controllers) -> Result<(Trio, Folder), LabError> {
    // Not below the cluster's folder: what Tanist writes before it acts is to be as slow as this machine's disk.
    let folder = Folder::make(None, None)?;
    let trio = Trio::start(cluster, folder.path(), ground.shipped(controllers)).await?;
    trio.await_leader(WARM_WITHIN).await?;
    Ok((trio, folder))
}

/// Gives when the first plan of a trio reached each stage; none where no outcome is recorded in time.
async fn first_stages(trio: &Trio) -> Result<Vec<Mark>, LabError> {
    let stages = |entries: &[Entry]| {
        entries.iter().find_map(|entry| {
            let Body::Outcome(outcome) = &entry.record.body else { return None };
            Some(outcome.timeline.clone())
        })
    };
    Ok(records::awaited(trio, (NODES[0], 0), RECORDED_WITHIN, stages).await?.unwrap_or_default())
}

/// Kills all nodes that still live.
fn kill(trio: Option<&Trio>) -> Result<(), LabError> {
    trio.map_or(Ok(()), |trio| NODES.into_iter().try_for_each(|id| trio.kill(id)))
}

/// Tells the clients to end; nobody needs their report, and one may hang at the victim until it is healed.
fn end_load(load: Steady) {
    thread::spawn(move || {
        let _unread = load.stop();
    });
}
