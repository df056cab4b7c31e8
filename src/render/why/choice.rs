//! Why a broker took a partition, or did not: every candidate's score in words, the votes, and what came of it.

use crate::model::ids::{BrokerId, PartitionId, RecordIndex};
use crate::model::operator::question::{NamedPartition, Negated, Question};
use crate::model::plan::{Candidate, Choice, Origin, PlanDigest, Score, Verdict};
use crate::model::record::{Body, Decision, DecisionVerdict, End, Receipt, Record};

use super::super::history::decided;
use super::super::plans::{choice_lines, ruling_lines};
use super::super::sentences;
use super::super::words::{Names, escape, wall};
use super::Reply;

/// A decision that chose for a partition.
struct Chosen<'a> {
    index: RecordIndex,
    record: &'a Record,
    decision: &'a Decision,
    choice: &'a Choice,
    partition: PartitionId,
}

/// Answers about one partition.
pub(super) fn explain(
    asked: &NamedPartition,
    question: &Question,
    records: &[(RecordIndex, Record)],
    reply: &mut Reply,
) {
    let all: Vec<Chosen<'_>> =
        records.iter().rev().filter_map(|(index, record)| chosen(*index, record, asked)).collect();
    let of_case = |one: &&Chosen<'_>| question.case.is_none_or(|case| one.record.case == Some(case));
    let matching = |one: &&Chosen<'_>| {
        of_case(one)
            && match (question.broker, question.not) {
                (Some(broker), Negated::No) => one.choice.chosen == Some(broker),
                (Some(broker), Negated::Yes) => {
                    one.choice.chosen != Some(broker) && candidate(one.choice, broker).is_some()
                }
                (None, _) => true,
            }
    };
    let Some(newest) = all.iter().find(matching) else {
        return nothing(asked, question, &all, reply);
    };
    story(newest, asked, records, reply);
    match (question.broker, question.not) {
        (Some(broker), Negated::Yes) => reply.say(passed_over(newest.choice, broker)),
        _ => reply.say(restored(newest).unwrap_or_else(|| decisive(newest.choice))),
    }
    let names = Names::of(&newest.decision.snapshot);
    choice_lines(newest.choice, &names).into_iter().for_each(|line| reply.say(line));
    let older = all.iter().filter(matching).count().saturating_sub(1);
    if 0 < older {
        reply.say(format!("{older} older decision(s) about it: ask with a case or a time"));
    }
}

/// Answers why a broker was passed over, wherever that was last.
pub(super) fn explain_passed_over(broker: BrokerId, records: &[(RecordIndex, Record)], reply: &mut Reply) {
    let newest = records.iter().rev().find_map(|(index, record)| {
        let Body::Decided(decision) = &record.body else { return None };
        let passed: Vec<&Choice> = decision
            .plan
            .iter()
            .flat_map(|plan| &plan.choices)
            .filter(|choice| choice.chosen != Some(broker) && candidate(choice, broker).is_some())
            .collect();
        (!passed.is_empty()).then_some((index, record, decision, passed))
    });
    let Some((index, record, decision, passed)) = newest else {
        return reply.say(format!("no record shows {broker} as a candidate that was passed over"));
    };
    let names = Names::of(&decision.snapshot);
    let case = record.case.map(|case| format!(" in {case}")).unwrap_or_default();
    reply.say(format!("last{case}, {} UTC (record {index}): {}", wall(record.wall_ms), decided(decision, &names)));
    reply.cite(*index);
    for choice in passed {
        reply.say(format!("  {}: {}", names.set(&choice.partitions), passed_over(choice, broker)));
    }
}

/// Finds what a record chose for a partition; a name is looked up in the record's own picture.
fn chosen<'a>(index: RecordIndex, record: &'a Record, asked: &NamedPartition) -> Option<Chosen<'a>> {
    let Body::Decided(decision) = &record.body else { return None };
    let ids = Names::of(&decision.snapshot).ids(&asked.topic);
    decision.plan.as_ref()?.choices.iter().find_map(|choice| {
        let wanted = ids.iter().map(|topic| PartitionId { topic: *topic, number: asked.number });
        let partition = wanted.into_iter().find(|partition| choice.partitions.contains(partition))?;
        Some(Chosen { index, record, decision, choice, partition })
    })
}

fn nothing(asked: &NamedPartition, question: &Question, all: &[Chosen<'_>], reply: &mut Reply) {
    let name = escape(&asked.to_string());
    let Some(newest) = all.first() else {
        return reply.say(format!("no record says who is to lead {name}"));
    };
    let leads = newest.choice.chosen.map_or_else(|| "nobody".to_owned(), |broker| broker.to_string());
    let asked = question.broker.map(|broker| broker.to_string()).unwrap_or_default();
    let said = match question.not {
        Negated::No => format!("no record chose {asked} for {name}; record {} chose {leads}", newest.index),
        Negated::Yes => format!("no record passed {asked} over for {name}; record {} chose {leads}", newest.index),
    };
    reply.say(said);
    reply.cite(newest.index);
}

/// Says what was decided, upon which finding, and what came of it.
fn story(one: &Chosen<'_>, asked: &NamedPartition, records: &[(RecordIndex, Record)], reply: &mut Reply) {
    let name = escape(&asked.to_string());
    let leads = one.choice.chosen.map_or_else(|| "nobody".to_owned(), |broker| broker.to_string());
    let case = one.record.case.map(|case| format!(" in {case}")).unwrap_or_default();
    let outcome = outcome_of(one, records);
    let verb = match (&one.decision.verdict, outcome.as_ref().map(|found| found.fate)) {
        (DecisionVerdict::Act { .. }, Some(Fate::Moved)) => "took",
        (DecisionVerdict::Act { .. }, Some(Fate::Stayed)) => "was to take, and did not,",
        (DecisionVerdict::Act { .. }, Some(Fate::Unknown)) => "was to take, and whether it did is not known,",
        (DecisionVerdict::Act { .. }, None) => "was to take",
        (DecisionVerdict::WouldAct, _) => "would have taken (observe)",
        (DecisionVerdict::Offer { .. }, _) => "was offered to people as leader of",
        (DecisionVerdict::Nothing(_), _) => "was the choice (held) for",
    };
    reply.say(format!("{leads} {verb} {name}{case}, {} UTC (record {})", wall(one.record.wall_ms), one.index));
    reply.cite(one.index);
    if let Some(finding) = &one.decision.finding {
        reply.say(format!("  {}", sentences::finding(finding)));
    }
    let names = Names::of(&one.decision.snapshot);
    if let Some(ruling) = &one.decision.ruling {
        ruling_lines(ruling, &names).into_iter().for_each(|line| reply.say(format!("  {line}")));
    }
    if let Some(found) = outcome {
        reply.say(format!("  outcome (record {}): {}", found.index, sentences::end(found.end)));
        reply.cite(found.index);
    }
}

/// What came of a decision, for one partition.
struct Came {
    index: RecordIndex,
    end: End,
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Moved,
    Stayed,
    Unknown,
}

fn outcome_of(one: &Chosen<'_>, records: &[(RecordIndex, Record)]) -> Option<Came> {
    let digest: PlanDigest = one.decision.digest?;
    records.iter().filter(|(index, _)| one.index < *index).find_map(|(index, record)| {
        let Body::Outcome(outcome) = &record.body else { return None };
        if outcome.plan != digest || record.case != one.record.case {
            return None;
        }
        let without = |receipt: &Receipt| {
            matches!(receipt, Receipt::Done { not, .. } if not.iter().any(|(_, set)| set.contains(&one.partition)))
        };
        let left_out = outcome.steps.iter().any(|step| without(&step.receipt));
        let fate = match outcome.end {
            End::Done | End::Partly if !left_out => Fate::Moved,
            End::Unknown => Fate::Unknown,
            End::Done | End::Partly | End::NotDone => Fate::Stayed,
        };
        Some(Came { index: *index, end: outcome.end, fate })
    })
}

fn candidate(choice: &Choice, broker: BrokerId) -> Option<&Candidate> {
    choice.candidates.iter().find(|candidate| candidate.broker == broker)
}

fn score(choice: &Choice, broker: BrokerId) -> Option<Score> {
    match candidate(choice, broker)?.verdict {
        Verdict::Score(score) => Some(score),
        Verdict::Unfit(_) => None,
    }
}

/// Says that nobody was chosen by score, where the recorded order was put back.
fn restored(one: &Chosen<'_>) -> Option<String> {
    let chosen = one.choice.chosen?;
    match &one.decision.plan.as_ref()?.origin {
        Origin::Finding { .. } => None,
        Origin::Failback { of, .. } => Some(format!("the recorded order of {of} back: {chosen} stands first in it")),
        Origin::Undo { of, by } => {
            Some(format!("the recorded order of {of} back, asked by {}: {chosen} stands first in it", escape(&by.0)))
        }
    }
}

/// Says what put the chosen one before the next best.
fn decisive(choice: &Choice) -> String {
    let Some(chosen) = choice.chosen else {
        return "nobody was fit to lead it:".to_owned();
    };
    let others = choice.candidates.iter().filter(|other| other.broker != chosen);
    let next = others.filter_map(|other| Some((score(choice, other.broker)?.key(other.broker), other.broker))).min();
    match next {
        None => format!("{chosen} was the only one fit:"),
        Some((_, next)) => format!("{}:", beats(choice, chosen, next)),
    }
}

/// Says why a broker was not chosen.
fn passed_over(choice: &Choice, broker: BrokerId) -> String {
    match candidate(choice, broker).map(|candidate| &candidate.verdict) {
        None => format!("{broker} holds no replica of it"),
        Some(Verdict::Unfit(why)) => format!("not {broker}: {}", sentences::unfit(*why)),
        Some(Verdict::Score(_)) => match choice.chosen {
            Some(chosen) => format!("not {broker}: {}", beats(choice, chosen, broker)),
            None => format!("not {broker}: nobody was chosen"),
        },
    }
}

/// Says in which part of the score one broker is better than another: the first in which they differ.
fn beats(choice: &Choice, better: BrokerId, worse: BrokerId) -> String {
    let (Some(one), Some(other)) = (score(choice, better), score(choice, worse)) else {
        return format!("{better} and {worse} cannot be compared");
    };
    if one.promotion != other.promotion {
        return format!("{better} came before {worse} by the rules in score.promotion");
    }
    if one.shares_failed_rack != other.shares_failed_rack {
        return format!("{better} came before {worse}, which stands in the rack of the broker at fault");
    }
    if one.weighted_permille != other.weighted_permille {
        let parts = [
            ("lag", one.lag_permille, other.lag_permille),
            ("lag in bytes", one.lag_bytes_permille, other.lag_bytes_permille),
            ("lag in time", one.lag_time_permille, other.lag_time_permille),
            ("rack", one.rack_permille, other.rack_permille),
            ("load", one.load_permille, other.load_permille),
            ("load in bytes", one.bytes_in_permille, other.bytes_in_permille),
            ("load as coordinator", one.coordinates_permille, other.coordinates_permille),
            ("health", one.health_permille, other.health_permille),
        ];
        let differ = parts.iter().filter(|(_, one, other)| one != other);
        let differ =
            differ.map(|(part, one, other)| format!("{part} {one} against {other}")).collect::<Vec<_>>().join(", ");
        let (one, other) = (one.weighted_permille, other.weighted_permille);
        return format!("{better} came before {worse} with score {one} against {other} ({differ}; lower is better)");
    }
    if one.position != other.position {
        return format!("{better} and {worse} scored the same; {better} stands earlier in the original order");
    }
    format!("{better} and {worse} were equal; the lower id leads")
}
