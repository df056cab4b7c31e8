//! Combined nodes: a broker and a controller of one number are one process on one disk, with one metadata log.
//!
//! Taken from Kafka's code (`KafkaRaftServer`, `SharedServer`, `KafkaRaftClient` of 3.9 to 4.3); what a kill, a stop and a shutdown do is
//! recorded as well (`tests/differential`), what a disk or a cut way does is not. Deliberately not here: the candidacy of a voter that
//! hears nobody, and what a former active one that hangs would go on believing of itself; it says that it is none as soon as another one
//! is active.

use std::time::Duration;

use super::fault::{FaultKind, Target};
use super::state::{Disk, Gate, Process};
use super::talk::Position;
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, ControllerId};

/// What a broker's fault does to a controller in the same process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// It dies.
    Death,
    /// It is stopped.
    Stop,
    /// It goes when the broker has gone, which may need it for that.
    Leave,
    /// Its disk, or its way to the others, is the broker's.
    Path,
}

impl Harm {
    /// Gives what a broker's fault does to the controller in its process, if anything.
    pub(super) fn of(kind: FaultKind) -> Option<Self> {
        match kind {
            FaultKind::Kill | FaultKind::DiskFail => Some(Self::Death),
            FaultKind::Stop => Some(Self::Stop),
            FaultKind::Terminate => Some(Self::Leave),
            FaultKind::ControllerFreeze(_)
            | FaultKind::ControllerCut
            | FaultKind::DiskFreeze
            | FaultKind::DiskStall => Some(Self::Path),
            FaultKind::ClientCut(_)
            | FaultKind::ClientFreeze(..)
            | FaultKind::ClientDelay(..)
            | FaultKind::ClientDeny(_)
            | FaultKind::AlterDeny(_)
            | FaultKind::ClientThrottle(..)
            | FaultKind::ClientCap(_)
            | FaultKind::ReplicationFreeze(_) => None,
        }
    }
}

impl Kafka {
    /// Gives the controller in a broker's process, if there is one.
    pub(super) fn controller_of(&self, id: BrokerId) -> Option<ControllerId> {
        Some(ControllerId(id.0)).filter(|one| self.controllers.contains_key(one))
    }

    /// Gives the broker in a controller's process, if there is one.
    pub(super) fn broker_of(&self, id: ControllerId) -> Option<BrokerId> {
        Some(BrokerId(id.0)).filter(|one| self.brokers.contains_key(one))
    }

    /// Gives the process that a target names: one with two roles goes by its broker's name.
    pub(super) fn process_named(&self, target: Target) -> Target {
        let broker = match target {
            Target::Controller(id) => self.broker_of(id),
            Target::Broker(_) | Target::Tanist(_) => None,
        };
        broker.map_or(target, Target::Broker)
    }

    /// A fault strikes the controller of the same process.
    pub(super) fn strike_combined(&mut self, kind: FaultKind, target: Target) {
        let Some((id, harm)) = self.harm_of(kind, target) else { return };
        match harm {
            Harm::Death => self.end_controller(id, timing::QUORUM_FETCH_TIMEOUT, timing::QUORUM_ELECTION),
            Harm::Stop => self.stop_controller(id),
            Harm::Leave => {}
            Harm::Path => self.reassess_quorum(timing::QUORUM_FETCH_TIMEOUT, timing::QUORUM_ELECTION),
        }
    }

    /// It ends for the controller as well.
    pub(super) fn mend_combined(&mut self, kind: FaultKind, target: Target) {
        let Some((id, harm)) = self.harm_of(kind, target) else { return };
        match harm {
            Harm::Death | Harm::Leave => self.start_controller(id),
            Harm::Stop => self.continue_controller(id),
            Harm::Path => self.reassess_quorum(Duration::ZERO, timing::QUORUM_ELECTION),
        }
    }

    fn harm_of(&self, kind: FaultKind, target: Target) -> Option<(ControllerId, Harm)> {
        let Target::Broker(id) = target else { return None };
        self.controller_of(id).zip(Harm::of(kind))
    }

    /// Tells whether a controller can vote and be elected. One that is a broker as well reads one log with it: what keeps the broker
    /// from the metadata log keeps the controller from the quorum.
    pub(super) fn takes_part(&self, id: ControllerId) -> bool {
        let follows =
            self.controllers.get(&id).is_some_and(|one| one.process == Process::Running && one.since.is_some());
        let fetches = |broker| !self.log_hangs(broker) && self.way_to_active(broker) == Gate::Open;
        follows && self.broker_of(id).is_none_or(fetches)
    }

    /// Gives a broker's way to the active controller: within one process there is none to cut.
    pub(super) fn way_to_active(&self, id: BrokerId) -> Gate {
        if self.active.is_some() && self.active == self.controller_of(id) {
            return Gate::Open;
        }
        self.brokers.get(&id).map_or(Gate::Open, |broker| broker.controllers)
    }

    /// Tells whether a process gets no further in the metadata log because of its disk. A broker alone does not flush that log, and
    /// notices nothing of a stalled device before the file system does; a voter flushes each record, the next one within half a second.
    pub(super) fn log_hangs(&self, id: BrokerId) -> bool {
        match self.brokers.get(&id).map(|broker| broker.disk) {
            Some(Disk::Blocked) => true,
            Some(Disk::Stalling) => self.controller_of(id).is_some(),
            Some(Disk::Fine) | None => false,
        }
    }

    /// Gives the broker with whose disk a controller's thread of Raft hangs: whoever asks for the quorum or reads the log waits.
    pub(super) fn hangs_with(&self, id: ControllerId) -> Option<BrokerId> {
        self.broker_of(id).filter(|broker| self.log_hangs(*broker))
    }

    /// Gives where a voter stands, as the active controller knows it: `level` of one in a process of its own that takes part. Whoever has
    /// fetched nothing since the active one was elected has no place (recorded: a former active one that is dead or stands still).
    pub(super) fn voter_position(&self, id: ControllerId, level: Position) -> Option<Position> {
        let reigns_for = self.now.since(self.reigns_since);
        match self.broker_of(id) {
            Some(broker) => self.position(broker).filter(|position| position.fetched_ago <= reigns_for),
            None => self.takes_part(id).then_some(level),
        }
    }
}
