//! The probe against a real cluster: what it tells of a healthy one, and how soon it tells what breaks.
#![cfg(test)]
#![cfg(feature = "lab")]

#[path = "common/alone.rs"]
mod alone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::kafka::probe::{KafkaProbe, ProbeOptions};
use tanist::adapters::kafka::wire::{
    Connection, ElectionKind, Endpoint, NewTopic, Options, Order, ReplicaCount, Rights, TopicPartition,
};
use tanist::lab::{self, Cluster, ClusterOptions, Fault, Listener};
use tanist::model::ids::{self, BrokerId, ClusterId};
use tanist::model::observation::{Fact, LineChange, LookNow, Observation, PingOutcome, TopologySource};
use tanist::model::time::Timestamp;
use tanist::model::topology::{Standing, Topology};
use tanist::ports::Probe;

const WITHIN: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(30);
const TOPIC: &str = "probe-check";

/// A probe under test and what it has told so far.
struct Watch {
    cluster: Cluster,
    probe: KafkaProbe,
    told: Vec<Observation>,
}

impl Watch {
    /// Reads on until `wanted` finds something, and gives it.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Observation) -> Option<T>) -> T {
        let deadline = clock::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(clock::now());
            let next = tokio::time::timeout(left, self.probe.next()).await;
            let observation = next.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}")).unwrap();
            let found = wanted(&observation);
            self.told.push(observation);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Forgets what was told, and reads on from now.
    async fn forget_until_now(&mut self) -> Timestamp {
        let now = clock::timestamp();
        self.told.clear();
        self.until("something new", |seen| (now <= seen.at).then_some(())).await;
        self.told.clear();
        now
    }

    async fn admin(&self) -> Connection {
        let address = self.cluster.broker_behind_proxy(BrokerId(1), Listener::Clients).unwrap();
        Connection::open(&endpoint(address), &Options::new(Rights::ReadWrite)).await.unwrap()
    }

    /// The longest that a broker's answered pings were apart in what was told, up to its last one.
    fn longest_gap(&self, broker: i32) -> Duration {
        let answered = |seen: &&Observation| matches!(&seen.fact, Fact::Ping { broker: b, outcome: PingOutcome::Answered { .. }, .. } if b.0 == broker);
        let times: Vec<_> = self.told.iter().filter(answered).map(|seen| seen.at).collect();
        assert!(2 <= times.len(), "broker {broker} was pinged {} times", times.len());
        times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap()
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip().to_string(), address.port())
}

fn line(seen: &Observation, broker: i32) -> Option<LineChange> {
    let Fact::Line { broker: b, change, .. } = &seen.fact else { return None };
    (b.0 == broker).then_some(*change)
}

fn observed(seen: &Observation) -> Option<&Topology> {
    let Fact::Topology(reading) = &seen.fact else { return None };
    (reading.source == TopologySource::Observer).then_some(&reading.topology)
}

fn leader(topology: &Topology, number: i32) -> Option<i32> {
    let topic = topology.topics.iter().find(|(_, topic)| topic.name == TOPIC)?.0;
    let partition = ids::PartitionId { topic: *topic, number };
    topology.partitions.get(&partition)?.leader.map(|leader| leader.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probe_tells_what_stands_and_at_once_what_breaks() {
    let _turn = alone::alone();
    let cluster = Cluster::start(ClusterOptions::tuned()).await.unwrap();
    let mut options = ProbeOptions::new(
        cluster.bootstrap(Listener::Tanist(1)).into_iter().map(endpoint).collect(),
        ids::Listener("TANIST1".to_owned()),
    );
    options.controllers = cluster.controllers(Listener::Tanist(1)).into_iter().map(endpoint).collect();
    options.cluster = Some(ClusterId(cluster.cluster_id().to_owned()));
    let mut watch = Watch { cluster, probe: KafkaProbe::start(options), told: Vec::new() };
    a_topic_for_the_checks(&watch).await;

    everything_is_told_of_a_healthy_cluster(&mut watch).await;
    both_sources_tell_the_same_shape(&mut watch).await;
    a_move_is_observed_and_its_echo_heard(&mut watch).await;
    a_killed_broker_is_refused_twice_at_once(&mut watch).await;
    a_new_life_has_a_new_epoch(&mut watch).await;
    a_stopped_broker_is_silent_alone(&mut watch).await;
    a_lost_controller_is_replaced(&mut watch).await;
}

async fn a_topic_for_the_checks(watch: &Watch) {
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        replicas: (0..6).map(|_| vec![3, 1, 2]).collect(),
        settings: vec![("min.insync.replicas".to_owned(), "2".to_owned())],
    };
    let made = watch.admin().await.create_topics(&[topic], WITHIN).await.unwrap();
    assert_eq!(made.body[0].error, None);
}

async fn everything_is_told_of_a_healthy_cluster(watch: &mut Watch) {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for broker in 1..=3 {
        for kind in ["opened", "pinged", "offsets", "dirs"] {
            wanted.insert(format!("{kind} {broker}"));
        }
    }
    wanted.extend(["pulse", "reassignments", "observer", "metadata"].map(str::to_owned));
    let began = clock::now();
    watch
        .until("every kind of fact", |seen| {
            match &seen.fact {
                Fact::Line { broker, change: LineChange::Opened, .. } => wanted.remove(&format!("opened {}", broker.0)),
                Fact::Ping { broker, outcome: PingOutcome::Answered { .. }, path, .. } => {
                    assert_eq!(path.0, "TANIST1");
                    wanted.remove(&format!("pinged {}", broker.0))
                }
                Fact::Offsets(reading) if reading.log_ends.len() == 6 => {
                    wanted.remove(&format!("offsets {}", reading.broker.0))
                }
                Fact::LogDirs(reading) if reading.failed_dirs == 0 => {
                    wanted.remove(&format!("dirs {}", reading.broker.0))
                }
                Fact::Pulse(reading) if reading.brokers.len() == 3 => wanted.remove("pulse"),
                Fact::Reassignments { partitions, .. } if partitions.is_empty() => wanted.remove("reassignments"),
                Fact::Topology(reading) if complete(&reading.topology) => match &reading.source {
                    TopologySource::Observer => wanted.remove("observer"),
                    TopologySource::Metadata(from) => from.len() == 2 && wanted.remove("metadata"),
                },
                Fact::Ping { .. }
                | Fact::Line { .. }
                | Fact::Own(_)
                | Fact::Blind { .. }
                | Fact::LogDirs(_)
                | Fact::Offsets(_)
                | Fact::Pulse(_)
                | Fact::Reassignments { .. }
                | Fact::Topology(_) => false,
            };
            wanted.is_empty().then_some(())
        })
        .await;
    println!("everything told {:?} after the start of the probe", began.elapsed());
    assert!(
        watch.told.iter().all(|seen| !matches!(&seen.fact, Fact::Ping { outcome: PingOutcome::TimedOut { .. }, .. }))
    );
}

fn complete(topology: &Topology) -> bool {
    let min_isr = topology.topics.values().find(|topic| topic.name == TOPIC).and_then(|topic| topic.min_isr);
    topology.brokers.len() == 3
        && topology.brokers.values().all(|broker| broker.standing == Standing::Active)
        && (0..6).all(|number| leader(topology, number).is_some())
        && min_isr == Some(2)
}

async fn both_sources_tell_the_same_shape(watch: &mut Watch) {
    watch.forget_until_now().await;
    let seen = watch.until("the observer's shape", |seen| observed(seen).cloned()).await;
    let asked = watch
        .until("the brokers' shape", |seen| {
            let Fact::Topology(reading) = &seen.fact else { return None };
            (reading.source != TopologySource::Observer).then(|| reading.topology.clone())
        })
        .await;
    assert_eq!(seen.partitions, asked.partitions);
    assert_eq!(seen.topics, asked.topics);
    assert_eq!(seen.cluster, asked.cluster);
    for (id, broker) in &seen.brokers {
        assert_eq!(broker.rack, asked.brokers[id].rack);
        let logged = watch.cluster.broker_epoch(*id).unwrap();
        assert_eq!(broker.epoch, Some(logged), "{id}");
    }
}

async fn a_move_is_observed_and_its_echo_heard(watch: &mut Watch) {
    watch.forget_until_now().await;
    let admin = watch.admin().await;
    let partition = TopicPartition::new(TOPIC, 0);
    let order = Order { partition: partition.clone(), replicas: Some(vec![1, 3, 2]) };
    admin.reassign(&[order], ReplicaCount::Kept, WITHIN).await.unwrap();
    let asked = clock::timestamp();
    watch.probe.look_now(LookNow::Pulse { not: BTreeSet::from([BrokerId(3)]) });
    let (echo_at, echo) = watch
        .until("the echo", |seen| {
            let Fact::Pulse(reading) = &seen.fact else { return None };
            (asked <= reading.sent_at).then(|| (seen.at, reading.clone()))
        })
        .await;
    let behind: BTreeMap<_, _> =
        echo.brokers.iter().map(|(id, end)| (id.0, echo.controller_log_end.0.saturating_sub(end.0))).collect();
    println!("echo read {:?} after it was asked for; behind by broker: {behind:?}", echo_at.since(asked));
    assert!(echo_at.since(asked) < Duration::from_secs(1));

    let sent = clock::timestamp();
    let elected = tokio::spawn(async move { admin.elect(ElectionKind::Preferred, &[partition], WITHIN).await });
    let seen_at =
        watch.until("broker 1 leads", |seen| (leader(observed(seen)?, 0) == Some(1)).then_some(seen.at)).await;
    println!("the new leader was observed {:?} after the election was sent", seen_at.since(sent));
    assert!(seen_at.since(sent) < Duration::from_secs(2));
    assert_eq!(elected.await.unwrap().unwrap().body[0].error, None);
}

async fn a_killed_broker_is_refused_twice_at_once(watch: &mut Watch) {
    watch.forget_until_now().await;
    watch.cluster.inflict(&Fault::kill(BrokerId(3))).unwrap();
    let killed = clock::timestamp();
    let closed = watch.until("the close", |seen| (line(seen, 3)? == LineChange::Closed).then_some(seen.at)).await;
    let mut refused = 0;
    let twice = watch
        .until("two refusals", |seen| {
            refused += usize::from(line(seen, 3)? == LineChange::Refused);
            (refused == 2).then_some(seen.at)
        })
        .await;
    println!("kill: closed told after {:?}, refused twice after {:?}", closed.since(killed), twice.since(killed));
    // When the close shows is the kernel's affair; what follows is ours.
    assert!(twice.since(closed) < Duration::from_millis(500), "{:?}", twice.since(closed));
    watch.until("broker 3 leads nothing", |seen| (leader(observed(seen)?, 1)? != 3).then_some(())).await;
    for other in [1, 2] {
        let gap = watch.longest_gap(other);
        println!("longest gap between answered pings of broker {other}: {gap:?}");
        assert!(gap < Duration::from_secs(1), "broker {other}: {gap:?}");
    }
}

async fn a_new_life_has_a_new_epoch(watch: &mut Watch) {
    let old = watch.until("the dead life", |seen| observed(seen)?.brokers.get(&BrokerId(3))?.epoch).await;
    watch.cluster.heal(&Fault::kill(BrokerId(3))).unwrap();
    watch.until("a connection", |seen| (line(seen, 3)? == LineChange::Opened).then_some(())).await;
    let new = watch
        .until("the new life, unfenced", |seen| {
            let broker = observed(seen)?.brokers.get(&BrokerId(3))?;
            (broker.standing == Standing::Active && broker.epoch != Some(old)).then_some(broker.epoch)
        })
        .await;
    assert!(Some(old) < new);
    watch
        .until("broker 3 back in every ISR", |seen| {
            observed(seen)?.partitions.values().all(|partition| partition.isr.contains(&BrokerId(3))).then_some(())
        })
        .await;
}

async fn a_stopped_broker_is_silent_alone(watch: &mut Watch) {
    watch.forget_until_now().await;
    let stop = Fault::stop(BrokerId(2));
    watch.cluster.inflict(&stop).unwrap();
    let stopped = clock::timestamp();
    let silent = watch
        .until("a ping without an answer", |seen| {
            matches!(&seen.fact, Fact::Ping { broker: BrokerId(2), outcome: PingOutcome::TimedOut { .. }, .. })
                .then_some(seen.at)
        })
        .await;
    println!("stop: the first ping timed out {:?} after it", silent.since(stopped));
    assert!(silent.since(stopped) < Duration::from_secs(4));
    watch
        .until("broker 2 behind in the metadata log", |seen| {
            let Fact::Pulse(pulse) = &seen.fact else { return None };
            (pulse.brokers.get(&BrokerId(2))?.0 + 2 <= pulse.brokers.get(&BrokerId(1))?.0).then_some(())
        })
        .await;
    watch.cluster.heal(&stop).unwrap();
    let resumed = clock::timestamp();
    watch
        .until("broker 2 answers what was sent after it resumed", |seen| {
            let Fact::Ping { broker: BrokerId(2), sent_at, outcome: PingOutcome::Answered { .. }, .. } = &seen.fact
            else {
                return None;
            };
            (resumed <= *sent_at).then_some(())
        })
        .await;
    for other in [1, 3] {
        let gap = watch.longest_gap(other);
        println!("longest gap between answered pings of broker {other}: {gap:?}");
        assert!(gap < Duration::from_secs(1), "broker {other}: {gap:?}");
    }
}

async fn a_lost_controller_is_replaced(watch: &mut Watch) {
    watch.forget_until_now().await;
    let (active, epoch) = watch
        .until("a pulse", |seen| {
            let Fact::Pulse(pulse) = &seen.fact else { return None };
            Some((pulse.controller, pulse.controller_epoch))
        })
        .await;
    let target = active;
    watch.cluster.inflict(&Fault::at(lab::FaultKind::Kill, target)).unwrap();
    let killed = clock::timestamp();
    let next = watch
        .until("a pulse of another controller", |seen| {
            let Fact::Pulse(pulse) = &seen.fact else { return None };
            (epoch < pulse.controller_epoch).then_some(seen.at)
        })
        .await;
    println!("pulse of the next controller {:?} after the kill", next.since(killed));
    let observed_at = watch
        .until("the observer reads from it", |seen| observed(seen).filter(|_| next <= seen.at).map(|_| seen.at))
        .await;
    println!("observer reads from it {:?} after the kill", observed_at.since(killed));
    let admin = watch.admin().await;
    let order = Order { partition: TopicPartition::new(TOPIC, 5), replicas: Some(vec![2, 1, 3]) };
    admin.reassign(&[order], ReplicaCount::Kept, WITHIN).await.unwrap();
    watch
        .until("a change made by it", |seen| {
            let topology = observed(seen)?;
            let replicas =
                topology.partitions.iter().find(|(id, _)| id.number == 5).map(|(_, p)| p.replicas.clone())?;
            (replicas == [BrokerId(2), BrokerId(1), BrokerId(3)]).then_some(())
        })
        .await;
}
