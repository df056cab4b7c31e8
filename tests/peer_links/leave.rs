//! A node that stops in good order, with all but Kafka as in production.

use std::collections::BTreeMap;

use tanist::adapters::ledger::hand_over;
use tanist::consensus::{Members, Recovered, Standing};
use tanist::model::ids::NodeId;

use crate::nodes::{Homes, Node, Settings, leader, until};
use crate::trio::free_address;

/// Silence so long that nobody elects in this test: whoever leads next was handed the lead.
const NEVER_TICKS: usize = 100_000;

#[tokio::test]
async fn a_leader_that_stops_in_good_order_hands_over_so_that_nobody_waits_for_an_election() {
    let homes = Homes::new();
    let settings: Settings = [1, 2, 3].map(|id| (NodeId(id), free_address())).into();
    let first = Recovered::first_members(Members::voters(settings.keys().copied()));
    let mut nodes = BTreeMap::new();
    for me in settings.keys() {
        homes.init(*me, &first);
        // The first to lead is the only one that would ever ask for votes by itself.
        let patience = if *me == NodeId(1) { 20 } else { NEVER_TICKS };
        nodes.insert(*me, Node::start(*me, &homes, &settings, patience).await);
    }
    let leads = nodes.remove(&NodeId(1)).unwrap();
    let others: Vec<&Node> = nodes.values().collect();
    assert_eq!(leader(&[&leads]).await, 0);
    until("both others to follow", async || {
        let mut all = true;
        for other in &others {
            all &= other.peer().await.role.leader == Some(NodeId(1));
        }
        all.then_some(())
    })
    .await;
    let term = leads.peer().await.role.term;

    hand_over(&leads.ledger, NodeId(1), leads.role.clone()).await;
    leads.stop().await;
    let heir = others[leader(&others).await].peer().await;
    assert_eq!(heir.role.term.0, term.0 + 1, "one election, and nobody stood against it");
}

#[tokio::test]
async fn whoever_does_not_lead_has_nothing_to_hand_over_and_leaves() {
    let homes = Homes::new();
    let settings: Settings = [1, 2, 3].map(|id| (NodeId(id), free_address())).into();
    homes.init(NodeId(1), &Recovered::first_members(Members::voters(settings.keys().copied())));
    let alone = Node::start(NodeId(1), &homes, &settings, 20).await;
    let before = alone.peer().await.role.standing;
    assert_ne!(before, Standing::Leading, "one of three");
    hand_over(&alone.ledger, NodeId(1), alone.role.clone()).await;
    alone.stop().await;
}
