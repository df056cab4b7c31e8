//! A node's history, asked as the command line asks it, with a real log and a real store underneath.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::*;
use crate::adapters::ledger::{self, Checkpoint, LedgerOptions, RaftLedger};
use crate::adapters::peers::{Introduction, LinkOptions, LinkSecurity, PeerLinks};
use crate::adapters::store::audit::{Append, AuditOptions, Identity, IndexKeys};
use crate::adapters::store::redb_log::{Owner, RaftStore};
use crate::consensus::{Members, PeerOptions, Recovered};
use crate::model::canon::to_canonical_bytes;
use crate::model::ids::{Digest, Person, RaftIndex, RequestId, Term};
use crate::model::operator::view::{CaseView, Latest, PlanState};
use crate::model::record::{Body, DecisionVerdict, Inaction, RECORD_VERSION, Record};
use crate::model::ruling::{Objection, Ruling};
use crate::model::time::LogTime;
use crate::render::Style;
use crate::render::fixture::PLAN;
use crate::surface::cli::{Inquiry, Output};
use crate::surface::exit::ExitStatus;
use crate::surface::grpc::client::Address;
use crate::surface::grpc::{Bound, Roles, ServeOptions};
use crate::surface::talk::{Form, Node, talk};

const ME: NodeId = NodeId(1);

/// A node whose history can be asked; the trio's two others are silent.
struct Asked {
    folder: tempfile::TempDir,
    reads: std::sync::Arc<Reads>,
    desk: LedgerDesk,
    heads: watch::Sender<BTreeMap<NodeId, Head>>,
    head: Head,
    _ledger: RaftLedger,
}

impl Asked {
    /// Starts a node whose history holds these records.
    async fn with(records: &[Record]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = ClusterId("cluster-1".to_owned());
        let (owner, life) = (Owner { cluster: cluster.clone(), node: ME }, [7; 16]);
        let raft = folder.path().join("raft");
        let voters = Members::voters([1, 2, 3].map(NodeId));
        RaftStore::init(&raft, &owner, life, &Recovered::first_members(voters)).unwrap();
        let log = RaftStore::open(&raft, &owner).unwrap();
        let (events, inbound) = mpsc::channel(16);
        let links = LinkOptions {
            introduction: Introduction {
                cluster: cluster.clone(),
                node: ME,
                store_id: life,
                config_fingerprint: [0; 32],
            },
            listen: ([127, 0, 0, 1], 0).into(),
            peers: BTreeMap::new(),
            security: LinkSecurity::LoopbackPlaintext,
            known_stores: BTreeMap::new(),
        };
        let links = PeerLinks::start(links, events).await.unwrap();
        let wanted = [1, 2, 3].map(NodeId).into();
        let options = LedgerOptions { peer: PeerOptions::new(ME, 1), recover_bytes_max: 1 << 20, wanted };
        let started = ledger::start(options, log, links, inbound).unwrap();
        let options = AuditOptions {
            dir: folder.path().join("audit"),
            identity: Identity { node: ME, cluster: cluster.clone() },
            open_within: Duration::from_secs(60),
            answer_within: Duration::from_secs(60),
        };
        let (store, _created) = AuditStore::open(options, Head::GENESIS).await.unwrap();
        let head = store.append(chained(records)).await.unwrap();
        let (heads, seen) = watch::channel(BTreeMap::from([(ME, head)]));
        let others = [2, 3].map(NodeId);
        let named = [ME].into_iter().chain(others).collect();
        let station = Station {
            me: ME,
            peers: others.to_vec(),
            cluster,
            named,
            adviser: watch::channel(None).1,
            rights: watch::channel(Vec::new()).1,
        };
        let reads = Reads::new(station, store, seen, started.desk.clone());
        let reads = std::sync::Arc::new(reads);
        let asked = std::sync::Arc::clone(&reads);
        let options = ServeOptions { socket: folder.path().join("s"), listen: None, roles: Roles::default() };
        let answer = move |request: crate::model::operator::OperatorRequest| {
            let reads = std::sync::Arc::clone(&asked);
            async move { reads.answer(&request.ask).await.unwrap_or(Answer::Unanswered) }
        };
        tokio::spawn(Bound::bind(options).await.unwrap().serve(answer, std::future::pending()));
        Self { folder, reads, desk: started.desk, heads, head, _ledger: started.ledger }
    }

    /// Asks as the command line does.
    async fn says(&self, ask: Ask) -> (ExitStatus, String) {
        let node = Node { address: Address::Unix(self.folder.path().join("s")), tls: None };
        let form = Form { output: Output::Table, style: Style::plain(200) };
        let mut out = Vec::new();
        let status = talk(Inquiry::One(ask), node, form, &mut out).await.unwrap();
        (status, String::from_utf8(out).unwrap())
    }

    fn knows(&self, node: NodeId, head: Head) {
        self.heads.send_modify(|heads| {
            heads.insert(node, head);
        });
    }

    async fn is_not_whole(&self, because: &str) {
        let (status, text) = self.says(Ask::AuditVerify).await;
        assert_eq!(status, ExitStatus::No, "{text}");
        assert!(text.contains("is NOT whole: 1 fault\n") && text.contains(because), "{text}");
    }
}

fn chained(records: &[Record]) -> Vec<Append> {
    let mut head = Head::GENESIS;
    let append = |record: &Record| {
        let bytes = to_canonical_bytes(record).unwrap();
        head = head.extend(&bytes);
        let keys = IndexKeys::of(head.index, record);
        Append { link: Link { index: head.index, bytes, hash: head.hash }, keys }
    };
    records.iter().map(append).collect()
}

fn record(wall_ms: u64, body: Body) -> Record {
    let (by, term, policy) = (ME, Term(1), Digest([3; 32]));
    Record { version: RECORD_VERSION, at: LogTime(wall_ms), wall_ms, by, term, policy, case: None, body }
}

fn some() -> Vec<Record> {
    (0..5).map(|n| record(n, Body::Led)).collect()
}

/// Gives the head of a chain that goes on from `head` with this many other records.
fn beyond(head: Head, records: u8) -> Head {
    (0..records).fold(head, |head, n| head.extend(&[n]))
}

#[tokio::test]
async fn a_whole_history_names_every_head_it_was_compared_with_and_who_was_not_heard() {
    let node = Asked::with(&some()).await;
    node.knows(NodeId(3), node.head);
    node.desk.checkpoint(Checkpoint { raft: RaftIndex(9), head: node.head });
    let (status, text) = node.says(Ask::AuditVerify).await;
    assert_eq!(status, ExitStatus::Yes, "{text}");
    let short = node.head.hash.short();
    for part in [
        "the history of n1 is whole: 5 records\n".to_owned(),
        format!("the checkpoint in redb has {short} at record 5\n"),
        format!("what this node knows to be committed has {short} at record 5\n"),
        "n2 was NOT compared: not heard since this node started\n".to_owned(),
        format!("n3 has {short} at record 5\n"),
    ] {
        assert!(text.contains(&part), "{part:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_history_that_is_shorter_than_redb_remembers_is_not_whole() {
    let node = Asked::with(&some()).await;
    node.desk.checkpoint(Checkpoint { raft: RaftIndex(9), head: beyond(node.head, 2) });
    node.is_not_whole("it ends with record 5, but the checkpoint in redb is at 7: the last ones are missing here")
        .await;
}

#[tokio::test]
async fn a_history_that_lacks_committed_records_is_not_whole() {
    let node = Asked::with(&some()).await;
    node.knows(ME, beyond(node.head, 1));
    node.is_not_whole("it ends with record 5, but record 6 is committed: the last ones are missing here").await;
}

#[tokio::test]
async fn a_history_that_stays_behind_a_peer_is_not_whole() {
    let node = Asked::with(&some()).await;
    node.knows(NodeId(2), beyond(node.head, 3));
    node.is_not_whole("it ends with record 5, but n2 has 8: the last ones are missing here").await;
}

#[tokio::test]
async fn a_history_that_is_another_one_than_a_peers_is_not_whole() {
    let node = Asked::with(&some()).await;
    node.knows(NodeId(3), beyond(Head::GENESIS, 4));
    node.is_not_whole("n3 has another record 4").await;
}

#[test]
fn each_break_of_the_chain_is_told_as_what_it_is() {
    use crate::model::chain::{Verdict, verify as chain};
    let links = || chained(&some()).into_iter().map(|append| append.link).collect::<Vec<_>>();
    let told = |links: Vec<Link>| match chain(Head::GENESIS, links) {
        Verdict::Whole(_) => None,
        Verdict::Broken { at, how } => Some(verify::broken(at, how)),
    };
    let mut changed = links();
    changed[2].bytes = b"{}".to_vec();
    let mut dropped = links();
    dropped.remove(2);
    assert_eq!(told(links()), None);
    assert_eq!(told(changed), Some(crate::model::operator::ChainFault::Broken { index: RecordIndex(3) }));
    assert_eq!(told(dropped), Some(crate::model::operator::ChainFault::Absent { index: RecordIndex(3) }));
}

#[tokio::test]
async fn a_record_that_is_not_there_is_named_with_the_last_one() {
    let node = Asked::with(&some()).await;
    let (status, text) = node.says(Ask::AuditShow { index: RecordIndex(9) }).await;
    assert_eq!((status, text.as_str()), (ExitStatus::No, "there is no record 9; the last is 5\n"));
}

/// Gives records that say nothing about anything, one a second.
fn filler(from_ms: u64, records: u64) -> Vec<Record> {
    (0..records).map(|n| record(from_ms + 1000 * n, Body::Led)).collect()
}

/// A decision that plans for partition 7 of `orders`, in case 2, with this verdict.
fn decision(wall_ms: u64, verdict: DecisionVerdict) -> Record {
    let (index, mut record) = crate::render::fixture::history().swap_remove(4);
    assert_eq!(index, RecordIndex(5));
    let Body::Decided(decision) = &mut record.body else { panic!("{record:?}") };
    if let DecisionVerdict::Nothing(Inaction::Held(objections)) = &verdict {
        decision.ruling = Some(Ruling::Held(objections.clone()));
    }
    decision.verdict = verdict;
    Record { wall_ms, case: Some(CaseId(2)), ..record }
}

fn held() -> DecisionVerdict {
    DecisionVerdict::Nothing(Inaction::Held(vec![Objection::Paused]))
}

fn case(last: Latest) -> CaseView {
    CaseView {
        id: CaseId(2),
        kind: crate::model::finding::FindingKind::BrokerCrashed,
        broker: crate::model::ids::BrokerId(1),
        open_for: Duration::ZERO,
        last: Some(last),
    }
}

#[tokio::test]
async fn a_plan_that_would_have_been_sent_is_listed_with_what_the_guard_said() {
    let node = Asked::with(&[record(0, Body::Led), decision(1, DecisionVerdict::WouldAct)]).await;
    let plans = node.reads.plans(Vec::new(), &[case(Latest::WouldAct(PLAN))]).await.unwrap();
    assert_eq!(plans.len(), 1);
    let plan = &plans[0];
    assert_eq!((plan.digest, plan.record, &plan.state), (PLAN, RecordIndex(2), &PlanState::WouldAct));
    assert_eq!(plan.ruling, Some(Ruling::Allowed));
    assert!(plan.topics.values().any(|name| name == "orders"));
}

#[tokio::test]
async fn a_plan_that_the_guard_holds_is_listed_with_its_objections() {
    let node = Asked::with(&[record(0, Body::Led), decision(1, held())]).await;
    let last = Latest::Nothing(Inaction::Held(vec![Objection::Paused]));
    let plans = node.reads.plans(Vec::new(), &[case(last)]).await.unwrap();
    assert_eq!(plans.len(), 1);
    assert_eq!((&plans[0].state, &plans[0].ruling), (&PlanState::Held, &Some(Ruling::Held(vec![Objection::Paused]))));
}

#[tokio::test]
async fn a_plan_that_is_history_is_found_by_its_digest() {
    let mut records = vec![record(0, Body::Led), decision(1, DecisionVerdict::WouldAct)];
    records.extend(filler(1000, 1200));
    let node = Asked::with(&records).await;
    let show = |digest: &str| {
        let digest = digest.parse().unwrap();
        async move { node.reads.plan(Vec::new(), &digest).await.unwrap() }
    };
    let answer = show("5e5e5e").await;
    let Answer::Plan(view) = answer else { panic!("{answer:?}") };
    assert_eq!((view.digest, &view.state), (PLAN, &PlanState::Past));
}

#[tokio::test]
async fn a_partition_is_found_by_name_behind_more_records_than_are_read_at_first() {
    let mut records = vec![record(0, Body::Led), decision(1, DecisionVerdict::WouldAct)];
    records.extend(filler(1000, 1200));
    let node = Asked::with(&records).await;
    let (status, text) = node.says(Ask::Why { question: "orders-7".parse().unwrap() }).await;
    assert_eq!(status, ExitStatus::Yes, "{text}");
    assert!(text.starts_with("b2 would have taken (observe) orders-7 in c-2"), "{text}");
}

#[tokio::test]
async fn a_time_long_ago_is_answered_with_what_stood_then() {
    // 1970-01-02 00:00: paused an hour before, and more records since than are read at once.
    let day = 86_400_000;
    let paused = Body::Paused { by: Person("olga".to_owned()), reason: "a drill".to_owned(), request: RequestId(1) };
    let mut records = vec![record(day - 3_600_000, paused)];
    records.extend(filler(day - 3_000_000, 2500));
    records.extend(filler(day + 3_600_000, 1500));
    let node = Asked::with(&records).await;
    let (_, text) = node.says(Ask::Why { question: "1970-01-02T00:00".parse().unwrap() }).await;
    assert!(text.contains("automation was paused by olga"), "{text}");
    assert!(text.contains("  no case was open"), "{text}");
    assert!(text.contains("nothing was recorded within this minute"), "{text}");
    assert!(text.contains("between record 2501 and record 2502 lie"), "{text}");
}

#[test]
fn a_replacement_is_told_from_its_beginning_to_its_end() {
    let ids = |ids: &[u64]| -> BTreeSet<NodeId> { ids.iter().copied().map(NodeId).collect() };
    let told = |voters: &[u64], learners: &[u64]| {
        let members = Members { voters: ids(voters), learners: ids(learners), ..Members::default() };
        unsettled(&members, &ids(&[1, 2, 4]))
    };
    assert_eq!(told(&[1, 2, 4], &[]), Vec::<String>::new());
    assert!(matches!(&told(&[], &[])[..], [alone] if alone.contains("waits to be admitted")));
    let before = told(&[1, 2, 3], &[]);
    assert!(matches!(&before[..], [new, old] if new.contains("does not belong") && old.contains("still votes")));
    let during = told(&[1, 2, 3], &[4]);
    assert!(matches!(&during[..], [new, old] if new.contains("is a learner") && old.contains("still votes")));
}
