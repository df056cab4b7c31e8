//! Why the Raft store cannot go on, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ids::{ClusterId, NodeId};

/// Why the Raft store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was prepared here.
    #[error(
        "{} holds no node: run `tanist node init` to prepare it for a new trio, or `tanist node rejoin` if this node \
         was a member before", .dir.display()
    )]
    NotInitialised {
        /// The data directory.
        dir: PathBuf,
    },
    /// Something is there already.
    #[error("{} is not empty: nothing was changed; choose another directory, or move this one away", .dir.display())]
    NotEmpty {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory is another node's.
    #[error(
        "{} belongs to node {found}, but the configuration says {wanted}: a copied directory would vote twice; correct \
         `node.id` or `node.data_dir`", .dir.display()
    )]
    OtherNode {
        /// The data directory.
        dir: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asks.
        wanted: NodeId,
    },
    /// The directory belongs to a trio beside another Kafka cluster.
    #[error(
        "{} belongs to the trio of Kafka cluster {found}, but the configuration says {wanted}: correct \
         `node.cluster` or `node.data_dir`", .dir.display()
    )]
    OtherCluster {
        /// The data directory.
        dir: PathBuf,
        /// The cluster it knows.
        found: ClusterId,
        /// The cluster that is asked for.
        wanted: ClusterId,
    },
    /// Another version of Tanist wrote the directory.
    #[error("{} has format {found}, but this version reads {wanted}: run the version that wrote it", .dir.display())]
    OtherVersion {
        /// The data directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        wanted: u32,
    },
    /// Another process has it open.
    #[error("{} is in use by another process: stop that one first", .dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// There is no room; nothing that was acknowledged is lost.
    #[error("no room left on the disk while {doing}: nothing acknowledged is lost; make room and start the node again")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
    },
    /// The disk forgot what it had promised to keep.
    #[error(
        "{} holds {found} of the {promised} writes that this node has promised to keep: the disk lost some; {REJOIN}",
        .dir.display()
    )]
    LostWrites {
        /// The data directory.
        dir: PathBuf,
        /// Writes found.
        found: u64,
        /// Writes promised.
        promised: u64,
    },
    /// What is on the disk is not what was written.
    #[error("{} is damaged: {what}; {REJOIN}", .dir.display())]
    Damaged {
        /// The data directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The operating system refused.
    #[error("the operating system refused while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// An earlier write failed; what is in memory may be ahead of the disk.
    #[error("an earlier write failed, so nothing more is written: start the node again")]
    Stopped,
}

/// What to do about a directory that lost something: it may have forgotten a vote, so it must not vote again.
const REJOIN: &str = "move the directory away and run `tanist node rejoin`";

impl StoreError {
    pub(super) fn io(doing: &'static str, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if [FileTooLarge, QuotaExceeded, StorageFull].contains(&source.kind()) {
            Self::DiskFull { doing }
        } else {
            Self::Io { doing, source }
        }
    }

    pub(super) fn damaged(dir: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { dir: dir.to_owned(), what: what.into() }
    }

    pub(super) fn redb(dir: &Path, doing: &'static str, error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            return Self::InUse { dir: dir.to_owned() };
        }
        if matches!(error, redb::Error::PreviousIo) {
            return Self::Stopped;
        }
        if let redb::Error::Io(source) = error {
            return Self::io(doing, source);
        }
        // redb's list is open-ended; whatever else it says about its own file, the file is not as we left it.
        Self::damaged(dir, format!("{error} ({doing})"))
    }
}
