//! One connection to one listener: opened, negotiated, used, closed.
//!
//! It never reconnects and never retries; its end is a value that arrives at once. Dropping it closes the socket.
//! Authentication, when it comes, is a step of [`Connection::open`] between negotiation and hand-over: callers keep the
//! same calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, StrBytes, encode_request_header_into_buffer};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::link::{Link, Outgoing, Ticket};
use super::reader::Reader;
use super::{
    Api, CloseReason, Closed, Endpoint, ErrorCode, Features, Malformed, Obstacle, Rights, Sent, Transport, WireError,
    transport, versions,
};
use crate::adapters::clock;

/// How many requests may stand in line for one peer. Kafka serves one at a time per connection; more than a few waiting
/// means that the peer hangs, and that asking further helps nobody.
const WAITING_MAX: usize = 64;

/// How a connection is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the bytes travel.
    pub transport: Transport,
    /// What the connection may be used for.
    pub rights: Rights,
    /// How long connecting and negotiating may take, each.
    pub connect_within: Duration,
    /// Units: bytes. A longer answer closes the connection; metadata of 10,000 partitions takes about 1 MB.
    pub frame_bytes_max: usize,
    /// The name that the brokers' logs and quotas see.
    pub client_id: Arc<str>,
}

impl Options {
    /// Gives the usual options for a connection with these rights.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Self {
            transport: Transport::Plain,
            rights,
            connect_within: Duration::from_secs(1),
            frame_bytes_max: 16 << 20,
            client_id: Arc::from("tanist"),
        }
    }
}

/// A peer's answer, with what the exchange itself showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What it said.
    pub body: T,
    /// How long it says that it holds us back for our quota; `None` is the rule.
    pub throttled_for: Option<Duration>,
    /// When the request was handed to the connection; what the body says was true after this.
    pub asked_at: Instant,
    /// From handing over the request to having the answer.
    pub round_trip: Duration,
}

impl<T> Answer<T> {
    /// Gives the same answer about something derived from its body.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            body: read(self.body),
            throttled_for: self.throttled_for,
            asked_at: self.asked_at,
            round_trip: self.round_trip,
        }
    }
}

/// What a decoder of one message gives: the parts that every Kafka answer shares, and the body.
pub(super) struct Decoded<T> {
    pub(super) throttle_ms: i32,
    pub(super) error: Option<ErrorCode>,
    pub(super) message: Option<String>,
    pub(super) body: T,
}

impl<T> Decoded<T> {
    /// An answer without an error of its own.
    pub(super) fn of(throttle_ms: i32, body: T) -> Self {
        Self { throttle_ms, error: None, message: None, body }
    }
}

/// How the body of one message is read in one version.
pub(super) type Decoder<T> = fn(&mut Reader, i16) -> Result<Decoded<T>, Malformed>;

/// A request in the version it is written in.
#[derive(Debug, Clone, Copy)]
struct Spoken {
    api: Api,
    version: i16,
}

/// An open, negotiated connection.
#[derive(Debug)]
pub struct Connection {
    peer: Endpoint,
    rights: Rights,
    client_id: StrBytes,
    greeting: Answer<Features>,
    next_correlation: AtomicI32,
    queue: mpsc::Sender<Outgoing>,
    closed: watch::Receiver<Option<Closed>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The task owns the socket: ending the one closes the other.
        self.task.abort();
    }
}

impl Connection {
    /// Connects to `peer` and agrees on versions.
    ///
    /// Errors: [`WireError::Unreachable`], [`WireError::ConnectionCapped`], or those of the first exchange.
    pub async fn open(peer: &Endpoint, options: &Options) -> Result<Self, WireError> {
        let stream = transport::dial(peer, options.transport, options.connect_within).await?;
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let (closing, closed) = watch::channel(None);
        let task = tokio::spawn(Link::new(stream, waiting, options.frame_bytes_max, closing).run());
        let mut connection = Self {
            peer: peer.clone(),
            rights: options.rights,
            client_id: StrBytes::from_string(options.client_id.to_string()),
            greeting: Answer {
                body: Features::default(),
                throttled_for: None,
                asked_at: clock::now(),
                round_trip: Duration::ZERO,
            },
            next_correlation: AtomicI32::new(0),
            queue,
            closed,
            task,
        };
        connection.greeting = connection.negotiate(options.connect_within).await?;
        Ok(connection)
    }

    /// Knocks at a port without speaking: `Ok` says that something listens there.
    ///
    /// Errors: only [`WireError::Unreachable`].
    pub async fn knock(peer: &Endpoint, within: Duration) -> Result<(), WireError> {
        transport::knock(peer, within).await
    }

    /// Gives the peer's address.
    #[must_use]
    pub fn peer(&self) -> &Endpoint {
        &self.peer
    }

    /// Gives what the peer offered when the connection was opened.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.greeting.body
    }

    /// Gives the exchange with which the connection was opened: the first sign of life.
    #[must_use]
    pub fn greeting(&self) -> &Answer<Features> {
        &self.greeting
    }

    /// Waits for the end of the connection, and says how it ended; at once if it has ended already.
    pub fn closed(&self) -> impl Future<Output = Closed> + Send + 'static {
        let mut closed = self.closed.clone();
        async move {
            // The task publishes its reason before it ends, unless we dropped the connection and aborted it.
            let published = closed.wait_for(Option::is_some).await.ok().and_then(|end| *end);
            published.unwrap_or_else(|| Closed { reason: CloseReason::Ours, at: clock::now() })
        }
    }

    /// Gives how the connection ended, if it has.
    #[must_use]
    pub fn closed_already(&self) -> Option<Closed> {
        *self.closed.borrow()
    }

    /// Pings: asks for the versions again, and throws them away.
    ///
    /// Errors: as every call.
    pub async fn ping(&self, within: Duration) -> Result<Answer<()>, WireError> {
        let version = self.version(Api::ApiVersions)?;
        Ok(self.ask_versions(version, within).await?.map(drop))
    }

    /// Agrees on versions: the newest we know, or version 0 if the peer is older.
    async fn negotiate(&self, within: Duration) -> Result<Answer<Features>, WireError> {
        let newest = self.ask_versions(Api::ApiVersions.versions().max, within).await;
        match newest {
            Err(WireError::Refused { code: ErrorCode::UnsupportedVersion, .. }) => self.ask_versions(0, within).await,
            Err(WireError::Closed { peer, reason, .. }) => Err(WireError::ConnectionCapped { peer, why: reason }),
            Ok(answer) => Ok(answer),
            Err(other) => Err(other),
        }
    }

    async fn ask_versions(&self, version: i16, within: Duration) -> Result<Answer<Features>, WireError> {
        let mut request = ApiVersionsRequest::default();
        if 3 <= version {
            // The broker refuses empty names, and shows these in its metrics.
            request = request
                .with_client_software_name(StrBytes::from_static_str("tanist"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        }
        self.exchange(Spoken { api: Api::ApiVersions, version }, &request, versions::read, within).await
    }

    /// Gives the version both sides speak.
    ///
    /// Errors: [`WireError::Unsupported`].
    pub(super) fn version(&self, api: Api) -> Result<i16, WireError> {
        self.features().agreed(api).ok_or_else(|| WireError::Unsupported {
            peer: self.peer.clone(),
            api,
            ours: api.versions(),
            theirs: self.features().offered(api),
        })
    }

    /// Sends one request in the agreed version and reads its answer.
    ///
    /// Errors: every [`WireError`].
    pub(super) async fn call<T>(
        &self,
        api: Api,
        request: &impl Encodable,
        decode: Decoder<T>,
        within: Duration,
    ) -> Result<Answer<T>, WireError> {
        let version = self.version(api)?;
        self.exchange(Spoken { api, version }, request, decode, within).await
    }

    async fn exchange<T>(
        &self,
        spoken: Spoken,
        request: &impl Encodable,
        decode: Decoder<T>,
        within: Duration,
    ) -> Result<Answer<T>, WireError> {
        let Spoken { api, version } = spoken;
        // The one place that every request passes: a connection that may only look sends nothing else.
        if !self.rights.permit(api) {
            return Err(WireError::ReadOnly { peer: self.peer.clone(), api });
        }
        let asked_at = clock::now();
        let correlation = self.next_correlation.fetch_add(1, Ordering::Relaxed);
        let frame = self.frame(spoken, correlation, request)?;
        let answer = self.deliver(api, correlation, frame, within).await?;
        let round_trip = asked_at.elapsed();
        let decoded = read_answer(api, version, answer, decode).map_err(|what| self.malformed(api, what))?;
        let throttled_for = u64::try_from(decoded.throttle_ms).ok().filter(|ms| 0 < *ms).map(Duration::from_millis);
        let message = decoded.message.filter(|text| !text.is_empty());
        match decoded.error {
            None => Ok(Answer { body: decoded.body, throttled_for, asked_at, round_trip }),
            Some(code) if code.is_denial() => Err(WireError::Denied { peer: self.peer.clone(), api, code, message }),
            Some(code) => Err(WireError::Refused { peer: self.peer.clone(), api, code, message }),
        }
    }

    /// Puts one frame in line and waits for the bytes that answer it.
    async fn deliver(&self, api: Api, correlation: i32, frame: Bytes, within: Duration) -> Result<Bytes, WireError> {
        let ticket = Arc::new(Ticket::default());
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing { correlation, frame, ticket: Arc::clone(&ticket), reply };
        match self.queue.try_send(outgoing) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(self.unreachable(Obstacle::Crowded)),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.closed_error(api, Sent::No)),
        }
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(lost))) => Err(self.lost_error(api, lost.sent, lost.reason)),
            // The task ended without a word for this request: it was aborted, or queued behind the end.
            Ok(Err(_gone)) => Err(self.closed_error(api, ticket.withdraw())),
            Err(_elapsed) => match ticket.withdraw() {
                Sent::No => Err(self.unreachable(Obstacle::NeverItsTurn)),
                Sent::Maybe => Err(WireError::Unanswered { peer: self.peer.clone(), api, within }),
            },
        }
    }

    fn frame(&self, spoken: Spoken, correlation: i32, request: &impl Encodable) -> Result<Bytes, WireError> {
        let Spoken { api, version } = spoken;
        let unsendable = |what: String| WireError::Unsendable { api, version, what };
        let header = RequestHeader::default()
            .with_request_api_key(api.key())
            .with_request_api_version(version)
            .with_correlation_id(correlation)
            .with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::with_capacity(256);
        frame.put_i32(0);
        encode_request_header_into_buffer(&mut frame, &header).map_err(|error| unsendable(error.to_string()))?;
        request.encode(&mut frame, version).map_err(|error| unsendable(error.to_string()))?;
        let length = i32::try_from(frame.len().saturating_sub(4))
            .map_err(|_wide| unsendable("the request is longer than a frame".to_owned()))?;
        if let Some(head) = frame.first_chunk_mut::<4>() {
            *head = length.to_be_bytes();
        }
        Ok(frame.freeze())
    }

    fn unreachable(&self, why: Obstacle) -> WireError {
        WireError::Unreachable { peer: self.peer.clone(), why }
    }

    fn malformed(&self, api: Api, what: Malformed) -> WireError {
        WireError::Malformed { peer: self.peer.clone(), api, what }
    }

    fn closed_error(&self, api: Api, sent: Sent) -> WireError {
        let reason = self.closed_already().map_or(CloseReason::Ours, |end| end.reason);
        self.lost_error(api, sent, reason)
    }

    fn lost_error(&self, api: Api, sent: Sent, reason: CloseReason) -> WireError {
        match (sent, reason) {
            (Sent::Maybe, CloseReason::Violation(what)) => self.malformed(api, what),
            (Sent::Maybe | Sent::No, reason) => WireError::Closed { peer: self.peer.clone(), api, sent, reason },
        }
    }
}

/// Reads a whole answer: header, body, and nothing behind it.
pub(super) fn read_answer<T>(
    api: Api,
    version: i16,
    bytes: Bytes,
    decode: Decoder<T>,
) -> Result<Decoded<T>, Malformed> {
    let mut reader = Reader::new(bytes);
    let flexible = ApiKey::try_from(api.key()).is_ok_and(|key| 1 <= key.response_header_version(version));
    if flexible {
        reader.tags()?;
    }
    let decoded = decode(&mut reader, version)?;
    // After an error in version 0 of ApiVersions a short body follows that nobody reads.
    if decoded.error.is_none() {
        reader.end()?;
    }
    Ok(decoded)
}
