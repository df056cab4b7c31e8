//! P5o: reads the metadata log from the active controller, as a plain client by long poll.
//!
//! It believes only what is committed: records beyond the high watermark wait. After a change of the active controller,
//! a truncation or a record that does not fit, it finds its place again, from a snapshot if need be. It never votes and
//! never writes.

#[cfg(test)]
mod follow_tests;
mod image;
pub(crate) mod records;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::sleep;

use self::image::Image;
use super::shared::{Shared, blindness};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{
    Batch, Connection, Endpoint, Endpoints, EpochEnd, ErrorCode, FetchFrom, Fetched, METADATA_TOPIC_ID, Malformed,
    Options, SnapshotId, WireError, batches,
};
use crate::control::pace::SEARCH_EVERY;
use crate::model::ids::{ClusterId, Offset};
use crate::model::observation::{Blindness, Fact, ProbeKind, TopologyReading, TopologySource};

/// How long the controller may hold a fetch back: it writes a NoOp every 500 ms, so news or a NoOp come sooner.
const LONG_POLL: Duration = Duration::from_millis(1_000);
/// How soon to ask again while records wait for the high watermark, at first: only the next answer tells the new one.
/// Doubled each time that nothing was committed, lest a quorum without a majority be asked without end.
const COMMIT_POLL: Duration = Duration::from_millis(5);
/// Beyond the long poll: then the controller hangs and another is looked for.
const GRACE: Duration = Duration::from_millis(1_000);
/// Units: bytes of one fetch; a whole batch comes in any case.
const FETCH_BYTES: i32 = 4 << 20;
/// Units: bytes. A snapshot of 200,000 partitions takes about 30 MB.
const SNAPSHOT_BYTES_MAX: usize = 128 << 20;

/// Why following one controller came to an end.
enum Parted {
    /// It is not the active one any more, or cannot be reached: look for another; our place in the log is good.
    Moved(Blindness),
    /// Our place is lost: begin anew.
    Anew(Blindness),
}

/// Our place in the log.
struct Reading {
    image: Image,
    /// Everything below has been taken in.
    applied: i64,
    /// The epoch of the last batch taken in.
    applied_epoch: i32,
    /// Batches not known to be committed.
    held: VecDeque<Batch>,
    /// How long to wait before asking about those again.
    commit_poll: Duration,
    /// Whether everything committed has been read at least once.
    caught_up: bool,
}

/// Observes until the probe ends.
pub(super) async fn observe(shared: Arc<Shared>) {
    let mut reading = None;
    loop {
        let why = match find(&shared).await {
            Ok(Active { connection, epoch, cluster }) => {
                let place = reading.get_or_insert_with(|| Reading::begin(cluster.clone()));
                match place.follow(&shared, &connection, epoch, &cluster).await {
                    Parted::Moved(why) => why,
                    Parted::Anew(why) => {
                        reading = None;
                        why
                    }
                }
            }
            Err(why) => why,
        };
        shared.tell(Fact::Blind { broker: None, probe: ProbeKind::Observer, why }).await;
        sleep(SEARCH_EVERY).await;
    }
}

/// The active controller, found.
struct Active {
    connection: Connection,
    epoch: i32,
    cluster: ClusterId,
}

/// Asks the controllers one by one for the active one.
async fn find(shared: &Shared) -> Result<Active, Blindness> {
    let mut why = Blindness::NobodyAnswered;
    for endpoint in &shared.options.controllers {
        match ask(shared, endpoint).await {
            Ok(active) => return Ok(active),
            Err(WireError::Refused { code: ErrorCode::NotLeaderOrFollower, .. }) => {}
            Err(error) => why = blindness(&error),
        }
    }
    Err(why)
}

async fn ask(shared: &Shared, endpoint: &Endpoint) -> Result<Active, WireError> {
    let options = Options { connect_within: GRACE, frame_bytes_max: 64 << 20, ..shared.wire() };
    let connection = Connection::open(endpoint, &options).await?;
    let epoch = connection.quorum(GRACE).await?.body.leader_epoch;
    let cluster = match shared.cluster() {
        Some(cluster) => cluster,
        None => ClusterId(connection.cluster(Endpoints::Controllers, GRACE).await?.body.cluster_id),
    };
    Ok(Active { connection, epoch, cluster })
}

impl Reading {
    fn begin(cluster: ClusterId) -> Self {
        Self {
            image: Image::of(cluster),
            applied: 0,
            applied_epoch: 0,
            held: VecDeque::new(),
            commit_poll: COMMIT_POLL,
            caught_up: false,
        }
    }

    /// Reads from one controller for as long as it is the active one.
    async fn follow(&mut self, shared: &Shared, from: &Connection, epoch: i32, cluster: &ClusterId) -> Parted {
        // Another controller may have truncated what the last one had not committed.
        self.held.clear();
        loop {
            let wait = if self.held.is_empty() {
                LONG_POLL
            } else {
                // Our wait, not the controller's: asked to wait 5 ms, 3.9.1 and 4.1.0 showed the change after 250 ms.
                sleep(self.commit_poll).await;
                Duration::ZERO
            };
            let (offset, last_epoch) = self
                .held
                .back()
                .map_or((self.applied, self.applied_epoch), |last| (last.next_offset, last.leader_epoch));
            let request = FetchFrom {
                cluster_id: Some(cluster.0.clone()).filter(|id| !id.is_empty()),
                topic_id: METADATA_TOPIC_ID,
                partition: 0,
                offset,
                leader_epoch: Some(epoch),
                last_fetched_epoch: Some(last_epoch),
                bytes_max: FETCH_BYTES,
                wait,
            };
            let fetched = match from.fetch(&request, wait.saturating_add(GRACE)).await {
                Ok(answer) => answer.body,
                Err(error) => return Parted::Moved(blind_of(&error)),
            };
            if let Err(parted) = self.take(shared, from, epoch, fetched).await {
                return parted;
            }
        }
    }

    /// Takes one answer in, and tells what it changed.
    async fn take(&mut self, shared: &Shared, from: &Connection, epoch: i32, fetched: Fetched) -> Result<(), Parted> {
        let arrived = clock::timestamp();
        match fetched.error {
            None => {}
            Some(ErrorCode::OffsetOutOfRange) => return Err(Parted::Anew(Blindness::Stale)),
            Some(ErrorCode::InconsistentClusterId) => return Err(Parted::Anew(Blindness::WrongCluster)),
            Some(code) if code.is_denial() => return Err(Parted::Moved(Blindness::Denied)),
            Some(_) => return Err(Parted::Moved(Blindness::NobodyAnswered)),
        }
        if let Some(snapshot) = fetched.snapshot {
            self.load(from, epoch, snapshot).await?;
            return Ok(());
        }
        if let Some(parting) = fetched.diverging {
            return self.part_ways(parting);
        }
        self.held.extend(batches(fetched.records).map_err(|what| anew(&what))?);
        let committed = fetched.high_watermark.unwrap_or(0);
        let before = self.applied;
        while self.held.front().is_some_and(|batch| batch.next_offset <= committed) {
            if let Some(batch) = self.held.pop_front() {
                self.apply(batch)?;
            }
        }
        self.commit_poll =
            if before < self.applied { COMMIT_POLL } else { self.commit_poll.saturating_mul(2).min(LONG_POLL) };
        self.caught_up = self.caught_up || committed <= self.applied;
        if self.caught_up && self.held.is_empty() {
            self.image.adopt_min_isr(&shared.min_isr());
            let read_to = Offset(u64::try_from(self.applied).unwrap_or(0));
            let (topology, changed) = self.image.topology(read_to);
            if changed {
                shared.learn_topology(&topology);
            }
            let source = TopologySource::Observer;
            shared.tell(Fact::Topology(TopologyReading { topology, source, sent_at: arrived })).await;
        }
        Ok(())
    }

    /// Drops what the controller never committed.
    ///
    /// What was committed cannot diverge: if it seems so this is another log, or we misread one.
    fn part_ways(&mut self, parting: EpochEnd) -> Result<(), Parted> {
        let held = self.held.len();
        self.held.retain(|batch| batch.next_offset <= parting.end_offset);
        let nothing_dropped = held == self.held.len();
        if parting.end_offset < self.applied || (nothing_dropped && parting.epoch == self.applied_epoch) {
            return Err(Parted::Anew(Blindness::Stale));
        }
        if self.held.is_empty() {
            self.applied_epoch = parting.epoch;
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) -> Result<(), Parted> {
        if !batch.control {
            for value in batch.records.into_iter().filter_map(|record| record.value) {
                let record = records::read(value).map_err(|what| anew(&what))?;
                self.image.apply(record).map_err(|lost| {
                    tracing::warn!(%lost, "reading the metadata log anew");
                    Parted::Anew(Blindness::Stale)
                })?;
            }
        }
        self.applied = batch.next_offset;
        self.applied_epoch = batch.leader_epoch;
        Ok(())
    }

    /// Begins anew from a snapshot.
    async fn load(&mut self, from: &Connection, epoch: i32, snapshot: SnapshotId) -> Result<(), Parted> {
        let mut bytes = BytesMut::new();
        loop {
            let position = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            let chunk = from.fetch_snapshot(snapshot, epoch, position, LONG_POLL.saturating_add(GRACE)).await;
            let chunk = chunk.map_err(|error| Parted::Moved(blind_of(&error)))?.body;
            if chunk.records.is_empty() || SNAPSHOT_BYTES_MAX < bytes.len().saturating_add(chunk.records.len()) {
                return Err(Parted::Anew(Blindness::Malformed));
            }
            bytes.extend_from_slice(&chunk.records);
            if usize::try_from(chunk.size_bytes).is_ok_and(|size| size <= bytes.len()) {
                break;
            }
        }
        let cluster = self.image.topology(Offset(0)).0.cluster.clone();
        *self = Self::begin(cluster);
        for batch in batches(bytes.freeze()).map_err(|what| anew(&what))? {
            self.apply(batch)?;
        }
        self.applied = snapshot.end_offset;
        self.applied_epoch = snapshot.epoch;
        Ok(())
    }
}

fn anew(what: &Malformed) -> Parted {
    tracing::warn!(%what, "the metadata log cannot be read");
    Parted::Anew(Blindness::Malformed)
}

fn blind_of(error: &WireError) -> Blindness {
    if error.code() == Some(ErrorCode::InconsistentClusterId) { Blindness::WrongCluster } else { blindness(error) }
}
