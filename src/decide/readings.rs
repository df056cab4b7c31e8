//! Readings: the newest that one node has read of the cluster as a whole, each with its instant.
//!
//! Deliberately no judgement about brokers: lights are the watch's.

mod dirs;
mod ends;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use self::dirs::OwnDirs;
pub use self::ends::OwnEnds;
use crate::model::ids::{BrokerId, ControllerEpoch, ControllerId, PartitionId};
use crate::model::observation::{
    Blindness, LogDirsReading, OffsetsReading, ProbeKind, PulseReading, TopologyReading, TopologySource,
};
use crate::model::snapshot::Load;
use crate::model::time::Timestamp;
use crate::model::topology::{Partition, Topology};

/// The newest that one node has read of the cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The cluster's shape: the observer's while it sees, else the brokers' own; the higher leader epoch is believed.
    pub topology: Option<Shape>,
    /// The log ends that each broker told of its own replicas.
    pub log_ends: BTreeMap<BrokerId, OwnEnds>,
    /// Log dirs per broker.
    pub log_dirs: BTreeMap<BrokerId, OwnDirs>,
    /// The reassignments in flight, and when they were asked for.
    pub reassigning: Option<(Timestamp, BTreeSet<PartitionId>)>,
    /// The active controller, its epoch, and when the answer that named it was asked for.
    pub controller: Option<(ControllerId, ControllerEpoch, Timestamp)>,
    /// When an answer of the active controller that came the way that changes go was last asked for.
    pub way_open_at: Option<Timestamp>,
    /// Probes of the cluster as a whole that say nothing, since when, and why.
    pub blind: BTreeMap<ProbeKind, (Timestamp, Blindness)>,
    /// Brokers that do not say what they hold, and why.
    pub blind_of: BTreeMap<(ProbeKind, BrokerId), Blindness>,
    /// What each broker carries, by the newest reading of its log dirs: bytes, and bytes a second where it leads.
    pub carried: BTreeMap<BrokerId, (u64, Option<u64>)>,
    /// The newest shape from each kind of source.
    sources: Sources,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Sources {
    observer: Option<TopologyReading>,
    brokers: Option<TopologyReading>,
}

/// A shape of the cluster with its source and age.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The shape.
    pub topology: Arc<Topology>,
    /// Where it came from.
    pub source: TopologySource,
    /// The newest instant at which it was known to be true.
    pub confirmed_at: Timestamp,
    /// How much each broker carries in it; bytes are not filled in.
    pub loads: Arc<BTreeMap<BrokerId, Load>>,
}

impl Readings {
    /// Takes in a shape of the cluster. Of one older than the newest of its source only later elections are believed: what is
    /// known must not depend on which of two brokers' answers comes first.
    pub(super) fn note_topology(&mut self, reading: &TopologyReading) {
        let (place, probe) = match reading.source {
            TopologySource::Observer => (&mut self.sources.observer, ProbeKind::Observer),
            TopologySource::Metadata(_) => (&mut self.sources.brokers, ProbeKind::Metadata),
        };
        if let Some(known) = place.as_mut().filter(|known| reading.sent_at < known.sent_at) {
            if let TopologySource::Metadata(_) = reading.source {
                known.topology = believe_higher(&known.topology, &reading.topology);
                self.merge();
            }
            return;
        }
        // A view of a broker that lags must not undo an election that we have seen.
        let mut reading = reading.clone();
        if let (TopologySource::Metadata(_), Some(known)) = (&reading.source, &*place) {
            reading.topology = believe_higher(&reading.topology, &known.topology);
        }
        *place = Some(reading);
        self.blind.remove(&probe);
        self.merge();
    }

    fn merge(&mut self) {
        let observer_sees = !self.blind.contains_key(&ProbeKind::Observer);
        let (base, other) = match (&self.sources.observer, &self.sources.brokers) {
            (Some(observer), brokers) if observer_sees => (observer, brokers.as_ref()),
            (observer, Some(brokers)) => (brokers, observer.as_ref()),
            (Some(observer), None) => (observer, None),
            (None, None) => return,
        };
        let mut topology = Arc::clone(&base.topology);
        let mut confirmed_at = base.sent_at;
        if let Some(other) = other {
            topology = believe_higher(&topology, &other.topology);
            topology = complete(&topology, &other.topology);
            confirmed_at = confirmed_at.max(other.sent_at);
        }
        let source = base.source.clone();
        let loads = match &self.topology {
            Some(shape) if Arc::ptr_eq(&shape.topology, &topology) => Arc::clone(&shape.loads),
            _ => Arc::new(loads_in(&topology)),
        };
        self.log_ends.retain(|broker, _| loads.contains_key(broker));
        self.topology = Some(Shape { topology, source, confirmed_at, loads });
    }

    /// Takes in a probe that says nothing.
    pub(super) fn note_blind(&mut self, at: Timestamp, broker: Option<BrokerId>, probe: ProbeKind, why: Blindness) {
        if let Some(broker) = broker {
            // Nobody else can say what a broker holds; for the cluster's state another broker is asked.
            if matches!(probe, ProbeKind::Offsets | ProbeKind::LogDirs) {
                self.blind_of.insert((probe, broker), why);
            }
            return;
        }
        self.blind.entry(probe).or_insert((at, why)).1 = why;
        if probe == ProbeKind::Observer {
            self.merge();
        }
    }

    /// Takes in who is the active controller. Its answer also confirms what the observer, fed by it, has told.
    pub(super) fn note_pulse(&mut self, reading: &PulseReading) {
        self.blind.remove(&ProbeKind::Pulse);
        if self.controller.is_none_or(|(_, _, at)| at <= reading.sent_at) {
            self.controller = Some((reading.controller, reading.controller_epoch, reading.sent_at));
        }
        if reading.as_changes_go {
            self.way_open_at = self.way_open_at.max(Some(reading.sent_at));
        }
        if let Some(shape) = &mut self.topology
            && shape.source == TopologySource::Observer
        {
            shape.confirmed_at = shape.confirmed_at.max(reading.sent_at);
        }
    }

    /// Gives how long ago the way that changes go was known to be open; none if never.
    #[must_use]
    pub fn way_open_ago(&self, now: Timestamp) -> Option<Duration> {
        self.way_open_at.map(|at| now.since(at))
    }

    /// Takes in one broker's log ends.
    pub(super) fn note_offsets(&mut self, reading: &OffsetsReading) {
        self.blind.remove(&ProbeKind::Offsets);
        self.blind_of.remove(&(ProbeKind::Offsets, reading.broker));
        let own = self.log_ends.entry(reading.broker).or_default();
        own.note(reading);
        if let Some(shape) = &self.topology {
            let held = shape.loads.get(&reading.broker).map_or(0, |load| load.replicas);
            if usize::try_from(held).unwrap_or(usize::MAX) < own.len() {
                own.keep_held(reading.broker, &shape.topology);
            }
        }
    }

    /// Takes in one broker's log dirs.
    pub(super) fn note_log_dirs(&mut self, reading: &LogDirsReading) {
        self.blind.remove(&ProbeKind::LogDirs);
        self.blind_of.remove(&(ProbeKind::LogDirs, reading.broker));
        let fresh = OwnDirs::new(reading, self.log_dirs.get(&reading.broker));
        let topology = self.topology.as_ref().map(|shape| shape.topology.as_ref());
        // Counted here, not with every snapshot: log dirs are read once in half a minute.
        let bytes_in = topology.and_then(|topology| fresh.bytes_in(reading.broker, topology));
        self.carried.insert(reading.broker, (fresh.bytes(), bytes_in));
        self.log_dirs.insert(reading.broker, fresh);
    }

    /// Takes in the reassignments in flight.
    pub(super) fn note_reassignments(&mut self, sent_at: Timestamp, partitions: &BTreeSet<PartitionId>) {
        self.blind.remove(&ProbeKind::Reassignments);
        if self.reassigning.as_ref().is_none_or(|(at, _)| *at <= sent_at) {
            self.reassigning = Some((sent_at, partitions.clone()));
        }
    }
}

/// Gives `base` with those partitions of `other` that were elected later.
fn believe_higher(base: &Arc<Topology>, other: &Topology) -> Arc<Topology> {
    // Walked side by side: looking each up takes several times as long, and every shape that comes in is compared.
    let mut known = base.partitions.iter().peekable();
    let later: Vec<(PartitionId, Partition)> = other
        .partitions
        .iter()
        .filter(|(id, theirs)| {
            while known.next_if(|(before, _)| before < id).is_some() {}
            known.peek().is_some_and(|(same, ours)| same == id && ours.leader_epoch < theirs.leader_epoch)
        })
        .map(|(id, theirs)| (*id, theirs.clone()))
        .collect();
    if later.is_empty() {
        return Arc::clone(base);
    }
    let mut believed = Topology::clone(base);
    believed.partitions.extend(later);
    Arc::new(believed)
}

/// Gives `base` with the broker epochs, racks and min ISRs that only `other` knows. A broker epoch that is out of date
/// does no harm: it is compared by Kafka before anything is fenced.
fn complete(base: &Arc<Topology>, other: &Topology) -> Arc<Topology> {
    let mut completed = None;
    for (broker, registration) in &base.brokers {
        let Some(theirs) = other.brokers.get(broker) else { continue };
        let (epoch, rack) = (registration.epoch.or(theirs.epoch), registration.rack.as_ref().or(theirs.rack.as_ref()));
        if epoch != registration.epoch || rack != registration.rack.as_ref() {
            let whole = completed.get_or_insert_with(|| Topology::clone(base));
            if let Some(ours) = whole.brokers.get_mut(broker) {
                (ours.epoch, ours.rack) = (epoch, rack.cloned());
            }
        }
    }
    for (id, topic) in base.topics.iter().filter(|(_, topic)| topic.min_isr.is_none()) {
        let known = other.topics.get(id).and_then(|theirs| theirs.min_isr);
        if known.is_some() {
            let whole = completed.get_or_insert_with(|| Topology::clone(base));
            whole.topics.insert(*id, crate::model::topology::Topic { min_isr: known, ..topic.clone() });
        }
    }
    completed.map_or_else(|| Arc::clone(base), Arc::new)
}

/// Counts what each broker carries.
pub(super) fn loads_in(topology: &Topology) -> BTreeMap<BrokerId, Load> {
    let mut loads: BTreeMap<BrokerId, Load> =
        topology.brokers.keys().map(|broker| (*broker, Load::default())).collect();
    for (_, partition, topic) in topology.walk() {
        if let Some(leader) = partition.leader {
            let load = loads.entry(leader).or_default();
            load.leads += 1;
            load.coordinates += u32::from(topic.is_some_and(|topic| topic.internal));
        }
        for replica in &partition.replicas {
            loads.entry(*replica).or_default().replicas += 1;
        }
        if 1 < partition.isr.len() {
            for member in &partition.isr {
                loads.entry(*member).or_default().in_isr_with_others += 1;
            }
        }
    }
    loads
}
