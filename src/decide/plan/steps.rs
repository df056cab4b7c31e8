//! Steps out of targets: moves that share everything become one, and no request is larger than allowed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::choose::Kind;
use crate::model::ids::{BrokerId, LeaderEpoch, PartitionId};
use crate::model::plan::{Act, Move, OriginalOrder, Precondition, Step, When};
use crate::model::topology::Partition;

/// One partition's change of order; leader and epoch are those at decision. Orders are borrowed where they can be: there
/// may be tens of thousands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) id: PartitionId,
    pub(super) kind: Kind,
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) from: Cow<'a, [BrokerId]>,
    pub(super) to: Cow<'a, [BrokerId]>,
}

impl<'a> Change<'a> {
    pub(super) fn new(id: PartitionId, kind: Kind, partition: &'a Partition, to: Cow<'a, [BrokerId]>) -> Self {
        let (leader, leader_epoch) = (partition.leader, partition.leader_epoch);
        Self { id, kind, leader, leader_epoch, from: Cow::Borrowed(&partition.replicas), to }
    }

    /// The same partition after this change of order: only an election is left to do.
    pub(super) fn settled(self) -> Self {
        Self { from: self.to.clone(), ..self }
    }

    /// The change back.
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }
}

/// The three kinds of act that move partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moving {
    Reorder,
    /// Reorder and elect; where the order is right already, elect alone.
    Elect,
}

/// A plan's steps as they grow.
#[derive(Debug)]
pub(super) struct Steps {
    steps: Vec<Step>,
    partitions_max: usize,
}

impl Steps {
    pub(super) fn new(partitions_max: u32) -> Self {
        Self { steps: Vec::new(), partitions_max: usize::try_from(partitions_max).unwrap_or(usize::MAX).max(1) }
    }

    /// Adds one step; gives its number.
    pub(super) fn push(&mut self, when: When, act: Act, expects: Vec<Precondition>) -> u16 {
        let number = u16::try_from(self.steps.len() + 1).unwrap_or(u16::MAX);
        self.steps.push(Step { number, when, act, expects });
        number
    }

    /// Adds as many steps as the changes need: ordinary topics first, then Kafka's own.
    pub(super) fn push_changes(
        &mut self,
        when: When,
        moving: Moving,
        changes: &[&Change<'_>],
        expects: &[Precondition],
    ) {
        for (prefer, kind) in
            [(false, Kind::Ordinary), (true, Kind::Ordinary), (false, Kind::Internal), (true, Kind::Internal)]
        {
            let settled = |change: &Change<'_>| moving == Moving::Elect && change.from == change.to;
            let fits = |change: &&Change<'_>| change.kind == kind && settled(change) == prefer;
            let these: Vec<&Change<'_>> = changes.iter().copied().filter(fits).collect();
            for chunk in these.chunks(self.partitions_max) {
                let moves = grouped(chunk);
                let act = match (moving, prefer) {
                    (Moving::Reorder, _) => Act::Reorder { moves },
                    (Moving::Elect, false) => Act::Elect { moves },
                    (Moving::Elect, true) => Act::Prefer { moves },
                };
                self.push(when, act, expects.to_vec());
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Step> {
        self.steps
    }
}

fn grouped(changes: &[&Change<'_>]) -> Vec<Move> {
    type Key<'a> = (&'a [BrokerId], &'a [BrokerId], Option<BrokerId>, LeaderEpoch);
    let mut groups: BTreeMap<Key<'_>, Vec<PartitionId>> = BTreeMap::new();
    for change in changes {
        let key = (change.from.as_ref(), change.to.as_ref(), change.leader, change.leader_epoch);
        groups.entry(key).or_default().push(change.id);
    }
    let as_move = |((from, to, leader, leader_epoch), ids): (Key<'_>, Vec<PartitionId>)| Move {
        partitions: ids.into_iter().collect(),
        leader,
        leader_epoch,
        from: from.to_vec(),
        to: to.to_vec(),
    };
    groups.into_iter().map(as_move).collect()
}

/// Gives the order that these partitions have now: what a failback restores.
pub(super) fn originals<'a>(partitions: impl Iterator<Item = (PartitionId, &'a Partition)>) -> Vec<OriginalOrder> {
    let mut groups: BTreeMap<(&[BrokerId], Option<BrokerId>), Vec<PartitionId>> = BTreeMap::new();
    for (id, partition) in partitions {
        groups.entry((&partition.replicas, partition.leader)).or_default().push(id);
    }
    let original = |((replicas, leader), ids): ((&[BrokerId], _), Vec<PartitionId>)| OriginalOrder {
        partitions: ids.into_iter().collect(),
        replicas: replicas.to_vec(),
        leader,
    };
    groups.into_iter().map(original).collect()
}
