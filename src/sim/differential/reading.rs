//! What one side read at one moment, before it is put in relation to the moment before.
//!
//! Both sides fill the same values: the real one from the metadata log and from what clients are answered, the model from its truth
//! and from what its clients are answered.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use crate::model::ids::BrokerId;
use crate::model::topology::Standing;

/// Everything that was read after a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// How each broker's registration changed since the reading before, the present one last; never empty for a broker
    /// that was ever registered.
    pub registrations: BTreeMap<BrokerId, Vec<Registered>>,
    /// Whether each broker is level with the metadata log, as DescribeQuorum tells.
    pub pulses: BTreeMap<BrokerId, Pulse>,
    /// Which brokers each broker tells its clients about, or why it tells nothing.
    pub lists: BTreeMap<BrokerId, Result<BTreeSet<BrokerId>, Silence>>,
    /// Each cell's partition.
    pub cells: BTreeMap<Action, CellReading>,
}

/// One registration at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Where it stands.
    pub standing: Standing,
    /// Its life; none while unregistered.
    pub epoch: Option<i64>,
}

/// Whether a broker keeps up with the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It does.
    Level,
    /// It does not, for longer than one pulse.
    Behind,
    /// The active controller does not name it.
    Absent,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The connection was refused or reset.
    Refused,
    /// Nothing came in time.
    Silent,
    /// Kafka's own error.
    Error(String),
}

/// One cell's partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CellReading {
    /// Its states since the reading before, each after one change, oldest first; the last is the present one. Empty if
    /// nothing changed.
    pub path: Vec<Partition>,
    /// What is being added and removed, if a move is under way.
    pub moving: Option<Moving>,
    /// What each broker tells its clients about the leader.
    pub views: BTreeMap<BrokerId, Result<View, Silence>>,
    /// What became of a record with acks=1, at each broker that was asked.
    pub one: BTreeMap<BrokerId, Result<(), Silence>>,
    /// What became of a record with acks=all, at each broker that was asked.
    pub all: BTreeMap<BrokerId, Result<(), Silence>>,
    /// How long the replica on each broker is.
    pub ends: BTreeMap<BrokerId, Result<i64, Silence>>,
}

/// One partition at one moment, as the metadata log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// It is there.
    Is(PartitionState),
    /// Its topic was deleted.
    Gone,
}

/// A partition that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// How often it changed.
    pub partition_epoch: i32,
    /// The replicas in order.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: BTreeSet<BrokerId>,
    /// Those that may lead cleanly although they are not.
    pub elr: BTreeSet<BrokerId>,
}

/// A move under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moving {
    /// Replicas being added.
    pub adding: BTreeSet<BrokerId>,
    /// Replicas being removed.
    pub removing: BTreeSet<BrokerId>,
}

/// What one broker tells about one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch, where there is a leader.
    pub leader_epoch: Option<i32>,
    /// Those in sync.
    pub isr: BTreeSet<BrokerId>,
    /// Those offline.
    pub offline: BTreeSet<BrokerId>,
}
