//! Why something did, or did not, happen at a time: paused, observe, held by which objections, or nothing seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::{CaseId, NodeId, RecordIndex};
use crate::model::record::{Body, DecisionVerdict, Inaction, PauseFile, Record};
use crate::model::ruling::Objection;

use super::super::history::names_in;
use super::super::sentences;
use super::super::words::{Names, count, escape, list, span, wall};
use super::{MINUTE_MS, Read, Reply, quote};

/// How things stood just before a time, as records tell.
#[derive(Default)]
struct Then<'a> {
    names: Names,
    paused: Option<(RecordIndex, &'a Record)>,
    mode: Option<(RecordIndex, String)>,
    /// Nodes whose pause file was there.
    files: BTreeMap<NodeId, (RecordIndex, PauseFile)>,
    open: BTreeMap<CaseId, Open<'a>>,
    last: Option<(RecordIndex, &'a Record)>,
    /// The first record after the minute.
    next: Option<(RecordIndex, &'a Record)>,
}

/// An open case and the last that was decided in it.
struct Open<'a> {
    opened: (RecordIndex, &'a Record),
    decided: Option<(RecordIndex, &'a Record)>,
}

/// Tells what was recorded within the minute from `at` on, and how things stood.
pub(super) fn explain(at: u64, records: &[(RecordIndex, Record)], read: Read, reply: &mut Reply) {
    let until = at.saturating_add(MINUTE_MS);
    let then = stood(until, records);
    reply.say(format!("at {} UTC", wall(at)));
    for (index, record) in records.iter().filter(|(_, record)| at <= record.wall_ms && record.wall_ms < until) {
        quote(*index, record, &then.names, reply);
    }
    if reply.cites.is_empty() {
        reply.say("  nothing was recorded within this minute");
    }
    state(&then, reply);
    for (case, open) in &then.open {
        open_case(*case, open, &then, reply);
    }
    match (then.open.is_empty(), read.cut()) {
        (false, None) => {}
        (true, None) => reply.say("  no case was open: no majority saw anything wrong"),
        // What was not read is not denied.
        (_, Some(first)) => reply.say(format!(
            "  records before {first} were not read: a pause, a mode or a case from before then may have stood as well"
        )),
    }
    ongoing(at, records, &then.names, reply);
    quiet(&then, reply);
}

fn stood(until: u64, records: &[(RecordIndex, Record)]) -> Then<'_> {
    let mut then = Then::default();
    for (index, record) in records {
        if until <= record.wall_ms {
            then.next = Some((*index, record));
            break;
        }
        then.names.learn(&names_in(record));
        then.last = Some((*index, record));
        learn(&mut then, *index, record);
    }
    then
}

fn learn<'a>(then: &mut Then<'a>, index: RecordIndex, record: &'a Record) {
    match &record.body {
        Body::Paused { .. } => then.paused = Some((index, record)),
        Body::Resumed { .. } => then.paused = None,
        Body::PauseFile { node, file } if file.pauses() => {
            then.files.insert(*node, (index, *file));
        }
        Body::PauseFile { node, .. } => {
            then.files.remove(node);
        }
        Body::PolicyIs { settings } => {
            then.mode = settings.get("mode").map(|mode| (index, mode.trim_matches('"').to_owned()));
        }
        Body::Opened(_) => {
            // A record that opens a case names it by its own index.
            let case = record.case.unwrap_or(CaseId(index.0));
            then.open.insert(case, Open { opened: (index, record), decided: None });
        }
        Body::Closed { .. } => {
            if let Some(case) = record.case {
                then.open.remove(&case);
            }
        }
        Body::Decided(_) => {
            if let Some(open) = record.case.and_then(|case| then.open.get_mut(&case)) {
                open.decided = Some((index, record));
            }
        }
        Body::Founded { .. }
        | Body::Led
        | Body::HandedOver { .. }
        | Body::Reclassified { .. }
        | Body::StillHeld { .. }
        | Body::Continued { .. }
        | Body::Outcome(_)
        | Body::Opinion(_)
        | Body::Approved { .. }
        | Body::Rejected { .. }
        | Body::Withdrawn { .. }
        | Body::Attention { .. }
        | Body::Acknowledged { .. } => {}
    }
}

/// Says what held everything: the pause and the mode.
fn state(then: &Then<'_>, reply: &mut Reply) {
    if let Some((index, record)) = then.paused
        && let Body::Paused { by, reason, .. } = &record.body
    {
        let since = wall(record.wall_ms);
        reply.say(format!(
            "  automation was paused by {} since {since} (record {index}): {}",
            escape(&by.0),
            escape(reason)
        ));
        reply.cite(index);
    }
    for (node, (index, file)) in &then.files {
        reply.say(format!("  {} {node} (record {index})", sentences::pause_file(*file)));
        reply.cite(*index);
    }
    if let Some((index, mode)) = &then.mode {
        match mode.as_str() {
            "observe" => reply.say(format!("  the mode was observe (record {index}): nothing is ever sent")),
            "approve" => reply.say(format!("  the mode was approve (record {index}): every plan waits for people")),
            other => reply.say(format!("  the mode was {} (record {index})", escape(other))),
        }
        reply.cite(*index);
    }
}

/// Says what a case had come to; what was quoted above is only named.
fn open_case(case: CaseId, open: &Open<'_>, then: &Then<'_>, reply: &mut Reply) {
    let (index, record) = open.opened;
    let mut finding = String::new();
    if let Body::Opened(found) = &record.body
        && !reply.cites.contains(&index)
    {
        finding = format!(": {}", sentences::finding(found));
    }
    reply.say(format!("  {case} was open since record {index}{finding}"));
    reply.cite(index);
    let Some((index, record)) = open.decided else {
        return reply.say("    nothing was decided yet");
    };
    reply.cite(index);
    let Body::Decided(decision) = &record.body else { return };
    let said = match &decision.verdict {
        DecisionVerdict::Act { .. } => "it acted".to_owned(),
        DecisionVerdict::WouldAct => "it would have acted, but for mode observe".to_owned(),
        DecisionVerdict::Offer { .. } => "its plan waited for people to say yes".to_owned(),
        DecisionVerdict::Nothing(Inaction::Held(objections)) => {
            format!("nothing was done, the guard held it with {}", count(objections.len(), "objection"))
        }
        DecisionVerdict::Nothing(why) => format!("nothing was done: {}", sentences::inaction(why, &then.names)),
    };
    reply.say(format!("    {} (record {index}): {said}", wall(record.wall_ms)));
    if let DecisionVerdict::Nothing(Inaction::Held(objections)) = &decision.verdict {
        for one in objections {
            reply.say(format!("      {}: {}", one.name(), sentences::objection(one, &then.names)));
        }
    }
}

/// Says which coalesced non-decisions, recorded later, reach back over the time.
fn ongoing(at: u64, records: &[(RecordIndex, Record)], names: &Names, reply: &mut Reply) {
    for (index, record) in records.iter().filter(|(_, record)| at < record.wall_ms) {
        let Body::StillHeld { why, rounds, over } = &record.body else { continue };
        let from = record.wall_ms.saturating_sub(u64::try_from(over.as_millis()).unwrap_or(u64::MAX));
        if from <= at && !reply.cites.contains(index) {
            let case = record.case.map(|case| format!("{case} ")).unwrap_or_default();
            let why = if let Inaction::Held(objections) = why {
                list(objections.iter().map(Objection::name))
            } else {
                sentences::inaction(why, names)
            };
            let (from, to, rounds) = (wall(from), wall(record.wall_ms), count(*rounds, "round"));
            reply.say(format!("  {case}stayed so from {from} to {to} (record {index}, {rounds}): {why}"));
            reply.cite(*index);
        }
    }
}

/// Says between which records nothing was written.
fn quiet(then: &Then<'_>, reply: &mut Reply) {
    let Some((last, before)) = then.last else { return };
    reply.cite(last);
    match then.next {
        None => reply.say(format!("  record {last} of {} is the last one", wall(before.wall_ms))),
        Some((next, after)) => {
            let gap = Duration::from_millis(after.wall_ms.saturating_sub(before.wall_ms));
            reply.say(format!("  between record {last} and record {next} lie {}", span(gap)));
        }
    }
}
