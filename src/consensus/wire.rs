//! The prost messages of `proto/peers.proto`: what nodes say to each other and what the store keeps.
//!
//! Generated at build time. Nothing here is checked; see [`super::check`] for what a peer's message must fulfil.

mod generated {
    #![expect(missing_docs, reason = "generated from proto/peers.proto, where each field is explained")]
    include!(concat!(env!("OUT_DIR"), "/tanist.peers.v1.rs"));
}

pub use generated::*;

/// A Raft message between two nodes.
pub type PeerMessage = RaftMessage;
