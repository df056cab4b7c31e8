//! What follows from an opinion, or from there being none.
//!
//! Deliberately unable to say more than the guard said: it proceeds with that, or wants people.

use serde::{Deserialize, Serialize};

use super::opinion::{NoOpinion, Verdict};

/// What follows, as far as advice goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Settled {
    /// The guard's word stands.
    Proceed(Why),
    /// Not without people.
    Hold(Hold),
}

/// Why the guard's word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The class asks no leave: act now, justify after.
    ClassNeedsNone,
    /// The model found nothing against it.
    Approved,
    /// No adviser is configured: no adviser, no veto.
    NoAdviser,
    /// Silence, and writes are failing now.
    SilenceWhileWritesFail(NoOpinion),
    /// The model objected, and the rules confirmed again in a running outage: said loudly in the record.
    Overridden(Verdict),
}

/// Why people are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The model vetoed: whoever approves must have seen it.
    Vetoed,
    /// The model asked for a person.
    Escalated,
    /// Silence is not consent.
    Silence(NoOpinion),
    /// People approve this class, a model never does.
    PeopleApprove,
}
