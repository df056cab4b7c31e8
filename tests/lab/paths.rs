//! Faults of the paths around a real broker: what each does to whom, and that it heals.

use std::time::{Duration, Instant};

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{Acks, Connection, Endpoint, Options, Rights, TopicFilter, TopicView};
use tanist::lab::client::Probe;
use tanist::lab::{BrokerId, Cluster, Fault, Listener};

const STRUCK: BrokerId = BrokerId(1);
const WITNESS: BrokerId = BrokerId(2);
/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);
/// How long "nothing comes" is watched; shorter than a replica may lag before it leaves the replicas in sync.
const SILENCE: Duration = Duration::from_millis(1_500);

/// Runs on a cluster whose brokers are given up after three seconds; leaves it whole, but led by others.
pub(crate) async fn each_broken_path_is_felt_and_heals(cluster: &Cluster, topic: &TopicView) {
    a_delay_makes_every_answer_late(cluster).await;
    a_limit_makes_answers_wait_for_each_other(cluster).await;
    a_leader_that_followers_cannot_hear_acknowledges_nothing_for_all(cluster, topic).await;
    a_broker_that_no_controller_hears_loses_its_leadership(cluster, topic).await;
}

async fn open(cluster: &Cluster, broker: BrokerId) -> Connection {
    let address = cluster.broker_address(broker, Listener::Clients).unwrap();
    let options = Options { connect_within: SOON, ..Options::new(Rights::ReadOnly) };
    Connection::open(&Endpoint::new(address.ip().to_string(), address.port()), &options).await.unwrap()
}

/// Asks twice over one connection; gives how long that took.
async fn two_answers(connection: &Connection) -> Duration {
    let began = clock::now();
    for _ in 0..2 {
        connection.topology(TopicFilter::All, SOON).await.unwrap();
    }
    began.elapsed()
}

/// Inflicts a fault, asks, heals, and asks until the answers are as quick as before.
async fn slowed(cluster: &Cluster, fault: &str, at_least: Duration) {
    let fault: Fault = fault.parse().unwrap();
    let connection = open(cluster, STRUCK).await;
    let healthy = two_answers(&connection).await;
    cluster.inflict(&fault).unwrap();
    let slow = two_answers(&connection).await;
    cluster.heal(&fault).unwrap();
    println!("{fault}: two answers in {slow:?} instead of {healthy:?}");
    assert!(at_least <= slow, "{fault}: {slow:?}");
    let end = clock::now() + SOON;
    // A fresh connection: the old one may still wait out its last pause.
    while at_least <= two_answers(&open(cluster, STRUCK).await).await {
        assert!(clock::now() < end, "{fault} does not heal");
    }
}

async fn a_delay_makes_every_answer_late(cluster: &Cluster) {
    // Two answers, each late there and back.
    slowed(cluster, "client-delay b1 from clients 300ms", 4 * Duration::from_millis(300)).await;
}

async fn a_limit_makes_answers_wait_for_each_other(cluster: &Cluster) {
    // The first answer has some hundred bytes, which keep the way busy before the second may pass.
    slowed(cluster, "client-limit b1 from clients 200B/s", Duration::from_secs(1)).await;
}

async fn first(cluster: &Cluster, topic: &TopicView, acks: Acks, from: Instant, watch: Duration) -> Option<Duration> {
    let partitions = i32::try_from(topic.partitions.len()).unwrap();
    Probe::new(cluster.bootstrap(Listener::Clients), &topic.name, partitions)
        .first_success(acks, from, watch)
        .await
        .worst()
}

async fn a_leader_that_followers_cannot_hear_acknowledges_nothing_for_all(cluster: &Cluster, topic: &TopicView) {
    let fault: Fault = "replication-freeze b1".parse().unwrap();
    let at = cluster.inflict(&fault).unwrap();
    assert!(first(cluster, topic, Acks::Leader, at, SOON).await.is_some(), "clients reach it");
    // Issued now: what a follower had in hand when the fault came is acknowledged by then.
    let later = clock::now();
    assert_eq!(first(cluster, topic, Acks::All, later, SILENCE).await, None, "no follower hears of it");
    cluster.heal(&fault).unwrap();
    let healed = clock::now();
    let took = first(cluster, topic, Acks::All, healed, SOON).await;
    println!("{fault}: acks=all {took:?} after it was healed");
    assert!(took.is_some(), "{fault} heals");
    cluster.await_in_sync(&topic.name, SOON).await.unwrap();
}

async fn a_broker_that_no_controller_hears_loses_its_leadership(cluster: &Cluster, topic: &TopicView) {
    let fault: Fault = "controller-freeze b1".parse().unwrap();
    let at = cluster.inflict(&fault).unwrap();
    let partitions = topic.partitions.len();
    assert_eq!(struck_leads(cluster, topic).await, partitions, "it led until now");
    while 0 < struck_leads(cluster, topic).await {
        assert!(at.elapsed() < SOON, "{fault} is not felt");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{fault}: led by others after {:?}", at.elapsed());
    cluster.heal(&fault).unwrap();
    cluster.await_in_sync(&topic.name, SOON).await.unwrap();
    println!("{fault}: in sync again {:?} after the fault", at.elapsed());
}

/// Tells how many partitions the broker struck leads, by the word of another: what it believes itself is as old as its last
/// word from a controller.
async fn struck_leads(cluster: &Cluster, topic: &TopicView) -> usize {
    let named = [topic.name.clone()];
    let seen = open(cluster, WITNESS).await.topology(TopicFilter::Named(&named), SOON).await.unwrap().body;
    let partitions = seen.topics.iter().flat_map(|one| &one.partitions);
    partitions.filter(|one| one.leader == Some(STRUCK.0)).count()
}
