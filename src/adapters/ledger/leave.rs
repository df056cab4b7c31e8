//! Leaving in good order: a leader that stops lets another node lead first.
//!
//! Deliberately without insisting: whoever cannot hand over in time stops all the same, and the others elect.

use std::time::Duration;

use tokio::sync::watch;

use super::LedgerDesk;
use crate::consensus::Standing;
use crate::model::ids::NodeId;
use crate::model::trio::Role;

/// How long a node that stops in good order waits for another to lead.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

/// Lets another node lead before this one stops, so that nobody waits for an election; not for long, and never in vain.
///
/// `role` is this node's place in the trio, as its driver hears of it.
pub async fn hand_over(ledger: &LedgerDesk, me: NodeId, mut role: watch::Receiver<Role>) {
    let Some(status) = ledger.status(HAND_OVER_WITHIN).await else { return };
    if status.peer.role.standing != Standing::Leading {
        return;
    }
    // The furthest of those that vote and are reachable catches up soonest.
    let up = |node: &NodeId| *node != me && status.links.get(node).is_some_and(|link| link.up);
    let votes = |node: &NodeId| status.peer.members.voters.contains(node);
    let heirs = status.peer.matched.iter().filter(|(node, _)| up(node) && votes(node));
    let Some((heir, _)) = heirs.max_by_key(|(node, index)| (**index, **node)) else { return };
    tracing::info!("handing over to {heir}");
    ledger.transfer(*heir);
    let another_leads = role.wait_for(|role| matches!(role, Role::Following { .. }));
    if tokio::time::timeout(HAND_OVER_WITHIN, another_leads).await.is_err() {
        tracing::warn!("{heir} did not take over in time; the others will elect");
    }
}
