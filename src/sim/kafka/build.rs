//! The beginning: a cluster that has been up for long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::Kafka;
use super::change::State;
use super::consume::Apart;
use super::happening::{Chore, Duty, Happening, Reign};
use super::plan::{BrokerPlan, KafkaPlan, Switch, TopicPlan};
use super::state::{
    Broker, Catalogue, Controller, Disk, Ended, Existence, Fence, Following, Gate, Leaving, Life, Owed, Partition,
    Phase, Place, Process, Registered, Replica, Topic,
};
use super::talk::Layout;
use super::throttle::Quotas;
use super::{log::Log, timing};
use crate::model::ids::{BrokerEpoch, BrokerId, PartitionId, TopicId};
use crate::model::topology::Topology;
use crate::sim::agenda::Agenda;
use crate::sim::chance::Chance;

/// The metadata log of a new cluster holds some records before the first broker registers; their number says nothing.
const FIRST_RECORDS: u64 = 10;

impl Kafka {
    /// Gives a cluster that has been up for long: everybody registered and level, all replicas in sync, first replicas leading.
    ///
    /// A replica list that names a broker that the plan does not have is kept, as Kafka keeps it.
    #[must_use]
    pub fn new(plan: &KafkaPlan, seed: u64) -> Self {
        let empty = Arc::new(Topology { cluster: plan.cluster.clone(), ..Topology::default() });
        let controller = Controller { process: Process::Running, life: 0, since: Some(plan.start) };
        let mut kafka = Self {
            version: plan.version,
            settings: plan.settings,
            now: plan.start,
            due: Agenda::default(),
            chance: Chance::child(seed, "kafka"),
            heard: Vec::new(),
            calls: 0,
            lives: 0,
            controllers: plan.controllers.iter().map(|id| (*id, controller)).collect(),
            active: plan.controllers.first().copied(),
            reign: Reign(1),
            reigns_since: plan.start,
            electing: false,
            registry: BTreeMap::new(),
            log_end: FIRST_RECORDS,
            grown: VecDeque::new(),
            grown_before: FIRST_RECORDS,
            brokers: BTreeMap::new(),
            catalogue: Catalogue::default(),
            partitions: Vec::new(),
            topics_made: 0,
            lost: Vec::new(),
            past: super::past::Past::default(),
            lost_alone: 0,
            shape: Arc::clone(&empty),
            plain: empty,
            unshaped: BTreeSet::new(),
            unshaped_rest: true,
            shape_version: 1,
            connections: BTreeMap::new(),
            lines: BTreeMap::new(),
            sockets: 0,
            apart: Apart::of(seed),
            passages: BTreeMap::new(),
            observers: BTreeSet::new(),
            publishing: false,
            postponed: BTreeMap::new(),
            stirs: 0,
        };
        plan.brokers.iter().for_each(|broker| kafka.found_broker(broker));
        plan.topics.iter().for_each(|topic| kafka.found_topic(topic));
        kafka.grown_before = kafka.log_end;
        kafka.brokers.values_mut().for_each(|broker| broker.read_to = kafka.log_end);
        kafka.begin_duties();
        kafka
    }

    fn found_broker(&mut self, plan: &BrokerPlan) {
        self.log_end = self.log_end.saturating_add(2);
        self.lives = self.lives.saturating_add(1);
        let (life, epoch) = (Life(self.lives), BrokerEpoch(i64::try_from(self.log_end).unwrap_or(i64::MAX)));
        let (contact, read_to) = (Some(self.now), self.log_end);
        let registered = Registered { epoch, life, fenced: Fence::Down, leaving: Leaving::No, contact, read_to };
        self.registry.insert(plan.id, registered);
        let broker = Broker {
            rack: plan.rack.clone(),
            process: Process::Running,
            life,
            phase: Phase::Up,
            epoch: Some(epoch),
            ended: Ended::Cleanly,
            disk: Disk::Fine,
            replication: None,
            controllers: Gate::Open,
            owes_heartbeat: Owed::No,
            reads_since: Some(self.now),
            read_to: 0,
            fetched_at: self.now,
            reading: 0,
            queue: VecDeque::new(),
            busy_until: self.now,
            view: None,
            view_since: self.now,
            hosted: BTreeSet::new(),
            to_alter: BTreeSet::new(),
            blocked: Vec::new(),
            quotas: Quotas::default(),
        };
        self.brokers.insert(plan.id, broker);
        // Nobody knows when the long-running processes last did their rounds.
        let beat = self.soon((std::time::Duration::ZERO, self.settings.heartbeat_interval));
        self.chore(beat, plan.id, Chore::Beat);
        self.first_check_of_lag(plan.id);
    }

    pub(super) fn first_check_of_lag(&mut self, id: BrokerId) {
        let check = self.soon((std::time::Duration::ZERO, self.lag_check()));
        self.chore(check, id, Chore::CheckLag);
    }

    fn found_topic(&mut self, plan: &TopicPlan) {
        let lists = match &plan.layout {
            Layout::Given(lists) => lists.clone(),
            Layout::Spread { partitions, factor } => {
                let brokers: Vec<BrokerId> = self.brokers.keys().copied().collect();
                spread(&brokers, *partitions, *factor)
            }
        };
        self.log_end = self.log_end.saturating_add(u64::try_from(lists.len()).unwrap_or(0)).saturating_add(1);
        let topic = Topic { name: plan.name.clone(), min_isr: plan.min_isr, ..Topic::default() };
        let places = self.add_topic(plan.id, topic, &lists);
        for place in places {
            let Some(partition) = self.partitions.get_mut(place.0) else { continue };
            partition.flow = plan.flow;
            let state = Arc::clone(&partition.state);
            for id in &state.replicas {
                self.host(place, *id, &state);
            }
            if let Some(leader) = state.leader {
                self.lead(place, leader, &state);
            }
            self.begin_level(place);
        }
    }

    /// Enters a topic with these replica lists; in sync is who is active.
    pub(super) fn add_topic(&mut self, id: TopicId, topic: Topic, lists: &[Vec<BrokerId>]) -> Vec<Place> {
        let mut places = Vec::new();
        for (number, replicas) in lists.iter().enumerate() {
            let active = |one: &BrokerId| self.registry.get(one).is_some_and(Registered::active);
            let isr: Vec<BrokerId> = replicas.iter().filter(|one| active(one)).copied().collect();
            let state = State { leader: isr.first().copied(), replicas: replicas.clone(), isr, ..State::default() };
            let id = PartitionId { topic: id, number: i32::try_from(number).unwrap_or(i32::MAX) };
            let place = Place(self.partitions.len());
            self.partitions.push(Partition {
                id,
                standing: Existence::Exists,
                state: Arc::new(state),
                replicas: Vec::with_capacity(replicas.len()),
                acked: Log::default(),
                alone: Vec::new(),
                records: BTreeMap::new(),
                flow: super::plan::Flow::default(),
                flowed_to: self.now,
                carried: (0, 0),
            });
            self.catalogue.places.insert(id, place);
            self.unshaped.insert(place);
            places.push(place);
        }
        self.catalogue.topics.insert(id, Topic { partitions: places.clone(), ..topic });
        self.unshaped_rest = true;
        places
    }

    /// Gives a broker an empty replica.
    pub(super) fn host(&mut self, place: Place, id: BrokerId, view: &Arc<State>) {
        if self.partition(place).is_none() {
            return;
        }
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        broker.hosted.insert(place);
        let replica = Replica {
            broker: id,
            log: Log::default(),
            high_watermark: 0,
            view: Arc::clone(view),
            leading: None,
            following: Following::Not,
            level_at: view.isr.contains(&id).then_some(self.now),
        };
        if let Some(partition) = self.partition_mut(place) {
            partition.replicas.push(replica);
        }
    }

    fn begin_level(&mut self, place: Place) {
        let Some(partition) = self.partition_mut(place) else { return };
        let leader = partition.state.leader;
        let Some(log) = leader.and_then(|leader| partition.replica(leader)).map(|replica| replica.log.clone()) else {
            return;
        };
        for replica in partition.replicas.iter_mut().filter(|replica| Some(replica.broker) != leader) {
            replica.log.follow(&log);
            replica.following = Following::Level;
        }
    }

    /// Plans what the active controller does by itself.
    pub(super) fn begin_duties(&mut self) {
        let reign = self.reign;
        self.at(self.now.plus(timing::PULSE), Happening::Controller(reign, Duty::Pulse));
        self.at(self.now.plus(self.session_check()), Happening::Controller(reign, Duty::Sessions));
        if self.settings.auto_rebalance == Switch::On {
            let first = self.now.plus(self.settings.rebalance_interval);
            self.at(first, Happening::Controller(reign, Duty::Rebalance));
        }
    }
}

/// Places replicas round robin, each partition beginning one broker further.
pub(super) fn spread(brokers: &[BrokerId], partitions: u32, factor: u16) -> Vec<Vec<BrokerId>> {
    let count = usize::try_from(partitions).unwrap_or(0);
    let ring = |from: usize| brokers.iter().cycle().skip(from).take(usize::from(factor).min(brokers.len())).copied();
    (0..count).map(|number| ring(number.checked_rem(brokers.len()).unwrap_or(0)).collect()).collect()
}
