//! The world: three machines of ours, their links, a pretended Kafka, an adviser and people, on one clock under one seed.
//!
//! Deliberately no policy of its own: what goes wrong and when is told to it from outside, by a scenario or by chance.

mod deliver;
mod duty;
mod ours;
mod plan;
mod theirs;

pub use ours::CannotBe;
pub use plan::{ControllerAccess, WorldPlan};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::{BrokerId, NodeId, PartitionId, RecordIndex, Term};
use crate::model::operator::Answer;
use crate::model::record::Record;
use crate::model::time::Timestamp;

use super::agenda::Agenda;
use super::chance::Chance;
use super::checks::{Checks, Found, Scene, Troubles, Violation};
use super::kafka::Kafka;
use super::kafka::plan::Switch;
use super::kafka::talk::Request;
use super::meter::{Meter, Toll};
use super::net::Net;
use super::node::{Machine, Setup};
use super::readers::Readers;
use super::stimulus::Stimulus;
use super::trace::Trace;
use super::watch::{Changed, Watch};
use duty::Duty;

/// Gives the world as checks see it, of parts that are borrowed apart.
macro_rules! scene {
    ($world:ident) => {
        $crate::sim::checks::Scene {
            now: $world.now,
            machines: &$world.machines,
            kafka: &$world.kafka,
            readers: &$world.readers,
            net: &$world.net,
            policy: &$world.setup.policy,
            troubles: &$world.troubles,
            muted: $world.muted.as_deref(),
        }
    };
}
use scene;

/// Everything.
pub struct World {
    now: Timestamp,
    agenda: Agenda<Arrival>,
    kafka: Kafka,
    readers: Readers,
    machines: BTreeMap<NodeId, Machine>,
    setup: Setup,
    net: Net,
    chances: Chances,
    checks: Checks,
    troubles: Troubles,
    trace: Trace,
    statistics: Statistics,
    told: Vec<(Timestamp, Told)>,
    newest: RecordIndex,
    answers: BTreeMap<u64, Answer>,
    asked: u64,
    /// How often somebody else has asked something of Kafka.
    foreigners: u32,
    /// The orders that the cluster began with.
    orders: BTreeMap<PartitionId, Vec<BrokerId>>,
    watch: Option<Watch>,
    /// Looks on, where somebody wants to know what it comes to for clients.
    meter: Option<Meter>,
    duty: Option<Duty>,
    /// The number that no check reports.
    muted: Option<String>,
}

/// A stimulus on its way to a life of a process; none tells a slow one that it may take the next that waits.
#[derive(Debug)]
struct Arrival {
    to: NodeId,
    life: u64,
    what: Option<Stimulus>,
}

/// A source of chance for each purpose.
#[derive(Debug)]
struct Chances {
    seeds: Chance,
    disks: Chance,
    adviser: Chance,
}

/// What there is to tell of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Events handled by one of our nodes.
    pub node_steps: u64,
    /// Frames that our nodes sent each other.
    pub frames: u64,
    /// Requests that changed Kafka.
    pub touches: u64,
    /// Starts of our processes after the first.
    pub restarts: u64,
    /// How often readers were given what there was to read.
    pub reads: u64,
    /// Records that a leader alone had acknowledged (acks=1) and that were lost with it, as may happen.
    pub lost_alone: u64,
}

/// Something that a timeline tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A record was committed.
    Recorded(RecordIndex, Box<Record>),
    /// One of our nodes leads.
    Leads(NodeId, Term),
    /// One of our processes ended by itself.
    Ended(NodeId, String),
    /// One of our nodes sent a request that changes Kafka.
    Touched(NodeId, Box<Request>),
    /// A person was answered.
    Answered(u64, Box<Answer>),
    /// The pretended cluster has changed.
    Changed(Changed),
    /// People of a node were warned.
    Warned(NodeId, String),
}

impl World {
    /// Gives a world in which everything is well: three nodes that have just been started on a healthy cluster.
    #[must_use]
    pub fn new(plan: &WorldPlan) -> Self {
        let voters = [1, 2, 3].map(NodeId);
        let setup = Setup {
            voters: voters.into_iter().collect(),
            policy: plan.policy.clone(),
            adviser: plan.adviser,
            brokers: plan.kafka.brokers.iter().map(|broker| broker.id).collect(),
            controllers: match plan.controllers {
                ControllerAccess::Direct => plan.kafka.controllers.clone(),
                ControllerAccess::ThroughBrokers => Vec::new(),
            },
            sabotage: plan.sabotage,
        };
        let mut clocks = Chance::child(plan.seed, "clocks");
        let kafka = Kafka::new(&super::sabotage::kafka(plan.sabotage, plan.kafka.clone()), plan.seed);
        let readers = match plan.readers {
            Switch::On => Readers::new(plan.seed, &plan.kafka, &kafka),
            Switch::Off => Readers::default(),
        };
        let orders = {
            let truth = kafka.truth();
            truth.partitions().filter_map(|id| Some((id, truth.replicas(id)?.to_vec()))).collect()
        };
        let mut world = Self {
            now: plan.kafka.start,
            agenda: Agenda::default(),
            kafka,
            readers,
            machines: voters.map(|id| (id, Machine::new(id, &setup, &mut clocks))).into_iter().collect(),
            setup,
            net: Net::new(Chance::child(plan.seed, "links")),
            chances: Chances {
                seeds: Chance::child(plan.seed, "seeds"),
                disks: Chance::child(plan.seed, "disks"),
                adviser: Chance::child(plan.seed, "adviser"),
            },
            checks: Checks::default(),
            troubles: Troubles::default(),
            trace: Trace::default(),
            statistics: Statistics::default(),
            told: Vec::new(),
            newest: RecordIndex(0),
            answers: BTreeMap::new(),
            asked: 0,
            foreigners: 0,
            orders,
            watch: None,
            meter: None,
            duty: plan.operator.map(|every| Duty::new(every, plan.kafka.start)),
            muted: None,
        };
        for id in voters {
            // A fresh disk can be read back.
            let _ = world.start(id);
        }
        world.statistics.restarts = 0;
        world
    }

    /// Lets the world run for a while.
    ///
    /// Errors: the first invariant that does not hold.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Violation> {
        let end = self.now.plus(span);
        while let Some(look) = self.next_look(end) {
            let went = self.run_until(look);
            self.look_on_duty();
            went?;
        }
        self.run_until(end)
    }

    fn run_until(&mut self, end: Timestamp) -> Result<(), Violation> {
        loop {
            let (ours, theirs) = (self.agenda.next_at(), self.kafka.next_due());
            if let Some(at) = self.readers_due(ours, theirs).filter(|at| *at <= end) {
                self.measure_until(at);
                self.now = self.now.max(at);
                self.readers.act(&mut self.kafka);
                continue;
            }
            let theirs_first = match (ours, theirs) {
                (Some(ours), Some(theirs)) => theirs <= ours,
                (None, Some(_)) => true,
                (Some(_) | None, None) => false,
            };
            let Some(at) = (if theirs_first { theirs } else { ours }).filter(|at| *at <= end) else { break };
            self.measure_until(at);
            self.now = self.now.max(at);
            if theirs_first {
                self.kafka.advance(self.now);
                self.listen();
                let scene = scene!(self);
                self.checks.after_theirs(scene)?;
            } else if let Some((_, arrival)) = self.agenda.take() {
                self.deliver(arrival)?;
            }
        }
        self.measure_until(end.plus(Duration::from_micros(1)));
        self.now = end;
        self.kafka.advance(end);
        self.listen();
        let all = scene!(self).everybody();
        self.check(&all)
    }

    /// Tells when something happens to a reader, if nothing else happens before, nor in Kafka at the same time.
    fn readers_due(&self, ours: Option<Timestamp>, theirs: Option<Timestamp>) -> Option<Timestamp> {
        let at = self.readers.next_at()?;
        let first = ours.is_none_or(|ours| at <= ours) && theirs.is_none_or(|theirs| at < theirs);
        first.then_some(at)
    }

    fn check(&mut self, nodes: &[NodeId]) -> Result<(), Violation> {
        let scene = scene!(self);
        self.checks.after(scene, nodes)
    }

    /// Nothing happens from now until then: what is so now may be looked at for any moment between.
    fn measure_until(&mut self, next: Timestamp) {
        if let Some(meter) = self.meter.as_mut() {
            meter.pass(&self.kafka, self.now, next);
        }
    }

    /// Lets no check report this number from now on: whether another one would have found the same.
    pub fn mute(&mut self, number: &str) {
        self.muted = Some(number.to_owned());
    }

    /// Tells from now on what changes in the pretended cluster.
    pub fn watch_kafka(&mut self) {
        self.watch = Some(Watch::new(&self.kafka));
    }

    /// Measures from now on what it comes to for clients.
    pub fn measure(&mut self) {
        self.meter = Some(Meter::new(&self.kafka, self.now));
    }

    /// Gives what it has come to for clients; nothing where nobody measures.
    #[must_use]
    pub fn toll(&self) -> Option<Toll> {
        Some(self.meter.as_ref()?.toll(&self.kafka, self.now))
    }

    /// Gives the time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives the pretended cluster.
    #[must_use]
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// Gives what happened so far as one number.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.trace
    }

    /// Gives what there is to tell of the run.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let (reads, lost_alone) = (self.readers.answers(), self.kafka.truth().lost_alone());
        Statistics { reads, lost_alone, ..self.statistics }
    }

    /// Tells whether everything that was acknowledged with acks=all is there, and everything that a reader was given.
    #[must_use]
    pub fn nothing_lost(&self) -> bool {
        self.kafka.truth().lost().is_empty() && self.readers.missed().is_empty()
    }

    /// Gives how often each check has looked at something.
    #[must_use]
    pub fn looked(&self) -> &BTreeMap<&'static str, u64> {
        self.checks.looked()
    }

    /// Gives how well the trio told what befell brokers.
    #[must_use]
    pub fn found(&self) -> Found {
        self.checks.found()
    }

    /// Gives how often people have asked something of our nodes, an operator on duty included.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Takes what a timeline tells, in order.
    #[must_use]
    pub fn take_told(&mut self) -> Vec<(Timestamp, Told)> {
        std::mem::take(&mut self.told)
    }

    /// Takes the answer to a person's question, if it has come.
    #[must_use]
    pub fn take_answer(&mut self, ticket: u64) -> Option<Answer> {
        self.answers.remove(&ticket)
    }

    /// Gives which of our nodes leads, by its own account; the one of the newest term if two say so.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        let leading = |machine: &Machine| match machine.process.as_ref()?.controller.role() {
            crate::control::event::Role::Leading(term) => Some((term, machine.id)),
            _ => None,
        };
        self.machines.values().filter_map(leading).max().map(|(_, id)| id)
    }

    /// Gives the replicated state of a node, if its process runs.
    #[must_use]
    pub fn state_of(&self, id: NodeId) -> Option<&crate::control::state::State> {
        Some(self.machines.get(&id)?.process.as_ref()?.controller.state())
    }

    /// Gives what has not come to its end, although everything has been well for long.
    #[must_use]
    pub fn unfinished(&self) -> Option<Violation> {
        let scene = scene!(self);
        self.checks.unfinished(scene).or_else(|| self.not_restored(scene))
    }

    /// Gives a partition whose order is not what the cluster began with.
    fn not_restored(&self, scene: Scene<'_>) -> Option<Violation> {
        let truth = self.kafka.truth();
        let wrong = self.orders.iter().find_map(|(id, order)| {
            let replicas = truth.replicas(*id)?;
            (replicas != order.as_slice()).then(|| format!("{id} has the order {replicas:?}, at first {order:?}"))
        });
        wrong.and_then(|what| scene.found("L5", || what))
    }
}
