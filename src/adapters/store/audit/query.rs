//! What can be asked of the history, and what an answer looks like.
//!
//! It deliberately has no query that is unbounded: every answer is a page.

use crate::model::chain::Link;
use crate::model::ids::{BrokerId, CaseId, PartitionId, RecordIndex};
use crate::model::time::LogTime;

/// Which records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// All.
    All,
    /// Those of one case.
    Case(CaseId),
    /// Those about one broker.
    Broker(BrokerId),
    /// Those about one partition.
    Partition(PartitionId),
    /// Those of a span of log time, both ends included.
    LogTime {
        /// First instant.
        from: LogTime,
        /// Last instant.
        to: LogTime,
    },
    /// Those of a span of wall time, both ends included, in the order of wall time.
    Wall {
        /// First instant. Units: milliseconds since 1970-01-01 UTC.
        from_ms: u64,
        /// Last instant. Units: milliseconds since 1970-01-01 UTC.
        to_ms: u64,
    },
}

/// Which end an answer starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest record first.
    OldestFirst,
    /// The newest record first.
    NewestFirst,
}

/// How much one answer may hold; never more than 1,000 records, nor another record beyond 4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Number of records.
    pub records_max: usize,
    /// Bytes of records after which none is added; the first is always given, whatever its size.
    pub bytes_max: usize,
}

impl Limit {
    /// The largest answer that is ever given.
    pub const MOST: Self = Self { records_max: 1000, bytes_max: 4 * 1024 * 1024 };

    pub(super) fn records(&self) -> usize {
        self.records_max.min(Self::MOST.records_max)
    }

    pub(super) fn bytes(&self) -> usize {
        // At least one record, else paging would stand still.
        self.bytes_max.clamp(1, Self::MOST.bytes_max)
    }
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Which records.
    pub select: Select,
    /// None with a smaller number.
    pub from: RecordIndex,
    /// None with a larger number.
    pub to: RecordIndex,
    /// From which end.
    pub order: Order,
    /// How many.
    pub limit: Limit,
}

impl Query {
    /// Asks for the first page of what is selected, oldest first.
    #[must_use]
    pub fn oldest(select: Select) -> Self {
        Self { select, from: RecordIndex(1), to: RecordIndex(u64::MAX), order: Order::OldestFirst, limit: Limit::MOST }
    }

    /// Asks for the newest `records_max` of what is selected, newest first.
    #[must_use]
    pub fn newest(select: Select, records_max: usize) -> Self {
        let limit = Limit { records_max, ..Limit::MOST };
        Self { order: Order::NewestFirst, limit, ..Self::oldest(select) }
    }

    /// Asks for a page of the whole history from one number on: `audit list`, streaming to a peer, export.
    #[must_use]
    pub fn range(from: RecordIndex, limit: Limit) -> Self {
        Self { from, limit, ..Self::oldest(Select::All) }
    }
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records, in the order asked for.
    pub links: Vec<Link>,
    /// There is more: ask again from behind the last record of this page.
    pub more: bool,
}
