//! What can go wrong on the wire, named by what the caller should do next.
//!
//! A broker's *no* to a single partition is not an error but part of the answer; throttling is data beside it.

use std::time::{Duration, Instant};

use super::{Api, Endpoint, ErrorCode, Malformed, Versions};

/// Why a call on the wire gave no answer, or not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Nothing was sent: may be retried, here or elsewhere.
    #[error("{peer} cannot be reached: {why}; nothing was sent")]
    Unreachable {
        /// Whom we tried.
        peer: Endpoint,
        /// What stood in the way.
        why: Obstacle,
    },
    /// Accepted, then closed before the first answer (connection caps, a proxy without upstream): unknown, not silence.
    #[error(
        "{peer} accepted the connection and closed it before the first answer ({why}); its connection caps may be full"
    )]
    ConnectionCapped {
        /// Who closed.
        peer: Endpoint,
        /// How it closed.
        why: CloseReason,
    },
    /// Sent, and no answer in time: read back what became of it, never resend.
    #[error("{peer} did not answer {api} within {within:?}; read back before doing anything again")]
    Unanswered {
        /// Who stays silent.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// The deadline that passed.
        within: Duration,
    },
    /// The connection ended: open another; what was sent is read back, what was not may be sent again.
    #[error("{peer} closed the connection during {api} ({reason}); the request was {sent}")]
    Closed {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// Whether the peer may have seen the request.
        sent: Sent,
        /// How it ended.
        reason: CloseReason,
    },
    /// No common version: use another call, or another kind of listener.
    #[error("{peer} does not speak {api} in versions {ours}; it offers {}", theirs.map_or_else(|| "none".to_owned(), |v| v.to_string()))]
    Unsupported {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// What we can speak.
        ours: Versions,
        /// What the peer offers.
        theirs: Option<Versions>,
    },
    /// The answer breaks the protocol: trust nothing of it. A mutating request may have been carried out.
    #[error("{peer} answered {api} with bytes that are not the protocol: {what}")]
    Malformed {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// What is wrong, and where.
        what: Malformed,
    },
    /// The principal lacks a right: grant it; retrying is useless.
    #[error("{peer} denies {api}: {code}{}", detail(message.as_deref()))]
    Denied {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// The denial.
        code: ErrorCode,
        /// The broker's words.
        message: Option<String>,
    },
    /// The peer refused the whole request; the code says what next (`NotController`: ask another).
    #[error("{peer} refuses {api}: {code}{}", detail(message.as_deref()))]
    Refused {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
        /// Why.
        code: ErrorCode,
        /// The broker's words.
        message: Option<String>,
    },
    /// A mutating request on a connection that may only look: a fault of wiring; nothing was sent.
    #[error("the connection to {peer} is read-only, and {api} changes Kafka; nothing was sent")]
    ReadOnly {
        /// The peer.
        peer: Endpoint,
        /// What was asked.
        api: Api,
    },
    /// The request itself cannot be written in the agreed version: a fault of the caller; nothing was sent.
    #[error("{api} v{version} cannot carry this request: {what}; nothing was sent")]
    Unsendable {
        /// What was asked.
        api: Api,
        /// The agreed version.
        version: i16,
        /// What does not fit.
        what: String,
    },
}

impl WireError {
    /// Says whether the peer may have seen, and so carried out, the request.
    #[must_use]
    pub fn sent(&self) -> Sent {
        match self {
            Self::Unreachable { .. }
            | Self::ConnectionCapped { .. }
            | Self::Unsupported { .. }
            | Self::ReadOnly { .. }
            | Self::Unsendable { .. } => Sent::No,
            Self::Closed { sent, .. } => *sent,
            Self::Unanswered { .. } | Self::Malformed { .. } | Self::Denied { .. } | Self::Refused { .. } => {
                Sent::Maybe
            }
        }
    }

    /// Gives the peer's error code, where it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Denied { code, .. } | Self::Refused { code, .. } => Some(*code),
            Self::Unreachable { .. }
            | Self::ConnectionCapped { .. }
            | Self::Unanswered { .. }
            | Self::Closed { .. }
            | Self::Unsupported { .. }
            | Self::Malformed { .. }
            | Self::ReadOnly { .. }
            | Self::Unsendable { .. } => None,
        }
    }
}

/// Whether the peer may have seen a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of it left.
    No,
    /// Some or all of it left.
    Maybe,
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "not sent",
            Self::Maybe => "perhaps sent",
        })
    }
}

/// What kept us from sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The port refuses: no process listens there.
    #[error("connection refused")]
    Refused,
    /// No handshake in time: host gone, packets dropped, or the backlog full.
    #[error("no connection in time")]
    ConnectTimedOut,
    /// The name resolves to no address.
    #[error("the host name has no address")]
    NoAddress,
    /// The network says no (no route, network down).
    #[error("the network refuses: {0}")]
    Network(std::io::ErrorKind),
    /// The deadline passed while the request still stood behind others.
    #[error("the deadline passed before its turn came")]
    NeverItsTurn,
    /// Too many requests wait for this peer already.
    #[error("too many requests wait for it already")]
    Crowded,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed in order (FIN): shutdown, idle limit, connection cap, or its process died.
    #[error("FIN")]
    Finished,
    /// The peer tore it down (RST): its process died, or a firewall or proxy cut in.
    #[error("RST")]
    Reset,
    /// The network gave up.
    #[error("network: {0}")]
    Network(std::io::ErrorKind),
    /// The peer broke the protocol, so we closed.
    #[error("{0}")]
    Violation(Malformed),
    /// We closed.
    #[error("closed by us")]
    Ours,
}

impl CloseReason {
    /// Reads the reason out of an error of the socket.
    pub(super) fn of(error: &std::io::Error) -> Self {
        let kind = error.kind();
        if kind == std::io::ErrorKind::ConnectionReset || kind == std::io::ErrorKind::BrokenPipe {
            Self::Reset
        } else {
            Self::Network(kind)
        }
    }
}

/// The end of a connection: how, and when we learned of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// How it ended.
    pub reason: CloseReason,
    /// When this process learned of it.
    pub at: Instant,
}

fn detail(message: Option<&str>) -> String {
    message.map_or_else(String::new, |text| format!(" ({text})"))
}
