//! The watch: one node's own tracker, from raw observations to a light per broker.

use std::collections::BTreeSet;
use std::time::Duration;

use super::policy::Policy;
use super::readings::Readings;
use crate::model::ids::{BrokerId, Listener, NodeId};
use crate::model::observation::{LookNow, Observation, Report};
use crate::model::time::Timestamp;

/// One node's own tracker.
#[derive(Debug, Clone)]
pub struct Watch {
    no_vote_on: BTreeSet<BrokerId>,
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
    /// The silence beyond which it is red, without local doubt.
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

impl Watch {
    /// Gives a watch that has seen nothing yet.
    #[must_use]
    pub fn new(_me: NodeId, _policy: &Policy, _path: Listener, no_vote_on: BTreeSet<BrokerId>) -> Self {
        Self { no_vote_on, readings: Readings::default() }
    }

    /// Takes in one observation.
    pub fn note(&mut self, _observation: &Observation) -> Noticed {
        Noticed::default()
    }

    /// Lets time pass: silence has no observation.
    pub fn tick(&mut self, _now: Timestamp) -> Noticed {
        Noticed::default()
    }

    /// Gives what this node says of all brokers, in ages.
    #[must_use]
    pub fn report(&self, _now: Timestamp) -> Report {
        Report { no_vote_on: self.no_vote_on.clone(), ..Report::default() }
    }

    /// Gives the newest readings of the cluster as a whole.
    #[must_use]
    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// Gives how well a broker can be judged; none for one never heard of.
    #[must_use]
    pub fn metrics(&self, _broker: BrokerId) -> Option<BrokerMetrics> {
        None
    }
}
