//! The in-sync replicas: a leader drops who lags, takes in who is level and may be in sync, and asks the controller for it.

use std::sync::Arc;
use std::time::Duration;

use super::change::{Change, State};
use super::happening::Chore;
use super::state::{Disk, Following, Gate, Partition, Place, Registered};
use super::{Kafka, timing};
use crate::model::ids::BrokerId;
use crate::model::time::Timestamp;

impl Partition {
    /// Gives the members of a leader's ISR that had not everything for too long. A follower of a leader that gained nothing
    /// lacks nothing, however long it has been silent.
    fn lagging(&self, leader: BrokerId, lag_max: Duration, now: Timestamp) -> Vec<BrokerId> {
        let Some(own) = self.replica(leader) else { return Vec::new() };
        let Some(leading) = own.leading.as_ref() else { return Vec::new() };
        let lags = |member: &BrokerId| match self.replica(*member) {
            Some(follower) => {
                follower.following != Following::Level
                    && follower.log.end() != own.log.end()
                    && follower.level_at.is_none_or(|at| lag_max < now.since(at))
            }
            // It never made a replica of it: it has nothing, and its time counts from the leader's election on.
            None => own.log.end() != 0 && own.level_at.is_none_or(|at| lag_max < now.since(at)),
        };
        leading.isr.iter().filter(|member| **member != leader && lags(member)).copied().collect()
    }
}

impl Kafka {
    pub(super) fn want_alter(&mut self, place: Place, leader: BrokerId) {
        let Some(broker) = self.brokers.get_mut(&leader) else { return };
        let first = broker.to_alter.is_empty();
        broker.to_alter.insert(place);
        if first {
            self.plan_alter(leader);
        }
    }

    pub(super) fn plan_alter(&mut self, leader: BrokerId) {
        let at = self.soon(timing::ALTER);
        self.chore(at, leader, Chore::Alter);
    }

    /// A leader's wishes reach the controller, or wait until they can.
    pub(super) fn alter(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers.get(&id) else { return };
        let shut = self.way_to_active(id) != Gate::Open || broker.disk == Disk::Blocked || !broker.works();
        if shut || self.ruling().is_none() || self.registry.get(&id).map(|one| one.epoch) != broker.epoch {
            return;
        }
        let places = self.brokers.get_mut(&id).map(|broker| std::mem::take(&mut broker.to_alter)).unwrap_or_default();
        let mut changes = Vec::new();
        for place in places {
            self.settle(place);
            if let Some(state) = self.altered(place, id) {
                changes.push((place, state));
            }
        }
        if changes.is_empty() {
            return;
        }
        let places: Vec<Place> = changes.iter().map(|(place, _)| *place).collect();
        self.append(changes, 0);
        // The answer tells the leader at once, before it reads it in the log.
        for place in places {
            let Some(state) = self.partition(place).map(|partition| Arc::clone(&partition.state)) else { continue };
            let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(id));
            let leading = replica.and_then(|replica| replica.leading.as_mut());
            if let Some(leading) = leading.filter(|leading| leading.epoch == state.leader_epoch) {
                leading.hear(&state);
            }
            self.advance_watermark(place, id);
        }
    }

    /// Gives what becomes of a partition whose leader asks for another ISR; none where the controller refuses, or nothing is
    /// to be changed.
    fn altered(&self, place: Place, id: BrokerId) -> Option<State> {
        let partition = self.existing(place)?;
        let own = partition.replica(id)?;
        let leading = own.leading.as_ref()?;
        let state = &partition.state;
        if state.leader != Some(id) || state.leader_epoch != leading.epoch {
            return None;
        }
        let lagging = partition.lagging(id, self.settings.replica_lag_max, self.now);
        let eligible = |one: &BrokerId| self.registry.get(one).is_some_and(Registered::active);
        let joins = |one: &BrokerId| {
            let level = partition.replica(*one).is_some_and(|replica| replica.is_level_with(id, own));
            !state.isr.contains(one) && level && eligible(one)
        };
        let stays = state.isr.iter().filter(|one| !lagging.contains(one));
        let isr: Vec<BrokerId> = stays.chain(state.replicas.iter().filter(|one| joins(one))).copied().collect();
        if isr.iter().any(|one| !eligible(one)) {
            // INELIGIBLE_REPLICA: the leader asks again once it knows better.
            return None;
        }
        let acceptable = |one: BrokerId| eligible(&one);
        Change::of(state, self.rules(partition, &acceptable)).with_isr(isr).build()
    }

    /// An unfenced broker's fetches show leaders that it is level and may be in sync.
    pub(super) fn show(&mut self, id: BrokerId) {
        for place in self.hosted(id) {
            let Some(partition) = self.partition(place) else { continue };
            let Some(follower) = partition.replica(id).filter(|one| one.following == Following::Level) else {
                continue;
            };
            let Some(source) = partition.source_of(follower) else { continue };
            let out = source.leading.as_ref().is_some_and(|leading| !leading.isr.contains(&id));
            let leader = source.broker;
            if out {
                self.want_alter(place, leader);
            }
        }
    }

    /// Gives how long it is from one look for who lags to the next.
    pub(super) fn lag_check(&self) -> Duration {
        self.settings.replica_lag_max / timing::LAG_CHECKS
    }

    pub(super) fn check_lag(&mut self, id: BrokerId) {
        self.chore(self.now.plus(self.lag_check()), id, Chore::CheckLag);
        let blocked = |broker: &super::state::Broker| broker.disk == Disk::Blocked || !broker.works();
        if self.brokers.get(&id).is_none_or(blocked) {
            return;
        }
        let (now, lag_max) = (self.now, self.settings.replica_lag_max);
        for place in self.hosted(id) {
            // What flows decides who lags; a partition whose followers are all level needs no look.
            let quiet = |partition: &Partition| partition.end_in_sync(id).is_some() || partition.leads_not(id);
            if self.partition(place).is_none_or(quiet) {
                continue;
            }
            self.settle(place);
            let lagging = self.partition(place).map(|partition| partition.lagging(id, lag_max, now));
            if lagging.is_some_and(|lagging| !lagging.is_empty()) {
                self.want_alter(place, id);
            }
        }
    }
}

impl Partition {
    fn leads_not(&self, id: BrokerId) -> bool {
        self.replica(id).is_none_or(|replica| replica.leading.is_none())
    }
}
