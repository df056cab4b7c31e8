//! The store under `kill -9` at random moments: what was promised is there, and the history is never another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tanist::adapters::store::audit::Found;
use tanist::model::chain::{Head, Verdict};

use crate::fixture::{Chance, after, all, open, run};

const KILLS: u64 = 48;
const CHILD_DIR: &str = "TANIST_TEST_AUDIT_DIR";

/// What redb would hold: replaced by a rename, so a kill leaves the old or the new one.
fn promise_of(dir: &Path) -> PathBuf {
    dir.join("promised")
}

fn promised(dir: &Path) -> Head {
    fs::read_to_string(promise_of(dir)).map_or(Head::GENESIS, |text| text.parse().expect("a head"))
}

/// The process that is killed; started by the test below and by nobody else.
#[test]
#[ignore = "the child of kills_lose_nothing_that_was_promised"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else { return };
    set_pdeathsig(Signal::SIGKILL).expect("dies with its parent");
    run(async {
        let (store, opened) = open(&dir.join("audit"), promised(&dir)).await.expect("opened");
        let mut head = opened.head;
        for round in 0_u64.. {
            head = store.append(after(head, head.index.0 + 1 + round % 13)).await.expect("appended");
            if round % 3 == 0 {
                let durable = store.checkpoint().await.expect("on the disk");
                fs::write(dir.join("promised.new"), durable.to_string()).expect("written");
                fs::rename(dir.join("promised.new"), promise_of(&dir)).expect("replaced");
            }
        }
    });
}

fn start_child(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "kill::writes_until_it_is_killed", "--ignored", "--nocapture"]).env(CHILD_DIR, dir);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.spawn().expect("a child")
}

#[test]
fn kills_lose_nothing_that_was_promised() {
    let mut chance = Chance(20_261_122);
    let (mut quarantined, mut appended, mut beyond) = (0_u64, 0_u64, 0_u64);
    let mut dir = tempfile::tempdir().expect("a folder");
    for kill in 0..KILLS {
        if kill % 12 == 0 {
            dir = tempfile::tempdir().expect("a folder");
        }
        let mut child = start_child(dir.path());
        // Every third kill hits the opening, or the very creation of the store.
        sleep(Duration::from_millis(if kill % 3 == 0 { chance.below(40) } else { chance.below(300) }));
        child.kill().expect("killed");
        let status = child.wait().expect("gone");
        assert!(!status.success() && status.code().is_none(), "the child ended by itself: {status}");
        run(async {
            let promise = promised(dir.path());
            let (store, opened) = open(&dir.path().join("audit"), promise).await.expect("opened");
            if matches!(opened.found, Found::Quarantined { .. }) {
                println!("kill {kill}: {opened}");
                quarantined += 1;
                store.append(after(Head::GENESIS, promise.index.0)).await.expect("rebuilt");
            }
            let head = store.head().await.expect("a head");
            assert!(promise.index <= head.index, "kill {kill}: {promise} was promised, {head} is there");
            assert_eq!(store.verify().await, Ok(Verdict::Whole(head)), "kill {kill}");
            let wanted: Vec<_> = after(Head::GENESIS, head.index.0).into_iter().map(|record| record.link).collect();
            assert!(all(&store).await == wanted, "kill {kill}: the history is another one");
            appended = appended.max(head.index.0);
            beyond += head.index.0 - promise.index.0;
            store.close().await.expect("closed");
        });
    }
    println!(
        "{KILLS} kills, longest history {appended} records, {beyond} records survived unpromised, {quarantined} quarantined"
    );
    assert!(0 < appended && 0 < beyond, "the child wrote nothing that a kill could have lost");
    assert!(quarantined * 8 < KILLS, "kills alone damage the store");
}
