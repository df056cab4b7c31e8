//! Histories beside each other, with a post office in between instead of a network.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::adapters::ledger::Outbox;
use crate::adapters::store::audit::{AuditOptions, Found, Identity};
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::Verdict;
use crate::model::ids::{ClusterId, Digest, Person, RequestId, Term};
use crate::model::record::{Body, RECORD_VERSION};
use crate::model::time::LogTime;

/// Longer than several rounds of asking.
const SOON: Duration = Duration::from_secs(30);

/// A post office: who is there, and which letters wait.
struct Post {
    folder: TempDir,
    doors: BTreeMap<NodeId, mpsc::Sender<(NodeId, PeerFrame)>>,
}

/// A history under test, from outside.
struct Witness {
    store: AuditStore,
    kept: mpsc::UnboundedSender<Past>,
}

/// Record `n` of the history that tells `tale`.
fn record(n: u64, tale: &str) -> Record {
    let body = Body::Paused { by: Person("olga".to_owned()), reason: format!("{tale} {n}"), request: RequestId(7) };
    Record {
        version: RECORD_VERSION,
        at: LogTime(n),
        wall_ms: n,
        by: NodeId(1),
        term: Term(1),
        policy: Digest([0; 32]),
        case: None,
        body,
    }
}

/// Gives the first `last` records of that history.
fn tale(name: &str, last: u64) -> Vec<Kept> {
    let mut head = Head::GENESIS;
    let kept = |n| {
        let record = record(n, name);
        let bytes = to_canonical_bytes(&record).unwrap();
        head = head.extend(&bytes);
        Kept { raft: RaftIndex(n + 10), head, bytes, record }
    };
    (1..=last).map(kept).collect()
}

fn options(dir: &Path, node: u64) -> AuditOptions {
    let identity = Identity { node: NodeId(node), cluster: ClusterId("cluster-1".to_owned()) };
    AuditOptions { dir: dir.to_owned(), identity, open_within: SOON, answer_within: SOON }
}

impl Post {
    fn open() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), doors: BTreeMap::new() }
    }

    /// Starts the history of a node whose store holds `held` and which knows that `promised` was committed.
    async fn start(&mut self, node: u64, peers: &[u64], held: &[Kept], promised: Head) -> (Witness, Carrier) {
        let dir = self.folder.path().join(node.to_string());
        let (store, opened) = AuditStore::open(options(&dir, node), Head::GENESIS).await.unwrap();
        assert_eq!(opened.found, Found::Created);
        let append = |kept: &Kept| {
            super::append(
                Link { index: kept.head.index, bytes: kept.bytes.clone(), hash: kept.head.hash },
                &kept.record,
            )
        };
        let head = store.append(held.iter().map(append).collect()).await.unwrap();
        let (outbox, desk) = Outbox::with_desk();
        let (kept, inlet) = mpsc::unbounded_channel();
        let (door, frames) = mpsc::channel(16);
        self.doors.insert(NodeId(node), door);
        let peers = peers.iter().copied().map(NodeId).collect();
        let opened = Opened { head, missing_records: 0, found: Found::Intact };
        let history =
            History::new(store.clone(), desk, (inlet, frames), (peers, mpsc::channel(1).0), (opened, promised));
        tokio::spawn(history.run());
        (Witness { store, kept }, Carrier { from: NodeId(node), outbox })
    }

    /// Carries letters for as long as `awaited` takes.
    async fn deliver<T>(&self, carriers: Vec<Carrier>, awaited: impl Future<Output = T>) -> T {
        let rounds = carriers.into_iter().map(|carrier| carrier.run(self.doors.clone()));
        let rounds = futures::future::join_all(rounds);
        tokio::select! {
            _ = rounds => panic!("every history ended"),
            awaited = tokio::time::timeout(SOON, awaited) => awaited.expect("within the time"),
        }
    }
}

/// Brings what one node sends to whom it is for.
struct Carrier {
    from: NodeId,
    outbox: Outbox,
}

impl Carrier {
    async fn run(mut self, doors: BTreeMap<NodeId, mpsc::Sender<(NodeId, PeerFrame)>>) {
        while let Some((to, frame)) = self.outbox.next().await {
            if let Some(door) = doors.get(&to) {
                door.send((self.from, frame)).await.unwrap();
            }
        }
    }
}

impl Witness {
    fn hears(&self, past: Past) {
        self.kept.send(past).unwrap();
    }

    /// Waits until the store ends there, and is whole.
    async fn reaches(&self, head: Head) {
        while self.store.head().await.ok() != Some(head) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.store.verify().await.unwrap(), Verdict::Whole(head));
    }
}

fn end(records: &[Kept]) -> Head {
    records.last().map_or(Head::GENESIS, |last| last.head)
}

#[tokio::test]
async fn a_lost_history_is_fetched_from_a_peer_in_as_many_pieces_as_it_takes() {
    // Far beyond one answer.
    let records = tale("true", 3_000);
    let mut post = Post::open();
    let (_whole, first) = post.start(1, &[2], &records, end(&records)).await;
    let (lost, second) = post.start(2, &[1], &[], end(&records)).await;
    post.deliver(vec![first, second], lost.reaches(end(&records))).await;
}

#[tokio::test]
async fn what_is_committed_meanwhile_waits_for_what_is_missing() {
    let records = tale("true", 60);
    let (old, new) = records.split_at(50);
    let mut post = Post::open();
    let (_whole, first) = post.start(1, &[2], old, end(old)).await;
    // This node knows of no promise: it learns of the gap by what comes after it.
    let (lost, second) = post.start(2, &[1], &old[..20], end(&old[..20])).await;
    new.iter().for_each(|kept| lost.hears(Past::Record(Box::new(kept.clone()))));
    post.deliver(vec![first, second], lost.reaches(end(&records))).await;
}

#[tokio::test]
async fn a_node_that_was_sent_the_whole_state_fetches_what_that_stands_on_although_nothing_new_is_recorded() {
    let records = tale("true", 50);
    let mut post = Post::open();
    let (_whole, first) = post.start(1, &[2], &records, end(&records)).await;
    let (new, second) = post.start(2, &[1], &[], Head::GENESIS).await;
    new.hears(Past::UpTo(end(&records)));
    post.deliver(vec![first, second], new.reaches(end(&records))).await;
}

#[tokio::test]
async fn another_history_is_set_aside_and_the_true_one_fetched_elsewhere() {
    let records = tale("true", 40);
    let mut post = Post::open();
    // Peers are asked in turn, the second first.
    let (_honest, first) = post.start(1, &[3], &records, end(&records)).await;
    let lies = tale("false", 40);
    let (_liar, second) = post.start(2, &[3], &lies, end(&lies)).await;
    let (lost, third) = post.start(3, &[1, 2], &[], end(&records)).await;
    post.deliver(vec![first, second, third], lost.reaches(end(&records))).await;
    let aside = post.folder.path().join("3").join("quarantined-1");
    let why = std::fs::read_to_string(aside.join("WHY")).unwrap();
    assert!(why.contains("n2") && why.contains("another history"), "{why}");
}

#[tokio::test]
async fn a_store_that_does_not_carry_the_next_record_of_the_log_is_set_aside() {
    let records = tale("true", 30);
    let mut post = Post::open();
    let (_whole, first) = post.start(1, &[2], &records, end(&records)).await;
    let wrong = tale("false", 20);
    let (mended, second) = post.start(2, &[1], &wrong, end(&wrong)).await;
    records[20..].iter().for_each(|kept| mended.hears(Past::Record(Box::new(kept.clone()))));
    post.deliver(vec![first, second], mended.reaches(end(&records))).await;
    assert!(post.folder.path().join("2").join("quarantined-1").exists(), "nothing is deleted");
}
