//! How bytes reach a peer: the address and the stream, before any Kafka is spoken.
//!
//! The seam for TLS: another [`Transport`] wraps the socket here and returns the same boxed [`ByteStream`]; nothing above
//! knows the difference. SASL is not a transport: it is a few calls on a fresh connection, before `Connection::open`
//! hands it out.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Obstacle, WireError};

/// A listener's address as the cluster or the settings name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Names one listener.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain TCP.
    Plain,
}

/// A two-way stream of bytes, whatever carries it.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Opens a stream to `peer`.
///
/// Errors: only [`WireError::Unreachable`], since nothing has been said yet.
pub(super) async fn dial(
    peer: &Endpoint,
    transport: Transport,
    within: Duration,
) -> Result<Box<dyn ByteStream>, WireError> {
    match transport {
        Transport::Plain => Ok(Box::new(dial_tcp(peer, within).await?)),
    }
}

/// Opens and closes a TCP connection: `Ok` says that the port accepts.
///
/// Errors: [`WireError::Unreachable`], with [`Obstacle::Refused`] where no process listens.
pub(super) async fn knock(peer: &Endpoint, within: Duration) -> Result<(), WireError> {
    dial_tcp(peer, within).await.map(drop)
}

async fn dial_tcp(peer: &Endpoint, within: Duration) -> Result<TcpStream, WireError> {
    let unreachable = |why| WireError::Unreachable { peer: peer.clone(), why };
    let connecting = tokio::time::timeout(within, TcpStream::connect((peer.host.as_str(), peer.port)));
    let stream = connecting
        .await
        .map_err(|_elapsed| unreachable(Obstacle::ConnectTimedOut))?
        .map_err(|error| unreachable(obstacle(&error)))?;
    // Small frames, each awaited by somebody: Nagle's delay would be measured as the broker's.
    stream.set_nodelay(true).map_err(|error| unreachable(obstacle(&error)))?;
    Ok(stream)
}

fn obstacle(error: &std::io::Error) -> Obstacle {
    let kind = error.kind();
    if kind == ErrorKind::ConnectionRefused {
        Obstacle::Refused
    } else if kind == ErrorKind::TimedOut {
        Obstacle::ConnectTimedOut
    } else if error.raw_os_error().is_none() {
        // The resolver's errors carry no number of the operating system.
        Obstacle::NoAddress
    } else {
        Obstacle::Network(kind)
    }
}
