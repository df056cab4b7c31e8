//! Grounding: what of an answer stands on the facts that it cites. The rest is taken away, and it is said what and why.
//!
//! Deliberately no weighing: a grounded reason may still be a bad one. Grounding only ends inventions.

use std::collections::BTreeSet;

use crate::model::advice::{
    Brief, Dropped, Fact, FactId, FactKey, Grounded, NoOpinion, Outcome, Proposal, Reason, ReasonCode, Reply, TextFate,
    Ungrounded, Verdict,
};

/// A fact older than this may be called stale: the guard's own limit on a vote is half of it.
///
/// Units: milliseconds.
const STALE_MS: u32 = 1_000;

/// A silence shorter than this says nothing either way: the shortest tau.
///
/// Units: milliseconds.
const SILENT_MS: i64 = 500;

/// Gives what counts of a reply: its grounded reasons, if one of them carries the verdict.
#[must_use]
pub fn ground(reply: &Reply, brief: &Brief) -> Outcome {
    let mut reasons = Vec::new();
    let mut dropped = Vec::new();
    for (place, reason) in (0_u16..).zip(&reply.reasons) {
        let cited = match cited(reason, brief) {
            Ok(cited) => cited,
            Err(why) => {
                dropped.push(Dropped::Reason { place, why });
                continue;
            }
        };
        let text = match plain_and_cited(&reason.text, &cited) {
            Ok(()) => reason.text.clone(),
            Err(why) => {
                dropped.push(Dropped::Text { place, why });
                String::new()
            }
        };
        reasons.push(Reason { code: reason.code, claims: reason.claims.clone(), text });
    }
    if !reasons.iter().any(|reason| leans(reason.code, reply.verdict)) {
        return Outcome::None(NoOpinion::Ungrounded);
    }
    Outcome::Said(Grounded {
        verdict: reply.verdict,
        confidence_pct: reply.confidence_pct,
        reasons,
        risks: reply.risks.clone(),
        missing: reply.missing.clone(),
        alternative: reply.alternative,
        dropped,
    })
}

/// Gives the facts that a reason cites: each exists, each has the value cited, one of them carries the code.
fn cited<'a>(reason: &Reason, brief: &'a Brief) -> Result<Vec<&'a Fact>, Ungrounded> {
    let mut facts = Vec::new();
    for claim in &reason.claims {
        let fact = brief.facts.iter().find(|fact| fact.id == claim.e).ok_or(Ungrounded::NoSuchFact)?;
        if fact.value != claim.v {
            return Err(Ungrounded::WrongValue);
        }
        facts.push(fact);
    }
    if facts.is_empty() {
        return Err(Ungrounded::NoClaim);
    }
    if facts.iter().any(|fact| carries(reason.code, fact, brief)) { Ok(facts) } else { Err(Ungrounded::NotCarried) }
}

/// Tells whether a reason of this code can carry this verdict.
fn leans(code: ReasonCode, verdict: Verdict) -> bool {
    let speaks_for = matches!(code, ReasonCode::SuspectDown | ReasonCode::CandidateSafe);
    match verdict {
        Verdict::Approve => speaks_for,
        Verdict::Veto | Verdict::Escalate => !speaks_for,
    }
}

/// Tells whether a fact can carry a reason of this code: the right kind of fact, about the right subject, pointing the
/// right way. The prompt lists the same rules.
fn carries(code: ReasonCode, fact: &Fact, brief: &Brief) -> bool {
    use FactKey as K;
    let Proposal { candidates, suspect, .. } = &brief.proposal;
    let of_candidate = candidates.contains(&fact.subject);
    let of_suspect = *suspect == Some(fact.subject);
    let (key, value) = (fact.key, fact.value);
    match code {
        ReasonCode::SuspectDown => of_suspect && speaks_of_death(key, value),
        ReasonCode::SuspectAlive => of_suspect && speaks_of_life(key, value),
        ReasonCode::VotesSplit => {
            let all = total(brief, K::VotesTotal);
            of_suspect
                && ((key == K::VotesAgainst && 0 < value)
                    || (key == K::VotesRed && all.is_some_and(|all| 0 < value && value < all)))
        }
        ReasonCode::CandidateSafe => {
            of_candidate
                && ((key == K::InIsr && value == 1)
                    || (matches!(key, K::LagRecords | K::LagMs | K::Fenced) && value == 0))
        }
        ReasonCode::CandidateUnsafe => {
            of_candidate
                && ((key == K::InIsr && value == 0)
                    || (matches!(key, K::LagRecords | K::LagMs | K::Fenced) && 0 < value))
        }
        ReasonCode::CandidateLoaded => of_candidate && matches!(key, K::LeadersHeld | K::LeadersAfter) && 0 < value,
        ReasonCode::SharedRack => of_candidate && key == K::RackShared && 0 < value,
        ReasonCode::DataAtRisk => matches!(key, K::RecordsAtRisk | K::LagRecords) && 0 < value,
        ReasonCode::Collateral => {
            (key == K::CollateralStops && 0 < value)
                || (key == K::IsrSmallest && total(brief, K::MinIsr).is_some_and(|min| value <= min))
        }
        ReasonCode::BlastRadius => {
            (key == K::RedBrokers && 1 < value)
                || (key == K::LiveBrokers && total(brief, K::BrokersTotal).is_some_and(|all| value + 1 < all))
        }
        ReasonCode::ForeignWork => key == K::ForeignReassignments && 0 < value,
        ReasonCode::EvidenceStale => fact.age_ms.is_some_and(|age| STALE_MS <= age),
        ReasonCode::EvidenceMissing => !brief.absent.is_empty(),
    }
}

fn speaks_of_death(key: FactKey, value: i64) -> bool {
    use FactKey as K;
    let kind = matches!(key, K::VotesRed | K::Refused | K::RedMs | K::EchoBehind | K::Fenced);
    (kind && 0 < value) || (key == K::SilenceMs && SILENT_MS <= value)
}

fn speaks_of_life(key: FactKey, value: i64) -> bool {
    use FactKey as K;
    let counts = matches!(key, K::VotesAgainst | K::LogsGrowing) && 0 < value;
    let denies = matches!(key, K::VotesRed | K::Refused | K::EchoBehind) && value == 0;
    counts || denies
}

/// Gives the value of the one fact of this key, where there is one.
fn total(brief: &Brief, key: FactKey) -> Option<i64> {
    brief.facts.iter().find(|fact| fact.key == key).map(|fact| fact.value)
}

/// Tells whether a text is printable ASCII and holds no number but those cited.
///
/// Tokens of the cited facts (their ids, subjects and observers) are names, not numbers.
fn plain_and_cited(text: &str, cited: &[&Fact]) -> Result<(), TextFate> {
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(TextFate::NotPlain);
    }
    let names: BTreeSet<String> = cited.iter().flat_map(|fact| names_of(fact)).collect();
    let values: BTreeSet<String> = cited.iter().map(|fact| fact.value.unsigned_abs().to_string()).collect();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let runs = words.filter(|word| !names.contains(*word)).flat_map(|word| {
        word.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()).collect::<Vec<_>>()
    });
    if runs.into_iter().all(|run| values.contains(run)) { Ok(()) } else { Err(TextFate::UncitedNumber) }
}

fn names_of(fact: &Fact) -> Vec<String> {
    let id: FactId = fact.id;
    let observer = fact.observer.map(|observer| observer.to_string());
    [Some(id.to_string()), Some(fact.subject.to_string()), observer].into_iter().flatten().collect()
}
