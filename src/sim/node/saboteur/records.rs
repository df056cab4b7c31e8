//! What a leader proposes instead of what it decided.

use std::time::Duration;

use crate::decide::plan::digest;
use crate::model::canon::{from_canonical_bytes, to_canonical_bytes};
use crate::model::chain::chunk::{Assembler, to_entries};
use crate::model::ids::BrokerId;
use crate::model::plan::{Act, Move, Origin, Plan};
use crate::model::record::{Body, Closing, Decision, DecisionVerdict, Inaction, Record, Stage};
use crate::model::snapshot::Snapshot;
use crate::model::time::LogTime;
use crate::sim::clock::WALL_START_MS;
use crate::sim::sabotage::Sabotage;

use super::WITHIN;

/// How often a case is opened that is opened again and again.
const OPENED_AGAIN: usize = 80;

/// What an intent that was none says of its times.
const COOL_DOWN: Duration = Duration::from_secs(300);

/// Reads the records that are being proposed.
pub(super) fn read(entries: &[Vec<u8>]) -> Vec<Record> {
    let mut assembler = Assembler::default();
    let whole = entries.iter().filter_map(|entry| assembler.push_entry(entry).ok().flatten());
    whole.filter_map(|bytes| from_canonical_bytes(&bytes).ok()).collect()
}

/// Writes a record as it is proposed.
pub(super) fn write(record: &Record) -> Option<Vec<Vec<u8>>> {
    to_entries(to_canonical_bytes(record).ok()?).ok()
}

/// Gives what is proposed instead of these records; none where nothing is changed.
pub(super) fn rewritten(sabotage: Sabotage, records: Vec<Record>) -> Option<Vec<Vec<u8>>> {
    let rewrites: fn(&mut Record) = match sabotage {
        Sabotage::ObserverActs => |record| turn(record, |verdict| matches!(verdict, DecisionVerdict::WouldAct)),
        Sabotage::NeedsNoApproval => |record| turn(record, |verdict| matches!(verdict, DecisionVerdict::Offer { .. })),
        Sabotage::OverrulesGuard => {
            |record| turn(record, |verdict| matches!(verdict, DecisionVerdict::Nothing(Inaction::Held(_))))
        }
        Sabotage::ChoosesByWhim => choose_by_whim,
        Sabotage::TimeByTheWall => |record| record.at = LogTime(record.wall_ms.saturating_sub(WALL_START_MS)),
        Sabotage::ClosesEarly => close_early,
        Sabotage::Unverified => unverify,
        Sabotage::OpensAgain => |_| {},
        _ => return None,
    };
    let mut all = records;
    all.iter_mut().for_each(rewrites);
    if sabotage == Sabotage::OpensAgain {
        // At the end: what the batch names by its place keeps it.
        let opened: Vec<Record> = all.iter().filter(|one| matches!(one.body, Body::Opened(_))).cloned().collect();
        all.extend(opened.iter().flat_map(|one| std::iter::repeat_n(one.clone(), OPENED_AGAIN)));
    }
    all.iter().map(write).collect::<Option<Vec<_>>>().map(|each| each.into_iter().flatten().collect())
}

/// Makes an intent of a decision that is none.
fn turn(record: &mut Record, from: fn(&DecisionVerdict) -> bool) {
    let Body::Decided(decision) = &mut record.body else { return };
    if from(&decision.verdict) && decision.plan.is_some() {
        let until = decision.snapshot.taken_at.plus(COOL_DOWN);
        decision.verdict = DecisionVerdict::Act {
            valid_for: WITHIN,
            cool_down_until: until,
            cluster_cool_down_until: until,
            demoted_until: until,
        };
    }
}

fn choose_by_whim(record: &mut Record) {
    let Body::Decided(decision) = &mut record.body else { return };
    let Decision { plan: Some(plan), snapshot, verdict: DecisionVerdict::Act { .. }, .. } = decision.as_mut() else {
        return;
    };
    let Origin::Finding { broker, .. } = plan.origin else { return };
    for step in &mut plan.steps {
        let (Act::Elect { moves } | Act::Reorder { moves }) = &mut step.act else { continue };
        moves.iter_mut().for_each(|one| swap(one, broker, snapshot));
    }
    decision.digest = decision.plan.as_ref().map(|plan| digest(&Plan { parent: None, ..plan.clone() }));
}

/// Puts another replica that is in sync in the first place.
fn swap(one: &mut Move, not: BrokerId, snapshot: &Snapshot) {
    let known = &snapshot.topology.partitions;
    let in_sync = |broker: &BrokerId| {
        one.partitions.iter().all(|id| known.get(&id).is_some_and(|partition| partition.isr.contains(broker)))
    };
    let other = one.to.iter().skip(1).position(|broker| *broker != not && in_sync(broker));
    if let Some(place) = other {
        one.to.swap(0, place.saturating_add(1));
    }
}

fn close_early(record: &mut Record) {
    let Body::Decided(decision) = &record.body else { return };
    let gives_back = |plan: &Plan| matches!(plan.origin, Origin::Failback { .. });
    if matches!(decision.verdict, DecisionVerdict::Act { .. }) && decision.plan.as_ref().is_some_and(gives_back) {
        record.body = Body::Closed { how: Closing::Recovered };
    }
}

fn unverify(record: &mut Record) {
    if let Body::Outcome(outcome) = &mut record.body {
        outcome.timeline.retain(|mark| mark.stage != Stage::Verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rewritten_without_a_reason() {
        assert_eq!(rewritten(Sabotage::None, Vec::new()), None);
        assert_eq!(rewritten(Sabotage::ActsTwice, Vec::new()), None);
    }
}
