//! Followers that lack something: who can fetch from whom, and when it has everything.

use std::collections::BTreeMap;
use std::time::Duration;

use super::happening::Chore;
use super::state::{Broker, Disk, Following, Partition, Place, Replica};
use super::throttle::{Share, Taken};
use super::{Kafka, timing};
use crate::model::ids::BrokerId;

impl Kafka {
    /// Tells whether a follower can fetch from its leader now.
    fn can_fetch(&self, partition: &Partition, follower: &Replica) -> bool {
        // A leader that has not heard of a new replica does not serve it.
        let knows = |source: &&Replica| source.view.replicas.contains(&follower.broker);
        let Some(source) = partition.source_of(follower).filter(knows) else { return false };
        let pulls = |broker: &Broker| broker.works() && broker.disk != Disk::Blocked;
        let gives = |broker: &Broker| broker.works() && broker.replication.is_none();
        self.brokers.get(&follower.broker).is_some_and(pulls) && self.brokers.get(&source.broker).is_some_and(gives)
    }

    /// Looks again who can fetch from whom; who can do so anew is level after a draw from `range`, and what it lacks.
    pub(super) fn reassess(&mut self, places: &[Place], range: timing::Range) {
        let mut beginning: BTreeMap<BrokerId, (Vec<Place>, u64)> = BTreeMap::new();
        for place in places {
            let Some(partition) = self.partition(*place) else { continue };
            let mut lost = Vec::new();
            for follower in partition.replicas.iter().filter(|replica| replica.leading.is_none()) {
                match (follower.following, self.can_fetch(partition, follower)) {
                    (Following::Not, true) => {
                        // What a quota holds up is counted when it is fetched.
                        let free = |source: &&Replica| !self.is_throttled(partition, follower.broker, source);
                        let source = partition.source_of(follower).filter(free);
                        let missing = source.map_or(0, |source| source.log.end().saturating_sub(follower.log.end()));
                        let (list, all) = beginning.entry(follower.broker).or_default();
                        list.push(*place);
                        *all = all.saturating_add(missing);
                    }
                    (Following::Until(_) | Following::Throttled(_) | Following::Level, false) => {
                        lost.push(follower.broker)
                    }
                    (Following::Not, false) | (_, true) => {}
                }
            }
            let now = self.now;
            let Some(partition) = self.partition_mut(*place) else { continue };
            for replica in partition.replicas.iter_mut().filter(|replica| lost.contains(&replica.broker)) {
                replica.stop_following(now);
            }
        }
        for (id, (places, missing)) in beginning {
            let micros = missing.saturating_mul(timing::MICROS_PER_S) / timing::CATCH_UP_PER_S;
            let level = self.soon(range).plus(Duration::from_micros(micros));
            for place in places {
                let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(id));
                if let Some(replica) = replica {
                    replica.following = Following::Until(level);
                }
            }
            self.chore(level, id, Chore::CaughtUp);
        }
    }

    /// Followers on this broker that have fetched long enough have everything, or what their quotas allow.
    pub(super) fn caught_up(&mut self, id: BrokerId) {
        let now = self.now;
        self.count_flows();
        let mut taken = Taken::default();
        let (mut parts, mut held) = (Vec::new(), BTreeMap::new());
        for place in self.hosted(id) {
            let due = |replica: &&Replica| matches!(replica.following, Following::Until(at) | Following::Throttled(at) if at <= now);
            let Some(partition) = self.partition(place) else { continue };
            let Some(follower) = partition.replica(id).filter(due) else { continue };
            let source = partition.source_of(follower).filter(|_| self.can_fetch(partition, follower));
            let source = source.map(|source| source.broker);
            let Some(leader) = source else {
                if let Some(replica) = self.partition_mut(place).and_then(|partition| partition.replica_mut(id)) {
                    replica.following = Following::Not;
                }
                continue;
            };
            self.settle(place);
            match self.share(place, id, leader, &mut taken) {
                Share::Whole => self.has_everything(place, id, leader),
                Share::Part(records) => {
                    self.has_a_part(place, id, leader, records);
                    parts.push((place, leader));
                }
                Share::Later(at) => {
                    held.insert(place, at);
                }
            }
        }
        self.charge(id, &taken);
        held.extend(parts.into_iter().map(|(place, leader)| (place, self.next_share(place, id, leader))));
        self.hold_up(id, &held);
    }

    fn has_everything(&mut self, place: Place, id: BrokerId, leader: BrokerId) {
        let now = self.now;
        let Some(partition) = self.partition_mut(place) else { return };
        let known = partition.in_sync_with(leader, id);
        let source = partition.replica(leader).map(|replica| (replica.log.clone(), replica.high_watermark));
        let Some((log, high_watermark)) = source else { return };
        if let Some(replica) = partition.replica_mut(id) {
            replica.log.follow(&log);
            replica.high_watermark = high_watermark;
            replica.following = Following::Level;
            replica.level_at = Some(now);
        }
        self.advance_watermark(place, leader);
        if !known {
            self.want_alter(place, leader);
        }
    }

    /// It drops what its leader does not have, and takes so much of what comes next.
    fn has_a_part(&mut self, place: Place, id: BrokerId, leader: BrokerId, records: u64) {
        let Some(partition) = self.partition_mut(place) else { return };
        let source = partition.replica(leader).map(|replica| (replica.log.clone(), replica.high_watermark));
        let Some(((log, high_watermark), replica)) = source.zip(partition.replica_mut(id)) else { return };
        let common = replica.log.common_with(&log);
        replica.log.take_from(&log, common.saturating_add(records));
        replica.high_watermark = high_watermark.min(replica.log.end());
    }
}
