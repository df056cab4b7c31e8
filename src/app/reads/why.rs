//! Which records a question is answered from: those it names by an index, and for a time those around it.
//!
//! Deliberately no answer: `render` reads it out of these records, and says where they end.

use std::collections::{BTreeMap, BTreeSet};

use super::back::Until;
use super::{RECENT_MAX, Reads, entry};
use crate::adapters::store::audit::{AuditError, Limit, Query, Select};
use crate::model::ids::{CaseId, PartitionId, RecordIndex};
use crate::model::operator::Answer;
use crate::model::operator::question::{Moment, NamedPartition, Question};
use crate::model::record::{Body, Record};
use crate::render::{self, Read};

/// How many cases that a broker was in are read whole.
const CASES_MAX: usize = 20;

/// How many records after a time are read: the next one, and those that say what had been going on.
const AFTER_MAX: usize = 50;

/// What decides how things stood, as it begins in a record's bytes.
const STANDING: [&str; 6] = ["paused", "resumed", "pause_file", "policy_is", "opened", "closed"];

type Gathered = BTreeMap<RecordIndex, Record>;

impl Reads {
    pub(super) async fn why(&self, question: &Question) -> Result<Answer, AuditError> {
        let mut found = Gathered::new();
        self.gather(&mut found, Query::newest(Select::All, RECENT_MAX)).await?;
        let mut read = Read::from(found.keys().next().copied());
        let mut cases: BTreeSet<CaseId> = question.case.into_iter().collect();
        if let Some(broker) = question.broker {
            cases.extend(self.cases(Select::Broker(broker)).await?);
        }
        if let Some(partition) = &question.partition {
            for id in self.ids_of(partition, &found).await? {
                cases.extend(self.cases(Select::Partition(id)).await?);
            }
        }
        for case in cases {
            self.gather(&mut found, Query::newest(Select::Case(case), RECENT_MAX)).await?;
        }
        // A time beside something else only says how far that is told.
        let alone = question.case.is_none() && question.broker.is_none() && question.partition.is_none();
        if let Some(moment) = question.moment.filter(|_| alone) {
            read = self.around(moment, &mut found).await?;
        }
        let records: Vec<(RecordIndex, Record)> = found.into_iter().collect();
        Ok(Answer::Explained(render::why(question, &records, read)))
    }

    async fn gather(&self, found: &mut Gathered, query: Query) -> Result<(), AuditError> {
        let page = self.store.find(query).await?;
        found.extend(page.links.into_iter().filter_map(entry).map(|entry| (entry.index, entry.record)));
        Ok(())
    }

    async fn cases(&self, about: Select) -> Result<Vec<CaseId>, AuditError> {
        let page = self.store.find(Query::newest(about, RECENT_MAX)).await?;
        let mut cases = Vec::new();
        for case in page.links.into_iter().filter_map(entry).filter_map(|entry| entry.record.case) {
            if !cases.contains(&case) && cases.len() < CASES_MAX {
                cases.push(case);
            }
        }
        Ok(cases)
    }

    /// Gathers what was recorded around a time and what decided how things stood then; gives from where on that was read.
    async fn around(&self, moment: Moment, found: &mut Gathered) -> Result<Read, AuditError> {
        let newest = found.values().map(|record| record.wall_ms).max();
        let Some(at) = newest.and_then(|newest| render::moment_ms(moment, newest)) else { return Ok(Read::WHOLE) };
        // What was gathered besides is of another time: between it and these records lie others.
        let last = found.keys().next_back().copied().unwrap_or_default();
        found.clear();
        for index in [RecordIndex(1), last] {
            found.extend(self.store.get(index).await?.and_then(entry).map(|entry| (entry.index, entry.record)));
        }
        let minute = Select::Wall { from_ms: at, to_ms: at.saturating_add(render::MINUTE_MS).saturating_sub(1) };
        self.gather(found, Query { limit: Limit { records_max: RECENT_MAX, ..Limit::MOST }, ..Query::oldest(minute) })
            .await?;
        let after = Select::Wall { from_ms: at.saturating_add(render::MINUTE_MS), to_ms: u64::MAX };
        self.gather(found, Query { limit: Limit { records_max: AFTER_MAX, ..Limit::MOST }, ..Query::oldest(after) })
            .await?;
        let before = Select::Wall { from_ms: 0, to_ms: at.saturating_sub(1) };
        let page = self.store.find(Query::newest(before, RECENT_MAX)).await?;
        let Some(oldest) = page.links.iter().map(|link| link.index).min() else { return Ok(Read::WHOLE) };
        found.extend(page.links.into_iter().filter_map(entry).map(|entry| (entry.index, entry.record)));
        let texts = STANDING.map(|kind| format!("\"body\":{{\"{kind}\":"));
        let back = self.back(RecordIndex(oldest.0.saturating_sub(1)), &texts, Until::Start).await?;
        let open: BTreeSet<CaseId> = back.entries.iter().filter_map(|entry| entry.record.case).collect();
        found.extend(back.entries.into_iter().map(|entry| (entry.index, entry.record)));
        for case in open.into_iter().filter(|case| is_open(*case, at, found)).collect::<Vec<_>>() {
            self.gather(found, Query { to: oldest, ..Query::newest(Select::Case(case), RECENT_MAX) }).await?;
        }
        Ok(Read::from(Some(back.from)))
    }

    /// Gives the partitions that went by a name: a topic that was made anew has another id.
    async fn ids_of(&self, name: &NamedPartition, found: &Gathered) -> Result<BTreeSet<PartitionId>, AuditError> {
        let mut topics = topics_named(&name.topic, found.values());
        if topics.is_empty() {
            let oldest =
                found.keys().next().map_or(RecordIndex(u64::MAX), |index| RecordIndex(index.0.saturating_sub(1)));
            let text = format!("\"name\":\"{}\"", name.topic);
            let back = self.back(oldest, &[text], Until::Found).await?;
            topics = topics_named(&name.topic, back.entries.iter().map(|entry| &entry.record));
        }
        Ok(topics.into_iter().map(|topic| PartitionId { topic, number: name.number }).collect())
    }
}

fn topics_named<'a>(name: &str, records: impl Iterator<Item = &'a Record>) -> BTreeSet<crate::model::ids::TopicId> {
    let named = records.filter_map(|record| {
        let Body::Decided(decision) = &record.body else { return None };
        Some(&decision.snapshot.topology.topics)
    });
    named.flat_map(|topics| topics.iter().filter(|(_, topic)| topic.name == name).map(|(id, _)| *id)).collect()
}

/// Tells whether a case had not ended before `at`, as far as these records tell.
fn is_open(case: CaseId, at: u64, found: &Gathered) -> bool {
    !found
        .values()
        .any(|record| record.case == Some(case) && record.wall_ms < at && matches!(record.body, Body::Closed { .. }))
}
