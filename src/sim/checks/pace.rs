//! When it is looked at what: after every event whatever that can have broken, and the rest at a pace.
//!
//! What is told (a record, a role, a step, a request) is looked at as it is told. Beside that, after every event of ours: who leads
//! (S1, L1), what must be found by now (L2), intents that stay open (L4), people who are not told (10), and records that are lost (S3),
//! which alone an event of Kafka's own can break: it is looked at after those as well. Where a node has taken in another entry, its
//! replicated state against the others' (S7) and against what must not be forgotten (10): nothing else changes that state.
//!
//! Sampled, each [`LOOK_EVERY`], are sizes (S8), as counting them walks over all that waits. What leaks is there at the next look; what
//! swells and is gone within half a second was given back. All states are compared once more then, whoever may have touched them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::{NodeId, RaftIndex};
use crate::model::time::Timestamp;

use super::{Checks, Scene, Violation};

/// How often sizes are looked at, and every state once more.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What has been looked at, and when it is again.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next_look: Timestamp,
    /// Up to where each node had taken entries in when its state was last looked at.
    applied: BTreeMap<NodeId, RaftIndex>,
    /// Since when something has waited for each node's process, at every look.
    waits_since: BTreeMap<NodeId, Timestamp>,
}

impl Pace {
    /// A process is gone: its next life begins anew.
    pub(super) fn gone(&mut self, node: NodeId) {
        self.applied.remove(&node);
        self.waits_since.remove(&node);
    }

    /// Gives for how long something has waited for a node's process, at most; none where nothing does.
    pub(super) fn waits_for(&mut self, node: NodeId, now: Timestamp, waiting: usize) -> Option<Duration> {
        if waiting == 0 {
            self.waits_since.remove(&node);
            return None;
        }
        // It may have begun right after the last look.
        let since = *self.waits_since.entry(node).or_insert(now.minus(LOOK_EVERY));
        Some(now.since(since))
    }

    /// Tells whether a node has taken entries in since this was last asked.
    fn moved_on(&mut self, scene: Scene<'_>, node: NodeId) -> bool {
        let Some(process) = scene.machines.get(&node).and_then(|machine| machine.process.as_ref()) else {
            return false;
        };
        let applied = process.controller.state().applied;
        self.applied.insert(node, applied) != Some(applied)
    }
}

impl Checks {
    /// Looks at the world after an event of ours: what it can have changed is the state of these nodes.
    pub(in crate::sim) fn after(&mut self, scene: Scene<'_>, nodes: &[NodeId]) -> Result<(), Violation> {
        self.look_at_core(scene)?;
        self.look_at_expected(scene)?;
        self.look_at_open(scene)?;
        self.look_at_untold(scene)?;
        self.look_at_losses(scene)?;
        let moved: Vec<NodeId> = nodes.iter().copied().filter(|node| self.pace.moved_on(scene, *node)).collect();
        if !moved.is_empty() {
            self.look_at_states(scene, &moved)?;
            self.look_at_ledger(scene, &moved)?;
        }
        if self.pace.next_look <= scene.now {
            self.pace.next_look = scene.now.plus(LOOK_EVERY);
            return self.sample(scene);
        }
        Ok(())
    }

    /// Looks at what Kafka alone can break, after an event of its own.
    pub(in crate::sim) fn after_theirs(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        self.look_at_losses(scene)
    }

    fn sample(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let all = scene.everybody();
        self.look_at_states(scene, &all)?;
        self.look_at_ledger(scene, &all)?;
        self.look_at_bounds(scene)?;
        // Looked at after every event, which is too often to be counted.
        self.count("S3");
        self.look_at_unfound(scene);
        Ok(())
    }
}

impl Scene<'_> {
    /// Gives all our nodes.
    pub(in crate::sim) fn everybody(&self) -> Vec<NodeId> {
        self.machines.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    fn after(ms: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_millis(ms))
    }

    #[test]
    fn a_wait_counts_from_the_look_before_it_was_seen_and_ends_with_a_look_that_sees_none() {
        let mut pace = Pace::default();
        assert_eq!(pace.waits_for(NODE, after(9_000), 0), None);
        assert_eq!(pace.waits_for(NODE, after(9_500), 7), Some(Duration::from_millis(500)));
        assert_eq!(pace.waits_for(NODE, after(12_000), 90), Some(Duration::from_millis(3_000)));
        assert_eq!(pace.waits_for(NODE, after(12_500), 0), None);
        assert_eq!(pace.waits_for(NODE, after(20_000), 1), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_process_that_is_gone_waits_for_nothing() {
        let mut pace = Pace::default();
        assert_eq!(pace.waits_for(NODE, after(9_000), 7), Some(Duration::from_millis(500)));
        pace.gone(NODE);
        assert_eq!(pace.waits_for(NODE, after(30_000), 7), Some(Duration::from_millis(500)));
    }
}
