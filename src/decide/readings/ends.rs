//! The log ends that one broker told of its own replicas, each with the instant at which it was asked for.
//!
//! Deliberately two sorted lists side by side: the ends themselves are shared with every snapshot as they are, as long as
//! all of them are recent.

use std::sync::Arc;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::{LogEnd, OffsetsReading};
use crate::model::time::Timestamp;
use crate::model::told::Own;
use crate::model::topology::Topology;

/// The newest log ends of one broker's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEnds {
    ends: Own<LogEnd>,
    /// When each was asked for.
    asked: Vec<Timestamp>,
    oldest: Timestamp,
    newest: Timestamp,
}

impl Default for OwnEnds {
    fn default() -> Self {
        Self { ends: Own::default(), asked: Vec::new(), oldest: Timestamp(u64::MAX), newest: Timestamp(0) }
    }
}

impl OwnEnds {
    /// Takes in a reading of all or some of the replicas; of two for the same one that was asked for later counts.
    pub(super) fn note(&mut self, reading: &OffsetsReading) {
        let told = || reading.log_ends.iter().map(|(id, end)| ((*id, *end), reading.sent_at));
        let mut fresh = told().peekable();
        let mut merged = Vec::with_capacity(self.asked.len().max(reading.log_ends.len()));
        for (known, asked) in self.ends.iter().zip(&self.asked) {
            merged.extend(std::iter::from_fn(|| fresh.next_if(|((id, _), _)| *id < known.0)));
            let same = fresh.next_if(|((id, _), _)| *id == known.0);
            merged.push(same.filter(|(_, sent_at)| asked <= sent_at).unwrap_or((*known, *asked)));
        }
        merged.extend(fresh);
        self.hold(merged);
    }

    /// Leaves out what the broker no longer has: deleted topics must not stay for ever.
    pub(super) fn keep_held(&mut self, broker: BrokerId, topology: &Topology) {
        let held = |id: &PartitionId| {
            topology.partitions.get(id).is_some_and(|partition| partition.replicas.contains(&broker))
        };
        let all = self.ends.iter().copied().zip(self.asked.iter().copied());
        let kept = all.filter(|((id, _), _)| held(id)).collect();
        self.hold(kept);
    }

    fn hold(&mut self, all: Vec<((PartitionId, LogEnd), Timestamp)>) {
        let (ends, asked): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        self.oldest = asked.iter().min().copied().unwrap_or(Timestamp(u64::MAX));
        self.newest = asked.iter().max().copied().unwrap_or(Timestamp(0));
        self.ends = Arc::new(ends);
        self.asked = asked;
    }

    /// Gives how many replicas were told of.
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Gives those that were asked for at `oldest` or later.
    #[must_use]
    pub fn since(&self, oldest: Timestamp) -> Own<LogEnd> {
        if oldest <= self.oldest {
            return Arc::clone(&self.ends);
        }
        if self.newest < oldest {
            return Own::default();
        }
        let recent = self.ends.iter().zip(&self.asked).filter(|(_, asked)| oldest <= **asked);
        Arc::new(recent.map(|(end, _)| *end).collect())
    }
}
