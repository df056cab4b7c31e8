//! Registrations: how a broker comes in, proves that it lives, is fenced, leaves in order and is struck off.

use std::time::Duration;

use super::Kafka;
use super::change::{Change, State};
use super::fault::Way;
use super::happening::Chore;
use super::plan::{Switch, Version};
use super::state::{Disk, Ended, Existence, Fence, Gate, Leaving, Life, Owed, Phase, Place, Registered};
use super::timing;
use crate::model::ids::{BrokerEpoch, BrokerId};

/// Why a broker goes out of ISRs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Out {
    /// It is fenced, or leaves in order.
    Fenced,
    /// It came back after it had not shut down in order: what it had may be gone.
    Unclean,
    /// It is struck off.
    Unregistered,
}

impl Kafka {
    pub(super) fn places(&self) -> Vec<Place> {
        let there =
            |(at, one): (usize, &super::state::Partition)| (one.standing == Existence::Exists).then_some(Place(at));
        self.partitions.iter().enumerate().filter_map(there).collect()
    }

    /// A starting process tries to register.
    pub(super) fn register(&mut self, id: BrokerId, attempt: u32) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.disk == Disk::Blocked {
            // It hangs while it reads its log.
            let again = self.now.plus(timing::PULSE);
            return self.chore(again, id, Chore::Register(attempt));
        }
        if broker.phase != Phase::Starting {
            return;
        }
        let life = broker.life;
        let reaches = self.way_to_active(id) == Gate::Open;
        if !reaches || self.ruling().is_none() || self.session_of_another(id, life) {
            let again = self.now.plus(self.register_backoff(attempt));
            return self.chore(again, id, Chore::Register(attempt.saturating_add(1)));
        }
        let unclean = broker_ended(self, id) == Ended::Uncleanly;
        let counts = self.version != Version::V3_9 && self.settings.elr == Switch::On;
        // The registration itself fences: an old one that was not yet is out of every ISR by this record.
        let still_in = self.registry.get(&id).is_some_and(|one| one.fenced == Fence::Down);
        let changes = match (unclean && counts, still_in) {
            (true, _) => self.without(id, Out::Unclean),
            (false, true) => self.without(id, Out::Fenced),
            (false, false) => Vec::new(),
        };
        self.pin_views();
        let epoch = BrokerEpoch(i64::try_from(self.log_end).unwrap_or(i64::MAX));
        let contact = Some(self.now);
        let registered = Registered { epoch, life, fenced: Fence::Up, leaving: Leaving::No, contact, read_to: 0 };
        self.registry.insert(id, registered);
        self.append(changes, 1);
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.epoch = Some(epoch);
            broker.phase = Phase::CatchingUp;
        }
        self.reassess_reading(id, timing::OVERDUE);
        let at = self.soon(timing::CATCH_UP_METADATA);
        self.chore(at, id, Chore::Loaded);
    }

    /// Gives how long a broker that could not register waits before it tries again.
    fn register_backoff(&self, attempt: u32) -> Duration {
        match self.version {
            Version::V3_9 => {
                let backoff = timing::REGISTER_BACKOFF.saturating_mul(2_u32.saturating_pow(attempt));
                backoff.min(self.settings.session_timeout)
            }
            Version::V4_1 | Version::V4_3 => self.settings.heartbeat_interval,
        }
    }

    /// Tells whether another process of that broker is thought to live (`DUPLICATE_BROKER_REGISTRATION`). In 3.9 a fenced one
    /// is not.
    fn session_of_another(&self, id: BrokerId, life: Life) -> bool {
        let Some(registered) = self.registry.get(&id).filter(|registered| registered.life != life) else {
            return false;
        };
        let session = self.settings.session_timeout;
        let holds = registered.contact.is_some_and(|contact| self.now < contact.plus(session));
        match self.version {
            Version::V3_9 => holds && registered.fenced == Fence::Down,
            Version::V4_1 | Version::V4_3 => holds,
        }
    }

    /// A starting broker has read the metadata log: it knows what it leads and follows, and listens.
    pub(super) fn loaded(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.reads_since.is_none() {
            let again = self.now.plus(timing::PULSE);
            return self.chore(again, id, Chore::Loaded);
        }
        broker.phase = Phase::Up;
        broker.queue.clear();
        broker.ended = Ended::Uncleanly;
        self.forget_view(id);
        for place in self.hosted(id) {
            let kept = self.existing(place).is_some_and(|partition| partition.state.replicas.contains(&id));
            if !kept {
                // Set aside as a stray: nobody reads it again.
                self.drop_replica(place, id);
            }
        }
        let mut own = Vec::new();
        for place in self.places() {
            let Some(state) = self.partition(place).map(|partition| std::sync::Arc::clone(&partition.state)) else {
                continue;
            };
            if state.replicas.contains(&id) {
                self.become_what_it_says(place, id, &state);
                own.push(place);
            }
        }
        self.reassess(&own, timing::FOLLOW);
        let beat = self.soon(timing::HEARTBEAT);
        self.chore(beat, id, Chore::Beat);
        self.first_check_of_lag(id);
    }

    /// A broker's heartbeat.
    pub(super) fn beat(&mut self, id: BrokerId) {
        let interval = self.settings.heartbeat_interval;
        let (ruling, way) = (self.ruling().is_some(), self.way_to_active(id));
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.phase != Phase::Up {
            return;
        }
        let heard = ruling && way.lets_in();
        if !heard || !way.lets_out() {
            broker.owes_heartbeat = Owed::Yes;
        } else {
            let next = self.now.plus(interval);
            self.chore(next, id, Chore::Beat);
        }
        if heard {
            self.hear_heartbeat(id);
        }
    }

    fn hear_heartbeat(&mut self, id: BrokerId) {
        let now = self.now;
        let epoch = self.brokers.get(&id).and_then(|broker| broker.epoch);
        let read_to = self.position(id).map_or(0, |position| position.log_end.0);
        // STALE_BROKER_EPOCH otherwise: the process goes on asking for ever.
        let Some(registered) = self.registry.get_mut(&id).filter(|one| Some(one.epoch) == epoch) else { return };
        registered.contact = Some(now);
        registered.read_to = read_to;
        let own = u64::try_from(registered.epoch.0).unwrap_or(0);
        if registered.fenced == Fence::Up && registered.leaving == Leaving::No && own < read_to {
            self.unfence(id);
        }
    }

    fn unfence(&mut self, id: BrokerId) {
        self.pin_views();
        if let Some(registered) = self.registry.get_mut(&id) {
            registered.fenced = Fence::Down;
        }
        let mut changes = Vec::new();
        for place in self.places() {
            let Some(partition) = self.partition(place).filter(|one| one.state.leader.is_none()) else { continue };
            let acceptable = |one: BrokerId| self.registry.get(&one).is_some_and(Registered::active);
            let change = Change::of(&partition.state, self.rules(partition, &acceptable)).electing(self.own_election());
            changes.extend(change.build().map(|state| (place, state)));
        }
        self.append(changes, 1);
        let shown = self.soon(timing::EXPAND);
        self.chore(shown, id, Chore::Show);
    }

    /// Fences a broker: out of every ISR, others elected in the same records.
    pub(super) fn fence(&mut self, id: BrokerId) {
        self.pin_views();
        let Some(registered) = self.registry.get_mut(&id) else { return };
        registered.fenced = Fence::Up;
        let changes = self.without(id, Out::Fenced);
        self.append(changes, 1);
    }

    /// The heartbeat that asks to be fenced, in whoever's name; gives whether the epoch was right. 4.x takes it as a sign of
    /// life as well, so that a new process waits for that session's end.
    pub(super) fn fence_by_heartbeat(&mut self, id: BrokerId, epoch: BrokerEpoch) -> Option<usize> {
        self.pin_views();
        let now = self.now;
        let registered = self.registry.get_mut(&id).filter(|registered| registered.epoch == epoch)?;
        registered.contact = Some(now);
        if registered.fenced == Fence::Up {
            return Some(0);
        }
        registered.fenced = Fence::Up;
        let changes = self.without(id, Out::Fenced);
        let records = changes.len();
        self.append(changes, 1);
        Some(records)
    }

    /// Strikes a broker off; gives how many records that took, or none if it is not registered.
    pub(super) fn unregister(&mut self, id: BrokerId) -> Option<usize> {
        self.registry.get(&id)?;
        self.pin_views();
        let changes = self.without(id, Out::Unregistered);
        self.registry.remove(&id);
        let records = changes.len();
        self.append(changes, 1);
        Some(records)
    }

    /// Gives what becomes of every partition that has the broker in its ISR (or, where that counts, in its ELR).
    pub(super) fn without(&self, id: BrokerId, out: Out) -> Vec<(Place, State)> {
        let mut changes = Vec::new();
        for place in self.places() {
            let Some(partition) = self.partition(place) else { continue };
            let state = &partition.state;
            let eligible = out != Out::Fenced && state.elr.contains(&id);
            if !state.isr.contains(&id) && !eligible {
                continue;
            }
            let acceptable = |one: BrokerId| one != id && self.registry.get(&one).is_some_and(Registered::active);
            let change = Change::of(state, self.rules(partition, &acceptable)).electing(self.own_election());
            let change = match out {
                // Striking off clears no eligibility: below the minimum the broker stays in the ELR, and may lead once it is back.
                Out::Fenced | Out::Unregistered => change.without(id),
                Out::Unclean => change.after_unclean_shutdown_of(id),
            };
            changes.extend(change.build().map(|state| (place, state)));
        }
        changes
    }

    /// A broker in controlled shutdown asks whether it may go: others must have said that they have read that it leads no more.
    pub(super) fn may_go(&mut self, id: BrokerId) {
        let again = self.now.plus(self.settings.heartbeat_interval);
        let Some(broker) = self.brokers.get(&id) else { return };
        let (gate, epoch) = (self.way_to_active(id), broker.epoch);
        let unheard = !gate.lets_in() || gate == Gate::Frozen(Way::Outbound);
        if unheard || self.ruling().is_none() {
            return self.chore(again, id, Chore::MayGo);
        }
        self.pin_views();
        let now = self.now;
        let Some(registered) = self.registry.get_mut(&id).filter(|one| Some(one.epoch) == epoch) else {
            // Struck off: nobody grants it anything.
            return self.chore(again, id, Chore::MayGo);
        };
        registered.contact = Some(now);
        if registered.leaving == Leaving::No {
            registered.leaving = Leaving::Since(self.log_end);
            let fenced = registered.fenced == Fence::Up;
            let changes = if fenced { Vec::new() } else { self.without(id, Out::Fenced) };
            self.append(changes, 1);
            let end = self.log_end;
            if let Some(registered) = self.registry.get_mut(&id) {
                registered.leaving = Leaving::Since(end);
            }
            return self.chore(now.plus(timing::SHUTDOWN_ASK), id, Chore::MayGo);
        }
        let Leaving::Since(end) = registered.leaving else { return };
        if self.registry.values().any(|one| one.active() && one.read_to < end) {
            return self.chore(again, id, Chore::MayGo);
        }
        if let Some(registered) = self.registry.get_mut(&id) {
            registered.fenced = Fence::Up;
        }
        self.append(Vec::new(), 1);
        let exit = self.soon(timing::EXIT);
        self.chore(exit, id, Chore::Exit);
    }
}

fn broker_ended(kafka: &Kafka, id: BrokerId) -> Ended {
    kafka.brokers.get(&id).map_or(Ended::Uncleanly, |broker| broker.ended)
}
