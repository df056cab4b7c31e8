//! A plan, whole: steps, every candidate's score, undo, collateral, records at risk, objections.

use crate::model::operator::view::PlanView;
use crate::model::plan::{Act, Choice, Collateral, NativeFate, Plan, Precondition, Step, Verdict};
use crate::model::ruling::Ruling;

use super::Style;
use super::sentences;
use super::status::plan_state;
use super::words::{Names, count, list, table, table_text, wrap};

/// Gives the plans that wait or are in flight, one line each.
pub(super) fn plans(plans: &[PlanView], style: Style) -> String {
    if plans.is_empty() {
        return "no plan waits or is in flight\n".to_owned();
    }
    let mut table = table(style, &["digest", "case", "class", "origin", "steps", "state"]);
    for view in plans {
        table.add_row([
            view.digest.short(),
            view.case.to_string(),
            view.plan.class.to_string(),
            sentences::origin(&view.plan.origin),
            list(view.plan.steps.iter().map(|step| step.act.name())),
            plan_state(&view.state),
        ]);
    }
    table_text(&table)
}

/// Gives one plan, whole.
pub(super) fn plan(view: &PlanView, style: Style) -> String {
    let names = Names::from_map(&view.topics);
    let mut lines = vec![
        format!("plan {} of {} (record {}): {}", view.digest.short(), view.case, view.record, plan_state(&view.state)),
        format!("digest {}", view.digest),
    ];
    lines.extend(plan_lines(&view.plan, &names));
    if let Some(ruling) = &view.ruling {
        lines.extend(ruling_lines(ruling, &names));
    }
    lines.iter().map(|line| wrap(line, style)).collect()
}

/// Gives what the guard said, every objection as a sentence.
pub(super) fn ruling_lines(ruling: &Ruling, names: &Names) -> Vec<String> {
    let mut lines = vec![format!("guard: {}", sentences::ruling(ruling))];
    match ruling {
        Ruling::Held(objections) => {
            lines
                .extend(objections.iter().map(|one| format!("  {}: {}", one.name(), sentences::objection(one, names))));
        }
        Ruling::Allowed | Ruling::NeedsApproval { .. } => {}
    }
    lines
}

/// Gives a plan line by line.
pub(super) fn plan_lines(plan: &Plan, names: &Names) -> Vec<String> {
    let mut lines = vec![format!("{}, class {}", sentences::origin(&plan.origin), sentences::class(plan.class))];
    if let Some(parent) = &plan.parent {
        lines.push(format!("follows plan {}", parent.short()));
    }
    lines.push("steps".to_owned());
    for step in &plan.steps {
        lines.extend(step_lines(step, names));
    }
    lines.push(
        if plan.choices.iter().all(|choice| choice.candidates.is_empty()) { "leaders" } else { "candidates" }
            .to_owned(),
    );
    for choice in &plan.choices {
        lines.extend(choice_lines(choice, names));
    }
    if !plan.undo.is_empty() {
        lines.push("undo: the recorded order back".to_owned());
        for order in &plan.undo {
            let leader = order.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
            let set = names.set(&order.partitions);
            lines.push(format!("  {set}: {}, led by {leader}", list(&order.replicas)));
        }
    }
    if !plan.collateral.is_empty() {
        lines.push("collateral: what the whole-broker steps do to acks=all".to_owned());
        lines.extend(plan.collateral.iter().map(|one| collateral_line(one, names)));
    }
    for risk in &plan.at_risk {
        let records =
            risk.records.map_or_else(|| "an unknown number of records".to_owned(), |records| count(records, "record"));
        lines.push(format!("at risk: {records} written with acks=1 to {}", names.set(&risk.partitions)));
    }
    lines
}

/// Gives a step, its moves and what must hold.
fn step_lines(step: &Step, names: &Names) -> Vec<String> {
    let mut lines = vec![format!("  s{} {}, {}", step.number, sentences::act(&step.act), sentences::when(step.when))];
    for one in step.act.moves() {
        let leader = one.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
        lines.push(format!(
            "    {}: led by {leader} in {}, {} -> {}",
            names.set(&one.partitions),
            one.leader_epoch,
            list(&one.from),
            list(&one.to),
        ));
    }
    if !step.expects.is_empty() {
        lines.push(format!("    only if {}", list(step.expects.iter().map(|one| precondition(one, &step.act)))));
    }
    lines
}

fn precondition(precondition: &Precondition, act: &Act) -> String {
    match precondition {
        Precondition::MovesStand => "the replicas are as planned and the new leader is in sync".to_owned(),
        Precondition::EpochIs { broker, epoch } => format!("{broker} is still in its life {epoch}"),
        Precondition::StillRed(broker) => format!("{broker} is still red for a majority"),
        Precondition::Green(broker) => format!("{broker} is green"),
        Precondition::InSync if act.moves().is_empty() => "all are in sync".to_owned(),
        Precondition::InSync => "every replica is in sync".to_owned(),
        Precondition::NotReassigning => "nobody is reassigning".to_owned(),
    }
}

/// Gives every candidate of some partitions, best first.
pub(super) fn choice_lines(choice: &Choice, names: &Names) -> Vec<String> {
    if let (Some(chosen), true) = (choice.chosen, choice.candidates.is_empty()) {
        return vec![format!("  {}: {chosen} is to lead, by the recorded order", names.set(&choice.partitions))];
    }
    let chosen = choice.chosen.map_or_else(|| "nobody is fit".to_owned(), |broker| format!("{broker} is to lead"));
    let kafka = match choice.kafka_would {
        Some(broker) if choice.chosen == Some(broker) => ", as Kafka itself would choose".to_owned(),
        Some(broker) => format!(", Kafka itself would choose {broker}"),
        None => ", Kafka itself would choose nobody".to_owned(),
    };
    let mut lines = vec![format!("  {}: {chosen}{kafka}", names.set(&choice.partitions))];
    for candidate in &choice.candidates {
        let verdict = match &candidate.verdict {
            Verdict::Score(score) => sentences::score(score),
            Verdict::Unfit(why) => format!("unfit, {}", sentences::unfit(*why)),
        };
        lines.push(format!("    {} {verdict}", candidate.broker));
    }
    lines
}

fn collateral_line(one: &Collateral, names: &Names) -> String {
    let kafka = match one.native_same {
        NativeFate::Same => "Kafka alone would do the same",
        NativeFate::Differs => "Kafka alone would not do that",
    };
    let (before, after) = (sentences::serving(one.before), sentences::serving(one.after));
    format!("  s{} {}: {before} -> {after}; {kafka}", one.step, names.set(&one.partitions))
}
