//! The brief: one proposal and the facts it stands on, as tokens, closed words and integers.
//!
//! Deliberately without topics, racks, listeners, hosts or error texts: which broker `B2` is, the caller keeps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::finding::FindingKind;
use crate::model::plan::{Act, Class};

/// The most facts that one brief may hold: a small model's attention, and a bound for every reader.
pub const FACTS_MAX: usize = 64;

/// What the model is asked about. Its canonical JSON is, byte for byte, what is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// What could not be measured.
    pub absent: Vec<Absent>,
    /// What was measured; at most [`FACTS_MAX`].
    pub facts: Vec<Fact>,
    /// What the engine proposes.
    pub proposal: Proposal,
}

impl Brief {
    /// Tells whether another brief holds the same evidence: ages and spans that run with the clock are not counted.
    #[must_use]
    pub fn same_evidence(&self, other: &Self) -> bool {
        let facts = |brief: &Self| {
            let fact = |fact: &Fact| {
                let runs = matches!(fact.key, FactKey::RedMs | FactKey::SilenceMs);
                Fact { age_ms: None, value: if runs { 0 } else { fact.value }, ..fact.clone() }
            };
            brief.facts.iter().map(fact).collect::<Vec<_>>()
        };
        self.absent == other.absent && self.proposal == other.proposal && facts(self) == facts(other)
    }
}

/// What the engine proposes to do, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The kinds of acts, each once, in the order of their first step.
    pub acts: Vec<ActKind>,
    /// The brokers that would lead afterwards.
    pub candidates: Vec<Subject>,
    /// How dangerous the plan is.
    pub class: Class,
    /// What was found; none for a plan that no finding asked for.
    pub finding: Option<FindingKind>,
    /// Whom the finding (or the request) is about.
    pub suspect: Option<Subject>,
    /// How urgent it is.
    pub urgency: Urgency,
}

/// One fact: what, about whom, seen by whom, how much and how old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Units: milliseconds since it was measured; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_ms: Option<u32>,
    /// Its name within this brief.
    pub id: FactId,
    /// What it tells.
    pub key: FactKey,
    /// Which node measured it; none where it is fused or counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observer: Option<Observer>,
    /// About whom.
    pub subject: Subject,
    /// Units: as the key says; yes is 1 and no is 0.
    pub value: i64,
}

/// Something that could not be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// What would have been told.
    pub key: FactKey,
    /// By whom; none where no node in particular is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observer: Option<Observer>,
    /// About whom.
    pub subject: Subject,
}

closed_words! {
    /// What a fact tells; the unit is part of the word.
    FactKey {
        /// All brokers that the cluster names.
        BrokersTotal = "brokers_total",
        /// Brokers that would lead something afterwards; more than are named where the plan is wide.
        CandidatesTotal = "candidates_total",
        /// Partitions that would serve less afterwards, beyond what Kafka's own fencing would do to them.
        CollateralStops = "collateral_stops",
        /// Whether the broker is behind in the metadata log.
        EchoBehind = "echo_behind",
        /// Whether the controller holds the broker fenced (or does not know it).
        Fenced = "fenced",
        /// Reassignments in flight that the plan did not ask for.
        ForeignReassignments = "foreign_reassignments",
        /// Whether the broker is in the ISR of every partition that it would lead.
        InIsr = "in_isr",
        /// The smallest ISR among the partitions.
        IsrSmallest = "isr_smallest",
        /// The most time that a candidate's log end is behind.
        LagMs = "lag_ms",
        /// The most records that a candidate's log end is behind.
        LagRecords = "lag_records",
        /// Partitions that the broker would lead afterwards.
        LeadersAfter = "leaders_after",
        /// Partitions that the broker leads now.
        LeadersHeld = "leaders_held",
        /// Brokers that are registered and not fenced.
        LiveBrokers = "live_brokers",
        /// Partitions of the suspect whose followers still gain records: clients are being served.
        LogsGrowing = "logs_growing",
        /// The largest `min.insync.replicas` among the partitions.
        MinIsr = "min_isr",
        /// How many partitions the group holds.
        Partitions = "partitions",
        /// Partitions that the suspect leads.
        PartitionsLed = "partitions_led",
        /// Whether the broker shares a rack with the suspect.
        RackShared = "rack_shared",
        /// Records that the move may drop (acks=1).
        RecordsAtRisk = "records_at_risk",
        /// Brokers that are red at once.
        RedBrokers = "red_brokers",
        /// How long the suspect has been red.
        RedMs = "red_ms",
        /// Whether fresh connects to the broker are refused.
        Refused = "refused",
        /// How long the broker has been silent.
        SilenceMs = "silence_ms",
        /// Nodes that saw a success sent after the first red.
        VotesAgainst = "votes_against",
        /// Nodes that call the broker red.
        VotesRed = "votes_red",
        /// Nodes of the trio.
        VotesTotal = "votes_total",
    }
}

closed_words! {
    /// What a step does, without its parameters.
    ActKind {
        /// The same replicas in another order.
        Reorder = "reorder",
        /// Reorder, then elect the first.
        Elect = "elect",
        /// Elect the first of the order that already stands.
        Prefer = "prefer",
        /// Have the controller fence the broker, if it still lives the same life.
        Fence = "fence",
        /// Remove the broker's registration.
        Unregister = "unregister",
    }
}

closed_words! {
    /// How urgent a plan is.
    Urgency {
        /// Writes are failing now.
        U1 = "U1",
        /// Degraded: served, but with less safety or speed.
        U2 = "U2",
        /// Planned work.
        U3 = "U3",
    }
}

/// Whom a fact is about, as a token: `B1` a broker, `P1` a group of partitions, `C` the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Subject {
    /// The n-th broker of the brief, from 1.
    Broker(u8),
    /// The n-th group of partitions, from 1.
    Partitions(u8),
    /// The cluster as a whole.
    Cluster,
}

/// A node of the trio as a token: `V1`, `V2`, `V3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Observer(pub u8);

/// A fact's name within its brief: `E01` to `E64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FactId(u8);

impl ActKind {
    /// Gives the kind of an act.
    #[must_use]
    pub fn of(act: &Act) -> Self {
        match act {
            Act::Reorder { .. } => Self::Reorder,
            Act::Elect { .. } => Self::Elect,
            Act::Prefer { .. } => Self::Prefer,
            Act::Fence { .. } => Self::Fence,
            Act::Unregister { .. } => Self::Unregister,
        }
    }
}

impl FactId {
    /// Gives the name of the fact at `place` (from 0); none beyond [`FACTS_MAX`].
    #[must_use]
    pub fn at(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < FACTS_MAX).map(|place| Self(place + 1))
    }

    /// Gives the place of the fact in its brief, from 0.
    #[must_use]
    pub fn place(self) -> usize {
        usize::from(self.0).saturating_sub(1)
    }
}

/// Says that a text is no token of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {wanted}")]
pub struct NotAToken {
    wanted: &'static str,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(number) => write!(f, "B{number}"),
            Self::Partitions(number) => write!(f, "P{number}"),
            Self::Cluster => f.write_str("C"),
        }
    }
}

impl fmt::Display for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.0)
    }
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{:02}", self.0)
    }
}

impl FromStr for Subject {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let wanted = "a subject such as B1, P1 or C";
        let read = match text.split_at_checked(1) {
            Some(("B", digits)) => number(digits).map(Self::Broker),
            Some(("P", digits)) => number(digits).map(Self::Partitions),
            Some(("C", "")) => Some(Self::Cluster),
            _ => None,
        };
        read.filter(|subject| subject.to_string() == text).ok_or(NotAToken { wanted })
    }
}

impl FromStr for Observer {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let read = text.strip_prefix('V').and_then(number).map(Self);
        read.filter(|observer| observer.to_string() == text).ok_or(NotAToken { wanted: "an observer such as V1" })
    }
}

impl FromStr for FactId {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let read = text.strip_prefix('E').and_then(number).and_then(|number| Self::at(usize::from(number) - 1));
        read.filter(|id| id.to_string() == text).ok_or(NotAToken { wanted: "a fact's id such as E01" })
    }
}

/// Reads a token's number, from 1.
fn number(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|&number| 0 < number)
}

macro_rules! text_tokens {
    ($($name:ident),*) => { $(
        impl From<$name> for String {
            fn from(token: $name) -> Self {
                token.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAToken;

            fn try_from(text: String) -> Result<Self, NotAToken> {
                text.parse()
            }
        }
    )* };
}
text_tokens!(Subject, Observer, FactId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_that_only_grew_older_is_the_same_evidence() {
        let fact = |key, age_ms, value| Fact {
            age_ms: Some(age_ms),
            id: FactId::at(0).unwrap(),
            key,
            observer: None,
            subject: Subject::Broker(1),
            value,
        };
        let brief = |facts| Brief {
            absent: Vec::new(),
            facts,
            proposal: Proposal {
                acts: Vec::new(),
                candidates: Vec::new(),
                class: Class::R2,
                finding: None,
                suspect: Some(Subject::Broker(1)),
                urgency: Urgency::U1,
            },
        };
        let before = brief(vec![fact(FactKey::RedMs, 10, 900), fact(FactKey::VotesRed, 10, 2)]);
        let later = brief(vec![fact(FactKey::RedMs, 25, 31_000), fact(FactKey::VotesRed, 40, 2)]);
        assert_ne!(before, later);
        assert!(before.same_evidence(&later));
        let voted = brief(vec![fact(FactKey::RedMs, 10, 900), fact(FactKey::VotesRed, 10, 3)]);
        assert!(!before.same_evidence(&voted), "another vote is other evidence");
    }

    #[test]
    fn a_token_reads_back_what_it_prints_and_nothing_else() {
        assert_eq!("B12".parse(), Ok(Subject::Broker(12)));
        assert_eq!("C".parse(), Ok(Subject::Cluster));
        assert_eq!("V3".parse(), Ok(Observer(3)));
        assert_eq!("E01".parse::<FactId>().map(FactId::place), Ok(0));
        assert_eq!("E64".parse::<FactId>().map(FactId::place), Ok(63));
        for bad in ["B0", "B01", "B+1", "B256", "b1", "B1 ", "C1", "", "É1", "P"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?} passed as a subject");
        }
        for bad in ["E00", "E65", "E1", "E001", "E", "E-1"] {
            assert!(bad.parse::<FactId>().is_err(), "{bad:?} passed as a fact's id");
        }
    }
}
