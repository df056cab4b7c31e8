//! The state as a snapshot of the log carries it, and back.

use serde::{Deserialize, Serialize};

use crate::model::canon::{CanonError, from_canonical_bytes, to_canonical_bytes};

use super::State;

/// The state as a snapshot of the log carries it.
#[derive(Serialize, Deserialize)]
struct Frozen {
    state: State,
    /// The entries that put the assembler back, in hex.
    unfinished: Vec<String>,
}

/// Why the bytes of a state snapshot cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state snapshot cannot be read: {0}")]
pub struct Unthawable(String);

impl State {
    /// Gives the bytes of a snapshot of this state.
    ///
    /// Errors: the state holds something that has no canonical form, which is a defect.
    pub fn freeze(&self) -> Result<Vec<u8>, CanonError> {
        let unfinished = self.unfinished.to_entries().iter().map(hex::encode).collect();
        to_canonical_bytes(&Frozen { state: self.clone(), unfinished })
    }

    /// Reads a state back from the bytes of its snapshot.
    ///
    /// Errors: [`Unthawable`] for bytes that [`State::freeze`] did not write.
    pub fn thaw(bytes: &[u8]) -> Result<Self, Unthawable> {
        let frozen: Frozen = from_canonical_bytes(bytes).map_err(|error| Unthawable(error.to_string()))?;
        let mut state = frozen.state;
        for entry in frozen.unfinished {
            let entry = hex::decode(entry).map_err(|error| Unthawable(error.to_string()))?;
            state.unfinished.push_entry(&entry).map_err(|error| Unthawable(error.to_string()))?;
        }
        Ok(state)
    }
}
