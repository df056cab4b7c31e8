//! What the controller gets to hear instead of what happened.

use crate::control::event::{Event, Role};
use crate::model::advice::{Alternative, Grounded, Opinion, Outcome, Verdict};
use crate::model::ids::NodeId;
use crate::model::observation::{Fact, LineChange, Observation};
use crate::model::record::Receipt;
use crate::model::topology::PartitionSet;
use crate::sim::sabotage::Sabotage;

use super::Saboteur;

/// From its how-manieth event on a node is shown no newer picture.
const PICTURES_UNTIL: u64 = 500;

/// Which of its records a node skips: each ninth.
const SKIPS_EVERY: u64 = 9;

impl Saboteur {
    /// Gives what the controller gets to hear instead of an event.
    pub(in crate::sim::node) fn hears(&mut self, event: Event) -> Vec<Event> {
        match (self.sabotage, event) {
            (Sabotage::QuorumOfOne, Event::Reported { .. })
            | (Sabotage::IgnoresPauseFile, Event::PauseFile(_))
            | (Sabotage::DeafProbe, Event::Observed(Observation { fact: Fact::Line { .. }, .. })) => Vec::new(),
            (Sabotage::StalePictures, Event::Observed(Observation { fact: Fact::Topology(_), .. }))
                if PICTURES_UNTIL < self.heard =>
            {
                Vec::new()
            }
            (Sabotage::SkipsRecords, event @ Event::Committed { .. }) => {
                self.heard = self.heard.wrapping_add(1);
                let skips = self.me == NodeId(2) && self.heard.checked_rem(SKIPS_EVERY) == Some(0);
                if skips { Vec::new() } else { vec![event] }
            }
            (Sabotage::LeadsOn, Event::Role(Role::Following { .. } | Role::Leaderless(_))) if self.leads.is_some() => {
                Vec::new()
            }
            (Sabotage::LeadsOn, Event::ProposalDropped) if self.leads.is_some() => Vec::new(),
            (Sabotage::JumpsToConclusions, Event::Observed(seen)) => jumped(seen),
            (Sabotage::HearsYes, Event::Advised { case, plan, opinion }) => {
                vec![Event::Advised { case, plan, opinion: Box::new(yes(*opinion)) }]
            }
            (Sabotage::TakesNoForYes, Event::Applied { errand, mut result }) => {
                if !matches!(result.receipt, Receipt::Done { .. } | Receipt::Skipped) {
                    result.receipt = Receipt::Done { done: PartitionSet::default(), not: Vec::new() };
                }
                vec![Event::Applied { errand, result }]
            }
            (Sabotage::Hurries, Event::Applied { errand, result })
                if self.ahead.as_ref().is_some_and(|ahead| ahead.errand == errand) =>
            {
                if let Some(ahead) = self.ahead.as_mut() {
                    ahead.result = Some(result);
                }
                self.answer_ahead();
                self.take_invented()
            }
            (_, event) => {
                self.heard = self.heard.wrapping_add(1);
                self.notes(&event);
                vec![event]
            }
        }
    }

    fn notes(&mut self, event: &Event) {
        match event {
            Event::Role(role) => {
                self.leads = match role {
                    Role::Leading(term) => Some(*term),
                    Role::Following { .. } | Role::Leaderless(_) => None,
                };
            }
            Event::Observed(Observation { fact: Fact::Topology(seen), .. }) => {
                let names = seen.topology.topics.values().map(|topic| topic.name.as_str());
                self.names = names.collect::<Vec<_>>().join(" ");
            }
            _ => {}
        }
    }
}

/// A first refusal, told as two.
fn jumped(seen: Observation) -> Vec<Event> {
    let twice = matches!(seen.fact, Fact::Line { change: LineChange::Closed, .. });
    let mut told = vec![Event::Observed(seen.clone())];
    if let (true, Fact::Line { broker, path, .. }) = (twice, &seen.fact) {
        let fact = Fact::Line { broker: *broker, path: path.clone(), change: LineChange::Refused };
        told.extend([
            Event::Observed(Observation { at: seen.at, fact: fact.clone() }),
            Event::Observed(Observation { at: seen.at, fact }),
        ]);
    }
    told
}

/// Silence, heard as a yes.
fn yes(opinion: Opinion) -> Opinion {
    let Outcome::None(_) = opinion.outcome else { return opinion };
    let said = Grounded {
        verdict: Verdict::Approve,
        confidence_pct: 100,
        reasons: Vec::new(),
        risks: Vec::new(),
        missing: Vec::new(),
        alternative: Alternative::None,
        dropped: Vec::new(),
    };
    Opinion { outcome: Outcome::Said(said), ..opinion }
}
