//! The disk's own thread: one persist at a time, each durable before it is reported.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{CHECKPOINT_NOTE, Checkpoint};
use crate::adapters::clock;
use crate::adapters::store::redb_log::{RaftStore, StoreError};
use crate::consensus::{Persist, PersistToken};

/// What the disk did.
#[derive(Debug)]
pub(super) enum Done {
    /// A persist is durable; syncing took this long (none where no sync was asked for).
    Persisted(PersistToken, Option<Duration>),
    /// The note of a checkpoint is durable.
    Checkpointed(Checkpoint),
    /// A note is durable.
    Noted,
    /// The store is of no more use.
    Failed(StoreError),
}

#[derive(Debug)]
enum Work {
    Persist(Box<Persist>),
    Checkpoint(Checkpoint),
    Note(String, Vec<u8>),
    ReadCheckpoint(oneshot::Sender<Option<Checkpoint>>),
}

/// The disk's thread and its two channels.
#[derive(Debug)]
pub(super) struct Disk {
    work: mpsc::UnboundedSender<Work>,
    pub(super) done: mpsc::UnboundedReceiver<Done>,
    _thread: JoinHandle<()>,
}

impl Disk {
    pub(super) fn start(store: RaftStore) -> std::io::Result<Self> {
        let (work, inlet) = mpsc::unbounded_channel();
        let (outlet, done) = mpsc::unbounded_channel();
        let thread =
            std::thread::Builder::new().name("raft-disk".to_owned()).spawn(move || run(store, inlet, &outlet))?;
        Ok(Self { work, done, _thread: thread })
    }

    pub(super) fn persist(&self, persist: Persist) {
        // The thread ends only after a failure that it has reported.
        let _ = self.work.send(Work::Persist(Box::new(persist)));
    }

    pub(super) fn note(&self, name: String, bytes: Vec<u8>) {
        let _ = self.work.send(Work::Note(name, bytes));
    }

    pub(super) fn checkpoint(&self, checkpoint: Checkpoint) {
        let _ = self.work.send(Work::Checkpoint(checkpoint));
    }

    /// Reads the note of the checkpoint back from redb; whoever asks hears nothing where it cannot be read.
    pub(super) fn read_checkpoint(&self, reply: oneshot::Sender<Option<Checkpoint>>) {
        let _ = self.work.send(Work::ReadCheckpoint(reply));
    }
}

fn run(mut store: RaftStore, mut inlet: mpsc::UnboundedReceiver<Work>, outlet: &mpsc::UnboundedSender<Done>) {
    while let Some(work) = inlet.blocking_recv() {
        let done = match work {
            Work::Persist(persist) => {
                let before = clock::now();
                store.persist(&persist).map(|()| {
                    let took = clock::now().saturating_duration_since(before);
                    Done::Persisted(persist.token, persist.must_sync.then_some(took))
                })
            }
            Work::Note(name, bytes) => store.put_note(&name, &bytes).map(|()| Done::Noted),
            Work::ReadCheckpoint(reply) => {
                match super::checkpoint(&store) {
                    // Whoever asked may have stopped waiting.
                    Ok(found) => drop(reply.send(found)),
                    Err(error) => tracing::error!(%error, "reading the audit store's checkpoint back"),
                }
                continue;
            }
            Work::Checkpoint(checkpoint) => note(&mut store, checkpoint).map(|()| Done::Checkpointed(checkpoint)),
        };
        let failed = done.is_err();
        if outlet.send(done.unwrap_or_else(Done::Failed)).is_err() || failed {
            return;
        }
    }
}

fn note(store: &mut RaftStore, checkpoint: Checkpoint) -> Result<(), StoreError> {
    // Plain data without maps: writing it as JSON cannot fail; an empty note would be refused at the next start.
    let bytes = serde_json::to_vec(&checkpoint).unwrap_or_default();
    store.put_note(CHECKPOINT_NOTE, &bytes)
}
