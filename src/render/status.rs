//! How things stand, on one screen: who leads, every broker as seen from every node, and what wants a person.

use comfy_table::{Cell, Color};

use crate::model::ids::NodeId;
use crate::model::observation::{Light, PulseState};
use crate::model::operator::view::{BrokerView, Latest, NodeView, PauseView, PlanState, Quorum, Seen, StatusView};
use crate::model::snapshot::Missing;

use super::blind::{blindness, probed};
use super::sentences;
use super::words::{Names, count, escape, list, span, table, table_text, wall, wrap};
use super::{Colour, Style};

/// Gives the whole screen.
pub(super) fn status(view: &StatusView, style: Style) -> String {
    let mut text = head(view, style);
    text.push('\n');
    text.push_str(&nodes(view, style));
    text.push('\n');
    text.push_str(&brokers(view, style));
    for (title, lines) in [
        ("Open cases", cases(view)),
        ("Plans", view.plans.iter().map(|plan| plan_line(&plan.digest.short(), plan.case, &plan.state)).collect()),
        ("Attention", attentions(view)),
        ("Not known", missing(view)),
        ("Disks", failed_dirs(view)),
        ("Not seen from this node", super::blind::sentences(view)),
        ("Settings that differ", other_policies(view)),
        ("Trouble on this node", view.troubles.iter().map(|trouble| escape(trouble)).collect()),
    ] {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            text.extend(lines.iter().map(|line| wrap(&format!("  {line}"), style)));
        }
    }
    text
}

fn head(view: &StatusView, style: Style) -> String {
    let leads = match view.leader {
        Some(leader) if leader == view.node => format!("leads the trio in term {}", view.term),
        Some(leader) => format!("follows {leader} in term {}", view.term),
        None => format!("knows no leader (term {})", view.term),
    };
    let cluster = view.cluster.as_ref().map_or_else(|| "not known yet".to_owned(), |id| escape(&id.0));
    let controller = view.controller.map_or_else(|| "not known".to_owned(), |id| id.to_string());
    let mut text = wrap(&format!("{} {leads}", view.node), style);
    text.push_str(&wrap(
        &format!(
            "cluster {cluster}, controller {controller}, mode {}, policy {}, {}",
            view.mode,
            view.policy.short(),
            match view.audit.index.0 {
                0 => "no record yet".to_owned(),
                last => format!("history to record {last}"),
            },
        ),
        style,
    ));
    if view.quorum == Quorum::Lost {
        text.push_str(&wrap(
            "NO QUORUM: fewer than two of three nodes hear each other; nothing acts or is recorded",
            style,
        ));
    }
    match &view.paused {
        None => {}
        Some(PauseView::By { by, reason, since_wall_ms }) => {
            let line = format!("PAUSED by {} since {}: {}", escape(&by.0), wall(*since_wall_ms), escape(reason));
            text.push_str(&wrap(&line, style));
        }
        Some(PauseView::File { node }) => {
            let line = format!("PAUSED by the file PAUSE in the data directory of {node}; remove it there to go on");
            text.push_str(&wrap(&line, style));
        }
        Some(PauseView::Unreadable { node }) => {
            let line = format!("PAUSED: {node} cannot tell whether its pause file is there, which counts as there");
            text.push_str(&wrap(&line, style));
        }
    }
    text
}

fn nodes(view: &StatusView, style: Style) -> String {
    let mut table = table(style, &["node", "role", "heard", "doubt", "controller"]);
    for node in &view.nodes {
        let role = match view.leader {
            Some(leader) if leader == node.id => "leads",
            Some(_) if node.heard_ago.is_some() => "follows",
            // Without a leader, or unheard of, nobody can tell what a node does.
            Some(_) | None => "not known",
        };
        table.add_row([
            node.id.to_string(),
            if node.heard_ago.is_some() { role.to_owned() } else { "?".to_owned() },
            heard(node, view.node),
            node.lhm.map_or_else(|| "?".to_owned(), |lhm| format!("{lhm} of 8")),
            match node.reaches_controller {
                Some(true) => "reached".to_owned(),
                Some(false) => "NOT reached".to_owned(),
                None => "?".to_owned(),
            },
        ]);
    }
    table_text(&table)
}

fn heard(node: &NodeView, me: NodeId) -> String {
    match node.heard_ago {
        Some(_) if node.id == me => "this node".to_owned(),
        Some(ago) => format!("{} ago", span(ago)),
        None => "never".to_owned(),
    }
}

fn brokers(view: &StatusView, style: Style) -> String {
    let ids: Vec<String> = view.nodes.iter().map(|node| format!("from {}", node.id)).collect();
    let mut head = vec!["broker", "rack", "standing", "leads", "replicas"];
    head.extend(ids.iter().map(String::as_str));
    let mut table = table(style, &head);
    for broker in &view.brokers {
        let rack = broker.rack.as_ref().map_or_else(|| "-".to_owned(), |rack| escape(&rack.0));
        let own = [
            broker.id.to_string(),
            rack,
            broker.standing.to_string(),
            broker.leads.to_string(),
            broker.replicas.to_string(),
        ];
        let mut row: Vec<Cell> = own.into_iter().map(Cell::new).collect();
        row.extend(view.nodes.iter().map(|node| light_cell(broker, node.id, style)));
        table.add_row(row);
    }
    if view.brokers.is_empty() { "no broker is known yet\n".to_owned() } else { table_text(&table) }
}

fn light_cell(broker: &BrokerView, node: NodeId, style: Style) -> Cell {
    let Some(seen) = broker.seen.get(&node) else { return Cell::new("not heard") };
    let cell = Cell::new(seen_text(*seen));
    if style.colour == Colour::Plain {
        return cell;
    }
    match seen.light {
        Light::Green => cell.fg(Color::Green),
        Light::Yellow | Light::Recovering => cell.fg(Color::Yellow),
        Light::RedRefused | Light::RedSilent => cell.fg(Color::Red),
        Light::Unknown(_) => cell,
    }
}

fn seen_text(seen: Seen) -> String {
    let pulse = match seen.pulse {
        PulseState::Level => "",
        PulseState::Unknown => ", pulse ?",
        PulseState::Behind(_) | PulseState::Missing => ", behind",
    };
    format!("{} {}{pulse}", sentences::light(seen.light), span(seen.light_for))
}

fn cases(view: &StatusView) -> Vec<String> {
    let one = |case: &crate::model::operator::view::CaseView| {
        let last = case.last.as_ref().map_or_else(|| "nothing decided yet".to_owned(), latest);
        format!("{} {} {}, open for {}: {last}", case.id, case.kind, case.broker, span(case.open_for))
    };
    view.cases.iter().map(one).collect()
}

/// Gives what was last done; names of topics are not at hand here.
fn latest(latest: &Latest) -> String {
    match latest {
        Latest::InFlight(plan) => format!("plan {} is being carried out", plan.short()),
        Latest::Nothing(why) => format!("nothing done, {}", sentences::inaction(why, &Names::default())),
        Latest::Offered(plan) => format!("plan {} waits for approval", plan.short()),
        Latest::Acted { plan, end } => format!("plan {}: {}", plan.short(), sentences::end(*end)),
        Latest::WouldAct(plan) => format!("would have acted by plan {} (observe)", plan.short()),
    }
}

/// Gives a plan in one line.
pub(super) fn plan_line(digest: &str, case: crate::model::ids::CaseId, state: &PlanState) -> String {
    format!("{digest} {case} {}", plan_state(state))
}

/// Gives where a plan stands.
pub(super) fn plan_state(state: &PlanState) -> String {
    match state {
        PlanState::Offered { people, approved, expires_in } => {
            let said = match approved.len() {
                0 => "nobody has said yes".to_owned(),
                _ => format!("{} said yes", list(approved.iter().map(|person| escape(&person.0)))),
            };
            format!("waits for {}: {said}, {} left", people_text(*people), span(*expires_in))
        }
        PlanState::InFlight => "is being carried out".to_owned(),
        PlanState::WouldAct => "would have been sent (observe)".to_owned(),
        PlanState::Held => "is held by the guard".to_owned(),
        PlanState::Past => "is history".to_owned(),
    }
}

/// Gives a number of people.
pub(super) fn people_text(people: u8) -> String {
    match people {
        1 => "1 person".to_owned(),
        several => format!("{several} different people"),
    }
}

fn attentions(view: &StatusView) -> Vec<String> {
    let names = Names::default();
    let lines = view.attentions.iter().map(|told| {
        let case = told.case.map(|case| format!(" {case}")).unwrap_or_default();
        format!("{}{case} {}: {}", told.index, wall(told.wall_ms), sentences::attention(&told.what, told.case, &names))
    });
    let mut lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        lines.push("once seen: tanist audit acknowledge NUMBER".to_owned());
    }
    lines
}

/// Names the brokers that lost log dirs: what lies there is offline, and is judged by nothing else here.
fn failed_dirs(view: &StatusView) -> Vec<String> {
    let failed =
        view.brokers.iter().filter_map(|broker| Some((broker.id, broker.failed_dirs.filter(|dirs| 0 < *dirs)?)));
    failed.map(|(id, dirs)| format!("{id} cannot use {}: look at its disks", count(dirs, "log dir"))).collect()
}

/// Names the nodes whose own settings would decide otherwise than those in force, if they led.
fn other_policies(view: &StatusView) -> Vec<String> {
    let other = view.nodes.iter().filter_map(|node| Some((node.id, node.policy.filter(|own| *own != view.policy)?)));
    other
        .map(|(node, own)| {
            format!(
                "{node} has policy {}, in force is {}: give the three nodes the same settings (tanist config print), or \
                 the mode and the limits change with the leader",
                own.short(),
                view.policy.short()
            )
        })
        .collect()
}

fn missing(view: &StatusView) -> Vec<String> {
    let one = |missing: &Missing| match missing {
        Missing::Report(node) => format!("the report of {node}"),
        Missing::Topology => "the cluster's shape".to_owned(),
        Missing::LogEnds(broker) => format!("the log ends on {broker}"),
        Missing::BrokerEpoch(broker) => format!("the epoch of {broker}"),
        Missing::Probe(probe, why) => format!("{} ({})", probed(*probe), blindness(*why)),
        Missing::MinIsr => "min.insync.replicas of some topics".to_owned(),
        Missing::Controller => "the active controller".to_owned(),
    };
    if view.missing.is_empty() {
        return Vec::new();
    }
    vec![format!("{}: {}", count(view.missing.len(), "thing"), list(view.missing.iter().map(one)))]
}
