//! The controllers: which one is active, what it does by itself, and what happens when it goes.

use std::time::Duration;

use super::change::{Change, Election, Rules};
use super::happening::{Chore, Duty, Happening, Reign};
use super::plan::{Switch, Version};
use super::state::{Fence, Owed, Partition, Process, Registered};
use super::talk::{Answer, Door, Position, Quorum};
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, ControllerEpoch, ControllerId, Offset};

/// `ReplicationControlManager.MAX_ELECTIONS_PER_IMBALANCE`.
const ELECTIONS_PER_PASS: usize = 1_000;

impl Kafka {
    /// Gives the active controller, if it can do anything: it runs and a majority is with it.
    pub(super) fn ruling(&self) -> Option<ControllerId> {
        self.active.filter(|id| self.takes_part(*id) && self.has_majority())
    }

    fn has_majority(&self) -> bool {
        let voting = self.controllers.keys().filter(|id| self.takes_part(**id)).count();
        self.controllers.len() < voting.saturating_mul(2)
    }

    /// To be called whenever what a controller can do has changed: without an active one the others elect, after `patience`.
    pub(super) fn reassess_quorum(&mut self, patience: Duration, election: timing::Range) {
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        ids.iter().for_each(|id| self.reassess_reading(*id, timing::FIND_CONTROLLER));
        self.plan_publishing();
        if self.ruling().is_some() {
            ids.into_iter().for_each(|id| self.follow_up(id, timing::FIND_CONTROLLER));
            return;
        }
        if !std::mem::replace(&mut self.electing, true) {
            let at = self.soon(election).plus(patience);
            self.at(at, Happening::Elect);
        }
    }

    pub(super) fn elect_controller(&mut self) {
        self.electing = false;
        if self.ruling().is_some() {
            return;
        }
        if !self.has_majority() {
            self.active = None;
            return;
        }
        let able: Vec<ControllerId> = self.controllers.keys().copied().filter(|id| self.takes_part(*id)).collect();
        let Some(winner) = self.chance.one_of(&able).copied() else { return };
        self.active = Some(winner);
        self.reign = Reign(self.reign.0.saturating_add(1));
        let now = self.now;
        self.reigns_since = now;
        // A newly active controller knows nobody's last heartbeat: every session begins anew.
        self.registry.values_mut().for_each(|one| one.contact = Some(now));
        self.grow(2);
        self.begin_duties();
        self.reassess_quorum(Duration::ZERO, timing::QUORUM_ELECTION);
    }

    pub(super) fn controller_is_up(&mut self, id: ControllerId, life: u64) {
        let now = self.now;
        let Some(controller) = self.controllers.get_mut(&id).filter(|one| one.life == life) else { return };
        match controller.process {
            Process::Running => {
                controller.since = Some(now);
                self.reassess_quorum(Duration::ZERO, timing::QUORUM_ELECTION);
            }
            Process::Stopped => self.postpone(Door::Controller(id), Happening::ControllerUp(id, life)),
            Process::Dead => {}
        }
    }

    /// What a broker owes or wants reaches the controller, if it can now; it has to find it first, or wakes up.
    pub(super) fn follow_up(&mut self, id: BrokerId, range: timing::Range) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let owes = std::mem::replace(&mut broker.owes_heartbeat, Owed::No) == Owed::Yes;
        let wants = !broker.to_alter.is_empty();
        if owes {
            let at = self.soon(range);
            self.chore(at, id, Chore::Beat);
        }
        if wants {
            let at = self.soon(range);
            self.chore(at, id, Chore::Alter);
        }
    }

    pub(super) fn pulse(&mut self) {
        if self.ruling().is_some() {
            self.grow(1);
        }
        let reign = self.reign;
        self.at(self.now.plus(timing::PULSE), Happening::Controller(reign, Duty::Pulse));
    }

    /// Gives how long it is from one look through the sessions to the next (4.x).
    pub(super) fn session_check(&self) -> Duration {
        self.settings.session_timeout / timing::SESSION_CHECKS
    }

    /// Fences the one that has been silent for longest, if for too long: one broker a pass.
    pub(super) fn check_sessions(&mut self) {
        let reign = self.reign;
        let session = self.settings.session_timeout;
        let unfenced = self.registry.iter().filter(|(_, one)| one.fenced == Fence::Down);
        let oldest = unfenced.map(|(id, one)| (one.contact, *id)).min();
        let expired = oldest.filter(|(contact, _)| contact.is_none_or(|at| at.plus(session) <= self.now));
        let ruling = self.ruling().is_some();
        let next = match (expired.filter(|_| ruling), self.version, oldest) {
            (Some((_, id)), _, _) => {
                self.fence(id);
                timing::SESSION_NEXT
            }
            // 3.x wakes when the oldest session would be over.
            (None, Version::V3_9, Some((Some(contact), _))) => {
                contact.plus(session).since(self.now).max(timing::SESSION_NEXT)
            }
            (None, Version::V3_9 | Version::V4_1 | Version::V4_3, _) => self.session_check(),
        };
        self.at(self.now.plus(next), Happening::Controller(reign, Duty::Sessions));
    }

    /// Gives leadership back to first replicas that are in sync (`auto.leader.rebalance.enable`).
    pub(super) fn rebalance(&mut self) {
        let reign = self.reign;
        self.at(self.now.plus(self.settings.rebalance_interval), Happening::Controller(reign, Duty::Rebalance));
        if self.ruling().is_none() {
            return;
        }
        let mut changes = Vec::new();
        for place in self.places() {
            let Some(partition) = self.partition(place) else { continue };
            if partition.state.leader == partition.state.replicas.first().copied() {
                continue;
            }
            let acceptable = |one: BrokerId| self.registry.get(&one).is_some_and(Registered::active);
            let rules = self.rules(partition, &acceptable);
            changes.extend(
                Change::of(&partition.state, rules).electing(Election::Preferred).build().map(|state| (place, state)),
            );
            if ELECTIONS_PER_PASS <= changes.len() {
                break;
            }
        }
        if !changes.is_empty() {
            self.append(changes, 0);
        }
    }

    /// Gives the rules that hold for a partition now.
    pub(super) fn rules<'a>(&self, partition: &Partition, acceptable: &'a dyn Fn(BrokerId) -> bool) -> Rules<'a> {
        Rules { version: self.version, elr: self.settings.elr, min_isr: self.min_isr(partition), acceptable }
    }

    /// Gives how the controller elects by itself.
    pub(super) fn own_election(&self) -> Election {
        match self.settings.unclean_election {
            Switch::On => Election::Unclean,
            Switch::Off => Election::Online,
        }
    }

    pub(super) fn describe_quorum(&self, leader: ControllerId) -> Answer {
        let known = |position: &Position| position.fetched_ago < timing::OBSERVER_FORGOTTEN;
        // A combined node is a voter, and no observer.
        let observers = self.brokers.keys().filter(|id| self.controller_of(**id).is_none());
        let brokers = observers.filter_map(|id| Some((*id, self.position(*id).filter(known)?)));
        let level = Position { log_end: Offset(self.log_end), fetched_ago: Duration::ZERO };
        let others = self.controllers.keys().filter(|id| **id != leader);
        let voters = others.filter_map(|id| Some((*id, self.voter_position(*id, level)?)));
        Answer::Quorum(Quorum {
            leader,
            epoch: ControllerEpoch(self.reign.0),
            high_watermark: Offset(self.log_end),
            log_end: Offset(self.log_end),
            brokers: brokers.collect(),
            voters: voters.collect(),
        })
    }
}
