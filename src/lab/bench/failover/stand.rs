//! What runs stand on: a cluster and a topic led by the victim, made whole again after each run.
//!
//! A cluster serves several runs, as six JVMs start more slowly than most runs last, and as a cluster in production is warm. It is
//! whole when every replica is in sync again, the lists are in the order of the beginning and the victim leads everything.

use std::time::Duration;

use tokio::time;

use crate::adapters::clock;
use crate::adapters::kafka::wire::TopicView;
use crate::lab::LabError;
use crate::lab::admin::TopicPlan;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::BrokerId;
use crate::lab::options::{ClusterOptions, Timing};

/// The broker that is struck: it leads every partition of the topic.
pub(super) const VICTIM: BrokerId = BrokerId(1);
pub(super) const TOPIC: &str = "load";
/// Generous: a broker that comes back reads the logs of 500 partitions on a busy machine.
const WHOLE_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a cluster must be like for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) timing: Timing,
    pub(super) partitions: i32,
}

/// A cluster for runs with the same needs.
#[derive(Debug)]
pub(super) struct Stand {
    needs: Needs,
    cluster: Cluster,
    /// As it was made.
    topic: TopicView,
    /// How many runs it has served.
    runs: u32,
}

impl Stand {
    /// Starts a cluster and makes the topic.
    pub(super) async fn raise(needs: Needs, kafka: &str) -> Result<Self, LabError> {
        let options = ClusterOptions { kafka: kafka.to_owned(), timing: needs.timing, ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await?;
        let partitions = usize::try_from(needs.partitions).unwrap_or_default();
        let plan = TopicPlan::led_by(TOPIC, VICTIM, partitions, &cluster.brokers());
        let topic = cluster.create_topic(&plan).await?;
        Ok(Self { needs, cluster, topic, runs: 0 })
    }

    pub(super) fn fits(&self, needs: Needs) -> bool {
        self.needs == needs
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) fn topic(&self) -> &TopicView {
        &self.topic
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs
    }

    /// Heals the victim and gives leadership back, in the order of the beginning.
    ///
    /// Errors: [`LabError::Late`] with the last view if the cluster does not become whole.
    pub(super) async fn restore(&mut self, fault: &Fault) -> Result<(), LabError> {
        self.runs += 1;
        self.cluster.heal(fault)?;
        self.cluster.await_ready(VICTIM).await?;
        self.cluster.await_in_sync(TOPIC, WHOLE_WITHIN).await?;
        let hands = self.cluster.hands().await?;
        hands.reorder_as(&self.topic).await?;
        let deadline = clock::now() + WHOLE_WITHIN;
        loop {
            // Refused while a partition's first replica is not in sync, which the next round finds out.
            let elected = hands.elect_preferred(&self.topic).await;
            let now = self.cluster.await_in_sync(TOPIC, WHOLE_WITHIN).await?;
            if now.partitions.iter().all(|one| one.leader == Some(VICTIM.0)) {
                return Ok(());
            }
            if deadline <= clock::now() {
                let awaited = format!("{VICTIM} to lead all of {TOPIC} again");
                let last_seen = format!("{elected:?}; {now:?}");
                return Err(LabError::Late { awaited, within: WHOLE_WITHIN, last_seen });
            }
            time::sleep(LOOK_EVERY).await;
        }
    }
}
