//! Six brokers in three racks: how much may be gone at once before the trio leaves it to a person.

use std::collections::BTreeSet;

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::Acks;
use tanist::lab::{BrokerId, Cluster, ClusterOptions, Fault, Roles, TopicPlan};
use tanist::model::ids::Rack;
use tanist::model::record::{Attention, Inaction};
use tanist::model::ruling::Objection;

use crate::faults::{BEFORE_KAFKA, KILL_WITHIN};
use crate::stage::{PARTITIONS, PATIENCE, Play, Stage, VICTIM, intents, opened};

/// In sync with the victim, and in neither of the faults: racks c and b.
const SPARE: [BrokerId; 3] = [VICTIM, BrokerId(3), BrokerId(5)];

async fn play(stage: &Stage, name: &str) -> Play {
    stage.play_with(TopicPlan::led_by(name, VICTIM, usize::try_from(PARTITIONS).unwrap(), &SPARE)).await
}

async fn heal(stage: &Stage, fault: &Fault, brokers: [BrokerId; 2]) {
    stage.cluster.heal(fault).unwrap();
    for broker in brokers {
        stage.cluster.await_ready(broker).await.unwrap();
    }
}

pub(crate) async fn two_dead_brokers_in_two_racks_are_left_to_a_person(stage: &Stage) {
    let play = play(stage, "two-racks").await;
    let status = stage.await_status("a leader's word", |_| true).await;
    let racks: BTreeSet<Rack> = status.brokers.iter().filter_map(|one| one.rack.clone()).collect();
    assert_eq!((status.brokers.len(), racks.len()), (6, 3), "{:?}", status.brokers);
    let beside = tokio::spawn(Cluster::start(ClusterOptions {
        brokers: 1,
        roles: Roles::Combined,
        ..ClusterOptions::default()
    }));

    // Nobody acts until both are seen: whichever is seen first would rightly be taken for the only one.
    stage.says(&["pause", "--reason", "both at once"]).await;
    let fault: Fault = "kill b1,b2".parse().unwrap();
    let at = stage.cluster.inflict(&fault).unwrap();
    stage
        .await_status("both to be seen dead by all", |status| {
            let gone = status.brokers.iter().filter(|one| one.id == VICTIM || one.id == BrokerId(2));
            gone.clone().count() == 2 && gone.flat_map(|one| one.seen.values()).all(|seen| seen.light.is_red())
        })
        .await;
    let seen = at.elapsed();
    stage.says(&["resume"]).await;
    let took = stage.serves(&play, Acks::All, at).await;
    println!("two-racks: seen after {seen:?}");
    assert!(seen < BEFORE_KAFKA, "Kafka acted before the trio could: {seen:?}");
    assert!(BEFORE_KAFKA <= took, "only Kafka itself may move: {took:?}");
    let radius =
        |one: &Objection| matches!(one, Objection::BlastRadius { red: 2, limit: 2, racks } if racks.len() == 2);
    let status = stage
        .await_status("a person to be told of the blast radius", |status| {
            status.attentions.iter().any(|one| {
                matches!(&one.what, Attention::Finding { why: Inaction::Held(held), .. } if held.iter().any(radius))
            })
        })
        .await;
    let records = stage.records(1, &play).await;
    assert!(intents(&records).is_empty(), "{records:#?}");
    assert!(!opened(&records).is_empty(), "{records:#?}");

    side_by_side(stage, beside.await.unwrap().unwrap()).await;
    heal(stage, &fault, [VICTIM, BrokerId(2)]).await;
    stage.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
    stage.await_calm().await;
    for attention in &status.attentions {
        stage.says(&["audit", "acknowledge", &attention.index.0.to_string()]).await;
    }
    stage.end(play).await;
}

/// A second cluster on the same machine is another one, and does not feel what the first suffers.
async fn side_by_side(stage: &Stage, other: Cluster) {
    assert_ne!(other.cluster_id(), stage.cluster.cluster_id());
    other.await_ready(VICTIM).await.unwrap();
    assert!(stage.cluster.broker_pid(VICTIM).is_none() && other.broker_pid(VICTIM).is_some());
    let alone = other.create_topic(&TopicPlan::led_by("beside", VICTIM, 1, &[VICTIM])).await.unwrap();
    assert_eq!(alone.partitions[0].leader, Some(VICTIM.0));
    let seen_here = stage.cluster.topic("beside").await;
    assert!(!seen_here.is_ok_and(|seen| seen.id == alone.id), "its topics are its own");
}

pub(crate) async fn a_dead_rack_is_replaced(stage: &Stage) {
    let play = play(stage, "rack").await;
    let fault: Fault = "kill b1,b4".parse().unwrap();
    let began = clock::now();
    let at = stage.cluster.inflict(&fault).unwrap();
    let took = stage.serves(&play, Acks::All, at).await;
    assert!(took < KILL_WITHIN, "two of six in one rack are within the blast radius: {took:?}");
    assert!(!intents(&stage.records(1, &play).await).is_empty(), "the trio moved it");
    heal(stage, &fault, [VICTIM, BrokerId(4)]).await;
    stage.failed_back(&play).await;
    println!("rack: over after {:?}", began.elapsed());
    stage.end(play).await;
}
