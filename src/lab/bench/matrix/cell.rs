//! One run of one cell: break, act, measure, heal, and wait until the cluster is whole.

use std::time::Duration;

use tokio::time;

use super::Arm;
use super::figure::Figure;
use super::reference::Row;
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::act::Against;
use crate::lab::admin::{TopicPlan, chain};
use crate::lab::bench::ground::{circumstance, millis, own_build};
use crate::lab::client::Probe;
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::names::{BrokerId, Listener};
use crate::lab::options::Disk;

/// The broker that is struck: it leads every partition of the cell's topic.
const VICTIM: BrokerId = BrokerId(1);
/// A broker that was killed and fenced waits up to 9 s for its dead life's session, then catches up.
const WHOLE_WITHIN: Duration = Duration::from_secs(120);
/// Ample for the first records of 2,000 partitions: each flushes a file on three brokers, which took a minute on one disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(180);

/// One run of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) row: Row,
    pub(super) run: u32,
}

impl Cell {
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self, kafka: &str) -> String {
        let Row { arm, breakage, act, delay_ms, partitions, .. } = self.row;
        let (arm, fault, run) = (arm.name(), breakage.kind(), self.run);
        format!("{kafka} {arm} {fault} {act} after {delay_ms}ms x{partitions} #{run}")
    }

    /// Gives what its cluster must have.
    pub(super) fn needs(&self) -> (Arm, Disk) {
        (self.row.arm, self.row.breakage.disk())
    }

    /// Runs the cell and leaves the cluster whole.
    ///
    /// Errors: [`LabError`] where the cluster cannot be broken or does not become whole again.
    pub(super) async fn measure(&self, cluster: &Cluster, watch: Duration) -> Result<Figure, LabError> {
        let Row { breakage, act, delay_ms, partitions: count, .. } = self.row;
        let on = circumstance(&cluster.options().kafka, None);
        let name = format!("matrix-{}", uuid::Uuid::new_v4().simple());
        let partitions = usize::try_from(count).unwrap_or_default();
        let topic = cluster.create_topic(&TopicPlan::led_by(&name, VICTIM, partitions, &cluster.brokers())).await?;
        let against = Against { broker: VICTIM, epoch: cluster.broker_epoch(VICTIM)?, topic };
        let hands = cluster.hands().await?;
        let probe = Probe::new(cluster.bootstrap(Listener::Clients), &name, count);
        written(&probe, &name).await?;
        let fault = Fault::at(breakage.kind(), VICTIM);
        let watch = self.row.watch(watch);
        let at = cluster.inflict(&fault)?;
        let acting = async {
            time::sleep_until((at + Duration::from_millis(delay_ms)).into()).await;
            let sent = clock::now();
            act.send(&hands, &against).await.map(|()| sent.elapsed())
        };
        let ((all, one), acted) = tokio::join!(probe.both(at, watch), acting);
        let figure = Figure {
            key: self.key(&on.kafka),
            on,
            lab_build: own_build()?,
            arm: self.row.arm,
            fault: breakage,
            act,
            delay_ms,
            partitions: count,
            run: self.run,
            watched_ms: millis(watch),
            act_took_ms: acted.as_ref().ok().copied().map(millis),
            act_refused: acted.err().map(|error| chain(&error)),
            all_worst_ms: all.worst().map(millis),
            all_median_ms: all.median().map(millis),
            one_worst_ms: one.worst().map(millis),
            one_median_ms: one.median().map(millis),
        };
        self.heal(cluster, &fault).await?;
        cluster.delete_topic(&name).await?;
        Ok(figure)
    }

    async fn heal(&self, cluster: &Cluster, fault: &Fault) -> Result<(), LabError> {
        cluster.heal(fault)?;
        if self.row.act.drops_registration() && !matches!(fault.kind, FaultKind::Kill) {
            cluster.renew(VICTIM).await?;
        } else {
            cluster.await_ready(VICTIM).await?;
        }
        // A topic of its own, so that the cluster is known to be whole even where the act took the victim off the cell's.
        let name = format!("whole-{}", uuid::Uuid::new_v4().simple());
        let deadline = clock::now() + WHOLE_WITHIN;
        loop {
            match cluster.create_topic(&TopicPlan::led_by(&name, VICTIM, 1, &cluster.brokers())).await {
                Ok(_) => return cluster.delete_topic(&name).await,
                Err(error) if deadline <= clock::now() => return Err(error),
                Err(_) => time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

/// Writes to every partition: the first record of all also flushes `partition.metadata` (`UnifiedLog.maybeFlushMetadataFile`), which
/// no partition that is in use waits for, and a stalled disk lets nobody flush.
async fn written(probe: &Probe, topic: &str) -> Result<(), LabError> {
    let (all, _) = probe.both(clock::now(), WRITTEN_WITHIN).await;
    all.worst().map(|_| ()).ok_or_else(|| LabError::Late {
        awaited: format!("a record in every partition of {topic}"),
        within: WRITTEN_WITHIN,
        last_seen: "none in at least one of them".to_owned(),
    })
}
