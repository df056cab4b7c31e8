//! Replication throttles (KIP-73): how fast copies are made for replicas that are not in sync.
//!
//! A broker has a quota for what it gives as a leader and one for what it takes as a follower; topics say whose copies count.
//! As in `ReplicationQuotaManager` an answer is given whole and counted afterwards, and is forgotten with the window.
//! Deliberately simpler: a changed setting is in force as soon as the controllers have it, and of what goes to those in sync only the
//! steady flows count, not single records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::code::Code;
use super::happening::Chore;
use super::state::{Following, Partition, Place, Registered, Replica};
use super::talk::Answer;
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, PartitionId, TopicId};
use crate::model::time::Timestamp;

/// How fast a broker may be copied from and to. Unit: bytes a second; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rates {
    /// What it gives to followers that are not in sync.
    pub leader: Option<u64>,
    /// What it takes of what it lacks.
    pub follower: Option<u64>,
}

/// Whose copies of a topic count for the quotas of their brokers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Throttled {
    /// Where the leader's quota counts.
    pub leader: Copies,
    /// Where the follower's counts.
    pub follower: Copies,
}

/// Some replicas of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Copies {
    /// None.
    #[default]
    None,
    /// `*`.
    All,
    /// `partition:broker` each.
    Of(BTreeSet<(i32, BrokerId)>),
}

/// A broker's quotas.
#[derive(Debug, Clone, Default)]
pub(super) struct Quotas {
    leader: Quota,
    follower: Quota,
}

/// One quota, and what counts for it.
#[derive(Debug, Clone, Default)]
struct Quota {
    per_s: Option<u64>,
    /// What flows all the time between those in sync, and what it costs to ask. Unit: bytes a second.
    flowing_per_s: u64,
    /// What was copied within the window. Unit: bytes.
    copied: VecDeque<(Timestamp, u64)>,
    /// When counting began, some time after everything before was forgotten.
    began: Timestamp,
}

impl Quota {
    /// Gives when more may be copied, if there is a limit: once what was copied within the window is no more than the rate allows
    /// in the time that was counted.
    fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let left = self.per_s?.saturating_sub(self.flowing_per_s);
        let mut at = now;
        for _ in 0..=self.copied.len() {
            let counted = self.copied.iter().filter(|(copied, _)| at < copied.plus(timing::QUOTA_WINDOW));
            let sum = counted.clone().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
            let Some(needs) = sum.saturating_mul(timing::MICROS_PER_S).checked_div(left).map(Duration::from_micros)
            else {
                // Nothing is left for copies: it stays so until something is changed.
                return Some(now.plus(timing::QUOTA_WINDOW));
            };
            if needs <= self.counted_for(at) {
                return Some(at);
            }
            let enough = self.began.plus(needs.saturating_sub(timing::QUOTA_HEAD_START));
            let forgotten = counted.map(|(copied, _)| copied.plus(timing::QUOTA_WINDOW)).min();
            let in_time = Some(enough).filter(|_| needs <= timing::QUOTA_WINDOW);
            at = in_time.into_iter().chain(forgotten).min().unwrap_or(at);
        }
        Some(at)
    }

    fn counted_for(&self, at: Timestamp) -> Duration {
        at.since(self.began).saturating_add(timing::QUOTA_HEAD_START).min(timing::QUOTA_WINDOW)
    }

    fn charge(&mut self, bytes: u64, now: Timestamp) {
        if self.per_s.is_none() || bytes == 0 {
            return;
        }
        self.copied.retain(|(copied, _)| now < copied.plus(timing::QUOTA_WINDOW));
        if self.copied.is_empty() {
            self.began = now;
        }
        self.copied.push_back((now, bytes));
    }
}

impl Quotas {
    /// A process that ends takes along what it counted; the rates are the cluster's.
    pub(super) fn forget(&mut self) {
        self.leader.copied.clear();
        self.follower.copied.clear();
    }

    fn any(&self) -> bool {
        self.leader.per_s.is_some() || self.follower.per_s.is_some()
    }
}

impl Copies {
    fn cover(&self, partition: PartitionId, broker: BrokerId) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Of(some) => some.contains(&(partition.number, broker)),
        }
    }
}

/// What a follower may take now of what it lacks.
pub(super) enum Share {
    /// All of it.
    Whole,
    /// So many records.
    Part(u64),
    /// Nothing before then.
    Later(Timestamp),
}

/// What one follower takes at one moment, by leader. Unit: bytes that count.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<BrokerId, u64>);

impl Partition {
    /// Tells whether a leader counts a follower as in sync.
    pub(super) fn in_sync_with(&self, leader: BrokerId, follower: BrokerId) -> bool {
        let leading = self.replica(leader).and_then(|replica| replica.leading.as_ref());
        leading.is_some_and(|leading| leading.isr.contains(&follower))
    }
}

impl Kafka {
    fn throttled(&self, partition: PartitionId) -> Option<&Throttled> {
        self.catalogue.topics.get(&partition.topic).map(|topic| &topic.throttled)
    }

    /// Gives when a copy may be made; none where nothing holds it up: a leader lets those in its ISR have everything
    /// (`ReplicaManager.shouldLeaderThrottle`).
    fn held_until(&self, partition: &Partition, follower: BrokerId, leader: &Replica) -> Option<Timestamp> {
        let throttled = self.throttled(partition.id)?;
        let quotas = |id: BrokerId| self.brokers.get(&id).map(|broker| &broker.quotas);
        let in_sync = partition.in_sync_with(leader.broker, follower);
        let given = quotas(leader.broker).map(|quotas| &quotas.leader);
        let given = given.filter(|_| !in_sync && throttled.leader.cover(partition.id, leader.broker));
        let taken = quotas(follower).map(|quotas| &quotas.follower);
        let taken = taken.filter(|_| throttled.follower.cover(partition.id, follower));
        let opens = |quota: &Quota| quota.opens(self.now);
        given.and_then(opens).max(taken.and_then(opens))
    }

    /// Tells whether a copy of what a follower lacks is held up by a quota, used up or not.
    pub(super) fn is_throttled(&self, partition: &Partition, follower: BrokerId, leader: &Replica) -> bool {
        self.held_until(partition, follower, leader).is_some()
    }

    /// Gives up to when a leader holds its high watermark back at a moment, if nothing happens until then: for replicas that are not in
    /// its ISR but may be, and had everything not long ago. It expects them to join (`Partition.shouldWaitForReplicaToJoinIsr`). One
    /// that no quota holds up has joined in a moment.
    pub(super) fn waits_until(&self, partition: &Partition, leader: BrokerId, at: Timestamp) -> Option<Timestamp> {
        let may_join = |one: &&Replica| {
            one.broker != leader
                && matches!(one.following, Following::Throttled(_))
                && self.registry.get(&one.broker).is_some_and(Registered::active)
                && !partition.in_sync_with(leader, one.broker)
        };
        let patience = |one: &Replica| Some(one.level_at?.plus(self.settings.replica_lag_max));
        partition.replicas.iter().filter(may_join).filter_map(patience).filter(|end| at <= *end).max()
    }

    /// Level followers outside the ISR get nothing more for nothing where a quota counts.
    pub(super) fn hold_back(&mut self, place: Place, leader: BrokerId) {
        let Some(partition) = self.partition(place) else { return };
        let Some(source) = partition.replica(leader) else { return };
        if source.leading.as_ref().is_none_or(|leading| partition.replicas.len() <= leading.isr.len()) {
            return;
        }
        if self.brokers.get(&leader).is_some_and(|broker| broker.to_alter.contains(&place)) {
            // Its leader has asked for it: it is in sync in a moment, or turned away.
            return;
        }
        let held = |one: &&Replica| {
            one.is_level_with(leader, source)
                && !partition.in_sync_with(leader, one.broker)
                && one.log.end() < source.log.end()
                && self.is_throttled(partition, one.broker, source)
        };
        let held: Vec<BrokerId> = partition.replicas.iter().filter(held).map(|one| one.broker).collect();
        for id in held {
            self.hold_up(id, &BTreeMap::from([(place, self.now)]));
        }
    }

    /// Gives what a follower may take now: one fetch brings a limited part of each partition, and so much of all.
    pub(super) fn share(&self, place: Place, id: BrokerId, leader: BrokerId, taken: &mut Taken) -> Share {
        let Some(partition) = self.partition(place) else { return Share::Whole };
        let Some((source, own)) = partition.replica(leader).zip(partition.replica(id)) else { return Share::Whole };
        let missing = source.log.end().saturating_sub(own.log.end());
        let held = self.held_until(partition, id, source).filter(|_| missing != 0);
        let Some(opens) = held else { return Share::Whole };
        if self.now < opens {
            return Share::Later(opens);
        }
        let brought = taken.0.entry(leader).or_default();
        let room = timing::FETCH_MAX.saturating_sub(*brought).min(timing::FETCH_PARTITION_MAX);
        let records = missing.min(room / timing::BYTES_PER_RECORD);
        *brought = brought.saturating_add(records.saturating_mul(timing::BYTES_PER_RECORD));
        match records {
            0 => Share::Later(self.now.plus(timing::NEXT_FETCH)),
            _ if records == missing => Share::Whole,
            _ => Share::Part(records),
        }
    }

    /// Enters what a follower has taken, on both sides.
    pub(super) fn charge(&mut self, follower: BrokerId, taken: &Taken) {
        let now = self.now;
        for (leader, bytes) in &taken.0 {
            if let Some(broker) = self.brokers.get_mut(leader) {
                broker.quotas.leader.charge(*bytes, now);
            }
        }
        let all = taken.0.values().fold(0, |all: u64, bytes| all.saturating_add(*bytes));
        if let Some(broker) = self.brokers.get_mut(&follower) {
            broker.quotas.follower.charge(all, now);
        }
    }

    /// Looks what flows anyway where a quota counts it: what goes to those in sync is not held up, but uses it up.
    pub(super) fn count_flows(&mut self) {
        let limited: Vec<BrokerId> =
            self.brokers.iter().filter(|(_, broker)| broker.quotas.any()).map(|(id, _)| *id).collect();
        for id in limited {
            let given = self.flowing(id, |per_s, partition, throttled| {
                let led = partition.state.leader == Some(id) && throttled.leader.cover(partition.id, id);
                let level = partition.replicas.iter().filter(|one| one.following == Following::Level).count();
                if led { per_s.saturating_mul(u64::try_from(level).unwrap_or(u64::MAX)) } else { 0 }
            });
            let taken = self.flowing(id, |per_s, partition, throttled| {
                let level = partition.replica(id).is_some_and(|one| one.following == Following::Level);
                if level && throttled.follower.cover(partition.id, id) { per_s } else { 0 }
            });
            if let Some(broker) = self.brokers.get_mut(&id) {
                broker.quotas.leader.flowing_per_s = given.saturating_add(timing::ASKING_PER_S);
                broker.quotas.follower.flowing_per_s = taken.saturating_add(timing::ASKING_PER_S);
            }
        }
    }

    /// Gives what flows through a broker's partitions. Unit: bytes a second.
    fn flowing(&self, id: BrokerId, counts: impl Fn(u64, &Partition, &Throttled) -> u64) -> u64 {
        let Some(broker) = self.brokers.get(&id) else { return 0 };
        let partitions = broker.hosted.iter().filter_map(|place| self.partition(*place));
        let flow = |partition: &Partition| {
            let records = partition.flow.acks_all_per_s.saturating_add(partition.flow.acks_one_per_s);
            let per_s = u64::from(records).saturating_mul(timing::BYTES_PER_RECORD);
            self.throttled(partition.id).map_or(0, |throttled| counts(per_s, partition, throttled))
        };
        partitions.map(flow).fold(0, u64::saturating_add)
    }

    /// Lets a follower go on once a quota allows it.
    pub(super) fn hold_up(&mut self, id: BrokerId, held: &BTreeMap<Place, Timestamp>) {
        let (now, lag_max) = (self.now, self.settings.replica_lag_max);
        for (place, until) in held {
            let Some(partition) = self.partition_mut(*place) else { continue };
            let leader = partition.state.leader;
            let Some(replica) = partition.replica_mut(id) else { continue };
            let before = std::mem::replace(&mut replica.following, Following::Throttled(*until));
            if before == Following::Level {
                replica.level_at = Some(now);
            }
            // Its leader waits for it so long; the end of that is nobody's doing, so it is looked at twice.
            let patience = replica.level_at.map(|at| at.plus(lag_max)).filter(|end| now <= *end);
            let begins = !matches!(before, Following::Throttled(_));
            if let Some((leader, patience)) = leader.zip(patience).filter(|_| begins) {
                self.chore(patience, leader, Chore::Replicated(*place));
                self.chore(patience.plus(timing::NEXT_FETCH), leader, Chore::Replicated(*place));
            }
        }
        let mut moments: Vec<Timestamp> = held.values().copied().collect();
        moments.sort_unstable();
        moments.dedup();
        for at in moments {
            self.chore(at, id, Chore::CaughtUp);
        }
    }

    /// Gives when a follower that has taken a part may take the next.
    pub(super) fn next_share(&self, place: Place, id: BrokerId, leader: BrokerId) -> Timestamp {
        let soon = self.now.plus(timing::NEXT_FETCH);
        let opens = self.partition(place).and_then(|partition| {
            let source = partition.replica(leader)?;
            self.held_until(partition, id, source)
        });
        opens.map_or(soon, |opens| opens.max(soon))
    }

    /// Whoever waits for a quota looks again: it may have changed, or hold nothing up any more.
    fn look_again(&mut self) {
        let at = self.now.plus(timing::NEXT_FETCH);
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        for id in ids {
            let (mut held, mut free) = (BTreeMap::new(), Vec::new());
            for place in self.hosted(id) {
                let Some(partition) = self.partition(place) else { continue };
                let waits = |one: &&Replica| matches!(one.following, Following::Throttled(_));
                let Some(follower) = partition.replica(id).filter(waits) else { continue };
                let source = partition.source_of(follower);
                if source.is_some_and(|source| self.is_throttled(partition, id, source)) {
                    held.insert(place, at);
                } else {
                    free.push(place);
                }
            }
            self.hold_up(id, &held);
            for place in &free {
                if let Some(replica) = self.partition_mut(*place).and_then(|partition| partition.replica_mut(id)) {
                    replica.following = Following::Not;
                }
            }
            self.reassess(&free, timing::FOLLOW);
        }
    }

    pub(super) fn set_rates(&mut self, id: BrokerId, rates: Rates) -> (Answer, usize) {
        if !self.registry.contains_key(&id) {
            return (Answer::Refused(Code::BrokerIdNotRegistered), 0);
        }
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.quotas.leader.per_s = rates.leader;
            broker.quotas.follower.per_s = rates.follower;
        }
        self.append(Vec::new(), 2);
        self.count_flows();
        self.look_again();
        (Answer::Done, 2)
    }

    pub(super) fn set_throttled(&mut self, id: TopicId, throttled: &Throttled) -> (Answer, usize) {
        let Some(topic) = self.catalogue.topics.get_mut(&id) else {
            return (Answer::Refused(Code::UnknownTopicOrPartition), 0);
        };
        topic.throttled.clone_from(throttled);
        self.append(Vec::new(), 2);
        self.count_flows();
        self.look_again();
        (Answer::Done, 2)
    }
}
