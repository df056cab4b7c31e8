//! Preparing a data directory, and opening the database in it.

use std::fs::{self, File};
use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use redb::Database;

use super::error::StoreError;
use super::guard::Guard;
use super::rows::{self, put, put_entry};
use super::{
    CUT, DATABASE_FILE, FORMAT_VERSION, GUARD_FILE, HARD_STATE, IDENTITY, LOG, NOTES, Owner, SNAPSHOT, STATE, WRITES,
};
use crate::consensus::{Recovered, snapshot_to_wire, wire};

/// Made under this ending and renamed: a kill while creating leaves nothing that looks like a store.
const UNFINISHED: &str = "unfinished";

/// The count of writes in a directory that was prepared and never used.
const NOTHING_PROMISED: u64 = 1;

/// Nearly everything read is in the peer's memory already.
const CACHE_BYTES: usize = 8 << 20;

/// Prepares an empty directory; see [`super::RaftStore::init`].
pub(super) fn init(dir: &Path, owner: &Owner, store_id: [u8; 16], first: &Recovered) -> Result<(), StoreError> {
    let failed = |source| StoreError::io("preparing the data directory", source);
    fs::create_dir_all(dir).map_err(failed)?;
    refuse_unless_empty(dir)?;
    let unfinished = |name: &str| dir.join(name).with_added_extension(UNFINISHED);
    let database = open_database(dir, |builder| builder.create(unfinished(DATABASE_FILE)))?;
    write_first(dir, &database, owner, (store_id, first))?;
    drop(database);
    Guard::create(&unfinished(GUARD_FILE), store_id, NOTHING_PROMISED)?;
    // The database first: it says by its count that nothing was promised yet, should the guard not make it.
    for name in [DATABASE_FILE, GUARD_FILE] {
        fs::rename(unfinished(name), dir.join(name)).map_err(failed)?;
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// Opens the guard, or makes it where a kill right after the preparation of this directory prevented that.
pub(super) fn open_guard(dir: &Path, store_id: [u8; 16], writes: u64) -> Result<(Guard, u64), StoreError> {
    let path = dir.join(GUARD_FILE);
    if writes == NOTHING_PROMISED && !path.exists() {
        Guard::create(&path, store_id, NOTHING_PROMISED)?;
    }
    Guard::open(&path, dir, store_id)
}

/// Opens or creates the database file.
pub(super) fn open_database(
    dir: &Path,
    open: impl FnOnce(&mut redb::Builder) -> Result<Database, redb::DatabaseError>,
) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    // A plain open may panic over a damaged file; with this one it is an error.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    open(&mut builder).map_err(|error| StoreError::redb(dir, "opening the database", error))
}

/// Says whether nothing is here. Leftovers of an interrupted preparation do not count, and are removed.
pub(super) fn refuse_unless_empty(dir: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io("reading the data directory", source);
    let found = match fs::read_dir(dir) {
        Ok(found) => found,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    let mut leftovers = Vec::new();
    for entry in found {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != UNFINISHED) {
            return Err(StoreError::NotEmpty { dir: dir.to_owned() });
        }
        leftovers.push(path);
    }
    leftovers.into_iter().try_for_each(|path| fs::remove_file(path).map_err(failed))
}

fn write_first(
    dir: &Path,
    database: &Database,
    owner: &Owner,
    (store_id, first): ([u8; 16], &Recovered),
) -> Result<(), StoreError> {
    let failed = |error: redb::Error| StoreError::redb(dir, "preparing the database", error);
    let transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    {
        let mut state = transaction.open_table(STATE).map_err(|e| failed(e.into()))?;
        let identity = wire::StoredIdentity {
            format_version: FORMAT_VERSION,
            kafka_cluster_id: owner.cluster.0.clone(),
            node_id: owner.node.0,
            store_id: Bytes::copy_from_slice(&store_id),
        };
        put(dir, &mut state, IDENTITY, &identity.encode_to_vec())?;
        put(dir, &mut state, HARD_STATE, &rows::stored_hard_state(&first.hard_state).encode_to_vec())?;
        put(dir, &mut state, SNAPSHOT, &snapshot_to_wire(first.snapshot.clone()).encode_to_vec())?;
        put(dir, &mut state, CUT, &rows::stored_position(first.cut).encode_to_vec())?;
        put(dir, &mut state, WRITES, &NOTHING_PROMISED.to_be_bytes())?;
        let mut log = transaction.open_table(LOG).map_err(|e| failed(e.into()))?;
        for entry in &first.entries {
            put_entry(dir, &mut log, entry)?;
        }
        transaction.open_table(NOTES).map_err(|e| failed(e.into()))?;
    }
    transaction.commit().map_err(|e| failed(e.into()))
}
