//! One controller and everything around it by hand: what it sees, what its peers say, and a log that takes all.
//!
//! Deliberately no clock: time moves only where a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::control::event::{Effect, Errand, Event, PauseFile, PeerReport, Role, StepResult, Views};
use crate::control::state::State;
use crate::control::{Advice, Controller, ControllerOptions, Now};
use crate::decide::advice::unasked;
use crate::decide::fixture::{PLAIN, parse};
use crate::decide::policy::Policy;
use crate::model::advice::{Brief, NoOpinion, Opinion, Outcome as Said};
use crate::model::chain::Head;
use crate::model::ids::{BrokerId, CaseId, ClusterId, Listener, NodeId, Offset, PartitionId, RaftIndex, Term};
use crate::model::observation::{
    Fact, LineChange, LogEnd, LookNow, Observation, OffsetsReading, PingOutcome, PulseReading, TopologyReading,
    TopologySource,
};
use crate::model::operator::Answer;
use crate::model::plan::{Class, Intention, PlanDigest, Step};
use crate::model::record::{Receipt, Record};
use crate::model::time::Timestamp;
use crate::model::topology::{Partition, Topology};

/// The broker that fails.
pub(super) const VICTIM: BrokerId = BrokerId(1);

/// The term in which the controller leads.
pub(super) const TERM: Term = Term(3);

/// A broker that nobody reaches any more, as the second node says it; the third has not noticed yet.
const REFUSED: &str = "n2 sees b1 refused 50ms sent 5s\nn3 sees b1 yellow 20ms sent 5s\n\
    n2 pulse b1 level beats 0\nn3 pulse b1 level beats 0\n";

/// A step that was to be carried out.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) errand: Errand,
    pub(super) step: Step,
    pub(super) term: Term,
    pub(super) within: Duration,
}

/// One controller, its log and what it has wanted so far.
pub(super) struct World {
    pub(super) controller: Controller,
    pub(super) topology: Topology,
    /// The cluster as lines of a fixture: what the peers see well.
    shape: &'static str,
    ms: u64,
    look_due: u64,
    raft: u64,
    /// Proposed, not committed yet.
    pub(super) proposed: Vec<Vec<u8>>,
    /// Every record that was committed, in order.
    pub(super) records: Vec<Record>,
    /// Every step that was sent.
    pub(super) sent: Vec<Sent>,
    /// Read-backs that wait for an answer.
    pub(super) read_backs: Vec<Errand>,
    /// Which node was asked to ping which broker out of turn.
    pub(super) pinged: Vec<(NodeId, BrokerId)>,
    /// The turn, and whom the shape was not to be asked of, each time that it was asked for.
    pub(super) shape_asked: Vec<(usize, BTreeSet<BrokerId>)>,
    /// Who tells the shape.
    pub(super) source: TopologySource,
    /// What the adviser was asked.
    pub(super) briefs: Vec<(CaseId, PlanDigest, Class, Brief)>,
    /// Every answer to an operator.
    pub(super) answers: Vec<(u64, Answer)>,
    /// What this node's people were warned of.
    pub(super) warned: Vec<String>,
    /// Brokers that do not answer this node any more.
    down: BTreeSet<BrokerId>,
    pub(super) late_ends: BTreeSet<BrokerId>,
    /// How many of the steps sent were answered.
    pub(super) answered: usize,
    /// What the peers say, as lines of a fixture.
    peers: &'static str,
    /// What each peer says of its pause file.
    pub(super) files: BTreeMap<NodeId, PauseFile>,
    /// Peers that are not heard.
    pub(super) silent: BTreeSet<NodeId>,
    pub(super) rebuilt: BTreeSet<NodeId>,
    /// Whether what this node hears of the controllers comes the way that changes go.
    pub(super) way_open: bool,
    /// Who was asked to lead.
    pub(super) handed: Vec<NodeId>,
}

fn path() -> Listener {
    Listener("CLIENTS".to_owned())
}

impl World {
    /// A leader of a calm cluster, its first records committed.
    pub(super) fn leading(policy: Policy) -> Self {
        Self::leading_of(PLAIN, policy, Advice::Off)
    }

    /// A leader of a calm cluster of this shape.
    pub(super) fn leading_of(shape: &'static str, policy: Policy, advice: Advice) -> Self {
        let mut world = Self::starting(shape, policy, advice);
        world.event(Event::Role(Role::Leading(TERM)));
        world.commit();
        world
    }

    fn starting(shape: &'static str, policy: Policy, advice: Advice) -> Self {
        let options = ControllerOptions {
            me: NodeId(1),
            voters: (1..=3).map(NodeId).collect(),
            policy,
            path: path(),
            no_vote_on: BTreeSet::new(),
            advice,
            pause_file: PauseFile::Absent,
        };
        let mut topology = parse(shape).0.topology.as_ref().clone();
        topology.cluster = ClusterId("calm".to_owned());
        let mut world = Self {
            controller: Controller::new(options, State::default()),
            topology,
            shape,
            ms: 100_000,
            look_due: 101_000,
            raft: 0,
            proposed: Vec::new(),
            records: Vec::new(),
            sent: Vec::new(),
            read_backs: Vec::new(),
            pinged: Vec::new(),
            shape_asked: Vec::new(),
            source: TopologySource::Observer,
            briefs: Vec::new(),
            answers: Vec::new(),
            warned: Vec::new(),
            down: BTreeSet::new(),
            late_ends: BTreeSet::new(),
            answered: 0,
            peers: "",
            files: BTreeMap::new(),
            silent: BTreeSet::new(),
            rebuilt: BTreeSet::new(),
            way_open: true,
            handed: Vec::new(),
        };
        world.look();
        world.pass(Duration::from_secs(5));
        world
    }

    fn now(&self) -> Now {
        Now { at: Timestamp(1000 * self.ms), wall_ms: self.ms }
    }

    /// Gives one event to the controller and keeps what it wants.
    pub(super) fn event(&mut self, event: Event) {
        let effects = self.controller.step(self.now(), event);
        self.keep(effects);
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Propose(entries) => self.proposed.extend(entries),
                Effect::Keep(kept) => self.records.push(kept.record),
                Effect::Apply { errand, step, term, within } => {
                    self.sent.push(Sent { errand, step: *step, term, within });
                }
                Effect::ReadBack { errand, .. } => self.read_backs.push(errand),
                Effect::Answer { ticket, answer } => self.answers.push((ticket, *answer)),
                Effect::Advise { case, plan, class, brief } => self.briefs.push((case, plan, class, *brief)),
                Effect::Look(LookNow::Ping(broker)) => self.pinged.push((NodeId(1), broker)),
                Effect::LookToo { to, broker } => self.pinged.push((to, broker)),
                Effect::Warn(words) => self.warned.push(words),
                Effect::HandOver { to } => self.handed.push(to),
                Effect::Look(LookNow::Topology { not, turn }) => self.shape_asked.push((turn, not)),
                Effect::Look(_) | Effect::Report { .. } => {}
            }
        }
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        let at = self.now().at;
        self.event(Event::Observed(Observation { at, fact }));
    }

    /// Commits what was proposed, and what follows from that, until nothing is proposed any more.
    pub(super) fn commit(&mut self) {
        while !self.proposed.is_empty() {
            self.commit_once();
        }
    }

    /// Commits what was proposed, once.
    pub(super) fn commit_once(&mut self) {
        for entry in std::mem::take(&mut self.proposed) {
            self.raft += 1;
            self.event(Event::Committed { index: RaftIndex(self.raft), entry });
        }
    }

    /// Lets time pass in quarters of a second: the brokers answer, the peers report, the clock ticks.
    pub(super) fn pass(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / 250 {
            self.skip(Duration::from_millis(250));
            self.breathe();
            self.event(Event::Tick);
        }
    }

    /// Moves the clock alone.
    pub(super) fn skip(&mut self, span: Duration) {
        self.ms += u64::try_from(span.as_millis()).unwrap();
    }

    fn breathe(&mut self) {
        for broker in self.alive() {
            let outcome = PingOutcome::Answered { rtt: Duration::from_millis(1) };
            self.fact(Fact::Ping { broker, path: path(), sent_at: self.now().at, outcome });
        }
        if self.look_due <= self.ms {
            self.look_due = self.ms + 1000;
            self.look();
        }
        self.hear();
    }

    fn alive(&self) -> Vec<BrokerId> {
        self.topology.brokers.keys().copied().filter(|broker| !self.down.contains(broker)).collect()
    }

    /// Reads the cluster's shape, log ends and places in the metadata log.
    pub(super) fn look(&mut self) {
        self.shape();
        for broker in self.alive().into_iter().filter(|broker| !self.late_ends.contains(broker)).collect::<Vec<_>>() {
            let end = |known: &Partition| LogEnd { offset: Offset(1000), leader_epoch: Some(known.leader_epoch) };
            let log_ends: BTreeMap<_, _> =
                self.topology.partitions.iter().map(|(id, known)| (*id, end(known))).collect();
            self.fact(Fact::Offsets(OffsetsReading { broker, sent_at: self.now().at, log_ends }));
        }
        self.pulse();
    }

    /// The present shape is told.
    pub(super) fn shape(&mut self) {
        let (topology, sent_at) = (Arc::new(self.topology.clone()), self.now().at);
        self.fact(Fact::Topology(TopologyReading { topology, source: self.source.clone(), sent_at }));
    }

    /// Reads who takes part in the metadata log: whoever is not there is behind.
    pub(super) fn pulse(&mut self) {
        let end = Offset(self.ms);
        let brokers = self.alive().into_iter().map(|broker| (broker, end)).collect();
        let reading = PulseReading::of(9, self.now().at, end, brokers);
        self.fact(Fact::Pulse(PulseReading { as_changes_go: self.way_open, ..reading }));
    }

    fn hear(&mut self) {
        let heard = parse(&format!("{}{}", self.shape, self.peers)).0.heard;
        for from in [NodeId(2), NodeId(3)].into_iter().filter(|from| !self.silent.contains(from)).collect::<Vec<_>>() {
            let report = heard[&from].report.clone();
            let pause_file = self.files.get(&from).copied().unwrap_or_default();
            let (policy, history_rebuilt) = (self.controller.policy_digest, self.rebuilt.contains(&from));
            let way_open_ago = report.reaches_controller.then_some(Duration::ZERO);
            let head = Head::GENESIS;
            let report = PeerReport { report, way_open_ago, pause_file, head, policy, history_rebuilt };
            self.event(Event::Reported { from, report });
        }
    }

    /// From here on the peers say this.
    pub(super) fn peers_say(&mut self, lines: &'static str) {
        self.peers = lines;
        self.hear();
    }

    /// The victim is killed: its connection closes, fresh connects are refused, and the second node has seen it too.
    pub(super) fn kill(&mut self) {
        self.lose(VICTIM);
        self.peers_say(REFUSED);
    }

    /// A broker's connection closes, and this node's fresh connects are refused.
    pub(super) fn lose(&mut self, broker: BrokerId) {
        self.down.insert(broker);
        for change in [LineChange::Closed, LineChange::Refused, LineChange::Refused] {
            self.fact(Fact::Line { broker, path: path(), change });
            self.skip(Duration::from_millis(5));
        }
    }

    /// The victim answers again, for everybody.
    pub(super) fn revive(&mut self) {
        self.revive_as("");
    }

    /// The victim answers this node again, and the peers say this.
    pub(super) fn revive_as(&mut self, peers: &'static str) {
        self.down.remove(&VICTIM);
        self.fact(Fact::Line { broker: VICTIM, path: path(), change: LineChange::Opened });
        self.peers_say(peers);
    }

    /// Answers the newest step as done, for every partition of its moves, which are then as wanted.
    pub(super) fn done(&mut self) {
        self.done_but_for(0);
    }

    /// Answers the newest step as done for every partition of its moves; the last so many stay as they were.
    pub(super) fn done_but_for(&mut self, unmoved: usize) {
        let step = self.sent.last().unwrap().step.clone();
        let all: usize = step.act.moves().iter().map(|one| one.partitions.len()).sum();
        let ids = step.act.moves().iter().flat_map(|one| one.partitions.iter()).take(all - unmoved);
        let moved: BTreeSet<PartitionId> = ids.collect();
        for one in step.act.moves() {
            for id in one.partitions.iter().filter(|id| moved.contains(id)) {
                let partition = self.topology.partitions.get_mut(&id).unwrap();
                let mut moved = Partition { replicas: one.to.clone(), ..partition.clone() };
                if step.act.intention() == Intention::OrderAndLeader {
                    moved.leader = one.to.first().copied();
                }
                *partition = moved.after(Some(&*partition));
            }
        }
        let done = step.act.moves().iter().flat_map(|one| one.partitions.iter()).collect();
        self.answer(Receipt::Done { done, not: Vec::new() })
    }

    /// Answers the newest step.
    pub(super) fn answer(&mut self, receipt: Receipt) {
        self.answered = self.sent.len();
        let result = StepResult { receipt, said: None };
        self.event(Event::Applied { errand: self.sent.last().unwrap().errand, result });
    }

    /// Answers the oldest read-back with the present shape, which the probe has seen as well.
    pub(super) fn read_back(&mut self) {
        self.shape();
        self.read_back_alone();
    }

    /// Answers the oldest read-back with the present shape; the probe has not looked since.
    pub(super) fn read_back_alone(&mut self) {
        let errand = self.read_backs.remove(0);
        self.event(Event::ReadBack { errand, views: Views { shapes: vec![self.topology.clone(); 2], wanted: 2 } });
    }

    /// Does every step that is sent, and answers every read-back, for so long.
    pub(super) fn live(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / 250 {
            if self.answered < self.sent.len() {
                self.done();
            }
            self.read_back_for(Duration::from_millis(250));
        }
    }

    /// Answers every read-back for so long.
    pub(super) fn read_back_for(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / 250 {
            while !self.read_backs.is_empty() {
                self.read_back();
            }
            self.pass(Duration::from_millis(250));
            self.commit();
        }
    }

    /// The adviser answers what it was asked last.
    pub(super) fn advise(&mut self, outcome: Said) {
        let (case, plan, _, brief) = self.briefs.last().unwrap().clone();
        let opinion = Opinion { outcome, ..unasked(&brief, NoOpinion::Deadline) };
        self.event(Event::Advised { case, plan, opinion: Box::new(opinion) });
    }

    /// Takes a state from a peer's snapshot.
    pub(super) fn install(&mut self, state: State) {
        let effects = self.controller.install(state);
        self.keep(effects);
    }
}
