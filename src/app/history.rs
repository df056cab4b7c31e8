//! The history's own task: every committed record goes to the audit store in order, checkpoints let the log be cut, and what
//! is missing is fetched from a peer, checked against the chain.
//!
//! Deliberately off the driver's path: a decision never waits for the history, which nothing that is decided reads.

#[cfg(test)]
mod fetch_tests;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::adapters::ledger::{Checkpoint, LedgerDesk};
use crate::adapters::peers::PeerFrame;
use crate::adapters::store::audit::{Append, AuditStore, Found, IndexKeys, Limit, Opened, Query};
use crate::consensus::wire::{HistoryChunk, HistoryRequest};
use crate::control::event::Kept;
use crate::driver::Past;
use crate::model::canon::from_canonical_bytes;
use crate::model::chain::{Head, Link};
use crate::model::ids::{NodeId, RaftIndex, RecordIndex};
use crate::model::record::Record;

/// How often what was written is made durable, at the most; each lets the log be cut behind it.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// How long a peer may take to send the next piece of what is missing before another is asked.
const FETCH_WITHIN: Duration = Duration::from_secs(2);

/// How much one answer to a peer holds. Units: bytes; well below a frame's limit.
const SERVED_BYTES_MAX: usize = 256 << 10;

/// The history of one node.
pub(super) struct History {
    store: AuditStore,
    desk: LedgerDesk,
    past: mpsc::UnboundedReceiver<Past>,
    frames: mpsc::Receiver<(NodeId, PeerFrame)>,
    peers: Vec<NodeId>,
    /// The end of what is stored.
    head: Head,
    /// The newest record that is known to be committed; what lies between is missing.
    promised: Head,
    waiting: VecDeque<Kept>,
    /// The newest log entry that is stored, once it is.
    raft: Option<RaftIndex>,
    checkpointed: Head,
    fetching: Option<u64>,
    fetches: u64,
    rebuilt: mpsc::Sender<()>,
}

impl History {
    pub(super) fn new(
        store: AuditStore,
        desk: LedgerDesk,
        (past, frames): (mpsc::UnboundedReceiver<Past>, mpsc::Receiver<(NodeId, PeerFrame)>),
        (peers, rebuilt): (Vec<NodeId>, mpsc::Sender<()>),
        (opened, promised): (Opened, Head),
    ) -> Self {
        tell(&rebuilt, &opened);
        Self {
            rebuilt,
            store,
            desk,
            past,
            frames,
            peers,
            head: opened.head,
            promised: if promised.index < opened.head.index { opened.head } else { promised },
            waiting: VecDeque::new(),
            raft: None,
            checkpointed: opened.head,
            fetching: None,
            fetches: 0,
        }
    }

    /// Runs until the driver is gone; then writes what it holds and ends.
    pub(super) async fn run(mut self) {
        let mut checkpoints = tokio::time::interval(CHECKPOINT_EVERY);
        let mut fetches = tokio::time::interval(FETCH_WITHIN);
        loop {
            tokio::select! {
                past = self.past.recv() => match past {
                    Some(past) => self.take(past).await,
                    None => break,
                },
                Some((from, frame)) = self.frames.recv() => self.heard(from, frame).await,
                _ = checkpoints.tick() => self.checkpoint().await,
                _ = fetches.tick() => self.fetch(),
            }
        }
        self.checkpoint().await;
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the history was not closed in good order");
        }
    }

    async fn take(&mut self, past: Past) {
        self.hear(past);
        while let Ok(more) = self.past.try_recv() {
            self.hear(more);
        }
        self.absorb().await;
    }

    fn hear(&mut self, past: Past) {
        let head = match past {
            Past::Record(kept) => {
                let head = kept.head;
                self.waiting.push_back(*kept);
                head
            }
            Past::UpTo(head) => head,
        };
        if self.promised.index < head.index {
            self.promised = head;
        }
    }

    /// Stores what follows on what is stored.
    async fn absorb(&mut self) {
        let mut batch = Vec::new();
        let (mut head, mut raft) = (self.head, self.raft);
        while let Some(next) = self.waiting.front() {
            if next.head.index <= head.index {
                // Replayed from the log after a start; its entry is in the store already.
                raft = Some(next.raft);
            } else if next.head.index == head.next_index() {
                if head.extend(&next.bytes) != next.head {
                    return self.set_aside("its end does not carry the next record of the log").await;
                }
                batch.push(append(
                    Link { index: next.head.index, bytes: next.bytes.clone(), hash: next.head.hash },
                    &next.record,
                ));
                (head, raft) = (next.head, Some(next.raft));
            } else {
                break;
            }
            self.waiting.pop_front();
        }
        self.store(batch, head, raft).await;
    }

    async fn store(&mut self, batch: Vec<Append>, head: Head, raft: Option<RaftIndex>) {
        if batch.is_empty() {
            self.raft = raft;
            return;
        }
        match self.store.append(batch).await {
            Ok(_) => (self.head, self.raft) = (head, raft),
            Err(error) => {
                tracing::error!(%error, "the history cannot be written");
                self.reopen().await;
            }
        }
    }

    async fn reopen(&mut self) {
        match self.store.reopen(self.checkpointed).await {
            Ok(opened) => {
                tracing::warn!("{opened}");
                tell(&self.rebuilt, &opened);
                self.head = opened.head;
                self.raft = None;
            }
            Err(error) => {
                tracing::error!(%error, "the history cannot be opened again; the next record tries once more")
            }
        }
    }

    async fn set_aside(&mut self, why: &str) {
        match self.store.quarantine(why.to_owned(), self.promised).await {
            Ok(opened) => {
                tracing::error!("{opened}");
                tell(&self.rebuilt, &opened);
                (self.head, self.checkpointed, self.raft) = (opened.head, opened.head, None);
            }
            Err(error) => tracing::error!(%error, "the history cannot be set aside"),
        }
    }

    async fn checkpoint(&mut self) {
        let Some(raft) = self.raft else { return };
        if self.head == self.checkpointed {
            return;
        }
        match self.store.checkpoint().await {
            Ok(head) => {
                self.checkpointed = head;
                self.desk.checkpoint(Checkpoint { raft, head });
            }
            Err(error) => tracing::error!(%error, "the history cannot be made durable; the log is not cut"),
        }
    }

    /// Asks a peer for what is missing: each time another, until one sends it.
    fn fetch(&mut self) {
        let next = self.head.next_index();
        let gap_ends =
            self.waiting.front().map_or(self.promised.index, |kept| RecordIndex(kept.head.index.0.saturating_sub(1)));
        if gap_ends < next || self.peers.is_empty() {
            self.fetching = None;
            return;
        }
        self.fetches = self.fetches.wrapping_add(1);
        let place = usize::try_from(self.fetches).unwrap_or_default() % self.peers.len();
        if let Some(peer) = self.peers.get(place) {
            tracing::warn!("records {next} to {gap_ends} are missing in the history here: asking {peer}");
            self.fetching = Some(self.fetches);
            let request =
                HistoryRequest { request_id: self.fetches, first_record_index: next.0, last_record_index: gap_ends.0 };
            self.desk.send(*peer, PeerFrame::HistoryRequest(request));
        }
    }

    async fn heard(&mut self, from: NodeId, frame: PeerFrame) {
        match frame {
            PeerFrame::HistoryRequest(request) => self.serve(from, &request).await,
            PeerFrame::HistoryChunk(chunk) if self.fetching == Some(chunk.request_id) => self.fill(from, chunk).await,
            PeerFrame::HistoryChunk(_) | PeerFrame::Raft(_) | PeerFrame::Words(_) => {}
        }
    }

    async fn serve(&self, to: NodeId, request: &HistoryRequest) {
        let limit = Limit { records_max: Limit::MOST.records_max, bytes_max: SERVED_BYTES_MAX };
        let from = RecordIndex(request.first_record_index);
        let Ok(page) = self.store.find(Query::range(from, limit)).await else { return };
        let records = page.links.into_iter().filter(|link| link.index.0 <= request.last_record_index);
        let chunk = HistoryChunk {
            request_id: request.request_id,
            first_record_index: request.first_record_index,
            records: records.map(|link| link.bytes.into()).collect(),
            last: !page.more,
            head_record_index: self.head.index.0,
        };
        self.desk.send(to, PeerFrame::HistoryChunk(chunk));
    }

    /// Takes what a peer sent, as far as each record is one; that they are the right ones shows where they meet what this
    /// node knows to be committed.
    async fn fill(&mut self, from: NodeId, chunk: HistoryChunk) {
        if chunk.first_record_index != self.head.next_index().0 || chunk.records.is_empty() {
            return;
        }
        let mut batch = Vec::new();
        let mut head = self.head;
        for bytes in chunk.records {
            let Ok(record) = from_canonical_bytes::<Record>(&bytes) else {
                return tracing::warn!("{from} sent a record that is none; asking another");
            };
            head = head.extend(&bytes);
            if head.index == self.promised.index && head != self.promised {
                return self.set_aside(&format!("what {from} sent for the missing records is another history")).await;
            }
            batch.push(append(Link { index: head.index, bytes: bytes.to_vec(), hash: head.hash }, &record));
        }
        let raft = self.raft;
        self.store(batch, head, raft).await;
        self.absorb().await;
        self.fetch();
    }
}

/// Tells that the history was set aside, where it was; one word that waits says it as well as two.
fn tell(rebuilt: &mpsc::Sender<()>, opened: &Opened) {
    if matches!(opened.found, Found::Quarantined { .. }) {
        let _ = rebuilt.try_send(());
    }
}

fn append(link: Link, record: &Record) -> Append {
    let keys = IndexKeys::of(link.index, record);
    Append { link, keys }
}

#[cfg(test)]
mod tests;
