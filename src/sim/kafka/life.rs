//! Faults: what each does to processes, disks and links, and what its end does.

use std::time::Duration;

use super::fault::{Fault, FaultKind, Impossible, Path, Target, Vantage};
use super::happening::{Chore, Happening};
use super::state::{
    Capped, Controller, Denied, Disk, Ended, Following, Gate, Life, Owed, Passage, Phase, Place, Process, Route,
};
use super::talk::Door;
use super::{Kafka, times, timing};
use crate::model::ids::{BrokerId, ControllerId, NodeId};

impl Kafka {
    /// Tells whether a fault's targets are there and can suffer it.
    pub(super) fn possible(&self, fault: &Fault) -> Result<(), Impossible> {
        let no = |why: String| Err(Impossible { fault: fault.to_string(), why });
        if fault.targets.is_empty() {
            return no("it has no target".to_owned());
        }
        for target in &fault.targets {
            let there = match target {
                Target::Broker(id) => self.brokers.contains_key(id),
                Target::Controller(id) => self.controllers.contains_key(id),
                Target::Tanist(_) => true,
            };
            if !there {
                return no(format!("there is no {target}"));
            }
            if !fault.kind.victims().include(*target) {
                return no(format!("{target} cannot suffer it"));
            }
        }
        Ok(())
    }

    pub(super) fn strike(&mut self, kind: FaultKind, target: Target) {
        let target = self.process_named(target);
        match (target, kind) {
            (Target::Broker(id), FaultKind::Kill | FaultKind::DiskFail) => self.kill_broker(id),
            (Target::Broker(id), FaultKind::Terminate) => self.terminate(id),
            (Target::Broker(id), FaultKind::Stop) => self.stop_broker(id),
            (Target::Broker(id), FaultKind::DiskFreeze) => self.set_disk(id, Disk::Blocked),
            (Target::Broker(id), FaultKind::DiskStall) => {
                let shows = self.soon(timing::STALL_SHOWS);
                if let Some(broker) = self.brokers.get_mut(&id).filter(|broker| broker.disk == Disk::Fine) {
                    broker.disk = Disk::Stalling;
                    self.chore(shows, id, Chore::StallShows);
                }
            }
            (Target::Broker(id), FaultKind::ReplicationFreeze(way)) => {
                self.change_broker(id, |broker| broker.replication = Some(way));
            }
            (Target::Broker(id), FaultKind::ControllerFreeze(way)) => self.set_link(id, Gate::Frozen(way)),
            (Target::Broker(id), FaultKind::ControllerCut) => self.set_link(id, Gate::Cut),
            (Target::Broker(id), _) => self.change_listeners(id, kind, Passage::suffer),
            (Target::Controller(id), FaultKind::Kill) => {
                self.end_controller(id, timing::QUORUM_FETCH_TIMEOUT, timing::QUORUM_ELECTION);
            }
            (Target::Controller(id), FaultKind::Terminate) => {
                self.end_controller(id, Duration::ZERO, timing::QUORUM_HANDOVER);
            }
            (Target::Controller(id), FaultKind::Stop) => self.stop_controller(id),
            (Target::Tanist(node), FaultKind::ControllerFreeze(way)) => {
                self.set_passage(way_of(node), |passage| passage.gate = Gate::Frozen(way));
            }
            (Target::Tanist(node), FaultKind::ControllerCut) => {
                self.set_passage(way_of(node), |passage| passage.gate = Gate::Cut);
            }
            // `possible` refused the rest.
            (Target::Controller(_) | Target::Tanist(_), _) => {}
        }
        self.strike_combined(kind, target);
    }

    pub(super) fn mend(&mut self, kind: FaultKind, target: Target) {
        let target = self.process_named(target);
        match (target, kind) {
            (Target::Broker(id), FaultKind::Kill | FaultKind::Terminate | FaultKind::DiskFail) => self.start(id),
            (Target::Broker(id), FaultKind::Stop) => self.continue_broker(id),
            (Target::Broker(id), FaultKind::DiskFreeze | FaultKind::DiskStall) => self.set_disk(id, Disk::Fine),
            (Target::Broker(id), FaultKind::ReplicationFreeze(_)) => {
                self.change_broker(id, |broker| broker.replication = None);
            }
            (Target::Broker(id), FaultKind::ControllerFreeze(_) | FaultKind::ControllerCut) => {
                self.set_link(id, Gate::Open);
            }
            (Target::Broker(id), _) => self.change_listeners(id, kind, Passage::recover),
            (Target::Controller(id), FaultKind::Kill | FaultKind::Terminate) => self.start_controller(id),
            (Target::Controller(id), FaultKind::Stop) => self.continue_controller(id),
            (Target::Tanist(node), FaultKind::ControllerFreeze(_) | FaultKind::ControllerCut) => {
                self.set_passage(way_of(node), |passage| passage.gate = Gate::Open);
            }
            (Target::Controller(_) | Target::Tanist(_), _) => {}
        }
        self.mend_combined(kind, target);
    }

    /// Changes what a broker can do, with everything that follows for what it reads, leads and follows.
    fn change_broker(&mut self, id: BrokerId, change: impl FnOnce(&mut super::state::Broker)) {
        let places = self.hosted(id);
        self.settle_all(&places);
        if let Some(broker) = self.brokers.get_mut(&id) {
            change(broker);
        }
        self.reassess_reading(id, timing::OVERDUE);
        self.reassess(&places, timing::REFOLLOW);
    }

    fn kill_broker(&mut self, id: BrokerId) {
        if self.process(Door::Broker(id)) == Process::Dead {
            return;
        }
        self.acknowledge_to_the_last(id);
        self.end_process(id, Ended::Uncleanly);
    }

    fn end_process(&mut self, id: BrokerId, ended: Ended) {
        self.forget_view(id);
        self.change_broker(id, |broker| {
            broker.process = Process::Dead;
            broker.phase = Phase::Starting;
            broker.ended = ended;
            broker.owes_heartbeat = Owed::No;
            broker.queue.clear();
            broker.to_alter.clear();
            broker.blocked.clear();
            broker.quotas.forget();
        });
        for place in self.hosted(id) {
            self.forget_roles(place, id);
        }
        self.postponed.remove(&Door::Broker(id));
        self.slam(Door::Broker(id));
    }

    fn forget_roles(&mut self, place: Place, id: BrokerId) {
        let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(id));
        if let Some(replica) = replica {
            replica.leading = None;
            replica.following = Following::Not;
        }
    }

    fn start(&mut self, id: BrokerId) {
        self.lives = self.lives.saturating_add(1);
        let life = Life(self.lives);
        let Some(broker) = self.brokers.get_mut(&id).filter(|broker| broker.process == Process::Dead) else { return };
        broker.process = Process::Running;
        broker.phase = Phase::Starting;
        broker.life = life;
        broker.epoch = None;
        let recovery = match broker.ended {
            Ended::Cleanly => Duration::ZERO,
            Ended::Uncleanly => times(timing::RECOVERY_PER_PARTITION, broker.hosted.len()),
        };
        let registers = self.soon(timing::BOOT).plus(recovery);
        self.chore(registers, id, Chore::Register(0));
    }

    /// SIGTERM: it asks to leave; a process that does not serve yet just ends, one that is stopped notices when it goes on.
    fn terminate(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        match (broker.process, broker.phase) {
            (Process::Dead, _) | (_, Phase::Leaving) => {}
            (_, Phase::Starting | Phase::CatchingUp) => self.exit(id),
            (_, Phase::Up) => {
                broker.phase = Phase::Leaving;
                let asks = self.soon(timing::HEARTBEAT);
                self.chore(asks, id, Chore::MayGo);
            }
        }
    }

    /// A process ends in order: a controller in it goes last, as the broker may need it to leave.
    pub(super) fn exit(&mut self, id: BrokerId) {
        self.end_process(id, Ended::Cleanly);
        if let Some(controller) = self.controller_of(id) {
            self.end_controller(controller, Duration::ZERO, timing::QUORUM_HANDOVER);
        }
    }

    fn stop_broker(&mut self, id: BrokerId) {
        if self.process(Door::Broker(id)) == Process::Running {
            self.change_broker(id, |broker| broker.process = Process::Stopped);
        }
    }

    fn continue_broker(&mut self, id: BrokerId) {
        if self.process(Door::Broker(id)) != Process::Stopped {
            return;
        }
        self.change_broker(id, |broker| broker.process = Process::Running);
        self.resume(Door::Broker(id));
        self.follow_up(id, timing::OVERDUE);
    }

    /// What a stopped process had before it happens now, in the order in which it was due.
    fn resume(&mut self, door: Door) {
        for what in self.postponed.remove(&door).unwrap_or_default() {
            let at = match &what {
                Happening::Worked(socket, _) => self.soon_over(*socket, timing::OVERDUE),
                _ => self.soon(timing::OVERDUE),
            };
            self.at(at, what);
        }
        for socket in self.sockets_of(door) {
            self.serve(socket);
        }
        self.plan_publishing();
    }

    fn set_disk(&mut self, id: BrokerId, disk: Disk) {
        self.change_broker(id, |broker| broker.disk = disk);
        if disk == Disk::Fine {
            let blocked = self.brokers.get_mut(&id).map(|broker| std::mem::take(&mut broker.blocked));
            for socket in blocked.unwrap_or_default() {
                let served = self.connections.get(&socket).and_then(|connection| connection.serving.clone());
                if let Some((_, request)) = served {
                    self.begin(socket, request);
                }
            }
            self.follow_up(id, timing::OVERDUE);
        }
    }

    pub(super) fn stall_shows(&mut self, id: BrokerId) {
        if self.brokers.get(&id).is_some_and(|broker| broker.disk == Disk::Stalling) {
            self.set_disk(id, Disk::Blocked);
        }
    }

    fn set_link(&mut self, id: BrokerId, gate: Gate) {
        let before = self.brokers.get(&id).map(|broker| broker.controllers);
        self.change_broker(id, |broker| broker.controllers = gate);
        if gate == Gate::Open {
            let (least, most) = timing::OVERDUE;
            let timed_out = self.settings.session_timeout / timing::OVERDUE_AFTER_CUT;
            self.follow_up(id, (least, if before == Some(Gate::Cut) { timed_out } else { most }));
        }
    }

    fn change_listeners(&mut self, id: BrokerId, kind: FaultKind, change: fn(&mut Passage, Nuisance)) {
        let Some((vantage, nuisance)) = nuisance(kind) else { return };
        let places = self.hosted(id);
        self.settle_all(&places);
        // The listeners that anybody uses: three nodes' and the clients'.
        let nodes = (1..=3).map(|node| Path::Tanist(NodeId(node)));
        for path in nodes.chain([Path::Clients]).filter(|path| vantage.covers(*path)) {
            self.set_passage(Route::Client(id, path), |passage| change(passage, nuisance));
        }
    }

    pub(super) fn end_controller(&mut self, id: ControllerId, patience: Duration, election: timing::Range) {
        let Some(controller) = self.controllers.get_mut(&id).filter(|one| one.process != Process::Dead) else { return };
        *controller = Controller { process: Process::Dead, life: controller.life, since: None };
        self.postponed.remove(&Door::Controller(id));
        self.slam(Door::Controller(id));
        self.reassess_quorum(patience, election);
    }

    pub(super) fn start_controller(&mut self, id: ControllerId) {
        let Some(controller) = self.controllers.get_mut(&id).filter(|one| one.process == Process::Dead) else { return };
        let life = controller.life.saturating_add(1);
        *controller = Controller { process: Process::Running, life, since: None };
        self.after(timing::CONTROLLER_BOOT, Happening::ControllerUp(id, life));
    }

    pub(super) fn stop_controller(&mut self, id: ControllerId) {
        if let Some(controller) = self.controllers.get_mut(&id).filter(|one| one.process == Process::Running) {
            controller.process = Process::Stopped;
            self.reassess_quorum(timing::QUORUM_FETCH_TIMEOUT, timing::QUORUM_ELECTION);
        }
    }

    pub(super) fn continue_controller(&mut self, id: ControllerId) {
        if let Some(controller) = self.controllers.get_mut(&id).filter(|one| one.process == Process::Stopped) {
            controller.process = Process::Running;
            self.reassess_quorum(Duration::ZERO, timing::QUORUM_ELECTION);
            self.resume(Door::Controller(id));
        }
    }
}

/// What a fault does to a listener.
#[derive(Debug, Clone, Copy)]
enum Nuisance {
    Gate(Gate),
    Delay(Duration),
    Throttle(Duration),
    Deny(Denied),
    Cap,
}

impl Passage {
    fn suffer(&mut self, nuisance: Nuisance) {
        match nuisance {
            Nuisance::Gate(gate) => self.gate = gate,
            Nuisance::Delay(delay) => self.delay = delay,
            Nuisance::Throttle(span) => self.throttle = Some(span),
            Nuisance::Deny(what) => self.denied = Some(what),
            Nuisance::Cap => self.capped = Some(Capped),
        }
    }

    fn recover(&mut self, nuisance: Nuisance) {
        match nuisance {
            Nuisance::Gate(_) => self.gate = Gate::Open,
            Nuisance::Delay(_) => self.delay = Duration::ZERO,
            Nuisance::Throttle(_) => self.throttle = None,
            Nuisance::Deny(_) => self.denied = None,
            Nuisance::Cap => self.capped = None,
        }
    }
}

/// Gives what a fault does to listeners, and whose.
fn nuisance(kind: FaultKind) -> Option<(Vantage, Nuisance)> {
    match kind {
        FaultKind::ClientCut(vantage) => Some((vantage, Nuisance::Gate(Gate::Cut))),
        FaultKind::ClientFreeze(vantage, way) => Some((vantage, Nuisance::Gate(Gate::Frozen(way)))),
        FaultKind::ClientDelay(vantage, delay) => Some((vantage, Nuisance::Delay(delay))),
        FaultKind::ClientThrottle(vantage, span) => Some((vantage, Nuisance::Throttle(span))),
        FaultKind::ClientDeny(vantage) => Some((vantage, Nuisance::Deny(Denied::All))),
        FaultKind::AlterDeny(vantage) => Some((vantage, Nuisance::Deny(Denied::Changes))),
        FaultKind::ClientCap(vantage) => Some((vantage, Nuisance::Cap)),
        FaultKind::Kill
        | FaultKind::Terminate
        | FaultKind::Stop
        | FaultKind::ReplicationFreeze(_)
        | FaultKind::ControllerFreeze(_)
        | FaultKind::ControllerCut
        | FaultKind::DiskFreeze
        | FaultKind::DiskStall
        | FaultKind::DiskFail => None,
    }
}

fn way_of(node: NodeId) -> Route {
    Route::Controllers(Path::Tanist(node))
}
