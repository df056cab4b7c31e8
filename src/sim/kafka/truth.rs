//! What is really so in the pretended cluster, for checks and printing: no asker can know it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Kafka;
use super::change::State;
use super::combined::Harm;
use super::fault::{FaultKind, Path, Target};
use super::past::KEPT_FOR;
pub use super::state::Lost;
use super::state::{Disk, Existence, Partition, Process, Registered};
use super::talk::{Acks, Asker, RecordId};
use crate::model::ids::{BrokerEpoch, BrokerId, ControllerId, LeaderEpoch, Offset, PartitionId, TopicId};
use crate::model::time::Timestamp;
use crate::model::topology::{self, Standing};

/// A look at everything.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    pub(super) kafka: &'a Kafka,
}

/// A registration as the active controller has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredTruth {
    /// The broker's life.
    pub epoch: BrokerEpoch,
    /// Where it stands.
    pub standing: Standing,
}

/// A partition as the metadata log has it, with what each replica really holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTruth {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Counts every change.
    pub partition_epoch: u32,
    /// The replicas in order.
    pub replicas: Vec<BrokerId>,
    /// Who is in sync, in Kafka's order.
    pub isr: Vec<BrokerId>,
    /// Who is eligible though not in sync.
    pub elr: Vec<BrokerId>,
    /// Who is to come.
    pub adding: Vec<BrokerId>,
    /// Who is to go.
    pub removing: Vec<BrokerId>,
    /// Each replica's log end and high watermark.
    pub logs: BTreeMap<BrokerId, (Offset, Offset)>,
}

/// What a client that knows a partition's leader cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Of which partition.
    pub partition: PartitionId,
    /// The weakest acks that fails.
    pub weakest: Acks,
    /// The last moment of it, if nothing happens; none where it lasts until something does.
    pub until: Option<Timestamp>,
}

impl Truth<'_> {
    /// Gives every topic with its name.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &str)> {
        self.kafka.catalogue.topics.iter().map(|(id, topic)| (*id, topic.name.as_str()))
    }

    /// Gives every partition that exists.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.kafka.catalogue.places.keys().copied()
    }

    /// Gives one partition.
    ///
    /// Contract: log ends are as of the last event that touched the partition; records that flow meanwhile come with the next.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<PartitionTruth> {
        let partition = self.find(id)?;
        let state = &partition.state;
        let log = |replica: &super::state::Replica| (Offset(replica.log.end()), Offset(replica.high_watermark));
        Some(PartitionTruth {
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            replicas: state.replicas.clone(),
            isr: state.isr.clone(),
            elr: state.elr.clone(),
            adding: state.adding.clone(),
            removing: state.removing.clone(),
            logs: partition.replicas.iter().map(|replica| (replica.broker, log(replica))).collect(),
        })
    }

    /// Gives who leads a partition, if somebody does.
    #[must_use]
    pub fn leader(&self, id: PartitionId) -> Option<BrokerId> {
        self.find(id)?.state.leader
    }

    /// Gives a partition's replicas in order.
    #[must_use]
    pub fn replicas(&self, id: PartitionId) -> Option<&[BrokerId]> {
        Some(self.find(id)?.state.replicas.as_slice())
    }

    /// Gives who is in sync of a partition, in Kafka's order.
    #[must_use]
    pub fn isr(&self, id: PartitionId) -> Option<&[BrokerId]> {
        Some(self.find(id)?.state.isr.as_slice())
    }

    /// Gives how many of a partition must be in sync for acks=all, capped at its replicas as Kafka does.
    #[must_use]
    pub fn min_isr(&self, id: PartitionId) -> Option<usize> {
        let partition = self.find(id)?;
        Some(partition.state.min_isr(self.kafka.min_isr(partition)))
    }

    /// Gives the registrations.
    #[must_use]
    pub fn registrations(&self) -> BTreeMap<BrokerId, RegisteredTruth> {
        self.kafka.registry.iter().map(|(id, one)| (*id, told(one))).collect()
    }

    /// Gives one broker's registration, if it has one.
    #[must_use]
    pub fn registration(&self, id: BrokerId) -> Option<RegisteredTruth> {
        self.kafka.registry.get(&id).map(told)
    }

    /// Gives how many brokers are registered.
    #[must_use]
    pub fn brokers_registered(&self) -> usize {
        self.kafka.registry.len()
    }

    /// Gives the controller that is active and can do something.
    #[must_use]
    pub fn active_controller(&self) -> Option<ControllerId> {
        self.kafka.ruling()
    }

    /// Gives the end of the metadata log.
    #[must_use]
    pub fn metadata_end(&self) -> Offset {
        Offset(self.kafka.log_end)
    }

    /// Gives up to where a broker has read the metadata log.
    #[must_use]
    pub fn metadata_read(&self, id: BrokerId) -> Option<Offset> {
        self.kafka.position(id).map(|position| position.log_end)
    }

    /// Gives the broker in the process that a target names, if there is one.
    #[must_use]
    pub fn broker_named(&self, target: Target) -> Option<BrokerId> {
        match self.kafka.process_named(target) {
            Target::Broker(id) => Some(id),
            Target::Controller(_) | Target::Tanist(_) => None,
        }
    }

    /// Gives the controller that a fault of a broker strikes as well, as it is in the same process.
    #[must_use]
    pub fn controller_struck(&self, kind: FaultKind, id: BrokerId) -> Option<ControllerId> {
        self.kafka.controller_of(id).filter(|_| Harm::of(kind).is_some())
    }

    /// Gives for how long a broker has read the metadata log without a break; none where it does not.
    #[must_use]
    pub fn reads_for(&self, id: BrokerId) -> Option<Duration> {
        let (since, now) = (self.kafka.brokers.get(&id)?.reads_since?, self.kafka.now);
        (since <= now).then(|| now.since(since))
    }

    /// Tells whether a partition had a broker, or nobody at all, in sync at some moment since then: as the metadata log has it, or
    /// as a broker believed that had not read it.
    ///
    /// Contract: where nobody can tell any more, as for a partition that is gone, it counts as if it had.
    #[must_use]
    pub fn was_in_sync(&self, id: PartitionId, broker: BrokerId, since: Timestamp) -> bool {
        let Some(place) = self.kafka.catalogue.places.get(&id).copied() else { return true };
        let fits = |state: &State| state.isr.is_empty() || state.isr.contains(&broker);
        if self.kafka.existing(place).is_none_or(|partition| fits(&partition.state)) {
            return true;
        }
        let seemed = |one: &topology::Partition| one.isr.is_empty() || one.isr.contains(&broker);
        let mut views = self.kafka.brokers.values().filter_map(|one| one.view.as_ref()?.partitions.get(&id));
        let oldest = self.kafka.past.oldest_belief(since);
        views.any(seemed) || oldest.plus(KEPT_FOR) < self.kafka.now || self.kafka.past.of(place, oldest).any(fits)
    }

    /// Gives how much waits on the longest line of each asker that has one: what it sent and nobody serves, and answers that are
    /// held up.
    #[must_use]
    pub fn longest_lines(&self) -> BTreeMap<Asker, usize> {
        let mut longest = BTreeMap::new();
        for one in self.kafka.connections.values() {
            let waits = one.sent.len().saturating_add(one.inbox.len()).saturating_add(one.held.len());
            let most: &mut usize = longest.entry(one.line.from).or_default();
            *most = waits.max(*most);
        }
        longest
    }

    /// Tells whether a broker leads any partition.
    #[must_use]
    pub fn leads(&self, id: BrokerId) -> bool {
        let led = |one: &Partition| one.standing == Existence::Exists && one.state.leader == Some(id);
        self.kafka.partitions.iter().any(led)
    }

    /// Tells whether a broker's process runs, serves, and its disk answers.
    #[must_use]
    pub fn works(&self, id: BrokerId) -> bool {
        self.kafka.brokers.get(&id).is_some_and(|broker| broker.works() && broker.disk != Disk::Blocked)
    }

    /// Tells whether a broker has a process at all, running or stopped.
    #[must_use]
    pub fn has_process(&self, id: BrokerId) -> bool {
        self.kafka.brokers.get(&id).is_some_and(|broker| broker.process != Process::Dead)
    }

    /// Tells whether a client that comes along `path` and knows the leader could write now.
    #[must_use]
    pub fn serves(&self, id: PartitionId, acks: Acks, path: Path) -> bool {
        let serving = self.find(id).and_then(|partition| self.kafka.serving_along(path, partition));
        match acks {
            Acks::Leader => serving.is_some(),
            Acks::All => serving.is_some_and(|(_, all)| all),
        }
    }

    /// Gives each partition to which a client that knows the leader could not write with acks=all at a moment, if nothing happens until
    /// then.
    pub fn refusing(&self, at: Timestamp) -> impl Iterator<Item = Refusal> {
        let kafka = self.kafka;
        let existing = kafka.partitions.iter().filter(|partition| partition.standing == Existence::Exists);
        existing.filter_map(move |partition| kafka.refuses(partition, at))
    }

    /// Gives how many records were acknowledged with acks=all up to now, those included that were lost afterwards.
    #[must_use]
    pub fn acknowledged_records(&self) -> u64 {
        let kept = self.kafka.partitions.iter().map(|partition| self.kafka.acknowledged_by_now(partition));
        kept.fold(self.lost_records(), u64::saturating_add)
    }

    /// Gives how many records were acknowledged with acks=all and are in the log of no leader any more.
    #[must_use]
    pub fn lost_records(&self) -> u64 {
        self.lost().iter().map(|lost| lost.to.saturating_sub(lost.from)).fold(0, u64::saturating_add)
    }

    /// Gives what was acknowledged with acks=all and is in the log of no leader any more, in the order in which it was lost.
    #[must_use]
    pub fn lost(&self) -> &[Lost] {
        &self.kafka.lost
    }

    /// Gives how many records were lost that a leader alone had acknowledged (acks=1), as may happen; those below the high watermark
    /// are not among them: only an unclean election loses one.
    #[must_use]
    pub fn lost_alone(&self) -> u64 {
        self.kafka.lost_alone
    }

    /// Gives the newest record of a partition that is known to be acknowledged with acks=all: where it is, and whose epoch wrote it.
    #[must_use]
    pub fn newest_acknowledged(&self, id: PartitionId) -> Option<(Offset, LeaderEpoch)> {
        let acked = &self.find(id)?.acked;
        let last = acked.end().checked_sub(1)?;
        Some((Offset(last), acked.epoch_at(last)?))
    }

    /// Gives up to where a partition's records were acknowledged with acks=all.
    #[must_use]
    pub fn acknowledged(&self, id: PartitionId) -> Option<Offset> {
        self.find(id).map(|partition| Offset(partition.acked.end()))
    }

    /// Gives the single records that a partition's leader holds, with where they are.
    #[must_use]
    pub fn records(&self, id: PartitionId) -> Vec<(Offset, RecordId)> {
        let Some(partition) = self.find(id) else { return Vec::new() };
        let Some(log) = partition.state.leader.and_then(|leader| partition.replica(leader)).map(|one| &one.log) else {
            return Vec::new();
        };
        let held = partition.records.iter().filter(|((at, epoch), _)| log.epoch_at(*at) == Some(*epoch));
        held.map(|((at, _), record)| (Offset(*at), *record)).collect()
    }

    fn find(&self, id: PartitionId) -> Option<&Partition> {
        self.kafka.existing(*self.kafka.catalogue.places.get(&id)?)
    }
}

fn told(one: &Registered) -> RegisteredTruth {
    RegisteredTruth { epoch: one.epoch, standing: one.standing() }
}
