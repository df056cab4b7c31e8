//! The store when nothing is wrong with the machine: appending, finding, reopening, refusing.

use std::fs;
use std::path::PathBuf;

use tanist::adapters::store::audit::{AuditError, AuditStore, Found, Limit, OpenError, Order, Query, Select};
use tanist::model::chain::{Head, Link, Verdict};
use tanist::model::ids::{BrokerId, CaseId, ClusterId, NodeId, PartitionId, RecordIndex, TopicId};
use tanist::model::time::LogTime;

use crate::fixture::{after, all, files, head_of, keys, make, open, options, run};

fn links(last: u64) -> Vec<Link> {
    after(Head::GENESIS, last).into_iter().map(|record| record.link).collect()
}

#[test]
fn what_is_appended_is_there_after_reopening() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, opened) = open(dir.path(), Head::GENESIS).await.expect("opened");
        assert_eq!((opened.found, opened.head, opened.missing_records), (Found::Created, Head::GENESIS, 0));
        for last in [1, 2, 50, 200] {
            let head = store.head().await.expect("a head");
            assert_eq!(store.append(after(head, last)).await, Ok(head_of(last)));
        }
        assert_eq!(store.checkpoint().await, Ok(head_of(200)));
        assert_eq!(store.verify().await, Ok(Verdict::Whole(head_of(200))));
        store.close().await.expect("closed");

        let (store, opened) = open(dir.path(), head_of(150)).await.expect("opened");
        assert_eq!((opened.found, opened.head, opened.missing_records), (Found::Intact, head_of(200), 0));
        assert_eq!(all(&store).await, links(200));
        assert_eq!(store.get(RecordIndex(97)).await, Ok(Some(links(97)[96].clone())));
        assert_eq!(store.get(RecordIndex(201)).await, Ok(None));
        assert_eq!(store.get(RecordIndex(0)).await, Ok(None));
    });
}

#[test]
fn large_records_never_reach_the_files_that_sled_does_not_sync() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        make(dir.path(), 400).await;
        assert_eq!(files(&dir.path().join("store/blobs"), |_| true), Vec::<PathBuf>::new());
    });
}

#[test]
fn a_repeated_append_changes_nothing_and_a_wrong_one_is_refused() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        store.append(after(Head::GENESIS, 20)).await.expect("appended");
        assert_eq!(store.append(after(Head::GENESIS, 25)).await, Ok(head_of(25)));
        assert_eq!(
            store.append(after(head_of(30), 31)).await,
            Err(AuditError::Gap { head: head_of(25), got: RecordIndex(31) })
        );
        let mut wrong = after(head_of(25), 26);
        wrong[0].link.bytes.push(b' ');
        assert_eq!(store.append(wrong).await, Err(AuditError::WrongHash { at: RecordIndex(26) }));
        let mut other = after(head_of(9), 10);
        other[0].link.hash.0[0] ^= 1;
        assert_eq!(store.append(other).await, Err(AuditError::Conflict { at: RecordIndex(10) }));
        assert_eq!(all(&store).await, links(25));
    });
}

async fn found(store: &AuditStore, query: Query) -> Vec<u64> {
    store.find(query).await.expect("a page").links.iter().map(|link| link.index.0).collect()
}

#[test]
fn records_are_found_by_case_broker_partition_and_time() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        store.append(after(Head::GENESIS, 300)).await.expect("appended");
        let wanted = |fits: &dyn Fn(u64) -> bool| (1..=300).filter(|n| fits(*n)).collect::<Vec<u64>>();
        let oldest = |select| found(&store, Query::oldest(select));
        let case = CaseId(7);
        assert_eq!(oldest(Select::Case(case)).await, wanted(&|n| keys(n).case == Some(case)));
        let broker = BrokerId(2);
        assert_eq!(oldest(Select::Broker(broker)).await, wanted(&|n| keys(n).brokers.contains(&broker)));
        let id = PartitionId { topic: TopicId([1; 16]), number: 3 };
        assert_eq!(oldest(Select::Partition(id)).await, wanted(&|n| keys(n).partitions.contains(&id)));
        let nobody = PartitionId { topic: TopicId([2; 16]), number: 3 };
        assert_eq!(oldest(Select::Partition(nobody)).await, Vec::<u64>::new());
        let (from, to) = (LogTime(10_000), LogTime(10_400));
        assert_eq!(oldest(Select::LogTime { from, to }).await, [100, 101, 102, 103, 104]);
        let (from_ms, to_ms) = (keys(100).wall_ms, keys(104).wall_ms);
        assert_eq!(oldest(Select::Wall { from_ms, to_ms }).await, [100, 101, 102, 103, 104]);
        assert_eq!(oldest(Select::Wall { from_ms: to_ms, to_ms: from_ms }).await, Vec::<u64>::new());
        assert_eq!(found(&store, Query::newest(Select::All, 3)).await, [300, 299, 298]);
        let mut newest = wanted(&|n| keys(n).brokers.contains(&broker));
        newest.reverse();
        assert_eq!(found(&store, Query::newest(Select::Broker(broker), 4)).await, newest[..4]);
    });
}

#[test]
fn an_answer_is_a_page_and_says_whether_there_is_more() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        store.append(after(Head::GENESIS, 100)).await.expect("appended");
        let page = |from: u64, records_max, bytes_max| {
            store.find(Query::range(RecordIndex(from), Limit { records_max, bytes_max }))
        };
        let all = page(1, 1000, usize::MAX).await.expect("a page");
        assert_eq!((all.links.len(), all.more), (100, false));
        let some = page(91, 9, usize::MAX).await.expect("a page");
        assert_eq!((some.links.len(), some.more), (9, true));
        let rest = page(91, 10, usize::MAX).await.expect("a page");
        assert_eq!((rest.links.len(), rest.more), (10, false));
        // Record 97 is larger than the limit and still comes, alone.
        let large = page(97, 10, 100).await.expect("a page");
        assert_eq!((large.links.len(), large.more), (1, true));
        let last = Query { order: Order::NewestFirst, to: RecordIndex(50), ..Query::newest(Select::All, 2) };
        assert_eq!(found(&store, last).await, [50, 49]);
        assert_eq!(found(&store, Query::range(RecordIndex(101), Limit::MOST)).await, Vec::<u64>::new());
    });
}

#[test]
fn a_store_of_another_node_cluster_or_version_is_refused_and_untouched() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        make(dir.path(), 5).await;
        let mut other = options(dir.path());
        other.identity.node = NodeId(2);
        let error = AuditStore::open(other, Head::GENESIS).await.expect_err("another node");
        assert!(
            error.to_string().contains("node 1 of cluster cluster-1, not of node 2 of cluster cluster-1"),
            "{error}"
        );
        let mut other = options(dir.path());
        other.identity.cluster = ClusterId("cluster-2".to_owned());
        let error = AuditStore::open(other, Head::GENESIS).await.expect_err("another cluster");
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        // Even though the head is unknown to it: refusing comes first.
        let line = r#"{"cluster":"cluster-1","format":2,"node":1}"#;
        let text = format!("{line}\n{}\n", tanist::model::chain::sha256(line.as_bytes()));
        fs::write(dir.path().join("store/identity"), text).expect("written");
        let error = open(dir.path(), head_of(9)).await.expect_err("another version");
        assert!(matches!(error, OpenError::OtherVersion { found: 2, wanted: 1, .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
    });
}

#[test]
fn a_store_in_use_is_refused_and_a_closed_one_is_free() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        let error = open(dir.path(), Head::GENESIS).await.expect_err("in use");
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        let other_handle = store.clone();
        store.close().await.expect("closed");
        assert_eq!(other_handle.head().await, Err(AuditError::Stopped));
        let (_store, opened) = open(dir.path(), Head::GENESIS).await.expect("free again");
        assert_eq!(opened.found, Found::Intact);
    });
}

#[test]
fn a_copy_that_is_known_to_be_wrong_is_set_aside_and_rebuilt_from_a_peer() {
    run(async {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (ours, _) = open(here.path(), Head::GENESIS).await.expect("opened");
        ours.append(after(Head::GENESIS, 10)).await.expect("appended");
        let promised = make(there.path(), 250).await;
        let (peer, _) = open(there.path(), promised).await.expect("opened");

        let opened = ours.quarantine("its peers hold another history".to_owned(), promised).await.expect("afresh");
        assert_eq!((opened.head, opened.missing_records), (Head::GENESIS, 250));
        let Found::Quarantined { moved_to, why } = opened.found else { panic!("not set aside: {:?}", opened.found) };
        assert_eq!(fs::read_to_string(moved_to.join("WHY")).expect("a reason"), format!("{why}\n"));
        while ours.head().await.expect("a head") != promised {
            let next = ours.head().await.expect("a head").next_index();
            let page =
                peer.find(Query::range(next, Limit { records_max: 60, bytes_max: 100_000 })).await.expect("a page");
            let records = page
                .links
                .into_iter()
                .map(|link| tanist::adapters::store::audit::Append { keys: keys(link.index.0), link });
            ours.append(records.collect()).await.expect("appended");
        }
        assert_eq!(all(&ours).await, all(&peer).await);
        assert_eq!(ours.reopen(promised).await.map(|opened| opened.found), Ok(Found::Intact));
        assert_eq!(all(&ours).await, links(250));
    });
}
