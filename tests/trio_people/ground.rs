//! The one cluster that all cases share, whole again before each; and the load on each case's topic, with the proof at its end
//! that nothing acknowledged was lost, whatever the case did.

use std::fs::File;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{Acks, TopicView};
use tanist::lab::client::{Probe, Steady, SteadyOptions, final_read};
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Listener, TopicPlan};
use tokio::runtime::Runtime;

use crate::alone::alone;

/// The broker that fails in every case.
pub(crate) const VICTIM: BrokerId = BrokerId(1);

/// Sooner than Kafka's own fencing (7 to 10 s after the fault): whoever recovers before was moved by the trio.
pub(crate) const BEFORE_KAFKA: Duration = Duration::from_secs(6);

/// How long anything is waited for that has no figure of its own to keep.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

const PARTITIONS: usize = 3;
/// Enough that every moment of a case has records under way, little enough to cost nothing.
const RECORDS_PER_S: u32 = 50;
/// What is acknowledged before a case begins: its load is real.
const FLOWING: usize = 20;

pub(crate) struct Ground {
    runtime: Runtime,
    pub(crate) cluster: Cluster,
    topics: Mutex<u32>,
    /// The clients of the topic of now.
    load: Mutex<Option<(String, Steady)>>,
    _turn: File,
}

/// Lives as long as the process; its Java machines die with it, and its folder is removed by the next lab.
static GROUND: LazyLock<Mutex<Ground>> = LazyLock::new(|| {
    let turn = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = clock::now();
    let cluster = runtime.block_on(Cluster::start(ClusterOptions::default())).unwrap();
    println!("cluster {} ready after {:?}", cluster.cluster_id(), began.elapsed());
    Mutex::new(Ground { runtime, cluster, topics: Mutex::new(0), load: Mutex::new(None), _turn: turn })
});

/// Runs one case while no other runs, on a cluster that is whole.
pub(crate) fn on_ground(case: impl AsyncFnOnce(&Ground)) {
    // A case that failed leaves dead brokers at worst, and those are started again.
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let began = clock::now();
    ground.runtime.block_on(async {
        // The load of a case that failed has nothing to prove any more.
        drop(ground.take_load());
        ground.heal().await;
        case(&ground).await;
        ground.prove().await;
        ground.heal().await;
    });
    println!("case over after {:?}", began.elapsed());
}

impl Ground {
    /// Starts the brokers that are dead, lets go on the one that is stopped, and waits until all serve.
    pub(crate) async fn heal(&self) {
        for broker in self.cluster.brokers() {
            if self.cluster.broker_pid(broker).is_none() {
                self.cluster.heal(&Fault::kill(broker)).unwrap();
                self.cluster.await_ready(broker).await.unwrap();
            }
        }
        self.cluster.heal(&Fault::stop(VICTIM)).unwrap();
        self.cluster.await_every_broker(PATIENCE).await.unwrap();
    }

    /// Makes a topic that the victim leads, with a load on it; the one of the case before is gone, and was proved whole.
    pub(crate) async fn topic(&self) -> TopicView {
        self.prove().await;
        let made = {
            let mut made = self.topics.lock().unwrap();
            *made += 1;
            *made
        };
        if 1 < made {
            self.cluster.delete_topic(&format!("people-{}", made - 1)).await.unwrap();
        }
        let plan = TopicPlan::led_by(&format!("people-{made}"), VICTIM, PARTITIONS, &self.cluster.brokers());
        let topic = self.cluster.create_topic(&plan).await.unwrap();
        let load = Steady::start(&SteadyOptions {
            brokers: self.cluster.bootstrap(Listener::Clients),
            topic: topic.name.clone(),
            partitions: i32::try_from(PARTITIONS).unwrap(),
            records_per_s: RECORDS_PER_S,
        })
        .unwrap();
        until("a load that flows", PATIENCE, async || (FLOWING <= load.acknowledged()).then_some(())).await;
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = Some((topic.name.clone(), load));
        topic
    }

    fn take_load(&self) -> Option<(String, Steady)> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the load, if there is one, and holds every acknowledged record against what can be read.
    async fn prove(&self) {
        let Some((topic, load)) = self.take_load() else { return };
        self.heal().await;
        self.cluster.await_in_sync(&topic, PATIENCE).await.unwrap();
        let report = tokio::task::spawn_blocking(|| load.stop()).await.unwrap().unwrap();
        let read = final_read(&self.cluster, &topic, &report.acknowledged).await.unwrap();
        println!("{topic}: {} acknowledged, {} read, {} lost", report.acknowledged.len(), read.read, read.lost.len());
        assert_eq!(read.lost, Vec::<u64>::new(), "{topic}: acknowledged and lost");
    }

    /// Kills the victim; gives when.
    pub(crate) fn kill_victim(&self) -> Instant {
        self.cluster.inflict(&Fault::kill(VICTIM)).unwrap()
    }

    /// Freezes the victim, where it is no matter how it fails: it is back ten seconds sooner, as Kafka keeps the dead one's place
    /// until its session ends. Gives when.
    pub(crate) fn freeze_victim(&self) -> Instant {
        self.cluster.inflict(&Fault::stop(VICTIM)).unwrap()
    }

    /// Gives how long after the fault every partition of the topic took a record from all replicas in sync.
    pub(crate) async fn recovered(&self, topic: &TopicView, fault: Instant) -> Duration {
        let partitions = i32::try_from(topic.partitions.len()).unwrap();
        let probe = Probe::new(self.cluster.bootstrap(Listener::Clients), &topic.name, partitions);
        let recovery = probe.first_success(Acks::All, fault, PATIENCE).await;
        recovery.worst().unwrap_or_else(|| panic!("{} never recovered: {recovery:?}", topic.name))
    }
}

/// Waits until `look` gives something.
pub(crate) async fn until<T>(awaited: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = clock::now() + within;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(clock::now() < end, "not within {within:?}: {awaited}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
