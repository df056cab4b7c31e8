//! Serves the operators' service; every question goes to one function that the caller brings.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, try_join};
use futures::stream;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::identity::{Roles, caller};
use super::proto::operator_server::{Operator, OperatorServer};
use super::proto::{Question, Reply};
use super::{ANSWER_BYTES_MAX, QUESTION_BYTES_MAX, SurfaceError, TlsFiles};
use crate::model::ids::RequestId;
use crate::model::operator::{Answer, OPERATOR_VERSION, OperatorRequest, Refusal};

/// Questions answered at once; more are refused as busy, at once, instead of queueing behind a stuck one.
const QUESTIONS_AT_ONCE: usize = 64;
/// How long one answer may take; a commit takes milliseconds, an election seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Where to serve, and for whom.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The unix socket.
    pub socket: PathBuf,
    /// The TCP address, if any.
    pub listen: Option<Listen>,
    /// Who may do what.
    pub roles: Roles,
}

/// A TCP address to serve at.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address; port 0 for any.
    pub address: SocketAddr,
    /// The certificates; none for plain text, which is for reading only.
    pub tls: Option<TlsFiles>,
}

/// Places that are held and not served yet: what is in use shows before anything else starts.
#[derive(Debug)]
pub struct Bound {
    socket: UnixListener,
    path: PathBuf,
    tcp: Option<(TcpListener, Option<ServerTlsConfig>)>,
    roles: Roles,
}

impl Bound {
    /// Takes hold of the socket and the address.
    ///
    /// Errors: [`SurfaceError::InUse`] where somebody answers there, else what stands in the way.
    pub async fn bind(options: ServeOptions) -> Result<Self, SurfaceError> {
        let socket = bind_socket(&options.socket).await?;
        let tcp = match options.listen {
            None => None,
            Some(Listen { address, tls }) => {
                let tls = tls.as_ref().map(server_tls).transpose()?;
                let listener =
                    TcpListener::bind(address).await.map_err(|source| not_bound(address.to_string(), source))?;
                Some((listener, tls))
            }
        };
        Ok(Self { socket, path: options.socket, tcp, roles: options.roles })
    }

    /// Gives the TCP address that is held, with its real port.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Answers questions until `stop` is done; then lets the answers under way finish.
    ///
    /// Errors: [`SurfaceError::Stopped`] where a server stops by itself.
    pub async fn serve<H, A>(self, answer: H, stop: impl Future<Output = ()> + Send) -> Result<(), SurfaceError>
    where
        H: Fn(OperatorRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let desk = Desk {
            answer: Arc::new(move |request| Box::pin(answer(request))),
            roles: Arc::new(self.roles),
            free: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        };
        let (stopping, stopped) = watch::channel(());
        let local = serve_socket(self.socket, desk.clone(), gone(stopped.clone()));
        let remote = async {
            match self.tcp {
                None => Ok(()),
                Some((listener, tls)) => serve_tcp(listener, tls, desk, gone(stopped)).await,
            }
        };
        let mut servers = pin!(try_join(local, remote));
        let served = tokio::select! {
            // One that stops by itself takes the other with it: half a surface would look whole.
            served = &mut servers => served,
            () = stop => {
                drop(stopping);
                servers.await
            }
        };
        // A leftover socket is recognised and replaced at the next start; not being able to remove it harms nobody.
        let _ = std::fs::remove_file(&self.path);
        served.map(|_| ())
    }
}

/// Waits until the other end of the channel is dropped.
async fn gone(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn serve_socket(listener: UnixListener, desk: Desk, stop: impl Future<Output = ()>) -> Result<(), SurfaceError> {
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let served = server().add_service(service(desk)).serve_with_incoming_shutdown(incoming, stop).await;
    served.map_err(|source| SurfaceError::Stopped { place: "the unix socket".to_owned(), source })
}

async fn serve_tcp(
    listener: TcpListener,
    tls: Option<ServerTlsConfig>,
    desk: Desk,
    stop: impl Future<Output = ()>,
) -> Result<(), SurfaceError> {
    let stopped = |source| SurfaceError::Stopped { place: "the TCP address".to_owned(), source };
    let mut server = server();
    if let Some(tls) = tls {
        server = server.tls_config(tls).map_err(|error| SurfaceError::Tls { why: chain(&error) })?;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server.add_service(service(desk)).serve_with_incoming_shutdown(incoming, stop).await.map_err(stopped)
}

fn server() -> Server {
    Server::builder()
        .timeout(ANSWER_WITHIN)
        .concurrency_limit_per_connection(QUESTIONS_AT_ONCE)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
}

fn service(desk: Desk) -> OperatorServer<Desk> {
    OperatorServer::new(desk).max_decoding_message_size(QUESTION_BYTES_MAX).max_encoding_message_size(ANSWER_BYTES_MAX)
}

/// Takes hold of a socket; one that nobody answers at is left over from a node that was killed, and replaced.
async fn bind_socket(path: &Path) -> Result<UnixListener, SurfaceError> {
    let place = || format!("the socket {}", path.display());
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(SurfaceError::InUse { place: place() });
            }
            std::fs::remove_file(path).map_err(|source| SurfaceError::Listen { place: place(), source })?;
        }
        bound => return restrict(bound.map_err(|source| SurfaceError::Listen { place: place(), source })?, path),
    }
    restrict(UnixListener::bind(path).map_err(|source| not_bound(place(), source))?, path)
}

/// Lets the socket's owner and group connect, nobody else.
fn restrict(listener: UnixListener, path: &Path) -> Result<UnixListener, SurfaceError> {
    let place = || format!("the socket {}", path.display());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .map_err(|source| SurfaceError::Listen { place: place(), source })?;
    Ok(listener)
}

fn not_bound(place: String, source: std::io::Error) -> SurfaceError {
    if source.kind() == ErrorKind::AddrInUse {
        SurfaceError::InUse { place }
    } else {
        SurfaceError::Listen { place, source }
    }
}

fn server_tls(files: &TlsFiles) -> Result<ServerTlsConfig, SurfaceError> {
    let (identity, authority) = read_tls(files)?;
    Ok(ServerTlsConfig::new().identity(identity).client_ca_root(authority).timeout(HANDSHAKE_WITHIN))
}

/// Reads one side's TLS files.
pub(super) fn read_tls(files: &TlsFiles) -> Result<(Identity, Certificate), SurfaceError> {
    let read =
        |file: &PathBuf| std::fs::read(file).map_err(|source| SurfaceError::TlsFile { file: file.clone(), source });
    Ok((Identity::from_pem(read(&files.cert)?, read(&files.key)?), Certificate::from_pem(read(&files.ca)?)))
}

/// Gives an error with its causes on one line, for places that keep text only.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Some libraries repeat their cause in their own text.
        let own = inner.to_string();
        if !text.ends_with(&own) {
            text = format!("{text}: {own}");
        }
        cause = inner.source();
    }
    text
}

type AnswerFn = dyn Fn(OperatorRequest) -> BoxFuture<'static, Answer> + Send + Sync;

/// Where questions are taken.
#[derive(Clone)]
struct Desk {
    answer: Arc<AnswerFn>,
    roles: Arc<Roles>,
    free: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Operator for Desk {
    async fn ask(&self, request: Request<Question>) -> Result<Response<Reply>, Status> {
        let caller =
            caller(request.extensions()).ok_or_else(|| Status::unauthenticated("the connection names nobody"))?;
        let question = request.into_inner();
        if OPERATOR_VERSION < question.version {
            return reply(&Answer::Refused(Refusal::Version { speaks: OPERATOR_VERSION }));
        }
        let ask = serde_json::from_str(&question.ask_json)
            .map_err(|error| Status::invalid_argument(format!("this is no question: {error}")))?;
        if let Err(refusal) = self.roles.check(&caller, &ask) {
            return reply(&Answer::Refused(refusal));
        }
        let Ok(_place) = self.free.try_acquire() else {
            return reply(&Answer::Refused(Refusal::Busy));
        };
        let request = OperatorRequest { id: RequestId(question.request_id), by: caller.person, ask };
        reply(&(self.answer)(request).await)
    }
}

fn reply(answer: &Answer) -> Result<Response<Reply>, Status> {
    let answer_json = serde_json::to_string(answer)
        .map_err(|error| Status::internal(format!("the answer cannot be written: {error}")))?;
    Ok(Response::new(Reply { version: OPERATOR_VERSION, answer_json }))
}
