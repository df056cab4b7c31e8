//! A history that can be made again from nothing, so that any copy can be compared with what it should be.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanist::adapters::store::audit::{
    Append, AuditOptions, AuditStore, Identity, IndexKeys, Limit, OpenError, Opened, Query,
};
use tanist::model::chain::{Head, Link};
use tanist::model::ids::{BrokerId, CaseId, ClusterId, NodeId, PartitionId, RecordIndex, TopicId};
use tanist::model::time::LogTime;

/// Runs a test's future on a small runtime of its own.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(test)
}

pub(crate) fn options(dir: &Path) -> AuditOptions {
    AuditOptions {
        dir: dir.to_owned(),
        identity: Identity { node: NodeId(1), cluster: ClusterId("cluster-1".to_owned()) },
        open_within: Duration::from_secs(60),
        answer_within: Duration::from_secs(60),
    }
}

pub(crate) async fn open(dir: &Path, expected: Head) -> Result<(AuditStore, Opened), OpenError> {
    AuditStore::open(options(dir), expected).await
}

/// The bytes of record `n`: about 1 KiB, every 40th far beyond one piece, every 97th beyond one Raft entry, record 389 beyond
/// one batch.
pub(crate) fn bytes(n: u64) -> Vec<u8> {
    let length = match n {
        389 => 700_000,
        n if n % 97 == 0 => 70_000,
        n if n % 40 == 0 => 9_000,
        n => 200 + usize::try_from(n * 37 % 1500).expect("small"),
    };
    let fill: String =
        (0..length).map(|at| char::from(b'a' + u8::try_from((at * 7 + at / 11) % 26).expect("small"))).collect();
    format!("{{\"fill\":\"{fill}\",\"n\":{n}}}").into_bytes()
}

pub(crate) fn keys(n: u64) -> IndexKeys {
    let broker = |n: u64| BrokerId(i32::try_from(n % 3).expect("small"));
    IndexKeys {
        case: (!n.is_multiple_of(5)).then_some(CaseId(n / 10)),
        brokers: BTreeSet::from([broker(n), broker(n / 2)]),
        partitions: BTreeSet::from([PartitionId {
            topic: TopicId([1; 16]),
            number: i32::try_from(n % 7).expect("small"),
        }]),
        at: LogTime(n * 100),
        wall_ms: 1_700_000_000_000 + n * 100,
    }
}

/// Gives the records after a head, up to and with number `last`.
pub(crate) fn after(head: Head, last: u64) -> Vec<Append> {
    let mut head = head;
    (head.index.0 + 1..=last)
        .map(|n| {
            let bytes = bytes(n);
            head = head.extend(&bytes);
            Append { link: Link { index: head.index, bytes, hash: head.hash }, keys: keys(n) }
        })
        .collect()
}

/// Gives the head of the first `records` records.
pub(crate) fn head_of(records: u64) -> Head {
    (1..=records).fold(Head::GENESIS, |head, n| head.extend(&bytes(n)))
}

/// Reads everything there is.
pub(crate) async fn all(store: &AuditStore) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    loop {
        let from = RecordIndex(u64::try_from(links.len()).expect("few") + 1);
        let page = store.find(Query::range(from, Limit::MOST)).await.expect("a page");
        links.extend(page.links);
        if !page.more {
            return links;
        }
    }
}

/// Makes a closed store with records 1 to `records`, all of them on the disk.
pub(crate) async fn make(dir: &Path, records: u64) -> Head {
    let (store, _) = open(dir, Head::GENESIS).await.expect("a new store");
    store.append(after(Head::GENESIS, records)).await.expect("appended");
    let head = store.checkpoint().await.expect("on the disk");
    store.close().await.expect("closed");
    head
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Gives the files in a folder, in order, that match.
pub(crate) fn files(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_file() && wanted(&name(path))).collect();
    found.sort();
    found
}

/// A small generator of test positions; the same seed, the same positions.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
