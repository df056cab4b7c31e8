//! Why the audit store refuses, named by what must happen next.
//!
//! It deliberately has no variant for damage: a damaged store is set aside, and that is an answer, not an error.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::model::chain::Head;
use crate::model::ids::RecordIndex;

/// Why the store cannot be opened; nothing was moved or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The folder belongs to another node or another cluster.
    #[error("{path:?} holds the audit history of {found}, not of {wanted}: point this node to its own directory")]
    Foreign {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
    /// The store was written by another version.
    #[error("{path:?} has audit format {found}, this version reads {wanted}: run the version that wrote it")]
    OtherVersion {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version of ours.
        wanted: u32,
    },
    /// Another process has it open.
    #[error("{path:?} is open in another process: stop the other tanist that uses this directory")]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// There is no room to work in.
    #[error(
        "the disk of {path:?} has {free_bytes} bytes free, the audit store needs {wanted_bytes}: free space or inodes"
    )]
    DiskFull {
        /// The store.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What must be free.
        wanted_bytes: u64,
    },
    /// The process may not do it.
    #[error("no permission to {what} in {path:?}: give the user that runs tanist the right to read and write there")]
    Denied {
        /// The folder.
        path: PathBuf,
        /// What was refused.
        what: &'static str,
    },
    /// The machine refused it for another reason.
    #[error("cannot {what} in {path:?}: {message}: check the disk, then restart this node")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What was refused.
        what: &'static str,
        /// In the machine's words.
        message: String,
    },
    /// Not even an empty store works.
    #[error("the audit store in {path:?} cannot be used: {why}: check the disk, then restart this node")]
    Unusable {
        /// The store.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// It took longer than it may; the thread may still be busy with it.
    #[error("the audit store did not open within {within:?}: check the disk, or raise [audit] open_within")]
    Unanswered {
        /// How long it was waited for.
        within: Duration,
    },
    /// The thread ended without an answer, or could not be started.
    #[error("the thread of the audit store is gone: restart this node")]
    Stopped,
}

/// Why a request was not carried out; the store holds what it held, and redb still knows the head.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditError {
    /// Records in between are missing here: append them first, from the Raft log or a peer.
    #[error("record {got} does not follow record {}: append what lies between first", head.index)]
    Gap {
        /// What the store holds.
        head: Head,
        /// What was to be appended.
        got: RecordIndex,
    },
    /// The hash is not the one that the chain gives the record: the sender's history is another one.
    #[error("record {at} does not chain to the one before it: it comes from another history")]
    WrongHash {
        /// The record.
        at: RecordIndex,
    },
    /// The store holds another record of this number: set it aside with `AuditStore::quarantine` and rebuild.
    #[error("record {at} is here with other bytes: this copy of the history is wrong and must be rebuilt")]
    Conflict {
        /// The record.
        at: RecordIndex,
    },
    /// The record is too long to be kept at all.
    #[error("record {at} with {bytes} bytes is too long for the audit store")]
    TooLong {
        /// The record.
        at: RecordIndex,
        /// Its length.
        bytes: usize,
    },
    /// There is no room; nothing was written, and the same request works once there is.
    #[error("the disk of {path:?} has {free_bytes} bytes free, this needs {wanted_bytes}: free some space")]
    DiskFull {
        /// The store.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What must be free.
        wanted_bytes: u64,
    },
    /// The store failed and is out of use until `AuditStore::reopen`.
    #[error("the audit store is out of use: {why}")]
    Down {
        /// What happened.
        why: String,
    },
    /// No answer in time; an append may still be carried out, and may be repeated.
    #[error("the audit store did not answer within {within:?}")]
    Unanswered {
        /// How long it was waited for.
        within: Duration,
    },
    /// The thread is gone.
    #[error("the thread of the audit store is gone: restart this node")]
    Stopped,
}
