//! A leader that could not act, whatever it decides, lets another node lead, which does.

use serde_json::Value;
use tanist::lab::Fault;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, is_done, kind, options};
use crate::ground::{BEFORE_KAFKA, Ground, on_ground};

/// Strikes the leader's own ways; another one leads for this reason, and acts when a broker fails.
async fn led_by_another(ground: &Ground, fault: &str, why: &str) {
    let topic = ground.topic().await;
    let desk = Desk::open(ground, options("auto")).await;
    let (struck, other) = desk.settled().await;
    let fault: Fault = fault.replace("LEADER", &struck.to_string()).parse().unwrap();
    let began = ground.cluster.inflict(&fault).unwrap();
    let next = desk.another_leads(other, struck).await;
    println!("{fault}: n{next} leads in place of n{struck} after {:?}", began.elapsed());
    let handed: Vec<Value> =
        desk.records(next).await.into_iter().filter(|entry| kind(entry) == "handed_over").collect();
    assert_eq!(handed.len(), 1, "{handed:#?}");
    let said = &handed[0]["record"]["body"]["handed_over"];
    assert_eq!((&handed[0]["record"]["by"], &said["to"], &said["why"]), (&struck.into(), &next.into(), &why.into()));
    let listed = desk.says(next, &["audit", "list", "--last", "200"], 0).await.out;
    println!("{}", listed.lines().filter(|line| line.contains("handed over")).collect::<String>());

    let fault_at = ground.freeze_victim();
    let took = ground.recovered(&topic, fault_at).await;
    println!("acks=all after {took:?}");
    assert!(took < BEFORE_KAFKA, "the new leader acts: {took:?}");
    let done = desk.await_record(next, "an outcome", is_done).await;
    assert_eq!(done["record"]["by"], next, "{done:#}");
    ground.cluster.heal(&fault).unwrap();
    for id in NODES {
        desk.says(id, &["audit", "verify"], 0).await;
    }
}

#[test]
fn a_leader_without_a_way_to_the_controllers_lets_another_lead() {
    on_ground(async |ground| led_by_another(ground, "controller-freeze tLEADER", "way_closed").await);
}

#[test]
fn a_leader_that_alone_sees_no_broker_lets_another_lead() {
    on_ground(async |ground| led_by_another(ground, "client-freeze b1,b2,b3 from tanistLEADER", "doubtful").await);
}
