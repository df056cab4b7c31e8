//! What any node answers from its own history: records, the chain's soundness, and why.

mod back;
mod plans;
mod verify;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;

use crate::adapters::ledger::LedgerDesk;
use crate::adapters::store::audit::{AuditError, AuditStore, Limit, Query, Select};
use crate::consensus::Members;
use crate::model::canon::from_canonical_bytes;
use crate::model::chain::export::{Header, to_line};
use crate::model::chain::{Head, Link};
use crate::model::ids::{CaseId, ClusterId, NodeId, RecordIndex};
use crate::model::operator::{Answer, Ask, Entry, NotFound, Refusal};

/// How many of the newest records a question is answered from besides those that it names: about a day of a calm cluster.
const RECENT_MAX: usize = 500;

/// How much of an export travels in one answer. Units: bytes.
const PAGE_BYTES_MAX: usize = 512 << 10;

/// Who answers, and what is wrong beside its history.
pub(super) struct Station {
    pub(super) me: NodeId,
    pub(super) peers: Vec<NodeId>,
    pub(super) cluster: ClusterId,
    /// The members that the settings name.
    pub(super) named: BTreeSet<NodeId>,
    /// What is wrong with the adviser's server, if anything.
    pub(super) adviser: watch::Receiver<Option<String>>,
    /// What Kafka would refuse this node.
    pub(super) rights: watch::Receiver<Vec<String>>,
}

/// The history of this node, for reading.
pub(super) struct Reads {
    station: Station,
    store: AuditStore,
    heads: watch::Receiver<BTreeMap<NodeId, Head>>,
    desk: LedgerDesk,
}

impl Reads {
    pub(super) fn new(
        station: Station,
        store: AuditStore,
        heads: watch::Receiver<BTreeMap<NodeId, Head>>,
        desk: LedgerDesk,
    ) -> Self {
        Self { station, store, heads, desk }
    }

    /// Gives the Kafka cluster that this node is tied to.
    pub(super) fn cluster(&self) -> &ClusterId {
        &self.station.cluster
    }

    /// Answers what is about the history; none for everything else.
    pub(super) async fn answer(&self, ask: &Ask) -> Option<Answer> {
        let answered = match ask {
            Ask::AuditList { last, case, since } => self.list(*last, *case, *since).await,
            Ask::AuditShow { index } => self.show(*index).await,
            Ask::AuditVerify => self.verify().await,
            Ask::AuditExport { from } => self.export(*from).await,
            Ask::Why { question } => self.why(question).await,
            Ask::Status
            | Ask::PlanList
            | Ask::PlanShow { .. }
            | Ask::Approve { .. }
            | Ask::Reject { .. }
            | Ask::Undo { .. }
            | Ask::Pause { .. }
            | Ask::Resume
            | Ask::Acknowledge { .. } => return None,
        };
        Some(answered.unwrap_or_else(|error| {
            tracing::warn!(%error, "the history does not answer");
            Answer::Refused(Refusal::AuditRebuilding)
        }))
    }

    /// Gives what is wrong with this node itself, in whole sentences.
    pub(super) async fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        match self.desk.status(Duration::from_secs(1)).await {
            Some(status) => {
                troubles.extend(unsettled(&status.peer.members, &self.station.named));
                for (node, why) in &status.refusals {
                    troubles.push(format!("{node} and this node do not speak with each other: {why}."));
                }
                for (node, link) in
                    status.links.iter().filter(|(node, link)| !link.up && !status.refusals.contains_key(node))
                {
                    let dropped = link.dropped_frames;
                    troubles.push(format!(
                        "No link to {node} stands ({dropped} messages dropped): is it running and reachable?"
                    ));
                }
            }
            None => troubles.push("The log of this node does not answer: its disk may hang.".to_owned()),
        }
        troubles.extend(self.station.adviser.borrow().clone());
        troubles.extend(self.station.rights.borrow().clone());
        let committed = self.heads.borrow().get(&self.station.me).copied();
        if let (Ok(head), Some(committed)) = (self.store.head().await, committed)
            && head.index.0.saturating_add(u64::try_from(RECENT_MAX).unwrap_or_default()) < committed.index.0
        {
            troubles.push(format!(
                "The history here is being rebuilt: it holds {} of {} records.",
                head.index, committed.index
            ));
        }
        troubles
    }

    async fn list(&self, last: u32, case: Option<CaseId>, since: Option<RecordIndex>) -> Result<Answer, AuditError> {
        let records_max = usize::try_from(last).unwrap_or(usize::MAX);
        let select = case.map_or(Select::All, Select::Case);
        let mut query = Query::newest(select, records_max);
        if let Some(since) = since {
            query = Query { from: since, limit: Limit { records_max, ..Limit::MOST }, ..Query::oldest(select) };
        }
        let mut entries: Vec<Entry> = self.store.find(query).await?.links.into_iter().filter_map(entry).collect();
        entries.sort_by_key(|entry| entry.index);
        Ok(Answer::Records(entries))
    }

    async fn show(&self, index: RecordIndex) -> Result<Answer, AuditError> {
        let found = self.store.get(index).await?.and_then(entry);
        Ok(match found {
            Some(entry) => Answer::Record(Box::new(entry)),
            None => Answer::NotFound(NotFound::Record { index, last: self.store.head().await?.index }),
        })
    }

    async fn export(&self, from: RecordIndex) -> Result<Answer, AuditError> {
        let first = RecordIndex(from.0.max(1));
        let mut lines = Vec::new();
        if first.0 <= 1 {
            lines.extend(self.header()?);
        }
        let limit = Limit { records_max: Limit::MOST.records_max, bytes_max: PAGE_BYTES_MAX };
        let page = self.store.find(Query::range(first, limit)).await?;
        let next = page.links.last().filter(|_| page.more).map(|link| RecordIndex(link.index.0.saturating_add(1)));
        lines.extend(page.links.iter().map(|link| String::from_utf8_lossy(&to_line(link)).into_owned()));
        Ok(Answer::Page { lines, next })
    }

    fn header(&self) -> Result<Option<String>, AuditError> {
        let line = Header::new(&self.station.cluster.0, Head::GENESIS).to_line();
        let line = line.map_err(|error| AuditError::Down { why: error.to_string() })?;
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

/// Says where the trio's members are not yet those that the settings name: a lost node is being replaced.
fn unsettled(members: &Members, named: &BTreeSet<NodeId>) -> Vec<String> {
    if members.voters.is_empty() {
        return vec![
            "This node waits to be admitted to the trio: do the settings of the other two name it?".to_owned(),
        ];
    }
    let learns = |node: &&NodeId| members.learners.contains(node);
    let absent = |node: &&NodeId| !members.voters.contains(node) && !members.learners.contains(node);
    let learners = named
        .iter()
        .filter(learns)
        .map(|node| format!("{node} is a learner: it is told everything, and votes once it has caught up."));
    let strangers = named.iter().filter(absent).map(|node| {
        format!(
            "{node} does not belong to the trio yet: it is admitted once it runs and the leader's settings name it."
        )
    });
    let leftover = members.voters.difference(named).map(|node| {
        format!(
            "{node} still votes although the settings do not name it: it is replaced once the new node has caught up."
        )
    });
    learners.chain(strangers).chain(leftover).collect()
}

fn entry(link: Link) -> Option<Entry> {
    let record = from_canonical_bytes(&link.bytes).ok()?;
    Some(Entry { index: link.index, hash: Some(link.hash), record })
}

#[cfg(test)]
mod tests;
