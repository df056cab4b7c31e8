//! What reality leaves open: fields in which two recordings of the same Kafka differ, each with the reason.
//!
//! An allowance names the texts that are allowed, not the field as a whole: both sides must show one of them.

use super::action::Action;
use super::compare::{Difference, Field};
use super::recording::Stage;
use super::state::State;

/// A field that may differ in some cells.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// In which states; all if empty.
    pub states: &'static [State],
    /// In which actions; all if empty.
    pub actions: &'static [Action],
    /// In which stages; all if empty.
    pub stages: &'static [Stage],
    /// Which field.
    pub field: Field,
    /// About which brokers; all, and what is about none, if empty.
    pub brokers: &'static [&'static str],
    /// What either side may show; each text is allowed where it contains one of these.
    pub texts: &'static [&'static str],
    /// Why reality leaves it open.
    pub reason: &'static str,
}

impl Allowance {
    /// Tells whether it concerns that stage of that cell.
    #[must_use]
    pub fn is_about(&self, state: State, action: Action, stage: Stage) -> bool {
        (self.states.is_empty() || self.states.contains(&state))
            && (self.actions.is_empty() || self.actions.contains(&action))
            && (self.stages.is_empty() || self.stages.contains(&stage))
    }

    /// Tells whether it allows that difference.
    #[must_use]
    pub fn covers(&self, difference: &Difference) -> bool {
        let broker = difference.broker.as_deref().unwrap_or_default();
        let allowed = |text: &str| self.texts.iter().any(|one| text.contains(one));
        self.is_about(difference.state, difference.action, difference.stage)
            && self.field == difference.field
            && (self.brokers.is_empty() || self.brokers.contains(&broker))
            && allowed(&difference.recorded)
            && allowed(&difference.played)
    }
}

/// Every allowance.
pub const ALLOWANCES: &[Allowance] = &[];
