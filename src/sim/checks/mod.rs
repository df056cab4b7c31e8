//! The invariants of `house.md` §4 and of the simulated world, looked at after every event.
//!
//! Deliberately shares no code with what it checks: it counts again from records, and from the truth that no node can know.

mod acts;
mod cases;
mod ours;
mod signs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::control::event::Errand;
use crate::decide::policy::Policy;
use crate::model::ids::{BrokerId, CaseId, Digest, NodeId, PartitionId, Person, RecordIndex, Term};
use crate::model::plan::{Plan, PlanDigest};
use crate::model::time::{LogTime, Timestamp};

use super::kafka::Kafka;
use super::net::Net;
use super::node::Machine;
use super::stimulus::Note;
pub(in crate::sim) use signs::{Sign, signs_of};

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number: S1-S8, L1-L6, or that of `house.md` §4.
    pub number: &'static str,
    /// When, on the world's clock.
    pub at: Timestamp,
    /// Where, where it is about one node.
    pub node: Option<NodeId>,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_micros(self.at.0).as_millis();
        write!(f, "{} at {}.{:03}s", self.number, seconds / 1000, seconds % 1000)?;
        if let Some(node) = self.node {
            write!(f, " on {node}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The world as checks see it.
#[derive(Clone, Copy)]
pub(in crate::sim) struct Scene<'a> {
    pub(in crate::sim) now: Timestamp,
    pub(in crate::sim) machines: &'a BTreeMap<NodeId, Machine>,
    pub(in crate::sim) kafka: &'a Kafka,
    pub(in crate::sim) net: &'a Net,
    pub(in crate::sim) policy: &'a Policy,
    pub(in crate::sim) troubles: &'a Troubles,
}

/// Since when what has been well, as whoever breaks things knows it.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Troubles {
    /// Faults under way, by broker; none names the whole of Kafka (controllers, paths).
    pub(in crate::sim) under_way: BTreeMap<Option<BrokerId>, u32>,
    /// When a fault last began or ended.
    pub(in crate::sim) touched: BTreeMap<Option<BrokerId>, Timestamp>,
    /// When something last began or ended to be wrong with the trio itself.
    pub(in crate::sim) ours: Timestamp,
    /// Since when pause files lie, by node.
    pub(in crate::sim) pause_files: BTreeMap<NodeId, Timestamp>,
}

impl Troubles {
    /// Tells whether nothing has been wrong with a broker, nor with Kafka as a whole, for so long.
    pub(in crate::sim) fn calm(&self, broker: BrokerId, now: Timestamp, span: Duration) -> bool {
        [Some(broker), None].into_iter().all(|key| {
            let quiet = self.touched.get(&key).is_none_or(|at| span <= now.since(*at));
            quiet && self.under_way.get(&key).is_none_or(|count| *count == 0)
        })
    }

    /// Tells whether nothing at all has been wrong with Kafka for so long.
    pub(in crate::sim) fn all_calm(&self, now: Timestamp, span: Duration) -> bool {
        self.under_way.values().all(|count| *count == 0) && self.touched.values().all(|at| span <= now.since(*at))
    }
}

/// A committed permission to send the steps of one plan.
#[derive(Debug, Clone)]
struct Licence {
    record: RecordIndex,
    digest: PlanDigest,
    plan: Plan,
    term: Term,
    until: Timestamp,
    applied: BTreeSet<u16>,
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub(in crate::sim) struct Checks {
    /// Who led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// Who believes to lead now.
    leading: BTreeMap<NodeId, Term>,
    /// Each node's licences.
    licences: BTreeMap<NodeId, Vec<Licence>>,
    /// What each errand of a node is for.
    errands: BTreeMap<(NodeId, Errand), (RecordIndex, u16)>,
    /// The one chain.
    chain: BTreeMap<RecordIndex, Digest>,
    open: BTreeMap<PlanDigest, Timestamp>,
    last_acts: BTreeMap<BrokerId, (LogTime, CaseId)>,
    approvals: BTreeMap<PlanDigest, BTreeSet<Person>>,
    plans: BTreeMap<PlanDigest, (CaseId, Plan)>,
    moves: BTreeMap<(CaseId, PartitionId), u32>,
    failbacks: BTreeMap<(CaseId, PartitionId), u32>,
    /// What must be found of whom.
    expected: BTreeMap<BrokerId, Expected>,
    core: Core,
    next_look: Timestamp,
    lost_before: usize,
    /// How often each check has looked at something: a check that never looked has shown nothing.
    looked: BTreeMap<&'static str, u64>,
}

/// What must still be found of a fault.
#[derive(Debug, Clone, Copy)]
struct Expected {
    began: Timestamp,
    signs: &'static [Sign],
}

/// The trio's own health.
#[derive(Debug, Clone, Copy, Default)]
struct Core {
    /// Since when a core of two has been healthy; none while it is not.
    healthy_since: Option<Timestamp>,
    /// Since when nobody leads; none while somebody does.
    leaderless_since: Option<Timestamp>,
}

impl Checks {
    /// Looks at what a node has told.
    pub(in crate::sim) fn note(&mut self, scene: Scene<'_>, node: NodeId, note: &Note) -> Result<(), Violation> {
        match note {
            Note::Became(role) => self.became(scene, node, *role),
            Note::Kept(kept) => self.kept(scene, node, kept),
            Note::Applies { errand, step, term, within } => self.applies(scene, node, (*errand, step, *term, *within)),
            Note::Touches { errand, request } => self.touches(scene, node, *errand, request),
            Note::Warned(_) => Ok(()),
        }
    }

    /// Looks at the world after an event; what is dear to look at only now and then.
    pub(in crate::sim) fn after(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        self.look_at_core(scene)?;
        self.look_at_expected(scene)?;
        if self.next_look <= scene.now {
            self.next_look = scene.now.plus(LOOK_EVERY);
            self.look_at_states(scene)?;
            self.look_at_bounds(scene)?;
            self.look_at_open(scene)?;
            self.look_at_losses(scene)?;
        }
        Ok(())
    }

    /// Forgets what a process that is gone was about.
    pub(in crate::sim) fn gone(&mut self, node: NodeId) {
        self.leading.remove(&node);
        self.licences.remove(&node);
        self.errands.retain(|(owner, _), _| *owner != node);
    }

    /// Gives how often each check has looked at something.
    pub(in crate::sim) fn looked(&self) -> &BTreeMap<&'static str, u64> {
        &self.looked
    }

    fn count(&mut self, number: &'static str) {
        let looked = self.looked.entry(number).or_default();
        *looked = looked.saturating_add(1);
    }
}

/// How often states and bounds are compared: they change with records, which come a few a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Scene<'_> {
    pub(super) fn violation(self, number: &'static str, node: Option<NodeId>, what: impl Into<String>) -> Violation {
        Violation { number, at: self.now, node, what: what.into() }
    }
}
