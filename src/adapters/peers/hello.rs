//! How two nodes meet: each says who it is, and refuses whoever does not belong, with a reason that a person can act on.

use std::fmt;

use bytes::Bytes;

use crate::consensus::wire;
pub use crate::consensus::wire::refusal::Reason;
use crate::model::ids::{ClusterId, NodeId};

/// Rises when frames change in a way that older versions misunderstand.
const PROTOCOL_VERSION: u32 = 1;

/// A refusal comes from outside: what is shown of it is bounded.
const DETAIL_CHARS_MAX: usize = 300;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The Kafka cluster beside which its trio runs.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The life of its data directory.
    pub store_id: [u8; 16],
    /// SHA-256 over the settings that must agree between nodes.
    pub config_fingerprint: [u8; 32],
}

/// Why one node does not speak with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who refuses.
    pub by: RefusedBy,
    /// The kind of reason.
    pub reason: Reason,
    /// What the refusing side has.
    pub detail: String,
}

/// Who refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// This node.
    Us,
    /// The other one.
    Them,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { by: RefusedBy::Us, reason, detail: detail.into() }
    }

    pub(super) fn to_wire(&self) -> wire::Refusal {
        wire::Refusal { reason: i32::from(self.reason), detail: self.detail.clone() }
    }

    pub(super) fn from_wire(refusal: &wire::Refusal) -> Self {
        let shown = refusal.detail.chars().filter(|shown| !shown.is_control()).take(DETAIL_CHARS_MAX);
        Self { by: RefusedBy::Them, reason: refusal.reason(), detail: shown.collect() }
    }
}

impl Refusal {
    /// Tells whether it was refused only because its id is in no settings of the other end.
    #[must_use]
    pub fn is_of_a_stranger(&self) -> bool {
        self.reason == Reason::UnknownNode
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            Reason::Unspecified => "for a reason that this version does not know",
            Reason::ProtocolVersion => "it runs a version with another protocol: upgrade the older node",
            Reason::KafkaCluster => "it belongs to the trio of another Kafka cluster",
            Reason::UnknownNode => "it is not among the peers: compare `[[peers]]` on both nodes",
            Reason::WrongNode => "it is another node than the one expected there: compare addresses in `[[peers]]`",
            Reason::StoreChanged => "its data directory is another than before, so it may have voted already",
            Reason::ConfigDiffers => "settings that must agree differ: compare `tanist config print` on both nodes",
            Reason::Certificate => "its certificate does not name the node that it says to be",
            Reason::Malformed => "it does not speak as a node does",
        };
        match self.by {
            RefusedBy::Us => write!(f, "refused a peer: {what} ({})", self.detail),
            RefusedBy::Them => write!(f, "a peer refused this node: {what} ({})", self.detail),
        }
    }
}

impl Introduction {
    /// Gives what is said to the node that is expected at the other end.
    pub(super) fn to_wire(&self, expected: NodeId) -> wire::Hello {
        wire::Hello {
            protocol_version: PROTOCOL_VERSION,
            kafka_cluster_id: self.cluster.0.clone(),
            node_id: self.node.0,
            store_id: Bytes::copy_from_slice(&self.store_id),
            config_fingerprint: Bytes::copy_from_slice(&self.config_fingerprint),
            expected_node_id: expected.0,
        }
    }

    /// Reads what the other end says, and whether it and this node belong together.
    ///
    /// Errors: the first [`Refusal`] found. Membership, store and certificate are the caller's to look at.
    pub(super) fn check(&self, hello: &wire::Hello) -> Result<Self, Refusal> {
        if hello.protocol_version != PROTOCOL_VERSION {
            let detail = format!("protocol {} there, {PROTOCOL_VERSION} here", hello.protocol_version);
            return Err(Refusal::new(Reason::ProtocolVersion, detail));
        }
        if hello.kafka_cluster_id != self.cluster.0 {
            return Err(Refusal::new(Reason::KafkaCluster, format!("{} is here", self.cluster)));
        }
        if hello.expected_node_id != self.node.0 || hello.node_id == self.node.0 {
            return Err(Refusal::new(Reason::WrongNode, format!("{} is here", self.node)));
        }
        if hello.config_fingerprint.as_ref() != self.config_fingerprint {
            let fingerprint = hex::encode(self.config_fingerprint.get(..6).unwrap_or_default());
            return Err(Refusal::new(Reason::ConfigDiffers, format!("fingerprint {fingerprint} is here")));
        }
        let store_id = hello.store_id.as_ref().try_into();
        let store_id =
            store_id.map_err(|_length| Refusal::new(Reason::Malformed, "its store id has another length"))?;
        Ok(Self {
            cluster: self.cluster.clone(),
            node: NodeId(hello.node_id),
            store_id,
            config_fingerprint: self.config_fingerprint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(node: u64) -> Introduction {
        Introduction {
            cluster: ClusterId("the-cluster".into()),
            node: NodeId(node),
            store_id: [u8::try_from(node).unwrap(); 16],
            config_fingerprint: [9; 32],
        }
    }

    #[test]
    fn nodes_that_belong_together_meet() {
        assert_eq!(introduction(1).check(&introduction(2).to_wire(NodeId(1))), Ok(introduction(2)));
    }

    #[test]
    fn each_stranger_is_told_why() {
        let hello = introduction(2).to_wire(NodeId(1));
        for (hello, reason, part) in [
            (wire::Hello { protocol_version: 2, ..hello.clone() }, Reason::ProtocolVersion, "protocol 2 there"),
            (wire::Hello { kafka_cluster_id: "x".into(), ..hello.clone() }, Reason::KafkaCluster, "the-cluster"),
            (wire::Hello { expected_node_id: 3, ..hello.clone() }, Reason::WrongNode, "n1 is here"),
            (wire::Hello { node_id: 1, ..hello.clone() }, Reason::WrongNode, "n1 is here"),
            (wire::Hello { config_fingerprint: Bytes::new(), ..hello.clone() }, Reason::ConfigDiffers, "0909"),
            (wire::Hello { store_id: Bytes::new(), ..hello.clone() }, Reason::Malformed, "store id"),
        ] {
            let refusal = introduction(1).check(&hello).unwrap_err();
            assert_eq!(refusal.reason, reason);
            assert!(refusal.to_string().contains(part), "{refusal}");
            let heard = Refusal::from_wire(&refusal.to_wire());
            assert_eq!((heard.reason, heard.by), (reason, RefusedBy::Them));
        }
    }

    #[test]
    fn what_a_stranger_says_is_bounded_when_shown() {
        let refusal = wire::Refusal { reason: 77, detail: "\u{1b}[31m".repeat(1_000) };
        let refusal = Refusal::from_wire(&refusal);
        assert_eq!(refusal.reason, Reason::Unspecified);
        assert!(refusal.detail.len() <= DETAIL_CHARS_MAX && !refusal.detail.contains('\u{1b}'));
    }
}
