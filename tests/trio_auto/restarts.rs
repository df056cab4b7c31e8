//! Brokers that stop in good order or come back by themselves: left alone, and never fenced in their new life.

use std::time::Duration;

use tanist::adapters::kafka::wire::Acks;
use tanist::lab::{Fault, FaultKind};
use tanist::model::finding::FindingKind;
use tanist::model::plan::Act;
use tanist::model::record::Body;

use crate::stage::{PATIENCE, Stage, VICTIM, intents};

pub(crate) async fn an_orderly_stop_is_left_alone(stage: &Stage) {
    let play = stage.play("terminate").await;
    let fault = Fault::at(FaultKind::Terminate, VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    stage.cluster.await_gone(VICTIM).await.unwrap();
    stage.serves(&play, Acks::All, at).await;
    stage
        .await_status("the trio to see that the broker is gone", |status| {
            let victim = status.brokers.iter().find(|one| one.id == VICTIM);
            victim.is_some_and(|one| one.seen.len() == 3 && one.seen.values().all(|seen| seen.light.is_red()))
        })
        .await;
    stage
        .await_records(1, &play, "a case about the stop", |records| {
            records.iter().any(|one| matches!(one.record.body, Body::Opened(_))).then_some(())
        })
        .await;
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.await_ready(VICTIM).await.unwrap();
    stage.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
    stage.await_calm().await;
    let records = stage.records(1, &play).await;
    for entry in &records {
        if let Body::Opened(finding) | Body::Reclassified { to: finding, .. } = &entry.record.body {
            let harmless = matches!(finding.kind, FindingKind::BrokerStopped | FindingKind::Recovering);
            assert!(harmless, "{}: {:?}", entry.index, finding);
        }
    }
    assert!(intents(&records).is_empty(), "nothing is done about an orderly stop: {records:?}");
    stage.end(play).await;
}

pub(crate) async fn a_broker_that_restarts_by_itself_is_never_fenced(stage: &Stage) {
    for pause in [200, 1_500, 3_000].map(Duration::from_millis) {
        let play = stage.play(&format!("reborn-{}", pause.as_millis())).await;
        let dead = stage.cluster.broker_epoch(VICTIM).unwrap();
        let fault = Fault::kill(VICTIM);
        let at = stage.cluster.inflict(&fault).unwrap();
        stage.cluster.await_gone(VICTIM).await.unwrap();
        // The pause is the case: a supervisor that starts the broker again by itself.
        tokio::time::sleep_until((at + pause).into()).await;
        stage.cluster.heal(&fault).unwrap();
        stage.serves(&play, Acks::All, at).await;
        stage.cluster.await_ready(VICTIM).await.unwrap();
        let reborn = stage.cluster.broker_epoch(VICTIM).unwrap();
        assert!(dead < reborn, "{reborn:?} is a new life");
        println!("{}: serves again {:?} after the kill", play.topic.name, at.elapsed());
        stage.cluster.await_in_sync(&play.topic.name, PATIENCE).await.unwrap();
        stage.await_calm().await;
        for intent in intents(&stage.records(1, &play).await) {
            for step in &intent.plan.steps {
                if let Act::Fence { epoch, .. } = &step.act {
                    assert_eq!(*epoch, dead, "the new life must never be aimed at: {intent:?}");
                }
                assert!(!matches!(step.act, Act::Unregister { .. }), "{intent:?}");
            }
        }
        assert_eq!(stage.cluster.broker_epoch(VICTIM).unwrap(), reborn, "it did not have to register again");
        stage.end(play).await;
    }
}
