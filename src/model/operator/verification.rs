//! What a check of the history found: faults by index, and the heads that are kept elsewhere.

use serde::{Deserialize, Serialize};

use crate::model::ids::{Digest, NodeId, RecordIndex};

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The node whose history was checked.
    pub node: NodeId,
    /// The last record that was read.
    pub last: RecordIndex,
    /// The head computed from the records.
    pub head: Digest,
    /// Every fault, by index; empty where the chain is whole and the heads agree.
    pub faults: Vec<ChainFault>,
    /// Every place that keeps a head, with how far it reaches there.
    pub compared: Vec<HeadSeen>,
}

/// A head as another place keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadSeen {
    /// Where.
    pub place: HeadPlace,
    /// Its index and hash; none where it could not be had.
    pub head: Option<(RecordIndex, Digest)>,
}

/// Where a head is kept apart from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadPlace {
    /// The node's own redb: how far the history was once durable.
    Checkpoint,
    /// The node's own state: the newest record that it knows to be committed.
    Committed,
    /// A peer.
    Peer(NodeId),
}

/// What is wrong with a chain, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainFault {
    /// The record at this index is not the one that was chained: changed, inserted or re-ordered.
    Broken {
        /// The first index whose hash does not fit.
        index: RecordIndex,
    },
    /// A record is absent though later ones exist.
    Absent {
        /// Its index.
        index: RecordIndex,
    },
    /// The record cannot be read.
    Unreadable {
        /// Its index.
        index: RecordIndex,
    },
    /// The history ends before a head that is kept elsewhere, and did not catch up in some seconds.
    Shorter {
        /// The last index here.
        last: RecordIndex,
        /// Where more is known.
        place: HeadPlace,
        /// How far it reaches there.
        there: RecordIndex,
    },
    /// A head kept elsewhere has another hash at the same index.
    Differs {
        /// The index.
        index: RecordIndex,
        /// Where.
        place: HeadPlace,
    },
}
