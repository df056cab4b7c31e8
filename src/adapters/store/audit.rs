//! The audit store: the history of all records in sled, as a copy that can always be rebuilt.
//!
//! The truth is the Raft log, the three copies of the history, and the head that redb keeps; this is one copy. It is
//! checked whole when it is opened. If it lacks a promised record, does not chain, cannot be read or makes sled panic, its
//! folder is set aside, an empty store takes its place, and [`Opened`] says so: the caller then appends the history again,
//! from the Raft log or page by page from a peer ([`AuditStore::find`] there, [`AuditStore::append`] here).
//!
//! A record counts as stored only after [`AuditStore::checkpoint`] gave a head at or beyond it *and* the caller recorded
//! that head (with the Raft index up to which it applied) in redb; the Raft log may be cut only behind such a head.
//!
//! It deliberately holds nothing that a decision needs, and never shortens or rewrites what it holds.

mod engine;
mod export;
mod folder;
mod history;
mod layout;
mod query;
mod service;

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::chain::{Head, Link, Verdict, verify};
use crate::model::ids::{ClusterId, NodeId, RecordIndex};
pub use export::Export;
pub use layout::IndexKeys;
pub use query::{Limit, Order, Page, Query, Select};
use service::{Job, Service};

/// How many requests may wait for the thread; a caller beyond that waits itself.
const JOBS_MAX: usize = 64;

/// Whose history it is; a store of another node or cluster is never opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node of ours.
    pub node: NodeId,
    /// The Kafka cluster that the trio is tied to.
    pub cluster: ClusterId,
}

/// Where the store lies, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOptions {
    /// A folder of its own; created if it is not there.
    pub dir: PathBuf,
    /// Whose history it is.
    pub identity: Identity,
    /// How long opening may take; it reads the whole history, about 100,000 records a second.
    pub open_within: Duration,
    /// How long any other answer may take.
    pub answer_within: Duration,
}

/// One record to be appended, and what it can be found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The record with its number and the hash that the chain gives it.
    pub link: Link,
    /// What it can be found by. Contract: derived from the record's bytes, never taken from a peer.
    pub keys: IndexKeys,
}

/// What was found where the store should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing; an empty store was created.
    Created,
    /// A store that holds all that was promised.
    Intact,
    /// A store that cannot be trusted; it was set aside, and an empty one created. A person must be told.
    Quarantined {
        /// Where it lies now.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

/// How the store was opened.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The last record that it holds.
    pub head: Head,
    /// How many records must be appended again before the history is what was promised.
    pub missing_records: u64,
    /// What was found.
    pub found: Found,
}

impl Opened {
    fn new(head: Head, expected: Head, found: Found) -> Self {
        Self { head, missing_records: expected.index.0.saturating_sub(head.index.0), found }
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Created => write!(f, "audit store created")?,
            Found::Intact => write!(f, "audit store whole, {} records", self.head.index)?,
            Found::Quarantined { moved_to, why } => {
                write!(f, "audit store DAMAGED ({why}), set aside as {} and started empty", moved_to.display())?;
            }
        }
        match self.missing_records {
            0 => Ok(()),
            missing => write!(f, "; {missing} records are to be rebuilt from the Raft log or a peer"),
        }
    }
}

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
    #[error("the disk of {path:?} has {free_bytes} bytes free, the audit store needs {wanted_bytes}: free some space")]
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
    /// The store holds another record of this number: set it aside with [`AuditStore::quarantine`] and rebuild.
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
    /// The store failed and is out of use until [`AuditStore::reopen`].
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

/// A handle on the thread that owns the store; clones share it.
#[derive(Debug, Clone)]
pub struct AuditStore {
    jobs: mpsc::Sender<Job>,
    options: AuditOptions,
}

impl AuditStore {
    /// Opens the store and checks all of it against the head that redb keeps ([`Head::GENESIS`] when it keeps none).
    ///
    /// Errors: only what a person must cure first; a damaged store is no error, see [`Found::Quarantined`].
    pub async fn open(options: AuditOptions, expected: Head) -> Result<(Self, Opened), OpenError> {
        let (jobs, inbox) = mpsc::channel(JOBS_MAX);
        let (opened, answer) = oneshot::channel();
        let (dir, identity, within) = (options.dir.clone(), options.identity.clone(), options.open_within);
        let body = move || service::run(dir, identity, expected, opened, inbox);
        thread::Builder::new().name("audit-store".to_owned()).spawn(body).map_err(|_| OpenError::Stopped)?;
        let answer = timeout(within, answer).await.map_err(|_| OpenError::Unanswered { within })?;
        let opened = answer.map_err(|_| OpenError::Stopped)??;
        Ok((Self { jobs, options }, opened))
    }

    /// Gives the last record that the store holds, durable or not.
    ///
    /// Errors: as every other method, [`AuditError::Down`], [`AuditError::Unanswered`] and [`AuditError::Stopped`].
    pub async fn head(&self) -> Result<Head, AuditError> {
        self.call(|service| service.with(|history| Ok(history.head()))).await
    }

    /// Appends records in the order of their numbers and gives the new head; records that are there already are compared
    /// and passed over, so a repeated request is harmless.
    ///
    /// Errors: [`AuditError::Gap`], [`AuditError::WrongHash`], [`AuditError::Conflict`], [`AuditError::DiskFull`]; the
    /// records before the one that was refused may have been appended.
    pub async fn append(&self, records: Vec<Append>) -> Result<Head, AuditError> {
        self.call(move |service| service.append(&records)).await
    }

    /// Puts everything appended so far on the disk and gives the head that is now safe to record in redb.
    ///
    /// Errors: [`AuditError::Down`] when the disk refused; nothing may be recorded then.
    pub async fn checkpoint(&self) -> Result<Head, AuditError> {
        self.call(|service| service.with(|history| history.sync())).await
    }

    /// Gives one record, if the store holds it.
    ///
    /// Errors: see [`Self::head`].
    pub async fn get(&self, index: RecordIndex) -> Result<Option<Link>, AuditError> {
        self.call(move |service| service.with(|history| history.get(index))).await
    }

    /// Gives one page of the records that a query asks for.
    ///
    /// Errors: see [`Self::head`].
    pub async fn find(&self, query: Query) -> Result<Page, AuditError> {
        self.call(move |service| service.with(|history| history.find(&query))).await
    }

    /// Reads the history page by page and says whether it is one unbroken chain, or which record is the first that is not.
    ///
    /// Errors: see [`Self::head`].
    pub async fn verify(&self) -> Result<Verdict, AuditError> {
        let mut head = Head::GENESIS;
        loop {
            let page = self.find(Query::range(head.next_index(), Limit::MOST)).await?;
            match verify(head, page.links) {
                Verdict::Whole(next) if page.more => head = next,
                done @ (Verdict::Whole(_) | Verdict::Broken { .. }) => return Ok(done),
            }
        }
    }

    /// Gives the history as an export, block by block.
    #[must_use]
    pub fn export(&self, after: Head) -> Export {
        Export::new(self.clone(), &self.options.identity.cluster, after)
    }

    /// Closes the store and opens it again with all checks: the way back from [`AuditError::Down`].
    ///
    /// Errors: as [`Self::open`]; the store stays out of use then, and this may be tried again.
    pub async fn reopen(&self, expected: Head) -> Result<Opened, OpenError> {
        self.call_within(self.options.open_within, move |service| service.reopen(expected)).await?
    }

    /// Sets the store aside although it opens, because the caller knows that it is wrong, and starts an empty one.
    ///
    /// Errors: as [`Self::open`].
    pub async fn quarantine(&self, why: String, expected: Head) -> Result<Opened, OpenError> {
        self.call_within(self.options.open_within, move |service| service.start_afresh(&why, expected)).await?
    }

    /// Ends the thread and waits until the folder is free for another; other handles are answered with
    /// [`AuditError::Stopped`] from then on.
    ///
    /// Errors: see [`Self::head`].
    pub async fn close(self) -> Result<(), AuditError> {
        let within = self.options.answer_within;
        let (closed, done) = oneshot::channel();
        let job: Job = Box::new(move |service| service.close(closed));
        self.jobs.send(job).await.map_err(|_| AuditError::Stopped)?;
        timeout(within, done).await.map_err(|_| AuditError::Unanswered { within })?.map_err(|_| AuditError::Stopped)
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Service) -> Result<T, AuditError> + Send + 'static,
    ) -> Result<T, AuditError> {
        let asked = self.call_within(self.options.answer_within, operation).await;
        asked.map_err(|error| match error {
            NoAnswer::Late(within) => AuditError::Unanswered { within },
            NoAnswer::Gone => AuditError::Stopped,
        })?
    }

    async fn call_within<T: Send + 'static>(
        &self,
        within: Duration,
        operation: impl FnOnce(&mut Service) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |service| {
            // Whoever asked may have stopped waiting.
            let _gone = answer.send(operation(service));
        });
        let asked = async {
            self.jobs.send(job).await.map_err(|_| NoAnswer::Gone)?;
            answered.await.map_err(|_| NoAnswer::Gone)
        };
        timeout(within, asked).await.unwrap_or(Err(NoAnswer::Late(within)))
    }
}

/// Why the thread gave no answer.
enum NoAnswer {
    Late(Duration),
    Gone,
}

impl From<NoAnswer> for OpenError {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Late(within) => Self::Unanswered { within },
            NoAnswer::Gone => Self::Stopped,
        }
    }
}
