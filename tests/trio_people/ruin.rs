//! What befalls a node itself: its history is gone, its disk is full, its Kafka is another one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tanist::lab::trio::Trio;

use crate::desk::{Desk, is_done, options, verdict};
use crate::ground::{BEFORE_KAFKA, PATIENCE, on_ground, until};
use crate::skip::skip;

#[test]
fn a_node_that_lost_its_history_has_it_again_record_by_record() {
    on_ground(async |ground| {
        let desk = Desk::open(ground, options("observe")).await;
        let (leader, follower) = desk.settled_without_topic().await;
        for reason in ["one", "two", "three"] {
            desk.says(leader, &["pause", "--reason", reason], 0).await;
            desk.says(leader, &["resume"], 0).await;
        }
        desk.await_same_head(follower, leader).await;
        desk.trio.kill(follower).unwrap();
        let audit = desk.trio.data_dir(follower).unwrap().join("audit");
        assert!(audit.is_dir(), "{audit:?}");
        fs::remove_dir_all(&audit).unwrap();
        desk.trio.begin(follower).unwrap();
        desk.await_same_head(follower, leader).await;
        let whole = desk.says(leader, &["audit", "export"], 0).await.out;
        let mended = desk.says(follower, &["audit", "export"], 0).await.out;
        assert_eq!(whole, mended, "the same history, byte by byte");
    });
}

/// A small file system of its own, unmounted at the end.
struct Small {
    mount: PathBuf,
    ballast: PathBuf,
}

impl Small {
    /// Mounts one; the reason where this machine cannot.
    fn mount(at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let said = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "tanist-test"]).arg(at).output();
        let said = said.map_err(|error| format!("a full disk needs mount: {error}"))?;
        if !said.status.success() {
            return Err(format!("a full disk is a small tmpfs: {}", String::from_utf8_lossy(&said.stderr).trim()));
        }
        Ok(Self { mount: at.to_owned(), ballast: at.join("ballast") })
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = File::create(&self.ballast).unwrap();
        for size in [1 << 20, 4 << 10, 1] {
            let block = vec![7; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(&self.ballast).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: whoever still writes here dies with the trio a moment later.
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

#[test]
fn a_node_whose_disk_is_full_says_so_and_the_others_act() {
    on_ground(async |ground| {
        let folder = tempfile::tempdir().unwrap();
        let trio = Trio::prepare(&ground.cluster, folder.path(), options("auto")).unwrap();
        let small = match Small::mount(&trio.data_dir(3).unwrap()) {
            Ok(small) => small,
            Err(why) => return skip("a node whose disk is full", &why),
        };
        let topic = ground.topic().await;
        let desk = Desk::begin(trio, folder).await;
        desk.settled().await;
        small.fill();
        let fault = ground.freeze_victim();
        let took = ground.recovered(&topic, fault).await;
        println!("one disk of three full: acks=all after {took:?}");
        assert!(took < BEFORE_KAFKA, "two of three act: {took:?}");
        desk.await_record(1, "an outcome", is_done).await;
        until("the node to say that its disk is full", PATIENCE, async || {
            let log = desk.trio.log_tail(3);
            log.contains("make room").then_some(())
        })
        .await;
        let log = desk.trio.log_tail(3);
        println!("n3 says:\n{log}");
        assert!(log.contains("no room left on the disk"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        small.make_room();
        // As the message says: make room and start the node again.
        desk.trio.kill(3).unwrap();
        desk.trio.begin(3).unwrap();
        desk.await_same_head(3, 1).await;
        desk.says(3, &["status"], 0).await;
        for id in [1, 2, 3] {
            desk.trio.kill(id).unwrap();
        }
    });
}

/// No cluster's id.
const ANOTHER: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_trio_of_another_cluster_touches_nothing_and_says_which_two_it_met() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let mut options = options("auto");
        options.cluster_id = Some(ANOTHER.to_owned());
        let desk = Desk::open(ground, options).await;
        let leader = desk.trio.await_leader(PATIENCE).await.unwrap();
        let real = ground.cluster.cluster_id();
        let trouble = until("a trouble that names both clusters and what to set", PATIENCE, async || {
            let troubles = desk.status(leader).await?["troubles"].as_array()?.clone();
            let named = |trouble: &&str| [ANOTHER, real, "bootstrap.servers"].iter().all(|word| trouble.contains(word));
            troubles.iter().filter_map(|trouble| trouble.as_str()).find(named).map(ToOwned::to_owned)
        })
        .await;
        println!("another cluster: {trouble}");
        let before = ground.cluster.topic(&topic.name).await.unwrap();
        let fault = ground.freeze_victim();
        let took = ground.recovered(&topic, fault).await;
        assert!(BEFORE_KAFKA <= took, "only Kafka itself may move: {took:?}");
        let after = ground.cluster.topic(&topic.name).await.unwrap();
        assert!(before.partitions.iter().zip(&after.partitions).all(|(was, is)| was.replicas == is.replicas));
        let records = desk.records(leader).await;
        assert!(records.iter().all(|entry| verdict(entry).is_none()), "nothing is decided: {records:#?}");
    });
}
