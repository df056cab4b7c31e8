//! The leader of the trio dies while it acts: another one leads, nothing stays open, nothing is lost.

use std::time::Duration;

use serde_json::Value;
use tanist::adapters::clock;
use tanist::adapters::kafka::wire::TopicView;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, kind, options, verdict};
use crate::ground::{Ground, PATIENCE, VICTIM, on_ground, until};

/// The promise is 3 s; the rest is for asking with a program that has to start each time.
const ANOTHER_LEADS_WITHIN: Duration = Duration::from_secs(6);
const NOTHING_OPEN_WITHIN: Duration = Duration::from_secs(15);

/// When, after the broker's death, the leader of the trio dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So much later: before or while it makes up its mind.
    After(Duration),
    /// As soon as another node's history holds the intent.
    Intended,
    /// As soon as Kafka shows another leader: the act is done, its outcome most likely not yet recorded.
    Moved,
}

fn is_in_flight(plan: &Value) -> bool {
    plan["state"] == "in_flight"
}

/// Kills the broker and, at this moment, the leader of the trio; another one leads and nothing stays open.
async fn lose_the_leader(ground: &Ground, desk: &Desk, topic: &TopicView, moment: Moment) {
    let (leader, other) = desk.settled().await;
    let survivors: Vec<u8> = NODES.into_iter().filter(|id| *id != leader).collect();
    let before = desk.records(other).await.last().and_then(|entry| entry["index"].as_u64()).unwrap_or_default();
    let fault = ground.kill_victim();
    match moment {
        // Not a wait for something: the moment at which the leader dies is what the case varies.
        Moment::After(later) => tokio::time::sleep_until((fault + later).into()).await,
        Moment::Intended => {
            let fresh = |entry: &Value| verdict(entry) == Some("act") && Some(before) < entry["index"].as_u64();
            desk.await_record(other, "an intent", fresh).await;
        }
        Moment::Moved => {
            until("another leader of a partition", PATIENCE, async || {
                let now = ground.cluster.topic(&topic.name).await.ok()?;
                now.partitions.iter().any(|one| one.leader.is_some_and(|id| id != VICTIM.0)).then_some(())
            })
            .await;
        }
    }
    let lived = fault.elapsed();
    desk.trio.kill(leader).unwrap();
    let killed = clock::now();
    let recovering = ground.recovered(topic, fault);
    let succeeding = async {
        let next = until("another node leads", ANOTHER_LEADS_WITHIN, async || {
            let mut led = Vec::new();
            for id in &survivors {
                led.push(desk.status(*id).await?["leader"].as_u64()?);
            }
            (led[0] == led[1] && led[0] != u64::from(leader)).then_some(led[0])
        })
        .await;
        let succeeded = killed.elapsed();
        let next = u8::try_from(next).unwrap();
        until("no plan is in flight", NOTHING_OPEN_WITHIN.saturating_sub(succeeded), async || {
            let status = desk.status(next).await?;
            (!status["plans"].as_array()?.iter().any(is_in_flight)).then_some(())
        })
        .await;
        (next, succeeded)
    };
    let (took, (next, succeeded)) = tokio::join!(recovering, succeeding);
    let records = desk.records(next).await;
    let fresh: Vec<&Value> = records.iter().filter(|entry| Some(before) < entry["index"].as_u64()).collect();
    let by = |entry: &Value| entry["record"]["by"].as_u64();
    let intents: Vec<_> = fresh.iter().filter(|entry| verdict(entry) == Some("act")).map(|entry| by(entry)).collect();
    let outcomes: Vec<_> = fresh.iter().filter(|entry| kind(entry) == "outcome").map(|entry| by(entry)).collect();
    println!(
        "n{leader} killed {lived:?} after the broker ({moment:?}): n{next} leads after {succeeded:?}, acks=all after {took:?}, intents by \
         {intents:?}, outcomes by {outcomes:?}"
    );
    for id in survivors {
        desk.says(id, &["audit", "verify"], 0).await;
    }
    desk.trio.begin(leader).unwrap();
    desk.await_same_head(leader, next).await;
}

#[test]
fn another_node_finishes_what_a_killed_leader_began() {
    on_ground(async |ground| {
        for moment in [Moment::After(Duration::from_millis(150)), Moment::Intended, Moment::Moved] {
            let topic = ground.topic().await;
            let desk = Desk::open(ground, options("auto")).await;
            lose_the_leader(ground, &desk, &topic, moment).await;
            ground.heal().await;
        }
    });
}
