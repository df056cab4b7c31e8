//! Every typed call of the wire against a real cluster.
//!
//! One cluster, one test, in an order in which each check leaves the cluster whole for the next; the last ones take a
//! broker away for good.
#![cfg(test)]
#![cfg(feature = "lab")]

#[path = "common/alone.rs"]
mod alone;

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tanist::adapters::clock;
use tanist::adapters::kafka::wire::{
    Acks, Answer, Api, CloseReason, Configured, Connection, ElectionKind, Endpoint, Endpoints, ErrorCode, FetchFrom,
    METADATA_TOPIC_ID, NewTopic, Operation, Options, Order, PartitionView, ReplicaCount, ReplicaSide, Rights,
    TopicFilter, TopicPartition, TopicView, WireError, batches,
};
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Listener};

const WITHIN: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(20);
const TOPIC: &str = "wire-check";

async fn connect(address: SocketAddr, rights: Rights) -> Connection {
    let endpoint = Endpoint::new(address.ip().to_string(), address.port());
    let options = Options { connect_within: WITHIN, ..Options::new(rights) };
    Connection::open(&endpoint, &options).await.unwrap()
}

/// Connections to everybody, as Tanist node 1 has them.
struct Hands {
    brokers: Vec<Connection>,
    controllers: Vec<Connection>,
}

impl Hands {
    async fn to(cluster: &Cluster) -> Self {
        let mut hands = Self { brokers: Vec::new(), controllers: Vec::new() };
        for id in cluster.brokers() {
            let address = cluster.broker_address(id, Listener::Tanist(1)).unwrap();
            hands.brokers.push(connect(address, Rights::ReadWrite).await);
        }
        for address in cluster.controllers(Listener::Tanist(1)) {
            hands.controllers.push(connect(address, Rights::ReadWrite).await);
        }
        hands
    }

    fn any(&self) -> &Connection {
        &self.brokers[0]
    }

    async fn active_controller(&self) -> &Connection {
        eventually("one controller says that it is active", || async {
            for controller in &self.controllers {
                if controller.quorum(WITHIN).await.is_ok() {
                    return Some(controller);
                }
            }
            None
        })
        .await
    }

    async fn topic(&self) -> TopicView {
        let names = [TOPIC.to_owned()];
        let seen = self.any().topology(TopicFilter::Named(&names), WITHIN).await.unwrap();
        seen.body.topics.into_iter().next().unwrap()
    }

    async fn partition(&self, index: i32) -> PartitionView {
        self.topic().await.partitions.into_iter().find(|partition| partition.index == index).unwrap()
    }
}

/// Asks again until there is an answer, or fails with what was awaited.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = clock::now() + SOON;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(clock::now() < deadline, "{what}: not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

fn body<T>(answer: Result<Answer<T>, WireError>) -> T {
    let answer = answer.unwrap();
    assert_eq!(answer.throttled_for, None);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_works_on_a_real_cluster() {
    let _turn = alone::alone();
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let hands = Hands::to(&cluster).await;

    every_peer_speaks_what_we_need_of_it(&hands);
    brokers_and_racks_are_told(&cluster, &hands).await;
    a_topic_is_created_as_assigned(&hands).await;
    a_setting_is_read_back(&hands).await;
    only_the_active_controller_tells_of_the_quorum(&hands).await;
    the_pulse_advances_twice_a_second(&hands).await;
    every_replica_tells_its_own_log_end(&hands).await;
    what_was_appended_is_fetched(&hands).await;
    log_dirs_tell_the_size_of_a_replica(&hands).await;
    a_reorder_and_an_election_move_the_leader(&hands).await;
    a_reorder_that_would_drop_a_replica_is_refused(&hands).await;
    a_broker_takes_settings_of_its_own_only(&hands).await;
    a_throttle_slows_a_copy_and_nothing_else(&hands).await;
    an_observer_reads_the_metadata_log(&cluster, &hands).await;
    fencing_another_incarnation_is_refused(&cluster, &hands).await;
    fencing_the_incarnation_moves_its_leadership(&cluster, &hands).await;
    a_killed_broker_shows_at_once(&cluster, &hands).await;
    a_dead_broker_is_unregistered(&cluster, &hands).await;
    a_topic_is_deleted(&hands).await;
}

fn every_peer_speaks_what_we_need_of_it(hands: &Hands) {
    let controllers_only = BTreeSet::from([Api::BrokerHeartbeat, Api::FetchSnapshot]);
    for api in Api::ALL.into_iter().filter(|api| !controllers_only.contains(api)) {
        assert!(hands.any().features().agreed(api).is_some(), "no broker speaks {api}");
    }
    for api in [Api::BrokerHeartbeat, Api::FetchSnapshot, Api::Fetch, Api::DescribeQuorum, Api::UnregisterBroker] {
        assert!(hands.controllers[0].features().agreed(api).is_some(), "no controller speaks {api}");
    }
    let finalized = &hands.any().features().finalized;
    assert_eq!(finalized.get("eligible.leader.replicas.version"), Some(&1), "{finalized:?}");
}

async fn brokers_and_racks_are_told(cluster: &Cluster, hands: &Hands) {
    let seen = body(hands.any().topology(TopicFilter::Brokers, WITHIN).await);
    assert_eq!(seen.cluster_id.as_deref(), Some(cluster.cluster_id()));
    let mut racks: Vec<_> = seen.brokers.iter().map(|broker| (broker.id, broker.rack.as_deref())).collect();
    racks.sort_unstable();
    assert_eq!(racks, [(1, Some("a")), (2, Some("b")), (3, Some("c"))]);
    let registered = body(hands.any().cluster(Endpoints::Brokers, WITHIN).await);
    assert_eq!(registered.cluster_id, cluster.cluster_id());
    assert!(registered.includes_fenced);
    assert_eq!(registered.nodes.iter().filter(|node| !node.fenced).count(), 3);
    let controllers = body(hands.controllers[0].cluster(Endpoints::Controllers, WITHIN).await);
    assert_eq!(controllers.nodes.len(), 3);
    // Nobody asks for rights here, so everything is allowed, and both kinds say so.
    for (connection, of) in [(hands.any(), Endpoints::Brokers), (&hands.controllers[0], Endpoints::Controllers)] {
        let allowed = body(connection.allowed(of, WITHIN).await);
        for operation in [Operation::Alter, Operation::Describe, Operation::ClusterAction] {
            assert!(allowed.may(operation), "{operation:?} at the {of:?}");
        }
    }
}

async fn a_topic_is_created_as_assigned(hands: &Hands) {
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        replicas: vec![vec![1, 2, 3], vec![2, 3, 1], vec![3, 1, 2]],
        settings: vec![("min.insync.replicas".to_owned(), "2".to_owned())],
    };
    let made = body(hands.any().create_topics(&[topic], WITHIN).await);
    assert_eq!(made[0].error, None, "{:?}", made[0].message);
    eventually("the new topic has its leaders on every broker", || async {
        for broker in &hands.brokers {
            let seen = body(broker.topology(TopicFilter::All, WITHIN).await);
            let topic = seen.topics.into_iter().find(|topic| topic.name == TOPIC)?;
            let leaders: Vec<_> = topic.partitions.iter().map(|p| p.leader).collect();
            let mut sorted = leaders.clone();
            sorted.sort_unstable();
            (sorted == [Some(1), Some(2), Some(3)]).then_some(())?;
        }
        Some(())
    })
    .await;
    let eligible = body(hands.any().eligibility(&[TOPIC.to_owned()], WITHIN).await);
    assert_eq!(eligible.topics[0].partitions.len(), 3);
    assert!(eligible.topics[0].partitions.iter().all(|p| p.isr.len() == 3 && p.elr.is_empty()));
    let again = body(hands.any().create_topics(&[new_topic()], WITHIN).await);
    assert_eq!(again[0].error, Some(ErrorCode::TopicAlreadyExists));
}

fn new_topic() -> NewTopic {
    NewTopic { name: TOPIC.to_owned(), replicas: vec![vec![1]], settings: Vec::new() }
}

async fn a_setting_is_read_back(hands: &Hands) {
    let whose = [Configured::Topic(TOPIC.to_owned())];
    let read = body(hands.any().settings(&whose, &["min.insync.replicas"], WITHIN).await);
    assert_eq!(read.found[0].value.as_deref(), Some("2"));
}

async fn only_the_active_controller_tells_of_the_quorum(hands: &Hands) {
    let active = hands.active_controller().await;
    for controller in &hands.controllers {
        match controller.quorum(WITHIN).await {
            Ok(_) => assert_eq!(controller.peer(), active.peer()),
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::NotLeaderOrFollower), "{error}"),
        }
    }
    let quorum = body(hands.any().quorum(WITHIN).await);
    let observers: BTreeSet<i32> = quorum.observers.iter().map(|replica| replica.id).collect();
    assert_eq!(observers, BTreeSet::from([1, 2, 3]));
    assert_eq!(quorum.voters.len(), 3);
    assert!(quorum.leader.is_some());
    assert_eq!(quorum.nodes.len(), 3);
}

async fn the_pulse_advances_twice_a_second(hands: &Hands) {
    let end = async || {
        let quorum = body(hands.any().quorum(WITHIN).await);
        let leader = quorum.leader.unwrap();
        quorum.voters.iter().find(|voter| voter.id == leader).unwrap().log_end_offset.unwrap()
    };
    let (began, first) = (clock::now(), end().await);
    eventually("four more records in the metadata log", || async { (first + 4 <= end().await).then_some(()) }).await;
    let took = began.elapsed();
    println!("four pulses took {took:?}");
    assert!((Duration::from_millis(1_400)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

async fn every_replica_tells_its_own_log_end(hands: &Hands) {
    for number in 0..5 {
        let record = (at(0), Bytes::from(format!("record {number}")));
        let appended = body(hands.brokers[0].produce(&[record], Acks::All, WITHIN).await);
        assert_eq!(appended[0].offset, Ok(number));
    }
    for broker in &hands.brokers {
        let ends = body(broker.end_offsets(&[at(0), at(1)], ReplicaSide::OwnLog, WITHIN).await);
        assert_eq!(ends.len(), 2);
        assert_eq!(ends.iter().find(|end| end.partition == at(0)).unwrap().end_offset, Ok(5), "{}", broker.peer());
    }
    let marks = body(hands.brokers[1].end_offsets(&[at(0)], ReplicaSide::HighWatermark, WITHIN).await);
    assert_eq!(marks[0].end_offset, Err(ErrorCode::NotLeaderOrFollower), "a follower tells no high watermark");
}

async fn what_was_appended_is_fetched(hands: &Hands) {
    let from = FetchFrom {
        cluster_id: None,
        topic_id: hands.topic().await.id,
        partition: 0,
        offset: 1,
        leader_epoch: None,
        last_fetched_epoch: None,
        bytes_max: 1 << 20,
        wait: Duration::from_millis(100),
    };
    let fetched = body(hands.brokers[0].fetch(&from, WITHIN).await);
    assert_eq!((fetched.error, fetched.high_watermark), (None, Some(5)));
    let records: Vec<_> = batches(fetched.records).unwrap().into_iter().flat_map(|batch| batch.records).collect();
    let values: Vec<_> = records.iter().map(|record| (record.offset, record.value.as_deref().unwrap())).collect();
    assert_eq!(values[0], (1, b"record 1".as_slice()));
    assert_eq!(values.len(), 4);
}

async fn log_dirs_tell_the_size_of_a_replica(hands: &Hands) {
    let dirs = body(hands.brokers[2].log_dirs(WITHIN).await);
    assert!(dirs.iter().all(|dir| !dir.cordoned), "{dirs:?}");
    assert!(dirs.iter().all(|dir| dir.error.is_none()));
    let replica = dirs.iter().flat_map(|dir| &dir.replicas).find(|replica| replica.partition == at(0)).unwrap();
    assert!(0 < replica.size_bytes);
}

async fn a_reorder_and_an_election_move_the_leader(hands: &Hands) {
    let order = Order { partition: at(0), replicas: Some(vec![2, 1, 3]) };
    let ordered = body(hands.any().reassign(&[order], ReplicaCount::Kept, WITHIN).await);
    assert_eq!(ordered[0].error, None, "{:?}", ordered[0].message);
    assert_eq!(body(hands.any().reassignments(WITHIN).await), vec![]);
    let elected = body(hands.any().elect(ElectionKind::Preferred, &[at(0)], WITHIN).await);
    assert_eq!(elected[0].error, None, "{:?}", elected[0].message);
    let moved = eventually("broker 2 leads partition 0", || async {
        Some(hands.partition(0).await).filter(|partition| partition.leader == Some(2))
    })
    .await;
    assert_eq!(moved.replicas, [2, 1, 3]);
    let again = body(hands.any().elect(ElectionKind::Preferred, &[at(0)], WITHIN).await);
    assert_eq!(again[0].error, Some(ErrorCode::ElectionNotNeeded));
}

async fn a_reorder_that_would_drop_a_replica_is_refused(hands: &Hands) {
    let fewer = Order { partition: at(0), replicas: Some(vec![2, 1]) };
    let refused = hands.any().reassign(&[fewer], ReplicaCount::Kept, WITHIN).await;
    let code = match refused {
        Ok(answer) => answer.body[0].error,
        Err(error) => error.code(),
    };
    assert_eq!(code, Some(ErrorCode::InvalidReplicationFactor));
}

async fn a_broker_takes_settings_of_its_own_only(hands: &Hands) {
    let rate = [("leader.replication.throttled.rate", Some("1000"))];
    let said = async |peer: &Connection, of| body(peer.alter(&Configured::Broker(of), &rate, WITHIN).await).remove(0);
    let other = said(&hands.brokers[1], 1).await;
    assert_eq!(
        (other.of, other.error),
        (Configured::Broker(1), Some(ErrorCode::InvalidRequest)),
        "{:?}",
        other.message
    );
    let nobody = said(hands.active_controller().await, 9).await;
    assert_eq!(nobody.error, Some(ErrorCode::BrokerIdNotRegistered), "{:?}", nobody.message);
    throttle(hands, Some("1000")).await;
    let told = async || {
        let read = body(hands.brokers[0].settings(&[Configured::Broker(1)], &[rate[0].0], WITHIN).await);
        read.found.into_iter().find_map(|setting| setting.value)
    };
    eventually("broker 1 has heard of its rate", || async { told().await.filter(|rate| rate == "1000") }).await;
    throttle(hands, None).await;
    eventually("the rate is gone", || async { told().await.is_none().then_some(()) }).await;
}

/// Sets what broker 1 gives as a leader, asking it itself.
async fn throttle(hands: &Hands, rate: Option<&str>) {
    let set = [("leader.replication.throttled.rate", rate)];
    let altered = body(hands.brokers[0].alter(&Configured::Broker(1), &set, WITHIN).await);
    assert_eq!(altered[0].error, None, "{:?}", altered[0].message);
}

/// Six records of 900 kB under 1 MB/s: a few come at once, the others one a second. The model of Kafka is held against the same.
async fn a_throttle_slows_a_copy_and_nothing_else(hands: &Hands) {
    let name = "wire-throttled";
    let copied = TopicPartition::new(name, 0);
    let whose = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
    let settings = whose.map(|setting| (setting.to_owned(), "*".to_owned())).to_vec();
    let topic = NewTopic { name: name.to_owned(), replicas: vec![vec![1, 2], vec![1, 2]], settings };
    assert_eq!(body(hands.any().create_topics(&[topic], WITHIN).await)[0].error, None);
    eventually("broker 1 takes six records of 900 kB", || async {
        let record = [(copied.clone(), Bytes::from(vec![b'x'; 900_000]))];
        let appended = body(hands.brokers[0].produce(&record, Acks::All, WITHIN).await);
        appended[0].offset.is_ok_and(|offset| offset == 5).then_some(())
    })
    .await;
    throttle(hands, Some("1000000")).await;
    let began = clock::now();
    let order = |partition: i32, list: &[i32]| Order {
        partition: TopicPartition::new(name, partition),
        replicas: Some(list.to_vec()),
    };
    let ordered = body(hands.any().reassign(&[order(0, &[1, 2, 3])], ReplicaCount::Free, WITHIN).await);
    assert_eq!(ordered[0].error, None, "{:?}", ordered[0].message);

    let ordered = body(hands.any().reassign(&[order(1, &[2, 1])], ReplicaCount::Kept, WITHIN).await);
    assert_eq!(ordered[0].error, None, "{:?}", ordered[0].message);
    let elected = body(hands.any().elect(ElectionKind::Preferred, &[TopicPartition::new(name, 1)], WITHIN).await);
    assert_eq!(elected[0].error, None, "a throttle holds up no election: {:?}", elected[0].message);
    let under_way = body(hands.any().reassignments(WITHIN).await);
    assert_eq!(under_way.iter().map(|one| &one.partition).collect::<Vec<_>>(), [&copied]);

    eventually("broker 3 has its copy", || async {
        body(hands.any().reassignments(WITHIN).await).is_empty().then_some(())
    })
    .await;
    let took = began.elapsed();
    println!("a copy of 5.4 MB under 1 MB/s took {took:?}");
    assert!(Duration::from_secs(2) < took, "{took:?}: not held up");
    throttle(hands, None).await;
    assert_eq!(body(hands.any().delete_topics(&[name.to_owned()], WITHIN).await)[0].error, None);
}

async fn an_observer_reads_the_metadata_log(cluster: &Cluster, hands: &Hands) {
    let active = hands.active_controller().await;
    let quorum = body(active.quorum(WITHIN).await);
    let mut from = FetchFrom {
        cluster_id: Some(cluster.cluster_id().to_owned()),
        topic_id: METADATA_TOPIC_ID,
        partition: 0,
        offset: 0,
        leader_epoch: Some(quorum.leader_epoch),
        last_fetched_epoch: Some(0),
        bytes_max: 1 << 20,
        wait: Duration::from_millis(200),
    };
    let high = quorum.high_watermark.unwrap();
    let (mut records, mut control) = (0, 0);
    while from.offset < high {
        let fetched = body(active.fetch(&from, WITHIN).await);
        assert_eq!((fetched.error, fetched.snapshot, fetched.diverging), (None, None, None));
        for batch in batches(fetched.records).unwrap() {
            assert_eq!(batch.base_offset, from.offset);
            from.offset = batch.next_offset;
            from.last_fetched_epoch = Some(batch.leader_epoch);
            if batch.control { control += 1 } else { records += batch.records.len() }
        }
    }
    println!("read {records} records and {control} control batches of the metadata log");
    assert!(20 < records && 0 < control);
}

async fn fencing_another_incarnation_is_refused(cluster: &Cluster, hands: &Hands) {
    let epoch = cluster.broker_epoch(BrokerId(3)).unwrap().0;
    let refused = hands.active_controller().await.fence(3, epoch - 1, 0, WITHIN).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::StaleBrokerEpoch), "{refused}");
    let registered = body(hands.any().cluster(Endpoints::Brokers, WITHIN).await);
    assert!(registered.nodes.iter().all(|node| !node.fenced));
}

async fn fencing_the_incarnation_moves_its_leadership(cluster: &Cluster, hands: &Hands) {
    let active = hands.active_controller().await;
    let epoch = cluster.broker_epoch(BrokerId(3)).unwrap().0;
    assert_eq!(hands.partition(2).await.leader, Some(3));
    let began = clock::now();
    // Kafka does not look at the position in the metadata log of whoever is to be fenced: the beginning will do.
    let fenced = body(active.fence(3, epoch, 0, WITHIN).await);
    assert!(fenced.fenced);
    eventually("another broker leads partition 2", || async {
        hands.partition(2).await.leader.filter(|leader| *leader != 3)
    })
    .await;
    println!("leadership moved {:?} after the heartbeat was sent", began.elapsed());
    eventually("broker 3 is back in every ISR by its own next heartbeat", || async {
        hands.topic().await.partitions.iter().all(|partition| partition.isr.len() == 3).then_some(())
    })
    .await;
    println!("back in the ISR after {:?}", began.elapsed());
}

async fn a_killed_broker_shows_at_once(cluster: &Cluster, hands: &Hands) {
    let closed = tokio::spawn(hands.brokers[2].closed());
    let killed_at = cluster.inflict(&Fault::kill(BrokerId(3))).unwrap();
    let end = closed.await.unwrap();
    let after = end.at.saturating_duration_since(killed_at);
    println!("{} seen {after:?} after the kill", end.reason);
    assert!(matches!(end.reason, CloseReason::Finished | CloseReason::Reset));
    let error = hands.brokers[2].ping(WITHIN).await.unwrap_err();
    assert!(matches!(error, WireError::Closed { .. }), "{error}");
    eventually("its port refuses", || async { Connection::knock(hands.brokers[2].peer(), WITHIN).await.err() }).await;
}

async fn a_dead_broker_is_unregistered(cluster: &Cluster, hands: &Hands) {
    let unknown = hands.any().unregister(77, WITHIN).await.unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::BrokerIdNotRegistered), "{unknown}");
    body(hands.any().unregister(3, WITHIN).await);
    let left = eventually("broker 3 is gone from the registered ones", || async {
        let nodes = body(hands.any().cluster(Endpoints::Brokers, WITHIN).await).nodes;
        (nodes.len() == 2).then_some(nodes)
    })
    .await;
    assert!(left.iter().all(|node| node.id != 3));
    assert_eq!(cluster.brokers().len(), 3);
    let eligible = eventually("broker 3 is out of every ISR", || async {
        let seen = body(hands.any().eligibility(&[TOPIC.to_owned()], WITHIN).await);
        seen.topics[0].partitions.iter().all(|p| !p.isr.contains(&3)).then_some(seen)
    })
    .await;
    assert!(eligible.topics[0].partitions.iter().all(|p| p.offline.contains(&3)));
}

async fn a_topic_is_deleted(hands: &Hands) {
    let gone = body(hands.any().delete_topics(&[TOPIC.to_owned()], WITHIN).await);
    assert_eq!(gone[0].error, None);
    eventually("the topic is gone", || async {
        (hands.topic().await.error == Some(ErrorCode::UnknownTopicOrPartition)).then_some(())
    })
    .await;
}
