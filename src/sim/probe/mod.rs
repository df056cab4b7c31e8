//! A probe that looks at the pretended Kafka exactly as production's looks at a real one: the same rhythm, the same lines, the
//! same order of whom to ask, the same words for what could not be seen.
//!
//! Deliberately a state machine over calls and timers where production has tasks: nothing here waits.

mod line;
mod observer;
mod pulse;
mod replicas;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::control::budget::Budget;
use crate::control::pace::Rhythm;
use crate::control::turn::{self, place_of};
use crate::model::ids::{BrokerId, ControllerId, Listener, PartitionId};
use crate::model::observation::{Blindness, LookNow};
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

use super::desk::Desk;
use super::kafka::code::Code;
use super::kafka::talk::{Answer, Call, Door, Heard, Line, News, Request};
use super::stimulus::{ProbeTimer, Stimulus};
use line::Watched;
use observer::Observer;
use pulse::PulseDuty;
use shape::ShapeDuty;

/// The lanes of a broker beyond the two that are pinged.
const SHAPE: u8 = 2;
const PULSE: u8 = 3;
const OFFSETS: u8 = 4;
const ROUNDS: u8 = 5;
const DIRS: u8 = 6;
/// The lanes of a controller.
const OBSERVER: u8 = 7;
const FOLLOW: u8 = 8;

/// What a probe needs to know.
#[derive(Debug, Clone)]
pub(in crate::sim) struct ProbeOptions {
    pub(in crate::sim) path: Listener,
    pub(in crate::sim) bootstrap: Vec<BrokerId>,
    /// Empty: no observer, and the pulse is asked of brokers.
    pub(in crate::sim) controllers: Vec<ControllerId>,
    pub(in crate::sim) rhythm: Rhythm,
}

/// The probe of one process.
#[derive(Debug)]
pub(in crate::sim) struct Probe {
    options: ProbeOptions,
    brokers: BTreeMap<BrokerId, Broker>,
    calls: BTreeMap<Call, Pending>,
    topology: Option<Arc<Topology>>,
    reassigning: BTreeSet<PartitionId>,
    shape: ShapeDuty,
    pulse: PulseDuty,
    observer: Observer,
    looks: u64,
    rounds_turn: usize,
}

/// One broker as the probe reaches it.
#[derive(Debug)]
struct Broker {
    watched: Watched,
    budget: Budget,
}

/// What the line to a broker needs of its probe.
pub(super) struct Means<'a> {
    pub(super) rhythm: Rhythm,
    pub(super) path: &'a Listener,
    budget: &'a mut Budget,
    /// The shape is to be looked at, at once.
    pub(super) shape_now: bool,
}

impl Means<'_> {
    pub(super) fn count(&mut self, now: Timestamp) {
        self.budget.urgent(now);
    }
}

/// A request under way.
#[derive(Debug)]
struct Pending {
    line: Line,
    overdue: Timestamp,
    what: What,
}

/// What a request was for.
#[derive(Debug, Clone)]
enum What {
    View(u64, BrokerId),
    Begin(usize),
    Pulse(u64, pulse::Way),
    Offsets { broker: BrokerId, sent_at: Timestamp },
    LogDirs { broker: BrokerId, sent_at: Timestamp },
    Reassignments { look: u64, broker: BrokerId, sent_at: Timestamp },
    Search,
    Follow(u32),
    Observe,
}

impl Probe {
    /// Begins to look.
    pub(in crate::sim) fn start(options: ProbeOptions, desk: &mut Desk<'_>) -> Self {
        let probe = Self {
            brokers: BTreeMap::new(),
            calls: BTreeMap::new(),
            topology: None,
            reassigning: BTreeSet::new(),
            shape: ShapeDuty::default(),
            pulse: PulseDuty::default(),
            observer: Observer::default(),
            looks: 0,
            rounds_turn: 0,
            options,
        };
        for timer in [ProbeTimer::Shape, ProbeTimer::Pulse, ProbeTimer::Rounds] {
            desk.later(Duration::ZERO, Stimulus::Look(timer));
        }
        if !probe.options.controllers.is_empty() {
            desk.later(Duration::ZERO, Stimulus::Look(ProbeTimer::Search));
        }
        probe
    }

    /// Looks at something at once.
    pub(in crate::sim) fn look(&mut self, desk: &mut Desk<'_>, what: LookNow) {
        match what {
            LookNow::Ping(broker) => self.with_line(desk, broker, |watched, desk, means| watched.nudge(desk, means)),
            LookNow::Pulse { not } => self.look_at_pulse(desk, not, pulse::Urgency::Now),
            LookNow::Topology { not, turn } => {
                self.look_at_shape(desk, (place_of(turn), &not), shape::Turn::Asked);
                self.look_at_reassignments(desk, (place_of(turn), &not));
            }
            LookNow::Offsets { not, partitions } => self.look_at_offsets(desk, &not, &partitions),
        }
    }

    /// A timer is over.
    pub(in crate::sim) fn due(&mut self, desk: &mut Desk<'_>, timer: ProbeTimer) {
        match timer {
            ProbeTimer::Line(broker, turn) => {
                self.with_line(desk, broker, |watched, desk, means| watched.due(desk, means, turn));
            }
            ProbeTimer::Shape => self.shape_due(desk),
            ProbeTimer::SecondView(look) => self.end_look(desk, look),
            ProbeTimer::Pulse => self.pulse_due(desk),
            ProbeTimer::Hedge(look) => self.hedge(desk, look),
            ProbeTimer::Offsets(broker) => self.offsets_due(desk, broker),
            ProbeTimer::LogDirs(broker) => self.log_dirs_due(desk, broker),
            ProbeTimer::Rounds => self.rounds_due(desk),
            ProbeTimer::Search => self.search(desk),
            ProbeTimer::Follow(turn) => self.follow(desk, turn),
        }
    }

    /// Kafka was heard on one of the probe's lines.
    pub(in crate::sim) fn heard(&mut self, desk: &mut Desk<'_>, heard: Heard) {
        let Heard { line, call, news, .. } = heard;
        if let (Door::Broker(broker), 0..=1) = (line.to, line.lane) {
            return self
                .with_line(desk, broker, |watched, desk, means| watched.heard(desk, means, (line, call, &news)));
        }
        match news {
            News::Opened => {}
            News::Answered { answer, .. } => {
                if let Some(pending) = self.calls.remove(&call) {
                    self.replied(desk, pending, understood(*answer));
                }
            }
            News::Refused | News::Closed => {
                let lost: Vec<Call> =
                    self.calls.iter().filter(|(_, pending)| pending.line == line).map(|(call, _)| *call).collect();
                for call in lost {
                    if let Some(pending) = self.calls.remove(&call) {
                        self.replied(desk, pending, Err(Blindness::NobodyAnswered));
                    }
                }
                self.observed_line_closed(desk, line);
            }
            News::Metadata(topology) => self.observed(desk, call, topology),
        }
    }

    /// Gives up what has not been answered in time.
    pub(in crate::sim) fn sweep(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now();
        let late = |pending: &Pending| pending.overdue <= now;
        if !self.calls.values().any(late) {
            return;
        }
        let overdue: Vec<Call> =
            self.calls.iter().filter(|(_, pending)| late(pending)).map(|(call, _)| *call).collect();
        for call in overdue {
            if let Some(pending) = self.calls.remove(&call) {
                desk.close(pending.line);
                self.replied(desk, pending, Err(Blindness::NobodyAnswered));
            }
        }
    }

    /// Gives how many requests are under way.
    pub(in crate::sim) fn under_way(&self) -> usize {
        self.calls.len()
    }

    fn replied(&mut self, desk: &mut Desk<'_>, pending: Pending, reply: Result<Answer, Blindness>) {
        match pending.what {
            What::View(look, broker) => self.viewed(desk, look, broker, reply),
            What::Begin(place) => self.began(desk, place, reply),
            What::Pulse(look, way) => self.pulsed(desk, look, way, reply),
            What::Offsets { broker, sent_at } => self.offsets_read(desk, broker, sent_at, reply),
            What::LogDirs { broker, sent_at } => self.log_dirs_read(desk, broker, sent_at, reply),
            What::Reassignments { look, broker, sent_at } => {
                self.reassignments_read(desk, (look, broker), sent_at, reply);
            }
            What::Search => self.searched(desk, reply),
            What::Follow(turn) => self.followed(desk, turn, reply),
            What::Observe => self.not_observed(desk, reply),
        }
    }

    fn ask(&mut self, desk: &mut Desk<'_>, line: Line, request: Request, what: What) {
        let within = match what {
            What::Search => Duration::from_secs(1),
            What::View(..)
            | What::Begin(_)
            | What::Pulse(..)
            | What::Offsets { .. }
            | What::LogDirs { .. }
            | What::Reassignments { .. }
            | What::Follow(_)
            | What::Observe => self.options.rhythm.within,
        };
        let overdue = desk.now().plus(within);
        let call = desk.ask(line, request);
        self.calls.insert(call, Pending { line, overdue, what });
    }

    fn next_look(&mut self) -> u64 {
        self.looks = self.looks.wrapping_add(1);
        self.looks
    }

    fn with_line(
        &mut self,
        desk: &mut Desk<'_>,
        broker: BrokerId,
        act: impl FnOnce(&mut Watched, &mut Desk<'_>, &mut Means<'_>),
    ) {
        let Some(known) = self.brokers.get_mut(&broker) else { return };
        let mut means = Means {
            rhythm: self.options.rhythm,
            path: &self.options.path,
            budget: &mut known.budget,
            shape_now: false,
        };
        act(&mut known.watched, desk, &mut means);
        if means.shape_now {
            self.shape_wanted(desk);
        }
    }

    /// Takes in who there is; a new broker is watched from now on.
    fn learn_brokers(&mut self, desk: &mut Desk<'_>, topology: &Topology) {
        // Once known, for good: the usual answer names nobody new.
        let fresh: Vec<BrokerId> =
            topology.brokers.keys().filter(|id| !self.brokers.contains_key(id)).copied().collect();
        for id in fresh {
            self.brokers.insert(id, Broker { watched: Watched::new(id), budget: Budget::new(desk.now()) });
            self.with_line(desk, id, |watched, desk, means| watched.begin(desk, means));
            desk.later(Duration::ZERO, Stimulus::Look(ProbeTimer::Offsets(id)));
            desk.later(Duration::ZERO, Stimulus::Look(ProbeTimer::LogDirs(id)));
        }
    }

    /// Gives brokers to ask about others: those that answer first, then by id from a place on.
    fn whom_to_ask(&self, place: usize, not: &BTreeSet<BrokerId>) -> Vec<BrokerId> {
        let ids = self.brokers.keys().filter(|id| !not.contains(id)).copied().collect();
        let answers = |id: &BrokerId| self.brokers.get(id).is_some_and(|broker| broker.watched.answers);
        turn::whom_to_ask(ids, place, answers)
    }

    fn may_ask(&mut self, now: Timestamp, broker: BrokerId) -> bool {
        self.brokers.get_mut(&broker).is_some_and(|known| known.budget.routine(now))
    }

    fn count(&mut self, now: Timestamp, broker: BrokerId) {
        if let Some(known) = self.brokers.get_mut(&broker) {
            known.budget.urgent(now);
        }
    }
}

/// Tells an answer from a refusal, in the words of the probe.
fn understood(answer: Answer) -> Result<Answer, Blindness> {
    match answer {
        Answer::Refused(Code::ClusterAuthorizationFailed | Code::TopicAuthorizationFailed) => Err(Blindness::Denied),
        Answer::Refused(Code::UnsupportedVersion) => Err(Blindness::Unsupported),
        Answer::Refused(_) => Err(Blindness::NobodyAnswered),
        answered => Ok(answered),
    }
}
