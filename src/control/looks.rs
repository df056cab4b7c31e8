//! What the trio's leader looks at, or lets all look at, because a decision waits for it.
//!
//! Deliberately only asks: what the answer means is for detection to say.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::decide::detect::{awaiting_shape, contradicted, is_red, red_for};
use crate::model::ids::BrokerId;
use crate::model::observation::LookNow;
use crate::model::snapshot::Snapshot;
use crate::model::time::Timestamp;

use super::controller::Controller;
use super::event::Effect;

/// How often all three are asked to look at a broker that they contradict each other about: one ping beside the usual four.
const LOOK_TOGETHER_EVERY: Duration = Duration::from_secs(1);

/// How long after one question brokers are asked again for the shape that tells a stop from a crash, until it is told or detection's
/// patience (a second) is over: a live broker has answered by then, but for the largest clusters. So long, too, the leader waits for
/// what it asked for when it saw the refusal itself.
const LOOK_AT_SHAPE_EVERY: Duration = Duration::from_millis(250);

impl Controller {
    /// Where nodes contradict each other, all three look at once: within one interval the split heals or is no flap.
    pub(super) fn look_together(&mut self, now: Timestamp, snapshot: &Snapshot) {
        let split = contradicted(snapshot, &self.options.policy);
        let me = self.options.me;
        let Some(lead) = self.lead.as_mut() else { return };
        lead.looked.retain(|broker, at| split.contains(broker) && now.since(*at) < LOOK_TOGETHER_EVERY);
        for broker in split {
            if lead.looked.contains_key(&broker) {
                continue;
            }
            lead.looked.insert(broker, now);
            self.out.push(Effect::Look(LookNow::Ping(broker)));
            for to in self.options.voters.iter().filter(|node| **node != me) {
                self.out.push(Effect::LookToo { to: *to, broker });
            }
        }
    }

    /// Where only brokers tell the shape, a refused broker is named once they have told it anew. A node asks when it sees the refusal
    /// itself: where the others see it first, or the answer was lost, the leader asks here. Each question goes to other brokers than the
    /// one before: whoever left that unanswered will hardly answer the next.
    pub(super) fn look_at_shape(&mut self, now: Timestamp, snapshot: &Snapshot) {
        let policy = &self.options.policy;
        let awaited = awaiting_shape(snapshot, policy);
        let mine = snapshot.heard.get(&self.options.me).map(|heard| &heard.report.brokers);
        let seen_red =
            |broker: &BrokerId| mine.and_then(|brokers| brokers.get(broker)).filter(|seen| seen.light.is_red());
        let asked_myself = |broker: &BrokerId| {
            // What was asked for before the first red that counts tells nothing.
            seen_red(broker).is_some_and(|seen| {
                seen.light_for < LOOK_AT_SHAPE_EVERY && seen.light_for <= red_for(*broker, snapshot, policy)
            })
        };
        let Some(lead) = self.lead.as_mut() else { return };
        lead.shape_asked.retain(|broker, _| awaited.contains(broker));
        let lately = |at: &Timestamp| now.since(*at) < LOOK_AT_SHAPE_EVERY;
        if awaited.iter().all(|broker| asked_myself(broker) || lead.shape_asked.get(broker).is_some_and(lately)) {
            return;
        }
        lead.shape_turn = if lead.shape_asked.is_empty() {
            // What this node asked for when it saw the refusal itself was the first question.
            usize::from(awaited.iter().any(|broker| seen_red(broker).is_some()))
        } else {
            lead.shape_turn.saturating_add(1)
        };
        let brokers = snapshot.topology.brokers.keys().copied();
        let not: BTreeSet<BrokerId> = brokers.filter(|broker| is_red(*broker, snapshot, policy)).collect();
        lead.shape_asked = awaited.into_iter().map(|broker| (broker, now)).collect();
        self.out.push(Effect::Look(LookNow::Topology { not, turn: lead.shape_turn }));
    }

    /// Tells whether a decision waits for the shape that was asked for.
    pub(super) fn awaits_shape(&self) -> bool {
        self.lead.as_ref().is_some_and(|lead| !lead.shape_asked.is_empty())
    }
}
