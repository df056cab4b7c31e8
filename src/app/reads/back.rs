//! Reading the history backwards for records that no index finds, by words that stand in their bytes.
//!
//! Deliberately bounded, and honest about it: whoever asks is told from which record on was read.

use super::{Reads, entry};
use crate::adapters::store::audit::{AuditError, Query, Select};
use crate::model::ids::RecordIndex;
use crate::model::operator::Entry;

/// How far back is read. Units: pages of at most 1,000 records.
const PAGES_MAX: usize = 20;

/// When reading back ends before its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Behind the page with the first find.
    Found,
    /// At the first record.
    Start,
}

/// What was found, newest first, and from which record on was read.
pub(super) struct Back {
    pub(super) entries: Vec<Entry>,
    pub(super) from: RecordIndex,
}

impl Reads {
    /// Finds the records up to `to` in whose bytes one of these texts stands.
    pub(super) async fn back(&self, to: RecordIndex, texts: &[String], until: Until) -> Result<Back, AuditError> {
        let mut back = Back { entries: Vec::new(), from: RecordIndex(to.0.saturating_add(1)) };
        let mut query = Query { to, ..Query::newest(Select::All, 1000) };
        if to == RecordIndex(0) {
            return Ok(back);
        }
        for _ in 0..PAGES_MAX {
            let page = self.store.find(query).await?;
            let Some(last) = page.links.last().map(|link| link.index) else { break };
            back.from = last;
            // Canonical bytes are UTF-8, and looking for a text is far quicker than reading 48 KiB of JSON.
            let named = page.links.into_iter().filter(|link| {
                std::str::from_utf8(&link.bytes).is_ok_and(|bytes| texts.iter().any(|text| bytes.contains(text)))
            });
            back.entries.extend(named.filter_map(entry));
            let enough = until == Until::Found && !back.entries.is_empty();
            if !page.more || enough {
                break;
            }
            query.to = RecordIndex(last.0.saturating_sub(1));
        }
        Ok(back)
    }
}
