//! The life of a case: fault, suspected, confirmed, planned, committed, sent, echoed, verified, with times.

use crate::model::ids::{CaseId, RecordIndex};
use crate::model::record::{Body, Decision, Outcome, Record, Stage};

use super::history::{names_in, outcome_lines, summary};
use super::plans::choice_lines;
use super::sentences;
use super::words::{Names, count, micros, wall};

/// Most groups of partitions whose candidates a timeline lists.
const CHOICES_MAX: usize = 4;

/// Gives the life of a case, line by line; empty where no record belongs to it.
pub(super) fn timeline(case: CaseId, records: &[(RecordIndex, Record)]) -> Vec<String> {
    let own: Vec<&(RecordIndex, Record)> = records.iter().filter(|(_, record)| record.case == Some(case)).collect();
    let mut names = Names::default();
    for (_, record) in &own {
        names.learn(&names_in(record));
    }
    let mut decision: Option<&Decision> = None;
    let mut lines = Vec::new();
    for (index, record) in own {
        lines.push(format!("{} record {index}: {}", wall(record.wall_ms), summary(record, &names)));
        match &record.body {
            Body::Decided(decided) => decision = Some(decided),
            Body::Outcome(outcome) => lines.extend(stages(outcome, decision, &names)),
            Body::Founded { .. }
            | Body::Led
            | Body::HandedOver { .. }
            | Body::PolicyIs { .. }
            | Body::Opened(_)
            | Body::Reclassified { .. }
            | Body::StillHeld { .. }
            | Body::Continued { .. }
            | Body::Opinion(_)
            | Body::Approved { .. }
            | Body::Rejected { .. }
            | Body::Withdrawn { .. }
            | Body::Paused { .. }
            | Body::Resumed { .. }
            | Body::PauseFile { .. }
            | Body::Attention { .. }
            | Body::Acknowledged { .. }
            | Body::Closed { .. } => {}
        }
    }
    lines
}

/// Gives the stages of one plan, from the first red on, and what its steps did.
fn stages(outcome: &Outcome, decision: Option<&Decision>, names: &Names) -> Vec<String> {
    let mut marks = outcome.timeline.clone();
    marks.sort_by_key(|mark| (mark.after_us, mark.stage));
    let mut lines = Vec::new();
    for mark in &marks {
        let after = format!("+{}", micros(mark.after_us));
        lines.push(format!("  {after:>9} {}", stage(mark.stage, decision)));
        if mark.stage == Stage::Confirmed {
            lines.extend(candidates(decision, names));
        }
    }
    lines.extend(outcome_lines(outcome, names));
    lines
}

/// Gives every candidate's score, for as many groups of partitions as a page holds.
fn candidates(decision: Option<&Decision>, names: &Names) -> Vec<String> {
    let Some(plan) = decision.and_then(|decision| decision.plan.as_ref()) else { return Vec::new() };
    let shown = plan.choices.iter().take(CHOICES_MAX).flat_map(|choice| choice_lines(choice, names));
    let mut lines: Vec<String> = shown.map(|line| format!("            {line}")).collect();
    if let Some(more) = plan.choices.len().checked_sub(CHOICES_MAX).filter(|more| 0 < *more) {
        lines.push(format!("              and {}: tanist audit show", count(more, "more choice")));
    }
    lines
}

fn stage(stage: Stage, decision: Option<&Decision>) -> String {
    let act = |number: u16| {
        let step =
            decision.and_then(|decision| decision.plan.as_ref()?.steps.iter().find(|step| step.number == number));
        step.map(|step| format!(" ({})", sentences::act(&step.act))).unwrap_or_default()
    };
    match stage {
        Stage::Suspected => "suspected: red for the leader of the trio".to_owned(),
        Stage::Confirmed => {
            let finding = decision.and_then(|decision| decision.finding.as_ref());
            let red = finding.map(sentences::red_votes).filter(|red| !red.is_empty());
            format!("confirmed, planned and guarded: red for {}", red.unwrap_or_else(|| "a majority".to_owned()))
        }
        Stage::Committed => "committed by two of three".to_owned(),
        Stage::Sent(number) => format!("s{number} sent{}", act(number)),
        Stage::Answered(number) => format!("s{number} answered"),
        Stage::Echoed => "the echo told what the broker is".to_owned(),
        Stage::Verified => "verified by two brokers".to_owned(),
        Stage::VerifiedByOne => "verified by one broker; no second one answered in time".to_owned(),
    }
}
