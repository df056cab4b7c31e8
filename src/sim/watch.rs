//! Tells what changes in the pretended cluster, for a timeline: who leads, who is in sync, who is registered.
//!
//! Deliberately by comparing the truth before and after: nothing tells it what to expect.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{BrokerId, Offset, PartitionId};
use crate::model::topology::Standing;

use super::kafka::Kafka;

/// A change in the pretended cluster, of all partitions with the same fate at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Partitions got another leader, or lost theirs.
    Leads {
        /// Who led.
        from: Option<BrokerId>,
        /// Who leads.
        to: Option<BrokerId>,
        /// What.
        partitions: Vec<PartitionId>,
    },
    /// So many records that a leader alone had acknowledged (acks=1) are in no leader's log any more.
    LostAlone(u64),
    /// A broker left the in-sync replicas.
    LeftIsr(BrokerId, usize),
    /// A broker came back to the in-sync replicas.
    JoinedIsr(BrokerId, usize),
    /// A broker stands differently with the active controller; none: it is not registered.
    Stands(BrokerId, Option<Standing>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    leader: Option<BrokerId>,
    isr: BTreeSet<BrokerId>,
}

/// What was seen last.
#[derive(Debug, Default)]
pub(in crate::sim) struct Watch {
    end: Offset,
    partitions: BTreeMap<PartitionId, Seen>,
    brokers: BTreeMap<BrokerId, Standing>,
    lost_alone: u64,
}

impl Watch {
    /// Gives a watch that has seen the cluster as it is.
    pub(in crate::sim) fn new(kafka: &Kafka) -> Self {
        let mut watch = Self::default();
        let _ = watch.look(kafka);
        watch
    }

    /// Gives what has changed since the last look.
    pub(in crate::sim) fn look(&mut self, kafka: &Kafka) -> Vec<Changed> {
        let truth = kafka.truth();
        let mut changes: Vec<Changed> = self.lost_alone(truth.lost_alone()).into_iter().collect();
        let end = truth.metadata_end();
        if self.end == end && end != Offset(0) {
            return changes;
        }
        self.end = end;
        changes.extend(self.standings(kafka));
        let mut leads: BTreeMap<(Option<BrokerId>, Option<BrokerId>), Vec<PartitionId>> = BTreeMap::new();
        let (mut left, mut joined): (BTreeMap<BrokerId, usize>, BTreeMap<BrokerId, usize>) = Default::default();
        for id in truth.partitions() {
            let Some(isr) = truth.isr(id) else { continue };
            let now = Seen { leader: truth.leader(id), isr: isr.iter().copied().collect() };
            let Some(before) = self.partitions.insert(id, now.clone()) else { continue };
            if before.leader != now.leader {
                leads.entry((before.leader, now.leader)).or_default().push(id);
            }
            for (count, gone) in
                [(&mut left, before.isr.difference(&now.isr)), (&mut joined, now.isr.difference(&before.isr))]
            {
                for broker in gone {
                    let sum = count.entry(*broker).or_default();
                    *sum = sum.saturating_add(1);
                }
            }
        }
        changes.extend(leads.into_iter().map(|((from, to), partitions)| Changed::Leads { from, to, partitions }));
        changes.extend(left.into_iter().map(|(broker, count)| Changed::LeftIsr(broker, count)));
        changes.extend(joined.into_iter().map(|(broker, count)| Changed::JoinedIsr(broker, count)));
        changes
    }

    fn lost_alone(&mut self, now: u64) -> Option<Changed> {
        let more = now.saturating_sub(std::mem::replace(&mut self.lost_alone, now));
        (more != 0).then_some(Changed::LostAlone(more))
    }

    fn standings(&mut self, kafka: &Kafka) -> Vec<Changed> {
        let now: BTreeMap<BrokerId, Standing> =
            kafka.truth().registrations().iter().map(|(id, one)| (*id, one.standing)).collect();
        let before = std::mem::replace(&mut self.brokers, now);
        let ids: BTreeSet<BrokerId> = before.keys().chain(self.brokers.keys()).copied().collect();
        let changed = ids.into_iter().filter(|id| before.get(id) != self.brokers.get(id));
        changed.map(|id| Changed::Stands(id, self.brokers.get(&id).copied())).collect()
    }
}
