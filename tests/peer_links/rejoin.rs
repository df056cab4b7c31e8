//! A node that takes a lost one's place, with all but Kafka as in production.

use tanist::consensus::{Members, Recovered};
use tanist::model::ids::NodeId;
use tanist::model::operator::{Answer, Ask, Reason};

use crate::nodes::{Homes, Node, Settings, leader, until};
use crate::trio::free_address;

/// As in production: an election comes after 1 to 2 s of silence.
const PATIENCE_TICKS: usize = 20;

#[tokio::test]
async fn a_node_that_takes_a_lost_ones_place_is_told_everything_and_votes_although_nothing_new_is_recorded() {
    let homes = Homes::new();
    let (lost, new) = (NodeId(3), NodeId(4));
    let mut settings: Settings = [1, 2, 3].map(|id| (NodeId(id), free_address())).into();
    let first = Recovered::first_members(Members::voters(settings.keys().copied()));
    let mut nodes = Vec::new();
    for me in settings.keys() {
        homes.init(*me, &first);
        nodes.push(Node::start(*me, &homes, &settings, PATIENCE_TICKS).await);
    }
    let led_by = leader(&nodes.iter().collect::<Vec<_>>()).await;
    let reason = "something to remember".parse::<Reason>().unwrap();
    let answer = nodes[led_by].ask(Ask::Pause { reason }).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");

    nodes.pop().unwrap().stop().await;
    settings.remove(&lost);
    settings.insert(new, free_address());
    homes.init(new, &Recovered::waiting_to_be_admitted());
    let newcomer = Node::start(new, &homes, &settings, PATIENCE_TICKS).await;
    for node in nodes {
        node.stop().await;
    }
    let first = Node::start(NodeId(1), &homes, &settings, PATIENCE_TICKS).await;
    let second = Node::start(NodeId(2), &homes, &settings, PATIENCE_TICKS).await;

    let wanted = Members::voters(settings.keys().copied());
    until("the new node to vote in the place of the lost one", async || {
        let seen = [first.peer().await.members, newcomer.peer().await.members];
        seen.iter().all(|members| *members == wanted).then_some(())
    })
    .await;
    until("the new node to know what was recorded before it came", async || {
        let (before, after) = (first.status().await, newcomer.status().await);
        let equal = (&after.paused, after.audit) == (&before.paused, before.audit);
        (equal && before.paused.is_some()).then_some(())
    })
    .await;

    // With one of the old two gone, nobody leads without the new node's vote.
    let (gone, stays) = match leader(&[&first, &second]).await {
        0 => (first, second),
        _ => (second, first),
    };
    gone.stop().await;
    leader(&[&stays, &newcomer]).await;
}
