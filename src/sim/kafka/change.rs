//! How a partition changes in the metadata log: who is elected, who stays in sync, when a reassignment is over.
//!
//! Pure: a partition's state in, the next one out. Follows the controller's `PartitionChangeBuilder` rule by rule, as its
//! refusals decide what Tanist can do.

use std::collections::BTreeSet;

use super::plan::{Switch, Version};
use crate::model::ids::{BrokerId, LeaderEpoch};

/// A partition as the metadata log has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: u32,
    pub(super) replicas: Vec<BrokerId>,
    pub(super) isr: Vec<BrokerId>,
    pub(super) elr: Vec<BrokerId>,
    pub(super) last_known: Option<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
}

impl State {
    /// Tells whether a reassignment is in flight.
    pub(super) fn reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Gives the effective minimum in sync: never more than there are replicas.
    pub(super) fn min_isr(&self, configured: u16) -> usize {
        usize::from(configured).min(self.replicas.len())
    }
}

/// Which leader is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// One in sync, if the present one may not lead.
    Online,
    /// The first replica, if in sync.
    Preferred,
    /// One in sync, else any that lives.
    Unclean,
}

/// What the rules of a change depend on.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) version: Version,
    pub(super) elr: Switch,
    /// The topic's `min.insync.replicas`.
    pub(super) min_isr: u16,
    /// Whether a broker may lead: registered, unfenced, not shutting down.
    pub(super) acceptable: &'a dyn Fn(BrokerId) -> bool,
}

/// A change in the making.
pub(super) struct Change<'a> {
    old: &'a State,
    rules: Rules<'a>,
    election: Election,
    next: State,
    unclean_shutdown: Option<BrokerId>,
}

impl<'a> Change<'a> {
    pub(super) fn of(old: &'a State, rules: Rules<'a>) -> Self {
        let mut next = old.clone();
        next.last_known = old.last_known;
        Self { old, rules, election: Election::Online, next, unclean_shutdown: None }
    }

    pub(super) fn electing(mut self, election: Election) -> Self {
        self.election = election;
        self
    }

    pub(super) fn without(mut self, broker: BrokerId) -> Self {
        self.next.isr.retain(|one| *one != broker);
        self
    }

    /// Takes out a broker that came back without having shut down in order.
    pub(super) fn after_unclean_shutdown_of(mut self, broker: BrokerId) -> Self {
        self.unclean_shutdown = Some(broker);
        self.without(broker)
    }

    pub(super) fn with_isr(mut self, isr: Vec<BrokerId>) -> Self {
        self.next.isr = isr;
        self
    }

    /// Sets out for other replicas: the wanted ones first, then those that have to go, by number. Empty lists leave the old ones in
    /// force, as in Kafka.
    pub(super) fn towards(mut self, wanted: &[BrokerId]) -> Self {
        let present = &self.old.replicas;
        let removing: BTreeSet<BrokerId> = present.iter().filter(|one| !wanted.contains(one)).copied().collect();
        let adding: BTreeSet<BrokerId> = wanted.iter().filter(|one| !present.contains(one)).copied().collect();
        self.next.replicas = wanted.iter().chain(&removing).copied().collect();
        if !adding.is_empty() {
            self.next.adding = adding.into_iter().collect();
        }
        if !removing.is_empty() {
            self.next.removing = removing.into_iter().collect();
        }
        self
    }

    /// Gives up the reassignment in flight.
    pub(super) fn reverting(mut self) -> Self {
        let adding = std::mem::take(&mut self.next.adding);
        self.next.removing.clear();
        self.next.replicas.retain(|one| !adding.contains(one));
        self.next.isr.retain(|one| !adding.contains(one));
        self
    }

    /// Gives the state after the change; none where nothing changes.
    pub(super) fn build(mut self) -> Option<State> {
        self.complete_reassignment();
        self.eligible();
        let elected = self.elect();
        let mut epoch_rises = elected != self.old.leader;
        if !epoch_rises {
            // Replicas that went must notice: the leader's epoch rises though the leader stays.
            epoch_rises = self.old.replicas.iter().any(|one| !self.next.replicas.contains(one));
        }
        if self.next.isr.is_empty() && self.rules.elr == Switch::Off {
            self.next.isr.clone_from(&self.old.isr);
        }
        self.next.leader = elected;
        self.last_known();
        if epoch_rises {
            self.next.leader_epoch = LeaderEpoch(self.old.leader_epoch.0.saturating_add(1));
        }
        if self.next == *self.old {
            return None;
        }
        self.next.partition_epoch = self.old.partition_epoch.saturating_add(1);
        Some(self.next)
    }

    fn complete_reassignment(&mut self) {
        if !self.next.reassigning() {
            return;
        }
        let stays = |list: &[BrokerId]| -> Vec<BrokerId> {
            list.iter().filter(|one| !self.next.removing.contains(one)).copied().collect()
        };
        let (isr, replicas) = (stays(&self.next.isr), stays(&self.next.replicas));
        let all_of = |wanted: &[BrokerId]| wanted.iter().all(|one| isr.contains(one));
        let before = self.next.replicas.iter().filter(|one| !self.next.adding.contains(one)).count();
        let complete = match self.rules.version {
            // KAFKA-15665: all of the target.
            Version::V3_9 | Version::V4_1 => all_of(&replicas),
            // KAFKA-19975: all that were added; all of the target only if it is smaller than before.
            Version::V4_3 => all_of(&self.next.adding) && (before <= replicas.len() || all_of(&replicas)),
        };
        if !isr.is_empty() && complete {
            self.next.isr = isr;
            self.next.replicas = replicas;
            self.next.adding.clear();
            self.next.removing.clear();
            self.next.elr.retain(|one| self.next.replicas.contains(one));
        }
    }

    /// Keeps account of the replicas that may still lead though they left the ISR (KIP-966).
    fn eligible(&mut self) {
        if self.rules.elr == Switch::Off {
            return;
        }
        // Kafka caps the minimum at the number of replicas there were, and lets replicas that go be eligible: recorded in every
        // cell of remove-to-one.
        if self.old.min_isr(self.rules.min_isr) <= self.next.isr.len() {
            self.next.elr.clear();
            return;
        }
        let mut candidates: Vec<BrokerId> = self.old.elr.iter().chain(&self.old.isr).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates.retain(|one| !self.next.isr.contains(one) && self.unclean_shutdown != Some(*one));
        self.next.elr = candidates;
    }

    fn may_lead(&self, broker: BrokerId) -> bool {
        let clean = self.next.isr.contains(&broker) || (self.next.isr.is_empty() && self.next.elr.contains(&broker));
        clean && (self.rules.acceptable)(broker)
    }

    /// Elects, and gives the one that leads; an elected ELR member or unclean one is the whole ISR.
    fn elect(&mut self) -> Option<BrokerId> {
        let clean = |change: &Self| change.next.replicas.iter().copied().find(|one| change.may_lead(*one));
        let present = self.old.leader.filter(|leader| self.may_lead(*leader));
        let first = self.next.replicas.first().copied().filter(|first| self.may_lead(*first));
        let found = match self.election {
            Election::Preferred => first.or(present).or_else(|| clean(self)),
            Election::Online | Election::Unclean => present.or_else(|| clean(self)),
        };
        if let Some(found) = found {
            if self.next.isr.is_empty() {
                self.next.isr = vec![found];
                self.next.elr.retain(|one| *one != found);
            }
            return Some(found);
        }
        let unclean = self.last_known_leader().or_else(|| {
            let mut living = self.next.replicas.iter().copied().filter(|one| (self.rules.acceptable)(*one));
            living.next().filter(|_| self.election == Election::Unclean)
        })?;
        self.next.isr = vec![unclean];
        self.next.elr.clear();
        Some(unclean)
    }

    fn last_known_leader(&self) -> Option<BrokerId> {
        let none_clean = self.next.isr.is_empty() && self.next.elr.is_empty();
        self.old.last_known.filter(|last| self.rules.elr == Switch::On && none_clean && (self.rules.acceptable)(*last))
    }

    fn last_known(&mut self) {
        if self.rules.elr == Switch::Off {
            return;
        }
        match self.next.leader {
            Some(_) => self.next.last_known = None,
            None => self.next.last_known = self.old.leader.or(self.old.last_known),
        }
    }
}
