//! What a world begins with.

use std::time::Duration;

use crate::decide::policy::{Mode, Policy};
use crate::sim::adviser::Adviser;
use crate::sim::kafka::plan::{KafkaPlan, Switch};
use crate::sim::sabotage::Sabotage;

/// A world to begin with.
#[derive(Debug, Clone)]
pub struct WorldPlan {
    /// Where all chance comes from.
    pub seed: u64,
    /// The pretended cluster.
    pub kafka: KafkaPlan,
    /// The trio's policy.
    pub policy: Policy,
    /// The adviser.
    pub adviser: Adviser,
    /// Whether our nodes reach the controllers' listener.
    pub controllers: ControllerAccess,
    /// Whether consumers read along where something is written.
    pub readers: Switch,
    /// What is deliberately broken.
    pub sabotage: Sabotage,
    /// How often an operator looks, says yes and restarts zombies; none: nobody is on duty.
    pub operator: Option<Duration>,
}

/// Whether our nodes reach the controllers' listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ControllerAccess {
    /// They do: observer, direct pulse, fences.
    #[default]
    Direct,
    /// Everything goes through brokers.
    ThroughBrokers,
}

impl WorldPlan {
    /// Gives a world on this cluster in which the trio acts by itself.
    #[must_use]
    pub fn new(seed: u64, kafka: KafkaPlan) -> Self {
        Self {
            seed,
            kafka,
            policy: Policy { mode: Mode::Auto, ..Policy::default() },
            adviser: Adviser::Off,
            controllers: ControllerAccess::Direct,
            readers: Switch::Off,
            sabotage: Sabotage::None,
            operator: None,
        }
    }
}
