//! What the records say about one failover, beside what the probe measured: one column of times, all counted from the fault.
//!
//! Records carry the writer's wall time and, per stage, microseconds since the leader's first red. The lab runs on the same machine,
//! so its wall time of the fault ties the two together, to a millisecond.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::lab::client::Recovery;
use crate::lab::names::BrokerId;
use crate::model::finding::Say;
use crate::model::ids::{CaseId, RecordIndex, TopicId};
use crate::model::operator::Entry;
use crate::model::plan::{Act, Choice, Origin, Plan, Step, Verdict, When};
use crate::model::record::{Body, Decision, End, Outcome, Receipt, Stage};

/// One failover as the records tell it and as the probe saw it.
#[derive(Debug)]
pub(super) struct Failover {
    pub(super) case: CaseId,
    /// The slowest partition; none if one did not come back while it was watched.
    pub(super) all_worst: Option<Duration>,
    pub(super) one_worst: Option<Duration>,
}

/// A plan that was carried out.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) case: CaseId,
    pub(super) index: RecordIndex,
    pub(super) decision: Decision,
    /// Wall time at which it was decided, in milliseconds.
    pub(super) decided_wall_ms: u64,
    pub(super) outcome: Outcome,
}

/// Gives the first plan with such an origin that was carried out to its end.
pub(super) fn done(entries: &[Entry], wanted: impl Fn(&Origin) -> bool) -> Option<Done> {
    for entry in entries {
        let Body::Outcome(outcome) = &entry.record.body else { continue };
        let decided = entries.iter().find_map(|other| {
            let Body::Decided(decision) = &other.record.body else { return None };
            (decision.digest.as_ref() == Some(&outcome.plan)).then_some((other, decision))
        });
        let Some((record, decision)) = decided else { continue };
        let (Some(case), Some(plan)) = (entry.record.case, &decision.plan) else { continue };
        if wanted(&plan.origin) && outcome.end == End::Done {
            return Some(Done {
                case,
                index: entry.index,
                decision: (**decision).clone(),
                decided_wall_ms: record.record.wall_ms,
                outcome: outcome.clone(),
            });
        }
    }
    None
}

/// What was seen of a failover from outside, and what its topics are called.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Wall time of the fault, in milliseconds.
    pub(super) fault_wall_ms: u64,
    pub(super) broker: BrokerId,
    pub(super) all: &'a Recovery,
    pub(super) one: &'a Recovery,
    /// Topics that are not here are Kafka's own.
    pub(super) names: &'a BTreeMap<TopicId, String>,
}

/// Prints fault, stages and first successes in the order of their times.
pub(super) fn print(done: &Done, seen: &Seen<'_>) {
    let Seen { fault_wall_ms, broker, all, one, names } = seen;
    let mut lines: Vec<(Option<Duration>, String)> =
        vec![(Some(Duration::ZERO), format!("fault       kill -9 of {broker}"))];
    lines.extend(stages(done, *fault_wall_ms));
    let firsts = |recovery: &Recovery| recovery.after.values().copied().flatten().min();
    lines.push((firsts(all), "probe       first acks=all produce that succeeded".to_owned()));
    lines.push((all.worst(), "probe       acks=all succeeds on every partition".to_owned()));
    lines.push((one.worst(), "probe       acks=1 succeeds on every partition".to_owned()));
    lines.sort_by_key(|(after, _)| after.unwrap_or(Duration::MAX));
    for (after, text) in lines {
        println!("  {:>9}  {text}", seconds(after));
    }
    println!("\n  who voted: {}", votes(&done.decision));
    if let Some(plan) = &done.decision.plan {
        if let Some(spared) = not_due(plan, &done.outcome) {
            println!("  planned for the case that {broker} lives, and not due: {spared}");
        }
        println!(
            "\n  every candidate for each partition, class {} (permille, lower is better; the one whom Kafka",
            plan.class
        );
        println!("  would choose stands where nobody is better by a margin: that is one record less per partition)");
        plan.choices.iter().for_each(|choice| print_choice(names, choice));
    }
}

/// Names the steps whose condition did not come true.
fn not_due(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let spared = outcome.steps.iter().filter(|one| one.receipt == Receipt::NotDue);
    let steps = spared.filter_map(|one| plan.steps.iter().find(|step| step.number == one.step));
    let named: Vec<String> = steps.map(|step| format!("step {}, {}", step.number, step.act.name())).collect();
    (!named.is_empty()).then(|| named.join("; "))
}

/// Says what a step is for.
fn purpose(step: &Step) -> &'static str {
    match (&step.act, step.when == When::Afterwards) {
        (Act::Reorder { .. }, false) => "the chosen are first in line",
        (Act::Reorder { .. }, true) => "the rest of the order, when nobody waits any more",
        (Act::Elect { .. }, _) => "the chosen are first in line, and are elected",
        (Act::Prefer { .. }, _) => "the first in line are elected",
        (Act::Fence { .. }, _) => "it leaves every ISR, and Kafka elects the next in line",
        (Act::Unregister { .. }, _) => "its registration goes, and Kafka elects the next in line",
    }
}

fn stages(done: &Done, fault_wall_ms: u64) -> Vec<(Option<Duration>, String)> {
    let confirmed =
        done.outcome.timeline.iter().find(|mark| mark.stage == Stage::Confirmed).map_or(0, |mark| mark.after_us);
    let lead = Duration::from_millis(done.decided_wall_ms.saturating_sub(fault_wall_ms));
    let first_red = lead.saturating_sub(Duration::from_micros(confirmed));
    let mark = |mark: &crate::model::record::Mark| {
        (Some(first_red + Duration::from_micros(mark.after_us)), stage(mark.stage, &done.decision))
    };
    done.outcome.timeline.iter().map(mark).collect()
}

fn stage(stage: Stage, decision: &Decision) -> String {
    let act = |number: u16| {
        let plan = decision.plan.as_ref();
        let step = plan.and_then(|plan| plan.steps.iter().find(|step| step.number == number));
        step.map_or_else(String::new, |step| format!("{}: {}", step.act.name(), purpose(step)))
    };
    match stage {
        Stage::Suspected => "suspected   by the leader of the trio".to_owned(),
        Stage::Confirmed => {
            let moved: usize =
                decision.plan.iter().flat_map(|plan| &plan.choices).map(|choice| choice.partitions.len()).sum();
            format!("confirmed   by a majority, and planned: {moved} partitions, guarded")
        }
        Stage::Committed => "committed   by two of three".to_owned(),
        Stage::Sent(number) => format!("sent        step {number}, {}", act(number)),
        Stage::Answered(number) => format!("applied     step {number}, {}", act(number)),
        Stage::Echoed => "echoed      by the metadata log: it is the broker, not the path".to_owned(),
        Stage::Verified => "verified    leadership read back from two brokers".to_owned(),
        Stage::VerifiedByOne => "verified    leadership read back from one broker; no second one answered".to_owned(),
    }
}

fn votes(decision: &Decision) -> String {
    let Some(finding) = &decision.finding else { return String::new() };
    let votes = finding.votes.iter().map(|(node, vote)| {
        let says = match vote.says {
            Say::Red => "red",
            Say::Serves => "serves",
            Say::Unsure => "unsure",
            Say::Blind(_) => "cannot see it",
            Say::Abstains => "abstains",
            Say::NoVote => "has no vote",
            Say::NotHeard => "not heard",
        };
        format!("{node} {says}")
    });
    format!("{} ({})", votes.collect::<Vec<_>>().join(", "), finding.kind)
}

/// Writes partitions as `orders-0, orders-3`.
fn partitions(names: &BTreeMap<TopicId, String>, choice: &Choice) -> String {
    let name = |topic: &TopicId| names.get(topic).map_or("(Kafka's own topic)", String::as_str);
    choice.partitions.iter().map(|one| format!("{}-{}", name(&one.topic), one.number)).collect::<Vec<_>>().join(", ")
}

fn print_choice(names: &BTreeMap<TopicId, String>, choice: &Choice) {
    let kafka = choice.kafka_would.map_or_else(|| "nobody".to_owned(), |broker| broker.to_string());
    println!("    {}: Kafka itself would choose {kafka}", partitions(names, choice));
    for candidate in &choice.candidates {
        let leads = if choice.chosen == Some(candidate.broker) { "leads" } else { "" };
        match &candidate.verdict {
            Verdict::Score(score) => println!(
                "      {} {leads:<6} {:>4} = lag {}, rack {}, load {}, health {}",
                candidate.broker,
                score.weighted_permille,
                score.lag_permille,
                score.rack_permille,
                score.load_permille,
                score.health_permille
            ),
            Verdict::Unfit(why) => println!("      {} unfit  {}", candidate.broker, word(why)),
        }
    }
}

/// Gives a value of the model as its records spell it, with blanks.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    let spelt = serde_json::to_value(value).unwrap_or(Value::Null);
    spelt.as_str().map_or_else(|| spelt.to_string(), |text| text.replace('_', " "))
}

/// Writes a time after the fault as people compare them.
pub(super) fn seconds(after: Option<Duration>) -> String {
    after.map_or_else(|| "never".to_owned(), |after| format!("{}.{:03} s", after.as_secs(), after.subsec_millis()))
}
