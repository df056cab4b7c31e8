//! One run of one cell: break, act, measure, heal, and wait until the cluster is whole.

use std::time::Duration;

use tokio::time;

use super::{Arm, Breakage, Figure};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::act::{Act, Against};
use crate::lab::admin::TopicPlan;
use crate::lab::client::Probe;
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::names::{BrokerId, Listener};

/// The broker that is struck: it leads every partition of the cell's topic.
const VICTIM: BrokerId = BrokerId(1);
/// A broker that was killed and fenced waits up to 9 s for its dead life's session, then catches up.
const WHOLE_WITHIN: Duration = Duration::from_secs(120);

/// One run of one cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) kafka: String,
    pub(super) arm: Arm,
    pub(super) breakage: Breakage,
    pub(super) act: Act,
    pub(super) delay: Duration,
    pub(super) partitions: i32,
    pub(super) watch: Duration,
    pub(super) run: u32,
}

impl Cell {
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self) -> String {
        let Self { kafka, arm, act, partitions, run, .. } = self;
        let (fault, delay) = (self.fault().kind, self.delay.as_millis());
        format!("{kafka} {} {fault} {act} after {delay}ms x{partitions} #{run}", arm.name())
    }

    fn fault(&self) -> Fault {
        Fault::at(self.breakage.kind(), VICTIM)
    }

    /// Runs the cell and leaves the cluster whole.
    pub(super) async fn measure(&self, cluster: &Cluster) -> Result<Figure, LabError> {
        let name = format!("matrix-{}", self.key().replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let partitions = usize::try_from(self.partitions).unwrap_or_default();
        let topic = cluster.create_topic(&TopicPlan::led_by(&name, VICTIM, partitions, &cluster.brokers())).await?;
        let against = Against { broker: VICTIM, epoch: cluster.broker_epoch(VICTIM)?, topic };
        let hands = cluster.hands().await?;
        let probe = Probe::new(cluster.bootstrap(Listener::Clients), &name, self.partitions);
        let fault = self.fault();
        let at = cluster.inflict(&fault)?;
        let acting = async {
            time::sleep_until((at + self.delay).into()).await;
            let sent = clock::now();
            self.act.send(&hands, &against).await.map(|()| sent.elapsed())
        };
        let ((all, one), acted) = tokio::join!(probe.both(at, self.watch), acting);
        let figure = Figure::of(self, &all, &one, acted.map_err(|error| error.to_string()));
        self.heal(cluster, &fault).await?;
        cluster.delete_topic(&name).await?;
        Ok(figure)
    }

    async fn heal(&self, cluster: &Cluster, fault: &Fault) -> Result<(), LabError> {
        cluster.heal(fault)?;
        if self.act.drops_registration() && !matches!(fault.kind, FaultKind::Kill) {
            // A broker that was unregistered while it ran is a zombie until its process starts anew.
            let kill = Fault::kill(VICTIM);
            cluster.inflict(&kill)?;
            cluster.await_gone(VICTIM).await?;
            cluster.heal(&kill)?;
        }
        cluster.await_ready(VICTIM).await?;
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
