//! The pause file: the switch on each node that needs no quorum.
//!
//! Deliberately fails closed: whatever is not known to be absent pauses.

use serde::{Deserialize, Serialize};

/// Whether a node's pause file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseFile {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    Present,
    /// It cannot be told: counts as there.
    Unreadable,
}

impl PauseFile {
    /// Tells whether it pauses the trio.
    #[must_use]
    pub fn pauses(self) -> bool {
        match self {
            Self::Absent => false,
            Self::Present | Self::Unreadable => true,
        }
    }
}
