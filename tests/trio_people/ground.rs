//! The one cluster that all cases share, whole again before each.

use std::fs::File;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{Acks, TopicView};
use tanist::lab::client::Probe;
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Listener, TopicPlan};
use tokio::runtime::Runtime;

use crate::alone::alone;

/// The broker that dies in every case.
pub(crate) const VICTIM: BrokerId = BrokerId(1);

/// Sooner than Kafka's own fencing (7 to 10 s after the fault): whoever recovers before was moved by the trio.
pub(crate) const BEFORE_KAFKA: Duration = Duration::from_secs(6);

/// How long anything is waited for that has no figure of its own to keep.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

const PARTITIONS: usize = 3;

pub(crate) struct Ground {
    runtime: Runtime,
    pub(crate) cluster: Cluster,
    topics: Mutex<u32>,
    _turn: File,
}

/// Lives as long as the process; its Java machines die with it, and its folder is removed by the next lab.
static GROUND: LazyLock<Mutex<Ground>> = LazyLock::new(|| {
    let turn = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = clock::now();
    let cluster = runtime.block_on(Cluster::start(ClusterOptions::default())).unwrap();
    println!("cluster {} ready after {:?}", cluster.cluster_id(), began.elapsed());
    Mutex::new(Ground { runtime, cluster, topics: Mutex::new(0), _turn: turn })
});

/// Runs one case while no other runs, on a cluster that is whole.
pub(crate) fn on_ground(case: impl AsyncFnOnce(&Ground)) {
    // A case that failed leaves dead brokers at worst, and those are started again.
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let began = clock::now();
    ground.runtime.block_on(async {
        ground.heal().await;
        case(&ground).await;
        ground.heal().await;
    });
    println!("case over after {:?}", began.elapsed());
}

impl Ground {
    /// Starts the brokers that are dead and waits until all serve.
    pub(crate) async fn heal(&self) {
        for broker in self.cluster.brokers() {
            if self.cluster.broker_pid(broker).is_none() {
                self.cluster.heal(&Fault::kill(broker)).unwrap();
                self.cluster.await_ready(broker).await.unwrap();
            }
        }
        self.cluster.await_every_broker(PATIENCE).await.unwrap();
    }

    /// Makes a topic that the victim leads; the one of the case before is gone.
    pub(crate) async fn topic(&self) -> TopicView {
        let made = {
            let mut made = self.topics.lock().unwrap();
            *made += 1;
            *made
        };
        if 1 < made {
            self.cluster.delete_topic(&format!("people-{}", made - 1)).await.unwrap();
        }
        let plan = TopicPlan::led_by(&format!("people-{made}"), VICTIM, PARTITIONS, &self.cluster.brokers());
        self.cluster.create_topic(&plan).await.unwrap()
    }

    /// Kills the victim; gives when.
    pub(crate) fn kill_victim(&self) -> Instant {
        self.cluster.inflict(&Fault::kill(VICTIM)).unwrap()
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
