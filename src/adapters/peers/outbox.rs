//! What waits to be sent to one node: bounded, and never in the sender's way.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::Notify;

use super::frame::{FRAME_BYTES_MAX, Frame, PeerFrame, encode};
use super::{LinkStatus, lock};

/// Beyond these the oldest Raft messages go: a peer that is so far behind asks for what it lacks anyway.
const FRAMES_MAX: usize = 1_024;
const BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the connection.
    Queued,
    /// It waits for the connection, but others had to go for it.
    QueuedInsteadOfOthers,
    /// No connection stands, so it is dropped.
    NoLink,
    /// It is larger than a frame may be, so it is dropped.
    TooLarge,
}

/// The queue of one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    status: LinkStatus,
    frames: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Raft repeats itself.
    Raft,
    /// Others may not.
    Other,
}

impl Outbox {
    /// Puts a frame in, or drops it.
    pub(super) fn push(&self, frame: PeerFrame) -> Sent {
        let kind = if matches!(frame, PeerFrame::Raft(_)) { Kind::Raft } else { Kind::Other };
        let mut queue = lock(&self.queue);
        if !queue.status.up {
            queue.status.dropped_frames = queue.status.dropped_frames.saturating_add(1);
            return Sent::NoLink;
        }
        let bytes = encode(Frame::Peer(frame));
        if FRAME_BYTES_MAX < bytes.len() {
            queue.status.dropped_frames = queue.status.dropped_frames.saturating_add(1);
            return Sent::TooLarge;
        }
        queue.bytes = queue.bytes.saturating_add(bytes.len());
        queue.frames.push_back(Waiting { bytes, kind });
        let mut sent = Sent::Queued;
        while FRAMES_MAX < queue.frames.len() || BYTES_MAX < queue.bytes {
            queue.drop_one();
            sent = Sent::QueuedInsteadOfOthers;
        }
        drop(queue);
        self.filled.notify_one();
        sent
    }

    /// Waits until something is there, and takes all of it.
    pub(super) async fn take(&self) -> Vec<Bytes> {
        loop {
            let taken = lock(&self.queue).take();
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// The connection stands.
    pub(super) fn open(&self) {
        lock(&self.queue).status.up = true;
    }

    /// The connection is gone: what waits is out of date when the next one stands.
    pub(super) fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.status.up = false;
        let lost = u64::try_from(queue.frames.len()).unwrap_or(u64::MAX);
        queue.status.dropped_frames = queue.status.dropped_frames.saturating_add(lost);
        queue.frames.clear();
        queue.bytes = 0;
    }

    /// Gives the link's state.
    pub(super) fn status(&self) -> LinkStatus {
        lock(&self.queue).status.clone()
    }
}

impl Queue {
    fn take(&mut self) -> Vec<Bytes> {
        let count = u64::try_from(self.frames.len()).unwrap_or(u64::MAX);
        self.status.sent_frames = self.status.sent_frames.saturating_add(count);
        self.bytes = 0;
        self.frames.drain(..).map(|waiting| waiting.bytes).collect()
    }

    fn drop_one(&mut self) {
        let oldest_raft = self.frames.iter().position(|waiting| waiting.kind == Kind::Raft).unwrap_or(0);
        if let Some(gone) = self.frames.remove(oldest_raft) {
            self.bytes = self.bytes.saturating_sub(gone.bytes.len());
            self.status.dropped_frames = self.status.dropped_frames.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::wire::PeerMessage;

    fn raft(term: u64) -> PeerFrame {
        PeerFrame::Raft(Box::new(PeerMessage { term, ..PeerMessage::default() }))
    }

    fn words() -> PeerFrame {
        PeerFrame::Words(Bytes::from_static(b"words"))
    }

    #[test]
    fn without_a_connection_everything_is_dropped_and_counted() {
        let outbox = Outbox::default();
        assert_eq!(outbox.push(raft(1)), Sent::NoLink);
        assert_eq!(outbox.status(), LinkStatus { dropped_frames: 1, ..LinkStatus::default() });
    }

    #[tokio::test]
    async fn the_oldest_raft_messages_go_first() {
        let outbox = Outbox::default();
        outbox.open();
        assert_eq!(outbox.push(words()), Sent::Queued);
        for term in 1..FRAMES_MAX {
            assert_eq!(outbox.push(raft(u64::try_from(term).unwrap())), Sent::Queued);
        }
        assert_eq!(outbox.push(raft(9_999)), Sent::QueuedInsteadOfOthers);
        let waiting = outbox.take().await;
        assert_eq!(waiting.len(), FRAMES_MAX);
        assert_eq!(waiting[0], encode(Frame::Peer(words())), "words stay");
        assert_eq!(waiting[1], encode(Frame::Peer(raft(2))), "the first Raft message went");
        assert_eq!(waiting[FRAMES_MAX - 1], encode(Frame::Peer(raft(9_999))));
    }

    #[tokio::test]
    async fn large_frames_are_bounded_by_their_bytes_and_huge_ones_refused() {
        let outbox = Outbox::default();
        outbox.open();
        let large = PeerFrame::Words(Bytes::from(vec![1; 16 << 20]));
        assert_eq!(outbox.push(large.clone()), Sent::Queued);
        assert_eq!(outbox.push(large.clone()), Sent::Queued);
        assert_eq!(outbox.push(large), Sent::QueuedInsteadOfOthers);
        assert_eq!(outbox.take().await.len(), 2);
        let huge = PeerFrame::Words(Bytes::from(vec![1; FRAME_BYTES_MAX]));
        assert_eq!(outbox.push(huge), Sent::TooLarge);
    }

    #[test]
    fn a_broken_connection_forgets_what_waited() {
        let outbox = Outbox::default();
        outbox.open();
        outbox.push(raft(1));
        outbox.close();
        assert_eq!(outbox.status(), LinkStatus { dropped_frames: 1, ..LinkStatus::default() });
        outbox.open();
        assert!(lock(&outbox.queue).take().is_empty());
    }
}
