//! What the pure part of advice promises, as tables and properties. One fixture brief serves all of them.

mod briefs;
mod grounding;
mod reading;
mod settling;

use crate::model::advice::{Brief, Fact, FactId, FactKey, Opinion, Outcome, Proposal, Subject, Urgency};
use crate::model::plan::Class;

/// Seven facts about a suspect B1 and a candidate B2; nothing is absent.
fn fixture() -> Brief {
    let rows = [
        (FactKey::VotesRed, Subject::Broker(1), 3, 40),
        (FactKey::VotesTotal, Subject::Broker(1), 3, 40),
        (FactKey::Refused, Subject::Broker(1), 1, 40),
        (FactKey::InIsr, Subject::Broker(2), 1, 300),
        (FactKey::LagRecords, Subject::Broker(2), 5120, 1500),
        (FactKey::LeadersHeld, Subject::Broker(2), 4, 300),
        (FactKey::LiveBrokers, Subject::Cluster, 3, 300),
    ];
    let facts = rows.iter().enumerate().map(|(place, &(key, subject, value, age_ms))| Fact {
        age_ms: Some(age_ms),
        id: FactId::at(place).unwrap(),
        key,
        observer: None,
        subject,
        value,
    });
    Brief {
        absent: Vec::new(),
        facts: facts.collect(),
        proposal: Proposal {
            acts: Vec::new(),
            candidates: vec![Subject::Broker(2)],
            class: Class::R2,
            finding: None,
            suspect: Some(Subject::Broker(1)),
            urgency: Urgency::U1,
        },
    }
}

/// An opinion with this outcome about the fixture.
fn opinion(outcome: Outcome) -> Opinion {
    Opinion { outcome, ..super::unasked(&fixture(), crate::model::advice::NoOpinion::Off) }
}

/// What becomes of a model's text.
fn judged(text: &str) -> Opinion {
    let (parsed, outcome) = super::judge(&fixture(), text);
    Opinion { parsed, ..opinion(outcome) }
}
