//! One run: a cluster with many partitions, a trio beside it, and a minute in which nothing happens.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time;

use super::Arm;
use super::figure::{Asked, Figure, NodeUse, Place};
use super::usage::{cpu_time, memory};
use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::admin::TopicPlan;
use crate::lab::bench::ground::{Ground, WARM_WITHIN, circumstance, millis};
use crate::lab::cluster::Cluster;
use crate::lab::names::{BrokerId, Listener, Target};
use crate::lab::options::ClusterOptions;
use crate::lab::settled::await_settled;
use crate::lab::trio::{NODES, Trio};

/// Partitions of one topic: a cluster of thousands has many topics, whose names and settings a node holds as well.
const TOPIC_PARTITIONS: usize = 100;
/// Once every broker is green: long enough for each probe to have gone round, so that nothing of the start is watched.
const CALM_FOR: Duration = Duration::from_secs(35);
/// What "most in a second" means.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// One run of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) arm: Arm,
    pub(super) partitions: u32,
    pub(super) run: u32,
}

impl Cell {
    /// Gives what tells this run from every other one.
    pub(super) fn key(&self, kafka: &str) -> String {
        let Self { arm, partitions, run } = self;
        format!("{kafka} {} x{partitions} #{run}", arm.name())
    }

    /// Carries the run out; everything that it started is gone afterwards.
    pub(super) async fn measure(self, ground: &Ground, watch: Duration) -> Result<Figure, LabError> {
        let on = circumstance(&ground.kafka, Some(&ground.build));
        let cluster =
            Cluster::start(ClusterOptions { kafka: ground.kafka.clone(), ..ClusterOptions::default() }).await?;
        for plan in topics(self.partitions, &cluster.brokers()) {
            cluster.create_topic(&plan).await?;
        }
        let trio =
            Trio::start(&cluster, &cluster.folder().join("trio"), ground.shipped(self.arm.controllers())).await?;
        trio.await_leader(WARM_WITHIN).await?;
        await_settled(&trio, cluster.brokers().len(), WARM_WITHIN).await?;
        time::sleep(CALM_FOR).await;
        let leader = trio.await_leader(WARM_WITHIN).await?;
        let (watched, mut nodes) = watch_all(&cluster, &trio, watch).await?;
        // Who leads at the end as at the beginning has led all the time, or lost and won again: neither happens in a calm minute.
        let still = trio.await_leader(WARM_WITHIN).await?;
        for node in nodes.iter_mut().filter(|node| node.id == leader && leader == still) {
            node.place = Place::Leads;
        }
        Ok(Figure {
            key: self.key(&ground.kafka),
            on,
            arm: self.arm,
            partitions: self.partitions,
            run: self.run,
            watched_ms: millis(watched),
            nodes,
        })
    }
}

/// Gives topics whose partitions are led by all brokers in turn, each with its followers in the order of the ring.
fn topics(partitions: u32, brokers: &[BrokerId]) -> Vec<TopicPlan> {
    let all: Vec<usize> = (0..usize::try_from(partitions).unwrap_or(usize::MAX)).collect();
    let replicas = |number: &usize| {
        let first = number.checked_rem(brokers.len()).unwrap_or(0);
        brokers.iter().copied().cycle().skip(first).take(brokers.len().min(3)).collect()
    };
    let topic = |(number, numbers): (usize, &[usize])| TopicPlan {
        name: format!("many-{number}"),
        replicas: numbers.iter().map(replicas).collect(),
        settings: Vec::new(),
    };
    all.chunks(TOPIC_PARTITIONS).enumerate().map(topic).collect()
}

/// What has been asked so far, by node and by whom it asked.
type Counts = BTreeMap<(u8, Target), u64>;

/// Watches all nodes; gives for how long, and what each did.
async fn watch_all(cluster: &Cluster, trio: &Trio, watch: Duration) -> Result<(Duration, Vec<NodeUse>), LabError> {
    let pids: BTreeMap<u8, u32> = NODES.into_iter().filter_map(|id| Some((id, trio.pid(id)?))).collect();
    let times =
        || pids.iter().map(|(id, pid)| Ok((*id, cpu_time(*pid)?))).collect::<Result<BTreeMap<_, _>, LabError>>();
    let began = clock::now();
    let (first, cpu_before) = (counts(cluster), times()?);
    let (mut last, mut most) = (first.clone(), Counts::new());
    let mut due = began + SAMPLE_EVERY;
    while due <= began + watch {
        time::sleep_until(due.into()).await;
        let now = counts(cluster);
        for (way, count) in &now {
            let fresh = count.saturating_sub(last.get(way).copied().unwrap_or_default());
            let peak = most.entry(*way).or_default();
            *peak = fresh.max(*peak);
        }
        last = now;
        due += SAMPLE_EVERY;
    }
    let (watched, cpu_after) = (began.elapsed(), times()?);
    let mut nodes = Vec::new();
    for (id, pid) in &pids {
        let asked = last.iter().filter(|((node, _), _)| node == id).map(|(way, count)| Asked {
            of: way.1.to_string(),
            in_all: count.saturating_sub(first.get(way).copied().unwrap_or_default()),
            most_in_a_second: most.get(way).copied().unwrap_or_default(),
        });
        let spent = |times: &BTreeMap<u8, Duration>| times.get(id).copied().unwrap_or_default();
        let memory = memory(*pid)?;
        nodes.push(NodeUse {
            id: *id,
            place: Place::Follows,
            resident_kib: memory.resident_kib,
            peak_kib: memory.peak_kib,
            anonymous_kib: memory.anonymous_kib,
            cpu_ms: millis(spent(&cpu_after).saturating_sub(spent(&cpu_before))),
            asked: asked.collect(),
        });
    }
    Ok((watched, nodes))
}

fn counts(cluster: &Cluster) -> Counts {
    let mut counts = Counts::new();
    for node in NODES {
        for broker in cluster.brokers() {
            let asked = cluster.asked_of_broker(broker, Listener::Tanist(node));
            counts.extend(asked.map(|asked| ((node, Target::Broker(broker)), asked)));
        }
        for controller in cluster.controller_ids() {
            let asked = cluster.asked_of_controller(controller, node);
            counts.extend(asked.map(|asked| ((node, Target::Controller(controller)), asked)));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_spread_over_topics_and_leaders() {
        let plans = topics(250, &[BrokerId(1), BrokerId(2), BrokerId(3)]);
        let sizes: Vec<usize> = plans.iter().map(|plan| plan.replicas.len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
        let led = |broker: i32| {
            plans.iter().flat_map(|plan| &plan.replicas).filter(|replicas| replicas[0] == BrokerId(broker)).count()
        };
        assert_eq!([led(1), led(2), led(3)], [84, 83, 83]);
        assert_eq!(plans[0].replicas[1], [BrokerId(2), BrokerId(3), BrokerId(1)]);
    }
}
