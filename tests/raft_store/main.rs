//! The Raft store against everything that happens to disks: kills, flipped bits, truncation, no room, other nodes' directories.
//! What was acknowledged is there afterwards, or the store says that it is not.
#![cfg(test)]

mod damage;
mod kills;
mod room;
mod writer;

use std::fs;

use tanist::adapters::store::redb_log::{Owner, RaftStore, StoreError};
use tanist::consensus::{Members, Recovered, SnapshotData, SnapshotWrite};
use tanist::model::ids::{ClusterId, NodeId, RaftIndex, Term};
use writer::{first, owner, persist, prepared};

#[test]
fn what_was_persisted_is_read_back() {
    let dir = prepared();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    for index in 2..=30 {
        store.persist(&persist(index)).unwrap();
    }
    // Another leader replaces the last three.
    let mut replacing = persist(28);
    replacing.entries[0].term = Term(9);
    replacing.hard_state.as_mut().unwrap().term = Term(9);
    store.persist(&replacing).unwrap();
    drop(store);
    let recovered = RaftStore::open(dir.path(), &owner()).unwrap().recover(u64::MAX).unwrap();
    assert_eq!(recovered.check(), Ok(()));
    assert_eq!(recovered.entries.len(), 27);
    assert_eq!(recovered.last_index(), RaftIndex(28));
    assert_eq!(recovered.hard_state.term, Term(9));
    assert_eq!(recovered.entries[26].term, Term(9));
}

#[test]
fn writing_the_same_persist_again_changes_nothing() {
    let dir = prepared();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    store.persist(&persist(2)).unwrap();
    let before = store.recover(u64::MAX).unwrap();
    store.persist(&persist(2)).unwrap();
    assert_eq!(store.recover(u64::MAX).unwrap(), before);
}

#[test]
fn snapshots_and_cuts_leave_a_log_that_fits_together() {
    let dir = prepared();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    for index in 2..=100 {
        store.persist(&persist(index)).unwrap();
    }
    let members = Members::voters([NodeId(1), NodeId(2), NodeId(3)]);
    let own = SnapshotData { index: RaftIndex(60), term: Term(1), members, state: vec![5; 300_000].into() };
    let mut snapshot = persist(100);
    snapshot.entries.clear();
    snapshot.snapshot = Some(SnapshotWrite::Own(own.clone()));
    store.persist(&snapshot).unwrap();
    let mut cut = persist(100);
    (cut.entries, cut.hard_state) = (Vec::new(), None);
    (cut.cut_behind, cut.must_sync) = (Some(RaftIndex(40)), false);
    store.persist(&cut).unwrap();
    store.persist(&cut).unwrap();
    drop(store);

    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    let recovered = store.recover(u64::MAX).unwrap();
    assert_eq!(recovered.check(), Ok(()));
    assert_eq!((recovered.cut.index, recovered.snapshot.clone()), (RaftIndex(40), own.clone()));
    // Little memory: what the snapshot covers stays on the disk, up to the last entry that fits.
    let little = store.recover(0).unwrap();
    assert_eq!(little.check(), Ok(()));
    assert_eq!(little.cut.index, RaftIndex(60));
    let read: Vec<_> = store.entries(RaftIndex(39)..=RaftIndex(45), 1).unwrap().iter().map(|e| e.index.0).collect();
    assert_eq!(read, [41], "one entry is more than one byte");
    assert_eq!(store.entries(RaftIndex(39)..=RaftIndex(45), usize::MAX).unwrap().len(), 5);

    let received = SnapshotData { index: RaftIndex(500), term: Term(7), ..own };
    let mut install = snapshot;
    install.hard_state.as_mut().unwrap().term = Term(7);
    install.snapshot = Some(SnapshotWrite::Received(received.clone()));
    store.persist(&install).unwrap();
    let recovered = store.recover(u64::MAX).unwrap();
    assert_eq!(recovered.check(), Ok(()));
    assert_eq!((recovered.entries.len(), recovered.snapshot), (0, received));
}

#[test]
fn notes_are_kept_apart_from_the_log() {
    let dir = prepared();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    assert_eq!(store.note("audit.head").unwrap(), None);
    store.put_note("audit.head", b"17 abc").unwrap();
    store.put_note("audit.head", b"18 def").unwrap();
    drop(store);
    let store = RaftStore::open(dir.path(), &owner()).unwrap();
    assert_eq!(store.note("audit.head").unwrap().as_deref(), Some(&b"18 def"[..]));
    assert_eq!(store.recover(u64::MAX).unwrap(), first().recovered);
}

#[test]
fn an_empty_or_missing_directory_names_both_ways_on() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [dir.path().to_owned(), dir.path().join("missing")] {
        let error = RaftStore::open(&dir, &owner()).unwrap_err();
        assert!(matches!(error, StoreError::NotInitialised { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("tanist node init") && told.contains("tanist node rejoin"), "{told}");
    }
}

#[test]
fn init_refuses_a_directory_that_holds_anything() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let refused = RaftStore::init(dir.path(), &owner(), [1; 16], &first().recovered);
    assert!(matches!(refused, Err(StoreError::NotEmpty { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was changed");
    let dir = prepared();
    let refused = RaftStore::init(dir.path(), &owner(), [2; 16], &first().recovered);
    assert!(matches!(refused, Err(StoreError::NotEmpty { .. })));
    assert!(RaftStore::open(dir.path(), &owner()).is_ok());
}

#[test]
fn init_takes_up_after_an_init_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("raft.redb.unfinished"), "half").unwrap();
    RaftStore::init(dir.path(), &owner(), [1; 16], &first().recovered).unwrap();
    fs::remove_file(dir.path().join("raft.guard")).unwrap();
    assert!(RaftStore::open(dir.path(), &owner()).is_ok(), "nothing was promised yet, so the guard is made");
}

#[test]
fn a_directory_of_another_node_or_cluster_is_refused() {
    let dir = prepared();
    let other = Owner { node: NodeId(2), ..owner() };
    let error = RaftStore::open(dir.path(), &other).unwrap_err();
    assert!(matches!(&error, StoreError::OtherNode { found: NodeId(1), .. }), "{error}");
    let other = Owner { cluster: ClusterId("another".into()), ..owner() };
    let error = RaftStore::open(dir.path(), &other).unwrap_err();
    assert!(matches!(&error, StoreError::OtherCluster { .. }) && error.to_string().contains("another"), "{error}");
}

#[test]
fn a_store_in_use_is_refused() {
    let dir = prepared();
    let _open = RaftStore::open(dir.path(), &owner()).unwrap();
    let error = RaftStore::open(dir.path(), &owner()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn a_waiting_node_is_recovered_as_waiting() {
    let dir = tempfile::tempdir().unwrap();
    RaftStore::init(dir.path(), &owner(), [1; 16], &Recovered::waiting_to_be_admitted()).unwrap();
    let recovered = RaftStore::open(dir.path(), &owner()).unwrap().recover(u64::MAX).unwrap();
    assert_eq!(recovered, Recovered::waiting_to_be_admitted());
}
