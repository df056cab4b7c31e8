//! Whom the hand talks to: warm connections to the controllers and brokers, and the names that Kafka's requests need.
//!
//! Deliberately its own connections, apart from the probe's: the hand never waits behind a slow look, and looking never
//! carries the right to touch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Mutex;

use crate::adapters::kafka::wire::{
    ClusterView, Connection, Endpoint, Endpoints, ErrorCode, Options, TopicFilter, TopicPartition, Topology, WireError,
};
use crate::control::turn::{Turn, whom_to_ask};
use crate::model::ids::{BrokerId, TopicId};

/// How long one try at opening and asking may take while finding somebody who answers.
const TRY_FOR: Duration = Duration::from_millis(500);

/// Where the cluster is and how to talk to it.
#[derive(Debug, Clone)]
pub struct HandOptions {
    /// Brokers to begin with.
    pub bootstrap: Vec<Endpoint>,
    /// The controllers, where this node may reach their listener; empty: everything goes through brokers.
    pub controllers: Vec<Endpoint>,
    /// How connections are opened; their rights decide whether anything can be changed at all.
    pub connect: Options,
}

/// Whom to ask about a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Whom {
    /// Brokers not to ask: those that are to lose.
    pub(super) not: BTreeSet<BrokerId>,
    /// Who has just answered: a process that was stopped takes connections, and answers nothing.
    pub(super) heard: Vec<Endpoint>,
}

/// Warm connections and the newest names.
#[derive(Debug)]
pub(super) struct Contacts {
    options: HandOptions,
    open: Mutex<BTreeMap<String, Arc<Connection>>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    brokers: BTreeMap<BrokerId, Endpoint>,
    names: BTreeMap<TopicId, String>,
    /// Who is asked for the next change.
    turn: Turn<Endpoint>,
    /// Where the metadata log's committed end was when a controller last said so.
    committed: Option<i64>,
}

impl Contacts {
    pub(super) fn new(options: HandOptions) -> Self {
        Self { options, open: Mutex::default(), known: Mutex::default() }
    }

    pub(super) fn has_controllers(&self) -> bool {
        !self.options.controllers.is_empty()
    }

    /// Gives the open connection to a peer, or opens one.
    pub(super) async fn to(&self, peer: &Endpoint) -> Result<Arc<Connection>, WireError> {
        let key = peer.to_string();
        let kept = self.open.lock().await.get(&key).cloned();
        if let Some(kept) = kept.filter(|kept| kept.closed_already().is_none()) {
            return Ok(kept);
        }
        let fresh = Arc::new(Connection::open(peer, &self.options.connect).await?);
        self.open.lock().await.insert(key, Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Forgets a connection that no longer answers.
    pub(super) async fn forget(&self, peer: &Endpoint) {
        self.open.lock().await.remove(&peer.to_string());
    }

    /// Opens what is not open, learns brokers, names and the active controller, so that an act in need waits for nothing.
    pub(super) async fn warm(&self) {
        let controllers = self.options.controllers.iter().map(|peer| async move {
            let _ = self.is_active(peer).await;
        });
        join_all(controllers).await;
        if let Some((_, topology)) = self.ask_brokers(&BTreeSet::new(), TopicFilter::All, 1, TRY_FOR * 4).await.pop() {
            self.learn(&topology).await;
        }
        let brokers: Vec<Endpoint> = self.known.lock().await.brokers.values().cloned().collect();
        join_all(brokers.iter().map(|peer| async move {
            // A broker that cannot be reached now is tried again when it is needed.
            let _ = tokio::time::timeout(TRY_FOR, self.to(peer)).await;
        }))
        .await;
    }

    async fn is_active(&self, peer: &Endpoint) -> Result<bool, WireError> {
        let asked = tokio::time::timeout(TRY_FOR, async { self.to(peer).await?.quorum(TRY_FOR).await }).await;
        match asked {
            Ok(Ok(answer)) => {
                self.note_answered(peer).await;
                self.learn_committed(answer.body.high_watermark).await;
                Ok(true)
            }
            Ok(Err(WireError::Refused { .. })) => {
                self.note_heard(peer).await;
                Ok(false)
            }
            Ok(Err(error)) => {
                self.forget(peer).await;
                self.note_unanswered(peer).await;
                Err(error)
            }
            Err(_) => {
                self.forget(peer).await;
                self.note_unanswered(peer).await;
                Ok(false)
            }
        }
    }

    /// Gives the peers that a change may be sent to, in the order in which to try them: the controllers, or where none is known
    /// to us the brokers.
    pub(super) async fn doors(&self, whom: &Whom) -> Vec<Endpoint> {
        let all = if self.has_controllers() { self.options.controllers.clone() } else { self.brokers(&whom.not).await };
        self.known.lock().await.turn.order(all, &whom.heard)
    }

    pub(super) async fn note_heard(&self, peer: &Endpoint) {
        self.known.lock().await.turn.heard(peer);
    }

    pub(super) async fn note_answered(&self, peer: &Endpoint) {
        self.known.lock().await.turn.answered(peer);
    }

    pub(super) async fn note_unanswered(&self, peer: &Endpoint) {
        self.known.lock().await.turn.left_unanswered(peer);
    }

    /// Gives the brokers to try, but for `not`: those known, else the bootstrap list.
    pub(super) async fn brokers(&self, not: &BTreeSet<BrokerId>) -> Vec<Endpoint> {
        let known = self.known.lock().await;
        let left_out: Vec<&Endpoint> =
            known.brokers.iter().filter(|(id, _)| not.contains(id)).map(|(_, peer)| peer).collect();
        let good = known.brokers.iter().filter(|(id, _)| !not.contains(id)).map(|(_, peer)| peer.clone());
        let rest = self
            .options
            .bootstrap
            .iter()
            .filter(|peer| !left_out.contains(peer) && !known.brokers.values().any(|one| one == *peer))
            .cloned();
        good.chain(rest).collect()
    }

    /// Asks brokers at the same time and gives the first `wanted` answers.
    pub(super) async fn ask_brokers(
        &self,
        not: &BTreeSet<BrokerId>,
        topics: TopicFilter<'_>,
        wanted: usize,
        within: Duration,
    ) -> Vec<(Endpoint, Topology)> {
        use futures::stream::{FuturesUnordered, StreamExt};

        let peers = self.brokers(not).await;
        let mut asking: FuturesUnordered<_> = peers
            .iter()
            .map(|peer| async move {
                let asked = async { self.to(peer).await?.topology(topics, within).await };
                match tokio::time::timeout(within, asked).await {
                    Ok(Ok(answer)) => Some((peer.clone(), answer.body)),
                    Ok(Err(_)) | Err(_) => {
                        self.forget(peer).await;
                        None
                    }
                }
            })
            .collect();
        let mut answers = Vec::new();
        while let Some(answer) = asking.next().await {
            answers.extend(answer);
            if wanted <= answers.len() {
                break;
            }
        }
        answers
    }

    /// Asks brokers one after the other who is registered; gives the first answer, and notes who gave it.
    pub(super) async fn registrations(&self, whom: &mut Whom, within: Duration) -> Option<ClusterView> {
        for peer in self.brokers(&whom.not).await {
            let asked = async { self.to(&peer).await?.cluster(Endpoints::Brokers, within).await };
            match tokio::time::timeout(within, asked).await {
                Ok(Ok(answer)) => {
                    whom.heard = vec![peer];
                    return Some(answer.body);
                }
                Ok(Err(_)) | Err(_) => self.forget(&peer).await,
            }
        }
        None
    }

    /// Asks brokers one after the other what is being reassigned, first those that have just answered; gives the first answer.
    pub(super) async fn reassignments(&self, whom: &Whom, within: Duration) -> Option<BTreeSet<TopicPartition>> {
        for peer in whom_to_ask(self.brokers(&whom.not).await, 0, |peer| whom.heard.contains(peer)) {
            let asked = async { self.to(&peer).await?.reassignments(within).await };
            match tokio::time::timeout(within, asked).await {
                Ok(Ok(answer)) => return Some(answer.body.into_iter().map(|one| one.partition).collect()),
                Ok(Err(_)) | Err(_) => self.forget(&peer).await,
            }
        }
        None
    }

    /// Gives where a broker was last known to listen.
    pub(super) async fn address_of(&self, broker: BrokerId) -> Option<Endpoint> {
        self.known.lock().await.brokers.get(&broker).cloned()
    }

    /// Tells whether somebody at this address speaks Kafka over a connection opened now.
    pub(super) async fn answers(&self, peer: &Endpoint, within: Duration) -> bool {
        matches!(tokio::time::timeout(within, Connection::open(peer, &self.options.connect)).await, Ok(Ok(_)))
    }

    /// Takes over what a broker says of addresses and names.
    pub(super) async fn learn(&self, topology: &Topology) {
        let mut known = self.known.lock().await;
        for broker in &topology.brokers {
            known.brokers.insert(BrokerId(broker.id), broker.endpoint.clone());
        }
        for topic in topology.topics.iter().filter(|topic| topic.error.is_none()) {
            known.names.insert(TopicId(*topic.id.as_bytes()), topic.name.clone());
        }
    }

    async fn learn_committed(&self, committed: Option<i64>) {
        let mut known = self.known.lock().await;
        known.committed = committed.or(known.committed);
    }

    /// Gives where the metadata log's committed end was when it was last heard of.
    pub(super) async fn committed(&self) -> Option<i64> {
        self.known.lock().await.committed
    }

    /// Gives the names of topics; those not known are left out.
    pub(super) async fn names(&self, topics: &BTreeSet<TopicId>) -> BTreeMap<TopicId, String> {
        let known = self.known.lock().await;
        topics.iter().filter_map(|topic| known.names.get(topic).map(|name| (*topic, name.clone()))).collect()
    }
}

/// Tells whether an answer says "not me, another controller".
pub(super) fn is_elsewhere(error: &WireError) -> bool {
    matches!(error.code(), Some(ErrorCode::NotController | ErrorCode::NotLeaderOrFollower))
}
