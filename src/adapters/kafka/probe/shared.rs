//! What the tasks of one probe share: the brokers known so far, the last topology, and the way out for observations.
//!
//! Locks are held for a lookup, never across a wait.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::lane::Lane;
use super::options::ProbeOptions;
use crate::adapters::clock;
use crate::adapters::kafka::wire::{Endpoint, Obstacle, Options, Rights, WireError};
use crate::control::budget::Budget;
use crate::control::turn;
use crate::model::ids::{BrokerId, ClusterId, PartitionId, TopicId};
use crate::model::observation::{Blindness, Fact, Observation};
use crate::model::topology::Topology;

/// One broker as this node reaches it: a connection per purpose.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: BrokerId,
    pub(super) endpoint: Endpoint,
    /// Asks for a ping out of turn.
    pub(super) nudge: Notify,
    /// Whether its last ping was answered: whom to ask about others first.
    pub(super) answers: AtomicBool,
    pub(super) shape: Lane,
    pub(super) pulse: Lane,
    pub(super) offsets: Lane,
    pub(super) rounds: Lane,
    pub(super) dirs: Lane,
    budget: Mutex<Budget>,
}

impl Broker {
    fn new(id: BrokerId, endpoint: Endpoint, options: &Options) -> Self {
        let lane = || Lane::new(endpoint.clone(), options.clone());
        Self {
            id,
            nudge: Notify::new(),
            answers: AtomicBool::new(true),
            shape: lane(),
            pulse: lane(),
            offsets: lane(),
            rounds: lane(),
            dirs: lane(),
            budget: Mutex::new(Budget::new(clock::timestamp())),
            endpoint,
        }
    }

    /// Counts a request that cannot wait.
    pub(super) fn count(&self) {
        held(&self.budget).urgent(clock::timestamp());
    }

    /// Says whether a request that merely keeps a picture fresh may go out now.
    pub(super) fn may_ask(&self) -> bool {
        held(&self.budget).routine(clock::timestamp())
    }
}

/// What the tasks of one probe share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: ProbeOptions,
    /// Wakes the look at the topology: a connection has closed.
    pub(super) shape_now: Notify,
    /// Wakes whoever starts tasks for brokers: one has been learnt.
    pub(super) brokers_changed: Notify,
    out: mpsc::Sender<Observation>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    brokers: BTreeMap<BrokerId, Arc<Broker>>,
    cluster: Option<ClusterId>,
    topology: Option<Arc<Topology>>,
    min_isr: Arc<BTreeMap<TopicId, u16>>,
    reassigning: BTreeSet<PartitionId>,
}

impl Shared {
    pub(super) fn new(options: ProbeOptions, out: mpsc::Sender<Observation>) -> Self {
        let known = Known { cluster: options.cluster.clone(), ..Known::default() };
        Self { options, shape_now: Notify::new(), brokers_changed: Notify::new(), out, known: Mutex::new(known) }
    }

    /// Sends a fact on its way; waits while the driver is behind.
    pub(super) async fn tell(&self, fact: Fact) {
        // Nobody listens any more once the probe is being dropped.
        let _ = self.out.send(Observation { at: clock::timestamp(), fact }).await;
    }

    /// Gives how the probe opens its connections: it may only look.
    pub(super) fn wire(&self) -> Options {
        Options {
            transport: self.options.transport,
            client_id: self.options.client_id.clone(),
            connect_within: self.options.rhythm.ping_within,
            ..Options::new(Rights::ReadOnly)
        }
    }

    /// Takes in where brokers are; a broker that moved gets connections of its own.
    pub(super) fn learn_brokers(&self, found: impl IntoIterator<Item = (BrokerId, Endpoint)>) {
        let options = self.wire();
        let mut changed = false;
        let mut known = held(&self.known);
        for (id, endpoint) in found {
            if known.brokers.get(&id).is_none_or(|broker| broker.endpoint != endpoint) {
                known.brokers.insert(id, Arc::new(Broker::new(id, endpoint, &options)));
                changed = true;
            }
        }
        drop(known);
        if changed {
            self.brokers_changed.notify_one();
        }
    }

    pub(super) fn brokers(&self) -> Vec<Arc<Broker>> {
        held(&self.known).brokers.values().cloned().collect()
    }

    pub(super) fn broker(&self, id: BrokerId) -> Option<Arc<Broker>> {
        held(&self.known).brokers.get(&id).cloned()
    }

    /// Gives brokers to ask about others: those that answer first, then by id from a place on.
    pub(super) fn whom_to_ask(&self, place: usize, not: &BTreeSet<BrokerId>) -> Vec<Arc<Broker>> {
        let brokers = self.brokers().into_iter().filter(|broker| !not.contains(&broker.id)).collect();
        turn::whom_to_ask(brokers, place, |broker: &Arc<Broker>| broker.answers.load(Ordering::Relaxed))
    }

    pub(super) fn cluster(&self) -> Option<ClusterId> {
        held(&self.known).cluster.clone()
    }

    /// Says whether an answer comes from our cluster; the first answer decides where no id was configured.
    pub(super) fn is_ours(&self, cluster: &str) -> bool {
        let mut known = held(&self.known);
        known.cluster.get_or_insert_with(|| ClusterId(cluster.to_owned())).0 == cluster
    }

    pub(super) fn topology(&self) -> Option<Arc<Topology>> {
        held(&self.known).topology.clone()
    }

    pub(super) fn learn_topology(&self, topology: &Arc<Topology>) {
        held(&self.known).topology = Some(Arc::clone(topology));
    }

    pub(super) fn min_isr(&self) -> Arc<BTreeMap<TopicId, u16>> {
        Arc::clone(&held(&self.known).min_isr)
    }

    pub(super) fn learn_min_isr(&self, min_isr: BTreeMap<TopicId, u16>) {
        held(&self.known).min_isr = Arc::new(min_isr);
    }

    pub(super) fn reassigning(&self) -> BTreeSet<PartitionId> {
        held(&self.known).reassigning.clone()
    }

    pub(super) fn learn_reassigning(&self, partitions: BTreeSet<PartitionId>) {
        held(&self.known).reassigning = partitions;
    }
}

/// Locks; a panic elsewhere does not make what is behind the lock unreadable.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says why a probe that failed so says nothing.
pub(super) fn blindness(error: &WireError) -> Blindness {
    match error {
        WireError::Unreachable { why, .. } if no_route(*why) => Blindness::NoRoute,
        WireError::ConnectionCapped { .. } => Blindness::Capped,
        WireError::Denied { .. } => Blindness::Denied,
        WireError::Unsupported { .. } | WireError::Unsendable { .. } | WireError::ReadOnly { .. } => {
            Blindness::Unsupported
        }
        WireError::Malformed { .. } => Blindness::Malformed,
        WireError::Unreachable { .. }
        | WireError::Unanswered { .. }
        | WireError::Closed { .. }
        | WireError::Refused { .. } => Blindness::NobodyAnswered,
    }
}

/// Says whether it is this node that has no way there, as opposed to nobody answering at the other end.
pub(super) fn no_route(why: Obstacle) -> bool {
    match why {
        Obstacle::NoAddress => true,
        // An unreachable *host* is one that does not answer the last hop.
        Obstacle::Network(kind) => kind != ErrorKind::HostUnreachable,
        Obstacle::Refused | Obstacle::ConnectTimedOut | Obstacle::NeverItsTurn | Obstacle::Crowded => false,
    }
}
