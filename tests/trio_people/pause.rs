//! The pause switch, thrown by a command and by a file, and the way back by `undo`.

use crate::desk::{Desk, is_done, is_held_by_pause, options};
use crate::ground::{BEFORE_KAFKA, PATIENCE, VICTIM, on_ground, until};

async fn await_paused(desk: &Desk, id: u8, paused: bool) {
    until("the pause switch shows", PATIENCE, async || {
        (desk.status(id).await?["paused"].is_null() != paused).then_some(())
    })
    .await;
}

#[test]
fn a_paused_trio_does_nothing_and_says_so_and_acts_once_it_is_resumed() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        let (leader, follower) = desk.settled().await;
        desk.says(follower, &["pause", "--reason", "a change of cables"], 0).await;
        let fault = ground.freeze_victim();
        desk.await_record(leader, "a decision that the pause holds", is_held_by_pause).await;
        assert_eq!(desk.intents(leader).await, 0);
        let held = fault.elapsed();
        desk.says(follower, &["resume"], 0).await;
        let took = ground.recovered(&topic, fault).await;
        println!("paused: held at {held:?}, resumed, acks=all after {took:?}");
        assert!(took < BEFORE_KAFKA, "{took:?}");
        desk.await_record(leader, "an outcome", is_done).await;
    });
}

#[test]
fn a_file_on_one_node_pauses_all_until_it_is_removed_there() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        let (leader, follower) = desk.settled().await;
        let file = desk.trio.data_dir(follower).unwrap().join("PAUSE");
        std::fs::write(&file, "").unwrap();
        await_paused(&desk, leader, true).await;
        let fault = ground.freeze_victim();
        desk.await_record(leader, "a decision that the pause holds", is_held_by_pause).await;
        let refused = desk.says(leader, &["resume"], 4).await;
        assert!(refused.out.contains("PAUSE"), "{}", refused.out);
        assert_eq!(desk.intents(leader).await, 0);
        std::fs::remove_file(&file).unwrap();
        let took = ground.recovered(&topic, fault).await;
        println!("pause file: removed, acks=all after {took:?}");
        assert!(took < BEFORE_KAFKA, "{took:?}");
        await_paused(&desk, leader, false).await;
    });
}

#[test]
fn undo_puts_the_recorded_order_of_a_case_back() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("auto").with("act", "failback_after", "\"1h\"")).await;
        let (leader, follower) = desk.settled().await;
        let fault = ground.freeze_victim();
        println!("undo: acks=all after {:?}", ground.recovered(&topic, fault).await);
        let done = desk.await_record(leader, "an outcome", is_done).await;
        let case = format!("c-{}", done["record"]["case"].as_u64().unwrap_or_else(|| panic!("{done:#}")));
        ground.heal().await;
        ground.cluster.await_in_sync(&topic.name, PATIENCE).await.unwrap();
        let moved = ground.cluster.topic(&topic.name).await.unwrap();
        assert!(moved.partitions.iter().all(|one| one.leader != Some(VICTIM.0)), "{moved:?}");
        let said = until("undo is done", PATIENCE, async || {
            let said = desk.ask(follower, &["undo", &case]).await;
            (said.status == 0).then_some(said)
        })
        .await;
        println!("undo {case}: {}", said.out);
        until("the recorded order and its leaders", PATIENCE, async || {
            let now = ground.cluster.topic(&topic.name).await.ok()?;
            let same = now
                .partitions
                .iter()
                .zip(&topic.partitions)
                .all(|(now, was)| now.replicas == was.replicas && now.leader == was.leader);
            same.then_some(())
        })
        .await;
    });
}
