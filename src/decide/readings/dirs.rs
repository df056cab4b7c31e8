//! What one broker's log dirs hold, and how fast it grows.
//!
//! Deliberately no sizes of single replicas beyond the next reading: a decision reads how fast each grows.

use std::sync::Arc;

use super::ends::{APART_MIN, per_second};
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::LogDirsReading;
use crate::model::told::Own;
use crate::model::topology::Topology;

/// The newest reading of one broker's log dirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDirs {
    reading: LogDirsReading,
    /// Bytes a second of the replicas that gained any.
    rates: Option<Own<u64>>,
}

impl OwnDirs {
    /// Takes in a reading, with what the one before says about it.
    pub(super) fn new(reading: &LogDirsReading, before: Option<&Self>) -> Self {
        Self { reading: reading.clone(), rates: before.and_then(|before| before.rates_until(reading)) }
    }

    fn rates_until(&self, fresh: &LogDirsReading) -> Option<Own<u64>> {
        let apart = fresh.sent_at.since(self.reading.sent_at);
        if apart < APART_MIN {
            return self.rates.clone();
        }
        let mut known = self.rates.iter().flat_map(|rates| rates.iter()).peekable();
        let mut rates = Vec::new();
        for (id, size) in &fresh.bytes {
            while known.next_if(|(before, _)| before < id).is_some() {}
            let known = known.next_if(|(same, _)| same == id).map(|(_, rate)| *rate);
            let rate = match self.reading.bytes.get(id) {
                Some(before) if before < size => Some(per_second(size - before, apart)),
                Some(before) if before == size => None,
                // What was deleted hides what came in.
                Some(_) => known,
                None => None,
            };
            rates.extend(rate.map(|rate| (*id, rate)));
        }
        Some(Arc::new(rates))
    }

    /// Gives how many log dirs answered with an error.
    #[must_use]
    pub fn failed_dirs(&self) -> u32 {
        self.reading.failed_dirs
    }

    /// Tells whether every log dir is cordoned.
    #[must_use]
    pub fn all_cordoned(&self) -> bool {
        self.reading.all_cordoned
    }

    /// Gives the bytes in them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.reading.bytes.values().fold(0, |sum, bytes| u64::saturating_add(sum, *bytes))
    }

    /// Gives the bytes a second that each replica gained, where it gained any; nothing before the second reading.
    #[must_use]
    pub fn rates(&self) -> Own<u64> {
        self.rates.clone().unwrap_or_default()
    }

    /// Gives the bytes a second that partitions led by `broker` gain; none before the second reading.
    pub(super) fn bytes_in(&self, broker: BrokerId, topology: &Topology) -> Option<u64> {
        let led = |id: &PartitionId| topology.partitions.get(id).is_some_and(|known| known.leader == Some(broker));
        let rates = self.rates.as_ref()?;
        Some(rates.iter().filter(|(id, _)| led(id)).fold(0, |sum, (_, rate)| sum.saturating_add(*rate)))
    }
}
