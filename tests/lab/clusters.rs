//! Real clusters.

use tanist::lab::{Cluster, ClusterOptions, Listener};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_starts() {
    let began = std::time::Instant::now();
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    println!("{} ready after {:?}", cluster.cluster_id(), began.elapsed());
    for broker in cluster.brokers() {
        println!("{broker} pid {:?} epoch {}", cluster.broker_pid(broker), cluster.broker_epoch(broker).unwrap());
    }
    println!("{:?}", cluster.bootstrap(Listener::Tanist(1)));
    println!("{:?}", cluster.controllers(Listener::Tanist(1)));
    if std::env::var("HOLD").is_ok() {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
}
