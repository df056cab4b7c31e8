//! Asks a node: over its unix socket, or over TCP with certificates.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use super::proto::Question;
use super::proto::operator_client::OperatorClient;
use super::server::{chain, read_tls};
use super::{ANSWER_BYTES_MAX, SurfaceError, TlsFiles};
use crate::model::ids::RequestId;
use crate::model::operator::{Answer, Ask, OPERATOR_VERSION};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may take; a little longer than the node gives itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Where a node is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// At its socket on this machine.
    Unix(PathBuf),
    /// At `host:port`.
    Tcp(String),
}

/// Says why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a node: unix:PATH or HOST:PORT is wanted")]
pub struct AddressError(String);

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing was sent: the node is not there.
    #[error(
        "no node answers at {address}: {why}; does it run (tanist run)? --config FILE or --server ADDRESS names another"
    )]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        why: String,
    },
    /// It was sent, and no answer came: whether it was done is not known.
    #[error("the node at {address} did not answer: {why}")]
    Unanswered {
        /// Where.
        address: Address,
        /// Why.
        why: String,
    },
    /// The node refuses to hear it.
    #[error("the node at {address} does not accept the question: {why}")]
    Refused {
        /// Where.
        address: Address,
        /// Why.
        why: String,
    },
    /// The answer is of a later version, or no answer at all.
    #[error("the answer of the node at {address} cannot be read: {why}")]
    Unreadable {
        /// Where.
        address: Address,
        /// Why.
        why: String,
    },
    /// The TLS files.
    #[error("the connection to {address} cannot be secured")]
    Tls {
        /// Where to.
        address: Address,
        /// Why.
        source: SurfaceError,
    },
}

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    address: Address,
    operator: OperatorClient<Channel>,
}

impl Client {
    /// Connects to a node; over TCP in plain text where no TLS files are given.
    ///
    /// Errors: [`AskError::Unreachable`], or [`AskError::Tls`] for the files.
    pub async fn connect(address: &Address, tls: Option<&TlsFiles>) -> Result<Self, AskError> {
        let unreachable =
            |error: tonic::transport::Error| AskError::Unreachable { address: address.clone(), why: chain(&error) };
        let insecure = |source| AskError::Tls { address: address.clone(), source };
        let endpoint = match (address, tls) {
            (Address::Unix(path), _) => Endpoint::from_shared(format!("unix://{}", path.display())),
            (Address::Tcp(place), None) => Endpoint::from_shared(format!("http://{place}")),
            (Address::Tcp(place), Some(files)) => {
                let (identity, authority) = read_tls(files).map_err(insecure)?;
                let tls = ClientTlsConfig::new().identity(identity).ca_certificate(authority);
                let endpoint = Endpoint::from_shared(format!("https://{place}")).map_err(unreachable)?;
                let why = |error: tonic::transport::Error| insecure(SurfaceError::Tls { why: chain(&error) });
                Ok(endpoint.tls_config(tls).map_err(why)?)
            }
        };
        let endpoint = endpoint.map_err(unreachable)?.connect_timeout(CONNECT_WITHIN).timeout(ANSWER_WITHIN);
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let operator = OperatorClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { address: address.clone(), operator })
    }

    /// Asks once; the same `id` is given again where a question is repeated.
    ///
    /// Errors: [`AskError::Unanswered`] where it is not known whether it was done, else why it was not.
    pub async fn ask(&mut self, id: RequestId, ask: &Ask) -> Result<Answer, AskError> {
        let unreadable = |why: String| AskError::Unreadable { address: self.address.clone(), why };
        let ask_json = serde_json::to_string(ask).map_err(|error| unreadable(error.to_string()))?;
        let question = Question { version: OPERATOR_VERSION, request_id: id.0, ask_json };
        let reply = self.operator.ask(question).await.map_err(|status| refused(&self.address, &status))?.into_inner();
        if OPERATOR_VERSION < reply.version {
            let why = format!("it is of version {}, this program reads {OPERATOR_VERSION}", reply.version);
            return Err(unreadable(why));
        }
        serde_json::from_str(&reply.answer_json).map_err(|error| unreadable(error.to_string()))
    }
}

fn refused(address: &Address, status: &Status) -> AskError {
    let address = address.clone();
    let why = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::Unimplemented
        | Code::OutOfRange => AskError::Refused { address, why },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => AskError::Unanswered { address, why },
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let legal =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '[' | ']' | ':');
        let port = port.parse::<u16>().map_err(|_| bad())?;
        if host.is_empty() || port == 0 || !host.chars().all(legal) {
            return Err(bad());
        }
        Ok(Self::Tcp(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(place) => f.write_str(place),
        }
    }
}
