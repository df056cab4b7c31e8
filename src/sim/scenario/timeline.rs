//! One line for each thing that happened: when, what kind of thing, and what.
//!
//! Deliberately short words and no digests: an operator reads this, and the records hold the rest.

use crate::model::finding::{Finding, Say};
use crate::model::ids::{BrokerId, CaseId, PartitionId};
use crate::model::observation::Light;
use crate::model::plan::{Act, Plan};
use crate::model::record::{
    Attention, Body, Decision, DecisionVerdict, Inaction, NoPlan, Outcome, Receipt, Record, Withdrawal,
};
use crate::model::ruling::Objection;
use crate::model::time::Timestamp;
use crate::model::topology::PartitionSet;
use crate::sim::kafka::talk::Request;
use crate::sim::watch::Changed;
use crate::sim::world::Told;

/// Gives the line of something that happened, or none where it is of no interest.
pub(super) fn line(at: Timestamp, told: &Told) -> Option<String> {
    let (kind, what) = match told {
        Told::Recorded(_, record) => recorded(record)?,
        Told::Leads(node, term) => ("trio", format!("{node} leads term {term}")),
        Told::Ended(node, why) => ("trio", format!("{node} ends: {why}")),
        Told::Touched(node, request) => ("sent", format!("{node}: {}", sent(request))),
        Told::Answered(_, answer) => ("answer", answered(answer)),
        Told::Changed(changed) => ("kafka", change(changed)),
        Told::Warned(..) => return None,
    };
    let ms = at.0 / 1000;
    Some(format!("{:>4}.{:03}s {kind:<9} {what}", ms / 1000, ms % 1000))
}

fn recorded(record: &Record) -> Option<(&'static str, String)> {
    let case = record.case.map(|CaseId(id)| format!("c-{id} ")).unwrap_or_default();
    Some(match &record.body {
        Body::Opened(finding) => ("finding", found(&case, finding)),
        Body::Reclassified { to, .. } => ("finding", found(&case, to)),
        Body::Decided(decision) => decided(&case, decision),
        Body::Outcome(outcome) => ("outcome", format!("{case}{}", ended(outcome))),
        Body::Opinion(opinion) => ("advice", format!("{case}{}", advised(&opinion.outcome))),
        Body::Approved { by, .. } => ("approved", format!("{case}by {by}")),
        Body::Rejected { by, .. } => ("rejected", format!("{case}by {by}")),
        Body::Withdrawn { why, .. } => ("withdrawn", format!("{case}{}", withdrawn(why))),
        Body::Paused { by, .. } => ("paused", format!("by {by}")),
        Body::Resumed { by, .. } => ("resumed", format!("by {by}")),
        Body::PauseFile { node, file } => ("file", format!("the pause file of {node} is {file:?}").to_lowercase()),
        Body::Attention { what } => ("told", format!("{case}{}", attention(what))),
        Body::HandedOver { to, why, .. } => ("trio", format!("{} hands over to {to}: {why:?}", record.by)),
        Body::Closed { how } => ("closed", format!("{case}{how:?}")),
        Body::Founded { .. }
        | Body::Led
        | Body::PolicyIs { .. }
        | Body::StillHeld { .. }
        | Body::Continued { .. }
        | Body::Acknowledged { .. } => return None,
    })
}

fn withdrawn(why: &Withdrawal) -> &'static str {
    match why {
        Withdrawal::Expired => "nobody said yes in time",
        Withdrawal::Superseded { by: Some(_) } => "another plan stands instead",
        Withdrawal::Superseded { by: None } => "it is no longer planned",
        Withdrawal::CaseClosed => "the case is closed",
        Withdrawal::TrioWasDown => "the trio was down",
    }
}

fn found(case: &str, finding: &Finding) -> String {
    let seen: Vec<String> = finding
        .votes
        .iter()
        .filter_map(|(node, vote)| {
            let light = match (vote.light, vote.says) {
                (Some(Light::RedRefused), _) => "refused",
                (Some(Light::RedSilent), _) => "silent",
                (Some(Light::Yellow), _) => "late",
                (Some(Light::Green), _) => "green",
                (Some(Light::Recovering), _) => "recovering",
                (Some(Light::Unknown(_)), _) => "unknown",
                (None, Say::Abstains) => "doubts itself",
                // Too old a report, or one without that broker: nothing was seen.
                (None, _) => return None,
            };
            Some(format!("{node} {light}"))
        })
        .collect();
    format!("{case}{} {}, leads {} ({})", finding.broker, finding.kind, finding.leads, seen.join(", "))
}

fn decided(case: &str, decision: &Decision) -> (&'static str, String) {
    match &decision.verdict {
        DecisionVerdict::Act { .. } => ("plan", format!("{case}{}", planned(decision.plan.as_ref()))),
        DecisionVerdict::WouldAct => ("would", format!("{case}{}", planned(decision.plan.as_ref()))),
        DecisionVerdict::Offer { people, .. } => {
            ("offer", format!("{case}{}; {people} must approve", planned(decision.plan.as_ref())))
        }
        DecisionVerdict::Nothing(why) => ("held", format!("{case}{}", inaction(why))),
    }
}

fn planned(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else { return "no plan".to_owned() };
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let moves = step.act.moves();
            let count: usize = moves.iter().map(|one| one.partitions.len()).sum();
            let mut to: Vec<BrokerId> = moves.iter().filter_map(|one| one.to.first().copied()).collect();
            to.sort_unstable();
            to.dedup();
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            match &step.act {
                Act::Fence { broker, .. } => format!("Fence {broker} {}", when(step.when)),
                Act::Unregister { broker, .. } => format!("Unregister {broker} {}", when(step.when)),
                act => format!("{} {count} to {} {}", act.name(), to.join(","), when(step.when)),
            }
            .trim_end()
            .to_owned()
        })
        .collect();
    format!("{} {}", plan.class, steps.join("; "))
}

fn when(when: crate::model::plan::When) -> &'static str {
    use crate::model::plan::When as W;
    match when {
        W::AtOnce => "",
        W::EchoBehind => "if behind",
        W::EchoLevelStillRed => "if level and still red",
        W::EchoLevelGreen => "if level and green",
        W::Afterwards => "afterwards",
        W::AfterPrevious => "next",
    }
}

fn ended(outcome: &Outcome) -> String {
    let step = |receipt: &Receipt| match receipt {
        Receipt::Done { done, not } if not.is_empty() => format!("done {}", done.len()),
        Receipt::Done { done, not } => {
            let not: Vec<String> = not.iter().map(|(why, set)| format!("{} {why:?}", set.len())).collect();
            format!("done {}, not {}", done.len(), not.join(", "))
        }
        Receipt::NotDue => "not due".to_owned(),
        Receipt::NotSent(why) => format!("not sent: {why:?}"),
        Receipt::Refused(why) => format!("refused: {why:?}"),
        Receipt::Unanswered => "unanswered".to_owned(),
        Receipt::NotSeen => "not seen to be done".to_owned(),
        Receipt::Skipped => "skipped".to_owned(),
    };
    let steps: Vec<String> = outcome.steps.iter().map(|one| step(&one.receipt)).collect();
    format!("{:?} ({})", outcome.end, steps.join("; "))
}

fn advised(outcome: &crate::model::advice::Outcome) -> String {
    match outcome {
        crate::model::advice::Outcome::Said(said) => said.verdict.to_string(),
        crate::model::advice::Outcome::None(why) => format!("none: {}", why.name()),
    }
}

fn inaction(why: &Inaction) -> String {
    match why {
        Inaction::NothingToDo(kind) => format!("nothing to do: {kind}"),
        Inaction::OnlyWarns(kind) => format!("only warns: {kind}"),
        Inaction::Held(objections) => {
            let names: Vec<&str> = objections.iter().map(Objection::name).collect();
            format!("by the guard: {}", names.join(", "))
        }
        Inaction::NoPlan(NoPlan::NobodyFit(set)) => format!("nobody is fit to lead {}", numbers_of(set)),
        Inaction::NoPlan(why) => format!("no plan: {why:?}"),
        Inaction::TriedEnough => "tried enough".to_owned(),
    }
}

fn attention(what: &Attention) -> String {
    match what {
        Attention::Finding { kind, broker, why } => format!("a person: {broker} {kind}, {}", inaction(why)),
        Attention::UnknownOutcome { .. } => "a person: the outcome of a plan is unknown".to_owned(),
        Attention::PlanFailed { .. } => "a person: a plan failed".to_owned(),
        Attention::ApprovalWanted { .. } => "a person: a plan waits for approval".to_owned(),
        Attention::Zombie { broker, .. } => format!("a person: {broker} is a zombie; restart it"),
        Attention::AuditRebuilt { .. } => "a person: a history was rebuilt".to_owned(),
    }
}

fn sent(request: &Request) -> String {
    match request {
        Request::Reassign { orders, .. } => {
            let ids: Vec<PartitionId> = orders.iter().map(|order| order.partition).collect();
            format!("reorder {}", numbers(&ids))
        }
        Request::Elect { partitions, .. } => {
            format!("elect {}", partitions.as_ref().map_or_else(|| "all".to_owned(), |ids| numbers(ids)))
        }
        Request::Fence { broker, .. } => format!("fence {broker}"),
        Request::Unregister(broker) => format!("unregister {broker}"),
        other => format!("{other:?}"),
    }
}

fn answered(answer: &crate::model::operator::Answer) -> String {
    use crate::model::operator::Answer as A;
    match answer {
        A::Done { .. } => "done".to_owned(),
        A::NeedsMore { people, .. } => format!("{people} more must approve"),
        A::Offered { people, .. } => format!("offered; {people} must approve"),
        A::Superseded { .. } => "superseded".to_owned(),
        A::NotFound(_) => "not found".to_owned(),
        A::Refused(why) => format!("refused: {}", refused(why)),
        A::NotLeader { leader, .. } => format!("{leader} leads"),
        A::NoQuorum { .. } => "no quorum".to_owned(),
        A::Unanswered => "may or may not have been recorded".to_owned(),
        other => format!("{other:?}").chars().take(60).collect(),
    }
}

fn refused(why: &crate::model::operator::Refusal) -> String {
    match why {
        crate::model::operator::Refusal::Held(objections) => {
            let names: Vec<&str> = objections.iter().map(Objection::name).collect();
            format!("held by {}", names.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn change(changed: &Changed) -> String {
    match changed {
        Changed::Leads { from, to: Some(to), partitions } => {
            let from = from.map(|from| format!(" in place of {from}")).unwrap_or_default();
            format!("{to} leads {}{from}", numbers(partitions))
        }
        Changed::Leads { from, to: None, partitions } => {
            let from = from.map(|from| format!(" after {from}")).unwrap_or_default();
            format!("nobody leads {}{from}", numbers(partitions))
        }
        Changed::LostAlone(1) => "a record that its leader alone had acknowledged (acks=1) is lost".to_owned(),
        Changed::LostAlone(count) => {
            format!("{count} records that their leader alone had acknowledged (acks=1) are lost")
        }
        Changed::LeftIsr(broker, count) => format!("{broker} leaves the ISR of {count}"),
        Changed::JoinedIsr(broker, count) => format!("{broker} joins the ISR of {count}"),
        Changed::Stands(broker, Some(standing)) => format!("{broker} is {standing}"),
        Changed::Stands(broker, None) => format!("{broker} is not registered"),
    }
}

fn numbers_of(set: &PartitionSet) -> String {
    numbers(&set.iter().collect::<Vec<_>>())
}

/// Gives partitions as `p0,p4` or, where there are many, as how many.
fn numbers(ids: &[PartitionId]) -> String {
    if 6 < ids.len() {
        return format!("{} partitions", ids.len());
    }
    let mut sorted: Vec<i32> = ids.iter().map(|id| id.number).collect();
    sorted.sort_unstable();
    sorted.iter().map(|number| format!("p{number}")).collect::<Vec<_>>().join(",")
}
