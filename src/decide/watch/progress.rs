//! Progress: whether clients of a suspect are being served, from the log ends of its partitions on all replicas.
//!
//! Deliberately only readings sent after the first red count, and only two of the same replica under the same leader
//! epoch are compared: a log that grows under a new leader proves nothing about the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::{LogEnd, OffsetsReading, Progress};
use crate::model::time::Timestamp;
use crate::model::topology::Topology;

/// Two readings closer than this are not compared unless they differ: a quiet moment is no standstill.
const APART_MIN: Duration = Duration::from_millis(250);

/// Log ends are asked for again after this: far enough apart to be compared, whatever the network adds or takes away.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// How often they are asked for in all: by then the rhythm of P6 has brought the next readings.
const LOOKS_MAX: u32 = 10;

/// One suspect's partitions and what their replicas' logs did since it turned red.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspicion {
    red_at: Timestamp,
    led: BTreeSet<PartitionId>,
    seen: BTreeMap<(PartitionId, BrokerId), Seen>,
    looked_at: Timestamp,
    looks: u32,
    /// What the comparisons say: asked for at every event, so counted only when a reading has come.
    progress: Progress,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    end: LogEnd,
    sent_at: Timestamp,
    growth: Growth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    NotCompared,
    Stood,
    Grew,
}

impl Suspicion {
    /// Gives a suspicion that begins now.
    pub(super) fn new(suspect: BrokerId, red_at: Timestamp, topology: Option<&Topology>) -> Self {
        let led = topology.map(|topology| ordinary_led_by(suspect, topology)).unwrap_or_default();
        Self { red_at, led, seen: BTreeMap::new(), looked_at: red_at, looks: 1, progress: Progress::Unknown }
    }

    /// Tells whether it is time to ask for log ends once more, and counts that as done.
    pub(super) fn looks_again(&mut self, now: Timestamp) -> bool {
        let due = self.looks < LOOKS_MAX && !self.led.is_empty() && LOOK_AGAIN_AFTER <= now.since(self.looked_at);
        if due {
            self.looked_at = now;
            self.looks += 1;
        }
        due
    }

    /// Gives the partitions whose log ends tell.
    pub(super) fn led(&self) -> &BTreeSet<PartitionId> {
        &self.led
    }

    /// Leaves out what the suspect no longer leads.
    pub(super) fn keep_led(&mut self, suspect: BrokerId, topology: &Topology) {
        self.led.retain(|id| topology.partitions.get(id).is_some_and(|partition| partition.leader == Some(suspect)));
        let led = &self.led;
        self.seen.retain(|(partition, _), _| led.contains(partition));
        self.progress = counted(&self.seen);
    }

    /// Takes in one broker's log ends.
    pub(super) fn note(&mut self, reading: &OffsetsReading) {
        if reading.sent_at < self.red_at {
            return;
        }
        // Both are in order: a look at all of a large broker's logs is walked once.
        let mut led = self.led.iter().peekable();
        for (partition, end) in &reading.log_ends {
            while led.next_if(|one| *one < partition).is_some() {}
            if led.next_if_eq(&partition).is_none() {
                continue;
            }
            let fresh = Seen { end: *end, sent_at: reading.sent_at, growth: Growth::NotCompared };
            self.seen.entry((*partition, reading.broker)).or_insert_with(|| fresh).compare(*end, reading.sent_at);
        }
        self.progress = counted(&self.seen);
    }

    /// Gives what the comparisons say.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }
}

fn counted(seen: &BTreeMap<(PartitionId, BrokerId), Seen>) -> Progress {
    // In order of partitions: one that grew on several replicas comes several times running.
    let mut grew: Vec<PartitionId> =
        seen.iter().filter(|(_, seen)| seen.growth == Growth::Grew).map(|((partition, _), _)| *partition).collect();
    grew.dedup();
    if !grew.is_empty() {
        Progress::Growing(u32::try_from(grew.len()).unwrap_or(u32::MAX))
    } else if seen.values().any(|seen| seen.growth == Growth::Stood) {
        Progress::None
    } else {
        Progress::Unknown
    }
}

impl Seen {
    fn compare(&mut self, end: LogEnd, sent_at: Timestamp) {
        if end.leader_epoch != self.end.leader_epoch {
            *self = Self { end, sent_at, growth: Growth::NotCompared };
        } else if self.end.offset < end.offset {
            *self = Self { end, sent_at, growth: Growth::Grew };
        } else if APART_MIN <= sent_at.since(self.sent_at) {
            *self = Self { end, sent_at, growth: Growth::Stood };
        }
    }
}

fn ordinary_led_by(leader: BrokerId, topology: &Topology) -> BTreeSet<PartitionId> {
    topology
        .partitions
        .iter()
        .filter(|(_, partition)| partition.leader == Some(leader))
        .filter(|(id, _)| topology.topics.get(&id.topic).is_none_or(|topic| !topic.internal))
        .map(|(id, _)| *id)
        .collect()
}
