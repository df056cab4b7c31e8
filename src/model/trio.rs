//! The trio, as its own nodes speak of it.

use super::ids::{NodeId, Term};

/// This node's place in the trio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It leads, and everything before its term is applied.
    Leading(Term),
    /// It follows a leader.
    Following {
        /// Whom.
        leader: NodeId,
        /// In which term.
        term: Term,
    },
    /// Nobody leads, as far as it knows.
    Leaderless(Term),
}
