//! The log ends that one broker told of its own replicas, each with the instant at which it was asked for, and how fast
//! each log grew.
//!
//! Deliberately sorted lists side by side: the ends are shared with every snapshot as they are, as long as all of them are
//! recent.

use std::sync::Arc;
use std::time::Duration;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::{LogEnd, OffsetsReading};
use crate::model::time::Timestamp;
use crate::model::told::Own;
use crate::model::topology::Topology;

/// Readings closer than this tell nothing of a log's speed: a batch more or less would double it.
pub(super) const APART_MIN: Duration = Duration::from_secs(1);

/// The newest log ends of one broker's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEnds {
    ends: Own<LogEnd>,
    /// When each was asked for.
    asked: Vec<Timestamp>,
    oldest: Timestamp,
    newest: Timestamp,
    /// Records a second of those that ever grew.
    rates: Own<u64>,
}

/// One replica's newest log end.
struct Row {
    id: PartitionId,
    end: LogEnd,
    asked: Timestamp,
    rate: u64,
}

impl Default for OwnEnds {
    fn default() -> Self {
        let (ends, asked, rates) = (Own::default(), Vec::new(), Own::default());
        Self { ends, asked, oldest: Timestamp(u64::MAX), newest: Timestamp(0), rates }
    }
}

impl OwnEnds {
    /// Takes in a reading of all or some of the replicas; of two for the same one that was asked for later counts.
    pub(super) fn note(&mut self, reading: &OffsetsReading) {
        let asked = reading.sent_at;
        let told = reading.log_ends.iter().map(|(id, end)| Row { id: *id, end: *end, asked, rate: 0 });
        let mut fresh = told.peekable();
        let mut merged = Vec::with_capacity(self.asked.len().max(reading.log_ends.len()));
        for known in self.rows() {
            merged.extend(std::iter::from_fn(|| fresh.next_if(|row| row.id < known.id)));
            let same = fresh.next_if(|row| row.id == known.id).filter(|row| known.asked <= row.asked);
            merged.push(match same {
                Some(row) => Row { rate: rate(&known, &row), ..row },
                None => known,
            });
        }
        merged.extend(fresh);
        self.hold(&merged);
    }

    /// Leaves out what the broker no longer has: deleted topics must not stay for ever.
    pub(super) fn keep_held(&mut self, broker: BrokerId, topology: &Topology) {
        let held =
            |row: &Row| topology.partitions.get(&row.id).is_some_and(|partition| partition.replicas.contains(&broker));
        let kept: Vec<Row> = self.rows().filter(held).collect();
        self.hold(&kept);
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        let mut rates = self.rates.iter().peekable();
        self.ends.iter().zip(&self.asked).map(move |((id, end), asked)| {
            let rate = rates.next_if(|(of, _)| of == id).map_or(0, |(_, rate)| *rate);
            Row { id: *id, end: *end, asked: *asked, rate }
        })
    }

    fn hold(&mut self, rows: &[Row]) {
        let rates = Arc::new(rows.iter().filter(|row| 0 < row.rate).map(|row| (row.id, row.rate)).collect());
        *self = Self {
            ends: Arc::new(rows.iter().map(|row| (row.id, row.end)).collect()),
            asked: rows.iter().map(|row| row.asked).collect(),
            oldest: rows.iter().map(|row| row.asked).min().unwrap_or(Timestamp(u64::MAX)),
            newest: rows.iter().map(|row| row.asked).max().unwrap_or(Timestamp(0)),
            rates,
        };
    }

    /// Gives how many replicas were told of.
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Gives those that were asked for at `oldest` or later.
    #[must_use]
    pub fn since(&self, oldest: Timestamp) -> Own<LogEnd> {
        if oldest <= self.oldest {
            return Arc::clone(&self.ends);
        }
        if self.newest < oldest {
            return Own::default();
        }
        let recent = self.ends.iter().zip(&self.asked).filter(|(_, asked)| oldest <= **asked);
        Arc::new(recent.map(|(end, _)| *end).collect())
    }

    /// Gives the records a second that each log gained when it last grew.
    #[must_use]
    pub fn rates(&self) -> Own<u64> {
        Arc::clone(&self.rates)
    }
}

/// A log that stands still, as all do once their leader is gone, is remembered by how fast it grew before.
fn rate(known: &Row, fresh: &Row) -> u64 {
    let apart = fresh.asked.since(known.asked);
    let gained = fresh.end.offset.0.saturating_sub(known.end.offset.0);
    if apart < APART_MIN || gained == 0 { known.rate } else { per_second(gained, apart) }
}

pub(super) fn per_second(gained: u64, span: Duration) -> u64 {
    let rate = u128::from(gained) * 1000 / span.as_millis().max(1);
    // Slower than one a second is still not standing still.
    u64::try_from(rate).unwrap_or(u64::MAX).max(1)
}
