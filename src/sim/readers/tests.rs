//! Readers on a pretended cluster: they read on through what Kafka survives, and notice what it does not.
#![cfg(test)]

use std::time::Duration;

use super::{Missed, Readers};
use crate::model::ids::{BrokerId, NodeId, Offset};
use crate::model::time::Timestamp;
use crate::sim::kafka::Kafka;
use crate::sim::kafka::plan::{KafkaPlan, Settings, Switch, Version};
use crate::sim::kafka::talk::{Asker, Door, Line, Request};

/// One partition on three brokers, 20 records a second, and whoever reads it.
struct Stage {
    kafka: Kafka,
    readers: Readers,
    now: Timestamp,
}

fn stage(version: Version, set: impl Fn(&mut Settings)) -> Stage {
    let mut plan = KafkaPlan::usual(version, 3).with_topic("orders", 1, 3);
    plan.settings = Settings::tuned(version);
    set(&mut plan.settings);
    plan.topics[0].flow.acks_all_per_s = 20;
    let kafka = Kafka::new(&plan, 5);
    let readers = Readers::new(5, &plan, &kafka);
    Stage { kafka, readers, now: plan.start }
}

impl Stage {
    /// Lets time pass. Once a second a node of ours looks at the log ends, which computes what has flowed.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for broker in [1, 2, 3].map(BrokerId) {
                let line = Line::new(Asker::Node(NodeId(1)), Door::Broker(broker));
                self.kafka.ask(self.now, line, Request::ListOffsets(Vec::new()));
            }
            self.run_until(self.now.plus(Duration::from_secs(1)));
        }
    }

    fn run_until(&mut self, end: Timestamp) {
        loop {
            let (theirs, own) = (self.kafka.next_due(), self.readers.next_at());
            let Some(next) = theirs.into_iter().chain(own).min().filter(|next| *next <= end) else { break };
            if theirs == Some(next) {
                self.kafka.advance(next);
            } else {
                self.readers.act(&mut self.kafka);
            }
            self.kafka.take_heard().into_iter().for_each(|heard| self.readers.hear(heard));
        }
        self.now = end;
        self.kafka.advance(end);
    }

    fn inflict(&mut self, fault: &str) {
        self.kafka.inflict(self.now, &fault.parse().unwrap()).unwrap();
    }

    fn heal(&mut self, fault: &str) {
        self.kafka.heal(self.now, &fault.parse().unwrap()).unwrap();
    }

    /// Gives the last record that was read.
    fn read_to(&self) -> Offset {
        self.readers.readers[0].seen.next()
    }

    fn missed(&self) -> Vec<String> {
        self.readers.missed().iter().map(Missed::to_string).collect()
    }
}

#[test]
fn what_is_written_is_read() {
    let mut stage = stage(Version::V4_3, |_| {});
    stage.run(20);
    assert!(Offset(300) < stage.read_to(), "{}", stage.read_to());
    assert!(30 < stage.readers.answers(), "{}", stage.readers.answers());
    assert_eq!(stage.missed(), Vec::<String>::new());
}

#[test]
fn nobody_reads_where_nothing_is_written() {
    let plan = KafkaPlan::usual(Version::V4_3, 3).with_topic("orders", 6, 3);
    let kafka = Kafka::new(&plan, 5);
    assert_eq!(Readers::new(5, &plan, &kafka).next_at(), None);
}

#[test]
fn readers_follow_the_leaders_and_miss_nothing() {
    for version in [Version::V4_3, Version::V3_9] {
        let mut stage = stage(version, |_| {});
        stage.run(10);
        for fault in ["kill b1", "client-freeze b2", "stop b3", "client-cut b2", "client-throttle b1 2000ms"] {
            stage.inflict(fault);
            stage.run(15);
            stage.heal(fault);
            let before = stage.read_to().0;
            stage.run(30);
            let read = stage.read_to().0 - before;
            assert!(200 < read, "{version:?}: {read} records were read after {fault}");
        }
        assert_eq!(stage.missed(), Vec::<String>::new());
    }
}

#[test]
fn who_was_given_what_an_unclean_election_loses_notices() {
    let mut stage = stage(Version::V3_9, |settings| {
        settings.min_isr = 1;
        settings.unclean_election = Switch::On;
    });
    stage.run(10);
    stage.inflict("replication-freeze b1");
    stage.run(30);
    assert_eq!(stage.missed(), Vec::<String>::new());
    assert!(Offset(400) < stage.read_to(), "the leader alone is in sync, and commits: {}", stage.read_to());
    stage.inflict("kill b1");
    stage.run(20);
    assert!(stage.missed().first().is_some_and(|first| first.ends_with("is gone")), "{:?}", stage.missed());
}
