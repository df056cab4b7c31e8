//! The snapshot: the fused picture of the cluster on which one decision is made, and a list of what is missing from it.
//!
//! Deliberately self-contained: whatever a decision reads stands here (or in the policy), so that a record of it can be
//! decided again in any year.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::FindingKind;
use super::ids::{BrokerId, CaseId, ControllerId, NodeId, PartitionId};
use super::observation::{Blindness, LogEnd, ProbeKind, Report, TopologySource};
use super::time::{LogTime, millis};
use super::told::Told;
use super::topology::Topology;

/// What a decision is made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken, in log time.
    pub taken_at: LogTime,
    /// The node that took it: the trio's leader.
    pub taken_by: NodeId,
    /// The active controller, where known.
    pub controller: Option<ControllerId>,
    /// What each node says, with its age (the taker's own has age 0).
    pub heard: BTreeMap<NodeId, Heard>,
    /// The size of the trio: a majority is of this, not of those heard.
    pub voters: BTreeSet<NodeId>,
    /// The shape of the cluster.
    pub topology: Arc<Topology>,
    /// How old the shape is.
    #[serde(with = "millis", rename = "topology_age_ms")]
    pub topology_age: Duration,
    /// Where the shape came from.
    pub topology_source: TopologySource,
    /// How much each broker carries, counted over the whole cluster (the partitions above may be only those affected).
    pub loads: BTreeMap<BrokerId, Load>,
    /// Log ends per partition and replica, where read recently.
    pub log_ends: Told<LogEnd>,
    /// Records a second that a replica's log gained when it last grew, between two readings of its broker's log ends.
    #[serde(default, skip_serializing_if = "Told::is_empty")]
    pub records_in: Told<u64>,
    /// Bytes a second that a replica gained between two readings of its broker's log dirs; where it gained none, no entry.
    #[serde(default, skip_serializing_if = "Told::is_empty")]
    pub bytes_in: Told<u64>,
    /// Partitions being reassigned by somebody, from the newest `ListPartitionReassignments`.
    pub reassigning: BTreeSet<PartitionId>,
    /// Brokers whose log dirs are all cordoned (KIP-1066): no replica list may name them, and nobody is to lead there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cordoned: BTreeSet<BrokerId>,
    /// What the trio itself has decided before and must respect.
    pub standing: StandingOrders,
    /// What could not be had.
    pub missing: BTreeSet<Missing>,
}

impl Snapshot {
    /// Tells whether a probe says nothing at all.
    #[must_use]
    pub fn is_blind(&self, probe: ProbeKind) -> bool {
        self.missing.iter().any(|one| matches!(one, Missing::Probe(blind, _) if *blind == probe))
    }
}

/// How much a broker carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Load {
    /// Partitions it leads.
    pub leads: u32,
    /// Partitions of Kafka's own topics that it leads: it coordinates their groups and transactions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub coordinates: u32,
    /// Replicas it holds.
    pub replicas: u32,
    /// ISRs it is in that have another member.
    pub in_isr_with_others: u32,
    /// Bytes it holds, where its log dirs were read.
    pub bytes: Option<u64>,
    /// Bytes a second that the partitions it leads gain, where its log dirs were read twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
}

/// Nothing is left out of a record's bytes but what older records do not have: those must read back to the same bytes.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What the trio's own replicated state says that a decision must respect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StandingOrders {
    /// Whether automation is paused (fails closed: unreadable is paused).
    pub paused: bool,
    /// Brokers in cool-down: no new act on them until then.
    pub cool_downs: BTreeMap<BrokerId, CoolDown>,
    /// The end of the cluster-wide cool-down for R2, if one runs.
    pub cluster_cool_down: Option<CoolDown>,
    /// Brokers that lost leadership lately by our act: no targets until then.
    pub demoted: BTreeMap<BrokerId, CoolDown>,
    /// Brokers in maintenance.
    pub maintenance: BTreeSet<BrokerId>,
    /// The case whose plan is in flight, if any: one disruptive plan at a time.
    pub in_flight: Option<CaseId>,
    /// The open cases by broker: a case keeps its finding until the broker is green.
    pub cases: BTreeMap<BrokerId, OpenCase>,
}

/// An open case, as far as decisions read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCase {
    /// Its id.
    pub id: CaseId,
    /// What it was opened for, last re-classified.
    pub kind: FindingKind,
    /// Whether the trio has acted in it.
    pub acted: bool,
}

/// A pause after an act, with its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    /// The case whose act started it: its own further steps are exempt.
    pub owner: CaseId,
    /// When it ends.
    pub until: LogTime,
}

/// Something that a snapshot lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A node's report is absent or too old.
    Report(NodeId),
    /// No shape of the cluster yet, or too old.
    Topology,
    /// This broker's log ends were not read recently.
    LogEnds(BrokerId),
    /// The life (broker epoch) of this broker is not known: no observer.
    BrokerEpoch(BrokerId),
    /// A probe says nothing at all, and why.
    Probe(ProbeKind, Blindness),
    /// The effective `min.insync.replicas` of some topics.
    MinIsr,
    /// The active controller.
    Controller,
}

/// A report as the trio's leader holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Who reported.
    pub node: NodeId,
    /// How old the report is.
    #[serde(with = "millis", rename = "age_ms")]
    pub age: Duration,
    /// What it said.
    pub report: Report,
}
