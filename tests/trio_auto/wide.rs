//! Six brokers in three racks: the choice between racks, and a costly act that an adviser objects to and a person decides.

use std::time::Instant;

use serde_json::{Value, json};
use tanist::adapters::kafka::wire::{Acks, TopicView};
use tanist::lab::{BrokerId, Fault, TopicPlan};
use tanist::model::advice::{Hold, Opinion, Outcome, Rung, Settled, Verdict};
use tanist::model::ids::{PartitionId, TopicId};
use tanist::model::operator::Entry;
use tanist::model::plan::{self, Act, Class, Plan};
use tanist::model::record::{Body, Decision, DecisionVerdict, End, Inaction};
use tanist::model::ruling::Objection;
use tanist::model::topology::Standing;

use crate::adviser_mock::{Manner, Mock, said, status};
use crate::stage::{Intent, PARTITIONS, Play, Stage, VICTIM, intents, struck_whole_broker, until};

/// In the victim's rack, next in line for Kafka.
const NEIGHBOUR: BrokerId = BrokerId(4);
/// In another rack.
const BETTER: BrokerId = BrokerId(2);

/// What `plan approve` ends with where the guard holds the plan, and what it says where one broker alone told the shape.
const HELD: i32 = 4;
const ONE_VIEW: &str = "told how the cluster stands";

/// Starts a server that refuses strict schemas and objects to whatever it is asked, on the evidence that it is shown.
pub(crate) async fn objector() -> Mock {
    Mock::start(|request| {
        if request.pointer("/response_format/json_schema/strict").is_some() {
            return status("400 Bad Request", "");
        }
        objection(request)
    })
    .await
}

fn objection(request: &Value) -> Manner {
    let asked = request["messages"][1]["content"].as_str().unwrap_or_default();
    let evidence: Value = serde_json::from_str(asked).unwrap_or_default();
    let facts = evidence["facts"].as_array().cloned().unwrap_or_default();
    let old = facts.iter().find(|fact| fact["age_ms"].as_u64().is_some_and(|age| 1_000 <= age));
    let absent = evidence["absent"].as_array().is_some_and(|absent| !absent.is_empty());
    let (code, fact) = match old {
        Some(old) => ("EVIDENCE_STALE", Some(old)),
        None if absent => ("EVIDENCE_MISSING", facts.first()),
        None => ("COLLATERAL", facts.iter().find(|fact| fact["key"] == "isr_smallest").or(facts.first())),
    };
    let claim = fact.map(|fact| json!({"e": fact["id"], "v": fact["value"]}));
    let answer = json!({
        "reasons": [{"code": code, "claims": [claim], "text": "I would rather ask a person."}],
        "verdict": "veto", "confidence_pct": 90, "risks": [], "missing": [], "alternative": "ask_person",
    });
    said(&answer.to_string())
}

/// Makes a topic whose leader's rack is also that of its next in line.
async fn play(stage: &Stage, name: &str) -> Play {
    let partitions = usize::try_from(PARTITIONS).unwrap();
    let replicas = vec![vec![VICTIM, NEIGHBOUR, BETTER]; partitions];
    stage.play_with(TopicPlan { name: name.to_owned(), replicas, settings: Vec::new() }).await
}

/// Gives who is to lead a partition, by the last plan that moved it: the one in another rack, unless the plan says which rule forbade it
/// just then (on a busy machine it may have looked unwell, or have told no log end).
fn chosen(sent: &[Intent], topic: &TopicView, number: i32) -> Option<i32> {
    let partition = PartitionId { topic: TopicId(topic.id.into_bytes()), number };
    let is_done = |one: &&Intent| one.outcome.as_ref().is_some_and(|outcome| outcome.end == End::Done);
    let mut choices = sent.iter().rev().filter(is_done).flat_map(|one| &one.plan.choices);
    let choice = choices.find(|one| one.partitions.contains(&partition))?;
    let better = choice.candidates.iter().find(|one| one.broker == BETTER)?;
    match &better.verdict {
        plan::Verdict::Score(_) => Some(BETTER.0),
        plan::Verdict::Unfit(why) => {
            println!("unregister: the one in another rack was unfit: {why:?}");
            Some(choice.chosen?.0)
        }
    }
}

/// Gives each decision about an unregistration.
fn about_unregistering(records: &[Entry]) -> impl Iterator<Item = &Decision> {
    let strikes = |plan: &Plan| plan.steps.iter().any(|step| matches!(step.act, Act::Unregister { .. }));
    let decided = records
        .iter()
        .filter_map(|entry| if let Body::Decided(one) = &entry.record.body { Some(&**one) } else { None });
    decided.filter(move |decision| decision.plan.as_ref().is_some_and(strikes))
}

/// Gives what the adviser was asked of, and said to, an act on a whole broker.
fn opinions(records: &[Entry]) -> Vec<Opinion> {
    let all =
        records.iter().filter_map(|entry| if let Body::Opinion(one) = &entry.record.body { Some(one) } else { None });
    all.filter(|opinion| opinion.brief.proposal.class == Class::R2).map(|opinion| (**opinion).clone()).collect()
}

/// Says yes to the unregistration, once the adviser's objection to it can be read.
///
/// It is offered whatever the adviser says, as brokers of this release do not tell which life of one would be struck off. Whoever says
/// yes before the word is in did not wait for it.
async fn overrules(stage: &Stage, play: &Play, at: Instant) {
    let objected = stage.await_records(1, play, "the adviser's word", |records| opinions(records).pop()).await;
    let Outcome::Said(said) = &objected.outcome else { panic!("{objected:?}") };
    assert_eq!((said.verdict, objected.rung), (Verdict::Veto, Some(Rung::LooseSchema)), "the form found at the start");
    println!("unregister: the adviser took {} ms of its 3 s", objected.latency_ms);
    let said = until("unregistering to be on offer, and approved", async || {
        let answer = stage.trio.run(1, &["plan", "list", "-o", "json"]).await.ok()?.json().ok()?;
        let plans = answer["plans"].as_array()?.clone();
        let offered = plans.iter().find(|plan| plan["state"].get("offered").is_some())?;
        let said = stage.trio.run(1, &["plan", "approve", offered["digest"].as_str()?.get(..12)?]).await.unwrap();
        println!("unregister: answered after {:?}: {}{}", at.elapsed(), said.out.trim(), said.err.trim());
        // On a busy machine one broker alone may have told how the cluster stands: a person who reads that says yes again.
        let passes = said.status == HELD && said.out.contains(ONE_VIEW);
        (!passes).then_some(said)
    })
    .await;
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
}

pub(crate) async fn a_dead_broker_is_unregistered_once_a_person_overrules_the_adviser(stage: &Stage) {
    let play = play(stage, "unregister").await;
    let status = stage.await_status("a leader's word", |_| true).await;
    assert_eq!(status.troubles, Vec::<String>::new(), "the adviser was found to answer");
    let fault = Fault::kill(VICTIM);
    let at = stage.cluster.inflict(&fault).unwrap();
    let (one, all, ()) = tokio::join!(
        stage.serves(&play, Acks::Leader, at),
        stage.serves(&play, Acks::All, at),
        overrules(stage, &play, at)
    );
    println!("unregister: acks=1 after {one:?}, acks=all after {all:?}");
    stage
        .await_records(1, &play, "the outcome of the unregistration", |records| {
            let done = intents(records).into_iter().find(struck_whole_broker)?.outcome?;
            (done.end == End::Done).then_some(())
        })
        .await;
    assert!(all < crate::faults::BEFORE_KAFKA, "sooner than Kafka itself fences: {all:?}");
    let records = stage.records(1, &play).await;
    let now = stage.cluster.topic(&play.topic.name).await.unwrap();
    let sent = intents(&records);
    for one in &now.partitions {
        let leader = one.leader.unwrap_or_else(|| panic!("somebody leads: {now:?}"));
        assert_eq!(Some(leader), chosen(&sent, &now, one.index), "{now:?} {sent:?}");
    }
    let decisions: Vec<_> = about_unregistering(&records)
        // On a busy machine it may be held for a moment first, as one broker alone has told how the cluster stands: that, and no
        // other reason.
        .filter(|one| !matches!(&one.verdict, DecisionVerdict::Nothing(Inaction::Held(why)) if matches!(why[..], [Objection::OneView(_)])))
        .collect();
    let verdicts: Vec<_> = decisions.iter().map(|one| (&one.verdict, one.advice)).collect();
    assert!(
        matches!(
            verdicts[..],
            [
                (DecisionVerdict::Offer { people: 1, .. }, _),
                ..,
                (DecisionVerdict::Act { .. }, Some(Settled::Hold(Hold::Vetoed)))
            ]
        ),
        "offered, then sent because of a person, over the adviser's veto: {verdicts:?}"
    );
    let registered = decisions.last().and_then(|sent| sent.snapshot.topology.brokers.get(&VICTIM));
    assert_eq!(
        registered.map(|one| one.standing),
        Some(Standing::Active),
        "struck off before Kafka itself would fence it"
    );
    let asked = opinions(&records);
    assert_eq!(asked.len(), 1, "asked once: {asked:?}");
    stage.cluster.heal(&fault).unwrap();
    stage.cluster.await_ready(VICTIM).await.unwrap();
    stage.failed_back(&play).await;
    stage.end(play).await;
}
