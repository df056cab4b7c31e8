//! A store to write to, and a process that does nothing else until somebody kills it.

use std::io::{Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use tanist::adapters::store::redb_log::{Owner, RaftStore, StoreError};
use tanist::consensus::wire::EntryKind;
use tanist::consensus::{HardState, LogEntry, Members, Persist, PersistToken, Recovered};
use tanist::model::ids::{ClusterId, NodeId, RaftIndex, Term};

/// How a fresh store begins.
pub(crate) struct First {
    pub(crate) recovered: Recovered,
}

pub(crate) fn first() -> First {
    First { recovered: Recovered::first_members(Members::voters([NodeId(1), NodeId(2), NodeId(3)])) }
}

pub(crate) fn owner() -> Owner {
    Owner { cluster: ClusterId("the-cluster".into()), node: NodeId(1) }
}

pub(crate) fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    RaftStore::init(dir.path(), &owner(), [1; 16], &first().recovered).unwrap();
    dir
}

/// The bytes of the record at this index: of many lengths, and of no other index.
pub(crate) fn body(index: u64) -> Bytes {
    let length = usize::try_from(index * 37 % 900).unwrap();
    Bytes::from(format!("record {index} ").into_bytes().into_iter().cycle().take(20 + length).collect::<Vec<_>>())
}

/// One record, and a hard state that changes with it.
pub(crate) fn persist(index: u64) -> Persist {
    let entry = LogEntry { index: RaftIndex(index), term: Term(1), kind: EntryKind::Record, bytes: body(index) };
    Persist {
        token: PersistToken(index),
        hard_state: Some(HardState { term: Term(1), vote: Some(NodeId(1)), commit: RaftIndex(index - 1) }),
        entries: vec![entry],
        snapshot: None,
        cut_behind: None,
        must_sync: true,
    }
}

/// Opens the store and says whether everything acknowledged is in it, whole. Gives the end of its log.
pub(crate) fn holds(dir: &Path, acknowledged: u64) -> Result<u64, StoreError> {
    let recovered = RaftStore::open(dir, &owner())?.recover(u64::MAX)?;
    assert_eq!(recovered.check(), Ok(()), "a store that opens holds a state that fits together");
    let last = recovered.last_index().0;
    assert!(acknowledged <= last, "acknowledged up to {acknowledged}, but the log ends at {last}");
    assert!(acknowledged <= recovered.hard_state.commit.0 + 1, "the hard state went back");
    for entry in recovered.entries {
        assert_eq!(entry.bytes, body(entry.index.0), "entry {} is another", entry.index);
    }
    Ok(last)
}

/// The arguments that make this binary a writer: see [`writes_until_it_is_killed`].
pub(crate) const WRITER: [&str; 4] = ["--exact", "writer::writes_until_it_is_killed", "--ignored", "--nocapture"];
pub(crate) const WRITER_DIR: &str = "TANIST_TEST_STORE";

/// Not a test: the process that the others start and kill. It says each index once it is durable, and ends with its parent.
#[test]
#[ignore = "started by other tests as a process of its own"]
fn writes_until_it_is_killed() {
    let Some((_, dir)) = std::env::vars().find(|(name, _)| name == WRITER_DIR) else { return };
    std::thread::spawn(|| {
        // Standard input ends when the parent does, however it ends.
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(3);
    });
    let outcome = write_on(Path::new(&dir));
    let mut out = std::io::stdout();
    writeln!(out, "\nfailed {}", outcome.unwrap_err()).unwrap();
    out.flush().unwrap();
}

fn write_on(dir: &Path) -> Result<(), StoreError> {
    let mut store = RaftStore::open(dir, &owner())?;
    let mut index = store.recover(u64::MAX)?.last_index().0;
    let mut out = std::io::stdout();
    loop {
        index += 1;
        store.persist(&persist(index))?;
        writeln!(out, "\nkept {index}").unwrap();
        out.flush().unwrap();
    }
}
