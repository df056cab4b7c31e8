//! Builds the brief: what the model is asked, from the finding, the plan and the snapshot.
//!
//! Names stay here: the brief holds tokens only, and [`Names`] (kept locally, never sent) says what they stand for.
//! Racks, topic names and listeners are compared and counted, never copied. Deliberately no judgement of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::advice::{
    Absent, ActKind, Brief, Fact, FactId, FactKey as Key, Observer, Proposal, Subject, Urgency,
};
use crate::model::finding::{Finding, FindingKind, Say};
use crate::model::ids::{BrokerId, NodeId, PartitionId};
use crate::model::observation::{Light, LogEnd, Progress, PulseState, Sighting};
use crate::model::plan::{NativeFate, Origin, Plan, Serving};
use crate::model::snapshot::Snapshot;
use crate::model::topology::Standing;

/// How many candidates are named: with six facts each, the suspect's fourteen and the cluster's ten, the brief stays
/// within its 64 facts. The busiest are named; `candidates_total` says how many there are.
const CANDIDATES_MAX: usize = 6;

/// A trio has three.
const OBSERVERS_MAX: usize = 3;

/// A brief and what its tokens stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is sent.
    pub brief: Brief,
    /// What is not.
    pub names: Names,
}

/// What the tokens of a brief stand for; never leaves the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The brokers by token.
    pub brokers: BTreeMap<Subject, BrokerId>,
    /// The nodes by token.
    pub nodes: BTreeMap<Observer, NodeId>,
}

/// Gives how urgent the answer to a finding is; planned work has none.
///
/// A dead broker that leads nothing any more still fails every acks=all write of the ISRs that it is in (`kafka.md` §13).
#[must_use]
pub fn urgency(finding: Option<&Finding>, snapshot: &Snapshot) -> Urgency {
    use FindingKind as K;
    let Some(finding) = finding else { return Urgency::U3 };
    let blocks = snapshot.loads.get(&finding.broker).is_some_and(|load| 0 < load.in_isr_with_others);
    match finding.kind {
        K::BrokerCrashed | K::BrokerSilent if 0 < finding.leads || blocks => Urgency::U1,
        K::LeaderNotServing | K::ClientPathCut if 0 < finding.leads => Urgency::U1,
        K::LeaderNotServing
        | K::BrokerCrashed
        | K::BrokerSilent
        | K::ClientPathCut
        | K::Recovering
        | K::BrokerStopped
        | K::CutOrStalled
        | K::Zombie
        | K::Conflict
        | K::Unknown => Urgency::U2,
    }
}

/// Gives the brief for a plan, and what its tokens stand for.
#[must_use]
pub fn brief(finding: Option<&Finding>, plan: &Plan, snapshot: &Snapshot) -> Asked {
    let shares = shares(plan);
    let suspect = finding.map(|finding| finding.broker).or_else(|| origin_broker(plan));
    let chosen = busiest(&shares);
    let mut names = Names::default();
    for (token, broker) in (1_u8..).zip(suspect.iter().chain(chosen.iter().filter(|id| Some(**id) != suspect))) {
        names.brokers.insert(Subject::Broker(token), *broker);
    }
    for (token, node) in (1_u8..).zip(snapshot.voters.iter().take(OBSERVERS_MAX)) {
        names.nodes.insert(Observer(token), *node);
    }
    let token = |broker: BrokerId| names.brokers.iter().find(|(_, id)| **id == broker).map(|(token, _)| *token);
    let mut sheet = Sheet::default();
    let suspect = suspect.and_then(|id| token(id).map(|token| (id, token)));
    if let Some((id, subject)) = suspect {
        sheet.suspect(finding, (id, subject), snapshot, &names);
    }
    for id in &chosen {
        if let (Some(subject), Some(partitions)) = (token(*id), shares.get(id)) {
            sheet.candidate((*id, subject), suspect.map(|(id, _)| id), partitions, snapshot);
        }
    }
    sheet.partitions(plan, snapshot);
    sheet.cluster(finding, plan, snapshot, shares.len());
    let candidates = chosen.iter().filter_map(|id| token(*id)).collect();
    let proposal = Proposal {
        acts: acts(plan),
        candidates,
        class: plan.class,
        finding: finding.map(|finding| finding.kind),
        suspect: suspect.map(|(_, token)| token),
        urgency: urgency(finding, snapshot),
    };
    Asked { brief: Brief { absent: sheet.absent.into_iter().collect(), facts: sheet.facts, proposal }, names }
}

/// Gives the partitions that each chosen candidate would lead.
fn shares(plan: &Plan) -> BTreeMap<BrokerId, BTreeSet<PartitionId>> {
    let mut shares: BTreeMap<BrokerId, BTreeSet<PartitionId>> = BTreeMap::new();
    for choice in &plan.choices {
        if let Some(chosen) = choice.chosen {
            shares.entry(chosen).or_default().extend(choice.partitions.iter());
        }
    }
    for movement in plan.steps.iter().flat_map(|step| step.act.moves()) {
        if let Some(first) = movement.to.first() {
            shares.entry(*first).or_default().extend(movement.partitions.iter());
        }
    }
    shares
}

fn busiest(shares: &BTreeMap<BrokerId, BTreeSet<PartitionId>>) -> Vec<BrokerId> {
    let mut brokers: Vec<_> =
        shares.iter().map(|(id, partitions)| (std::cmp::Reverse(partitions.len()), *id)).collect();
    brokers.sort_unstable();
    brokers.into_iter().take(CANDIDATES_MAX).map(|(_, id)| id).collect()
}

fn origin_broker(plan: &Plan) -> Option<BrokerId> {
    match &plan.origin {
        Origin::Finding { broker, .. } | Origin::Failback { broker, .. } => Some(*broker),
        Origin::Undo { .. } => None,
    }
}

fn acts(plan: &Plan) -> Vec<ActKind> {
    let mut acts = Vec::new();
    for kind in plan.steps.iter().map(|step| ActKind::of(&step.act)) {
        if !acts.contains(&kind) {
            acts.push(kind);
        }
    }
    acts
}

/// Facts and gaps as they are gathered.
#[derive(Debug, Default)]
struct Sheet {
    facts: Vec<Fact>,
    absent: BTreeSet<Absent>,
}

impl Sheet {
    /// Adds a fact, or the gap where the value is not known.
    fn put(&mut self, key: Key, of: (Subject, Option<Observer>), value: Option<i64>, age: Option<Duration>) {
        let (subject, observer) = of;
        match (value, FactId::at(self.facts.len())) {
            (Some(value), Some(id)) => {
                self.facts.push(Fact { age_ms: age.map(millis_u32), id, key, observer, subject, value });
            }
            (Some(_), None) | (None, _) => {
                self.absent.insert(Absent { key, observer, subject });
            }
        }
    }

    fn suspect(&mut self, finding: Option<&Finding>, who: (BrokerId, Subject), snapshot: &Snapshot, names: &Names) {
        let (id, subject) = who;
        let all = (subject, None);
        let shape = Some(snapshot.topology_age);
        if let Some(finding) = finding {
            let votes_age = finding.votes.values().map(|vote| vote.age).max();
            let votes = |says: Say| count(finding.votes.values().filter(|vote| vote.says == says).count());
            self.put(Key::VotesRed, all, Some(votes(Say::Red)), votes_age);
            self.put(Key::VotesAgainst, all, Some(votes(Say::Serves)), votes_age);
            self.put(Key::VotesTotal, all, Some(count(snapshot.voters.len())), None);
            self.put(Key::RedMs, all, Some(millis_i64(finding.red_for)), None);
            self.put(Key::EchoBehind, all, behind(finding.echo.state), None);
            self.put(Key::LogsGrowing, all, growing(finding.progress), None);
            self.put(Key::PartitionsLed, all, Some(i64::from(finding.leads)), shape);
        }
        for (observer, node) in &names.nodes {
            let heard = snapshot.heard.get(node);
            let sighting = heard.and_then(|heard| heard.report.brokers.get(&id));
            let age = heard.map(|heard| heard.age);
            let by = (subject, Some(*observer));
            self.put(Key::Refused, by, sighting.and_then(refused), age);
            let silent = sighting.and_then(|sighting| sighting.silent_for);
            self.put(Key::SilenceMs, by, silent.map(millis_i64), age);
        }
        self.put(Key::Fenced, all, fenced(id, snapshot), shape);
    }

    fn candidate(
        &mut self,
        who: (BrokerId, Subject),
        suspect: Option<BrokerId>,
        partitions: &BTreeSet<PartitionId>,
        snapshot: &Snapshot,
    ) {
        let (id, subject) = who;
        let of = (subject, None);
        let shape = Some(snapshot.topology_age);
        let known = partitions.iter().map(|partition| snapshot.topology.partitions.get(partition));
        let in_isr = known.clone().map(|known| known.map(|known| known.isr.contains(&id)));
        let in_isr = in_isr.reduce(|all, one| Some(all? && one?)).flatten();
        self.put(Key::InIsr, of, in_isr.map(i64::from), shape);
        if suspect != Some(id) {
            self.put(Key::Fenced, of, fenced(id, snapshot), shape);
        }
        let lags: Vec<_> = partitions.iter().map(|partition| lag(id, *partition, snapshot)).collect();
        self.put(Key::LagRecords, of, lags.iter().flatten().max().copied(), None);
        if lags.iter().any(Option::is_none) {
            self.absent.insert(Absent { key: Key::LagRecords, observer: None, subject });
        }
        let held = snapshot.loads.get(&id).map(|load| i64::from(load.leads));
        let leads_already = known.flatten().filter(|known| known.leader == Some(id)).count();
        let gains = count(partitions.len().saturating_sub(leads_already));
        self.put(Key::LeadersHeld, of, held, shape);
        self.put(Key::LeadersAfter, of, held.map(|held| held.saturating_add(gains)), shape);
        if let Some(suspect) = suspect.filter(|suspect| *suspect != id) {
            self.put(Key::RackShared, of, rack_shared(id, suspect, snapshot), shape);
        }
    }

    fn partitions(&mut self, plan: &Plan, snapshot: &Snapshot) {
        let moved = plan.steps.iter().flat_map(|step| step.act.moves()).flat_map(|movement| movement.partitions.iter());
        let of_choices = plan.choices.iter().flat_map(|choice| choice.partitions.iter());
        let all: BTreeSet<PartitionId> = moved.chain(of_choices).collect();
        let of = (Subject::Partitions(1), None);
        let shape = Some(snapshot.topology_age);
        self.put(Key::Partitions, of, Some(count(all.len())), shape);
        let smallest = all.iter().filter_map(|id| snapshot.topology.partitions.get(id)).map(|known| known.isr.len());
        self.put(Key::IsrSmallest, of, smallest.min().map(count), shape);
        let topics: BTreeSet<_> = all.iter().map(|partition| partition.topic).collect();
        let min_isr = topics.iter().filter_map(|topic| snapshot.topology.topics.get(topic)?.min_isr).max();
        self.put(Key::MinIsr, of, min_isr.map(i64::from), None);
    }

    fn cluster(&mut self, finding: Option<&Finding>, plan: &Plan, snapshot: &Snapshot, candidates: usize) {
        let of = (Subject::Cluster, None);
        let shape = Some(snapshot.topology_age);
        let brokers = &snapshot.topology.brokers;
        let live = brokers.values().filter(|known| known.standing == Standing::Active).count();
        self.put(Key::LiveBrokers, of, Some(count(live)), shape);
        self.put(Key::BrokersTotal, of, Some(count(brokers.len())), shape);
        if let Some(finding) = finding {
            self.put(Key::RedBrokers, of, Some(i64::from(finding.red_brokers)), None);
        }
        self.put(Key::CandidatesTotal, of, Some(count(candidates)), None);
        self.put(Key::ForeignReassignments, of, Some(count(snapshot.reassigning.len())), None);
        let stops = plan
            .collateral
            .iter()
            .filter(|entry| entry.native_same == NativeFate::Differs && rank(entry.after) < rank(entry.before));
        self.put(Key::CollateralStops, of, Some(stops.map(|entry| count(entry.partitions.len())).sum()), None);
        let known: i64 =
            plan.at_risk.iter().filter_map(|risk| risk.records).map(count_u64).fold(0, i64::saturating_add);
        self.put(Key::RecordsAtRisk, of, Some(known), None);
        if plan.at_risk.iter().any(|risk| risk.records.is_none()) {
            self.absent.insert(Absent { key: Key::RecordsAtRisk, observer: None, subject: Subject::Cluster });
        }
    }
}

/// Gives how well a partition serves, as a number to compare; what is not known counts as serving.
fn rank(serving: Serving) -> u8 {
    match serving {
        Serving::No => 0,
        Serving::UnderMinIsr => 1,
        Serving::Full | Serving::Unknown => 2,
    }
}

/// Gives by how many records a replica's log end is behind the furthest one of the same, current leader epoch.
fn lag(broker: BrokerId, partition: PartitionId, snapshot: &Snapshot) -> Option<i64> {
    let epoch = snapshot.topology.partitions.get(&partition)?.leader_epoch;
    let current = |end: &LogEnd| end.leader_epoch.is_none_or(|of| of == epoch);
    let own = snapshot.log_ends.get(&partition, broker).filter(current)?.offset.0;
    let ends = snapshot.log_ends.of(partition).map(|(_, end)| end);
    let furthest = ends.filter(current).map(|end| end.offset.0).max()?;
    Some(count_u64(furthest.saturating_sub(own)))
}

fn fenced(broker: BrokerId, snapshot: &Snapshot) -> Option<i64> {
    match snapshot.topology.brokers.get(&broker)?.standing {
        Standing::Active | Standing::ShuttingDown => Some(0),
        Standing::Fenced | Standing::Unregistered => Some(1),
        Standing::Unknown => None,
    }
}

fn rack_shared(one: BrokerId, other: BrokerId, snapshot: &Snapshot) -> Option<i64> {
    let rack = |id: BrokerId| snapshot.topology.brokers.get(&id)?.rack.as_ref();
    Some(i64::from(rack(one)? == rack(other)?))
}

fn refused(sighting: &Sighting) -> Option<i64> {
    match sighting.light {
        Light::RedRefused => Some(1),
        Light::Green | Light::Yellow | Light::RedSilent | Light::Recovering => Some(0),
        Light::Unknown(_) => None,
    }
}

fn behind(state: PulseState) -> Option<i64> {
    match state {
        PulseState::Unknown => None,
        PulseState::Level => Some(0),
        PulseState::Behind(_) | PulseState::Missing => Some(1),
    }
}

fn growing(progress: Progress) -> Option<i64> {
    match progress {
        Progress::Unknown => None,
        Progress::None => Some(0),
        Progress::Growing(partitions) => Some(i64::from(partitions)),
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn count_u64(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn millis_i64(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn millis_u32(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
