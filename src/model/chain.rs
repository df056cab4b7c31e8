//! The hash chain over the audit records: what makes a changed, dropped, inserted or re-ordered record show.
//!
//! The rule, complete enough to write a second verifier from: records are numbered 1, 2, 3, ... without a gap. The hash of
//! record `n` is SHA-256 over three parts without separators: the 32 bytes of the hash of record `n-1`, then `n` as eight
//! bytes, most significant first, then the bytes of the record (canonical JSON, see `canon`). What precedes record 1 is 32
//! zero bytes. The *head* is the number and the hash of the last record. Removing the last records leaves a shorter chain
//! that is whole in itself, so a head must also be compared with those kept elsewhere: in redb and by both peers.
//!
//! It deliberately does not read records, and does no I/O: whoever holds the bytes passes them in.

pub mod chunk;
pub mod export;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::ids::{Digest, RecordIndex};

/// What stands before record 1: 32 zero bytes.
pub const GENESIS_HASH: Digest = Digest([0; 32]);

/// Gives the SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The end of a chain: number and hash of its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record, 0 when there is none.
    pub index: RecordIndex,
    /// Its hash, 32 zero bytes when there is none.
    pub hash: Digest,
}

impl Head {
    /// The head of a chain without records.
    pub const GENESIS: Self = Self { index: RecordIndex(0), hash: GENESIS_HASH };

    /// Gives the number of the record that comes next.
    #[must_use]
    pub fn next_index(&self) -> RecordIndex {
        // A record a nanosecond would take 584 years to reach the end; standing still then shows as a broken chain.
        RecordIndex(self.index.0.saturating_add(1))
    }

    /// Gives the head after one more record.
    #[must_use]
    pub fn extend(&self, bytes: &[u8]) -> Self {
        let index = self.next_index();
        let hash =
            Sha256::new().chain_update(self.hash.0).chain_update(index.0.to_be_bytes()).chain_update(bytes).finalize();
        Self { index, hash: Digest(hash.into()) }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.index, self.hash)
    }
}

/// The text is not `INDEX:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a head is written INDEX:HASH, a decimal number and 64 lower-case hex digits")]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (index, hash) = text.split_once(':').ok_or(NotAHead)?;
        Ok(Self { index: RecordIndex(index.parse().map_err(|_| NotAHead)?), hash: hash.parse().map_err(|_| NotAHead)? })
    }
}

/// One record as it is kept: its number, its canonical bytes, and the hash that was stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number under which the record was found.
    pub index: RecordIndex,
    /// Canonical bytes of the record.
    pub bytes: Vec<u8>,
    /// Hash that was stored with it.
    pub hash: Digest,
}

/// What is wrong with the first record that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Its bytes or its hash are not what was recorded; which of the two cannot be told.
    Changed,
    /// It is missing, and does not come later either.
    Dropped,
    /// Something was put in its place or beside it that does not belong to the chain.
    Inserted,
    /// It is there, but later than it should be.
    Reordered,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Inserted => "inserted",
            Self::Reordered => "re-ordered",
        })
    }
}

/// Whether a run of records is one unbroken chain.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every record follows from the one before; this is where the chain ends.
    Whole(Head),
    /// The chain is whole up to the record before this one.
    Broken {
        /// Number of the first record that was changed, dropped, inserted or re-ordered.
        at: RecordIndex,
        /// What happened to it.
        how: Break,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(head) => write!(f, "whole, {} records, head {head}", head.index),
            Self::Broken { at, how } => write!(f, "broken: record {at} was {how}"),
        }
    }
}

/// Checks records that should follow `after`, in the order in which they are found; stops at the first that does not fit.
pub fn verify(after: Head, links: impl IntoIterator<Item = Link>) -> Verdict {
    let mut head = after;
    let mut links = links.into_iter();
    while let Some(link) = links.next() {
        let wanted = head.next_index();
        let fresh = head.extend(&link.bytes);
        if link.index == wanted && link.hash == fresh.hash {
            head = fresh;
            continue;
        }
        if link.index < wanted {
            return Verdict::Broken { at: link.index, how: Break::Inserted };
        }
        // Does the record that belongs here come later? Only its true bytes fit under its own number and hash.
        let mut later = links;
        let comes_later = later.any(|other| other.index == wanted && other.hash == head.extend(&other.bytes).hash);
        let how = match (link.index == wanted, comes_later) {
            (true, true) => Break::Inserted,
            (true, false) => Break::Changed,
            (false, true) => Break::Reordered,
            (false, false) => Break::Dropped,
        };
        return Verdict::Broken { at: wanted, how };
    }
    Verdict::Whole(head)
}

/// What our chain looks like beside one head that is kept elsewhere.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The other head lies on our chain; we hold this many records beyond it.
    Holds {
        /// Records that we have and the other head does not cover.
        beyond_records: u64,
    },
    /// The other head is longer: the last records are missing here. Behind redb this is always a loss; behind a peer it may
    /// also be the lag of a node that still catches up, so ask after a committed read.
    TailMissing {
        /// How many records are missing at our end.
        records: u64,
    },
    /// Both hold a record of this number, with different hashes: one of the two histories was changed at or before it.
    Differs {
        /// Number at which the two were compared.
        at: RecordIndex,
    },
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { beyond_records: 0 } => f.write_str("equal"),
            Self::Holds { beyond_records } => write!(f, "agrees, {beyond_records} records behind us"),
            Self::TailMissing { records } => write!(f, "the last {records} records are missing here"),
            Self::Differs { at } => write!(f, "differs at or before record {at}"),
        }
    }
}

/// Compares our chain with a head kept elsewhere; `hash_at` gives the hash of our record of a number.
pub fn compare_heads(ours: Head, other: Head, hash_at: impl FnOnce(RecordIndex) -> Option<Digest>) -> Agreement {
    if ours.index < other.index {
        return Agreement::TailMissing { records: other.index.0.saturating_sub(ours.index.0) };
    }
    let held = match other.index {
        RecordIndex(0) => Some(GENESIS_HASH),
        index if index == ours.index => Some(ours.hash),
        index => hash_at(index),
    };
    if held == Some(other.hash) {
        Agreement::Holds { beyond_records: ours.index.0.saturating_sub(other.index.0) }
    } else {
        Agreement::Differs { at: other.index }
    }
}

#[cfg(test)]
mod tests;
