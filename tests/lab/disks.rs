//! Disks that stall under a real broker; skipped, and counted, where the machine cannot make them.

use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::Acks;
use tanist::lab::client::Probe;
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Disk, Fault, LabError, Listener, Roles, TopicPlan};

use crate::alone::alone;
use crate::skip::skip;

const ONLY: BrokerId = BrokerId(1);
/// ext4 commits every five seconds; a stalled device may show nothing before that.
const SHOWS_WITHIN: Duration = Duration::from_secs(20);

/// Runs a disk fault against a cluster of one.
async fn stalls_and_recovers(name: &str, disk: Disk, fault: &str) {
    let _turn = alone();
    let options = ClusterOptions { disk, brokers: 1, roles: Roles::Combined, ..ClusterOptions::default() };
    let cluster = match Cluster::start(options).await {
        Err(LabError::Skipped(why)) => return skip(name, &why),
        started => started.unwrap(),
    };
    cluster.create_topic(&TopicPlan::led_by("orders", ONLY, 1, &[ONLY])).await.unwrap();
    let probe = Probe::new(cluster.bootstrap(Listener::Clients), "orders", 1);
    let healthy = probe.first_success(Acks::Leader, clock::now(), SHOWS_WITHIN).await;
    assert!(healthy.worst().is_some(), "{healthy:?}");

    let fault: Fault = fault.parse().unwrap();
    let at = cluster.inflict(&fault).unwrap();
    let silent = Duration::from_secs(2);
    while probe.first_success(Acks::Leader, clock::now(), silent).await.worst().is_some() {
        assert!(at.elapsed() < SHOWS_WITHIN, "{fault} never shows");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{fault}: silent {:?} after the fault", at.elapsed().saturating_sub(silent));
    cluster.heal(&fault).unwrap();
    let again = probe.first_success(Acks::Leader, clock::now(), SHOWS_WITHIN).await;
    assert!(again.worst().is_some(), "it serves again once the disk does: {again:?}");
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists(), "nothing is left mounted below {folder:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_file_system_silences_a_broker_until_it_thaws() {
    stalls_and_recovers("disk-freeze", Disk::Loop, "disk-freeze b1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_block_device_silences_a_broker_until_it_goes_on() {
    stalls_and_recovers("disk-stall", Disk::Stallable, "disk-stall b1").await;
}
