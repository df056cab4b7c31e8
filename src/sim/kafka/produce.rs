//! Clients' records: appended by a leader, acknowledged by it alone or once the in-sync followers have them.

use super::code::Code;
use super::happening::Chore;
use super::log::Log;
use super::state::{Disk, Lost, Place, Socket, Waiting};
use super::talk::{Acks, Answer, Call, RecordId, Request};
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};

/// How many single records of a partition are remembered at most; the oldest go first.
const RECORDS_KEPT: usize = 4096;

impl Kafka {
    /// Works on the produce request that a connection is being served with; again from the start once a disk answers again.
    pub(super) fn produce(&mut self, socket: Socket, id: BrokerId) {
        let Some((call, Request::Produce { partition, acks, record, bulk, within })) =
            self.connections.get(&socket).and_then(|connection| connection.serving.clone())
        else {
            return;
        };
        let leads = self.place_at(id, partition).filter(|place| self.leads(*place, id));
        let Some(place) = leads else {
            return self.answer(socket, Answer::Refused(self.disowns(id, partition)), timing::PING_WORK);
        };
        if self.brokers.get(&id).is_some_and(|broker| broker.disk == Disk::Blocked) {
            return self.wait_for_disk(socket, id);
        }
        self.settle(place);
        if acks == Acks::All && !self.enough_in_sync(place, id) {
            return self.answer(socket, Answer::Refused(Code::NotEnoughReplicas), timing::PING_WORK);
        }
        let Some((offset, leader_epoch)) = self.append_records(place, id, record, bulk) else { return };
        match acks {
            Acks::Leader => {
                self.acknowledged_alone(place, id, u64::from(bulk).saturating_add(1));
                let offset = Offset(offset);
                self.answer(socket, Answer::Produced { offset, leader_epoch }, timing::LOCAL_WORK);
            }
            Acks::All => {
                self.wait_for_followers(place, id, Waiting { socket, call, offset });
                self.chore(self.now.plus(within), id, Chore::GiveUp(place, call));
            }
        }
        self.plan_replication(place, id);
    }

    fn append_records(
        &mut self,
        place: Place,
        id: BrokerId,
        record: RecordId,
        bulk: u32,
    ) -> Option<(u64, LeaderEpoch)> {
        let partition = self.partition_mut(place)?;
        let replica = partition.replica_mut(id)?;
        let epoch = replica.leading.as_ref()?.epoch;
        replica.log.append(u64::from(bulk));
        let offset = replica.log.end();
        replica.log.append(1);
        partition.records.insert((offset, epoch), record);
        while RECORDS_KEPT < partition.records.len() {
            partition.records.pop_first();
        }
        Some((offset, epoch))
    }

    fn wait_for_followers(&mut self, place: Place, id: BrokerId, waiting: Waiting) {
        let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(id));
        if let Some(leading) = replica.and_then(|replica| replica.leading.as_mut()) {
            leading.waiting.push(waiting);
        }
    }

    /// Tells whether a leader's own count of in-sync replicas reaches the minimum.
    pub(super) fn enough_in_sync(&self, place: Place, id: BrokerId) -> bool {
        let Some(partition) = self.partition(place) else { return false };
        let Some(replica) = partition.replica(id) else { return false };
        let needed = replica.view.min_isr(self.min_isr(partition));
        replica.leading.as_ref().is_some_and(|leading| needed <= leading.isr.len())
    }

    /// Gives what a broker says of a partition that it does not lead: whether there is such a one it reads in its own copy of the
    /// metadata.
    pub(super) fn disowns(&self, id: BrokerId, partition: PartitionId) -> Code {
        let heard = match self.brokers.get(&id).and_then(|broker| broker.view.as_ref()) {
            Some(view) => view.partitions.contains_key(&partition),
            None => self.catalogue.places.contains_key(&partition),
        };
        if heard { Code::NotLeaderOrFollower } else { Code::UnknownTopicOrPartition }
    }

    pub(super) fn leads(&self, place: Place, id: BrokerId) -> bool {
        let replica = self.partition(place).and_then(|partition| partition.replica(id));
        replica.is_some_and(|replica| replica.leading.is_some())
    }

    /// The record stays, but nobody waits for it any more.
    pub(super) fn give_up(&mut self, id: BrokerId, place: Place, call: Call) {
        let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(id));
        let Some(leading) = replica.and_then(|replica| replica.leading.as_mut()) else { return };
        let Some(at) = leading.waiting.iter().position(|waiting| waiting.call == call) else { return };
        let waiting = leading.waiting.remove(at);
        self.answer(waiting.socket, Answer::Refused(Code::RequestTimedOut), timing::PING_WORK);
    }

    /// Moves a leader's high watermark to what every in-sync replica has, and acknowledges what lies below it.
    pub(super) fn advance_watermark(&mut self, place: Place, id: BrokerId) {
        if !self.enough_in_sync(place, id) {
            // KAFKA-15583: below the minimum nothing is committed.
            return;
        }
        let Some(common) = self.partition(place).and_then(|partition| self.common_end(partition, id)) else { return };
        let Some(partition) = self.partition_mut(place) else { return };
        partition.commit(id, common);
        let Some(replica) = partition.replica_mut(id) else { return };
        let Some(leading) = replica.leading.as_mut() else { return };
        if leading.waiting.is_empty() {
            return;
        }
        let leader_epoch = leading.epoch;
        let (done, left) = std::mem::take(&mut leading.waiting).into_iter().partition(|one| one.offset < common);
        leading.waiting = left;
        let done: Vec<Waiting> = done;
        let Some(newest) = done.iter().map(|waiting| waiting.offset.saturating_add(1)).max() else { return };
        let log = replica.log.clone();
        self.note_acknowledged(place, &log, newest);
        for waiting in done {
            let offset = Offset(waiting.offset);
            self.answer(waiting.socket, Answer::Produced { offset, leader_epoch }, timing::PING_WORK);
        }
    }

    /// Remembers up to where a log was acknowledged by all. Where another leader had acknowledged something else, that is lost.
    pub(super) fn note_acknowledged(&mut self, place: Place, log: &Log, newest: u64) {
        let now = self.now;
        let Some(partition) = self.partition_mut(place) else { return };
        let (common, acked) = (partition.acked.common_with(log), partition.acked.end());
        if common < acked.min(newest) {
            let lost = Lost { partition: partition.id, from: common, to: acked, at: now };
            partition.acked.take_from(log, newest);
            self.lost.push(lost);
        } else if acked < newest {
            partition.acked.take_from(log, newest);
        }
    }
}
