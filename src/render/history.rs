//! Records for people: one line each in a list, whole when shown.

use crate::model::advice::{Hold, NoOpinion, Opinion, Outcome as Said, Settled, Why};
use crate::model::ids::RecordIndex;
use crate::model::operator::Entry;
use crate::model::operator::{ChainFault, HeadPlace, Verification};
use crate::model::plan::PlanDigest;
use crate::model::record::{Body, Decision, DecisionVerdict, Outcome, Record};
use crate::model::topology::Topology;

use super::Style;
use super::plans::{plan_lines, ruling_lines};
use super::sentences;
use super::status::people_text;
use super::words::{Names, count, escape, list, micros, span, table, table_text, wall, wrap};

/// Gives records, one line each.
pub(super) fn records(entries: &[Entry], style: Style) -> String {
    if entries.is_empty() {
        return "no such record\n".to_owned();
    }
    let mut names = Names::default();
    for entry in entries {
        names.learn(&names_in(&entry.record));
    }
    let mut table = table(style, &["record", "time (UTC)", "case", "kind", "what"]);
    for Entry { index, record, .. } in entries {
        table.add_row([
            index.to_string(),
            wall(record.wall_ms),
            record.case.map_or_else(|| "-".to_owned(), |case| case.to_string()),
            record.body.kind().to_owned(),
            summary(record, &names),
        ]);
    }
    table_text(&table)
}

/// Gives the names of topics that a record brings along.
pub(super) fn names_in(record: &Record) -> Names {
    match &record.body {
        Body::Decided(decision) => Names::of(&decision.snapshot),
        Body::Founded { .. }
        | Body::Led
        | Body::HandedOver { .. }
        | Body::PolicyIs { .. }
        | Body::Opened(_)
        | Body::Reclassified { .. }
        | Body::StillHeld { .. }
        | Body::Continued { .. }
        | Body::Outcome(_)
        | Body::Opinion(_)
        | Body::Approved { .. }
        | Body::Rejected { .. }
        | Body::Withdrawn { .. }
        | Body::Paused { .. }
        | Body::Resumed { .. }
        | Body::PauseFile { .. }
        | Body::Attention { .. }
        | Body::Acknowledged { .. }
        | Body::Closed { .. } => Names::default(),
    }
}

/// Gives what a record says, in one sentence.
pub(super) fn summary(record: &Record, names: &Names) -> String {
    match &record.body {
        Body::Founded { cluster } => format!("the trio belongs to cluster {}", escape(&cluster.0)),
        Body::Led => format!("{} leads from here on, in term {}", record.by, record.term),
        Body::HandedOver { to, why, .. } => {
            format!("{} lets {to} lead in its place: {}", record.by, sentences::ill_placed(*why))
        }
        Body::PolicyIs { settings } => {
            let mode = settings.get("mode").map(|mode| format!(", mode {}", escape(mode.trim_matches('"'))));
            format!(
                "policy {} with {}{}",
                record.policy.short(),
                count(settings.len(), "setting"),
                mode.unwrap_or_default()
            )
        }
        Body::Opened(finding) => sentences::finding(finding),
        Body::Reclassified { from, to } => format!("no longer {from}: {}", sentences::finding(to)),
        Body::Decided(decision) => decided(decision, names),
        Body::StillHeld { why, rounds, over } => {
            format!(
                "still nothing, {} over {}: {}",
                count(*rounds, "round"),
                span(*over),
                sentences::inaction(why, names)
            )
        }
        Body::Continued { plan, steps, valid_for } => {
            format!("plan {} goes on after {}, for {}", plan.short(), count(steps.len(), "step"), span(*valid_for))
        }
        Body::Outcome(outcome) => format!("plan {}: {}", outcome.plan.short(), sentences::end(outcome.end)),
        Body::Opinion(opinion) => opinion_text(opinion),
        Body::Approved { plan, by, .. } => format!("{} said yes to plan {}", escape(&by.0), plan.short()),
        Body::Rejected { plan, by, reason, .. } => {
            format!("{} said no to plan {}: {}", escape(&by.0), plan.short(), escape(reason))
        }
        Body::Withdrawn { plan, why } => {
            format!("plan {} no longer stands: {}", plan.short(), sentences::withdrawal(why))
        }
        Body::Paused { by, reason, .. } => format!("{} paused automation: {}", escape(&by.0), escape(reason)),
        Body::PauseFile { node, file } => format!("{} {node}", sentences::pause_file(*file)),
        Body::Resumed { by, .. } => format!("{} let automation go on", escape(&by.0)),
        Body::Attention { what } => format!("a person was told: {}", sentences::attention(what, record.case, names)),
        Body::Acknowledged { attention, by, .. } => format!("{} has seen record {attention}", escape(&by.0)),
        Body::Closed { how } => format!("the case ended: {}", sentences::closing(*how)),
    }
}

/// Gives the line of the log that a record is worth at WARN: a person is told something. None for any other record.
#[must_use]
pub fn warning(index: RecordIndex, record: &Record, topology: Option<&Topology>) -> Option<String> {
    let Body::Attention { what } = &record.body else { return None };
    let names = topology.map(Names::in_shape).unwrap_or_default();
    let case = record.case.map(|case| format!(" of {case}")).unwrap_or_default();
    let told = sentences::attention(what, record.case, &names);
    Some(format!("record {index}{case} tells a person: {told}; once seen: tanist audit acknowledge {index}"))
}

/// Gives a decision in one sentence.
pub(super) fn decided(decision: &Decision, names: &Names) -> String {
    let plan = match (&decision.digest, &decision.plan) {
        (Some(digest), Some(plan)) => {
            format!("plan {} ({})", digest.short(), list(plan.steps.iter().map(|step| sentences::act(&step.act))))
        }
        (None, Some(plan)) => list(plan.steps.iter().map(|step| sentences::act(&step.act))),
        (_, None) => String::new(),
    };
    match &decision.verdict {
        DecisionVerdict::Act { .. } => format!("act: {plan}"),
        DecisionVerdict::WouldAct => format!("would have acted (observe): {plan}"),
        DecisionVerdict::Offer { people, .. } => format!("offered to {}: {plan}", people_text(*people)),
        DecisionVerdict::Nothing(why) => format!("nothing done: {}", sentences::inaction(why, names)),
    }
}

fn opinion_text(opinion: &Opinion) -> String {
    let model = opinion.model.as_ref().map_or_else(|| "the adviser".to_owned(), |model| escape(model));
    let after = micros(u64::from(opinion.latency_ms) * 1000);
    match &opinion.outcome {
        Said::Said(kept) => {
            let reasons = list(kept.reasons.iter().map(|reason| reason.code));
            let dropped = match kept.dropped.len() {
                0 => String::new(),
                some => format!("; {} without ground dropped", count(some, "part")),
            };
            format!("{model} said {} after {after}: {reasons}{dropped}", kept.verdict)
        }
        Said::None(NoOpinion::Off) => "no adviser is configured".to_owned(),
        Said::None(why) => format!("{model} said nothing that counts after {after}: {why:?}"),
    }
}

fn settled(settled: Settled) -> String {
    match settled {
        Settled::Proceed(Why::ClassNeedsNone) => {
            "advice: asked for beside it, as the class needs none first".to_owned()
        }
        Settled::Proceed(Why::Approved) => "advice: the model found nothing against it".to_owned(),
        Settled::Proceed(Why::NoAdviser) => "advice: none, as no adviser is configured".to_owned(),
        Settled::Proceed(Why::SilenceWhileWritesFail(why)) => {
            format!("advice: none ({why:?}), and writes are failing meanwhile")
        }
        Settled::Proceed(Why::Overridden(verdict)) => {
            format!("advice: {verdict}, overridden: the rules confirmed the outage again")
        }
        Settled::Hold(Hold::Vetoed) => "advice: the model vetoed it; people decide".to_owned(),
        Settled::Hold(Hold::Escalated) => "advice: the model wants a person; people decide".to_owned(),
        Settled::Hold(Hold::Silence(why)) => format!("advice: none ({why:?}), which is no consent; people decide"),
        Settled::Hold(Hold::PeopleApprove) => "advice: people approve this class, a model never does".to_owned(),
    }
}

/// Gives one record, whole; the rest of it, figure by figure, is in its JSON.
pub(super) fn record(entry: &Entry, style: Style) -> String {
    let Entry { index, hash, record } = entry;
    let names = names_in(record);
    let mut lines = vec![
        format!("record {index}, {}, {} UTC (log time {})", record.body.kind(), wall(record.wall_ms), record.at),
        format!("written by {} in term {}, under policy {}", record.by, record.term, record.policy.short()),
    ];
    if let Some(hash) = hash {
        lines.push(format!("chain {hash}"));
    }
    if let Some(case) = record.case {
        lines.push(format!("case {case}"));
    }
    lines.push(summary(record, &names));
    match &record.body {
        Body::Decided(decision) => lines.extend(decision_lines(decision, &names)),
        Body::Outcome(outcome) => lines.extend(outcome_lines(outcome, &names)),
        Body::Opinion(opinion) => lines.extend(opinion_lines(opinion)),
        Body::PolicyIs { settings } => {
            lines.extend(settings.iter().map(|(key, value)| format!("  {} = {}", escape(key), escape(value))));
        }
        Body::Founded { .. }
        | Body::Led
        | Body::HandedOver { .. }
        | Body::Opened(_)
        | Body::Reclassified { .. }
        | Body::StillHeld { .. }
        | Body::Continued { .. }
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
    lines.iter().map(|line| wrap(line, style)).collect()
}

fn decision_lines(decision: &Decision, names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(finding) = &decision.finding {
        lines.push(sentences::finding(finding));
    }
    if let Some(plan) = &decision.plan {
        lines.extend(plan_lines(plan, names));
    }
    if let Some(ruling) = &decision.ruling {
        lines.extend(ruling_lines(ruling, names));
    }
    lines.extend(decision.advice.map(settled));
    lines
}

/// Gives what came of a plan, step by step.
pub(super) fn outcome_lines(outcome: &Outcome, names: &Names) -> Vec<String> {
    let step = |one: &crate::model::record::StepOutcome| {
        format!("  s{} {}", one.step, sentences::receipt(&one.receipt, names))
    };
    outcome.steps.iter().map(step).collect()
}

fn opinion_lines(opinion: &Opinion) -> Vec<String> {
    let mut lines =
        vec![format!("  asked with prompt {}, evidence {}", opinion.prompt.version, opinion.evidence.short())];
    if let Said::Said(kept) = &opinion.outcome {
        for reason in &kept.reasons {
            let cited = list(reason.claims.iter().map(|claim| format!("{} = {}", claim.e, claim.v)));
            let said = if reason.text.is_empty() { String::new() } else { format!(" \"{}\"", escape(&reason.text)) };
            lines.push(format!("  {} citing {cited}{said}", reason.code));
        }
    }
    lines
}

/// Gives what a check of the chain found.
pub(super) fn verification(found: &Verification, style: Style) -> String {
    let mut lines = Vec::new();
    match found.faults.len() {
        0 => lines.push(format!("the history of {} is whole: {}", found.node, count(found.last.0, "record"))),
        some => lines.push(format!("the history of {} is NOT whole: {}", found.node, count(some, "fault"))),
    }
    lines.extend(found.faults.iter().map(|one| format!("  {}", fault(one))));
    lines.push(format!("head {} at record {}", found.head, found.last));
    for seen in &found.compared {
        let said = match &seen.head {
            Some((RecordIndex(0), _)) => "has no record yet".to_owned(),
            Some((index, head)) => format!("has {} at record {index}", head.short()),
            None => match seen.place {
                HeadPlace::Checkpoint => "could not be read: the disk does not answer".to_owned(),
                HeadPlace::Committed => "is empty: nothing was committed since the start".to_owned(),
                HeadPlace::Peer(_) => "was NOT compared: not heard since this node started".to_owned(),
            },
        };
        lines.push(format!("  {} {said}", place(seen.place)));
    }
    lines.iter().map(|line| wrap(line, style)).collect()
}

fn place(place: HeadPlace) -> String {
    match place {
        HeadPlace::Checkpoint => "the checkpoint in redb".to_owned(),
        HeadPlace::Committed => "what this node knows to be committed".to_owned(),
        HeadPlace::Peer(node) => node.to_string(),
    }
}

fn fault(fault: &ChainFault) -> String {
    match fault {
        ChainFault::Broken { index } => {
            format!("record {index} is not the one that was chained: changed, inserted or re-ordered")
        }
        ChainFault::Absent { index } => format!("record {index} is absent"),
        ChainFault::Unreadable { index } => format!("record {index} cannot be read"),
        ChainFault::Shorter { last, place: at, there } => {
            let beyond = match at {
                HeadPlace::Checkpoint => format!("the checkpoint in redb is at {there}"),
                HeadPlace::Committed => format!("record {there} is committed"),
                HeadPlace::Peer(node) => format!("{node} has {there}"),
            };
            format!("it ends with record {last}, but {beyond}: the last ones are missing here")
        }
        ChainFault::Differs { index, place: at } => format!("{} has another record {index}", place(*at)),
    }
}

/// Gives a plan's digest in the form that people type.
pub(super) fn plan_name(plan: &PlanDigest) -> String {
    format!("plan {}", plan.short())
}
