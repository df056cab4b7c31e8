//! Readings: the newest that one node has read of the cluster as a whole, each with its instant.
//!
//! Deliberately no judgement about brokers: lights are the watch's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::ids::{BrokerId, ControllerEpoch, ControllerId, PartitionId};
use crate::model::observation::{Blindness, LogDirsReading, LogEnd, ProbeKind, TopologySource};
use crate::model::snapshot::Load;
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

/// The newest that one node has read of the cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The cluster's shape: the observer's while it sees, else the brokers' own; the higher leader epoch is believed.
    pub topology: Option<Shape>,
    /// Log ends per partition and replica, each with the instant at which it was asked for.
    pub log_ends: BTreeMap<PartitionId, BTreeMap<BrokerId, (LogEnd, Timestamp)>>,
    /// Log dirs per broker.
    pub log_dirs: BTreeMap<BrokerId, LogDirsReading>,
    /// The reassignments in flight, and when they were asked for.
    pub reassigning: Option<(Timestamp, BTreeSet<PartitionId>)>,
    /// The active controller, its epoch, and when the answer that named it was asked for.
    pub controller: Option<(ControllerId, ControllerEpoch, Timestamp)>,
    /// Probes of the cluster as a whole that say nothing, since when, and why.
    pub blind: BTreeMap<ProbeKind, (Timestamp, Blindness)>,
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
