//! Every answer as text for people.

use crate::model::operator::view::Difference;
use crate::model::operator::{Answer, Explanation, NotFound, Refusal, Role};
use crate::model::record::Inaction;

use super::Style;
use super::history::{plan_name, record, records, verification};
use super::plans::{plan, plans};
use super::sentences;
use super::status::{people_text, status};
use super::words::{Names, and, escape, list, wrap};

/// Gives an answer as text, ending in a line break.
#[must_use]
pub fn answer(answer: &Answer, style: Style) -> String {
    let line = |text: String| wrap(&text, style);
    match answer {
        Answer::Status(view) => status(view, style),
        Answer::Plans(views) => plans(views, style),
        Answer::Plan(view) => plan(view, style),
        Answer::Records(entries) => records(entries, style),
        Answer::Record(entry) => record(entry, style),
        Answer::Verified(found) => verification(found, style),
        Answer::Page { lines, .. } => lines.iter().map(|line| format!("{line}\n")).collect(),
        Answer::Explained(explanation) => explained(explanation, style),
        Answer::Done { record, plan } => {
            let plan = plan.as_ref().map(|plan| format!(" {}", plan_name(plan))).unwrap_or_default();
            let record = record.map(|record| format!(", record {record}")).unwrap_or_default();
            line(format!("done{record}{plan}"))
        }
        Answer::NeedsMore { plan, people } => {
            line(format!("counted; {} needs {} more to say yes", plan_name(plan), people_text(*people)))
        }
        Answer::Offered { plan, people } => line(format!(
            "{} is made and waits for {}: tanist plan show {}",
            plan_name(plan),
            people_text(*people),
            plan.short()
        )),
        Answer::Superseded { plan, by, difference } => {
            let by = by.as_ref().map_or_else(|| "no plan".to_owned(), plan_name);
            let mut text = line(format!("{} no longer stands; {by} stands instead", plan_name(plan)));
            text.extend(difference.iter().map(|one| line(differs(one))));
            text
        }
        Answer::NotFound(what) => line(not_found(what)),
        Answer::Refused(why) => line(refused(why)),
        Answer::NotLeader { leader, address } => line(match address {
            Some(address) => format!("{leader} leads: ask it at {}", escape(address)),
            None => format!("{leader} leads: ask it"),
        }),
        Answer::NoQuorum { term, heard } => line(format!(
            "no quorum: in term {term} only {} heard each other, two of three are needed; nothing was recorded. To pause \
             one node all the same, make a file named PAUSE in its data directory",
            and(heard)
        )),
        Answer::Unanswered => {
            line("no answer in time: it may or may not have been recorded; see tanist audit list".to_owned())
        }
    }
}

fn explained(explanation: &Explanation, style: Style) -> String {
    let mut text: String = explanation.lines.iter().map(|line| wrap(line, style)).collect();
    if !explanation.cites.is_empty() {
        let noun = if explanation.cites.len() == 1 { "record" } else { "records" };
        text.push_str(&wrap(&format!("from {noun} {}: tanist audit show NUMBER", list(&explanation.cites)), style));
    }
    text
}

fn differs(one: &Difference) -> String {
    format!("  {}: was {}, is {}", escape(&one.part), escape(&one.was), escape(&one.is))
}

fn not_found(what: &NotFound) -> String {
    match what {
        NotFound::Plan(prefix) => format!("no plan's digest starts with {prefix}: tanist plan list"),
        NotFound::Ambiguous(plans) => {
            format!("several plans' digests start so: {}", list(plans.iter().map(|plan| plan.short())))
        }
        NotFound::Record { index, last } => format!("there is no record {index}; the last is {last}"),
        NotFound::Case(case) => format!("there is no {case}, or nothing is recorded in it that could be put back"),
        NotFound::Attention(index) => format!("record {index} is no attention, or was acknowledged before"),
    }
}

fn refused(why: &Refusal) -> String {
    match why {
        Refusal::Role { by, needs } => {
            let needs = match needs {
                Role::Reader => "a reader",
                Role::Operator => "an operator",
                Role::Approver => "an approver",
            };
            format!("{} is not {needs}: surface.roles in the settings says who is", escape(&by.0))
        }
        Refusal::AlreadyApproved { by } => format!("{} has said yes before; another person is needed", escape(&by.0)),
        Refusal::Expired { plan } => {
            format!("the time of {} is over; a new one is made while the finding stands", plan_name(plan))
        }
        Refusal::Held(objections) => {
            let names = Names::default();
            format!("the guard holds it: {}", and(objections.iter().map(|one| sentences::objection(one, &names))))
        }
        Refusal::NoPlan(why) => {
            let why = sentences::inaction(&Inaction::NoPlan(why.clone()), &Names::default());
            format!("no plan can be made of it now: {why}")
        }
        Refusal::ObserveOnly => "mode observe: nothing is ever sent; act.mode in the settings".to_owned(),
        Refusal::PausedByFile { node } => {
            format!("{node} is paused by the file PAUSE in its data directory: remove it there")
        }
        Refusal::Busy => "too many questions at once: ask again".to_owned(),
        Refusal::Version { speaks } => {
            format!("this node speaks version {speaks} at most: it is older than this program")
        }
        Refusal::AuditRebuilding => "the history of this node is being rebuilt: ask another node".to_owned(),
    }
}
