//! The ledger over Raft: the consensus core with its disk and its links, seen by the driver as one port.
//!
//! Deliberately a task of its own with a thread for the disk: a slow fsync delays commits, never the watching of brokers.

mod disk;
mod leave;
mod task;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use self::leave::hand_over;
use crate::adapters::peers::{LinkEvent, LinkStatus, PeerFrame, PeerLinks};
use crate::adapters::store::redb_log::{RaftStore, StoreError};
use crate::consensus::{Members, Peer, PeerOptions, PeerStatus, StartError};
use crate::model::chain::Head;
use crate::model::ids::{NodeId, RaftIndex};
use crate::ports::{Ledger, LedgerEvent, PeerWords};

/// The note in redb that holds the audit store's last checkpoint.
const CHECKPOINT_NOTE: &str = "audit-checkpoint";

/// How a ledger is set up.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The consensus core's own options.
    pub peer: PeerOptions,
    /// How much of the log before the newest snapshot is read into memory at start. Units: bytes.
    pub recover_bytes_max: u64,
    /// The members that the settings name: a node that leads brings the trio there, one safe change at a time.
    pub wanted: BTreeSet<NodeId>,
}

/// How far the audit store is known to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// The newest log entry that is in it.
    pub raft: RaftIndex,
    /// Its head.
    pub head: Head,
}

/// What can be told about the ledger.
#[derive(Debug, Clone)]
pub struct LedgerStatus {
    /// The consensus core.
    pub peer: PeerStatus,
    /// The links.
    pub links: std::collections::BTreeMap<NodeId, LinkStatus>,
    /// What peers and this node last refused each other for, by the other end.
    pub refusals: std::collections::BTreeMap<NodeId, String>,
}

/// The driver's end of the ledger.
#[derive(Debug)]
pub struct RaftLedger {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<LedgerEvent>,
}

/// Another end of the ledger, for the parts of the node beside the driver.
#[derive(Debug, Clone)]
pub struct LedgerDesk {
    commands: mpsc::UnboundedSender<Command>,
}

/// A ledger that has been started, with its ends.
#[derive(Debug)]
pub struct Started {
    /// The driver's.
    pub ledger: RaftLedger,
    /// Everybody else's.
    pub desk: LedgerDesk,
    /// The members at the newest snapshot.
    pub members: Members,
    /// What peers ask and answer about the audit history.
    pub history: mpsc::Receiver<(NodeId, PeerFrame)>,
}

/// How many frames about the history may wait; a peer that asks faster is dropped, and asks again.
const HISTORY_WAITING_MAX: usize = 16;

#[derive(Debug)]
enum Command {
    Propose(Vec<Vec<u8>>),
    Tell(NodeId, PeerWords),
    Freeze { index: RaftIndex, state: Vec<u8> },
    Checkpoint(Checkpoint),
    ReadCheckpoint(oneshot::Sender<Option<Checkpoint>>),
    Send(NodeId, PeerFrame),
    Status(oneshot::Sender<LedgerStatus>),
    Transfer(NodeId),
}

/// Why the ledger does not start.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error("the log's store cannot be read")]
    Store(#[from] StoreError),
    /// What it holds.
    #[error("the log cannot be continued")]
    Start(#[from] StartError),
    /// The thread for the disk.
    #[error("no thread for the disk could be started")]
    Thread(#[source] std::io::Error),
    /// The checkpoint's note.
    #[error("the note of the audit store's checkpoint cannot be read: {0}")]
    Note(String),
}

/// Reads the audit store's last checkpoint back; none before the first.
///
/// Errors: [`LedgerError`] where the store or the note is damaged.
pub fn checkpoint(store: &RaftStore) -> Result<Option<Checkpoint>, LedgerError> {
    let Some(bytes) = store.note(CHECKPOINT_NOTE)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| LedgerError::Note(error.to_string()))
}

/// The note in redb that holds the life of a peer's data directory.
fn store_note(node: NodeId) -> String {
    format!("store-of-{node}")
}

/// Reads back which lives of the others' data directories this node has met.
///
/// Errors: [`LedgerError`] where the store is damaged.
pub fn known_stores(
    store: &RaftStore,
    peers: impl IntoIterator<Item = NodeId>,
) -> Result<std::collections::BTreeMap<NodeId, [u8; 16]>, LedgerError> {
    let mut known = std::collections::BTreeMap::new();
    for node in peers {
        if let Some(id) = store.note(&store_note(node))?.and_then(|bytes| <[u8; 16]>::try_from(bytes.as_ref()).ok()) {
            known.insert(node, id);
        }
    }
    Ok(known)
}

/// Starts the consensus core on what the store holds; `inbound` brings what the links hear.
///
/// Errors: [`LedgerError`] names what cannot be read or continued.
pub fn start(
    options: LedgerOptions,
    store: RaftStore,
    links: PeerLinks,
    inbound: mpsc::Receiver<LinkEvent>,
) -> Result<Started, LedgerError> {
    let recovered = store.recover(options.recover_bytes_max)?;
    let members = recovered.snapshot.members.clone();
    let tick = options.peer.tick;
    let (peer, first) = Peer::start(options.peer, recovered)?;
    let disk = disk::Disk::start(store).map_err(LedgerError::Thread)?;
    let (commands, command_inlet) = mpsc::unbounded_channel();
    let (event_outlet, events) = mpsc::unbounded_channel();
    let (history_outlet, history) = mpsc::channel(HISTORY_WAITING_MAX);
    let task = task::Task::new(peer, disk, links, (event_outlet, history_outlet), options.wanted);
    tokio::spawn(task.run(first, tick, command_inlet, inbound));
    let ledger = RaftLedger { commands: commands.clone(), events };
    Ok(Started { ledger, desk: LedgerDesk { commands }, members, history })
}

impl Ledger for RaftLedger {
    fn propose(&mut self, entries: Vec<Vec<u8>>) {
        self.command(Command::Propose(entries));
    }

    fn tell(&mut self, to: NodeId, words: PeerWords) {
        self.command(Command::Tell(to, words));
    }

    fn hand_over(&mut self, to: NodeId) {
        self.command(Command::Transfer(to));
    }

    fn freeze(&mut self, index: RaftIndex, state: Vec<u8>) {
        self.command(Command::Freeze { index, state });
    }

    async fn next(&mut self) -> Option<LedgerEvent> {
        self.events.recv().await
    }
}

impl RaftLedger {
    fn command(&self, command: Command) {
        // The task ends only after it has said why; the next `next` gives none and the driver stops.
        let _ = self.commands.send(command);
    }
}

impl LedgerDesk {
    /// Notes that the audit store is durable up to here: the log may be cut behind it.
    pub fn checkpoint(&self, checkpoint: Checkpoint) {
        let _ = self.commands.send(Command::Checkpoint(checkpoint));
    }

    /// Gives the head that redb keeps, read back from the disk: the chain's beginning before the first checkpoint; none where
    /// the disk does not answer in time.
    pub async fn checkpointed(&self, within: Duration) -> Option<Head> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::ReadCheckpoint(reply)).ok()?;
        let found = tokio::time::timeout(within, answer).await.ok()?.ok()?;
        Some(found.map_or(Head::GENESIS, |checkpoint| checkpoint.head))
    }

    /// Sends a frame about the history to a peer; may be lost.
    pub fn send(&self, to: NodeId, frame: PeerFrame) {
        let _ = self.commands.send(Command::Send(to, frame));
    }

    /// Asks the core to hand over, if it leads.
    fn transfer(&self, to: NodeId) {
        let _ = self.commands.send(Command::Transfer(to));
    }

    /// Gives what can be told about the consensus core; none where it does not answer in time.
    pub async fn status(&self, within: Duration) -> Option<LedgerStatus> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Status(reply)).ok()?;
        tokio::time::timeout(within, answer).await.ok()?.ok()
    }
}

/// What a desk without a ledger sends.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Outbox(mpsc::UnboundedReceiver<Command>);

#[cfg(test)]
impl Outbox {
    /// Gives a desk that no ledger listens to, and what it sends.
    pub(crate) fn with_desk() -> (Self, LedgerDesk) {
        let (commands, inlet) = mpsc::unbounded_channel();
        (Self(inlet), LedgerDesk { commands })
    }

    /// Gives the next frame for a peer; none once the desk is gone.
    pub(crate) async fn next(&mut self) -> Option<(NodeId, PeerFrame)> {
        loop {
            if let Command::Send(to, frame) = self.0.recv().await? {
                return Some((to, frame));
            }
        }
    }
}
