//! The path on which nodes fill each other's histories, over real links, logs and stores.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::task::JoinHandle;

use super::*;
use crate::adapters::ledger::{self, LedgerOptions, RaftLedger};
use crate::adapters::peers::{Introduction, LinkEvent, LinkOptions, LinkSecurity, PeerLinks};
use crate::adapters::store::audit::{AuditOptions, Identity};
use crate::adapters::store::redb_log::{Owner, RaftStore};
use crate::consensus::{Members, PeerOptions, Recovered};
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::Verdict;
use crate::model::ids::{ClusterId, Digest, Term};
use crate::model::record::{Body, RECORD_VERSION};
use crate::model::time::LogTime;

/// How long a history may take to be filled: two rounds of asking.
const WITHIN: Duration = Duration::from_secs(20);

fn cluster() -> ClusterId {
    ClusterId("cluster-1".to_owned())
}

/// Gives records that differ by `seed` in their wall times.
fn records(seed: u64, count: u64) -> Vec<Append> {
    let mut head = Head::GENESIS;
    let one = |n: u64| {
        let record = Record {
            version: RECORD_VERSION,
            at: LogTime(n),
            wall_ms: seed + n,
            by: NodeId(1),
            term: Term(1),
            policy: Digest([3; 32]),
            case: None,
            body: Body::Led,
        };
        let bytes = to_canonical_bytes(&record).unwrap();
        head = head.extend(&bytes);
        append(Link { index: head.index, bytes, hash: head.hash }, &record)
    };
    (0..count).map(one).collect()
}

fn head_of(records: &[Append]) -> Head {
    records.iter().fold(Head::GENESIS, |head, one| head.extend(&one.link.bytes))
}

async fn links(node: u64, peers: BTreeMap<NodeId, String>) -> (PeerLinks, mpsc::Receiver<LinkEvent>) {
    let (events, inbound) = mpsc::channel(64);
    let options = LinkOptions {
        introduction: Introduction {
            cluster: cluster(),
            node: NodeId(node),
            store_id: [u8::try_from(node).unwrap(); 16],
            config_fingerprint: [0; 32],
        },
        listen: ([127, 0, 0, 1], 0).into(),
        peers,
        security: LinkSecurity::LoopbackPlaintext,
        known_stores: BTreeMap::new(),
    };
    (PeerLinks::start(options, events).await.unwrap(), inbound)
}

async fn store(dir: &Path, node: u64, expected: Head) -> (AuditStore, Opened) {
    let options = AuditOptions {
        dir: dir.join("audit"),
        identity: Identity { node: NodeId(node), cluster: cluster() },
        open_within: Duration::from_secs(60),
        answer_within: Duration::from_secs(60),
    };
    AuditStore::open(options, expected).await.unwrap()
}

/// A node whose history runs.
struct Running {
    store: AuditStore,
    rebuilt: mpsc::Receiver<()>,
    _kept: mpsc::UnboundedSender<Past>,
    _ledger: RaftLedger,
    _task: JoinHandle<()>,
}

/// Runs the history of a node, which knows of records up to `promised`.
fn run(
    dir: &Path,
    node: u64,
    (links, inbound): (PeerLinks, mpsc::Receiver<LinkEvent>),
    (store, opened): (AuditStore, Opened),
    promised: Head,
) -> Running {
    let owner = Owner { cluster: cluster(), node: NodeId(node) };
    let raft = dir.join("raft");
    let first = Recovered::first_members(Members::voters([1, 2].map(NodeId)));
    RaftStore::init(&raft, &owner, [u8::try_from(node).unwrap(); 16], &first).unwrap();
    let log = RaftStore::open(&raft, &owner).unwrap();
    let wanted = [1, 2].map(NodeId).into();
    let options = LedgerOptions { peer: PeerOptions::new(NodeId(node), node), recover_bytes_max: 1 << 20, wanted };
    let started = ledger::start(options, log, links, inbound).unwrap();
    let (keep, kept) = mpsc::unbounded_channel();
    let (tell, rebuilt) = mpsc::channel(1);
    let peers = vec![NodeId(3 - node)];
    let history = History::new(store.clone(), started.desk, (kept, started.history), (peers, tell), (opened, promised));
    let task = tokio::spawn(history.run());
    Running { store, rebuilt, _kept: keep, _ledger: started.ledger, _task: task }
}

/// Two nodes: the first holds these records, the second knows of records up to `promised` and holds what its folder holds.
async fn two(dirs: [&Path; 2], held: Vec<Append>, second: (AuditStore, Opened), promised: Head) -> [Running; 2] {
    let (one, one_inbound) = links(1, BTreeMap::new()).await;
    let (two, two_inbound) = links(2, BTreeMap::from([(NodeId(1), one.address().to_string())])).await;
    one.set_peers(&BTreeMap::from([(NodeId(2), two.address().to_string())]));
    let (first, opened) = store(dirs[0], 1, Head::GENESIS).await;
    let head = first.append(held).await.unwrap();
    let opened = Opened { head, ..opened };
    [run(dirs[0], 1, (one, one_inbound), (first, opened), head), run(dirs[1], 2, (two, two_inbound), second, promised)]
}

async fn reaches(store: &AuditStore, head: Head) {
    let reached = async {
        while store.head().await.unwrap() != head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WITHIN, reached).await.expect("the history is filled");
    assert_eq!(store.verify().await, Ok(Verdict::Whole(head)));
}

#[tokio::test]
async fn a_history_that_was_lost_is_filled_by_a_peer_to_the_same_head() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let held = records(0, 700);
    let head = head_of(&held);
    let empty = store(dirs[1].path(), 2, Head::GENESIS).await;
    let [_one, mut two] = two([dirs[0].path(), dirs[1].path()], held, empty, head).await;
    reaches(&two.store, head).await;
    // Nothing was damaged: an empty folder is no reason to wake anybody.
    assert!(two.rebuilt.try_recv().is_err());
}

#[tokio::test]
async fn a_damaged_history_is_set_aside_filled_again_and_told() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let held = records(0, 50);
    let head = head_of(&held);
    let (damaged, _) = store(dirs[1].path(), 2, Head::GENESIS).await;
    damaged.append(records(0, 20)).await.unwrap();
    damaged.checkpoint().await.unwrap();
    damaged.close().await.unwrap();
    // It ends before what redb promised.
    let opened = store(dirs[1].path(), 2, head).await;
    assert!(matches!(opened.1.found, Found::Quarantined { .. }), "{:?}", opened.1);
    let [_one, mut two] = two([dirs[0].path(), dirs[1].path()], held, opened, head).await;
    reaches(&two.store, head).await;
    assert!(two.rebuilt.try_recv().is_ok(), "nobody was told");
}

#[tokio::test]
async fn what_a_peer_sends_for_another_history_is_set_aside_and_told() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let promised = head_of(&records(0, 30));
    let empty = store(dirs[1].path(), 2, Head::GENESIS).await;
    let [_one, mut two] = two([dirs[0].path(), dirs[1].path()], records(9, 30), empty, promised).await;
    tokio::time::timeout(WITHIN, two.rebuilt.recv()).await.expect("somebody is told");
    assert!(two.store.head().await.unwrap().index < promised.index);
}
