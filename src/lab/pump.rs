//! Carries the bytes of one connection through a link: both ways, with the link's delay, limit and gate.
//!
//! An end is passed on as what it was, and at once: FIN as a half-close, RST as RST, because how a connection ends is what a
//! detector of dead processes lives on. A frozen way holds everything back, ends included, as a network that drops packets does.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time;

use crate::adapters::clock;
use crate::lab::link::{Gate, Mode, Way};
use crate::lab::tally::{Frames, Tally};

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sides said goodbye (FIN).
    Closed,
    /// One side reset it, or the link was cut: both sides get RST.
    Reset,
}

/// What a reader hands to its writer.
#[derive(Debug)]
enum Piece {
    /// Bytes, and when they may leave at the earliest.
    Bytes(Instant, Bytes),
    /// The side that was read is done writing.
    Fin,
    /// The side that was read is gone.
    Reset,
}

/// A chunk is small enough that a limit of a few KiB/s is felt as a trickle, and large enough for a fetch response to fly.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks between reader and writer: 1 MiB each way, like a long fat network.
const CHUNKS_MAX: usize = 64;

/// Carries bytes between `client` and `server` until both have said goodbye, one is gone, or the link is cut.
///
/// Frames from the client count in `asked`.
pub(crate) async fn carry(
    (mut client, mut server): (TcpStream, TcpStream),
    mode: watch::Receiver<Mode>,
    asked: &Tally,
) -> Ending {
    let ending = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let there = one_way(client_read, server_write, (Way::Inbound, Some(asked)), mode.clone());
        let back = one_way(server_read, client_write, (Way::Outbound, None), mode.clone());
        tokio::select! {
            both = async { tokio::try_join!(there, back) } => both.map_or(Ending::Reset, |_| Ending::Closed),
            () = cut(mode) => Ending::Reset,
        }
    };
    if ending == Ending::Reset {
        reset(client);
        reset(server);
    }
    ending
}

/// Ends a connection with RST instead of FIN.
pub(crate) fn reset(stream: TcpStream) {
    // A socket that cannot be told to linger is closed already; then there is nobody left to reset.
    let _gone = stream.set_zero_linger();
    drop(stream);
}

/// Waits until the link is cut (or no longer exists).
async fn cut(mut mode: watch::Receiver<Mode>) {
    // An error means that the link itself is gone, which ends its connections like a cut.
    let _seen = mode.wait_for(|mode| mode.gate == Gate::Cut).await;
}

/// The other side is gone: the pair must be reset.
#[derive(Debug)]
struct Gone;

async fn one_way(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    (way, tally): (Way, Option<&Tally>),
    mode: watch::Receiver<Mode>,
) -> Result<(), Gone> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let reading = read(from, sender, mode.clone(), tally);
    let writing = write(to, receiver, way, mode);
    // The reader never fails: it says how it ended through the channel, so that a frozen way holds the end back too.
    let ((), written) = tokio::join!(reading, writing);
    written
}

async fn read(mut from: ReadHalf<'_>, sender: mpsc::Sender<Piece>, mode: watch::Receiver<Mode>, tally: Option<&Tally>) {
    let mut frames = Frames::default();
    let mut chunk = BytesMut::new();
    loop {
        chunk.reserve(CHUNK_BYTES);
        let piece = match from.read_buf(&mut chunk).await {
            Ok(0) => Piece::Fin,
            Ok(_) => {
                if let Some(tally) = tally {
                    tally.add(frames.begun_in(&chunk));
                }
                Piece::Bytes(clock::now() + mode.borrow().delay, chunk.split().freeze())
            }
            Err(_) => Piece::Reset,
        };
        let last = !matches!(piece, Piece::Bytes(..));
        if sender.send(piece).await.is_err() || last {
            return;
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut receiver: mpsc::Receiver<Piece>,
    way: Way,
    mut mode: watch::Receiver<Mode>,
) -> Result<(), Gone> {
    while let Some(piece) = receiver.recv().await {
        if let Piece::Bytes(due, _) = &piece {
            time::sleep_until((*due).into()).await;
        }
        mode.wait_for(|mode| mode.gate.passes(way)).await.map_err(|_| Gone)?;
        match piece {
            Piece::Bytes(_, bytes) => {
                let pause = mode.borrow().pause_for(bytes.len());
                to.write_all(&bytes).await.map_err(|_| Gone)?;
                if !pause.is_zero() {
                    time::sleep(pause).await;
                }
            }
            Piece::Fin => return to.shutdown().await.map_err(|_| Gone),
            Piece::Reset => return Err(Gone),
        }
    }
    Ok(())
}

impl Mode {
    /// Gives how long the way stays busy with that many bytes under the link's limit.
    fn pause_for(&self, bytes: usize) -> Duration {
        self.limit_bytes_per_s.map_or(Duration::ZERO, |limit| {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            Duration::from_micros(bytes.saturating_mul(1_000_000) / limit.get())
        })
    }
}
