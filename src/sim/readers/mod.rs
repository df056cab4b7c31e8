//! Readers: consumers that follow a few partitions as clients do, and know what was acknowledged to whoever writes.
//!
//! Deliberately in nobody's way: they draw from chance of their own, and what they ask for changes nothing, so that a run with
//! readers is event by event the run without. They read no metadata but who leads, and have no groups.

mod seen;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::agenda::Agenda;
use super::chance::Chance;
use super::kafka::Kafka;
use super::kafka::code::Code;
use super::kafka::plan::{Flow, KafkaPlan};
use super::kafka::talk::{Answer, Asker, Call, Door, FetchFrom, Heard, Line, News, Request};
use crate::model::ids::{BrokerId, LeaderEpoch, PartitionId, TopicId};
use crate::model::time::Timestamp;
use seen::{Lack, Seen};

/// How many partitions are read at most: each costs a few events a second.
const READERS_MAX: usize = 4;

/// How often a reader asks.
const EVERY: Duration = Duration::from_millis(500);

/// How long a reader waits for a broker before it asks another one who leads. Clients wait for 30 s (`request.timeout.ms`); what
/// interests here happens in the first seconds after a fault.
const PATIENCE: Duration = Duration::from_secs(5);

/// All readers of a world; none where nobody asked for them.
#[derive(Debug, Default)]
pub(in crate::sim) struct Readers {
    readers: Vec<Reader>,
    agenda: Agenda<(usize, Due)>,
    brokers: Vec<BrokerId>,
    missed: Vec<Missed>,
    answers: u64,
}

/// Something that a reader found missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) struct Missed {
    partition: PartitionId,
    lack: Lack,
}

/// What happens to a reader.
#[derive(Debug)]
enum Due {
    /// It looks whether there is something to ask.
    Look,
    /// It hears something.
    Heard(Box<Heard>),
}

/// One reader, of one partition.
#[derive(Debug)]
struct Reader {
    number: u32,
    partition: PartitionId,
    /// Counts whom it has asked who leads: brokers are asked in turn.
    turn: usize,
    /// The newest epoch that it was told of, and its leader while that one answers.
    epoch: Option<LeaderEpoch>,
    leader: Option<BrokerId>,
    waits: Option<Waits>,
    /// A quota was exceeded: it asks nothing before.
    rests_until: Timestamp,
    seen: Seen,
}

/// A question that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Waits {
    call: Call,
    line: Line,
    since: Timestamp,
}

impl Readers {
    /// Gives readers of a few partitions of those that are written to, evenly spread.
    pub(in crate::sim) fn new(seed: u64, plan: &KafkaPlan, kafka: &Kafka) -> Self {
        let written = plan.topics.iter().filter(|topic| topic.flow != Flow::default());
        let written: BTreeSet<TopicId> = written.map(|topic| topic.id).collect();
        let truth = kafka.truth();
        let partitions: Vec<PartitionId> = truth.partitions().filter(|id| written.contains(&id.topic)).collect();
        let step = partitions.len().div_ceil(READERS_MAX).max(1);
        let brokers: Vec<BrokerId> = plan.brokers.iter().map(|broker| broker.id).collect();
        let mut chance = Chance::child(seed, "readers");
        let mut all = Self { brokers, ..Self::default() };
        for (number, partition) in (0..).zip(partitions.into_iter().step_by(step)) {
            let first = plan.start.plus(chance.span((Duration::ZERO, EVERY)));
            all.agenda.put(first, (all.readers.len(), Due::Look));
            all.readers.push(Reader::new(number, partition));
        }
        all
    }

    /// Tells when the next thing happens to one of them.
    pub(in crate::sim) fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    /// Lets the next thing happen.
    pub(in crate::sim) fn act(&mut self, kafka: &mut Kafka) {
        let Some((now, (place, due))) = self.agenda.take() else { return };
        let Some(reader) = self.readers.get_mut(place) else { return };
        let lacks = match due {
            Due::Look => {
                self.agenda.put(now.plus(EVERY), (place, Due::Look));
                reader.look(now, kafka, &self.brokers);
                Vec::new()
            }
            Due::Heard(heard) => {
                self.answers = self.answers.saturating_add(u64::from(brings_records(&heard.news)));
                reader.hear(now, &heard, kafka, &self.brokers)
            }
        };
        let partition = reader.partition;
        self.missed.extend(lacks.into_iter().map(|lack| Missed { partition, lack }));
    }

    /// Puts down what one of them hears, for when it arrives; what others hear is none of theirs.
    pub(in crate::sim) fn hear(&mut self, heard: Heard) {
        let Asker::Reader(number) = heard.line.from else { return };
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        self.agenda.put(heard.at, (place, Due::Heard(Box::new(heard))));
    }

    /// Gives what they found missing, in the order in which they did.
    pub(in crate::sim) fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// Gives how often they were given what there was to read.
    pub(in crate::sim) fn answers(&self) -> u64 {
        self.answers
    }
}

impl Reader {
    fn new(number: u32, partition: PartitionId) -> Self {
        Self {
            number,
            partition,
            turn: usize::try_from(number).unwrap_or(0),
            epoch: None,
            leader: None,
            waits: None,
            rests_until: Timestamp(0),
            seen: Seen::default(),
        }
    }

    /// Hears what writers were told meanwhile, and asks for more unless it waits already.
    fn look(&mut self, now: Timestamp, kafka: &mut Kafka, brokers: &[BrokerId]) {
        if let Some((at, by)) = kafka.truth().newest_acknowledged(self.partition) {
            self.seen.acknowledged(at, by);
        }
        if let Some(waits) = self.waits {
            if now.since(waits.since) < PATIENCE {
                return;
            }
            kafka.close(now, waits.line);
            self.waits = None;
            self.turn_away();
        }
        if self.rests_until <= now {
            self.ask(now, kafka, brokers);
        }
    }

    /// Reads on from the leader, or asks somebody who that is.
    fn ask(&mut self, now: Timestamp, kafka: &mut Kafka, brokers: &[BrokerId]) {
        let partition = self.partition;
        let (broker, request) = if let (Some(leader), Some(epoch)) = (self.leader, self.epoch) {
            let from = FetchFrom { partition, offset: self.seen.next(), leader_epoch: Some(epoch) };
            (leader, Request::Fetch(from))
        } else {
            let next = self.turn.checked_rem(brokers.len()).and_then(|place| brokers.get(place));
            let Some(broker) = next else { return };
            (*broker, Request::WhoLeads(partition))
        };
        let line = Line::new(Asker::Reader(self.number), Door::Broker(broker));
        let call = kafka.ask(now, line, request);
        self.waits = Some(Waits { call, line, since: now });
    }

    /// Takes what it hears; gives what is missing.
    fn hear(&mut self, now: Timestamp, heard: &Heard, kafka: &mut Kafka, brokers: &[BrokerId]) -> Vec<Lack> {
        let Some(waits) = self.waits else { return Vec::new() };
        match &heard.news {
            News::Answered { answer, throttled_for } if heard.call == waits.call => {
                self.waits = None;
                self.rests_until = now.plus(throttled_for.unwrap_or_default());
                let lacks = self.take(answer);
                // Whoever has been told who leads reads there at once.
                if matches!(**answer, Answer::Led { .. }) && self.leader.is_some() && self.rests_until <= now {
                    self.ask(now, kafka, brokers);
                }
                lacks
            }
            News::Refused | News::Closed if heard.line == waits.line => {
                self.waits = None;
                self.turn_away();
                Vec::new()
            }
            News::Opened | News::Refused | News::Answered { .. } | News::Closed | News::Metadata(_) => Vec::new(),
        }
    }

    fn take(&mut self, answer: &Answer) -> Vec<Lack> {
        match (answer, self.epoch) {
            (Answer::Fetched(fetched), Some(epoch)) => self.seen.take(epoch, fetched),
            (Answer::Refused(Code::OffsetOutOfRange), _) => self.seen.cut().into_iter().collect(),
            // Whose metadata is older than what it was told already is not believed (KIP-320).
            (Answer::Led { leader: Some(leader), leader_epoch }, known) if known <= Some(*leader_epoch) => {
                (self.leader, self.epoch) = (Some(*leader), Some(*leader_epoch));
                Vec::new()
            }
            // Not the leader (any more), not yet, no right, no such partition: the next broker may know more.
            _ => {
                self.turn_away();
                Vec::new()
            }
        }
    }

    fn turn_away(&mut self) {
        self.leader = None;
        self.turn = self.turn.wrapping_add(1);
    }
}

fn brings_records(news: &News) -> bool {
    matches!(news, News::Answered { answer, .. } if matches!(**answer, Answer::Fetched(_)))
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.partition.number;
        match self.lack {
            Lack::Acknowledged { at, by } => {
                write!(f, "a reader of p{number} misses the record at {at}, acknowledged with acks=all in {by}")
            }
            Lack::Given { at, by } => write!(f, "the record of p{number} at {at} that a reader got in {by} is gone"),
            Lack::Committed { by, was, is } => {
                write!(f, "a reader of p{number} sees the high watermark of {by} go back from {was} to {is}")
            }
        }
    }
}
