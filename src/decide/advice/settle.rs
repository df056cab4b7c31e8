//! Settles what follows from an opinion: it may narrow what the guard allows, and never widens it.
//!
//! Deliberately total and tiny: whatever a model answers, it ends in one row of `judgement.md` §4's table.
//! `confidence_pct` is not read here or anywhere else.

use std::time::Duration;

use crate::model::advice::{Hold, NoOpinion, Opinion, Outcome, Settled, Urgency, Verdict, Why};
use crate::model::plan::Class;
use crate::model::ruling::Ruling;

/// After this much of a running outage a second confirmation by the rules overrides a veto of an R2 plan.
///
/// Long enough for a person to be told and to see a glitch end; shorter than most clients' delivery timeouts (120 s).
pub const CONFIRM_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The most that an R2 plan waits for the model while writes fail.
const R2_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a degraded state waits, and how long planned work does.
const DEGRADED_WAIT: Duration = Duration::from_secs(8);
const PLANNED_WAIT: Duration = Duration::from_secs(30);

/// Whether the rules have confirmed the finding a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Confirmed once: the ordinary case.
    Once,
    /// Confirmed again by the rules alone, at least [`CONFIRM_AGAIN_AFTER`] later, the outage still running.
    Again,
}

/// Gives what follows from an opinion on a plan of this class.
pub fn settle(class: Class, urgency: Urgency, opinion: &Opinion, confirmation: Confirmation) -> Settled {
    match class {
        Class::R0 | Class::R1 => Settled::Proceed(Why::ClassNeedsNone),
        Class::R2 => settle_costly(urgency, &opinion.outcome, confirmation),
        Class::R3 => Settled::Hold(match &opinion.outcome {
            Outcome::Said(said) => match said.verdict {
                Verdict::Veto => Hold::Vetoed,
                Verdict::Escalate => Hold::Escalated,
                Verdict::Approve => Hold::PeopleApprove,
            },
            Outcome::None(NoOpinion::Off) => Hold::PeopleApprove,
            Outcome::None(silence) => Hold::Silence(*silence),
        }),
    }
}

fn settle_costly(urgency: Urgency, outcome: &Outcome, confirmation: Confirmation) -> Settled {
    let outage = urgency == Urgency::U1;
    let overridden = outage && confirmation == Confirmation::Again;
    match outcome {
        Outcome::Said(said) => match said.verdict {
            Verdict::Approve => Settled::Proceed(Why::Approved),
            Verdict::Veto | Verdict::Escalate if overridden => Settled::Proceed(Why::Overridden(said.verdict)),
            Verdict::Veto => Settled::Hold(Hold::Vetoed),
            Verdict::Escalate => Settled::Hold(Hold::Escalated),
        },
        Outcome::None(NoOpinion::Off) => Settled::Proceed(Why::NoAdviser),
        Outcome::None(silence) if outage => Settled::Proceed(Why::SilenceWhileWritesFail(*silence)),
        Outcome::None(silence) => Settled::Hold(Hold::Silence(*silence)),
    }
}

/// Gives the ruling after advice: what the guard said, or a need for people where it allowed the plan.
///
/// Contract: never more than `ruling` allows. `offer` is how many people must say yes, and within which time.
pub fn narrow(ruling: Ruling, settled: Settled, class: Class, offer: (u8, Duration)) -> Ruling {
    match (ruling, settled) {
        (Ruling::Allowed, Settled::Hold(_)) => {
            Ruling::NeedsApproval { class, people: offer.0.max(1), expires_in: offer.1 }
        }
        (ruling, _) => ruling,
    }
}

/// How long an opinion is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How long the plan waits for it; zero: it does not.
    pub hold: Duration,
    /// How long the model may take at all; the answer then lands in the record.
    pub answer: Duration,
}

/// Gives how long an opinion is waited for, `left` being what is left until the plan must be carried out.
#[must_use]
pub fn budget(class: Class, urgency: Urgency, left: Duration) -> Budget {
    let wait = match urgency {
        Urgency::U1 => R2_WAIT_MAX.min(left / 2),
        Urgency::U2 => DEGRADED_WAIT,
        Urgency::U3 => PLANNED_WAIT,
    };
    match class {
        Class::R0 | Class::R1 => Budget { hold: Duration::ZERO, answer: PLANNED_WAIT },
        Class::R2 | Class::R3 => Budget { hold: wait, answer: wait },
    }
}
