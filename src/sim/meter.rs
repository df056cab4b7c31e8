//! Measures what a run comes to for those who write: how long partitions took nothing, and what was acknowledged and lost.
//!
//! Deliberately only reads, and the truth rather than what anybody sees of it: it looks between two events, so that nothing happens and
//! nothing is drawn because of it. A run that is measured and one that is not have the same trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ids::PartitionId;
use crate::model::time::Timestamp;

use super::kafka::Kafka;
use super::kafka::talk::Acks;

/// What a run came to for those who write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toll {
    /// No leader served: not even acks=1 was to be had.
    pub leaderless: Outage,
    /// acks=all was not to be had, for want of a leader that serves or of followers in sync.
    pub refusing: Outage,
    /// Records acknowledged with acks=all.
    pub acknowledged_records: u64,
    /// Those of them that no leader has any more.
    pub lost_records: u64,
    /// By how much each span may be wrong; what is shorter may not have been seen at all.
    pub resolution: Duration,
}

/// How long partitions did without something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outage {
    /// How many ever did.
    pub partitions: u64,
    /// How long the one did that did longest, all its times together.
    pub longest: Duration,
    /// All of them together.
    pub together: Duration,
    /// How many still do at the end.
    pub lasting: u64,
}

/// Looks on.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Meter {
    resolution: Duration,
    /// What had stirred at the last look.
    seen: u64,
    leaderless: Tally,
    refusing: Tally,
}

/// Since when partitions do without something, and how long they did before.
#[derive(Debug, Clone, Default)]
struct Tally {
    since: BTreeMap<PartitionId, Timestamp>,
    spans: BTreeMap<PartitionId, Duration>,
}

impl Meter {
    /// Gives a meter that begins with the cluster as it is.
    pub(in crate::sim) fn new(kafka: &Kafka, now: Timestamp) -> Self {
        let resolution = resolution(kafka.truth().partitions().count());
        let (leaderless, refusing) = (Tally::default(), Tally::default());
        let mut meter = Self { resolution, seen: kafka.stirs(), leaderless, refusing };
        meter.look(kafka, now);
        meter
    }

    /// Takes note of how things are from `now` until just before `until`, between which nothing happens.
    pub(in crate::sim) fn pass(&mut self, kafka: &Kafka, now: Timestamp, until: Timestamp) {
        let stirs = kafka.stirs();
        if self.seen == stirs {
            return;
        }
        let at = self.next_look(now);
        if at < until {
            self.seen = stirs;
            self.look(kafka, at);
        }
    }

    /// Gives what it has come to by now.
    pub(in crate::sim) fn toll(&self, kafka: &Kafka, now: Timestamp) -> Toll {
        // What has stirred since the last look counts as well, and nobody who asks may change what is measured afterwards.
        let mut last = self.clone();
        last.look(kafka, now);
        let truth = kafka.truth();
        Toll {
            leaderless: last.leaderless.outage(now),
            refusing: last.refusing.outage(now),
            acknowledged_records: truth.acknowledged_records(),
            lost_records: truth.lost_records(),
            resolution: self.resolution,
        }
    }

    /// Looks are made at round times only: however much happens, no more are made.
    fn next_look(&self, now: Timestamp) -> Timestamp {
        let step = u64::try_from(self.resolution.as_micros()).unwrap_or(u64::MAX).max(1);
        Timestamp(now.0.div_ceil(step).saturating_mul(step))
    }

    fn look(&mut self, kafka: &Kafka, at: Timestamp) {
        let found: Vec<(PartitionId, Acks)> = kafka.truth().refusing().collect();
        let refusing: BTreeSet<PartitionId> = found.iter().map(|(id, _)| *id).collect();
        let leaderless: BTreeSet<PartitionId> =
            found.iter().filter(|(_, fails)| *fails == Acks::Leader).map(|(id, _)| *id).collect();
        self.leaderless.note(&leaderless, at);
        self.refusing.note(&refusing, at);
    }
}

/// Gives how much time lies between two looks at least: each walks all partitions, and a large world must not take minutes.
fn resolution(partitions: usize) -> Duration {
    match partitions {
        0..=2_000 => Duration::from_millis(1),
        2_001..=20_000 => Duration::from_millis(10),
        _ => Duration::from_millis(100),
    }
}

impl Tally {
    /// Takes note of who does without it at this moment.
    fn note(&mut self, without: &BTreeSet<PartitionId>, at: Timestamp) {
        let spans = &mut self.spans;
        self.since.retain(|id, began| {
            let lasts = without.contains(id);
            if !lasts {
                add(spans, *id, at.since(*began));
            }
            lasts
        });
        for id in without {
            self.since.entry(*id).or_insert(at);
        }
    }

    fn outage(&self, now: Timestamp) -> Outage {
        let mut spans = self.spans.clone();
        for (id, began) in &self.since {
            add(&mut spans, *id, now.since(*began));
        }
        Outage {
            partitions: count(spans.len()),
            longest: spans.values().copied().max().unwrap_or_default(),
            together: spans.values().copied().fold(Duration::ZERO, Duration::saturating_add),
            lasting: count(self.since.len()),
        }
    }
}

fn add(spans: &mut BTreeMap<PartitionId, Duration>, id: PartitionId, more: Duration) {
    let span = spans.entry(id).or_default();
    *span = span.saturating_add(more);
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TopicId;

    fn set(numbers: &[i32]) -> BTreeSet<PartitionId> {
        numbers.iter().map(|&number| PartitionId { topic: TopicId([1; 16]), number }).collect()
    }

    #[test]
    fn a_partition_counts_with_all_its_times_and_with_what_still_lasts() {
        let mut tally = Tally::default();
        let looks: [(u64, &[i32]); 5] = [(0, &[]), (100, &[0, 1]), (150, &[0]), (200, &[]), (300, &[1, 2])];
        for (at_ms, without) in looks {
            tally.note(&set(without), Timestamp(at_ms * 1000));
        }
        let ms = Duration::from_millis;
        let outage = tally.outage(Timestamp(400_000));
        assert_eq!(outage, Outage { partitions: 3, longest: ms(150), together: ms(350), lasting: 2 });
    }

    #[test]
    fn a_large_world_is_looked_at_less_often() {
        let ms = |partitions| resolution(partitions).as_millis();
        assert_eq!([ms(6), ms(10_000), ms(200_000)], [1, 10, 100]);
    }
}
