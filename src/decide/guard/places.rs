//! Every partition of the snapshot in one list, and what a plan's moves do to each: a plan names the same tens of thousands
//! of partitions in several steps, and looking each up in the topology every time would cost more than all other checks.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{BrokerId, PartitionId, TopicId};
use crate::model::plan::When;
use crate::model::topology::{Partition, Topology};

/// The partitions in order, with what the moves seen so far have done.
pub(super) struct Places<'a> {
    /// Where each topic's partitions begin.
    topics: Vec<(TopicId, usize)>,
    rows: Vec<Row<'a>>,
    /// The topic found last: the next one asked for is mostly the same or the one after it.
    hint: usize,
    /// Moves of partitions that are not in the topology.
    strangers: BTreeSet<(When, PartitionId)>,
    /// Targets beyond the first of each partition.
    more_targets: BTreeSet<(BrokerId, PartitionId)>,
    gains: BTreeMap<BrokerId, u32>,
}

/// One partition.
pub(super) struct Row<'a> {
    id: PartitionId,
    pub(super) partition: &'a Partition,
    /// The order that earlier steps will have brought about.
    pub(super) order: &'a [BrokerId],
    /// When it is moved: one bit for each kind of moment.
    moved: u8,
    target: Option<BrokerId>,
}

/// Whether a partition was moved before at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Once,
    Twice,
}

impl<'a> Places<'a> {
    pub(super) fn new(topology: &'a Topology) -> Self {
        let mut topics: Vec<(TopicId, usize)> = Vec::with_capacity(topology.topics.len());
        let mut rows = Vec::with_capacity(topology.partitions.len());
        for (id, partition) in &topology.partitions {
            if topics.last().is_none_or(|(topic, _)| *topic != id.topic) {
                topics.push((id.topic, rows.len()));
            }
            rows.push(Row { id: *id, partition, order: &partition.replicas, moved: 0, target: None });
        }
        let (strangers, more_targets, gains) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { topics, rows, hint: 0, strangers, more_targets, gains }
    }

    /// Gives a partition's row, where the topology knows it.
    pub(super) fn find(&mut self, id: &PartitionId) -> Option<&mut Row<'a>> {
        let is_its = |place: &usize| self.topics.get(*place).is_some_and(|(topic, _)| *topic == id.topic);
        let near = [self.hint, self.hint.saturating_add(1)].into_iter().find(is_its);
        let topic = near.or_else(|| self.topics.binary_search_by_key(&id.topic, |(topic, _)| *topic).ok())?;
        self.hint = topic;
        // Numbers mostly start at 0 and leave none out.
        let (_, begins) = self.topics.get(topic)?;
        let guess = begins.saturating_add(usize::try_from(id.number).unwrap_or(0));
        let is_there = self.rows.get(guess).is_some_and(|row| row.id == *id);
        let place = if is_there { guess } else { self.rows.binary_search_by_key(id, |row| row.id).ok()? };
        self.rows.get_mut(place)
    }

    /// Counts a move; `target` is who gains leadership by it, if anybody does.
    pub(super) fn count(&mut self, id: PartitionId, when: When, target: Option<BrokerId>) -> Moved {
        let known = self.find(&id).map(|row| {
            let before = row.moved;
            row.moved |= bit(when);
            let first = row.target.is_none();
            if first {
                row.target = target;
            }
            (if before == row.moved { Moved::Twice } else { Moved::Once }, first, row.target)
        });
        let (moved, first, counted) = known.unwrap_or_else(|| {
            (if self.strangers.insert((when, id)) { Moved::Once } else { Moved::Twice }, false, None)
        });
        if let Some(target) = target
            && (first || (counted != Some(target) && self.more_targets.insert((target, id))))
        {
            *self.gains.entry(target).or_default() += 1;
        }
        moved
    }

    /// Gives how many partitions each target gains.
    pub(super) fn gains(self) -> BTreeMap<BrokerId, u32> {
        self.gains
    }
}

fn bit(when: When) -> u8 {
    match when {
        When::AtOnce => 1,
        When::EchoBehind => 2,
        When::EchoLevelStillRed => 4,
        When::EchoLevelGreen => 8,
        When::Afterwards => 16,
        When::AfterPrevious => 32,
    }
}
