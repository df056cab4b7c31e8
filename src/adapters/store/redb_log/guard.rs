//! A counter beside the database: how many writes this node has promised to keep.
//!
//! redb falls back to its last but one state when its newest does not check out, as after a torn write. If it does so after the
//! newest state was promised to others (a flipped bit, a disk that lied about syncing), the node has forgotten a vote or an
//! acknowledgement, and nothing in the database says so. This file does. It costs one more small sync per write.
//!
//! It deliberately cannot tell that the whole directory was put back from a copy; the leader tells, see `consensus::Fault`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::StoreError;

/// Two slots, written in turn: a torn write spoils one, the other still holds the count before it.
const SLOT_BYTES: u64 = 512;
const SLOTS: u64 = 2;
const MAGIC: &[u8; 8] = b"tnstgrd1";
const CONTENT_BYTES: usize = 8 + 16 + 8;
const RECORD_BYTES: usize = CONTENT_BYTES + 32;

/// The open counter.
#[derive(Debug)]
pub(super) struct Guard {
    file: File,
    store_id: [u8; 16],
}

impl Guard {
    /// Creates the file with this count in both slots.
    pub(super) fn create(path: &Path, store_id: [u8; 16], count: u64) -> Result<(), StoreError> {
        let failed = |source| StoreError::io("creating the guard file", source);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        let mut slot = record(store_id, count).to_vec();
        slot.resize(usize::try_from(SLOT_BYTES).unwrap_or(slot.len()), 0);
        for _ in 0..SLOTS {
            file.write_all(&slot).map_err(failed)?;
        }
        file.sync_all().map_err(failed)
    }

    /// Opens the file and gives the highest count that was promised.
    pub(super) fn open(path: &Path, dir: &Path, store_id: [u8; 16]) -> Result<(Self, u64), StoreError> {
        if !path.exists() {
            return Err(StoreError::damaged(dir, "its guard file is missing"));
        }
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|source| StoreError::io("opening the guard file", source))?;
        let mut highest = None;
        for slot in 0..SLOTS {
            let mut found = [0; RECORD_BYTES];
            // A slot that cannot be read whole is as good as a torn one.
            if file.read_exact_at(&mut found, slot.saturating_mul(SLOT_BYTES)).is_ok() {
                highest = highest.max(read(&found, store_id));
            }
        }
        let count = highest.ok_or_else(|| StoreError::damaged(dir, "neither half of its guard file can be read"))?;
        Ok((Self { file, store_id }, count))
    }

    /// Promises to keep this many writes: to be called once they are durable, before anybody hears of the newest.
    pub(super) fn promise(&self, count: u64) -> Result<(), StoreError> {
        let failed = |source| StoreError::io("writing the guard file", source);
        let at = (count % SLOTS).saturating_mul(SLOT_BYTES);
        self.file.write_all_at(&record(self.store_id, count), at).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }
}

fn record(store_id: [u8; 16], count: u64) -> [u8; RECORD_BYTES] {
    let content = content(store_id, count);
    let mut record = [0; RECORD_BYTES];
    for (to, from) in record.iter_mut().zip(content.iter().copied().chain(Sha256::digest(content))) {
        *to = from;
    }
    record
}

fn content(store_id: [u8; 16], count: u64) -> [u8; CONTENT_BYTES] {
    let mut content = [0; CONTENT_BYTES];
    let parts = MAGIC.iter().copied().chain(store_id).chain(count.to_be_bytes());
    for (to, from) in content.iter_mut().zip(parts) {
        *to = from;
    }
    content
}

fn read(found: &[u8; RECORD_BYTES], store_id: [u8; 16]) -> Option<u64> {
    let count = found.get(CONTENT_BYTES.checked_sub(8)?..CONTENT_BYTES)?;
    let count = u64::from_be_bytes(count.try_into().ok()?);
    (record(store_id, count) == *found).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_promise_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        Guard::create(&path, [7; 16], 1).unwrap();
        let (guard, count) = Guard::open(&path, dir.path(), [7; 16]).unwrap();
        assert_eq!(count, 1);
        for count in 2..9 {
            guard.promise(count).unwrap();
        }
        assert_eq!(Guard::open(&path, dir.path(), [7; 16]).unwrap().1, 8);
    }

    #[test]
    fn a_torn_slot_costs_one_promise_and_two_are_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        Guard::create(&path, [7; 16], 1).unwrap();
        let (guard, _) = Guard::open(&path, dir.path(), [7; 16]).unwrap();
        guard.promise(2).unwrap();
        guard.promise(3).unwrap();
        guard.file.write_all_at(&[0xff; 4], SLOT_BYTES + 20).unwrap();
        assert_eq!(Guard::open(&path, dir.path(), [7; 16]).unwrap().1, 2);
        guard.file.write_all_at(&[0xff; 4], 20).unwrap();
        let told = Guard::open(&path, dir.path(), [7; 16]).unwrap_err().to_string();
        assert!(told.contains("guard file") && told.contains("rejoin"), "{told}");
    }

    #[test]
    fn the_guard_of_another_store_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        Guard::create(&path, [7; 16], 1).unwrap();
        assert!(matches!(Guard::open(&path, dir.path(), [8; 16]), Err(StoreError::Damaged { .. })));
    }
}
