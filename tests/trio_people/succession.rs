//! The leader of the trio dies while it acts: another one leads, nothing stays open, nothing is lost.

use std::time::{Duration, Instant};

use serde_json::Value;
use tanist::adapters::clock;
use tanist::adapters::kafka::wire::TopicView;
use tanist::lab::Fault;
use tanist::lab::link::Gate;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, kind, options, verdict};
use crate::ground::{Ground, PATIENCE, VICTIM, on_ground, until};

/// The promise.
const ANOTHER_LEADS_WITHIN: Duration = Duration::from_secs(3);
const NOTHING_OPEN_WITHIN: Duration = Duration::from_secs(15);

/// When, after the broker's death, the leader of the trio dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So much later: before or while it makes up its mind.
    After(Duration),
    /// Between intent and act: its way to the controllers is a black hole, so that what it decided cannot be sent.
    Intended,
    /// Between act and outcome: held as above until its peers are cut off, so that what it then does it can tell nobody.
    Moved,
}

/// What was read before anything happened.
struct Before {
    leader: u8,
    /// A node that will live.
    other: u8,
    /// The last record.
    index: u64,
    topic: TopicView,
}

impl Before {
    /// Gives the records that came since, as a node holds them.
    async fn records(&self, desk: &Desk, id: u8) -> Vec<Value> {
        let mut records = desk.records(id).await;
        records.retain(|entry| Some(self.index) < entry["index"].as_u64());
        records
    }

    /// Waits for the moment; gives the digest of the intent that is open at it.
    async fn await_moment(&self, ground: &Ground, desk: &Desk, moment: Moment, fault: Instant) -> Option<Value> {
        if let Moment::After(later) = moment {
            // Not a wait for something: the moment at which the leader dies is what the case varies.
            tokio::time::sleep_until((fault + later).into()).await;
            return None;
        }
        let intent = until("an intent", PATIENCE, async || {
            self.records(desk, self.other).await.into_iter().find(|entry| verdict(entry) == Some("act"))
        })
        .await;
        if matches!(moment, Moment::Moved) {
            desk.trio.set_peers(self.leader, Gate::Cut);
            ground.cluster.heal(&self.hold()).unwrap();
            until("another leader of every partition", PATIENCE, async || {
                let now = ground.cluster.topic(&self.topic.name).await.ok()?;
                now.partitions.iter().all(|one| one.leader.is_some_and(|id| id != VICTIM.0)).then_some(())
            })
            .await;
        }
        Some(intent["record"]["body"]["decided"]["digest"].clone())
    }

    /// Gives what keeps the leader from sending; what it has in hand waits in the link.
    fn hold(&self) -> Fault {
        format!("controller-freeze t{}", self.leader).parse().unwrap()
    }
}

fn is_in_flight(plan: &Value) -> bool {
    plan["state"] == "in_flight"
}

/// Waits until the survivors follow another leader; gives it and when it was seen.
async fn succeeded(desk: &Desk, dead: u8, other: u8, killed: Instant) -> (u8, Duration) {
    let next = desk.another_leads(other, dead).await;
    let took = killed.elapsed();
    until("no plan is in flight", NOTHING_OPEN_WITHIN, async || {
        let status = desk.status(next).await?;
        (!status["plans"].as_array()?.iter().any(is_in_flight)).then_some(())
    })
    .await;
    (next, took)
}

fn intents_and_outcomes(records: &[Value]) -> (usize, usize) {
    let intents = records.iter().filter(|entry| verdict(entry) == Some("act")).count();
    (intents, records.iter().filter(|entry| kind(entry) == "outcome").count())
}

/// Asserts that what was open is closed, once, by the one who leads now; gives as what.
fn closed_once_by(records: &[Value], digest: &Value, next: u8) -> Value {
    let outcomes: Vec<&Value> = records
        .iter()
        .filter(|entry| kind(entry) == "outcome" && entry["record"]["body"]["outcome"]["plan"] == *digest)
        .collect();
    assert_eq!(outcomes.len(), 1, "one outcome for the open intent: {records:#?}");
    assert_eq!(outcomes[0]["record"]["by"], next, "{:#}", outcomes[0]);
    let outcome = &outcomes[0]["record"]["body"]["outcome"];
    println!("closed as {}: {}", outcome["end"], outcome["steps"]);
    outcome["end"].clone()
}

/// Kills the broker and, at this moment, the leader of the trio; another one leads and nothing stays open.
async fn lose_the_leader(ground: &Ground, desk: &Desk, topic: TopicView, moment: Moment) {
    let (leader, other) = desk.settled().await;
    let index = desk.records(other).await.last().and_then(|entry| entry["index"].as_u64()).unwrap_or_default();
    let before = Before { leader, other, index, topic };
    let fault = ground.kill_victim();
    if !matches!(moment, Moment::After(_)) {
        ground.cluster.inflict(&before.hold()).unwrap();
    }
    let open = before.await_moment(ground, desk, moment, fault).await;
    desk.trio.kill(leader).unwrap();
    let killed = clock::now();
    if open.is_some() {
        let records = before.records(desk, other).await;
        assert_eq!(intents_and_outcomes(&records), (1, 0), "one open intent when its leader died: {records:#?}");
    }
    desk.trio.set_peers(leader, Gate::Open);
    let (took, (next, led_after)) =
        tokio::join!(ground.recovered(&before.topic, fault), succeeded(desk, leader, other, killed));
    let records = before.records(desk, next).await;
    let by = |wanted: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        records.iter().filter(|entry| wanted(entry)).map(|entry| entry["record"]["by"].clone()).collect()
    };
    println!(
        "n{leader} killed {:?} after the broker ({moment:?}): n{next} leads after {led_after:?}, acks=all after {took:?}, intents \
         by {:?}, outcomes by {:?}",
        killed.saturating_duration_since(fault),
        by(&|entry| verdict(entry) == Some("act")),
        by(&|entry| kind(entry) == "outcome")
    );
    assert!(led_after < ANOTHER_LEADS_WITHIN, "n{next} leads only after {led_after:?}");
    if let Some(digest) = open {
        let end = closed_once_by(&records, &digest, next);
        // What it had in hand is lost with it: the way that it was to take stays shut until here.
        assert!(!matches!(moment, Moment::Intended) || end == "not_done", "nothing was sent: {end}");
    }
    moved_once(ground, &before.topic).await;
    for id in NODES.into_iter().filter(|id| *id != before.leader) {
        desk.says(id, &["audit", "verify"], 0).await;
    }
    ground.cluster.heal(&before.hold()).unwrap();
    desk.trio.begin(leader).unwrap();
    desk.await_same_head(leader, next).await;
}

/// Asserts that leadership of every partition changed exactly once: what one leader of the trio sent, the next did not send again.
async fn moved_once(ground: &Ground, before: &TopicView) {
    let now = ground.cluster.topic(&before.name).await.unwrap();
    for (was, is) in before.partitions.iter().zip(&now.partitions) {
        assert_ne!(is.leader, Some(VICTIM.0), "partition {}", is.index);
        assert_eq!(was.leader_epoch.map(|epoch| epoch + 1), is.leader_epoch, "partition {}: one move", is.index);
    }
}

#[test]
fn another_node_finishes_what_a_killed_leader_began() {
    on_ground(async |ground| {
        for moment in [Moment::After(Duration::from_millis(150)), Moment::Intended, Moment::Moved] {
            let topic = ground.topic().await;
            let desk = Desk::open(ground, options("auto")).await;
            lose_the_leader(ground, &desk, topic, moment).await;
            ground.heal().await;
        }
    });
}
