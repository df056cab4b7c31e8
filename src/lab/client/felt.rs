//! What producing and consuming feel like: latencies and silences, added up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What producing has felt like for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Felt {
    /// Records that were acknowledged by all replicas in sync.
    pub records: usize,
    /// From handing a record over to its acknowledgement: half of the records took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
    /// The worst partition's longest time without an acknowledgement.
    pub gap: Duration,
}

impl Felt {
    pub(super) fn of(mut latencies: Vec<Duration>, gaps: BTreeMap<i32, Duration>) -> Self {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let place = latencies.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
            latencies.get(place).copied().unwrap_or_default()
        };
        let gap = gaps.into_values().max().unwrap_or_default();
        Self { records: latencies.len(), p50: at(50), p99: at(99), longest: at(100), gap }
    }
}

/// The longest silence of each partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps {
    last: BTreeMap<i32, Instant>,
    longest: BTreeMap<i32, Duration>,
}

impl Gaps {
    pub(super) fn heard(&mut self, partition: i32, at: Instant) {
        if let Some(last) = self.last.insert(partition, at) {
            let gap = at.saturating_duration_since(last);
            let longest = self.longest.entry(partition).or_default();
            *longest = gap.max(*longest);
        }
    }

    /// Forgets how long anything has been silent so far.
    pub(super) fn forget(&mut self) {
        self.longest.clear();
    }

    /// Closes the books: whoever was last heard long ago is still silent.
    pub(super) fn close(mut self, at: Instant) -> BTreeMap<i32, Duration> {
        for partition in self.last.keys().copied().collect::<Vec<_>>() {
            self.heard(partition, at);
        }
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_records_took_no_longer_than_its_percentile() {
        let ms = Duration::from_millis;
        let latencies: Vec<Duration> = (1..=200).rev().map(ms).collect();
        let felt = Felt::of(latencies, BTreeMap::from([(0, ms(7)), (1, ms(9))]));
        assert_eq!(felt, Felt { records: 200, p50: ms(100), p99: ms(198), longest: ms(200), gap: ms(9) });
        assert_eq!(Felt::of(Vec::new(), BTreeMap::new()), Felt::default());
    }
}
