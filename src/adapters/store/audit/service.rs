//! The thread that owns the store: opens it, answers what the handle asks, and sets it aside when it fails.
//!
//! sled blocks, and a batch of one sled holds every other in the process; so none of it runs on the async runtime.
//!
//! It deliberately decides nothing about rebuilding: it says what is missing, and the caller appends it again.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::engine::EngineError;
use super::folder::{Folder, RESERVE_BYTES, Shortage, Standing};
use super::history::{Fault, History};
use super::{Append, AuditError, Found, Identity, OpenError, Opened};
use crate::model::chain::Head;

/// One request, as the thread runs it.
pub(super) type Job = Box<dyn FnOnce(&mut Service) + Send>;

/// Everything that the thread owns.
pub(super) struct Service {
    folder: Folder,
    identity: Identity,
    state: State,
    closed: Option<oneshot::Sender<()>>,
}

enum State {
    Open(History),
    /// Out of use until reopened.
    Down {
        why: String,
        /// What is on the disk must not be believed, however well it reads.
        distrusted: bool,
    },
}

/// Runs the thread: answers the opening first, then one job after the other until the last handle is gone.
pub(super) fn run(
    dir: PathBuf,
    identity: Identity,
    expected: Head,
    opened: oneshot::Sender<Result<Opened, OpenError>>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut service = match Service::start(dir, identity, expected) {
        Ok((service, how)) => {
            if opened.send(Ok(how)).is_err() {
                return;
            }
            service
        }
        Err(error) => {
            // Nobody waits for it any more: then nobody wants the store either.
            let _gone = opened.send(Err(error));
            return;
        }
    };
    while let Some(job) = jobs.blocking_recv() {
        job(&mut service);
        if service.closed.is_some() {
            break;
        }
    }
    let closed = service.closed.take();
    drop(service);
    if let Some(closed) = closed {
        // Whoever asked for the close may have stopped waiting.
        let _gone = closed.send(());
    }
}

impl Service {
    fn start(dir: PathBuf, identity: Identity, expected: Head) -> Result<(Self, Opened), OpenError> {
        let folder = Folder::prepare(&dir)?;
        let (history, opened) = open(&folder, &identity, expected)?;
        Ok((Self { folder, identity, state: State::Open(history), closed: None }, opened))
    }

    pub(super) fn close(&mut self, closed: oneshot::Sender<()>) {
        self.closed = Some(closed);
    }

    pub(super) fn append(&mut self, records: &[Append]) -> Result<Head, AuditError> {
        let bytes: u64 = records.iter().map(|record| u64::try_from(record.link.bytes.len()).unwrap_or(u64::MAX)).sum();
        // sled writes about twice what it is given (crates.md measured 1.97), and index entries come on top.
        let wanted = RESERVE_BYTES.saturating_add(bytes.saturating_mul(3));
        if let Err(Shortage { free_bytes, wanted_bytes }) = self.folder.require_space(wanted) {
            return Err(AuditError::DiskFull { path: self.folder.store(), free_bytes, wanted_bytes });
        }
        self.with(|history| history.append(records))
    }

    /// Runs an operation on the history; a failure of the engine takes it out of use.
    pub(super) fn with<T>(
        &mut self,
        operation: impl FnOnce(&mut History) -> Result<T, Fault>,
    ) -> Result<T, AuditError> {
        let history = match &mut self.state {
            State::Open(history) => history,
            State::Down { why, .. } => return Err(AuditError::Down { why: why.clone() }),
        };
        match operation(history) {
            Ok(value) => Ok(value),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Engine(error)) => {
                let why = error.to_string();
                tracing::error!(path = %self.folder.store().display(), %why, "the audit store is out of use");
                let distrusted = matches!(error, EngineError::SyncFailed(_));
                self.state = State::Down { why: why.clone(), distrusted };
                Err(AuditError::Down { why })
            }
        }
    }

    /// Closes the store and opens it again with all checks.
    pub(super) fn reopen(&mut self, expected: Head) -> Result<Opened, OpenError> {
        let before = std::mem::replace(
            &mut self.state,
            State::Down { why: "it is being reopened".to_owned(), distrusted: false },
        );
        if let State::Down { why, distrusted: true } = &before {
            let why = why.clone();
            // After a failed sync the page cache may show what the disk does not hold.
            return self.start_afresh(&why, expected);
        }
        drop(before);
        match open(&self.folder, &self.identity, expected) {
            Ok((history, opened)) => {
                self.state = State::Open(history);
                Ok(opened)
            }
            Err(error) => {
                self.state = State::Down { why: error.to_string(), distrusted: false };
                Err(error)
            }
        }
    }

    /// Sets the store aside, whatever it holds, and opens an empty one.
    pub(super) fn start_afresh(&mut self, why: &str, expected: Head) -> Result<Opened, OpenError> {
        self.state = State::Down { why: why.to_owned(), distrusted: true };
        let afresh = require_space(&self.folder)
            .and_then(|()| set_aside(&self.folder, &self.identity, expected, why.to_owned()));
        match afresh {
            Ok((history, opened)) => {
                self.state = State::Open(history);
                Ok(opened)
            }
            Err(error) => {
                // Once it is set aside, what is missing is only the empty one.
                self.state = State::Down { why: error.to_string(), distrusted: self.folder.has_store() };
                Err(error)
            }
        }
    }
}

fn open(folder: &Folder, identity: &Identity, expected: Head) -> Result<(History, Opened), OpenError> {
    require_space(folder)?;
    match folder.look(identity)? {
        Standing::Absent => create(folder, identity, expected, Found::Created),
        Standing::Unreadable(why) => set_aside(folder, identity, expected, why),
        Standing::Ours => match History::open(&folder.store(), expected) {
            Ok(history) => {
                let opened = Opened::new(history.head(), expected, Found::Intact);
                Ok((history, opened))
            }
            Err(EngineError::Damaged(why)) => set_aside(folder, identity, expected, why),
            Err(error) => Err(folder.engine_refused(error)),
        },
    }
}

fn set_aside(
    folder: &Folder,
    identity: &Identity,
    expected: Head,
    why: String,
) -> Result<(History, Opened), OpenError> {
    let moved_to = folder.quarantine(&why)?;
    tracing::error!(moved_to = %moved_to.display(), %why, "the audit store cannot be trusted; it was set aside and starts empty");
    create(folder, identity, expected, Found::Quarantined { moved_to, why })
}

fn create(folder: &Folder, identity: &Identity, expected: Head, how: Found) -> Result<(History, Opened), OpenError> {
    folder.create(identity)?;
    let history = History::open(&folder.store(), Head::GENESIS).map_err(|error| folder.engine_refused(error))?;
    let opened = Opened::new(history.head(), expected, how);
    Ok((history, opened))
}

fn require_space(folder: &Folder) -> Result<(), OpenError> {
    let short = |Shortage { free_bytes, wanted_bytes }| {
        let path = folder.store();
        OpenError::DiskFull { path, free_bytes, wanted_bytes }
    };
    folder.require_space(RESERVE_BYTES).map_err(short)
}
