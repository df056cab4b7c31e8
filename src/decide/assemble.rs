//! Assemble: everybody's reports and the taker's own readings become one snapshot.
//!
//! Deliberately whole milliseconds throughout: a record holds no less than what was decided on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::policy::Policy;
use super::readings::Readings;
use crate::model::ids::{BrokerId, NodeId};
use crate::model::observation::{Blindness, LogEnd, ProbeKind, Report, Sighting, TopologySource};
use crate::model::snapshot::{Heard, Load, Missing, Snapshot, StandingOrders};
use crate::model::time::{LogTime, Timestamp, whole_ms};
use crate::model::told::Told;
use crate::model::topology::Topology;

/// What a snapshot is made of.
#[derive(Debug, Clone, Copy)]
pub struct Gathered<'a> {
    /// This instant, on the taker's clock.
    pub now: Timestamp,
    /// This instant, in log time.
    pub log_time: LogTime,
    /// The taker.
    pub me: NodeId,
    /// The trio.
    pub voters: &'a BTreeSet<NodeId>,
    /// The newest report of each node, the taker's own included, and when it arrived.
    pub reports: &'a BTreeMap<NodeId, (Timestamp, Report)>,
    /// The taker's own readings of the cluster.
    pub readings: &'a Readings,
    /// What the trio has decided before.
    pub standing: &'a StandingOrders,
}

/// Gives the snapshot of this instant.
#[must_use]
pub fn assemble(gathered: &Gathered<'_>, policy: &Policy) -> Snapshot {
    let mut snapshot = assemble_reports(gathered, policy);
    snapshot.log_ends = recent_log_ends(gathered, policy);
    for (broker, own) in &gathered.readings.log_ends {
        snapshot.records_in.put(*broker, own.rates());
    }
    for (broker, own) in &gathered.readings.log_dirs {
        snapshot.bytes_in.put(*broker, own.rates());
    }
    snapshot.missing = missing(&snapshot, gathered, policy);
    snapshot
}

/// Gives the snapshot of this instant without log ends and without what is missing: all that hearing an echo takes, at a
/// cost that does not grow with the number of partitions.
#[must_use]
pub fn assemble_reports(gathered: &Gathered<'_>, policy: &Policy) -> Snapshot {
    let heard: BTreeMap<NodeId, Heard> = gathered
        .reports
        .iter()
        .filter(|(node, _)| gathered.voters.contains(node))
        .map(|(node, (arrived, report))| (*node, hear(*node, gathered.now.since(*arrived), report)))
        .collect();
    let shape = gathered.readings.topology.as_ref();
    Snapshot {
        taken_at: gathered.log_time,
        taken_by: gathered.me,
        controller: recent_controller(gathered, policy),
        heard,
        voters: gathered.voters.clone(),
        topology: shape.map_or_else(|| Arc::new(Topology::default()), |shape| Arc::clone(&shape.topology)),
        topology_age: whole_ms(shape.map_or(Duration::MAX, |shape| gathered.now.since(shape.confirmed_at))),
        topology_source: shape.map_or_else(|| TopologySource::Metadata(BTreeSet::new()), |shape| shape.source.clone()),
        loads: loads(gathered.readings),
        log_ends: Told::default(),
        records_in: Told::default(),
        bytes_in: Told::default(),
        reassigning: gathered.readings.reassigning.as_ref().map(|(_, set)| set.clone()).unwrap_or_default(),
        cordoned: cordoned(gathered.readings),
        standing: gathered.standing.clone(),
        missing: BTreeSet::new(),
    }
}

fn hear(node: NodeId, age: Duration, report: &Report) -> Heard {
    let mut report = report.clone();
    for sighting in report.brokers.values_mut() {
        round(sighting);
    }
    Heard { node, age: whole_ms(age), report }
}

fn round(sighting: &mut Sighting) {
    sighting.light_for = whole_ms(sighting.light_for);
    sighting.tau = whole_ms(sighting.tau);
    sighting.success_sent_ago = sighting.success_sent_ago.map(whole_ms);
    sighting.silent_for = sighting.silent_for.map(whole_ms);
}

fn recent_log_ends(gathered: &Gathered<'_>, policy: &Policy) -> Told<LogEnd> {
    let oldest = gathered.now.minus(policy.guard.log_end_age_max);
    let mut recent = Told::default();
    for (broker, own) in &gathered.readings.log_ends {
        recent.put(*broker, own.since(oldest));
    }
    recent
}

fn recent_controller(gathered: &Gathered<'_>, policy: &Policy) -> Option<crate::model::ids::ControllerId> {
    let (controller, _, at) = gathered.readings.controller?;
    (gathered.now.since(at) <= policy.detect.pulse_age_max).then_some(controller)
}

fn loads(readings: &Readings) -> BTreeMap<BrokerId, Load> {
    let mut loads = readings.topology.as_ref().map(|shape| (*shape.loads).clone()).unwrap_or_default();
    for (broker, (bytes, bytes_in)) in &readings.carried {
        if let Some(load) = loads.get_mut(broker) {
            (load.bytes, load.bytes_in) = (Some(*bytes), *bytes_in);
        }
    }
    loads
}

fn cordoned(readings: &Readings) -> BTreeSet<BrokerId> {
    readings.log_dirs.iter().filter(|(_, dirs)| dirs.all_cordoned()).map(|(broker, _)| *broker).collect()
}

fn missing(snapshot: &Snapshot, gathered: &Gathered<'_>, policy: &Policy) -> BTreeSet<Missing> {
    let mut missing = BTreeSet::new();
    for node in &snapshot.voters {
        let recent = snapshot.heard.get(node).is_some_and(|heard| heard.age <= policy.detect.report_age_max);
        if !recent {
            missing.insert(Missing::Report(*node));
        }
    }
    if gathered.readings.topology.is_none() || policy.guard.topology_age_max < snapshot.topology_age {
        missing.insert(Missing::Topology);
    }
    let answered: BTreeSet<BrokerId> = snapshot.log_ends.brokers().collect();
    for (broker, registration) in &snapshot.topology.brokers {
        let holds = snapshot.loads.get(broker).is_some_and(|load| 0 < load.replicas);
        if holds && !answered.contains(broker) {
            missing.insert(Missing::LogEnds(*broker));
        }
        if registration.epoch.is_none() {
            missing.insert(Missing::BrokerEpoch(*broker));
        }
    }
    if snapshot.topology.topics.values().any(|topic| topic.min_isr.is_none()) {
        missing.insert(Missing::MinIsr);
    }
    if snapshot.controller.is_none() {
        missing.insert(Missing::Controller);
        // The active controller is named by DescribeQuorum, the pulse; nobody naming it means nobody reads the pulse.
        if !gathered.readings.blind.contains_key(&ProbeKind::Pulse) {
            missing.insert(Missing::Probe(ProbeKind::Pulse, Blindness::NobodyAnswered));
        }
    }
    missing.extend(gathered.readings.blind.iter().map(|(probe, (_, why))| Missing::Probe(*probe, *why)));
    missing
}
