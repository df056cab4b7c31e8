//! One run: quiet windows and rolling restarts of one cluster, with and without the trio.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::{task, time};

use super::Arm;
use super::figure::{Figure, Quiet, Rolled, Told};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::admin::{Hands, TopicPlan};
use crate::lab::bench::ground::{Ground, WARM_WITHIN, circumstance, start_load};
use crate::lab::client::{Steady, final_read};
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::names::BrokerId;
use crate::lab::options::ClusterOptions;
use crate::lab::records;
use crate::lab::settled::await_settled;
use crate::lab::trio::{Controllers, NODES, Trio};
use crate::model::record::{Body, DecisionVerdict};

const TOPIC: &str = "load";
/// Three for each of three brokers.
const PARTITIONS: i32 = 9;
const RECORDS_A_SECOND: u32 = 200;
/// After a change of arms: what starting or ending processes did to the machine is not measured.
const REST: Duration = Duration::from_secs(3);
/// Between two restarts: long enough for whoever restarts brokers with care, who waits for the last one to be in sync and looks.
const BETWEEN: Duration = Duration::from_secs(5);
const BACK_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) run: u32,
    pub(super) window: Duration,
}

/// What a run plays on.
struct Scene {
    trio: Trio,
    load: Steady,
    hands: Hands,
    arm: Arm,
    /// Last: the trio goes before the cluster that it watches.
    cluster: Cluster,
}

impl Cell {
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self, kafka: &str) -> String {
        format!("{kafka} #{}", self.run)
    }

    /// Carries the run out; everything that it started is gone afterwards.
    pub(super) async fn measure(self, ground: &Ground) -> Result<Figure, LabError> {
        let on = circumstance(&ground.kafka, Some(&ground.build));
        let mut scene = Scene::set(ground).await?;
        // Every other run begins with the other arm: a machine that gets slower or faster favours neither.
        let first = if self.run.is_multiple_of(2) { Arm::With } else { Arm::Without };
        let mut quiet = Vec::new();
        for arm in [first, first.other(), first.other(), first] {
            scene.take(arm).await?;
            scene.load.mark();
            time::sleep(self.window).await;
            quiet.push(Quiet::of(arm, &scene.load.felt()));
        }
        let mut rolled = Vec::new();
        for arm in [first, first.other()] {
            scene.take(arm).await?;
            rolled.push(scene.roll().await?);
        }
        let lost = scene.end().await?;
        Ok(Figure {
            key: self.key(&ground.kafka),
            on,
            run: self.run,
            window_ms: crate::lab::bench::ground::millis(self.window),
            quiet,
            rolled,
            lost,
        })
    }
}

impl Scene {
    /// Starts the cluster and its load; the trio is prepared and not started.
    async fn set(ground: &Ground) -> Result<Self, LabError> {
        let cluster =
            Cluster::start(ClusterOptions { kafka: ground.kafka.clone(), ..ClusterOptions::default() }).await?;
        let brokers = cluster.brokers();
        let replicas = |number: usize| brokers.iter().copied().cycle().skip(number % brokers.len()).take(3).collect();
        let partitions = usize::try_from(PARTITIONS).unwrap_or_default();
        let replicas = (0..partitions).map(replicas).collect();
        cluster.create_topic(&TopicPlan { name: TOPIC.to_owned(), replicas, settings: Vec::new() }).await?;
        let trio = Trio::prepare(&cluster, &cluster.folder().join("trio"), ground.shipped(Controllers::Told))?;
        trio.init().await?;
        let load = start_load(&cluster, TOPIC, PARTITIONS, RECORDS_A_SECOND).await?;
        let hands = cluster.hands().await?;
        Ok(Self { trio, load, hands, arm: Arm::Without, cluster })
    }

    /// Starts or ends the trio's processes, and waits until what follows is the arm alone.
    async fn take(&mut self, arm: Arm) -> Result<(), LabError> {
        if self.arm != arm {
            for id in NODES {
                match arm {
                    Arm::With => self.trio.begin(id)?,
                    Arm::Without => self.trio.kill(id)?,
                }
            }
            self.arm = arm;
        }
        if arm == Arm::With {
            self.trio.await_leader(WARM_WITHIN).await?;
            await_settled(&self.trio, self.cluster.brokers().len(), WARM_WITHIN).await?;
        }
        time::sleep(REST).await;
        Ok(())
    }

    /// Restarts every broker in turn, each leading its share until then.
    async fn roll(&self) -> Result<Rolled, LabError> {
        let since = match self.arm {
            Arm::With => Some(records::last(&self.trio, NODES[0]).await?),
            Arm::Without => None,
        };
        self.load.mark();
        let brokers = self.cluster.brokers();
        for broker in &brokers {
            self.restart(*broker).await?;
            time::sleep(BETWEEN).await;
        }
        let felt = self.load.felt();
        let told = match since {
            Some(since) => {
                await_settled(&self.trio, brokers.len(), WARM_WITHIN).await?;
                Some(self.told(since).await?)
            }
            None => None,
        };
        Ok(Rolled::of(self.arm, brokers.len(), &felt, told))
    }

    async fn restart(&self, broker: BrokerId) -> Result<(), LabError> {
        let fault = Fault::at(FaultKind::Terminate, broker);
        self.cluster.inflict(&fault)?;
        self.cluster.await_gone(broker).await?;
        self.cluster.heal(&fault)?;
        self.cluster.await_ready(broker).await?;
        let deadline = clock::now() + BACK_WITHIN;
        loop {
            let view = self.cluster.await_in_sync(TOPIC, BACK_WITHIN).await?;
            if view.partitions.iter().all(|one| one.leader == one.replicas.first().copied()) {
                return Ok(());
            }
            if deadline <= clock::now() {
                let awaited = format!("{broker} to lead again");
                return Err(LabError::Late { awaited, within: BACK_WITHIN, last_seen: format!("{view:?}") });
            }
            self.hands.elect_preferred(&view).await?;
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives what the records say about the restarts.
    async fn told(&self, since: u64) -> Result<Told, LabError> {
        let mut told = Told { findings: BTreeMap::new(), acts: 0, offers: 0, attentions: 0 };
        for entry in records::since(&self.trio, NODES[0], since).await? {
            let body = &entry.record.body;
            if let Body::Opened(finding) | Body::Reclassified { to: finding, .. } = body {
                *told.findings.entry(finding.kind.name().to_owned()).or_default() += 1;
            } else if let Body::Decided(decision) = body {
                match decision.verdict {
                    DecisionVerdict::Act { .. } => told.acts += 1,
                    DecisionVerdict::Offer { .. } | DecisionVerdict::WouldAct => told.offers += 1,
                    DecisionVerdict::Nothing(_) => {}
                }
            } else if matches!(body, Body::Attention { .. }) {
                told.attentions += 1;
            }
        }
        Ok(told)
    }

    /// Ends the load and gives how many acknowledged records cannot be read.
    async fn end(self) -> Result<usize, LabError> {
        let load = self.load;
        let stopped = task::spawn_blocking(move || load.stop()).await;
        let felt = stopped.map_err(|error| LabError::Usage(format!("a client's thread ended badly: {error}")))??;
        Ok(final_read(&self.cluster, TOPIC, &felt.acknowledged).await?.lost.len())
    }
}
