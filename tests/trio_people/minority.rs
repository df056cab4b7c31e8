//! One node without its peers, however it lost them: it does not act, and it says why.

use tanist::lab::link::Gate;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, is_done, options};
use crate::ground::{BEFORE_KAFKA, PATIENCE, on_ground, until};

async fn await_no_quorum(desk: &Desk, id: u8) -> String {
    until("a node that says that it has no quorum", PATIENCE, async || {
        let said = desk.ask(id, &["status"]).await;
        (said.status == 5).then_some(said.out)
    })
    .await
}

#[test]
fn a_leader_cut_off_from_its_peers_does_not_act_and_catches_up_once_healed() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        let (cut, other) = desk.settled().await;
        desk.trio.set_peers(cut, Gate::Cut);
        println!("cut off:\n{}", await_no_quorum(&desk, cut).await);
        desk.says(cut, &["pause", "--reason", "nobody hears this"], 5).await;
        let next = desk.another_leads(other, cut).await;
        let known = desk.records(cut).await.len();
        let fault = ground.freeze_victim();
        let took = ground.recovered(&topic, fault).await;
        println!("one of three cut off: acks=all after {took:?}");
        assert!(took < BEFORE_KAFKA, "two of three act: {took:?}");
        let done = desk.await_record(next, "an outcome", is_done).await;
        assert_ne!(done["record"]["by"], cut, "{done:#}");
        assert_eq!(desk.records(cut).await.len(), known, "a node without peers records nothing");
        desk.trio.set_peers(cut, Gate::Open);
        desk.await_same_head(cut, next).await;
        desk.says(cut, &["status"], 0).await;
    });
}

#[test]
fn the_last_of_three_does_nothing_and_says_why() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        let (leader, _) = desk.settled().await;
        for id in NODES.into_iter().filter(|id| *id != leader) {
            desk.trio.kill(id).unwrap();
        }
        let said = await_no_quorum(&desk, leader).await;
        println!("alone:\n{said}");
        assert!(said.contains("NO QUORUM"), "{said}");
        let before = ground.cluster.topic(&topic.name).await.unwrap();
        let known = desk.records(leader).await.len();
        let fault = ground.kill_victim();
        let took = ground.recovered(&topic, fault).await;
        println!("two of three dead: acks=all after {took:?}");
        assert!(BEFORE_KAFKA <= took, "only Kafka itself may move: {took:?}");
        let after = ground.cluster.topic(&topic.name).await.unwrap();
        assert!(before.partitions.iter().zip(&after.partitions).all(|(was, is)| was.replicas == is.replicas));
        assert_eq!(desk.records(leader).await.len(), known);
        desk.says(leader, &["status", "-o", "json"], 5).await;
        desk.says(leader, &["pause", "--reason", "no one to agree"], 5).await;
        desk.says(leader, &["audit", "verify"], 0).await;
        std::fs::write(desk.trio.data_dir(leader).unwrap().join("PAUSE"), "").unwrap();
        until("the file pauses all the same", PATIENCE, async || {
            let status = desk.status(leader).await?;
            status["paused"]["file"].is_object().then_some(())
        })
        .await;
    });
}
