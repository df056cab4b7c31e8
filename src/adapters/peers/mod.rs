//! Links to the other nodes: TCP, mutual TLS, length-prefixed prost frames.
//!
//! Each node dials every other one and speaks on the connection that it dialled; what it hears comes on those that others
//! dialled. A connection begins with a [`hello`] in each direction, and a stranger is refused with a reason. Sending never
//! waits: what does not fit or has no connection is dropped and counted, oldest Raft messages first, since Raft asks again.
//!
//! It deliberately does not retry, order across reconnects, or understand what it carries.

pub mod frame;
pub mod hello;
mod inbound;
mod outbound;
mod outbox;
mod stream;
pub mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

pub use self::frame::PeerFrame;
pub use self::hello::{Introduction, Refusal};
use self::outbox::Outbox;
pub use self::outbox::Sent;
pub use self::tls::{LinkSecurity, TlsFiles};
use crate::model::ids::NodeId;

/// How a node's links behave.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// What this node says of itself.
    pub introduction: Introduction,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the others are, as `host:port`; only these may connect.
    pub peers: BTreeMap<NodeId, String>,
    /// How connections are protected.
    pub security: LinkSecurity,
    /// The lives of the others' data directories as this node met them first; see [`LinkEvent::Introduced`].
    pub known_stores: BTreeMap<NodeId, [u8; 16]>,
}

/// What links tell.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// A node said something.
    Frame {
        /// Who: authenticated, not merely claimed.
        from: NodeId,
        /// What.
        frame: PeerFrame,
    },
    /// The connection to a node stands.
    Up(NodeId),
    /// The connection to a node broke or could not be made; whatever was on its way may be lost.
    Down {
        /// The node.
        node: NodeId,
        /// Why, for people.
        why: String,
    },
    /// A node was met for the first time: keep its store's name, and give it in [`LinkOptions::known_stores`] next time.
    Introduced {
        /// The node.
        node: NodeId,
        /// The life of its data directory.
        store_id: [u8; 16],
    },
    /// One side refused the other.
    Refused {
        /// The other end, as far as it is known.
        node: Option<NodeId>,
        /// Why.
        refusal: Refusal,
    },
}

/// What can be told about the link to one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkStatus {
    /// Whether the connection stands.
    pub up: bool,
    /// Frames handed to the connection.
    pub sent_frames: u64,
    /// Frames dropped for want of a connection or of room.
    pub dropped_frames: u64,
}

/// Why links cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address cannot be listened on.
    #[error("cannot listen for peers on {address}: choose another `node.listen`, or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Without TLS nobody but this machine may connect.
    #[error(
        "{address} can be reached from other machines, so links need certificates: set `node.tls`, or listen on 127.0.0.1"
    )]
    PlaintextBeyondLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// What all tasks of the links share.
struct Shared {
    introduction: Introduction,
    security: tls::Prepared,
    known_stores: Mutex<BTreeMap<NodeId, [u8; 16]>>,
    outgoing: Mutex<BTreeMap<NodeId, Outgoing>>,
    incoming: Mutex<BTreeMap<NodeId, AbortHandle>>,
    events: mpsc::Sender<LinkEvent>,
}

struct Outgoing {
    address: String,
    outbox: Arc<Outbox>,
    task: AbortHandle,
}

/// The links of one node; they end when this is dropped.
pub struct PeerLinks {
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
    address: SocketAddr,
}

impl PeerLinks {
    /// Listens, and dials all peers; what happens goes to `events`.
    ///
    /// Errors: [`LinkError`]; a peer that cannot be reached is none.
    pub async fn start(options: LinkOptions, events: mpsc::Sender<LinkEvent>) -> Result<Self, LinkError> {
        let LinkOptions { introduction, listen, peers, security, known_stores } = options;
        let security = tls::Prepared::new(&security)?;
        if security.is_plaintext() && !listen.ip().is_loopback() {
            return Err(LinkError::PlaintextBeyondLoopback { address: listen });
        }
        let failed = |source| LinkError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            introduction,
            security,
            known_stores: Mutex::new(known_stores),
            outgoing: Mutex::new(BTreeMap::new()),
            incoming: Mutex::new(BTreeMap::new()),
            events,
        });
        let listener = tokio::spawn(inbound::listen(Arc::clone(&shared), listener));
        let links = Self { shared, listener, address };
        links.set_peers(&peers);
        Ok(links)
    }

    /// Gives the address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a frame, or drops it: see [`Sent`]. Never waits.
    pub fn send(&self, to: NodeId, frame: PeerFrame) -> Sent {
        let outbox = lock(&self.shared.outgoing).get(&to).map(|outgoing| Arc::clone(&outgoing.outbox));
        outbox.map_or(Sent::NoLink, |outbox| outbox.push(frame))
    }

    /// Makes these the peers: dials new and moved ones, and leaves those that are gone. Must be called within the runtime.
    pub fn set_peers(&self, peers: &BTreeMap<NodeId, String>) {
        let mut outgoing = lock(&self.shared.outgoing);
        outgoing.retain(|node, link| {
            let stays = peers.get(node) == Some(&link.address);
            if !stays {
                link.task.abort();
            }
            stays
        });
        lock(&self.shared.incoming).retain(|node, task| {
            let stays = peers.contains_key(node);
            if !stays {
                task.abort();
            }
            stays
        });
        for (node, address) in peers {
            if *node != self.shared.introduction.node && !outgoing.contains_key(node) {
                let outbox = Arc::new(Outbox::default());
                let dial = outbound::keep(Arc::clone(&self.shared), *node, address.clone(), Arc::clone(&outbox));
                let task = tokio::spawn(dial).abort_handle();
                outgoing.insert(*node, Outgoing { address: address.clone(), outbox, task });
            }
        }
    }

    /// Ends the links; once this is over, the address is free again.
    pub async fn stop(mut self) {
        self.listener.abort();
        // It ends by being stopped, which is what was asked for.
        let _stopped = (&mut self.listener).await;
    }

    /// Gives the state of each link.
    #[must_use]
    pub fn status(&self) -> BTreeMap<NodeId, LinkStatus> {
        lock(&self.shared.outgoing).iter().map(|(node, link)| (*node, link.outbox.status())).collect()
    }
}

impl Drop for PeerLinks {
    fn drop(&mut self) {
        self.listener.abort();
        lock(&self.shared.outgoing).values().for_each(|link| link.task.abort());
        lock(&self.shared.incoming).values().for_each(AbortHandle::abort);
    }
}

impl Shared {
    /// Says whether a node with this store may connect; remembers one that is met for the first time.
    async fn meet(&self, met: &Introduction) -> Result<(), Refusal> {
        let known = lock(&self.outgoing).contains_key(&met.node);
        if !known {
            return Err(Refusal::new(hello::Reason::UnknownNode, format!("{} is none of our peers", met.node)));
        }
        let first = {
            let mut stores = lock(&self.known_stores);
            match stores.get(&met.node) {
                Some(before) if *before != met.store_id => {
                    let why =
                        format!("{} had another data directory when we met it first: `tanist node rejoin`", met.node);
                    return Err(Refusal::new(hello::Reason::StoreChanged, why));
                }
                Some(_) => false,
                None => stores.insert(met.node, met.store_id).is_none(),
            }
        };
        if first {
            self.tell(LinkEvent::Introduced { node: met.node, store_id: met.store_id }).await;
        }
        Ok(())
    }

    async fn tell(&self, event: LinkEvent) {
        // The receiver is gone only when the node is about to end, and then nobody wants to know.
        let _ended = self.events.send(event).await;
    }
}

/// A poisoned lock means that a task panicked between two simple assignments: what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
