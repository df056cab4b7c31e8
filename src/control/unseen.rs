//! Says in this node's log, once each time, that nobody has told it the cluster's shape for long, and that somebody does again.
//!
//! Deliberately no record: what one node does not see is its own trouble, and its report tells the others.

use std::time::Duration;

use super::controller::{Controller, Now};
use super::event::Effect;
use crate::model::observation::ProbeKind;
use crate::render::unseen;

/// A restart of a broker, or of this node before its brokers, is over by then.
const PATIENCE: Duration = Duration::from_secs(5);

impl Controller {
    pub(super) fn look_at_unseen(&mut self, now: Now) {
        let readings = self.watch.readings();
        // Where brokers tell nothing, the metadata log may.
        let told = readings.topology.as_ref().is_some_and(|shape| now.at.since(shape.confirmed_at) < PATIENCE);
        let blind = readings.blind.get(&ProbeKind::Metadata).filter(|(since, _)| PATIENCE <= now.at.since(*since));
        match blind {
            Some((_, why)) if !told && !self.said_unseen => {
                self.out.push(Effect::Warn(unseen(ProbeKind::Metadata, *why)));
                self.said_unseen = true;
            }
            Some(_) | None if told && self.said_unseen => {
                self.out.push(Effect::Warn("the cluster's shape is seen again".to_owned()));
                self.said_unseen = false;
            }
            Some(_) | None => {}
        }
    }
}
