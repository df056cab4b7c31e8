//! Loopback ports that stay ours for a cluster's whole life, while the process that listens on them comes and goes.
//!
//! A reservation is a socket that is bound but never listens, with SO_REUSEADDR. Linux then lets a second socket with SO_REUSEADDR
//! (Kafka's, and ours) bind and listen there, gives the port to nobody who asks for "any" port, and refuses whoever connects
//! while nobody listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::{TcpListener, TcpSocket};

use crate::lab::LabError;

/// A port that is kept for one listener.
#[derive(Debug)]
pub(crate) struct Reservation {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Reservation {
    /// Reserves any free port of 127.0.0.1.
    pub(crate) fn any() -> Result<Self, LabError> {
        Self::at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    /// Reserves this very address; port 0 means any.
    pub(crate) fn at(address: SocketAddrV4) -> Result<Self, LabError> {
        let held = bound(address.into()).map_err(LabError::socket(format!("reserve {address}")))?;
        let address = held.local_addr().map_err(LabError::socket("read a reserved address"))?;
        Ok(Self { address, _held: held })
    }

    /// Reserves one port number on 127.0.0.1 and on every address of `others` at once.
    pub(crate) fn on_all(others: &[Ipv4Addr]) -> Result<(Self, Vec<Self>), LabError> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let first = Self::any()?;
            let port = first.address.port();
            match others.iter().map(|ip| Self::at(SocketAddrV4::new(*ip, port))).collect() {
                Ok(rest) => return Ok((first, rest)),
                Err(taken) => last = Some(taken),
            }
        }
        Err(last.unwrap_or_else(|| LabError::Usage("no port was tried".to_owned())))
    }

    /// Gives the reserved address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens on the reserved port; dropping the listener refuses and keeps the port.
    pub(crate) fn listen(&self, backlog: u32) -> io::Result<TcpListener> {
        bound(self.address)?.listen(backlog)
    }
}

/// A number that is free on 127.0.0.1 is nearly always free on its neighbours too.
const ATTEMPTS_MAX: u32 = 32;

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
