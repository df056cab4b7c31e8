//! Plans from records: what would have been sent, what the guard holds, and what the guard said of those that wait.
//!
//! Deliberately from the history: the state that decisions rest on keeps only plans that can still be carried out.

use super::back::Until;
use super::{Reads, entry};
use crate::adapters::store::audit::{AuditError, Query, Select};
use crate::model::chain::Link;
use crate::model::ids::{CaseId, RecordIndex};
use crate::model::operator::view::{CaseView, Latest, PlanState, PlanView};
use crate::model::operator::{Answer, DigestPrefix, Entry, NotFound};
use crate::model::record::{Body, Decision, Inaction};

/// How many of a case's newest records are read for its newest plan: a case that is held says so once a minute.
const OF_CASE_MAX: usize = 200;

impl Reads {
    /// Gives the plans that wait or are in flight, each with what the guard said, and with them those that open cases would
    /// have sent or that the guard holds.
    pub(crate) async fn plans(
        &self,
        mut standing: Vec<PlanView>,
        cases: &[CaseView],
    ) -> Result<Vec<PlanView>, AuditError> {
        for view in &mut standing {
            let link = self.store.get(view.record).await?;
            view.ruling = link.and_then(decided).and_then(|(_, decision)| decision.ruling);
        }
        for case in cases {
            let state = match &case.last {
                Some(Latest::WouldAct(_)) => PlanState::WouldAct,
                Some(Latest::Nothing(Inaction::Held(_))) => PlanState::Held,
                Some(Latest::Nothing(_) | Latest::InFlight(_) | Latest::Offered(_) | Latest::Acted { .. }) | None => {
                    continue;
                }
            };
            let newest = self.newest_of(case.id, state).await?;
            standing.extend(newest.filter(|new| standing.iter().all(|known| known.digest != new.digest)));
        }
        Ok(standing)
    }

    /// Gives the plan of a case's newest decision, where it has one.
    async fn newest_of(&self, case: CaseId, state: PlanState) -> Result<Option<PlanView>, AuditError> {
        let page = self.store.find(Query::newest(Select::Case(case), OF_CASE_MAX)).await?;
        let newest = page.links.into_iter().filter_map(decided).find(|(_, decision)| decision.plan.is_some());
        Ok(newest.and_then(|(entry, decision)| view(&entry, &decision, state)))
    }

    /// Gives the plan that is meant: one of those given, else the newest that the history holds under such a digest.
    pub(crate) async fn plan(&self, known: Vec<PlanView>, prefix: &DigestPrefix) -> Result<Answer, AuditError> {
        let mut found: Vec<PlanView> = known.into_iter().filter(|view| prefix.matches(&view.digest)).collect();
        if found.is_empty() {
            found = self.past(prefix).await?;
        }
        Ok(match (found.len(), found.pop()) {
            (_, None) => Answer::NotFound(NotFound::Plan(prefix.clone())),
            (1, Some(view)) => Answer::Plan(Box::new(view)),
            (_, Some(last)) => {
                Answer::NotFound(NotFound::Ambiguous(found.iter().chain([&last]).map(|view| view.digest).collect()))
            }
        })
    }

    /// Finds plans that no longer stand, the newest decision of each.
    async fn past(&self, prefix: &DigestPrefix) -> Result<Vec<PlanView>, AuditError> {
        let back = self.back(RecordIndex(u64::MAX), &[format!("\"digest\":\"{prefix}")], Until::Found).await?;
        let mut found: Vec<PlanView> = Vec::new();
        for entry in &back.entries {
            let Body::Decided(decision) = &entry.record.body else { continue };
            let past = view(entry, decision, PlanState::Past).filter(|past| prefix.matches(&past.digest));
            found.extend(past.filter(|past| found.iter().all(|known| known.digest != past.digest)));
        }
        Ok(found)
    }
}

fn decided(link: Link) -> Option<(Entry, Decision)> {
    let entry = entry(link)?;
    let Body::Decided(decision) = &entry.record.body else { return None };
    let decision = (**decision).clone();
    Some((entry, decision))
}

fn view(entry: &Entry, decision: &Decision, state: PlanState) -> Option<PlanView> {
    let (plan, digest, case) = (decision.plan.clone()?, decision.digest?, entry.record.case?);
    let topics = decision.snapshot.topology.topics.iter();
    Some(PlanView {
        digest,
        case,
        record: entry.index,
        state,
        plan,
        ruling: decision.ruling.clone(),
        topics: topics.map(|(id, topic)| (*id, topic.name.clone())).collect(),
    })
}
