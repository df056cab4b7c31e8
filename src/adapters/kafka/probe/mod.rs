//! Looks at Kafka: P0, P1, P2, P5, P5o, P6 and P8 of `judgement.md` §1, over connections that can only look.
//!
//! One connection per purpose and one task per broker and purpose, so that a hung broker delays nothing about another.
//! What cannot be measured is told as such, with its reason. It neither judges nor remembers: silence, lights and
//! findings are made elsewhere, from what it tells.

mod lane;
mod line;
mod merge;
pub(crate) mod observer;
mod options;
mod pulse;
mod replicas;
mod shape;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use self::pulse::{Pulse, Urgency};
use self::shared::{Broker, Shared};
use crate::control::turn::place_of;
use crate::model::ids::BrokerId;
use crate::model::observation::{LookNow, Observation};
use crate::ports::Probe;

pub use options::{ProbeOptions, Rhythm};

/// How many observations may wait for the driver: some seconds' worth of a large cluster.
const OBSERVATIONS_MAX: usize = 1_024;
/// How many looks may wait to be started; the driver asks for a few per round.
const LOOKS_MAX: usize = 64;

/// The probe of one node on one Kafka cluster. Dropping it ends its tasks and closes its connections.
#[derive(Debug)]
pub struct KafkaProbe {
    observations: mpsc::Receiver<Observation>,
    looks: mpsc::Sender<LookNow>,
    /// Aborts everything when dropped.
    _tasks: JoinSet<()>,
}

impl KafkaProbe {
    /// Begins to look. Needs a running tokio runtime.
    #[must_use]
    pub fn start(options: ProbeOptions) -> Self {
        let (out, observations) = mpsc::channel(OBSERVATIONS_MAX);
        let (looks, asked) = mpsc::channel(LOOKS_MAX);
        let shared = Arc::new(Shared::new(options, out));
        let pulse = Arc::new(Pulse::new(Arc::clone(&shared)));
        let mut tasks = JoinSet::new();
        tasks.spawn(shape::watch(Arc::clone(&shared)));
        tasks.spawn(shape::rounds(Arc::clone(&shared)));
        tasks.spawn(Arc::clone(&pulse).watch());
        if !shared.options.controllers.is_empty() {
            tasks.spawn(observer::observe(Arc::clone(&shared)));
        }
        tasks.spawn(tend_brokers(Arc::clone(&shared)));
        tasks.spawn(serve_looks(shared, pulse, asked));
        Self { observations, looks, _tasks: tasks }
    }
}

impl Probe for KafkaProbe {
    fn look_now(&self, what: LookNow) {
        if self.looks.try_send(what).is_err() {
            tracing::warn!("too many looks wait already: this one is dropped");
        }
    }

    async fn next(&mut self) -> Option<Observation> {
        self.observations.recv().await
    }
}

/// Keeps three tasks per broker running, anew for a broker that moved.
async fn tend_brokers(shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    let mut tended: BTreeMap<BrokerId, (Arc<Broker>, Vec<AbortHandle>)> = BTreeMap::new();
    loop {
        while tasks.try_join_next().is_some() {}
        for broker in shared.brokers() {
            let same = tended.get(&broker.id).is_some_and(|(known, _)| Arc::ptr_eq(known, &broker));
            if same {
                continue;
            }
            let both = || (Arc::clone(&shared), Arc::clone(&broker));
            let (s, b) = both();
            let line = tasks.spawn(line::watch(s, b));
            let (s, b) = both();
            let offsets = tasks.spawn(replicas::watch_offsets(s, b));
            let (s, b) = both();
            let dirs = tasks.spawn(replicas::watch_log_dirs(s, b));
            let before = tended.insert(broker.id, (broker, vec![line, offsets, dirs]));
            for task in before.into_iter().flat_map(|(_, tasks)| tasks) {
                task.abort();
            }
        }
        shared.brokers_changed.notified().await;
    }
}

/// Carries out looks out of turn, side by side: none waits for another.
async fn serve_looks(shared: Arc<Shared>, pulse: Arc<Pulse>, mut asked: mpsc::Receiver<LookNow>) {
    let mut looks = JoinSet::new();
    while let Some(what) = asked.recv().await {
        while looks.try_join_next().is_some() {}
        let (shared, pulse) = (Arc::clone(&shared), Arc::clone(&pulse));
        match what {
            LookNow::Ping(broker) => {
                if let Some(broker) = shared.broker(broker) {
                    broker.nudge.notify_one();
                }
            }
            LookNow::Pulse { not } => {
                looks.spawn(async move { pulse.look(&not, Urgency::Now).await });
            }
            LookNow::Topology { not, turn } => {
                let (place, again) = (place_of(turn), (Arc::clone(&shared), not.clone()));
                looks.spawn(async move { shape::look(&shared, place, &not).await });
                looks.spawn(async move { shape::look_at_reassignments(&again.0, place, &again.1).await });
            }
            LookNow::Offsets { not, partitions } => {
                looks.spawn(async move { replicas::look_at_offsets(shared, &not, &partitions).await });
            }
        }
    }
}
