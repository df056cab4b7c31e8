//! The speed of the pure core: one dead broker, from reports and readings to a guarded plan, on one core.
//!
//! The goal is 20 ms for 10,000 partitions of three replicas, and linear growth to 200,000. Three shapes, nine brokers:
//! leaders and lists rotated, as Kafka creates them, so that the dead broker leads a ninth; and, far worse than any cluster
//! should be, every partition led by the dead one, with rotated lists or with one list for all.
//!
//! Measured is the thread's own CPU time: a busy machine must not change the figure.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use nix::time::{ClockId, clock_gettime};
use tanist::decide::assemble::{Gathered, assemble};
use tanist::decide::deliberate::deliberate;
use tanist::decide::policy::{Mode, Permission, Policy};
use tanist::decide::watch::Watch;
use tanist::model::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, LeaderEpoch, Listener, NodeId, Offset, PartitionId, TopicId,
};
use tanist::model::observation::{
    Fact, Light, LogEnd, Observation, OffsetsReading, Pulse, PulseReading, PulseState, Report, Sighting,
    TopologyReading, TopologySource,
};
use tanist::model::record::Inaction;
use tanist::model::ruling::Ruling;
use tanist::model::snapshot::StandingOrders;
use tanist::model::time::{LogTime, Timestamp};
use tanist::model::topology::{Partition, Registration, Standing, Topic, Topology};

const BROKERS: i32 = 9;
const NOW: Timestamp = Timestamp(60_000_000);

/// How the replica lists lie over the brokers.
#[derive(Clone, Copy)]
enum Lists {
    ItsShare,
    LeadsAllRotated,
    LeadsAllAlike,
}

const SHAPES: [(&str, Lists); 3] = [
    ("leads its share", Lists::ItsShare),
    ("leads all, lists rotated", Lists::LeadsAllRotated),
    ("leads all, lists alike", Lists::LeadsAllAlike),
];

fn topology(partitions: i32, lists: Lists) -> Topology {
    let mut topology = Topology::default();
    for broker in 1..=BROKERS {
        let epoch = Some(BrokerEpoch(i64::from(broker)));
        topology.brokers.insert(BrokerId(broker), Registration { rack: None, epoch, standing: Standing::Active });
    }
    for number in 0..partitions {
        // Topics of fifty partitions each; b1 is the dead broker.
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&(number / 50).to_be_bytes());
        let topic = TopicId(bytes);
        let others = BROKERS - 1;
        let replicas = match lists {
            Lists::ItsShare => [number, number + 1, number + 2].map(|place| 1 + place % BROKERS),
            Lists::LeadsAllRotated => [1, 2 + number % others, 2 + (number + 1) % others],
            Lists::LeadsAllAlike => [1, 2, 3],
        };
        let leader = Some(BrokerId(replicas[0]));
        let replicas = replicas.map(BrokerId).to_vec();
        let isr = replicas.iter().copied().collect();
        let name = format!("t{}", number / 50);
        topology.topics.entry(topic).or_insert(Topic { name, internal: false, min_isr: Some(2) });
        let id = PartitionId { topic, number: number % 50 };
        let leader_epoch = LeaderEpoch(number % 7);
        let known = Partition { leader, leader_epoch, replicas, isr, elr: BTreeSet::new(), reassigning: false };
        topology.partitions.insert(id, known);
    }
    topology
}

/// A watch that knows the shape and every log end.
fn watch(topology: &Arc<Topology>, policy: &Policy) -> Watch {
    let mut watch = Watch::new(NodeId(1), policy, Listener("CLIENTS".to_owned()), BTreeSet::new());
    let sent_at = NOW.minus(Duration::from_millis(50));
    let reading = TopologyReading { topology: Arc::clone(topology), source: TopologySource::Observer, sent_at };
    let mut note = |fact| {
        let _ = watch.note(&Observation { at: NOW, fact });
    };
    note(Fact::Topology(reading));
    for broker in topology.brokers.keys() {
        let held = topology.partitions.iter().filter(|(_, partition)| partition.replicas.contains(broker));
        let end = |partition: &Partition| LogEnd { offset: Offset(1000), leader_epoch: Some(partition.leader_epoch) };
        let log_ends = held.map(|(id, partition)| (*id, end(partition))).collect();
        note(Fact::Offsets(OffsetsReading { broker: *broker, sent_at, log_ends }));
    }
    note(Fact::Pulse(PulseReading {
        sent_at,
        controller: ControllerId(100),
        controller_epoch: ControllerEpoch(1),
        high_watermark: Offset(9),
        controller_log_end: Offset(9),
        brokers: topology.brokers.keys().map(|broker| (*broker, Offset(9))).collect(),
        as_changes_go: true,
    }));
    watch
}

fn report() -> Report {
    let sighting = |broker: i32| Sighting {
        path: Listener("CLIENTS".to_owned()),
        light: if broker == 1 { Light::RedRefused } else { Light::Green },
        light_for: Duration::from_millis(60),
        success_sent_ago: Some(Duration::from_millis(200)),
        silent_for: Some(Duration::from_millis(200)),
        tau: Duration::from_secs(1),
        pulse: Pulse { state: PulseState::Level, beats_since_red: 0, behind_since_red: false, level_beats: 0 },
        progress: tanist::model::observation::Progress::Unknown,
    };
    let brokers = (1..=BROKERS).map(|broker| (BrokerId(broker), sighting(broker))).collect();
    Report { lhm: 0, reaches_controller: true, brokers, no_vote_on: BTreeSet::new() }
}

/// From what was gathered to a ruling, everything in between; gives why nothing would be done, where nothing would.
fn decide(watch: &Watch, policy: &Policy) -> Option<Inaction> {
    let voters: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
    let reports: BTreeMap<NodeId, (Timestamp, Report)> = voters.iter().map(|node| (*node, (NOW, report()))).collect();
    let standing = StandingOrders::default();
    let gathered = Gathered {
        now: NOW,
        log_time: LogTime(1),
        me: NodeId(1),
        voters: &voters,
        reports: &reports,
        readings: watch.readings(),
        standing: &standing,
    };
    let mut deliberations = deliberate(&assemble(&gathered, policy), policy);
    assert_eq!(deliberations.len(), 1, "one finding");
    let one = deliberations.remove(0);
    assert!(one.inaction.is_some() || one.ruling == Some(Ruling::Allowed));
    one.inaction
}

/// The CPU time of this thread.
struct CpuTime;

/// Durations are written as criterion writes them.
static WALL: WallTime = WallTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    #[expect(
        clippy::float_arithmetic,
        reason = "criterion reckons in floats of nanoseconds; nothing is decided by them"
    )]
    fn to_f64(&self, span: &Duration) -> f64 {
        span.as_secs_f64() * 1e9
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

/// Sizes that show whether the cost grows with the number of partitions, or faster.
const SIZES: [i32; 4] = [10_000, 50_000, 100_000, 200_000];

const RIGHTS: [(&str, Permission); 2] = [("fence", Permission::Allowed), ("public", Permission::Forbidden)];

fn one_dead_broker(criterion: &mut Criterion<CpuTime>) {
    let mut policy = Policy { mode: Mode::Auto, ..Policy::default() };
    for (rights, permission) in RIGHTS {
        policy.act.fence_heartbeat = permission;
        for (shape, lists) in SHAPES {
            let mut group = criterion.benchmark_group(format!("one dead broker, {rights}, {shape}"));
            group.sample_size(20);
            for partitions in SIZES {
                let topology = Arc::new(topology(partitions, lists));
                let watch = watch(&topology, &policy);
                assert_eq!(decide(&watch, &policy), None, "the plan is allowed");
                group.throughput(Throughput::Elements(partitions.unsigned_abs().into()));
                group.bench_with_input(BenchmarkId::from_parameter(partitions), &watch, |bencher, watch| {
                    bencher.iter(|| black_box(decide(watch, &policy)));
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = one_dead_broker
}

fn main() -> anyhow::Result<()> {
    // `make bench` asks for the table of BENCHMARKS.md, after criterion's own report.
    if std::env::args().any(|argument| argument == "--table") {
        return table::write();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    Ok(())
}
