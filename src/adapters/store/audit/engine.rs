//! sled, made survivable: every call is bounded, every panic is caught and turned into a value.
//!
//! sled 0.34.7 panics on most damage, calls `sync_file_range` where it promises a flush, and leaves a half-written
//! `snap.*.generating` behind that it cannot open again. All of that ends here. A panic is caught for one purpose only: to
//! take the store out of use. After one, and after any I/O error, the engine answers nothing more and is dropped.
//!
//! It deliberately does not know what is stored, and starts no flusher thread: what must be durable is synced by us.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

use crate::adapters::clock;

/// sled's page cache. Units: bytes.
///
/// Why 2026-11: the history is read rarely, and sled keeps several times this. With 50,000 records of 1 KiB the process took
/// 33 MB after the check at open, with 8 MiB here 50 MB.
const CACHE_BYTES: u64 = 1024 * 1024;

/// sled's background tasks let go of the lock a moment after the store was dropped; a lock held longer is another process.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Why the engine can go on no more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum EngineError {
    /// The files are damaged, or sled gave up on them in a panic.
    #[error("{0}")]
    Damaged(String),
    /// The machine refused a read or a write; the files may be good.
    #[error("{what}: {message}")]
    Io { what: &'static str, kind: io::ErrorKind, message: String },
    /// What was written may not be on the disk although the machine once said so: it must not be trusted again.
    #[error("sync failed: {0}")]
    SyncFailed(String),
    /// Another process holds the store.
    #[error("another process holds the lock")]
    Locked,
    /// A background thread of sled died; sled answers nothing more in this process.
    #[error("{0}")]
    ProcessWide(String),
}

/// An open sled database and its data file, for syncing.
pub(super) struct Engine {
    // None only while it is being closed.
    db: Option<sled::Db>,
    data: File,
    folder: File,
}

impl Engine {
    /// Opens the database in a folder, creating it where there is none.
    pub(super) fn open(folder: &Path) -> Result<Self, EngineError> {
        remove_half_snapshots(folder).map_err(|error| io_error("clear half-written snapshots", &error))?;
        let deadline = clock::now() + LOCK_WAIT;
        let db = loop {
            let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
            match survive("open", || config.open()) {
                Err(EngineError::Locked) if clock::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                other => break other?,
            }
        };
        let open_own = || Ok((File::open(folder.join("db"))?, File::open(folder)?));
        let (data, folder) =
            open_own().map_err(|error: io::Error| io_error("open the data file for syncing", &error))?;
        Ok(Self { db: Some(db), data, folder })
    }

    /// Runs one operation on the tree.
    pub(super) fn with<T>(
        &self,
        what: &'static str,
        operation: impl FnOnce(&sled::Tree) -> sled::Result<T>,
    ) -> Result<T, EngineError> {
        let db = self.db.as_ref().ok_or_else(|| EngineError::Damaged("the store is closed".to_owned()))?;
        survive(what, || operation(db))
    }

    /// Puts everything written so far on the disk.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        self.with("flush", |tree| tree.flush())?;
        // sled's flush ends in sync_file_range, which neither flushes the disk's cache nor writes the file's length.
        let synced = self.data.sync_data().and_then(|()| self.folder.sync_all());
        synced.map_err(|error| EngineError::SyncFailed(error.to_string()))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let db = self.db.take();
        // Dropping flushes; on damaged files that may panic as well, and nothing is left to save then.
        let _dropped_or_panicked = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

fn survive<T>(what: &'static str, operation: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    // Unwind safety: sled's locks are parking_lot's, which a panic releases unpoisoned, and whoever sees the error of a
    // panic drops the engine, so no half-changed state of it is read again.
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(what, &error)),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "without a message".to_owned());
            let line = text.lines().next().unwrap_or_default();
            Err(EngineError::Damaged(format!("sled panicked in {what}: {line}")))
        }
    }
}

fn classify(what: &'static str, error: &sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => EngineError::Locked,
        sled::Error::Io(error) if is_damage(error) => EngineError::Damaged(format!("sled could not {what}: {error}")),
        sled::Error::Io(error) => io_error(what, error),
        sled::Error::ReportableBug(text) if text.starts_with("IO thread unexpectedly panicked") => {
            EngineError::ProcessWide("a background thread of sled died in this process".to_owned())
        }
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => EngineError::Damaged(format!("sled could not {what}: {error}")),
    }
}

pub(super) fn io_error(what: &'static str, error: &io::Error) -> EngineError {
    EngineError::Io { what, kind: error.kind(), message: error.to_string() }
}

/// Says whether an I/O error tells of the files rather than of the machine: too short, or on a sector that cannot be read.
fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(Errno::EIO as i32)
}

/// Removes what a kill during an earlier open left behind; never the only copy, for the rename comes after its sync.
fn remove_half_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
