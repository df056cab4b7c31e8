//! Records that a leader acknowledged alone (acks=1): until everybody in sync has them they may be lost, and then they are counted.
//!
//! Deliberately no account of what came below the high watermark: only an unclean election loses that, and readers and acks=all tell of it.

use super::log::Log;
use super::replication::part;
use super::state::{Alone, Partition, Place, Replica};
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, LeaderEpoch};

impl Kafka {
    /// A leader has acknowledged so many records at the end of its log before anybody else had them.
    pub(super) fn acknowledged_alone(&mut self, place: Place, id: BrokerId, records: u64) {
        let Some(partition) = self.partitions.get_mut(place.0) else { return };
        let Some(replica) = partition.replica(id) else { return };
        let Some(leading) = replica.leading.as_ref().filter(|_| records != 0) else { return };
        let (epoch, to) = (leading.epoch, replica.log.end());
        let newer = |other: &Replica| other.leading.as_ref().is_some_and(|leading| epoch < leading.epoch);
        if partition.replicas.iter().any(newer) {
            // Another one leads already, which this one has not heard: once it has, it drops what it has taken since.
            self.lost_alone = self.lost_alone.saturating_add(records);
            return;
        }
        let from = to.saturating_sub(records);
        match partition.alone.last_mut().filter(|last| last.epoch == epoch && last.to == from) {
            Some(last) => last.to = to,
            None => partition.alone.push(Alone { epoch, from, to }),
        }
    }

    /// A leader begins its epoch with this log: what others had acknowledged alone, and is not in it, is gone.
    pub(super) fn count_gone(&mut self, place: Place, epoch: LeaderEpoch, log: &Log) {
        let newest = |partition: &&mut Partition| partition.state.leader_epoch == epoch;
        let Some(partition) = self.partitions.get_mut(place.0).filter(newest) else { return };
        for one in &mut partition.alone {
            let kept = log.end_of(one.epoch).map_or(one.from, |end| end.clamp(one.from, one.to));
            self.lost_alone = self.lost_alone.saturating_add(one.to.saturating_sub(kept));
            one.to = kept;
        }
        partition.alone.retain(|one| one.from < one.to);
    }

    /// A broker is about to be killed: what it acknowledges alone in its last moment nobody else will have.
    pub(super) fn acknowledge_to_the_last(&mut self, id: BrokerId) {
        for place in self.hosted(id) {
            let per_s = self.partition(place).map_or(0, |partition| partition.flow.acks_one_per_s);
            let records = part(&mut 0, per_s, timing::LAST_MOMENT);
            if records == 0 {
                continue;
            }
            self.settle(place);
            let serving = self.partition(place).and_then(|partition| self.serving(partition));
            if serving.is_none_or(|(leader, _)| leader != id) {
                continue;
            }
            if let Some(replica) = self.partition_mut(place).and_then(|partition| partition.replica_mut(id)) {
                replica.log.append(records);
            }
            self.acknowledged_alone(place, id, records);
        }
    }
}

impl Partition {
    /// A leader's high watermark reaches so far, if it was not further already.
    pub(super) fn commit(&mut self, leader: BrokerId, end: u64) {
        if let Some(replica) = self.replica_mut(leader) {
            replica.high_watermark = replica.high_watermark.max(end);
        }
        self.share(leader);
    }

    /// What a leader has below its high watermark everybody in sync has as well: it was acknowledged by more than one.
    pub(super) fn share(&mut self, leader: BrokerId) {
        if self.alone.is_empty() {
            return;
        }
        let Some(replica) = self.replicas.iter().find(|replica| replica.broker == leader) else { return };
        let has = |one: &Alone| replica.log.epoch_at(one.to.saturating_sub(1)) == Some(one.epoch);
        self.alone.retain(|one| replica.high_watermark < one.to || !has(one));
    }
}
