//! P6 and P8 of one broker: the log ends of its replicas, and its log dirs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::{Blindness, Fact, LogDirsReading, OffsetsReading, ProbeKind};
use crate::model::time::Timestamp;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Door, Request};
use crate::sim::stimulus::{ProbeTimer, Stimulus};

use super::{DIRS, OFFSETS, Probe, What};

/// How often to see whether the topology is known by now, before a broker is asked for the first time.
const KNOWN_YET_EVERY: Duration = Duration::from_millis(50);

impl Probe {
    pub(super) fn offsets_due(&mut self, desk: &mut Desk<'_>, broker: BrokerId) {
        if self.topology.is_none() {
            return desk.later(KNOWN_YET_EVERY, Stimulus::Look(ProbeTimer::Offsets(broker)));
        }
        if self.may_ask(desk.now(), broker) {
            self.read_offsets(desk, broker, Vec::new());
        }
        desk.later(self.options.rhythm.offsets, Stimulus::Look(ProbeTimer::Offsets(broker)));
    }

    pub(super) fn look_at_offsets(
        &mut self,
        desk: &mut Desk<'_>,
        not: &BTreeSet<BrokerId>,
        partitions: &BTreeSet<PartitionId>,
    ) {
        let Some(topology) = self.topology.clone() else { return };
        let brokers: Vec<BrokerId> = self.brokers.keys().filter(|id| !not.contains(id)).copied().collect();
        let mut hosted = topology.hosted(partitions);
        for broker in brokers {
            if let Some(named) = hosted.remove(&broker) {
                self.count(desk.now(), broker);
                self.read_offsets(desk, broker, named);
            }
        }
    }

    fn read_offsets(&mut self, desk: &mut Desk<'_>, broker: BrokerId, named: Vec<PartitionId>) {
        let sent_at = desk.now();
        let line = desk.line(Door::Broker(broker), OFFSETS);
        self.ask(desk, line, Request::ListOffsets(named), What::Offsets { broker, sent_at });
    }

    pub(super) fn offsets_read(
        &mut self,
        desk: &mut Desk<'_>,
        broker: BrokerId,
        sent_at: Timestamp,
        reply: Result<Answer, Blindness>,
    ) {
        match reply {
            Ok(Answer::LogEnds(ends)) => {
                let log_ends = ends.into_iter().filter_map(|(id, end)| Some((id, end.ok()?))).collect();
                desk.tell(Fact::Offsets(OffsetsReading { broker, sent_at, log_ends }));
            }
            Ok(_) => {}
            Err(why) => desk.tell(Fact::Blind { broker: Some(broker), probe: ProbeKind::Offsets, why }),
        }
    }

    pub(super) fn log_dirs_due(&mut self, desk: &mut Desk<'_>, broker: BrokerId) {
        if self.topology.is_none() {
            return desk.later(KNOWN_YET_EVERY, Stimulus::Look(ProbeTimer::LogDirs(broker)));
        }
        if !self.may_ask(desk.now(), broker) {
            return self.next_dirs(desk, broker, Some(Blindness::NotTried));
        }
        let sent_at = desk.now();
        let line = desk.line(Door::Broker(broker), DIRS);
        self.ask(desk, line, Request::DescribeLogDirs, What::LogDirs { broker, sent_at });
    }

    fn next_dirs(&self, desk: &mut Desk<'_>, broker: BrokerId, unseen: Option<Blindness>) {
        desk.later(self.options.rhythm.next_dirs(unseen), Stimulus::Look(ProbeTimer::LogDirs(broker)));
    }

    pub(super) fn log_dirs_read(
        &mut self,
        desk: &mut Desk<'_>,
        broker: BrokerId,
        sent_at: Timestamp,
        reply: Result<Answer, Blindness>,
    ) {
        self.next_dirs(desk, broker, reply.as_ref().err().copied());
        match reply {
            Ok(Answer::LogDirs(dirs)) => {
                let reading = LogDirsReading {
                    broker,
                    sent_at,
                    failed_dirs: dirs.failed,
                    all_cordoned: dirs.all_cordoned,
                    bytes: dirs.bytes,
                };
                desk.tell(Fact::LogDirs(reading));
            }
            Ok(_) => {}
            Err(why) => desk.tell(Fact::Blind { broker: Some(broker), probe: ProbeKind::LogDirs, why }),
        }
    }
}
