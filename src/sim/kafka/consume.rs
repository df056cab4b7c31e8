//! Consumers: what a leader gives them and what it refuses, and how those that only read leave no trace.
//!
//! Deliberately without waiting for data, followers that serve readers (KIP-392) and offsets by epoch. A fetch computes nothing: it
//! gives what was below the high watermark when something else last touched the partition.

use super::code::Code;
use super::state::Socket;
use super::talk::{Answer, Asker, RecordId};
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::model::time::Timestamp;
use crate::sim::chance::Chance;

/// Readers' sockets are numbered from here on: as many as there may be, nobody else's number changes.
const READERS: u64 = 1 << 63;

/// What a consumer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchFrom {
    /// Where from.
    pub partition: PartitionId,
    /// The first offset wanted.
    pub offset: Offset,
    /// The epoch of the leader that is meant; none means whichever leads.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What a consumer may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Up to here records are committed.
    pub high_watermark: Offset,
    /// Where each epoch's records begin, from the wanted offset up to the high watermark: each batch names the epoch that wrote it.
    pub epochs: Vec<(Offset, LeaderEpoch)>,
    /// The clients' single records in there, at most [`Answer::FETCH_MAX`].
    pub records: Vec<(Offset, RecordId)>,
}

/// What is drawn and counted for readers.
#[derive(Debug)]
pub(super) struct Apart {
    chance: Chance,
    sockets: u64,
}

impl Apart {
    pub(super) fn of(seed: u64) -> Self {
        Self { chance: Chance::child(seed, "kafka's readers"), sockets: READERS }
    }
}

impl Kafka {
    /// Gives a number for a connection.
    pub(super) fn new_socket(&mut self, from: Asker) -> Socket {
        let last = match from {
            Asker::Reader(_) => &mut self.apart.sockets,
            Asker::Node(_) | Asker::Client(_) | Asker::Operator(_) => &mut self.sockets,
        };
        *last = last.saturating_add(1);
        Socket(*last)
    }

    /// Gives a moment from now for what is on a connection, by chance. Readers have chance of their own.
    pub(super) fn soon_over(&mut self, socket: Socket, range: timing::Range) -> Timestamp {
        if socket.0 < READERS {
            return self.soon(range);
        }
        self.now.plus(self.apart.chance.span(range))
    }

    /// Gives what a consumer may read.
    ///
    /// Contract: changes nothing.
    /// Source: whose epoch is meant is looked at before who leads (`Partition.getLocalLog`); beyond the end of the log an offset is out of
    /// range, between the high watermark and the end there is nothing to read (`UnifiedLog.read`).
    pub(super) fn fetch(&self, id: BrokerId, from: FetchFrom) -> Answer {
        let partition = self.place_at(id, from.partition).and_then(|place| self.partition(place));
        let Some((partition, replica)) = partition.and_then(|one| Some((one, one.replica(id)?))) else {
            return Answer::Refused(self.disowns(id, from.partition));
        };
        let own = replica.view.leader_epoch;
        match from.leader_epoch {
            Some(meant) if meant < own => return Answer::Refused(Code::FencedLeaderEpoch),
            Some(meant) if own < meant => return Answer::Refused(Code::UnknownLeaderEpoch),
            Some(_) | None => {}
        }
        if replica.leading.is_none() {
            return Answer::Refused(Code::NotLeaderOrFollower);
        }
        let (first, end) = (from.offset.0, replica.high_watermark);
        if replica.log.end() < first {
            return Answer::Refused(Code::OffsetOutOfRange);
        }
        let named = partition.records.range((first, LeaderEpoch::default())..).take_while(|((at, _), _)| *at < end);
        let held = named.filter(|((at, epoch), _)| replica.log.epoch_at(*at) == Some(*epoch));
        Answer::Fetched(Fetched {
            high_watermark: Offset(end),
            epochs: replica.log.runs(first, end).map(|(at, epoch)| (Offset(at), epoch)).collect(),
            records: held.take(Answer::FETCH_MAX).map(|((at, _), record)| (Offset(*at), *record)).collect(),
        })
    }

    /// Gives who leads a partition, as a broker's own copy of the metadata has it.
    pub(super) fn who_leads(&self, id: BrokerId, partition: PartitionId) -> Answer {
        let led = match self.brokers.get(&id).and_then(|broker| broker.view.as_ref()) {
            Some(view) => view.partitions.get(&partition).map(|one| (one.leader, one.leader_epoch)),
            None => {
                let place = self.catalogue.places.get(&partition);
                let state = place.and_then(|place| self.existing(*place)).map(|one| &one.state);
                state.map(|state| (state.leader, state.leader_epoch))
            }
        };
        match led {
            Some((leader, leader_epoch)) => Answer::Led { leader, leader_epoch },
            None => Answer::Refused(Code::UnknownTopicOrPartition),
        }
    }
}
