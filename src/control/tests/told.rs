//! What the committed records of a world tell.

use super::world::World;
use crate::model::record::{Body, Decision, Outcome, Record};

impl World {
    /// Gives the names of the committed records.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.records.iter().map(|record| record.body.kind()).collect()
    }

    /// Gives every committed outcome.
    pub(super) fn outcomes<'a>(&'a self) -> Vec<&'a Outcome> {
        let outcome = |record: &'a Record| {
            let Body::Outcome(outcome) = &record.body else { return None };
            Some(outcome)
        };
        self.records.iter().filter_map(outcome).collect()
    }

    /// Gives every committed decision.
    pub(super) fn decisions<'a>(&'a self) -> Vec<&'a Decision> {
        let decision = |record: &'a Record| {
            let Body::Decided(decision) = &record.body else { return None };
            Some(decision.as_ref())
        };
        self.records.iter().filter_map(decision).collect()
    }
}
