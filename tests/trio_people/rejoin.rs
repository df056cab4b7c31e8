//! A node whose disk was lost: its old name is refused, and under a new one it learns everything before it votes.

use std::fs;

use nix::sys::signal::Signal;
use tanist::adapters::clock;
use tanist::lab::trio::NODES;

use crate::desk::{Desk, options};
use crate::ground::{PATIENCE, on_ground, until};

/// The id that the lost node takes; never used before.
const NEW: u64 = 4;

/// Names node `NEW` instead of `lost` in the settings of all three.
fn rename(desk: &Desk, lost: u8) {
    for id in NODES {
        let config = desk.trio.config(id).unwrap();
        let text = fs::read_to_string(config).unwrap();
        let (from, to) = (format!("id = {lost}\n"), format!("id = {NEW}\n"));
        assert!(text.contains(&from), "{text}");
        fs::write(config, text.replace(&from, &to)).unwrap();
    }
}

/// Gives what a node says is wrong with it.
async fn troubles(desk: &Desk, id: u8) -> Option<String> {
    Some(desk.status(id).await?["troubles"].to_string())
}

#[test]
fn a_wiped_node_is_refused_under_its_old_id_and_learns_before_it_votes_under_a_new_one() {
    on_ground(async |ground| {
        ground.topic().await;
        let desk = Desk::open(ground, options("auto")).await;
        let (leader, lost) = desk.settled().await;
        let other = NODES.into_iter().find(|id| ![leader, lost].contains(id)).unwrap();
        desk.says(leader, &["pause", "--reason", "something to remember"], 0).await;
        desk.trio.kill(lost).unwrap();
        fs::remove_dir_all(desk.trio.data_dir(lost).unwrap()).unwrap();

        let refused = desk.says(lost, &["run"], 2).await;
        assert!(refused.err.contains("node rejoin"), "{}", refused.err);
        let refused = desk.says(lost, &["node", "init"], 1).await;
        assert!(refused.err.contains("new id") && refused.err.contains("node rejoin"), "{}", refused.err);
        assert!(!desk.trio.data_dir(lost).unwrap().exists(), "a refused init leaves nothing");

        rename(&desk, lost);
        let ready = desk.says(lost, &["node", "rejoin"], 0).await;
        assert!(ready.out.contains("learner"), "{}", ready.out);
        desk.trio.begin(lost).unwrap();
        let waits = until("the new node to say that it waits", PATIENCE, async || {
            troubles(&desk, lost).await.filter(|told| told.contains("waits to be admitted"))
        })
        .await;
        println!("before its admission: {waits}");
        // One after the other, as an operator would: the two keep their majority's data all the time.
        for id in [other, leader] {
            desk.trio.kill(id).unwrap();
            desk.trio.begin(id).unwrap();
        }
        let learns = until("the new node to be a learner", PATIENCE, async || {
            troubles(&desk, other).await.filter(|told| told.contains("is a learner"))
        })
        .await;
        println!("then: {learns}");
        until("the new node to vote, and the lost one not any more", PATIENCE, async || {
            let (here, there) = (troubles(&desk, other).await?, troubles(&desk, lost).await?);
            ([here, there].iter().all(|told| told == "[]")).then_some(())
        })
        .await;
        desk.await_same_head(lost, other).await;
        let known = desk.records(lost).await;
        let remembers =
            known.iter().any(|entry| entry["record"]["body"]["paused"]["reason"] == "something to remember");
        assert!(remembers, "what was recorded before it was lost: {known:#?}");

        // With one of the old two gone, nobody leads without its vote. Stopped in good order, a leader hands over before.
        let stopped = clock::now();
        desk.trio.signal(leader, Signal::SIGTERM).unwrap();
        let led_by = until("the old and the new node to agree on who leads", PATIENCE, async || {
            let (old, new) =
                (desk.status(other).await?["leader"].as_u64()?, desk.status(lost).await?["leader"].as_u64()?);
            (old == new && old != u64::from(leader)).then_some(old)
        })
        .await;
        println!("n{leader} stopped: n{led_by} leads, seen after {:?}", stopped.elapsed());
        desk.says(lost, &["resume"], 0).await;
    });
}
