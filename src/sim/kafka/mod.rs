//! A model of Kafka: everything of it that Tanist relies on, deterministic, on a virtual clock.
//!
//! It is asked as Kafka is asked, over lines that are cut, frozen and late like real ones, and answers with Kafka's codes. It
//! keeps its own queue of what happens inside. Deliberately no consumer groups, transactions, tiered storage or share groups.
//! Replication is analytic: what happens between two events is computed, not played.

mod admin;
mod alone;
mod build;
mod catch_up;
mod change;
pub mod code;
mod combined;
mod consume;
pub mod fault;
mod happening;
mod isr;
mod life;
mod log;
mod metadata;
mod net;
mod past;
pub mod plan;
mod produce;
mod quorum;
mod registry;
mod replication;
mod serve;
mod state;
pub mod talk;
#[cfg(test)]
mod tests;
mod throttle;
mod timing;
pub mod truth;
mod victims;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::agenda::Agenda;
use super::chance::Chance;
use crate::model::ids::{BrokerId, ControllerId, PartitionId};
use crate::model::time::Timestamp;
use crate::model::topology::Topology;
use fault::{Fault, Impossible};
use happening::{Chore, Duty, Happening, Reign};
use plan::{Settings, Version};
use state::{
    Broker, Catalogue, Connection, Controller, Existence, Life, Partition, Passage, Place, Process, Registered, Route,
    Socket,
};
use talk::{Call, Door, Heard, Line, Request};
use truth::Truth;

/// A pretended cluster: brokers, controllers, their disks, and the paths that lead to them.
#[derive(Debug)]
pub struct Kafka {
    version: Version,
    settings: Settings,
    now: Timestamp,
    due: Agenda<Happening>,
    chance: Chance,
    heard: Vec<Heard>,
    calls: u64,
    lives: u64,

    controllers: BTreeMap<ControllerId, Controller>,
    active: Option<ControllerId>,
    reign: Reign,
    /// When the present reign began.
    reigns_since: Timestamp,
    electing: bool,
    registry: BTreeMap<BrokerId, Registered>,
    /// The end of the metadata log, and when it grew lately.
    log_end: u64,
    grown: VecDeque<(Timestamp, u64)>,
    /// The end before the first of those.
    grown_before: u64,

    brokers: BTreeMap<BrokerId, Broker>,
    catalogue: Catalogue,
    partitions: Vec<Partition>,
    topics_made: u64,
    lost: Vec<state::Lost>,
    /// What was so a moment ago.
    past: past::Past,
    /// How many records were lost that only a leader had acknowledged (acks=1).
    lost_alone: u64,

    /// The shape as observers and as clients see it, and what is not in it yet.
    shape: Arc<Topology>,
    plain: Arc<Topology>,
    unshaped: BTreeSet<Place>,
    unshaped_rest: bool,
    shape_version: u64,

    connections: BTreeMap<Socket, Connection>,
    lines: BTreeMap<Line, Socket>,
    sockets: u64,
    /// What is drawn and counted for readers, apart from everybody else's.
    apart: consume::Apart,
    passages: BTreeMap<Route, Passage>,
    observers: BTreeSet<Socket>,
    publishing: bool,
    /// What came due while its process was stopped.
    postponed: BTreeMap<Door, Vec<Happening>>,
    /// Counts whatever may change who serves clients.
    stirs: u64,
}

impl Kafka {
    /// Tells when something inside happens next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.next_at()
    }

    /// Lets everything happen that is due up to and including `now`, in order.
    ///
    /// Contract: time never runs backwards; an earlier `now` than before changes nothing.
    pub fn advance(&mut self, now: Timestamp) {
        while self.next_due().is_some_and(|at| at <= now) {
            if let Some((at, what)) = self.due.take() {
                self.now = self.now.max(at);
                self.happen(what);
            }
        }
        self.now = self.now.max(now);
    }

    /// Opens a line: [`talk::News::Opened`] or [`talk::News::Refused`] follows, or silence.
    ///
    /// A stopped process still accepts, as its kernel does. An open line to the same door on the same lane is closed first.
    pub fn connect(&mut self, now: Timestamp, line: Line) -> Call {
        self.advance(now);
        self.dial(line)
    }

    /// Closes a line on the asker's side: nothing more is heard of it, though what was sent may still have its effect.
    pub fn close(&mut self, now: Timestamp, line: Line) {
        self.advance(now);
        self.hang_up(line);
    }

    /// Sends a request over a line, which is opened if it is not open: an answer follows, a close, a refusal, or silence.
    pub fn ask(&mut self, now: Timestamp, line: Line, request: Request) -> Call {
        self.advance(now);
        self.send(line, request)
    }

    /// Reads the metadata log from a controller from now on: the shape at once, then after each change, as
    /// [`talk::News::Metadata`] of this call. A standby answers [`code::Code::NotLeaderOrFollower`] and ends it; so does a
    /// close. An observing line carries nothing else.
    pub fn observe(&mut self, now: Timestamp, line: Line) -> Call {
        self.advance(now);
        self.begin_observing(line)
    }

    /// Takes what has become hearable; each with the instant at which it arrives, which may lie ahead.
    #[must_use]
    pub fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// Begins a fault.
    ///
    /// Errors: [`Impossible`] where a target does not exist or cannot suffer it; then nothing is changed.
    pub fn inflict(&mut self, now: Timestamp, fault: &Fault) -> Result<(), Impossible> {
        self.possible(fault)?;
        self.advance(now);
        self.stir();
        fault.targets.iter().for_each(|target| self.strike(fault.kind, *target));
        Ok(())
    }

    /// Ends a fault: a process starts again or continues, a path opens, a disk thaws.
    ///
    /// Errors: [`Impossible`] where a target does not exist or cannot suffer it; then nothing is changed.
    pub fn heal(&mut self, now: Timestamp, fault: &Fault) -> Result<(), Impossible> {
        self.possible(fault)?;
        self.advance(now);
        self.stir();
        fault.targets.iter().for_each(|target| self.mend(fault.kind, *target));
        Ok(())
    }

    /// Gives the shape of the cluster as the metadata log has it, which nobody outside may have heard of yet.
    #[must_use]
    pub fn shape(&mut self) -> Arc<Topology> {
        self.full_shape()
    }

    /// Gives a look at what is really so.
    #[must_use]
    pub fn truth(&self) -> Truth<'_> {
        Truth { kafka: self }
    }

    /// Gives a number that is another one whenever something has happened after which who serves clients may be another: while it stays,
    /// nobody need look again before the first [`truth::Refusal`] is over by itself.
    pub(in crate::sim) fn stirs(&self) -> u64 {
        self.stirs
    }

    fn stir(&mut self) {
        self.stirs = self.stirs.wrapping_add(1);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Controller(reign, duty) => self.reigning(reign, duty),
            Happening::Elect => self.elect_controller(),
            Happening::ControllerUp(id, life) => self.controller_is_up(id, life),
            Happening::Inside(broker, life, chore) => self.inside(broker, life, chore),
            Happening::Dialled(socket) => self.dialled(socket),
            Happening::Arrived(socket) => self.arrived(socket),
            Happening::Worked(socket, answer) => self.worked(socket, answer),
            Happening::Forwarded(errand) => self.forwarded(errand),
            Happening::Replied(reign, errand, answer) => self.replied(reign, errand, answer),
            Happening::Publish => self.publish(),
        }
    }

    fn reigning(&mut self, reign: Reign, duty: Duty) {
        if self.active.is_none() || reign != self.reign {
            return;
        }
        match duty {
            Duty::Pulse => self.pulse(),
            Duty::Sessions => self.check_sessions(),
            Duty::Rebalance => self.rebalance(),
        }
    }

    fn inside(&mut self, id: BrokerId, life: Life, chore: Chore) {
        match self.brokers.get(&id).filter(|broker| broker.life == life).map(|broker| broker.process) {
            Some(Process::Running) => {}
            Some(Process::Stopped) => {
                self.postpone(Door::Broker(id), Happening::Inside(id, life, chore));
                return;
            }
            Some(Process::Dead) | None => return,
        }
        if chore.stirs() {
            self.stir();
        }
        match chore {
            Chore::Register(attempt) => self.register(id, attempt),
            Chore::Loaded => self.loaded(id),
            Chore::Beat => self.beat(id),
            Chore::Apply(reading) => self.apply(id, reading),
            Chore::CaughtUp => self.caught_up(id),
            Chore::Alter => self.alter(id),
            Chore::Show => self.show(id),
            Chore::CheckLag => self.check_lag(id),
            Chore::Replicated(place) => self.replicated(id, place),
            Chore::GiveUp(place, call) => self.give_up(id, place, call),
            Chore::StallShows => self.stall_shows(id),
            Chore::MayGo => self.may_go(id),
            Chore::Exit => self.exit(id),
        }
    }

    fn postpone(&mut self, door: Door, what: Happening) {
        self.postponed.entry(door).or_default().push(what);
    }

    fn at(&mut self, at: Timestamp, what: Happening) {
        self.due.put(at.max(self.now), what);
    }

    fn after(&mut self, range: timing::Range, what: Happening) {
        let at = self.soon(range);
        self.at(at, what);
    }

    /// Plans something inside a broker's present process.
    fn chore(&mut self, at: Timestamp, id: BrokerId, chore: Chore) {
        if let Some(life) = self.brokers.get(&id).map(|broker| broker.life) {
            self.at(at, Happening::Inside(id, life, chore));
        }
    }

    fn soon(&mut self, range: timing::Range) -> Timestamp {
        let span = self.chance.span(range);
        self.now.plus(span)
    }

    /// Gives a partition, also one that is deleted: brokers that have not heard of that still hold it.
    fn partition(&self, place: Place) -> Option<&Partition> {
        self.partitions.get(place.0)
    }

    fn partition_mut(&mut self, place: Place) -> Option<&mut Partition> {
        self.partitions.get_mut(place.0)
    }

    /// Gives a partition as the controllers know it.
    fn existing(&self, place: Place) -> Option<&Partition> {
        self.partition(place).filter(|partition| partition.standing == Existence::Exists)
    }

    /// Gives where a broker finds a partition: one that exists, or one that it has not heard is deleted.
    fn place_at(&self, id: BrokerId, partition: PartitionId) -> Option<Place> {
        let held = || {
            let mut hosted = self.brokers.get(&id)?.hosted.iter();
            hosted.find(|place| self.partition(**place).is_some_and(|one| one.id == partition))
        };
        self.catalogue.places.get(&partition).or_else(held).copied()
    }

    fn hosted(&self, id: BrokerId) -> Vec<Place> {
        self.brokers.get(&id).map(|broker| broker.hosted.iter().copied().collect()).unwrap_or_default()
    }

    fn min_isr(&self, partition: &Partition) -> u16 {
        let own = self.catalogue.topics.get(&partition.id.topic).and_then(|topic| topic.min_isr);
        own.unwrap_or(self.settings.min_isr)
    }

    fn call(&mut self) -> Call {
        self.calls = self.calls.saturating_add(1);
        Call(self.calls)
    }
}

/// Gives `records` times a span.
fn times(span: Duration, records: usize) -> Duration {
    span.saturating_mul(u32::try_from(records).unwrap_or(u32::MAX))
}
