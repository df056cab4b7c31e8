//! What the trio must not do: act on one node's word, act on what only warns or when half the cluster is gone, or harm topics that
//! have no spare.

use std::time::Duration;

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::Acks;
use tanist::lab::{BrokerId, Fault, TopicPlan};
use tanist::model::finding::FindingKind;
use tanist::model::ids::{NodeId, TopicId};
use tanist::model::observation::Light;
use tanist::model::plan::Act;
use tanist::model::record::{Attention, Inaction};
use tanist::model::ruling::Objection;

use crate::stage::{PARTITIONS, PATIENCE, Play, Stage, VICTIM, intents, struck_whole_broker, until};

/// The node that loses its sight.
const BLIND: NodeId = NodeId(2);
/// What the status of a blind node begins its list with.
const UNSEEN: &str = "Not seen from this node";
/// After its way is whole: sooner than the next round of rare looks, of which one may have fallen into the fault.
const SEES_AGAIN_WITHIN: Duration = Duration::from_secs(15);
/// Several times what a majority takes to act.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

pub(crate) async fn one_node_alone_decides_nothing(stage: &Stage) {
    let play = stage.play("one-view").await;
    for faults in [&["client-cut b1 from tanist2"][..], &["client-cut b1,b2,b3 from tanist2", "controller-cut t2"]] {
        let faults: Vec<Fault> = faults.iter().map(|text| text.parse().unwrap()).collect();
        for fault in &faults {
            stage.cluster.inflict(fault).unwrap();
        }
        let struck = &faults[0].targets;
        let since = until("node 2 to say what it cannot see", async || {
            let status = stage.status(2).await?;
            let blind = |broker: BrokerId| {
                let seen = status.brokers.iter().find(|one| one.id == broker).and_then(|one| one.seen.get(&BLIND));
                seen.is_some_and(|seen| seen.light != Light::Green)
            };
            struck.iter().all(|target| blind(target.to_string()[1..].parse().map(BrokerId).unwrap())).then(clock::now)
        })
        .await;
        if 1 < struck.len() {
            blindness_is_told(stage).await;
        }
        until("time enough to act wrongly", async || {
            assert!(intents(&stage.records(1, &play).await).is_empty(), "one node's word moved something");
            (LONG_ENOUGH < since.elapsed()).then_some(())
        })
        .await;
        for fault in &faults {
            stage.cluster.heal(fault).unwrap();
        }
        let healed = clock::now();
        stage.await_calm().await;
        until("node 2 to see again whatever there is", async || {
            let said = stage.trio.run(2, &["status"]).await.ok()?;
            (!said.out.contains(UNSEEN)).then_some(())
        })
        .await;
        println!("one-view: node 2 sees all again after {:?}", healed.elapsed());
        assert!(healed.elapsed() < SEES_AGAIN_WITHIN, "{:?}", healed.elapsed());
    }
    let now = stage.cluster.topic(&play.topic.name).await.unwrap();
    assert!(now.partitions.iter().all(|one| one.leader == Some(VICTIM.0)), "{now:?}");
    stage.end(play).await;
}

/// Kafka as a whole is out of a node's reach: it runs on, and says what it does not see and what to look at.
async fn blindness_is_told(stage: &Stage) {
    let said = until("node 2 to say that it reaches no broker", async || {
        let said = stage.trio.run(2, &["status"]).await.ok()?;
        said.out.contains(UNSEEN).then_some(said)
    })
    .await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("nobody answered: is Kafka running and reachable from here?"), "{}", said.out);
}

/// What is told and never answered: a broker that has lost the controllers, and then one that was unregistered while it runs.
pub(crate) async fn what_only_warns_is_told_and_nothing_is_done(stage: &Stage) {
    let play = stage.play("warned").await;
    let hands = stage.cluster.hands().await.unwrap();
    let fault: Fault = "controller-freeze b1".parse().unwrap();
    let at = stage.cluster.inflict(&fault).unwrap();
    told(stage, "a broker that is cut off from the controllers", |what| {
        matches!(what, Attention::Finding { kind: FindingKind::CutOrStalled, broker: VICTIM, .. })
    })
    .await;
    println!("warned: of a broker without controllers after {:?}", at.elapsed());
    hands.unregister(VICTIM).await.unwrap();
    let unregistered = clock::now();
    told(stage, "a zombie", |what| matches!(what, Attention::Zombie { broker: VICTIM, .. })).await;
    println!("warned: of a zombie after {:?}", unregistered.elapsed());
    stage.serves(&play, Acks::All, at).await;
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.renew(VICTIM).await.unwrap();
    stage.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
    stage.await_calm().await;
    let acts = intents(&stage.records(1, &play).await);
    assert!(acts.is_empty(), "neither is acted on: {acts:?}");
    acknowledged(stage).await;
    stage.end(play).await;
}

async fn told(stage: &Stage, of: &str, is: impl Fn(&Attention) -> bool) {
    let what = format!("a person to be told of {of}");
    stage.await_status(&what, |status| status.attentions.iter().any(|one| is(&one.what))).await;
}

/// A person acknowledges whatever was told.
async fn acknowledged(stage: &Stage) {
    let status = stage.await_status("a leader's word", |_| true).await;
    for attention in &status.attentions {
        stage.says(&["audit", "acknowledge", &attention.index.0.to_string()]).await;
    }
    stage.await_status("nothing left to tell", |status| status.attentions.is_empty()).await;
}

pub(crate) async fn two_dead_brokers_are_told_to_a_person(stage: &Stage) {
    let play = stage.play("two-dead").await;
    let fault: Fault = "kill b1,b2".parse().unwrap();
    stage.cluster.inflict(&fault).unwrap();
    // With most brokers gone every node soon doubts itself and may not vote; the reason stays the same.
    let radius = |one: &Objection| matches!(one, Objection::BlastRadius { red: 2, .. });
    let status = stage
        .await_status("a person to be told of the blast radius", |status| {
            status.attentions.iter().any(|one| {
                matches!(&one.what, Attention::Finding { why: Inaction::Held(objections), .. } if objections.iter().any(radius))
            })
        })
        .await;
    println!("two-dead: told {:?}", status.attentions.iter().map(|one| &one.what).collect::<Vec<_>>());
    // Whoever is seen first may look like the only one for some milliseconds; what was meant for it must stop there.
    let acts = intents(&stage.records(1, &play).await);
    assert!(!acts.iter().any(struck_whole_broker), "nobody is fenced while two of three are gone: {acts:?}");
    assert!(acts.len() <= 1, "nothing is begun once both are known to be gone: {acts:?}");
    stage.cluster.heal(&fault).unwrap();
    for broker in [BrokerId(1), BrokerId(2)] {
        stage.cluster.await_ready(broker).await.unwrap();
    }
    stage.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
    stage.await_calm().await;
    acknowledged(stage).await;
    stage.end(play).await;
}

pub(crate) async fn topics_with_little_redundancy_lose_nothing(stage: &Stage) {
    let partitions = usize::try_from(PARTITIONS).unwrap();
    let one_is_enough = ("min.insync.replicas".to_owned(), "1".to_owned());
    let brokers = stage.cluster.brokers();
    let mut min_isr_1 = TopicPlan::led_by("min-isr-1", VICTIM, partitions, &brokers);
    min_isr_1.settings.push(one_is_enough.clone());
    let mut lonely = TopicPlan::led_by("rf-1", VICTIM, partitions, &[VICTIM]);
    lonely.settings.push(one_is_enough);
    let lonely: Play = stage.play_with(lonely).await;
    let play = stage.play_with(min_isr_1).await;

    let fault = Fault::kill(VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    stage.serves(&play, Acks::All, at).await;
    let alone = TopicId(lonely.topic.id.into_bytes());
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.await_ready(VICTIM).await.unwrap();
    stage.failed_back(&play).await;
    stage.failed_back(&lonely).await;
    let acts = intents(&stage.records(1, &play).await);
    assert!(!acts.is_empty(), "the other topic was helped");
    for step in acts.iter().flat_map(|intent| &intent.plan.steps) {
        if let Act::Reorder { moves } | Act::Elect { moves } | Act::Prefer { moves } = &step.act {
            let touched = moves.iter().any(|one| one.partitions.iter().any(|partition| partition.topic == alone));
            assert!(!touched, "there is nobody else to lead a lonely partition: {step:?}");
        }
    }
    stage.end(lonely).await;
    stage.end(play).await;
}
