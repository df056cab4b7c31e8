//! RAFT without network, disk or clock: one peer of the trio as a state machine over raft-rs.
//!
//! [`Peer::step`] takes one [`Input`] and gives [`Output`]s in the order in which they must be carried out. Production
//! carries them out with a redb store and TCP links, the simulation with a virtual disk and network; nothing else differs.
//!
//! What stands around raft-rs, and why:
//! - raft-rs panics on bad messages, so [`check`] looks at every message first and refuses with a typed [`Rejected`];
//! - its protobuf parser never sees foreign bytes: [`convert`] copies field by field from our own prost messages;
//! - its election timeouts come from the thread's random source: [`Peer`] overwrites them from its own seed after every
//!   input, so that equal inputs give equal outputs;
//! - it reads its storage synchronously: [`log::MemLog`] holds the log in memory, and persisting is an output;
//! - it forwards proposals and read requests without an answer: neither ever leaves the node that leads.
//!
//! It deliberately does not know what the entries mean, who may connect (the links authenticate), or how anything is stored.
//! A panic inside raft-rs means that an invariant broke: the process must end, never catch it and go on.

pub mod check;
mod convert;
mod election;
pub mod io;
pub mod log;
pub mod members;
mod peer;
mod propose;
mod ready;
mod snapshots;
mod start;
pub mod wire;

pub use check::Rejected;
pub use convert::{snapshot_from_wire, snapshot_to_wire};
pub use io::{
    Committed, DropReason, Fault, HardState, Input, LogEntry, LogPosition, Output, Persist, PersistToken, Proposal,
    Role, SnapshotWrite, Standing,
};
pub use members::{MemberChange, Members, next_change};
pub use peer::{Peer, PeerStatus};
pub use start::{PeerOptions, Recovered, SnapshotData, StartError};
