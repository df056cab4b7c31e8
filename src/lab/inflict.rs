//! Breaking and healing: what each fault does to the processes, links and disks of a cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::time;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::cluster::Cluster;
use crate::lab::disk::Volume;
use crate::lab::fault::{Event, Fault, FaultKind, Scheduled};
use crate::lab::link::{Gate, Mode};
use crate::lab::links::{Caller, Route};
use crate::lab::names::{BrokerId, Target, Vantage};
use crate::lab::process::Process;

impl Cluster {
    /// Begins a fault; gives the instant at which it had begun at every target.
    ///
    /// Errors: [`LabError::Unfit`] if a target cannot suffer it, [`LabError::Skipped`] if this machine lacks what it needs.
    pub fn inflict(&self, fault: &Fault) -> Result<Instant, LabError> {
        for target in &fault.targets {
            self.strike(fault, *target)?;
        }
        Ok(clock::now())
    }

    /// Ends a fault: a process starts again or continues, a link opens, a disk thaws. Waits for the old process
    /// to be gone (blocking), not for the new one to serve.
    ///
    /// Errors: as [`Cluster::inflict`].
    pub fn heal(&self, fault: &Fault) -> Result<(), LabError> {
        fault.targets.iter().try_for_each(|target| self.mend(fault, *target))
    }

    /// Kills a broker's process, starts another and waits until it serves: only so is one a broker again that was unregistered
    /// while it ran.
    ///
    /// Errors: [`LabError::Unfit`], and as [`Cluster::await_gone`] and [`Cluster::await_ready`].
    pub async fn renew(&self, broker: BrokerId) -> Result<(), LabError> {
        let kill = Fault::kill(broker);
        self.inflict(&kill)?;
        self.await_gone(broker).await?;
        self.heal(&kill)?;
        self.await_ready(broker).await
    }

    /// Carries a schedule out, in the order of its times; gives the instant of its start.
    ///
    /// Errors: those of its events; what is left of the schedule is then not carried out.
    pub async fn run(&self, schedule: &[Scheduled]) -> Result<Instant, LabError> {
        let start = clock::now();
        let mut events: Vec<&Scheduled> = schedule.iter().collect();
        events.sort_by_key(|scheduled| scheduled.after);
        for scheduled in events {
            time::sleep_until((start + scheduled.after).into()).await;
            match &scheduled.event {
                Event::Inflict(fault) => self.inflict(fault).map(|_| ())?,
                Event::Heal(fault) => self.heal(fault)?,
            }
        }
        Ok(start)
    }

    fn strike(&self, fault: &Fault, target: Target) -> Result<(), LabError> {
        match fault.kind {
            FaultKind::Kill => self.signal(fault, target, Signal::SIGKILL),
            FaultKind::Terminate => self.signal(fault, target, Signal::SIGTERM),
            FaultKind::Stop => self.signal(fault, target, Signal::SIGSTOP),
            FaultKind::ClientCut(_) | FaultKind::ControllerCut => self.set(fault, target, |mode| mode.gate = Gate::Cut),
            FaultKind::ClientFreeze(_, way) | FaultKind::ReplicationFreeze(way) | FaultKind::ControllerFreeze(way) => {
                self.set(fault, target, |mode| mode.gate = Gate::Frozen(way))
            }
            FaultKind::ClientDelay(_, delay) => self.set(fault, target, |mode| mode.delay = delay),
            FaultKind::ClientLimit(_, limit) => self.set(fault, target, |mode| mode.limit_bytes_per_s = Some(limit)),
            FaultKind::DiskFreeze => self.volume(fault, target)?.freeze(),
            FaultKind::DiskStall => self.device(fault, target)?.signal(Signal::SIGSTOP),
        }
    }

    fn mend(&self, fault: &Fault, target: Target) -> Result<(), LabError> {
        match fault.kind {
            FaultKind::Kill | FaultKind::Terminate => self.start_again(fault, target),
            FaultKind::Stop => self.signal(fault, target, Signal::SIGCONT),
            FaultKind::ClientCut(_)
            | FaultKind::ControllerCut
            | FaultKind::ClientFreeze(..)
            | FaultKind::ReplicationFreeze(_)
            | FaultKind::ControllerFreeze(_) => self.set(fault, target, |mode| mode.gate = Gate::Open),
            FaultKind::ClientDelay(..) => self.set(fault, target, |mode| mode.delay = Duration::ZERO),
            FaultKind::ClientLimit(..) => self.set(fault, target, |mode| mode.limit_bytes_per_s = None),
            FaultKind::DiskFreeze => self.volume(fault, target)?.thaw(),
            FaultKind::DiskStall => self.device(fault, target)?.signal(Signal::SIGCONT),
        }
    }

    /// Starts a process again whose end was asked for; blocks while it still ends.
    fn start_again(&self, fault: &Fault, target: Target) -> Result<(), LabError> {
        let id = self.node_of(fault, target)?;
        if !self.process(id)?.ends_within(ENDS_WITHIN) {
            return Err(unfit(fault, "cannot start it again: the old process has not ended yet"));
        }
        self.spawn(id)
    }

    fn signal(&self, fault: &Fault, target: Target, signal: Signal) -> Result<(), LabError> {
        let id = self.node_of(fault, target)?;
        let process = self.process(id)?;
        process.signal(signal)?;
        if matches!(signal, Signal::SIGKILL | Signal::SIGTERM) {
            // Proxies without a connection to it would learn of the end only from the next caller.
            let links = Arc::clone(&self.links);
            self.runtime()?.spawn(async move {
                while process.ended().is_none() {
                    time::sleep(LOOK_EVERY).await;
                }
                links.doubt(id);
            });
        }
        Ok(())
    }

    fn node_of(&self, fault: &Fault, target: Target) -> Result<i32, LabError> {
        match target {
            Target::Broker(broker) => Ok(broker.0),
            Target::Controller(controller) => Ok(controller.0),
            Target::Tanist(_) => Err(unfit(fault, "the lab does not run Tanist's processes")),
        }
    }

    fn volume(&self, fault: &Fault, target: Target) -> Result<&Volume, LabError> {
        let id = self.node_of(fault, target)?;
        let volume = self.nodes.get(&id).and_then(|node| node.volume.as_ref());
        volume.ok_or_else(|| unfit(fault, "the disk is a plain folder; start the cluster with disks that can freeze"))
    }

    fn device(&self, fault: &Fault, target: Target) -> Result<Arc<Process>, LabError> {
        let device = self.volume(fault, target)?.device();
        device.ok_or_else(|| unfit(fault, "the block device cannot be stopped; start the cluster with stallable disks"))
    }

    fn set(&self, fault: &Fault, target: Target, change: impl Fn(&mut Mode)) -> Result<(), LabError> {
        let touched = self.links.set(|route| touches(fault.kind, target, route), change);
        if touched == 0 {
            return Err(unfit(fault, "no link of this cluster is touched by it"));
        }
        Ok(())
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A killed process goes within milliseconds; a controlled shutdown hands leaders over first.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

fn unfit(fault: &Fault, reason: &str) -> LabError {
    LabError::Unfit { fault: fault.to_string(), reason: reason.to_owned() }
}

/// Tells whether a fault of that kind at that target is felt on that way.
fn touches(kind: FaultKind, target: Target, route: Route) -> bool {
    let by_client = |vantage: Vantage| match (target, route) {
        (Target::Broker(struck), Route::Client(broker, listener)) => struck == broker && vantage.covers(listener),
        (Target::Broker(_) | Target::Controller(_) | Target::Tanist(_), _) => false,
    };
    match kind {
        FaultKind::ClientCut(vantage)
        | FaultKind::ClientFreeze(vantage, _)
        | FaultKind::ClientDelay(vantage, _)
        | FaultKind::ClientLimit(vantage, _) => by_client(vantage),
        FaultKind::ReplicationFreeze(_) => {
            matches!((target, route), (Target::Broker(struck), Route::Replication(broker)) if struck == broker)
        }
        FaultKind::ControllerFreeze(_) | FaultKind::ControllerCut => match (target, route) {
            (Target::Broker(struck), Route::Controller(_, Caller::Broker(caller))) => struck == caller,
            (Target::Tanist(struck), Route::Controller(_, Caller::Tanist(caller))) => struck == caller,
            _ => false,
        },
        FaultKind::Kill | FaultKind::Terminate | FaultKind::Stop | FaultKind::DiskFreeze | FaultKind::DiskStall => {
            false
        }
    }
}
