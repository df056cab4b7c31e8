//! Failures that the trio cures: a leader that is dead, frozen, or cut off from its clients.

use std::time::{Duration, Instant};

use tanist::adapters::clock;
use tanist::adapters::kafka::wire::Acks;
use tanist::lab::Fault;
use tanist::lab::trio::NODES;
use tanist::model::ids::BrokerEpoch;
use tanist::model::operator::Entry;
use tanist::model::plan::{Act, Origin};
use tanist::model::record::{Body, Closing, DecisionVerdict, End, Inaction};
use tanist::model::ruling::Objection;
use tanist::model::topology::Standing;

use crate::stage::{Intent, Play, Stage, VICTIM, intents, opened, struck_whole_broker, until};

/// Kafka alone takes 7 to 10 s for a kill or a stop: whoever is faster was helped.
pub(crate) const BEFORE_KAFKA: Duration = Duration::from_secs(6);
pub(crate) const KILL_WITHIN: Duration = Duration::from_secs(5);
const STOP_WITHIN: Duration = Duration::from_secs(6);
/// Alone, Kafka never moves leadership away from a broker that only clients cannot reach.
const CUT_WITHIN: Duration = Duration::from_secs(8);
const ACKS_1_WITHIN: Duration = Duration::from_secs(5);
/// An acks=all produce waits for Kafka's own fencing of the dead replica where nobody may fence it.
const NATIVE_WITHIN: Duration = Duration::from_secs(13);
const CUT_FOR: Duration = Duration::from_secs(60);

pub(crate) async fn a_killed_leader_is_replaced_and_gets_its_partitions_back(stage: &Stage) {
    let play = stage.play("kill").await;
    let fault = Fault::kill(VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    let took = stage.serves(&play, Acks::All, at).await;
    assert!(took < KILL_WITHIN, "acks=all after {took:?}");
    for id in NODES {
        let intent = cured(stage, &play, id).await;
        println!("kill: stages {}", stages(&intent));
        let records = stage.records(id, &play).await;
        assert_eq!(opened(&records), [intent.case], "n{id}: one case, and every act in it: {records:?}");
        assert!(intents(&records).iter().all(|one| one.case == intent.case), "n{id}: {records:?}");
    }
    stage.verified().await;
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.await_ready(VICTIM).await.unwrap();
    returned(stage, &play).await;
    stage.end(play).await;
}

pub(crate) async fn a_stopped_leader_is_replaced_and_gets_its_partitions_back(stage: &Stage) {
    let play = stage.play("stop").await;
    let fault = Fault::stop(VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    let took = stage.serves(&play, Acks::All, at).await;
    assert!(took < STOP_WITHIN, "acks=all after {took:?}");
    cured(stage, &play, 1).await;
    stage.cluster.heal(&fault).unwrap();
    returned(stage, &play).await;
    stage.end(play).await;
}

/// A broker that clients cannot reach: its partitions are led by others, and for a minute it must be left as it is.
pub(crate) struct CutOff {
    play: Play,
    fault: Fault,
    at: Instant,
    life: BrokerEpoch,
    process: Option<u32>,
}

impl CutOff {
    pub(crate) async fn cured(stage: &Stage) -> Self {
        let play = stage.play("reject").await;
        let (life, process) = (stage.cluster.broker_epoch(VICTIM).unwrap(), stage.cluster.broker_pid(VICTIM));
        let fault = Fault::client_cut(VICTIM);
        let at = stage.cluster.inflict(&fault).unwrap();
        let took = stage.serves(&play, Acks::All, at).await;
        assert!(took < CUT_WITHIN, "acks=all after {took:?}");
        let elected = |intent: &Intent| intent.plan.steps.iter().any(|step| matches!(step.act, Act::Elect { .. }));
        let cured = cured(stage, &play, 1).await;
        assert!(elected(&cured), "{cured:?}");
        Self { play, fault, at, life, process }
    }

    pub(crate) async fn never_fenced(&self, stage: &Stage) {
        until("time enough to fence it wrongly", async || {
            let status = stage.await_status("a leader's word", |_| true).await;
            let standing = status.brokers.iter().find(|one| one.id == VICTIM).map(|one| one.standing);
            assert_eq!(standing, Some(Standing::Active), "{:?} after the cut", self.at.elapsed());
            (CUT_FOR <= self.at.elapsed()).then_some(())
        })
        .await;
    }

    pub(crate) async fn healed(self, stage: &Stage) {
        stage.cluster.heal(&self.fault).unwrap();
        returned(stage, &self.play).await;
        let acts = intents(&stage.records(1, &self.play).await);
        assert!(!acts.iter().any(struck_whole_broker), "{acts:?}");
        assert_eq!(stage.cluster.broker_epoch(VICTIM).unwrap(), self.life, "it never had to register again");
        assert_eq!(stage.cluster.broker_pid(VICTIM), self.process, "nobody restarted it");
        stage.end(self.play).await;
    }
}

pub(crate) async fn public_interfaces_alone_bring_acks_1_back(stage: &Stage) {
    let play = stage.play("public").await;
    let fault = Fault::kill(VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    let (one, all) = tokio::join!(stage.serves(&play, Acks::Leader, at), stage.serves(&play, Acks::All, at));
    assert!(one < ACKS_1_WITHIN, "acks=1 after {one:?}");
    assert!(all < NATIVE_WITHIN, "acks=all after {all:?}");
    let acts = intents(&stage.records(1, &play).await);
    assert!(!acts.is_empty() && !acts.iter().any(struck_whole_broker), "{acts:?}");
    // It may unregister, but two brokers would be left for topics of three replicas.
    let too_few = |one: &Objection| *one == Objection::NamesUnregistered(VICTIM);
    stage
        .await_records(1, &play, "unregistering to be refused", |records| {
            let held = |entry: &Entry| matches!(&entry.record.body, Body::Decided(one) if matches!(&one.verdict, DecisionVerdict::Nothing(Inaction::Held(why)) if why.iter().any(too_few)));
            records.iter().any(held).then_some(())
        })
        .await;
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.await_ready(VICTIM).await.unwrap();
    returned(stage, &play).await;
    stage.end(play).await;
}

/// Waits until a node has recorded an intent about the victim whose end is `done`, and gives it.
async fn cured(stage: &Stage, play: &Play, id: u8) -> Intent {
    let began = clock::now();
    let about_victim =
        |intent: &Intent| matches!(intent.plan.origin, Origin::Finding { broker, .. } if broker == VICTIM);
    let intent = stage
        .await_records(id, play, "an intent that ended well", |records| {
            let done = |intent: &Intent| intent.outcome.as_ref().is_some_and(|outcome| outcome.end == End::Done);
            intents(records).into_iter().find(|intent| about_victim(intent) && done(intent))
        })
        .await;
    println!("{}: n{id} holds {}, decided by {} ({:?})", play.topic.name, intent.case, intent.by, began.elapsed());
    intent
}

/// Waits until the victim leads as before and its case is closed as failed back.
async fn returned(stage: &Stage, play: &Play) {
    stage.failed_back(play).await;
    let records = stage.records(1, play).await;
    let closed = records.iter().any(|entry| matches!(entry.record.body, Body::Closed { how: Closing::FailedBack }));
    assert!(closed, "no case ended by failback: {records:?}");
}

/// Gives when each stage was reached, in the order of the record.
fn stages(intent: &Intent) -> String {
    let marks = intent.outcome.iter().flat_map(|outcome| &outcome.timeline);
    marks.map(|mark| format!("{:?} {} ms", mark.stage, mark.after_us / 1_000)).collect::<Vec<_>>().join(", ")
}
