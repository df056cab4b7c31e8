//! The Raft store: log, hard state, state snapshot and identity of one node, and a few notes of others, in one redb file.
//!
//! One [`Persist`] is one transaction; writing the same one twice changes nothing the second time. What was promised is
//! never silently lost: every value carries a digest, every page redb's checksum, and [`super::guard`] counts the writes.
//! Any doubt is an error, since a node that forgot a vote must not vote again.
//!
//! It deliberately knows nothing of the audit history, and judges no entry.

pub mod error;
mod guard;
mod prepare;
mod rows;
mod seal;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

pub use self::error::StoreError;
use self::guard::Guard;
use self::rows::{get, put, read_entry, read_state};
use crate::consensus::{LogEntry, LogPosition, Persist, Recovered, snapshot_from_wire, wire};
use crate::model::ids::{ClusterId, NodeId, RaftIndex};

const FORMAT_VERSION: u32 = 1;
const DATABASE_FILE: &str = "raft.redb";
const GUARD_FILE: &str = "raft.guard";

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");

const IDENTITY: &str = "identity";
const HARD_STATE: &str = "hard_state";
const SNAPSHOT: &str = "snapshot";
const CUT: &str = "cut";
const WRITES: &str = "writes";

/// Whose store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The Kafka cluster beside which the trio runs.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
}

/// One node's open store.
#[derive(Debug)]
pub struct RaftStore {
    dir: PathBuf,
    database: Database,
    guard: Guard,
    store_id: [u8; 16],
    writes: u64,
    failed: bool,
}

impl RaftStore {
    /// Prepares an empty directory, or one that does not exist yet. `store_id` names this life of the directory; make it
    /// by chance.
    ///
    /// Errors: [`StoreError::NotEmpty`] where anything is there already; nothing is changed then.
    pub fn init(dir: &Path, owner: &Owner, store_id: [u8; 16], first: &Recovered) -> Result<(), StoreError> {
        prepare::init(dir, owner, store_id, first)
    }

    /// Opens what [`Self::init`] has prepared, after looking at every byte of it.
    ///
    /// Errors: each [`StoreError`] says what to do.
    pub fn open(dir: &Path, owner: &Owner) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE_FILE);
        if !path.exists() {
            return Err(match prepare::refuse_unless_empty(dir) {
                Ok(()) => StoreError::NotInitialised { dir: dir.to_owned() },
                Err(_not_empty) => StoreError::damaged(dir, "it has files, but no database among them"),
            });
        }
        let database = prepare::open_database(dir, |builder| builder.open(&path))?;
        let (store_id, writes) = read_identity(dir, &database, owner)?;
        let (guard, promised) = prepare::open_guard(dir, store_id, writes)?;
        if writes < promised {
            return Err(StoreError::LostWrites { dir: dir.to_owned(), found: writes, promised });
        }
        let store = Self { dir: dir.to_owned(), database, guard, store_id, writes, failed: false };
        store.check_every_entry()?;
        // A crash between a write and its promise leaves the promise one behind; what is there now will be answered for.
        store.guard.promise(writes)?;
        Ok(store)
    }

    /// Gives the name of this life of the directory; a peer that knew this node under another one must not listen to it.
    #[must_use]
    pub fn store_id(&self) -> [u8; 16] {
        self.store_id
    }

    /// Reads back what a peer starts from, with entries of at most `bytes_max` before the snapshot.
    ///
    /// Errors: [`StoreError::Damaged`]; whether it all fits together is checked by the peer.
    pub fn recover(&self, bytes_max: u64) -> Result<Recovered, StoreError> {
        let doing = "reading the log";
        let failed = |error: redb::Error| StoreError::redb(&self.dir, doing, error);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let state = transaction.open_table(STATE).map_err(|e| failed(e.into()))?;
        let hard_state = rows::hard_state(&read_state(&self.dir, &state, HARD_STATE)?);
        let snapshot = snapshot_from_wire(read_state::<wire::Snapshot>(&self.dir, &state, SNAPSHOT)?);
        let mut cut = rows::position(&read_state(&self.dir, &state, CUT)?);
        let log = transaction.open_table(LOG).map_err(|e| failed(e.into()))?;
        let mut entries = Vec::new();
        let mut bytes = 0_u64;
        for found in log.iter().map_err(|e| failed(e.into()))?.rev() {
            let (index, value) = found.map_err(|e| failed(e.into()))?;
            let entry = read_entry(&self.dir, index.value(), value.value())?;
            bytes = bytes.saturating_add(u64::try_from(entry.bytes.len()).unwrap_or(u64::MAX));
            if entry.index <= snapshot.index && bytes_max < bytes {
                cut = LogPosition { index: entry.index, term: entry.term };
                break;
            }
            entries.push(entry);
        }
        entries.reverse();
        Ok(Recovered { hard_state, snapshot, cut, entries })
    }

    /// Makes one persist durable (or, where it asks for no sync, at least visible), in one transaction.
    ///
    /// Errors: after any the store is of no more use; open it again and give the same persist again.
    pub fn persist(&mut self, persist: &Persist) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Stopped);
        }
        let outcome = self.try_persist(persist);
        self.failed = outcome.is_err();
        outcome
    }

    fn try_persist(&mut self, persist: &Persist) -> Result<(), StoreError> {
        let durability = if persist.must_sync { Durability::Immediate } else { Durability::None };
        let transaction = self.begin("writing the log", durability)?;
        let writes = self.writes.saturating_add(u64::from(persist.must_sync));
        {
            let failed = |error: redb::Error| StoreError::redb(&self.dir, "writing the log", error);
            let mut log = transaction.open_table(LOG).map_err(|e| failed(e.into()))?;
            let mut state = transaction.open_table(STATE).map_err(|e| failed(e.into()))?;
            rows::write_persist(&self.dir, &mut log, &mut state, persist)?;
            put(&self.dir, &mut state, WRITES, &writes.to_be_bytes())?;
        }
        transaction.commit().map_err(|error| StoreError::redb(&self.dir, "writing the log", error))?;
        if persist.must_sync {
            self.guard.promise(writes)?;
        }
        self.writes = writes;
        Ok(())
    }

    /// Gives the entries of a stretch of the log, at least one if there is any, but not many more than `bytes_max`.
    ///
    /// Errors: [`StoreError::Damaged`].
    pub fn entries(&self, range: RangeInclusive<RaftIndex>, bytes_max: usize) -> Result<Vec<LogEntry>, StoreError> {
        let failed = |error: redb::Error| StoreError::redb(&self.dir, "reading the log", error);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let log = transaction.open_table(LOG).map_err(|e| failed(e.into()))?;
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        for found in log.range(range.start().0..=range.end().0).map_err(|e| failed(e.into()))? {
            let (index, value) = found.map_err(|e| failed(e.into()))?;
            let entry = read_entry(&self.dir, index.value(), value.value())?;
            bytes = bytes.saturating_add(entry.bytes.len());
            entries.push(entry);
            if bytes_max <= bytes {
                break;
            }
        }
        Ok(entries)
    }

    /// Gives a note that another part of the node keeps here.
    ///
    /// Errors: [`StoreError::Damaged`].
    pub fn note(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let failed = |error: redb::Error| StoreError::redb(&self.dir, "reading a note", error);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let notes = transaction.open_table(NOTES).map_err(|e| failed(e.into()))?;
        get(&self.dir, &notes, name)
    }

    /// Keeps a note, durably.
    ///
    /// Errors: after any the store is of no more use, as after a failed persist.
    pub fn put_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Stopped);
        }
        let outcome = self.try_put_note(name, bytes);
        self.failed = outcome.is_err();
        outcome
    }

    fn try_put_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::redb(&self.dir, "writing a note", error);
        let transaction = self.begin("writing a note", Durability::Immediate)?;
        {
            let mut notes = transaction.open_table(NOTES).map_err(|e| failed(e.into()))?;
            put(&self.dir, &mut notes, name, bytes)?;
        }
        transaction.commit().map_err(|e| failed(e.into()))
    }

    fn begin(&self, doing: &'static str, durability: Durability) -> Result<WriteTransaction, StoreError> {
        let failed = |error: redb::Error| StoreError::redb(&self.dir, doing, error);
        let mut transaction = self.database.begin_write().map_err(|e| failed(e.into()))?;
        transaction.set_durability(durability).map_err(|e| failed(e.into()))?;
        Ok(transaction)
    }

    fn check_every_entry(&self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::redb(&self.dir, "checking the log", error);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let log = transaction.open_table(LOG).map_err(|e| failed(e.into()))?;
        let mut before = None;
        for found in log.iter().map_err(|e| failed(e.into()))? {
            let (index, value) = found.map_err(|e| failed(e.into()))?;
            let entry = read_entry(&self.dir, index.value(), value.value())?;
            if before.is_some_and(|before: RaftIndex| before.0.checked_add(1) != Some(entry.index.0)) {
                return Err(StoreError::damaged(&self.dir, format!("its log has a gap before entry {}", entry.index)));
            }
            before = Some(entry.index);
        }
        Ok(())
    }
}

/// Gives the directory's life and its count of writes, if it is the owner's.
fn read_identity(dir: &Path, database: &Database, owner: &Owner) -> Result<([u8; 16], u64), StoreError> {
    let failed = |error: redb::Error| StoreError::redb(dir, "reading the identity", error);
    let transaction = database.begin_read().map_err(|e| failed(e.into()))?;
    let state = transaction.open_table(STATE).map_err(|e| failed(e.into()))?;
    let identity: wire::StoredIdentity = read_state(dir, &state, IDENTITY)?;
    if identity.format_version != FORMAT_VERSION {
        let (found, wanted) = (identity.format_version, FORMAT_VERSION);
        return Err(StoreError::OtherVersion { dir: dir.to_owned(), found, wanted });
    }
    if identity.kafka_cluster_id != owner.cluster.0 {
        let (found, wanted) = (ClusterId(identity.kafka_cluster_id), owner.cluster.clone());
        return Err(StoreError::OtherCluster { dir: dir.to_owned(), found, wanted });
    }
    if identity.node_id != owner.node.0 {
        let (found, wanted) = (NodeId(identity.node_id), owner.node);
        return Err(StoreError::OtherNode { dir: dir.to_owned(), found, wanted });
    }
    let store_id = identity.store_id.as_ref().try_into();
    let store_id = store_id.map_err(|_length| StoreError::damaged(dir, "its store id has another length"))?;
    let writes = get(dir, &state, WRITES)?.and_then(|bytes| bytes.as_ref().try_into().ok()).map(u64::from_be_bytes);
    let writes = writes.ok_or_else(|| StoreError::damaged(dir, "its count of writes is missing"))?;
    Ok((store_id, writes))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::consensus::Members;

    #[test]
    fn a_directory_of_another_version_is_refused_and_names_both() {
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner { cluster: ClusterId("calm".to_owned()), node: NodeId(1) };
        let first = Recovered::first_members(Members::voters([NodeId(1)]));
        RaftStore::init(dir.path(), &owner, [7; 16], &first).unwrap();
        let database = Database::open(dir.path().join(DATABASE_FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut state = transaction.open_table(STATE).unwrap();
            let identity: wire::StoredIdentity = read_state(dir.path(), &state, IDENTITY).unwrap();
            let later = wire::StoredIdentity { format_version: FORMAT_VERSION + 1, ..identity };
            put(dir.path(), &mut state, IDENTITY, &later.encode_to_vec()).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);
        let error = RaftStore::open(dir.path(), &owner).unwrap_err();
        assert!(matches!(error, StoreError::OtherVersion { found: 2, wanted: 1, .. }), "{error}");
        assert!(error.to_string().ends_with("has format 2, but this version reads 1: run the version that wrote it"));
    }
}
