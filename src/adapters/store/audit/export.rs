//! The export of a store: the lines of `model::chain::export`, in blocks that a stream can carry.
//!
//! It deliberately does not write files: a caller sends the blocks wherever it likes, at its own pace.

use super::{AuditError, AuditStore, Limit, Query};
use crate::model::chain::Head;
use crate::model::chain::export::{Header, to_line};
use crate::model::ids::ClusterId;

/// An export under way.
#[derive(Debug)]
pub struct Export {
    store: AuditStore,
    header: Option<Header>,
    head: Head,
    done: bool,
}

impl Export {
    pub(super) fn new(store: AuditStore, cluster: &ClusterId, after: Head) -> Self {
        Self { store, header: Some(Header::new(&cluster.0, after)), head: after, done: false }
    }

    /// Gives the next block of whole lines, or none at the end; the first holds the header.
    ///
    /// Errors: see [`AuditStore::head`]; an export that ends in an error is not whole.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, AuditError> {
        if self.done {
            return Ok(None);
        }
        let mut block = Vec::new();
        if let Some(header) = &self.header {
            let line = header.to_line().map_err(|error| AuditError::Down { why: error.to_string() })?;
            block.extend_from_slice(&line);
            block.push(b'\n');
        }
        let page = self.store.find(Query::range(self.head.next_index(), Limit::MOST)).await?;
        for link in &page.links {
            block.extend_from_slice(&to_line(link));
            block.push(b'\n');
        }
        if let Some(last) = page.links.last() {
            self.head = Head { index: last.index, hash: last.hash };
        }
        (self.header, self.done) = (None, !page.more);
        Ok(Some(block))
    }

    /// Gives the head of what was given so far; at the end, what a verifier is told to look for.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }
}
