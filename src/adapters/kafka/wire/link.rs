//! The task behind a connection: writes frames in order, pairs answers with requests, and says at once when the peer is
//! gone.
//!
//! It knows frames and correlation ids, not messages. Reading never waits for writing, so that a close is noticed within
//! one wake-up of the socket even while the peer accepts no more bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use super::transport::ByteStream;
use super::{CloseReason, Closed, Malformed, Sent};
use crate::adapters::clock;

/// The length that opens a frame.
const LENGTH_BYTES: usize = 4;
/// The correlation id that opens an answer.
const CORRELATION_BYTES: usize = 4;
/// How much room one read gets; memory grows with what arrives, not with what a length claims.
const READ_BYTES: usize = 64 * 1024;

/// Where a request stands; decides whether its caller may say "nothing was sent".
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicU8);

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Ticket {
    /// Claims the request for writing, unless its caller withdrew it.
    fn start(&self) -> bool {
        self.0.compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Withdraws the request; says whether any of it may have left.
    pub(super) fn withdraw(&self) -> Sent {
        match self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Sent::No,
            Err(_) => Sent::Maybe,
        }
    }
}

/// Why an answer will never come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) sent: Sent,
    pub(super) reason: CloseReason,
}

/// One request on its way out.
pub(super) struct Outgoing {
    pub(super) correlation: i32,
    pub(super) frame: Bytes,
    pub(super) ticket: Arc<Ticket>,
    pub(super) reply: oneshot::Sender<Result<Bytes, Lost>>,
}

/// A request that was written and waits for its answer.
struct Asked {
    correlation: i32,
    reply: oneshot::Sender<Result<Bytes, Lost>>,
}

/// The state of one open connection.
pub(super) struct Link {
    stream_in: ReadHalf<Box<dyn ByteStream>>,
    stream_out: WriteHalf<Box<dyn ByteStream>>,
    queue: mpsc::Receiver<Outgoing>,
    asked: VecDeque<Asked>,
    writing: Bytes,
    read: BytesMut,
    frame_bytes_max: usize,
    closed: watch::Sender<Option<Closed>>,
}

impl Link {
    pub(super) fn new(
        stream: Box<dyn ByteStream>,
        queue: mpsc::Receiver<Outgoing>,
        frame_bytes_max: usize,
        closed: watch::Sender<Option<Closed>>,
    ) -> Self {
        let (stream_in, stream_out) = tokio::io::split(stream);
        Self {
            stream_in,
            stream_out,
            queue,
            asked: VecDeque::new(),
            writing: Bytes::new(),
            read: BytesMut::new(),
            frame_bytes_max,
            closed,
        }
    }

    /// Runs until the connection ends, then says so to everybody who waits.
    pub(super) async fn run(mut self) {
        let reason = loop {
            if let Err(reason) = self.turn().await {
                break reason;
            }
        };
        self.closed.send_replace(Some(Closed { reason, at: clock::now() }));
        self.queue.close();
        for asked in self.asked.drain(..) {
            // A caller that no longer listens needs no answer.
            let _ = asked.reply.send(Err(Lost { sent: Sent::Maybe, reason }));
        }
        while let Ok(waiting) = self.queue.try_recv() {
            let _ = waiting.reply.send(Err(Lost { sent: Sent::No, reason }));
        }
    }

    /// Waits for the next thing to happen, and does it.
    async fn turn(&mut self) -> Result<(), CloseReason> {
        self.read.reserve(READ_BYTES.min(self.missing_bytes()));
        tokio::select! {
            biased;
            read = self.stream_in.read_buf(&mut self.read) => match read {
                Ok(0) => Err(CloseReason::Finished),
                Ok(_) => self.deliver(),
                Err(error) => Err(CloseReason::of(&error)),
            },
            written = self.stream_out.write_buf(&mut self.writing), if self.writing.has_remaining() => match written {
                Ok(0) => Err(CloseReason::Finished),
                Ok(_) => Ok(()),
                Err(error) => Err(CloseReason::of(&error)),
            },
            next = self.queue.recv(), if !self.writing.has_remaining() => match next {
                Some(outgoing) => {
                    self.accept(outgoing);
                    Ok(())
                }
                None => Err(CloseReason::Ours),
            },
        }
    }

    fn accept(&mut self, outgoing: Outgoing) {
        if outgoing.ticket.start() {
            self.asked.push_back(Asked { correlation: outgoing.correlation, reply: outgoing.reply });
            self.writing = outgoing.frame;
        }
    }

    /// Hands out every whole frame that has arrived.
    fn deliver(&mut self) -> Result<(), CloseReason> {
        while let Some(length) = self.frame_length()? {
            if self.read.len() < LENGTH_BYTES.saturating_add(length) {
                return Ok(());
            }
            self.read.advance(LENGTH_BYTES);
            let mut frame = self.read.split_to(length).freeze();
            let correlation =
                frame.try_get_i32().map_err(|_short| self.violation("a frame without a correlation id"))?;
            let asked = self.asked.pop_front().ok_or_else(|| self.violation("an answer that nobody asked for"))?;
            if asked.correlation != correlation {
                self.asked.push_front(asked);
                return Err(self.violation("an answer with the correlation id of another request"));
            }
            // A caller whose deadline passed has left; its late answer is dropped here, in its place in the order.
            let _ = asked.reply.send(Ok(frame));
        }
        Ok(())
    }

    /// Gives the length of the frame that comes next, once its four bytes are here.
    fn frame_length(&self) -> Result<Option<usize>, CloseReason> {
        let Some(head) = self.read.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(i32::from_be_bytes(*head))
            .map_err(|_negative| self.violation("a frame of negative length"))?;
        if length < CORRELATION_BYTES {
            return Err(self.violation("a frame without a correlation id"));
        }
        if self.frame_bytes_max < length {
            return Err(self.violation("a frame longer than the limit"));
        }
        Ok(Some(length))
    }

    /// Says how many bytes the frame under way still lacks; at least one.
    fn missing_bytes(&self) -> usize {
        let whole = self.frame_length().ok().flatten().map_or(READ_BYTES, |length| length.saturating_add(LENGTH_BYTES));
        whole.saturating_sub(self.read.len()).max(1)
    }

    fn violation(&self, what: &'static str) -> CloseReason {
        CloseReason::Violation(Malformed { what, left_bytes: self.read.len() })
    }
}
