//! A connection after its transport is set up: framed, protected or proven to stay on this machine.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::frame::{FRAME_BYTES_MAX, Frame, HELLO_BYTES_MAX, codec, decode, encode};
use super::hello::{Reason, Refusal};
use super::tls::{self, Prepared};
use crate::model::ids::NodeId;

/// Setting a connection up takes a few round trips; beyond this the other end is stuck or hostile.
pub(super) const SET_UP_WITHIN: Duration = Duration::from_secs(3);
/// A keepalive goes out this often on a connection that is otherwise silent.
pub(super) const KEEPALIVE_EACH: Duration = Duration::from_millis(500);
/// A connection on which nothing comes for this long is dead: the other end stopped, or the network swallows everything.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Anything that bytes go through.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A framed connection.
pub(super) struct Connection {
    framed: Framed<Box<dyn Wire>, LengthDelimitedCodec>,
    /// The other end's certificate, verified against the CA; none on loopback without TLS.
    certificate: Option<rustls_pki_types::CertificateDer<'static>>,
}

impl Connection {
    /// Sets up the dialling end.
    pub(super) async fn dial(security: &Prepared, address: &str, node: NodeId) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        match security {
            Prepared::LoopbackPlaintext => Self::plaintext(tcp),
            Prepared::Tls { connector, .. } => {
                let name = tls::server_name(node).map_err(io::Error::other)?;
                let protected = connector.connect(name, tcp).await?;
                let certificate = protected.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
                Ok(Self::new(Box::new(protected), certificate.map(|c| c.into_owned())))
            }
        }
    }

    /// Sets up the listening end.
    pub(super) async fn accept(security: &Prepared, tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        match security {
            Prepared::LoopbackPlaintext => Self::plaintext(tcp),
            Prepared::Tls { acceptor, .. } => {
                let protected = acceptor.accept(tcp).await?;
                let certificate = protected.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
                Ok(Self::new(Box::new(protected), certificate.map(|c| c.into_owned())))
            }
        }
    }

    fn plaintext(tcp: TcpStream) -> io::Result<Self> {
        let both = [tcp.peer_addr()?, tcp.local_addr()?];
        if both.iter().all(|address| address.ip().is_loopback()) {
            return Ok(Self::new(Box::new(tcp), None));
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "without certificates links stay on this machine: set `node.tls`",
        ))
    }

    fn new(wire: Box<dyn Wire>, certificate: Option<rustls_pki_types::CertificateDer<'static>>) -> Self {
        Self { framed: Framed::new(wire, codec(HELLO_BYTES_MAX)), certificate }
    }

    /// Says whether the other end has proven to be this node, as far as the transport proves anything.
    pub(super) fn prove(&self, security: &Prepared, node: NodeId) -> Result<(), Refusal> {
        let proven = match (&self.certificate, security) {
            (Some(certificate), _) => tls::names_node(certificate, node),
            (None, Prepared::LoopbackPlaintext) => true,
            (None, Prepared::Tls { .. }) => false,
        };
        let wanted = tls::certificate_name(node);
        if proven {
            Ok(())
        } else {
            Err(Refusal::new(Reason::Certificate, format!("the certificate lacks the name {wanted}")))
        }
    }

    /// Lets frames of full size in, once the other end is known.
    pub(super) fn trust(&mut self) {
        self.framed.codec_mut().set_max_frame_length(FRAME_BYTES_MAX);
    }

    /// Sends one frame at once.
    pub(super) async fn send(&mut self, frame: Frame) -> io::Result<()> {
        self.send_all(vec![encode(frame)]).await
    }

    /// Sends frames that are encoded already, in one go.
    pub(super) async fn send_all(&mut self, frames: Vec<Bytes>) -> io::Result<()> {
        let writing = async {
            for frame in frames {
                // The codec measures what is sent as well; what is queued was measured before.
                self.framed.feed(frame).await?;
            }
            SinkExt::<Bytes>::flush(&mut self.framed).await
        };
        timeout(SILENCE_MAX, writing).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Gives the next frame. Safe to cancel.
    pub(super) async fn next(&mut self) -> io::Result<Frame> {
        match self.framed.next().await {
            None => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(Err(error)) => Err(error),
            Some(Ok(bytes)) => decode(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Tells the other end why it is refused; whether it hears that is its own affair.
    pub(super) async fn refuse(&mut self, refusal: &Refusal) {
        let _unheard = self.send(Frame::Refusal(refusal.to_wire())).await;
    }
}
