//! `tanist why`: answered from records alone, with the records named.
//!
//! Deliberately no memory and no cluster: what is not recorded was not a reason. Times in questions are UTC.

mod choice;
mod silence;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::ids::{BrokerId, CaseId, RecordIndex};
use crate::model::operator::question::{Moment, Negated, Question};
use crate::model::operator::{Explanation, Found};
use crate::model::record::{Body, Record};

use super::history::summary;
use super::timeline::timeline;
use super::words::{Names, wall};

/// Most cases that an answer about a broker tells.
const CASES_MAX: usize = 3;
/// A question about a minute covers the whole of it.
///
/// Units: milliseconds.
pub const MINUTE_MS: u64 = 60_000;

/// From which record on the history was read for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read(RecordIndex);

impl Read {
    /// All of it.
    pub const WHOLE: Self = Self(RecordIndex(1));

    /// From this record on; an empty history is read whole.
    #[must_use]
    pub fn from(first: Option<RecordIndex>) -> Self {
        first.map_or(Self::WHOLE, Self)
    }

    /// Gives the first record that was read, where older ones were not.
    fn cut(self) -> Option<RecordIndex> {
        Some(self.0).filter(|first| RecordIndex(1) < *first)
    }
}

/// An answer being put together.
#[derive(Debug, Default)]
struct Reply {
    lines: Vec<String>,
    cites: BTreeSet<RecordIndex>,
}

impl Reply {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn cite(&mut self, index: RecordIndex) {
        self.cites.insert(index);
    }
}

/// Answers a question from records, which stand in order of their index.
#[must_use]
pub fn why(question: &Question, records: &[(RecordIndex, Record)], read: Read) -> Explanation {
    let moment = question.moment.and_then(|moment| resolve(moment, records));
    let mut reply = Reply::default();
    match (question, moment) {
        (Question { moment: Some(asked), .. }, None) => reply.say(format!("no record reaches {asked} UTC")),
        // A time beside something else: what was so then.
        (_, Some(at)) if question.partition.is_some() || question.broker.is_some() || question.case.is_some() => {
            let until = at.saturating_add(MINUTE_MS);
            let then: Vec<_> = records.iter().filter(|(_, record)| record.wall_ms < until).cloned().collect();
            about(question, &then, &mut reply);
        }
        (_, Some(at)) => silence::explain(at, records, read, &mut reply),
        (_, None) => about(question, records, &mut reply),
    }
    if let (true, Some(first)) = (reply.cites.is_empty(), read.cut()) {
        reply.say(format!("records before {first} were read only where an index names what was asked about"));
    }
    let found = if reply.cites.is_empty() { Found::No } else { Found::Yes };
    let Reply { lines, cites } = reply;
    Explanation { question: question.to_string(), found, lines, cites: cites.into_iter().collect() }
}

/// Answers about a partition, a case or a broker.
fn about(question: &Question, records: &[(RecordIndex, Record)], reply: &mut Reply) {
    if let Some(partition) = &question.partition {
        return choice::explain(partition, question, records, reply);
    }
    if let Some(case) = question.case {
        return life(case, records, reply);
    }
    match (question.broker, question.not) {
        (Some(broker), Negated::Yes) => choice::explain_passed_over(broker, records, reply),
        (Some(broker), Negated::No) => cases_of(broker, records, reply),
        (None, _) => reply.say("nothing to look up"),
    }
}

/// Tells the life of a case.
fn life(case: CaseId, records: &[(RecordIndex, Record)], reply: &mut Reply) {
    let lines = timeline(case, records);
    if lines.is_empty() {
        return reply.say(format!("no record belongs to {case}"));
    }
    reply.say(format!("{case}:"));
    lines.into_iter().for_each(|line| reply.say(format!("  {line}")));
    for (index, record) in records {
        if record.case == Some(case) {
            reply.cite(*index);
        }
    }
}

/// Tells the newest cases of a broker, newest first.
fn cases_of(broker: BrokerId, records: &[(RecordIndex, Record)], reply: &mut Reply) {
    let cases: BTreeSet<CaseId> =
        records.iter().filter(|(_, record)| concerns(record, broker)).filter_map(|(_, record)| record.case).collect();
    if cases.is_empty() {
        return reply.say(format!("no record says anything about {broker}"));
    }
    for case in cases.iter().rev().take(CASES_MAX) {
        life(*case, records, reply);
    }
    if let Some(older) = cases.len().checked_sub(CASES_MAX).filter(|older| 0 < *older) {
        reply.say(format!("and {older} older: tanist why c-NUMBER"));
    }
}

/// Tells whether a record opens, changes or decides something about a broker.
fn concerns(record: &Record, broker: BrokerId) -> bool {
    match &record.body {
        Body::Opened(finding) | Body::Reclassified { to: finding, .. } => finding.broker == broker,
        Body::Decided(decision) => {
            decision.finding.as_ref().is_some_and(|finding| finding.broker == broker)
                || decision.plan.iter().flat_map(|plan| &plan.choices).any(|choice| choice.chosen == Some(broker))
        }
        Body::Founded { .. }
        | Body::Led
        | Body::HandedOver { .. }
        | Body::PolicyIs { .. }
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
        | Body::Closed { .. } => false,
    }
}

/// Says a record in one line, and cites it.
fn quote(index: RecordIndex, record: &Record, names: &Names, reply: &mut Reply) {
    reply.say(format!("  {} record {index}: {}", wall(record.wall_ms), summary(record, names)));
    reply.cite(index);
}

/// Gives the milliseconds since 1970 that a person means; none where no record is as old.
fn resolve(moment: Moment, records: &[(RecordIndex, Record)]) -> Option<u64> {
    let newest = records.iter().map(|(_, record)| record.wall_ms).max()?;
    let oldest = records.iter().map(|(_, record)| record.wall_ms).min()?;
    let at = moment_ms(moment, newest)?;
    (oldest <= at.saturating_add(MINUTE_MS)).then_some(at)
}

/// Gives the milliseconds since 1970 that a person means, where the newest record is of this time; none beyond all time.
#[must_use]
pub fn moment_ms(moment: Moment, newest_ms: u64) -> Option<u64> {
    match moment {
        Moment::On(at) => millis(at),
        Moment::Daily(time) => {
            let last: Date =
                Timestamp::from_millisecond(i64::try_from(newest_ms).ok()?).ok()?.to_zoned(TimeZone::UTC).date();
            // The last one that the records reach: today's, where it has been, else yesterday's.
            let today = millis(last.to_datetime(time))?;
            if today <= newest_ms { Some(today) } else { millis(last.yesterday().ok()?.to_datetime(time)) }
        }
    }
}

fn millis(at: jiff::civil::DateTime) -> Option<u64> {
    u64::try_from(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()).ok()
}
