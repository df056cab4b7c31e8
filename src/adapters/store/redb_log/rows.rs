//! Values to and from redb's tables, each sealed under its key.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use redb::{ReadableTable, Table};

use super::error::StoreError;
use super::seal::{seal, unseal};
use super::{CUT, HARD_STATE, SNAPSHOT};
use crate::consensus::wire::{self, EntryKind};
use crate::consensus::{HardState, LogEntry, LogPosition, Persist, SnapshotWrite, snapshot_to_wire};
use crate::model::ids::{NodeId, RaftIndex, Term};

type Rows<'a> = Table<'a, &'static str, &'static [u8]>;
type Log<'a> = Table<'a, u64, &'static [u8]>;

/// Writes everything that a persist asks for.
pub(super) fn write_persist(
    dir: &Path,
    log: &mut Log<'_>,
    state: &mut Rows<'_>,
    persist: &Persist,
) -> Result<(), StoreError> {
    let failed = |error: redb::StorageError| StoreError::redb(dir, "writing the log", error);
    if let Some(hard_state) = &persist.hard_state {
        put(dir, state, HARD_STATE, &stored_hard_state(hard_state).encode_to_vec())?;
    }
    if let Some(SnapshotWrite::Own(snapshot) | SnapshotWrite::Received(snapshot)) = &persist.snapshot {
        put(dir, state, SNAPSHOT, &snapshot_to_wire(snapshot.clone()).encode_to_vec())?;
    }
    if let Some(SnapshotWrite::Received(snapshot)) = &persist.snapshot {
        log.retain(|_, _| false).map_err(failed)?;
        let cut = LogPosition { index: snapshot.index, term: snapshot.term };
        put(dir, state, CUT, &stored_position(cut).encode_to_vec())?;
    }
    if let Some(first) = persist.entries.first() {
        log.retain_in(first.index.0.., |_, _| false).map_err(failed)?;
        for entry in &persist.entries {
            put_entry(dir, log, entry)?;
        }
    }
    if let Some(cut) = persist.cut_behind {
        // An entry that is not there was cut before.
        let last_gone = match log.get(cut.0).map_err(failed)? {
            Some(value) => read_entry(dir, cut.0, value.value())?,
            None => return Ok(()),
        };
        log.retain_in(..=cut.0, |_, _| false).map_err(failed)?;
        let cut = LogPosition { index: cut, term: last_gone.term };
        put(dir, state, CUT, &stored_position(cut).encode_to_vec())?;
    }
    Ok(())
}

/// Puts a value under its key.
pub(super) fn put(dir: &Path, rows: &mut Rows<'_>, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let sealed = seal(key.as_bytes(), bytes);
    let put = rows.insert(key, sealed.as_slice());
    put.map(|_before| ()).map_err(|error| StoreError::redb(dir, "writing a value", error))
}

/// Gives the value under a key.
pub(super) fn get(
    dir: &Path,
    rows: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Bytes>, StoreError> {
    let found = rows.get(key).map_err(|error| StoreError::redb(dir, "reading a value", error))?;
    let Some(found) = found else { return Ok(None) };
    match unseal(key.as_bytes(), found.value()) {
        Some(bytes) => Ok(Some(Bytes::copy_from_slice(bytes))),
        None => Err(StoreError::damaged(dir, format!("its value {key:?} is not what was written"))),
    }
}

/// Gives a message that must be there.
pub(super) fn read_state<M: Message + Default>(
    dir: &Path,
    rows: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<M, StoreError> {
    let bytes =
        get(dir, rows, key)?.ok_or_else(|| StoreError::damaged(dir, format!("its value {key:?} is missing")))?;
    M::decode(bytes).map_err(|error| StoreError::damaged(dir, format!("its value {key:?} cannot be read: {error}")))
}

/// Puts an entry under its index.
pub(super) fn put_entry(dir: &Path, log: &mut Log<'_>, entry: &LogEntry) -> Result<(), StoreError> {
    let stored = wire::LogEntry {
        kind: i32::from(entry.kind),
        term: entry.term.0,
        index: entry.index.0,
        data: entry.bytes.clone(),
    };
    let sealed = seal(&entry.index.0.to_be_bytes(), &stored.encode_to_vec());
    let put = log.insert(entry.index.0, sealed.as_slice());
    put.map(|_before| ()).map_err(|error| StoreError::redb(dir, "writing an entry", error))
}

/// Gives the entry stored under an index.
pub(super) fn read_entry(dir: &Path, index: u64, sealed: &[u8]) -> Result<LogEntry, StoreError> {
    let damaged = |what| StoreError::damaged(dir, format!("log entry {index} {what}"));
    let bytes = unseal(&index.to_be_bytes(), sealed).ok_or_else(|| damaged("is not what was written"))?;
    let stored = wire::LogEntry::decode(bytes).map_err(|_error| damaged("cannot be read"))?;
    let kind = EntryKind::try_from(stored.kind).map_err(|_error| damaged("is of an unknown kind"))?;
    if stored.index != index || kind == EntryKind::Unspecified {
        return Err(damaged("is not the entry of that place"));
    }
    Ok(LogEntry { index: RaftIndex(index), term: Term(stored.term), kind, bytes: stored.data })
}

/// Gives the hard state as it is stored.
pub(super) fn stored_hard_state(state: &HardState) -> wire::StoredHardState {
    wire::StoredHardState { term: state.term.0, vote: state.vote.map_or(0, |node| node.0), commit: state.commit.0 }
}

/// Gives the hard state that was stored.
pub(super) fn hard_state(stored: &wire::StoredHardState) -> HardState {
    HardState {
        term: Term(stored.term),
        vote: (stored.vote != 0).then_some(NodeId(stored.vote)),
        commit: RaftIndex(stored.commit),
    }
}

/// Gives a position as it is stored.
pub(super) fn stored_position(position: LogPosition) -> wire::StoredPosition {
    wire::StoredPosition { index: position.index.0, term: position.term.0 }
}

/// Gives the position that was stored.
pub(super) fn position(stored: &wire::StoredPosition) -> LogPosition {
    LogPosition { index: RaftIndex(stored.index), term: Term(stored.term) }
}
