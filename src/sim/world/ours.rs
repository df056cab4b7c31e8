//! What befalls our own machines: crashes, stops, disks, clocks, links, pause files, and people who ask.

use std::time::Duration;

use crate::control::event::PauseFile;
use crate::model::ids::{NodeId, Person, RequestId};
use crate::model::operator::{Ask, OperatorRequest};
use crate::sim::checks::Violation;
use crate::sim::desk::Desk;
use crate::sim::disk::DiskTrouble;
use crate::sim::kafka::talk::{Asker, Door, Line};
use crate::sim::net::{Cut, LinkTrouble};
use crate::sim::node::{Hold, NoStart};
use crate::sim::stimulus::Stimulus;

use super::{Arrival, World};

/// The lanes that a process may have open to one door.
const LANES: u8 = 11;

/// How soon a node hears that a peer's process is gone: its kernel resets the connection.
const RESET_HEARD_AFTER: Duration = Duration::from_micros(400);

/// How often production looks for the pause file.
const PAUSE_LOOK_EVERY: Duration = Duration::from_millis(250);

/// Why something cannot be done to our own machines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotBe(pub String);

impl World {
    /// Starts a machine's process on what its disk holds.
    ///
    /// Errors: it runs already, or its disk cannot be read back.
    pub fn start(&mut self, id: NodeId) -> Result<(), CannotBe> {
        let seed = self.chances.seeds.draw();
        let mut out = Vec::new();
        let Some(machine) = self.machines.get_mut(&id) else { return Err(CannotBe(format!("there is no {id}"))) };
        if machine.process.is_some() {
            return Err(CannotBe(format!("{id} runs already")));
        }
        let clock = machine.clock;
        let mut desk =
            Desk { me: id, world: self.now, clock, kafka: &mut self.kafka, out: &mut out, facts: Vec::new() };
        let started = machine.start(&self.setup, seed, &mut desk);
        self.troubles.ours = self.now;
        self.statistics.restarts = self.statistics.restarts.saturating_add(1);
        started.map_err(|why: NoStart| CannotBe(format!("{id} does not start: {why}")))?;
        // A fresh process has sent nothing and applied nothing: nothing can be violated yet.
        let _ = self.carry_out(id, out);
        self.listen();
        Ok(())
    }

    /// Kills a machine's process: a prefix of what its disk has not synced survives.
    ///
    /// Errors: it does not run.
    pub fn crash(&mut self, id: NodeId) -> Result<(), CannotBe> {
        if self.machines.get(&id).is_none_or(|machine| machine.process.is_none()) {
            return Err(CannotBe(format!("{id} does not run")));
        }
        self.end(id, None);
        Ok(())
    }

    /// A process is gone: its lines are reset, and its peers hear of it.
    pub(super) fn end(&mut self, id: NodeId, why: Option<String>) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        machine.process = None;
        machine.life = machine.life.saturating_add(1);
        machine.waits.clear();
        machine.stalled.clear();
        machine.ended = why;
        machine.disk.crash(&mut self.chances.disks);
        self.troubles.ours = self.now;
        self.checks.gone(id);
        let brokers = self.setup.brokers.iter().map(|broker| Door::Broker(*broker));
        let controllers = self.setup.controllers.iter().map(|one| Door::Controller(*one));
        for to in brokers.chain(controllers) {
            for lane in 0..LANES {
                self.kafka.close(self.now, Line { from: Asker::Node(id), to, lane });
            }
        }
        let others: Vec<NodeId> = self
            .machines
            .iter()
            .filter(|(other, machine)| **other != id && machine.process.is_some())
            .map(|(other, _)| *other)
            .collect();
        for to in others {
            if self.net.get(id, to).cut == Cut::No {
                self.later(to, self.now.plus(RESET_HEARD_AFTER), Stimulus::LinkDown(id));
            }
        }
    }

    /// Stops a machine's process (SIGSTOP).
    ///
    /// Errors: it does not run.
    pub fn hold(&mut self, id: NodeId) -> Result<(), CannotBe> {
        self.troubles.ours = self.now;
        match self.machines.get_mut(&id).filter(|machine| machine.process.is_some()) {
            Some(machine) => {
                machine.hold = Hold::Stopped;
                Ok(())
            }
            None => Err(CannotBe(format!("{id} does not run"))),
        }
    }

    /// Lets a stopped process go on: everything that waited reaches it at once.
    ///
    /// Errors: the first invariant that does not hold.
    pub fn go_on(&mut self, id: NodeId) -> Result<(), Violation> {
        self.troubles.ours = self.now;
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        machine.hold = Hold::Runs;
        let waited = std::mem::take(&mut machine.waits);
        let life = machine.life;
        for what in waited {
            self.deliver(Arrival { to: id, life, what: Some(what) })?;
        }
        Ok(())
    }

    /// Changes what is the matter with a machine's disk; what a stalled one owes is answered once it goes on.
    ///
    /// Errors: there is no such machine.
    pub fn disk(&mut self, id: NodeId, trouble: Option<DiskTrouble>) -> Result<(), CannotBe> {
        self.troubles.ours = self.now;
        let Some(machine) = self.machines.get_mut(&id) else { return Err(CannotBe(format!("there is no {id}"))) };
        machine.disk.trouble = trouble;
        if trouble != Some(DiskTrouble::Stalled) {
            for (token, since) in std::mem::take(&mut machine.stalled) {
                let took = since.map_or(Duration::ZERO, |since| self.now.since(since));
                self.later(id, self.now, Stimulus::DiskDone(token, took));
            }
        }
        Ok(())
    }

    /// Lets a machine's monotonic clock run fast or slow. Units: its microseconds in a true second.
    pub fn clock_rate(&mut self, id: NodeId, rate: u64) {
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.clock.run_at(self.now, rate);
        }
    }

    /// Sets a machine's clock on the wall. Units: milliseconds, to and fro.
    pub fn wall_jump(&mut self, id: NodeId, by_ms: i64) {
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.clock.jump(by_ms);
        }
    }

    /// Lets each stimulus cost a process so much: it runs slow.
    pub fn slow(&mut self, id: NodeId, each: Duration) {
        self.troubles.ours = self.now;
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.slow = each;
        }
    }

    /// Changes what is the matter with a link, in one direction.
    pub fn link(&mut self, from: NodeId, to: NodeId, trouble: LinkTrouble) {
        self.troubles.ours = self.now;
        self.net.set(from, to, trouble);
    }

    /// Cuts a machine off from the others, or joins it again.
    pub fn isolate(&mut self, id: NodeId, cut: Cut) {
        let others: Vec<NodeId> = self.machines.keys().filter(|other| **other != id).copied().collect();
        for other in others {
            let trouble = LinkTrouble { cut, ..LinkTrouble::default() };
            self.link(id, other, trouble);
            self.link(other, id, trouble);
        }
    }

    /// Ends all that is the matter with links.
    pub fn heal_links(&mut self) {
        self.troubles.ours = self.now;
        self.net.heal();
    }

    /// Puts a pause file on a machine, or takes it away.
    pub fn pause_file(&mut self, id: NodeId, file: PauseFile) {
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.pause_file = file;
        }
        match file {
            PauseFile::Present | PauseFile::Unreadable => {
                self.troubles.pause_files.entry(id).or_insert(self.now);
            }
            PauseFile::Absent => {
                self.troubles.pause_files.remove(&id);
            }
        }
        self.later(id, self.now.plus(PAUSE_LOOK_EVERY), Stimulus::PauseFile(file));
    }

    /// Lets a person ask a node; gives how to find the answer.
    pub fn ask(&mut self, id: NodeId, by: &str, ask: Ask) -> u64 {
        self.asked = self.asked.saturating_add(1);
        let request = OperatorRequest { id: RequestId(self.asked), by: Person(by.to_owned()), ask };
        self.later(id, self.now, Stimulus::Asked(self.asked, Box::new(request)));
        self.asked
    }
}
