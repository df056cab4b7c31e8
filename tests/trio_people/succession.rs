//! The leader of the trio dies while it acts: another one leads, nothing stays open, nothing is lost.

use std::time::{Duration, Instant};

use serde_json::Value;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, is_done, kind, options, verdict};
use crate::ground::{Ground, PATIENCE, on_ground, until};
use tanist::adapters::kafka::wire::TopicView;

/// The promise is 3 s; the rest is for asking with a program that has to start each time.
const ANOTHER_LEADS_WITHIN: Duration = Duration::from_secs(6);
const NOTHING_OPEN_WITHIN: Duration = Duration::from_secs(15);

fn is_in_flight(plan: &Value) -> bool {
    plan["state"] == "in_flight"
}

/// Kills the broker and, `later`, the leader of the trio; gives whether the intent had been committed by then.
async fn lose_the_leader(ground: &Ground, desk: &Desk, topic: &TopicView, later: Duration) {
    let (leader, other) = desk.settled().await;
    let survivors: Vec<u8> = NODES.into_iter().filter(|id| *id != leader).collect();
    let before = desk.records(other).await.last().and_then(|entry| entry["index"].as_u64()).unwrap_or_default();
    let fault = ground.kill_victim();
    // Not a wait for something: the moment at which the leader dies is what the case varies.
    tokio::time::sleep_until((fault + later).into()).await;
    desk.trio.kill(leader).unwrap();
    let killed = Instant::now();
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
        "n{leader} killed {later:?} after the broker: n{next} leads after {succeeded:?}, acks=all after {took:?}, intents by \
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
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        for later_ms in [150, 350, 700] {
            lose_the_leader(ground, &desk, &topic, Duration::from_millis(later_ms)).await;
            ground.heal().await;
            ground.cluster.await_in_sync(&topic.name, PATIENCE).await.unwrap();
            until("the victim leads again", PATIENCE, async || {
                let now = ground.cluster.topic(&topic.name).await.ok()?;
                now.partitions.iter().zip(&topic.partitions).all(|(now, was)| now.leader == was.leader).then_some(())
            })
            .await;
        }
        let (leader, _) = desk.settled().await;
        assert!(desk.records(leader).await.iter().any(is_done));
    });
}
