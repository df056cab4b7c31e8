//! A node whose disk was lost: its old name is refused, and under a new one it learns everything before it votes.

use std::fs;

use tanist::lab::trio::NODES;

use crate::desk::{Desk, options};
use crate::ground::{PATIENCE, on_ground, until};
use crate::skip;

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
fn a_wiped_node_is_refused_under_its_old_id_and_admitted_as_a_learner_under_a_new_one() {
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
        // What follows (it votes, the lost one does not, heads are equal, nobody leads without it) does not happen yet.
        skip::skip(
            "trio_people, rejoin: the learner becomes a voter",
            "the new node is admitted as a learner and its links stand, but the log never reaches it and it is not promoted; \
             the same change of members passes in tests/consensus",
        );
    });
}
