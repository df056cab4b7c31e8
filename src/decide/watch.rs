//! The watch: one node's own tracker, from raw observations to a light, a pulse and progress per broker.
//!
//! Deliberately one path: a node looks through the listener that its clients' network uses, and votes for that path only.
//! Deliberately no finding: what one node sees is a vote, not the truth.

mod doubt;
mod line;
mod progress;
mod pulse;
mod tail;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::doubt::Doubt;
use self::line::Line;
use self::progress::Suspicion;
use self::pulse::PulseWatch;
use super::policy::{DetectPolicy, Policy};
use super::readings::Readings;
use crate::model::ids::{BrokerId, Listener, NodeId, PartitionId};
use crate::model::observation::{
    Fact, Light, LineChange, LookNow, Observation, PingOutcome, ProbeKind, Progress, Pulse, PulseState, Report,
    Sighting, TopologySource,
};
use crate::model::time::{Timestamp, whole_ms};

/// A broker's stall tail says nothing against a short tau after at least this long without a fit.
const TAIL_WATCHED_MIN: Duration = Duration::from_secs(3600);

/// The most partitions that one look at log ends names; beyond it all are asked for, which is the smaller request.
const LOOK_PARTITIONS_MAX: usize = 1000;

/// One node's own tracker.
#[derive(Debug, Clone)]
pub struct Watch {
    me: NodeId,
    policy: DetectPolicy,
    path: Listener,
    no_vote_on: BTreeSet<BrokerId>,
    lines: BTreeMap<BrokerId, Line>,
    pulses: PulseWatch,
    suspicions: BTreeMap<BrokerId, Suspicion>,
    doubt: Doubt,
    readings: Readings,
}

/// What followed from an observation or from the passing of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Noticed {
    /// Whether a light, a pulse state, progress or this node's own standing changed: report at once.
    pub changed: bool,
    /// What to look at at once.
    pub looks: Vec<LookNow>,
}

/// How well one broker can be judged: published as metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerMetrics {
    /// The usual gap between two answers (EWMA).
    pub gap: Duration,
    /// The silence beyond which it is red, without this node's doubt in itself.
    pub tau: Duration,
    /// Pauses that ended well and count towards its tail.
    pub stalls: u32,
    /// The index of its Pareto tail; none while too few stalls are known. Units: permille.
    pub tail_index_permille: Option<u64>,
    /// From its falling silent to red, on average.
    pub detection: Duration,
    /// Needless reds to expect in the budget's period. Units: permille of one.
    pub false_acts_permille: u64,
}

/// What others are told of at once when it changes: small numbers that only grow are left to the regular report.
type Gist = (Vec<(BrokerId, (Light, Stand, u32, Stand))>, u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Unknown,
    Well,
    Unwell,
}

impl Watch {
    /// Gives a watch that has seen nothing yet.
    #[must_use]
    pub fn new(me: NodeId, policy: &Policy, path: Listener, no_vote_on: BTreeSet<BrokerId>) -> Self {
        Self {
            me,
            policy: policy.detect.clone(),
            path,
            no_vote_on,
            lines: BTreeMap::new(),
            pulses: PulseWatch::default(),
            suspicions: BTreeMap::new(),
            doubt: Doubt::default(),
            readings: Readings::default(),
        }
    }

    /// Gives the node whose watch this is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.me
    }

    /// Takes in one observation.
    pub fn note(&mut self, observation: &Observation) -> Noticed {
        // Hearing of one line says nothing about another, and most of what is heard is that.
        let (at, whose) = (observation.at, observation.fact.line_of());
        let before = self.gist(at, whose);
        let (mut looks, mut news) = (Vec::new(), false);
        match &observation.fact {
            Fact::Ping { broker, sent_at, outcome, .. } => self.note_ping(at, *broker, *sent_at, *outcome),
            Fact::Line { broker, change, .. } => looks.extend(self.note_line(at, *broker, *change)),
            Fact::Blind { broker, probe, why } => match (broker, probe) {
                (Some(broker), ProbeKind::Line | ProbeKind::Ping) => self.line(*broker, at).blind(at, *why),
                _ => self.readings.note_blind(at, *broker, *probe, *why),
            },
            Fact::Topology(reading) => {
                self.readings.note_topology(reading);
                self.follow_topology(at);
                // Asked of brokers it tells a stop from a crash: of all that a decision about a red broker waits for it may come last.
                let asked = matches!(reading.source, TopologySource::Metadata(_));
                news |= asked && !self.suspicions.is_empty();
            }
            Fact::Pulse(reading) => {
                self.readings.note_pulse(reading);
                self.pulses.note(at, reading, &self.policy);
            }
            Fact::Offsets(reading) => {
                self.readings.note_offsets(reading);
                for suspicion in self.suspicions.values_mut() {
                    suspicion.note(reading);
                }
                // A candidate's log end may be all that a decision about a red broker waits for.
                news |= !self.suspicions.is_empty();
            }
            Fact::LogDirs(reading) => self.readings.note_log_dirs(reading),
            Fact::Reassignments { sent_at, partitions } => self.readings.note_reassignments(*sent_at, partitions),
            Fact::Own(own) => self.doubt.note(at, *own, &self.policy),
        }
        let noticed = self.follow(at, whose, &before, looks);
        Noticed { changed: noticed.changed || news, ..noticed }
    }

    /// Lets time pass: silence has no observation, so lights turn yellow and red here.
    pub fn tick(&mut self, now: Timestamp) -> Noticed {
        let before = self.gist(now, None);
        let brokers: Vec<BrokerId> = self.lines.keys().copied().collect();
        for broker in brokers {
            let tau = self.doubtful_tau(broker, now);
            if let Some(line) = self.lines.get_mut(&broker) {
                line.tick(now, tau, &self.policy);
            }
        }
        let red = self.lines.values().filter(|line| line.light().is_red()).count();
        self.doubt.tick(now, red, self.lines.len());
        let looks = self.look_for_progress(now);
        self.follow(now, None, &before, looks)
    }

    /// Whether clients are served takes two readings; a broker that is behind serves nobody.
    fn look_for_progress(&mut self, now: Timestamp) -> Vec<LookNow> {
        let mut again = Vec::new();
        for (broker, suspicion) in &mut self.suspicions {
            if !self.pulses.of(*broker, now, &self.policy).state.is_behind() && suspicion.looks_again(now) {
                again.push((*broker, look_set(suspicion)));
            }
        }
        again
            .into_iter()
            .map(|(broker, partitions)| LookNow::Offsets { not: self.red_and(broker), partitions })
            .collect()
    }

    fn note_ping(&mut self, at: Timestamp, broker: BrokerId, sent_at: Timestamp, outcome: PingOutcome) {
        let (doubt, tau) = (self.doubt.level(), self.doubtful_tau(broker, at));
        match outcome {
            PingOutcome::Answered { .. } => {
                line_in(&mut self.lines, &self.policy, broker, at).answered(at, Some(sent_at), doubt, &self.policy);
            }
            PingOutcome::TimedOut { .. } => self.line(broker, at).unanswered(at, tau),
        }
    }

    fn note_line(&mut self, at: Timestamp, broker: BrokerId, change: LineChange) -> Option<LookNow> {
        let (doubt, tau) = (self.doubt.level(), self.doubtful_tau(broker, at));
        let line = line_in(&mut self.lines, &self.policy, broker, at);
        match change {
            LineChange::Opened => line.answered(at, None, doubt, &self.policy),
            LineChange::Closed => {
                line.closed(at);
                return Some(LookNow::Topology { not: self.red_and(broker), turn: 0 });
            }
            LineChange::Refused => line.refused(at),
            LineChange::NoAnswer => line.unanswered(at, tau),
        }
        None
    }

    fn line(&mut self, broker: BrokerId, at: Timestamp) -> &mut Line {
        line_in(&mut self.lines, &self.policy, broker, at)
    }

    fn follow_topology(&mut self, at: Timestamp) {
        let Some(shape) = &self.readings.topology else { return };
        let topology = std::sync::Arc::clone(&shape.topology);
        for broker in topology.brokers.keys() {
            self.line(*broker, at);
        }
        // A broker that is neither registered nor named by any list has left; what is not asked says nothing.
        self.lines.retain(|broker, line| topology.brokers.contains_key(broker) || line.light() == Light::Green);
        for (suspect, suspicion) in &mut self.suspicions {
            suspicion.keep_led(*suspect, &topology);
        }
    }

    /// Draws the consequences of lights that turned, of this broker's or of any: suspicions begin and end, and it is looked where it
    /// matters.
    fn follow(&mut self, at: Timestamp, whose: Option<BrokerId>, before: &Gist, mut looks: Vec<LookNow>) -> Noticed {
        let lights: Vec<(BrokerId, Light)> =
            self.lines_of(whose).map(|(broker, line)| (*broker, line.light())).collect();
        for (broker, light) in lights {
            let at_before = before.0.binary_search_by_key(&broker, |(id, _)| *id).ok();
            let was = at_before.and_then(|place| before.0.get(place)).map(|(_, (light, ..))| *light);
            if light.is_red() && !was.is_some_and(Light::is_red) {
                looks.extend(self.begin_suspicion(broker, at));
            } else if !light.is_red() && self.suspicions.remove(&broker).is_some() {
                self.pulses.turned_well(broker);
            } else if light == Light::Yellow && was != Some(Light::Yellow) {
                looks.push(LookNow::Ping(broker));
            }
        }
        Noticed { changed: self.gist(at, whose) != *before, looks }
    }

    fn begin_suspicion(&mut self, broker: BrokerId, at: Timestamp) -> Vec<LookNow> {
        let topology = self.readings.topology.as_ref().map(|shape| shape.topology.as_ref());
        let suspicion = Suspicion::new(broker, at, topology);
        let partitions = look_set(&suspicion);
        self.suspicions.insert(broker, suspicion);
        self.pulses.turned_red(broker, at);
        let not = self.red_and(broker);
        let mut looks = vec![LookNow::Pulse { not: not.clone() }, LookNow::Offsets { not: not.clone(), partitions }];
        // The observer is told; from brokers, a shape asked for after the red tells a stop in good order from a crash.
        if self.readings.topology.as_ref().is_none_or(|shape| shape.source != TopologySource::Observer) {
            looks.push(LookNow::Topology { not, turn: 0 });
        }
        looks
    }

    fn red_and(&self, broker: BrokerId) -> BTreeSet<BrokerId> {
        let red = self.lines.iter().filter(|(_, line)| line.light().is_red()).map(|(broker, _)| *broker);
        red.chain([broker]).collect()
    }

    /// The silence beyond which a broker is red, without this node's doubt in itself.
    fn tau(&self, broker: BrokerId, now: Timestamp) -> Duration {
        let policy = &self.policy;
        let Some(line) = self.lines.get(&broker) else { return policy.tau_min };
        let brokers = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        let tail = line.tail().tau(brokers, policy);
        let behind = self.pulses.of(broker, now, policy).state.is_behind();
        let measured = tail.is_some() || TAIL_WATCHED_MIN <= line.tail().watched();
        if behind && measured {
            return policy.tau_behind.max(tail.unwrap_or_default());
        }
        policy
            .tau_min
            .max(policy.ping_interval * policy.tau_intervals)
            .max(line.usual_gap() * policy.tau_gap_permille / 1000)
            .max(tail.unwrap_or_default())
    }

    fn doubtful_tau(&self, broker: BrokerId, now: Timestamp) -> Duration {
        self.tau(broker, now) * (1 + u32::from(self.doubt.level()))
    }

    /// Gives what this node says of all brokers, in ages of whole milliseconds.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Report {
        Report {
            lhm: self.doubt.level(),
            reaches_controller: self.readings.way_open_ago(now).is_some_and(|ago| ago <= self.policy.pulse_age_max),
            brokers: self.lines.keys().map(|broker| (*broker, self.sighting(*broker, now))).collect(),
            no_vote_on: self.no_vote_on.clone(),
        }
    }

    fn sighting(&self, broker: BrokerId, now: Timestamp) -> Sighting {
        let ago = |at: Timestamp| whole_ms(now.since(at));
        let line = self.lines.get(&broker);
        Sighting {
            path: self.path.clone(),
            light: line.map_or(Light::Unknown(crate::model::observation::Blindness::NotTried), Line::light),
            light_for: line.map_or(Duration::ZERO, |line| ago(line.since())),
            success_sent_ago: line.and_then(Line::answer_sent_at).map(ago),
            silent_for: line.and_then(Line::answered_at).map(ago),
            tau: self.tau(broker, now),
            pulse: self.pulses.of(broker, now, &self.policy),
            progress: self.progress(broker),
        }
    }

    fn progress(&self, broker: BrokerId) -> Progress {
        self.suspicions.get(&broker).map_or(Progress::Unknown, Suspicion::progress)
    }

    /// The line to one broker, where there is one, or all lines.
    fn lines_of(&self, whose: Option<BrokerId>) -> impl Iterator<Item = (&BrokerId, &Line)> {
        match whose {
            Some(one) => self.lines.range(one..=one),
            None => self.lines.range(..),
        }
    }

    /// The gist of one broker or of all.
    fn gist(&self, now: Timestamp, whose: Option<BrokerId>) -> Gist {
        let of = |(broker, line): (&BrokerId, &Line)| {
            let pulse: Pulse = self.pulses.of(*broker, now, &self.policy);
            let stand = match pulse.state {
                PulseState::Unknown => Stand::Unknown,
                PulseState::Level => Stand::Well,
                PulseState::Behind(_) | PulseState::Missing => Stand::Unwell,
            };
            let progress = match self.progress(*broker) {
                Progress::Unknown => Stand::Unknown,
                Progress::None => Stand::Unwell,
                Progress::Growing(_) => Stand::Well,
            };
            // While a broker is red each beat decides something.
            let beats = if line.light().is_red() { pulse.beats_since_red } else { 0 };
            (*broker, (line.light(), stand, beats, progress))
        };
        (self.lines_of(whose).map(of).collect(), self.doubt.level())
    }

    /// Gives this node's doubt in itself (LHM), 0 to 8.
    #[must_use]
    pub fn lhm(&self) -> u8 {
        self.doubt.level()
    }

    /// Gives when a place in the metadata log was last heard of; none if never.
    #[must_use]
    pub fn pulse_heard_at(&self) -> Option<Timestamp> {
        self.pulses.heard_at()
    }

    /// Gives how many readings of places in the metadata log are remembered: those of a lead time and of a slow answer's way.
    #[must_use]
    pub fn pulses_remembered(&self) -> usize {
        self.pulses.remembered()
    }

    /// Gives the newest readings of the cluster as a whole.
    #[must_use]
    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// Gives how well a broker can be judged at `now`; none for one never heard of.
    #[must_use]
    pub fn metrics(&self, broker: BrokerId, now: Timestamp) -> Option<BrokerMetrics> {
        let line = self.lines.get(&broker)?;
        let tau = self.tau(broker, now);
        Some(BrokerMetrics {
            gap: line.usual_gap(),
            tau,
            stalls: line.tail().count(),
            tail_index_permille: line.tail().index_permille(&self.policy),
            // It falls silent somewhere between two answers; the silence counts from the first of them.
            detection: tau.saturating_sub(line.usual_gap() / 2),
            false_acts_permille: line.tail().expected_permille(tau, &self.policy),
        })
    }
}

/// What to ask log ends of: few by name, many as all.
fn look_set(suspicion: &Suspicion) -> BTreeSet<PartitionId> {
    if suspicion.led().len() <= LOOK_PARTITIONS_MAX { suspicion.led().clone() } else { BTreeSet::new() }
}

/// Gives the line to a broker, a new one where there was none.
fn line_in<'a>(
    lines: &'a mut BTreeMap<BrokerId, Line>,
    policy: &DetectPolicy,
    broker: BrokerId,
    at: Timestamp,
) -> &'a mut Line {
    lines.entry(broker).or_insert_with(|| Line::new(at, policy))
}
