//! `DescribeCluster`: who is registered, fenced or not; or the controllers.
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

impl Connection {
    /// Lists the registered nodes, fenced ones included where the peer can.
    ///
    /// Errors: as every call; listing controllers needs ALTER on the cluster.
    pub async fn cluster(&self, endpoints: Endpoints, within: Duration) -> Result<Answer<ClusterView>, WireError> {
        let kind = match endpoints {
            Endpoints::Brokers => 1,
            Endpoints::Controllers => 2,
        };
        let fenced_too = endpoints == Endpoints::Brokers && 2 <= self.version(Api::DescribeCluster)?;
        let request =
            DescribeClusterRequest::default().with_endpoint_type(kind).with_include_fenced_brokers(fenced_too);
        self.call(Api::DescribeCluster, &request, decode, within).await
    }
}

pub(super) fn decode(reader: &mut Reader, version: i16) -> Result<Decoded<ClusterView>, Malformed> {
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
    let _authorized_operations = reader.i32()?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message, body: ClusterView { cluster_id, controller, nodes, includes_fenced } })
}
