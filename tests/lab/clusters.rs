//! Real clusters: they fail as Kafka fails, heal as the acts heal, and lose nothing that was acknowledged.

use std::fs::File;
use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{Acks, Connection, Endpoint, Options, Rights, TopicView};
use tanist::lab::client::{Place, Probe, Recovery, Steady, SteadyOptions, SteadyReport, final_read};
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Listener, TopicPlan};

use crate::alone::alone;
use crate::paths;

const VICTIM: BrokerId = BrokerId(1);
const PARTITIONS: i32 = 6;

/// A cluster with one topic whose partitions are all led by the victim.
struct Stage {
    cluster: Cluster,
    topic: TopicView,
    /// After the cluster, so that the next one has the machine to itself.
    _turn: File,
}

impl Stage {
    async fn set(options: ClusterOptions) -> Self {
        let turn = alone();
        let began = clock::now();
        let cluster = Cluster::start(options).await.unwrap();
        println!("cluster {} ready after {:?}", cluster.cluster_id(), began.elapsed());
        let topic = create(&cluster, "orders").await;
        Self { cluster, topic, _turn: turn }
    }

    fn probe(&self) -> Probe {
        Probe::new(self.cluster.bootstrap(Listener::Clients), &self.topic.name, PARTITIONS)
    }

    /// Heals, restores every replica and gives the next act a topic of its own.
    async fn recover(&mut self, fault: &Fault, name: &str) {
        self.cluster.heal(fault).unwrap();
        self.cluster.await_ready(VICTIM).await.unwrap();
        self.cluster.await_in_sync(&self.topic.name, Duration::from_secs(60)).await.unwrap();
        self.topic = create(&self.cluster, name).await;
    }
}

/// A fault that only one Tanist node feels leaves the others and the clients alone.
async fn one_vantage_point_only(cluster: &Cluster) {
    let speaks = |listener: Listener| {
        let address = cluster.broker_address(VICTIM, listener).unwrap();
        async move {
            let options = Options { connect_within: Duration::from_secs(2), ..Options::new(Rights::ReadOnly) };
            Connection::open(&Endpoint::new(address.ip().to_string(), address.port()), &options).await.map(drop)
        }
    };
    for fault in ["client-cut b1 from tanist2", "client-freeze b1 from tanist2"] {
        let fault: Fault = fault.parse().unwrap();
        cluster.inflict(&fault).unwrap();
        assert!(speaks(Listener::Tanist(2)).await.is_err(), "{fault}");
        for listener in [Listener::Tanist(1), Listener::Tanist(3), Listener::Clients] {
            assert!(speaks(listener).await.is_ok(), "{fault}: {listener}");
        }
        cluster.heal(&fault).unwrap();
        let patience = clock::now() + Duration::from_secs(10);
        while speaks(Listener::Tanist(2)).await.is_err() {
            assert!(clock::now() < patience, "{fault} does not heal");
        }
    }
}

async fn create(cluster: &Cluster, name: &str) -> TopicView {
    let plan = TopicPlan::led_by(name, VICTIM, usize::try_from(PARTITIONS).unwrap(), &cluster.brokers());
    let topic = cluster.create_topic(&plan).await.unwrap();
    assert!(topic.partitions.iter().all(|one| one.leader == Some(VICTIM.0)), "{topic:?}");
    topic
}

fn within(what: &str, recovery: &Recovery, seconds: std::ops::RangeInclusive<f64>) {
    let worst = recovery.worst();
    println!("{what}: worst {worst:?}, median {:?}", recovery.median());
    let worst = worst.unwrap_or_else(|| panic!("{what}: not within {:?}", recovery.watched)).as_secs_f64();
    assert!(seconds.contains(&worst), "{what}: {worst} s is not in {seconds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_kafka_recovers_from_a_kill_by_itself_and_from_a_cut_client_path_only_by_an_act() {
    let mut stage = Stage::set(ClusterOptions::default()).await;
    let steady = Steady::start(&SteadyOptions {
        brokers: stage.cluster.bootstrap(Listener::Clients),
        topic: stage.topic.name.clone(),
        partitions: PARTITIONS,
        records_per_s: 200,
    })
    .unwrap();
    let loaded = stage.topic.name.clone();
    let patience = clock::now() + Duration::from_secs(30);
    while steady.acknowledged() < 200 {
        assert!(clock::now() < patience, "the load does not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    one_vantage_point_only(&stage.cluster).await;

    let kill = Fault::kill(VICTIM);
    let at = stage.cluster.inflict(&kill).unwrap();
    let (all, one) = stage.probe().both(at, Duration::from_secs(30)).await;
    within("stock, kill, acks=all", &all, 6.0..=12.5);
    within("stock, kill, acks=1", &one, 6.0..=12.5);
    stage.recover(&kill, "cut").await;

    let cut = Fault::client_cut(VICTIM);
    let hands = stage.cluster.hands().await.unwrap();
    let at = stage.cluster.inflict(&cut).unwrap();
    let never = stage.probe().first_success(Acks::All, at, Duration::from_secs(12)).await;
    assert!(never.after.values().all(Option::is_none), "nothing recovers from a cut client path: {never:?}");
    let act = clock::now();
    hands.elect_away(VICTIM, &stage.topic).await.unwrap();
    println!("elect took {:?}", act.elapsed());
    let all = stage.probe().first_success(Acks::All, act, Duration::from_secs(10)).await;
    within("client cut, acks=all after elect", &all, 0.0..=3.0);
    stage.recover(&cut, "stop").await;

    let stop = Fault::stop(VICTIM);
    let epoch = stage.cluster.broker_epoch(VICTIM).unwrap();
    let hands = stage.cluster.hands().await.unwrap();
    let at = stage.cluster.inflict(&stop).unwrap();
    let probe = stage.probe();
    let (all, fenced) = tokio::join!(probe.first_success(Acks::All, at, Duration::from_secs(20)), async {
        tokio::time::sleep_until((at + Duration::from_secs(1)).into()).await;
        hands.fence(VICTIM, epoch).await
    });
    fenced.unwrap();
    within("stop, acks=all after fence at 1 s", &all, 1.0..=4.0);
    stage.cluster.heal(&stop).unwrap();
    stage.cluster.await_in_sync(&stage.topic.name, Duration::from_secs(60)).await.unwrap();

    let report = tokio::task::spawn_blocking(|| steady.stop()).await.unwrap().unwrap();
    println!(
        "steady: {} sent, {} acknowledged, {} failed, longest produce gap {:?}, consume gap {:?}",
        report.sent,
        report.acknowledged.len(),
        report.failed,
        report.worst_produce_gap(),
        report.worst_consume_gap()
    );
    let gap = report.worst_produce_gap();
    assert!(Duration::from_secs(6) < gap, "a stock kill is felt for longer than {gap:?}");
    assert!(1_000 < report.acknowledged.len(), "the load was real");
    let read = final_read(&stage.cluster, &loaded, &report.acknowledged).await.unwrap();
    println!("final read: {} records, {} lost", read.read, read.lost.len());
    assert_eq!(read.lost, Vec::<u64>::new(), "{}", read.evidence.join("\n"));
    the_proof_can_say_lost(&stage.cluster, &loaded, report).await;
}

/// A proof that cannot fail proves nothing: a record that nobody wrote is lost, and so is one that is not where it was acknowledged.
async fn the_proof_can_say_lost(cluster: &Cluster, topic: &str, report: SteadyReport) {
    let mut acknowledged = report.acknowledged;
    let (moved, place) = acknowledged.iter().find_map(|(id, place)| Some((*id, place.offset?))).unwrap();
    acknowledged.get_mut(&moved).unwrap().offset = Some(place + 1);
    acknowledged.insert(u64::MAX, Place { partition: 0, offset: None });
    let read = final_read(cluster, topic, &acknowledged).await.unwrap();
    assert_eq!(read.lost, [moved, u64::MAX]);
    let evidence = read.evidence.join("\n");
    println!("{evidence}");
    assert!(evidence.contains(&u64::MAX.to_string()), "the report names what is missing: {evidence}");
    for broker in cluster.brokers() {
        assert!(evidence.contains(&format!("on {broker}:")), "every replica is heard as a witness: {evidence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tuned_kafka_feels_every_broken_path_and_recovers_from_a_kill_in_seconds() {
    let mut stage = Stage::set(ClusterOptions::tuned()).await;
    paths::each_broken_path_is_felt_and_heals(&stage.cluster, &stage.topic).await;
    // The broker that was struck leads nothing any more: its old topic is another broker's now.
    stage.topic = create(&stage.cluster, "kill").await;
    let at = stage.cluster.inflict(&Fault::kill(VICTIM)).unwrap();
    let all = stage.probe().first_success(Acks::All, at, Duration::from_secs(20)).await;
    within("tuned, kill, acks=all", &all, 2.0..=6.5);
}
