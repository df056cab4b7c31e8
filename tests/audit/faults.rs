//! The store when the machine refuses: a full disk, missing rights. One message with what to do; nothing lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::unistd::{Uid, setfsuid};
use tanist::adapters::store::audit::{AuditError, Found, OpenError};
use tanist::model::chain::{Head, Verdict};

use crate::fixture::{after, head_of, make, open, run};
use crate::skip::skip;

/// A small disk of its own, gone with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tanist-test"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a thread of the store may still be letting go of its files.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk stays mounted");
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("size=24m") else {
        return skip("audit store on a full disk", "no right to mount a small disk");
    };
    run(async {
        let dir = disk.path().join("audit");
        let (store, _) = open(&dir, Head::GENESIS).await.expect("opened");
        let mut head = Head::GENESIS;
        let error = loop {
            match store.append(after(head, head.index.0 + 20)).await {
                Ok(next) => head = next,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AuditError::DiskFull { .. }), "{error}");
        assert!(error.to_string().ends_with(": free some space"), "{error}");
        // What was appended can still be made durable and read; more cannot.
        assert_eq!(store.checkpoint().await, Ok(head));
        assert_eq!(store.verify().await, Ok(Verdict::Whole(head)));
        let filler = disk.path().join("filler");
        fs::write(&filler, vec![1; 4 * 1024 * 1024]).expect("filled");
        assert!(matches!(store.append(after(head, head.index.0 + 1)).await, Err(AuditError::DiskFull { .. })));
        store.close().await.expect("closed");
        // Nor is it opened, set aside or changed while there is no room.
        let error = open(&dir, head).await.expect_err("no room");
        assert!(matches!(error, OpenError::DiskFull { .. }), "{error}");
        fs::remove_file(&filler).expect("freed");
        let mut mount = Command::new("mount");
        let larger = mount.args(["-o", "remount,size=64m"]).arg(disk.path()).status().expect("mount runs");
        assert!(larger.success());
        let (store, opened) = open(&dir, head).await.expect("room again");
        assert_eq!((opened.found, opened.head), (Found::Intact, head));
        let last = head.index.0 + 20;
        assert_eq!(store.append(after(head, last)).await, Ok(head_of(last)));
        assert_eq!(store.verify().await, Ok(Verdict::Whole(head_of(last))));
    });
}

#[test]
fn a_disk_that_refuses_sled_in_mid_opening_damages_nothing() {
    // Room in bytes, none for another file: the check of free space passes, and sled itself meets the refusal.
    let Some(disk) = SmallDisk::mount("size=64m,nr_inodes=40") else {
        return skip("audit store on a disk without inodes", "no right to mount a small disk");
    };
    run(async {
        let dir = disk.path().join("audit");
        let promised = make(&dir, 60).await;
        // The state that a kill leaves: without a snapshot, sled must write one at open.
        for snapshot in crate::fixture::files(&dir.join("store"), |name| name.starts_with("snap.")) {
            fs::remove_file(snapshot).expect("removed");
        }
        let mut fillers = (0..100).map(|n| disk.path().join(format!("filler-{n}")));
        let full = fillers.by_ref().find(|filler| fs::write(filler, b"").is_err());
        assert!(full.is_some(), "the disk has room for more files than it should");
        let error = open(&dir, promised).await.expect_err("no room");
        assert!(matches!(error, OpenError::DiskFull { .. }), "{error}");
        (0..100).for_each(|n| drop(fs::remove_file(disk.path().join(format!("filler-{n}")))));
        let (store, opened) = open(&dir, promised).await.expect("room again");
        assert_eq!((opened.found, opened.head), (Found::Intact, promised));
        assert_eq!(store.verify().await, Ok(Verdict::Whole(promised)));
    });
}

#[test]
fn missing_rights_are_said_and_touch_nothing() {
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("audit");
    let promised = run(make(&dir, 30));
    for (closed, what) in [(dir.join("store/db"), "open"), (dir.join("store/identity"), "read the identity file")] {
        let before = fs::metadata(&closed).expect("a file").permissions();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("closed");
        let error = as_nobody(|| run(open(&dir, promised)).map(|(_, opened)| opened).expect_err("no right"));
        assert!(matches!(error, OpenError::Denied { .. }), "{error}");
        assert!(error.to_string().contains(&format!("no permission to {what} in ")), "{error}");
        fs::set_permissions(&closed, before).expect("opened");
    }
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o555)).expect("closed");
    let elsewhere = parent.path().join("elsewhere");
    let error = as_nobody(|| run(open(&elsewhere, Head::GENESIS)).map(|(_, opened)| opened).expect_err("no right"));
    assert!(error.to_string().contains("no permission to create the folder in "), "{error}");
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    let (_store, opened) = run(open(&dir, promised)).expect("all rights again");
    assert_eq!((opened.found, opened.head), (Found::Intact, promised));
}

/// Runs something on a thread without root's rights over files; the threads that it starts inherit that.
fn as_nobody<T: Send>(task: impl FnOnce() -> T + Send) -> T {
    let body = || {
        if Uid::effective().is_root() {
            setfsuid(Uid::from_raw(65_534));
        }
        task()
    };
    thread::scope(|scope| scope.spawn(body).join().expect("the task ends"))
}
