//! The metadata log: what is appended to it, who has read how far, and what each makes of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::change::State;
use super::happening::{Chore, Happening};
use super::plan::Version;
use super::state::{Batch, Broker, Existence, Gate, Phase, Place, Process, Socket, Stage};
use super::talk::{Answer, Door, News, Position};
use super::{Kafka, times, timing};
use crate::model::ids::{BrokerId, LeaderEpoch, Offset};
use crate::model::time::Timestamp;
use crate::model::topology::{self, Registration, Standing, Topology};
use crate::sim::chance::Chance;

/// So many changes wait for a broker that does not read before they are made one.
const UNREAD_MAX: usize = 64;

impl Kafka {
    /// Appends changes of partitions, and `others` records beside them.
    pub(super) fn append(&mut self, changes: Vec<(Place, State)>, others: u64) {
        self.append_with(changes, Vec::new(), others);
    }

    /// The same with partitions that are gone.
    pub(super) fn append_with(&mut self, changes: Vec<(Place, State)>, gone: Vec<Place>, others: u64) {
        self.stir();
        self.pin_views();
        let records = u64::try_from(changes.len().saturating_add(gone.len())).unwrap_or(u64::MAX);
        self.grow(records.saturating_add(others).max(1));
        let changes: Vec<(Place, Arc<State>)> =
            changes.into_iter().map(|(place, state)| (place, Arc::new(state))).collect();
        for (place, state) in &changes {
            self.settle(*place);
            if let Some(partition) = self.partition_mut(*place) {
                let before = std::mem::replace(&mut partition.state, Arc::clone(state));
                self.past.was(self.now, *place, before);
            }
        }
        self.unshaped.extend(changes.iter().map(|(place, _)| *place).chain(gone.iter().copied()));
        self.unshaped_rest = true;
        self.shape_version = self.shape_version.saturating_add(1);
        let batch = Arc::new(Batch { changes, gone });
        let brokers: Vec<BrokerId> = self.brokers.keys().copied().collect();
        for id in brokers {
            let Some(broker) = self.brokers.get_mut(&id).filter(|broker| broker.has_loaded()) else { continue };
            broker.queue.push_back(Arc::clone(&batch));
            if broker.reads_since.is_some() {
                self.plan_applying(id, &batch);
            } else if UNREAD_MAX < broker.queue.len() {
                broker.queue = VecDeque::from([Arc::new(Batch::of_all(&broker.queue))]);
            }
        }
        self.plan_publishing();
    }

    /// The log grows by so many records.
    pub(super) fn grow(&mut self, records: u64) {
        self.log_end = self.log_end.saturating_add(records);
        self.grown.push_back((self.now, self.log_end));
        while self.grown.front().is_some_and(|(at, _)| at.plus(timing::REMEMBERED) < self.now) {
            self.grown_before = self.grown.pop_front().map_or(self.grown_before, |(_, end)| end);
        }
        self.past.forget(self.now);
    }

    /// Who does not read goes on believing what was before a change. Who reads knows it within [`timing::METADATA_LAG`], which
    /// is taken for at once here: a copy of the whole shape for each change would cost more than these milliseconds are worth.
    /// Of 3.9 it is half a second, and worth it.
    pub(super) fn pin_views(&mut self) {
        let late = self.version == Version::V3_9;
        let unpinned =
            |broker: &Broker| broker.has_loaded() && broker.view.is_none() && (late || broker.reads_since.is_none());
        if !self.brokers.values().any(unpinned) {
            return;
        }
        let before = self.plain_shape();
        for broker in self.brokers.values_mut().filter(|broker| unpinned(broker)) {
            broker.view = Some(Arc::clone(&before));
            broker.view_since = self.now;
        }
    }

    /// A broker believes no more what was so before.
    pub(super) fn forget_view(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.view.take().is_some() {
            self.past.believed(broker.view_since, self.now);
        }
    }

    fn plan_applying(&mut self, id: BrokerId, batch: &Batch) {
        let read = self.soon(self.version.apply_lag());
        let (mut elected, mut others) = (0_usize, 0_usize);
        for (place, state) in &batch.changes {
            let view = self.partition(*place).and_then(|partition| partition.replica(id));
            match view.map(|replica| replica.view.leader_epoch == state.leader_epoch) {
                Some(false) => elected = elected.saturating_add(1),
                Some(true) => others = others.saturating_add(1),
                None => {}
            }
        }
        let work = times(timing::LEADER_WORK, elected).saturating_add(times(timing::ORDER_WORK, others));
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let begins = read.max(broker.busy_until).max(broker.reads_since.unwrap_or(read));
        broker.busy_until = begins.plus(work);
        let (at, reading) = (broker.busy_until, broker.reading);
        self.chore(at, id, Chore::Apply(reading));
    }

    /// A broker has worked off the oldest change that it had not.
    pub(super) fn apply(&mut self, id: BrokerId, reading: u64) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.reading != reading || broker.reads_since.is_none() {
            return;
        }
        let Some(batch) = broker.queue.pop_front() else { return };
        if broker.queue.is_empty() {
            self.forget_view(id);
        }
        let mut touched = Vec::new();
        for (place, state) in &batch.changes {
            let concerned = state.replicas.contains(&id)
                || self.partition(*place).is_some_and(|partition| partition.replica(id).is_some());
            if concerned {
                self.become_what_it_says(*place, id, state);
                touched.push(*place);
            }
        }
        batch.gone.iter().for_each(|place| self.drop_replica(*place, id));
        self.reassess(&touched, timing::FOLLOW);
    }

    /// Looks again whether a broker can read the metadata log; who can do so anew begins after a draw from `range`.
    pub(super) fn reassess_reading(&mut self, id: BrokerId, range: timing::Range) {
        let reaches = self.ruling().is_some() && self.way_to_active(id) == Gate::Open;
        let Some(broker) = self.brokers.get(&id) else { return };
        let can =
            reaches && broker.process == Process::Running && broker.phase != Phase::Starting && !self.log_hangs(id);
        match (broker.reads_since, can) {
            (Some(_), true) | (None, false) => {}
            (Some(_), false) => {
                let position = self.position(id);
                let now = self.now;
                let Some(broker) = self.brokers.get_mut(&id) else { return };
                broker.read_to = position.map_or(broker.read_to, |position| position.log_end.0);
                broker.fetched_at = now.minus(position.map_or_else(Default::default, |position| position.fetched_ago));
                broker.reads_since = None;
            }
            (None, true) => {
                let since = self.soon(range);
                let Some(broker) = self.brokers.get_mut(&id) else { return };
                broker.reads_since = Some(since);
                broker.reading = broker.reading.saturating_add(1);
                broker.busy_until = since;
                let waiting: Vec<Arc<Batch>> = broker.queue.iter().cloned().collect();
                waiting.iter().for_each(|batch| self.plan_applying(id, batch));
            }
        }
    }

    /// Gives where a broker stands in the metadata log, as its last fetch told the active controller.
    pub(super) fn position(&self, id: BrokerId) -> Option<Position> {
        let broker = self.brokers.get(&id)?;
        let since = match broker.reads_since.filter(|since| *since <= self.now) {
            Some(since) => since,
            None => {
                let fetched_ago = self.now.since(broker.fetched_at);
                return Some(Position { log_end: Offset(broker.read_to), fetched_ago });
            }
        };
        // The draw belongs to the record and the broker, so that asking twice gives the same.
        let lag =
            |end: u64| Chance::new(end.rotate_left(17) ^ u64::from(id.0.unsigned_abs())).span(timing::METADATA_LAG);
        let known = |(at, end): &(Timestamp, u64)| (at.plus(lag(*end)).max(since), *end);
        let newest = self.grown.iter().rev().map(known).find(|(fetched, _)| *fetched <= self.now);
        let (fetched, end) = newest.unwrap_or((since, self.grown_before));
        let fetched_ago = self.now.since(fetched).min(timing::METADATA_FETCH_WAIT);
        Some(Position { log_end: Offset(end.max(broker.read_to)), fetched_ago })
    }

    /// Plans that observers hear what is new.
    pub(super) fn plan_publishing(&mut self) {
        if self.observers.is_empty() || std::mem::replace(&mut self.publishing, true) {
            return;
        }
        self.after(timing::OBSERVER_LAG, Happening::Publish);
    }

    pub(super) fn publish(&mut self) {
        self.publishing = false;
        let sockets: Vec<Socket> = self.observers.iter().copied().collect();
        for socket in sockets {
            let Some(connection) = self.connections.get(&socket).filter(|one| one.state == Stage::Open) else {
                continue;
            };
            let (line, Some((call, told))) = (connection.line, connection.observing) else { continue };
            let hangs = matches!(line.to, Door::Controller(id) if self.hangs_with(id).is_some());
            let passes = self.passage(line).gate == Gate::Open && self.process(line.to) == Process::Running && !hangs;
            if !passes || (self.ruling().is_none() && self.active.is_some()) {
                continue;
            }
            if self.active.map(Door::Controller) != Some(line.to) {
                self.observers.remove(&socket);
                let answer = Box::new(Answer::Refused(super::code::Code::NotLeaderOrFollower));
                self.tell(socket, call, News::Answered { answer, throttled_for: None });
            } else if told != self.shape_version {
                let shape = self.full_shape();
                let version = self.shape_version;
                if let Some(connection) = self.connections.get_mut(&socket) {
                    connection.observing = Some((call, version));
                }
                self.tell(socket, call, News::Metadata(shape));
            }
        }
    }

    pub(super) fn full_shape(&mut self) -> Arc<Topology> {
        self.bring_shapes_up_to_date();
        Arc::clone(&self.shape)
    }

    pub(super) fn plain_shape(&mut self) -> Arc<Topology> {
        self.bring_shapes_up_to_date();
        Arc::clone(&self.plain)
    }

    /// Brings both shapes up to date; a shape that somebody still holds is copied first.
    fn bring_shapes_up_to_date(&mut self) {
        if self.unshaped.is_empty() && !self.unshaped_rest {
            return;
        }
        let changed = std::mem::take(&mut self.unshaped);
        let mut updates: Vec<(crate::model::ids::PartitionId, Option<topology::Partition>)> = Vec::new();
        for place in changed {
            let Some(partition) = self.partitions.get(place.0) else { continue };
            let there = partition.standing == Existence::Exists;
            updates.push((partition.id, there.then(|| shape_of(&partition.state))));
        }
        let (registrations, topics) = (self.registrations(), self.topics());
        let hidden = self.version == Version::V3_9;
        let full = Arc::make_mut(&mut self.shape);
        full.metadata_offset = Some(Offset(self.log_end));
        for (id, partition) in &updates {
            match partition {
                Some(partition) => full.partitions.insert(*id, partition.clone()),
                None => full.partitions.remove(id),
            };
        }
        let plain = Arc::make_mut(&mut self.plain);
        for (id, partition) in updates {
            match partition {
                Some(partition) => plain.partitions.insert(id, partition),
                None => plain.partitions.remove(&id),
            };
        }
        plain.topics.clone_from(&topics);
        full.topics = topics;
        plain.brokers = registrations.iter().map(|(id, one)| (*id, seen_by_clients(one, hidden))).collect();
        full.brokers = registrations;
        self.unshaped_rest = false;
    }

    fn topics(&self) -> BTreeMap<crate::model::ids::TopicId, topology::Topic> {
        let shaped = |topic: &super::state::Topic| topology::Topic {
            name: topic.name.clone(),
            internal: topic.name.starts_with("__"),
            min_isr: Some(topic.min_isr.unwrap_or(self.settings.min_isr)),
        };
        self.catalogue.topics.iter().map(|(id, topic)| (*id, shaped(topic))).collect()
    }

    fn registrations(&self) -> BTreeMap<BrokerId, Registration> {
        let mut all: BTreeMap<BrokerId, Registration> = BTreeMap::new();
        for (id, registered) in &self.registry {
            let standing = registered.standing();
            let rack = self.brokers.get(id).and_then(|broker| broker.rack.clone());
            all.insert(*id, Registration { rack, epoch: Some(registered.epoch), standing });
        }
        if self.brokers.keys().any(|id| !self.registry.contains_key(id)) {
            let there = self.partitions.iter().filter(|partition| partition.standing == Existence::Exists);
            let named: BTreeSet<BrokerId> = there.flat_map(|one| one.state.replicas.iter().copied()).collect();
            for id in named {
                let missing = Registration { rack: None, epoch: None, standing: Standing::Unregistered };
                all.entry(id).or_insert(missing);
            }
        }
        all
    }
}

impl Batch {
    /// Makes one of many: whoever reads them late enough sees only what came of them.
    fn of_all(batches: &VecDeque<Arc<Self>>) -> Self {
        let changes = batches.iter().flat_map(|batch| &batch.changes);
        let newest: BTreeMap<Place, Arc<State>> = changes.map(|(place, state)| (*place, Arc::clone(state))).collect();
        let gone = batches.iter().flat_map(|batch| batch.gone.iter().copied()).collect();
        Self { changes: newest.into_iter().collect(), gone }
    }
}

impl Broker {
    /// Tells whether the process knows the metadata log up to some point, and follows it from there.
    pub(super) fn has_loaded(&self) -> bool {
        self.process != Process::Dead && matches!(self.phase, Phase::Up | Phase::Leaving)
    }
}

fn shape_of(state: &State) -> topology::Partition {
    topology::Partition {
        leader: state.leader,
        leader_epoch: LeaderEpoch(state.leader_epoch.0),
        replicas: state.replicas.clone(),
        isr: state.isr.iter().copied().collect(),
        elr: state.elr.iter().copied().collect(),
        reassigning: state.reassigning(),
    }
}

/// Gives what brokers' answers let clients know of a registration: no epoch; before 4.0 nobody who is not active is told apart.
fn seen_by_clients(one: &Registration, hidden: bool) -> Registration {
    let standing = match one.standing {
        Standing::Fenced | Standing::Unregistered if hidden => Standing::Unknown,
        Standing::ShuttingDown => Standing::Active,
        Standing::Active | Standing::Fenced | Standing::Unregistered | Standing::Unknown => one.standing,
    };
    Registration { rack: one.rack.clone(), epoch: None, standing }
}
