//! Mode `approve`: plans wait for people, who may be the wrong ones, late, or of another opinion.

use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, is_done, kind, options};
use crate::ground::{BEFORE_KAFKA, PATIENCE, VICTIM, on_ground, until};

/// Waits for a plan on offer; gives the start of its digest.
async fn offered(desk: &Desk, id: u8) -> String {
    until("a plan on offer", PATIENCE, async || {
        let answer = desk.ask(id, &["plan", "list", "-o", "json"]).await.json().ok()?;
        let plans = answer["plans"].as_array()?.clone();
        let plan = plans.iter().find(|plan| plan["state"].get("offered").is_some())?;
        Some(plan["digest"].as_str()?.get(..12)?.to_owned())
    })
    .await
}

/// Gives the body of the newest record of this kind.
async fn newest(desk: &Desk, id: u8, wanted: &str) -> Option<Value> {
    let records = desk.records(id).await;
    records.into_iter().rev().find(|entry| kind(entry) == wanted)
}

#[test]
fn an_approver_carries_out_what_is_offered_and_refuses_what_comes_back() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
        let roles = format!("roles = {{ {user:?} = \"reader\" }}");
        let desk = Desk::open_with_third(ground, options("approve"), &roles).await;
        desk.settled().await;
        let fault = ground.freeze_victim();
        let plan = offered(&desk, 2).await;
        let offered_after = fault.elapsed();
        let role = desk.says(3, &["plan", "approve", &plan], 1).await;
        assert!(role.out.contains("surface.roles"), "{}", role.out);
        // A later round may see the broker more clearly and plan something else: then the newest offer is the one to say yes to.
        let plan = until("a yes to a plan that still stands", PATIENCE, async || {
            let plan = offered(&desk, 2).await;
            let said = desk.ask(1, &["plan", "approve", &plan]).await;
            assert!(said.status == 0 || said.status == 1, "{}{}", said.out, said.err);
            (said.status == 0).then_some(plan)
        })
        .await;
        let took = ground.recovered(&topic, fault).await;
        println!("approve: offered after {offered_after:?}, acks=all after {took:?}");
        assert!(took < BEFORE_KAFKA, "{took:?}");
        let done = desk.await_record(2, "an outcome", is_done).await;
        assert!(done["record"]["body"]["outcome"]["plan"].as_str().is_some_and(|digest| digest.starts_with(&plan)));
        let approved = newest(&desk, 2, "approved").await.unwrap();
        assert_eq!(approved["record"]["body"]["approved"]["by"], user.as_str());
        desk.says(1, &["plan", "approve", &plan], 1).await;

        ground.heal().await;
        let back = offered(&desk, 2).await;
        let shown = desk.says(3, &["plan", "show", &back], 0).await;
        assert!(shown.out.contains(&format!("b{}", VICTIM.0)), "{}", shown.out);
        desk.says(3, &["plan", "show", &back, "-o", "json"], 0).await.json().unwrap();
        desk.says(3, &["plan", "list"], 0).await;
        desk.says(3, &["plan", "reject", &back, "--reason", "after lunch"], 1).await;
        desk.says(2, &["plan", "reject", &back, "--reason", "after lunch"], 0).await;
        let rejected = newest(&desk, 2, "rejected").await.unwrap();
        assert_eq!(rejected["record"]["body"]["rejected"]["reason"], "after lunch");
        desk.says(1, &["plan", "approve", &back], 1).await;
        let now = ground.cluster.topic(&topic.name).await.unwrap();
        assert!(now.partitions.iter().all(|one| one.leader != Some(VICTIM.0)), "{now:?}");
    });
}

#[test]
fn an_offer_lapses_by_time_and_one_whose_facts_have_moved_is_superseded_and_neither_is_carried_out() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("approve").with("act", "approval_expires", "\"2s\"")).await;
        let (leader, follower) = desk.settled().await;
        let fault = ground.kill_victim();
        let plan = offered(&desk, follower).await;
        let offered_after = fault.elapsed();
        let why = |entry: &Value| entry["record"]["body"]["withdrawn"]["why"].clone();
        desk.await_record(leader, "an offer that nobody took in time", |entry| why(entry) == "expired").await;
        let lapsed_after = fault.elapsed();
        println!("offered after {offered_after:?}, lapsed after {lapsed_after:?}");
        assert!(Duration::from_secs(2) <= lapsed_after, "it stands for as long as it says");
        println!("left alone: acks=all after {:?}", ground.recovered(&topic, fault).await);
        let answer = until("an approval that comes too late", PATIENCE, async || {
            let said = desk.ask(follower, &["plan", "approve", &plan]).await;
            (said.status == 1).then_some(said.out)
        })
        .await;
        println!("too late: {answer}");
        assert_eq!(desk.intents(leader).await, 0);
        let superseded = |entry: &Value| why(entry).get("superseded").is_some();
        desk.await_record(leader, "an offer whose facts have moved", superseded).await;
    });
}
