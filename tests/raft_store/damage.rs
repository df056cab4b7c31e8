//! Files that are not as they were left: an error, or everything is there; never a panic, never silence.

use std::fs;
use std::path::Path;

use tanist::adapters::store::redb_log::{RaftStore, StoreError};

use crate::writer::{holds, owner, persist, prepared};

const WRITES: u64 = 120;
const FILES: [&str; 2] = ["raft.redb", "raft.guard"];

/// A directory as a kill leaves it: never closed in order.
fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in FILES {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// Gives true if the damage was noticed, false if it did no harm; panics if something is lost without a word.
fn noticed(dir: &Path, acknowledged: u64) -> bool {
    match holds(dir, acknowledged) {
        Ok(_) => false,
        Err(StoreError::Damaged { .. } | StoreError::LostWrites { .. } | StoreError::Io { .. }) => true,
        Err(other) => panic!("not an error for damage: {other}"),
    }
}

/// Places spread over a file by multiplication with a large prime.
fn places(length: usize, count: usize) -> impl Iterator<Item = usize> {
    (1..=count).map(move |n| n.wrapping_mul(2_654_435_761) % length)
}

fn written() -> (tempfile::TempDir, RaftStore) {
    let dir = prepared();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    for index in 2..=WRITES {
        store.persist(&persist(index)).unwrap();
    }
    (dir, store)
}

#[test]
fn a_flipped_bit_is_noticed_or_does_no_harm() {
    let (dir, store) = written();
    let mut found = 0;
    for crashed in [true, false] {
        let left = killed(dir.path());
        if !crashed {
            // Opened and closed in order once.
            assert_eq!(holds(left.path(), WRITES).unwrap(), WRITES);
        }
        for name in FILES {
            let sound = fs::read(left.path().join(name)).unwrap();
            let used = sound.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            for at in places(used, 60) {
                let copy = killed(left.path());
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << (at % 8);
                fs::write(copy.path().join(name), bytes).unwrap();
                found += u32::from(noticed(copy.path(), WRITES));
            }
        }
    }
    assert!(found > 25, "only {found} of 240 flips noticed: they hit nothing");
    drop(store);
}

#[test]
fn a_truncated_file_is_noticed_or_does_no_harm() {
    let (dir, store) = written();
    for name in FILES {
        let sound = fs::read(dir.path().join(name)).unwrap();
        for length in [
            0,
            1,
            100,
            511,
            512,
            600,
            1023,
            4096,
            8192,
            sound.len() / 2,
            sound.len().saturating_sub(4096),
            sound.len() - 1,
        ] {
            if sound.len() <= length {
                continue;
            }
            let copy = killed(dir.path());
            fs::write(copy.path().join(name), &sound[..length]).unwrap();
            let harmed = noticed(copy.path(), WRITES);
            // One whole record of the guard is enough, and the database's last pages may be free.
            let harmless = if name == "raft.guard" { 64 <= length } else { 8192 < length };
            assert!(harmed || harmless, "{name} of {length} bytes");
        }
    }
    drop(store);
}

#[test]
fn a_database_that_went_back_behind_its_promises_is_noticed() {
    let (dir, mut store) = written();
    let old = killed(dir.path());
    store.persist(&persist(WRITES + 1)).unwrap();
    let newer = killed(dir.path());
    fs::copy(old.path().join("raft.redb"), newer.path().join("raft.redb")).unwrap();
    let error = RaftStore::open(newer.path(), &owner()).unwrap_err();
    assert!(matches!(error, StoreError::LostWrites { .. }), "{error}");
    assert!(error.to_string().contains("tanist node rejoin"), "{error}");
    assert!(noticed(newer.path(), WRITES + 1), "and again: looking changes nothing");
}

#[test]
fn a_missing_guard_is_noticed() {
    let (dir, store) = written();
    drop(store);
    fs::remove_file(dir.path().join("raft.guard")).unwrap();
    assert!(noticed(dir.path(), WRITES));
    fs::rename(dir.path().join("raft.redb"), dir.path().join("elsewhere")).unwrap();
    assert!(noticed(dir.path(), WRITES), "files without a database are not an empty directory");
}
