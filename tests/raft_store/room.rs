//! A disk without room: one clear error, nothing acknowledged lost, and the same write succeeds once there is room.

use std::process::Command;

use tanist::adapters::store::redb_log::RaftStore;

use crate::kills::{listen, start_writer};
use crate::writer::{holds, owner, persist, prepared};

/// A file-size limit needs no rights and no mount; to redb it is a write that fails half-way, as on a full disk.
#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let dir = prepared();
    let mut shell = Command::new("sh");
    // The signal is ignored across exec, so that the write fails with an error instead.
    shell.args(["-c", r#"trap '' XFSZ; ulimit -f 2048; exec "$0" "$@""#]);
    shell.arg(std::env::current_exe().unwrap());
    let mut child = start_writer(dir.path(), shell);
    let (acknowledged, words) = listen(&mut child, |_| false);
    child.kill().ok();
    child.wait().unwrap();
    let words = words.expect("it ran into the limit");
    assert!(words.contains("no room left on the disk") && words.contains("make room"), "{words}");
    assert!(acknowledged > 50, "only {acknowledged} writes fitted");

    let last = holds(dir.path(), acknowledged).unwrap();
    let mut store = RaftStore::open(dir.path(), &owner()).unwrap();
    for index in last..last + 20 {
        store.persist(&persist(index)).unwrap();
    }
    drop(store);
    assert_eq!(holds(dir.path(), last + 19).unwrap(), last + 19);
}
