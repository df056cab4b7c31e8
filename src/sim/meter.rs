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
use super::kafka::truth::Refusal;

/// The least that time passes by.
const MOMENT: Duration = Duration::from_micros(1);

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
    /// When something that was refused at the last look is refused no more, though nothing happens.
    turns: Option<Timestamp>,
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
        let mut meter = Self { resolution, seen: kafka.stirs(), turns: None, leaderless, refusing };
        meter.look(kafka, now);
        meter
    }

    /// Takes note of how things are from `now` until just before `until`, between which nothing happens.
    pub(in crate::sim) fn pass(&mut self, kafka: &Kafka, now: Timestamp, until: Timestamp) {
        while let Some(at) = self.next_look(kafka, now).filter(|at| *at < until) {
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

    /// Gives when it is looked next: once something has stirred, or what was refused is over by itself; none where neither is so. Looks are
    /// made at round times only: however much happens, no more are made.
    fn next_look(&self, kafka: &Kafka, now: Timestamp) -> Option<Timestamp> {
        let from = if self.seen == kafka.stirs() { self.turns?.max(now) } else { now };
        let step = u64::try_from(self.resolution.as_micros()).unwrap_or(u64::MAX).max(1);
        Some(Timestamp(from.0.div_ceil(step).saturating_mul(step)))
    }

    fn look(&mut self, kafka: &Kafka, at: Timestamp) {
        let found: Vec<Refusal> = kafka.truth().refusing(at).collect();
        let refusing: BTreeSet<PartitionId> = found.iter().map(|one| one.partition).collect();
        let leaderless: BTreeSet<PartitionId> =
            found.iter().filter(|one| one.weakest == Acks::Leader).map(|one| one.partition).collect();
        self.leaderless.note(&leaderless, at);
        self.refusing.note(&refusing, at);
        self.seen = kafka.stirs();
        self.turns = found.iter().filter_map(|one| one.until).min().map(|last| last.plus(MOMENT));
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
    use crate::model::ids::{BrokerId, TopicId};
    use crate::sim::kafka::fault::Fault;
    use crate::sim::kafka::plan::{Flow, KafkaPlan, Version};
    use crate::sim::kafka::talk::{Asker, Copies, Door, Line, Rates, Request, Throttled};

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

    /// Lets a cluster run on; one meter looks when it must, as in a world, and another one at every round time.
    fn run(kafka: &mut Kafka, meters: &mut [Meter; 2], mut now: Timestamp, seconds: u64) -> Timestamp {
        let [needed, always] = meters;
        let end = now.plus(Duration::from_secs(seconds));
        loop {
            let next = kafka.next_due().filter(|due| *due <= end);
            let until = next.unwrap_or(end.plus(MOMENT));
            needed.pass(kafka, now, until);
            for ms in now.0.div_ceil(1000)..until.0.div_ceil(1000) {
                always.look(kafka, Timestamp(ms * 1000));
            }
            let Some(due) = next else { return end };
            kafka.advance(due);
            now = due;
        }
    }

    /// A broker comes back and lacks what a throttle lets nobody copy: its leaders wait for it for 30 s, and then no longer.
    #[test]
    fn the_end_of_a_wait_that_no_event_tells_is_seen_as_soon_as_by_whoever_always_looks() {
        let mut plan = KafkaPlan::usual(Version::V4_3, 3).with_topic("orders", 3, 3);
        plan.topics[0].flow = Flow { acks_all_per_s: 500, acks_one_per_s: 0 };
        let mut kafka = Kafka::new(&plan, 1);
        let mut meters = [(); 2].map(|()| Meter::new(&kafka, Timestamp(0)));
        let mut now = run(&mut kafka, &mut meters, Timestamp(0), 20);
        let line = Line::new(Asker::Operator(1), Door::Controller(plan.controllers[0]));
        let throttled = Throttled { leader: Copies::All, follower: Copies::All };
        let _ = kafka.ask(now, line, Request::SetThrottled { topic: plan.topics[0].id, throttled });
        for broker in [1, 2, 3].map(BrokerId) {
            let rates = Rates { leader: Some(1), follower: Some(1) };
            let _ = kafka.ask(now, line, Request::SetRates { broker, rates });
        }
        now = run(&mut kafka, &mut meters, now, 1);
        let stop: Fault = "stop b1".parse().unwrap();
        kafka.inflict(now, &stop).unwrap();
        now = run(&mut kafka, &mut meters, now, 15);
        kafka.heal(now, &stop).unwrap();
        now = run(&mut kafka, &mut meters, now, 45);
        let [needed, always] = meters.map(|meter| meter.toll(&kafka, now));
        assert_eq!(needed, always);
        // A session of 9 s, and what is left of the 30 s after it is back.
        assert!(Duration::from_secs(20) < needed.refusing.longest && needed.refusing.lasting == 0, "{needed:?}");
    }

    #[test]
    fn a_large_world_is_looked_at_less_often() {
        let ms = |partitions| resolution(partitions).as_millis();
        assert_eq!([ms(6), ms(10_000), ms(200_000)], [1, 10, 100]);
    }
}
