//! `DescribeCluster`: who is registered, fenced or not; or the controllers; and what whoever asks may do.
//!
//! Fenced brokers show from Kafka 4.0 on; before that, fenced = registered but missing from `Metadata`.

use std::time::Duration;

use kafka_protocol::messages::DescribeClusterRequest;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::topology::port;
use super::{Answer, Api, Connection, Endpoint, ErrorCode, WireError};

/// Which kind of node to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoints {
    /// Brokers; ask a broker.
    Brokers,
    /// Controllers; ask a controller.
    Controllers,
}

/// The registered nodes, as the peer sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's id.
    pub cluster_id: String,
    /// The active controller where controllers were asked for; a random broker otherwise.
    pub controller: Option<i32>,
    /// The nodes.
    pub nodes: Vec<RegisteredBroker>,
    /// Whether fenced brokers are among them (Kafka 4.0 and later).
    pub includes_fenced: bool,
}

/// One registered node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredBroker {
    /// Kafka's node id.
    pub id: i32,
    /// Its address on the listener that was asked.
    pub endpoint: Endpoint,
    /// Its rack, if it has one.
    pub rack: Option<String>,
    /// Whether the controller has fenced it.
    pub fenced: bool,
}

/// What can be done to the cluster as a whole, as far as Tanist does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Elect leaders, change orders, take registrations away.
    Alter,
    /// Ask about the cluster, and about what one may do.
    Describe,
    /// Speak as a broker: heartbeats, and so fencing.
    ClusterAction,
}

/// What whoever asks may do to the cluster as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed(i32);

impl Allowed {
    /// Gives what a peer that allows these would say.
    #[cfg(test)]
    pub(crate) fn of(operations: &[Operation]) -> Self {
        Self(operations.iter().fold(0, |bits, operation| bits | operation.bit()))
    }

    /// Says whether this is among it. Whoever may not describe the cluster is told that nothing is.
    #[must_use]
    pub fn may(self, operation: Operation) -> bool {
        self.0 & operation.bit() != 0
    }
}

impl Operation {
    /// Kafka sets the bit whose place is the operation's number (`AclOperation`).
    fn bit(self) -> i32 {
        match self {
            Self::Alter => 1 << 7,
            Self::Describe => 1 << 8,
            Self::ClusterAction => 1 << 9,
        }
    }
}

impl Connection {
    /// Lists the registered nodes, fenced ones included where the peer can.
    ///
    /// Errors: as every call; listing controllers needs ALTER on the cluster.
    pub async fn cluster(&self, endpoints: Endpoints, within: Duration) -> Result<Answer<ClusterView>, WireError> {
        let fenced_too = endpoints == Endpoints::Brokers && 2 <= self.version(Api::DescribeCluster)?;
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(endpoints.kind())
            .with_include_fenced_brokers(fenced_too);
        self.call(Api::DescribeCluster, &request, decode, within).await
    }

    /// Asks what this connection may do to the cluster as a whole. Nothing is tried out, so nothing changes.
    ///
    /// Errors: as every call; a controller tells only whoever has ALTER on the cluster.
    pub async fn allowed(&self, of: Endpoints, within: Duration) -> Result<Answer<Allowed>, WireError> {
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(of.kind())
            .with_include_cluster_authorized_operations(true);
        self.call(Api::DescribeCluster, &request, decode_allowed, within).await
    }
}

impl Endpoints {
    fn kind(self) -> i8 {
        match self {
            Self::Brokers => 1,
            Self::Controllers => 2,
        }
    }
}

pub(super) fn decode(reader: &mut Reader, version: i16) -> Result<Decoded<ClusterView>, Malformed> {
    let Decoded { throttle_ms, error, message, body: (body, _) } = read(reader, version)?;
    Ok(Decoded { throttle_ms, error, message, body })
}

pub(super) fn decode_allowed(reader: &mut Reader, version: i16) -> Result<Decoded<Allowed>, Malformed> {
    let Decoded { throttle_ms, error, message, body: (_, body) } = read(reader, version)?;
    Ok(Decoded { throttle_ms, error, message, body })
}

fn read(reader: &mut Reader, version: i16) -> Result<Decoded<(ClusterView, Allowed)>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = reader.nullable_string()?;
    let _endpoint_type = reader.i8()?;
    let cluster_id = reader.string()?;
    let controller = reader.node_id_or_none()?;
    let includes_fenced = 2 <= version;
    let nodes = reader.array(11, |r| {
        let id = r.i32()?;
        let host = r.string()?;
        let port = port(r)?;
        let rack = r.nullable_string()?;
        let fenced = if includes_fenced { r.bool()? } else { false };
        r.tags()?;
        Ok(RegisteredBroker { id, endpoint: Endpoint { host, port }, rack, fenced })
    })?;
    let allowed = Allowed(reader.i32()?);
    reader.tags()?;
    let view = ClusterView { cluster_id, controller, nodes, includes_fenced };
    Ok(Decoded { throttle_ms, error, message, body: (view, allowed) })
}
