//! One TCP link that can be broken: a listener here, a process there, and a mode in between.
//!
//! A link looks to its callers like the port that it stands for. While that port refuses, the link's listener is closed, so that
//! callers are refused too; while the link is frozen, a connect hangs as behind a firewall that drops; a cut resets what exists
//! and refuses what comes. The link knows nothing of Kafka, but
//! counts the frames (a length, then as many bytes) that pass towards the process.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use crate::lab::LabError;
use crate::lab::pump::{self, Ending};
use crate::lab::reserve::Reservation;
use crate::lab::tally::Tally;

/// One of a link's two directions, named from the process that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// From the caller to the process.
    Inbound,
    /// From the process back to the caller.
    Outbound,
    /// Both directions.
    Both,
}

/// Whether and which way bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Everything passes.
    Open,
    /// Existing connections are reset, new ones refused.
    Cut,
    /// Nothing passes that way, nothing is said about it; new connects hang.
    Frozen(Way),
}

impl Gate {
    /// Tells whether bytes going one `way` pass now.
    pub(crate) fn passes(self, way: Way) -> bool {
        match self {
            Self::Open => true,
            Self::Cut | Self::Frozen(Way::Both) => false,
            Self::Frozen(stopped) => stopped != way,
        }
    }
}

/// What a link does to those who use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Whether bytes pass.
    pub gate: Gate,
    /// Added to every byte's way, each way.
    pub delay: Duration,
    /// How many bytes a second each connection may carry, each way.
    pub limit_bytes_per_s: Option<NonZeroU64>,
}

impl Mode {
    /// The mode of a healthy link.
    pub const OPEN: Self = Self { gate: Gate::Open, delay: Duration::ZERO, limit_bytes_per_s: None };
}

/// A TCP link through this process that can be cut, frozen, delayed and limited.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    supervisor: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    held: Reservation,
    target: SocketAddr,
    /// A connection to the target ended or failed: time to ask whether it still listens.
    doubt: Notify,
    /// What its callers have asked.
    asked: Arc<Tally>,
}

impl Link {
    /// Opens a link to `target` on any free port; its tasks run on `runtime`.
    ///
    /// Errors: [`LabError::Socket`] if no port can be had.
    pub fn open(runtime: &Handle, target: SocketAddr) -> Result<Self, LabError> {
        Ok(Self::on(runtime, Reservation::any()?, target))
    }

    /// Opens a link to `target` on a port that was reserved for it.
    pub(crate) fn on(runtime: &Handle, held: Reservation, target: SocketAddr) -> Self {
        let (mode, seen) = watch::channel(Mode::OPEN);
        let address = held.address();
        let shared = Arc::new(Shared { held, target, doubt: Notify::new(), asked: Arc::default() });
        let supervisor = runtime.spawn(supervise(Arc::clone(&shared), seen)).abort_handle();
        Self { address, mode, shared, supervisor }
    }

    /// Gives the address that callers use.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives what the link does now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Changes what the link does, at once, for existing and for new connections.
    pub fn set(&self, change: impl FnOnce(&mut Mode)) {
        self.mode.send_modify(change);
    }

    /// Gives how many requests callers have sent through the link since it was opened.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.shared.asked.frames()
    }

    /// Makes the link ask now whether its target still listens.
    pub(crate) fn doubt(&self) {
        self.shared.doubt.notify_one();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Connections end by themselves when the mode's sender is gone.
        self.supervisor.abort();
    }
}

/// How often a link asks a target that refuses whether it listens again.
const REOPEN_EVERY: Duration = Duration::from_millis(25);
/// A connect over loopback that takes longer was not refused: the target's queue is full, which is not a refusal.
const REFUSAL_WITHIN: Duration = Duration::from_millis(200);
/// As long as Linux lets a listener's queue be on most machines; the lab must not be what refuses.
const BACKLOG: u32 = 1_024;

async fn supervise(shared: Arc<Shared>, mut mode: watch::Receiver<Mode>) {
    let mut carried = JoinSet::new();
    loop {
        let gate = mode.borrow_and_update().gate;
        let mut change = mode.clone();
        let over = match gate {
            Gate::Open => tokio::select! {
                () = serve(&shared, &mode, &mut carried) => Ok(()),
                over = other_gate(&mut change, gate) => over,
            },
            Gate::Cut => other_gate(&mut change, gate).await,
            Gate::Frozen(_) => {
                // Held until the gate opens: a full queue is what lets connects hang instead of being refused.
                let _hanging = full_queue(&shared.held).await;
                other_gate(&mut change, gate).await
            }
        };
        if over.is_err() {
            return;
        }
    }
}

async fn other_gate(mode: &mut watch::Receiver<Mode>, gate: Gate) -> Result<(), watch::error::RecvError> {
    mode.wait_for(|mode| mode.gate != gate).await.map(|_| ())
}

/// Waits until the target listens, then accepts for it until it refuses.
async fn serve(shared: &Arc<Shared>, mode: &watch::Receiver<Mode>, carried: &mut JoinSet<()>) {
    while refuses(shared.target).await {
        time::sleep(REOPEN_EVERY).await;
    }
    let Ok(listener) = shared.held.listen(BACKLOG) else {
        // The old listener's queue is still being torn down by the kernel; the caller tries again.
        time::sleep(REOPEN_EVERY).await;
        return;
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => { carried.spawn(connect(Arc::clone(shared), client, mode.clone())); }
                // Out of descriptors, or the caller is gone again: neither is a reason to stop listening.
                Err(_) => time::sleep(REOPEN_EVERY).await,
            },
            () = shared.doubt.notified() => if refuses(shared.target).await { return },
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn connect(shared: Arc<Shared>, client: TcpStream, mode: watch::Receiver<Mode>) {
    let mut seen = mode.clone();
    let connected = tokio::select! {
        connected = TcpStream::connect(shared.target) => connected,
        _ = seen.wait_for(|mode| mode.gate == Gate::Cut) => Err(io::ErrorKind::ConnectionReset.into()),
    };
    match connected {
        Ok(server) => {
            // Kafka's own sockets have it set; without it the lab would add delays of its own.
            if client.set_nodelay(true).is_ok() && server.set_nodelay(true).is_ok() {
                match pump::carry((client, server), mode, &shared.asked).await {
                    Ending::Closed | Ending::Reset => shared.doubt.notify_one(),
                }
            }
        }
        Err(_) => {
            pump::reset(client);
            shared.doubt.notify_one();
        }
    }
}

/// Tells whether nobody listens at `target`.
pub(crate) async fn refuses(target: SocketAddr) -> bool {
    match time::timeout(REFUSAL_WITHIN, TcpStream::connect(target)).await {
        Ok(Ok(_)) | Err(_) => false,
        Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

/// Listens with the shortest queue there is and fills it, so that the kernel drops whatever SYN comes next.
async fn full_queue(held: &Reservation) -> (Option<TcpListener>, Vec<TcpStream>) {
    let Ok(listener) = held.listen(0) else {
        return (None, Vec::new());
    };
    let mut fillers = Vec::new();
    // A queue of length 0 holds one; the loop ends at the first connect that hangs.
    while let Ok(Ok(filler)) = time::timeout(FILL_WITHIN, TcpStream::connect(held.address())).await {
        fillers.push(filler);
        if FILLERS_MAX <= fillers.len() {
            break;
        }
    }
    (Some(listener), fillers)
}

/// A loopback connect that succeeds does so in well under a millisecond.
const FILL_WITHIN: Duration = Duration::from_millis(50);
const FILLERS_MAX: usize = 8;
