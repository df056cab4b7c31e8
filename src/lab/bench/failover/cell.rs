//! One run: a cluster, perhaps a trio, a load, the fault, and the probe.

use std::time::Duration;

use tokio::time;

use super::figure::{Figure, Measured};
use super::{Arm, Breakage};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::act::Against;
use crate::lab::admin::TopicPlan;
use crate::lab::bench::ground::{Ground, WARM_WITHIN, load_average, start_load};
use crate::lab::client::Probe;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::ClusterOptions;
use crate::lab::settled::await_settled;
use crate::lab::trio::{Controllers, Trio};

/// The broker that is struck: it leads every partition of the topic.
const VICTIM: BrokerId = BrokerId(1);
const TOPIC: &str = "load";
/// When the oracle acts, from the fault on.
const ORACLE_AFTER: Duration = Duration::from_millis(50);
/// Enough that every partition of 500 has open batches now and then, little enough for a small machine.
const RECORDS_A_SECOND: u32 = 200;

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
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self, kafka: &str) -> String {
        let Self { arm, fault, partitions, run } = self;
        format!("{kafka} {} {} x{partitions} #{run}", arm.name(), fault.kind())
    }

    /// Carries the run out; everything that it started is gone afterwards.
    pub(super) async fn measure(self, watched: Watched<'_>) -> Result<Figure, LabError> {
        let (ground, busy) = (watched.ground, load_average());
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
        let load = start_load(&cluster, TOPIC, self.partitions, RECORDS_A_SECOND).await?;
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
        let ((all, one), acted) = tokio::join!(probe.both(at, watched.within), acting);
        // The victim may be stopped: the clients end when the cluster does, and nobody needs their report.
        drop(load);
        let measured = Measured { all, one, acted: acted.map_err(|error| error.to_string()) };
        Ok(Figure::of(&self, watched, busy, &measured))
    }
}

async fn start_trio(cluster: &Cluster, ground: &Ground, controllers: Controllers) -> Result<Trio, LabError> {
    let options = ground.shipped(controllers);
    let trio = Trio::start(cluster, &cluster.folder().join("trio"), options).await?;
    trio.await_leader(WARM_WITHIN).await?;
    Ok(trio)
}
