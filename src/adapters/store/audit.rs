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
mod error;
mod export;
mod folder;
mod history;
mod keys;
mod layout;
mod query;
mod service;

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::chain::{Head, Link, Verdict, verify};
use crate::model::ids::{ClusterId, NodeId, RecordIndex};
pub use error::{AuditError, OpenError};
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
    /// How long opening may take; it reads the whole history, some 50,000 records of 1 KiB a second.
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
