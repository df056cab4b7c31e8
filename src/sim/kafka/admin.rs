//! What the active controller does when asked: elections, reassignments, fences, topics; with Kafka's refusals.

use std::collections::{BTreeMap, BTreeSet};

use super::build::spread;
use super::change::{Change, Election, State};
use super::code::Code;
use super::happening::{Errand, Happening};
use super::plan::{Flow, Switch, Version};
use super::state::{Existence, Fence, Place, Process, Registered, Topic};
use super::talk::{Answer, Door, ElectionKind, Layout, NewTopic, Order, Reassigning, ReplicaCount, Request};
use super::{Kafka, times, timing};
use crate::model::ids::{BrokerId, PartitionId, TopicId};

/// `QuorumController.MAX_RECORDS_PER_USER_OP`.
const RECORDS_MAX: usize = 10_000;

impl Kafka {
    /// A request is on its way to the active controller; it is tried again until there is one, or its time is over.
    pub(super) fn forwarded(&mut self, errand: Box<Errand>) {
        if let Some((id, life)) = errand.via {
            let broker = self.brokers.get(&id).filter(|broker| broker.life == life);
            match broker.map(|broker| (broker.process, self.way_to_active(id).lets_in())) {
                Some((Process::Running, true)) => {}
                Some((Process::Running | Process::Stopped, _)) => return self.try_again(errand),
                Some((Process::Dead, _)) | None => return,
            }
        } else {
            let door = self.connections.get(&errand.socket).map(|connection| connection.line.to);
            if door.is_some() && door != self.active.map(Door::Controller) {
                return self.answer(errand.socket, Answer::Refused(Code::NotController), timing::PING_WORK);
            }
        }
        let Some(active) = self.ruling() else { return self.try_again(errand) };
        let (answer, records) = if errand.request == Request::DescribeQuorum {
            (self.describe_quorum(active), None)
        } else if errand.request == Request::ListReassignments {
            (self.reassignments(), None)
        } else {
            let (answer, records) = self.execute(&errand.request);
            (answer, Some(records))
        };
        let answered = match records {
            None => self.soon(timing::QUORUM_WORK),
            Some(records) => self.soon(timing::ADMIN_ANSWER).plus(times(timing::ADMIN_PER_RECORD, records)),
        };
        let reign = self.reign;
        self.at(answered, Happening::Replied(reign, errand, Box::new(answer)));
    }

    fn try_again(&mut self, errand: Box<Errand>) {
        if errand.until <= self.now {
            return self.answer(errand.socket, Answer::Refused(Code::RequestTimedOut), timing::PING_WORK);
        }
        self.at(self.now.plus(timing::FORWARD_RETRY), Happening::Forwarded(errand));
    }

    /// A broker whose controller has gone in mid-request asks the next one again, although the first had done it.
    pub(super) fn replied(&mut self, reign: super::happening::Reign, errand: Box<Errand>, answer: Box<Answer>) {
        let reachable = errand.via.is_none_or(|(id, _)| self.way_to_active(id).lets_out());
        if errand.via.is_some() && (reign != self.reign || self.ruling().is_none() || !reachable) {
            return self.try_again(errand);
        }
        self.worked(errand.socket, answer);
    }

    fn execute(&mut self, request: &Request) -> (Answer, usize) {
        match request {
            Request::Elect { kind, partitions } => self.elect(*kind, partitions.as_deref()),
            Request::Reassign { orders, count } => self.reassign(orders, *count),
            Request::Fence { broker, epoch } => match self.fence_by_heartbeat(*broker, *epoch) {
                Some(records) => (Answer::Fenced, records),
                None => (Answer::Refused(Code::StaleBrokerEpoch), 0),
            },
            Request::Unregister(broker) => {
                if RECORDS_MAX <= self.without(*broker, super::registry::Out::Unregistered).len() {
                    return (Answer::Refused(Code::PolicyViolation), 0);
                }
                match self.unregister(*broker) {
                    Some(records) => (Answer::Unregistered, records),
                    None => (Answer::Refused(Code::BrokerIdNotRegistered), 0),
                }
            }
            Request::CreateTopic(topic) => match self.create_topic(topic) {
                Ok((id, records)) => (Answer::Created(id), records),
                Err(code) => (Answer::Refused(code), 0),
            },
            Request::DeleteTopic(topic) => self.delete_topic(*topic),
            Request::SetMinIsr { topic, min_isr } => self.set_min_isr(*topic, *min_isr),
            Request::SetRates { broker, rates } => self.set_rates(*broker, *rates),
            Request::SetThrottled { topic, throttled } => self.set_throttled(*topic, throttled),
            // Looking is answered elsewhere.
            Request::ApiVersions
            | Request::Metadata
            | Request::DescribeCluster
            | Request::DescribeQuorum
            | Request::ListOffsets(_)
            | Request::DescribeLogDirs
            | Request::ListReassignments
            | Request::Produce { .. }
            | Request::Fetch(_)
            | Request::WhoLeads(_) => (Answer::Refused(Code::InvalidRequest), 0),
        }
    }

    fn elect(&mut self, kind: ElectionKind, wanted: Option<&[PartitionId]>) -> (Answer, usize) {
        let all: Vec<PartitionId> = match wanted {
            Some(wanted) => wanted.to_vec(),
            None => self.catalogue.places.keys().copied().collect(),
        };
        let mut outcomes = BTreeMap::new();
        let mut changes: Vec<(Place, State)> = Vec::new();
        for id in all {
            let outcome = match self.elected(kind, id) {
                Ok(change) => {
                    changes.push(change);
                    None
                }
                Err(Code::ElectionNotNeeded) if wanted.is_none() => continue,
                Err(code) => Some(code),
            };
            outcomes.insert(id, outcome);
        }
        if RECORDS_MAX < changes.len() {
            return (Answer::Refused(Code::PolicyViolation), 0);
        }
        let records = changes.len();
        if !changes.is_empty() {
            self.append(changes, 0);
        }
        (Answer::Outcomes(outcomes), records)
    }

    fn elected(&self, kind: ElectionKind, id: PartitionId) -> Result<(Place, State), Code> {
        let place = self.catalogue.places.get(&id).copied().ok_or(Code::UnknownTopicOrPartition)?;
        let partition = self.partition(place).ok_or(Code::UnknownTopicOrPartition)?;
        let state = &partition.state;
        let (election, needless, refusal) = match kind {
            ElectionKind::Preferred => (
                Election::Preferred,
                state.leader.is_some() && state.leader == state.replicas.first().copied(),
                Code::PreferredLeaderNotAvailable,
            ),
            ElectionKind::Unclean => (Election::Unclean, state.leader.is_some(), Code::EligibleLeadersNotAvailable),
        };
        if needless {
            return Err(Code::ElectionNotNeeded);
        }
        let acceptable = |one: BrokerId| self.registry.get(&one).is_some_and(Registered::active);
        let change = Change::of(state, self.rules(partition, &acceptable)).electing(election).build();
        change.map(|state| (place, state)).ok_or(refusal)
    }

    fn reassign(&mut self, orders: &[Order], count: ReplicaCount) -> (Answer, usize) {
        let mut outcomes = BTreeMap::new();
        let mut changes = Vec::new();
        for order in orders {
            let outcome = match self.reassigned(order, count) {
                Ok(change) if changes.len() < RECORDS_MAX => {
                    changes.extend(change);
                    None
                }
                Ok(_) => Some(Code::UnknownServerError),
                Err(code) => Some(code),
            };
            outcomes.insert(order.partition, outcome);
        }
        let records = changes.len();
        if !changes.is_empty() {
            self.append(changes, 0);
        }
        (Answer::Outcomes(outcomes), records)
    }

    fn reassigned(&self, order: &Order, count: ReplicaCount) -> Result<Option<(Place, State)>, Code> {
        let place = self.catalogue.places.get(&order.partition).copied().ok_or(Code::UnknownTopicOrPartition)?;
        let partition = self.partition(place).ok_or(Code::UnknownTopicOrPartition)?;
        let state = &partition.state;
        let acceptable = |one: BrokerId| self.registry.get(&one).is_some_and(Registered::active);
        let change = Change::of(state, self.rules(partition, &acceptable)).electing(self.own_election());
        let Some(wanted) = &order.replicas else {
            if !state.reassigning() {
                return Err(Code::NoReassignmentInProgress);
            }
            let left = state.isr.iter().any(|one| !state.adding.contains(one));
            if !left && self.settings.unclean_election == Switch::Off {
                return Err(Code::InvalidReplicaAssignment);
            }
            return Ok(change.reverting().build().map(|state| (place, state)));
        };
        self.check_replicas(wanted)?;
        let present = state.replicas.iter().filter(|one| !state.removing.contains(one)).count();
        if count == ReplicaCount::Kept && self.version != Version::V3_9 && present != wanted.len() {
            return Err(Code::InvalidReplicationFactor);
        }
        Ok(change.towards(wanted).build().map(|state| (place, state)))
    }

    /// Every replica must be registered, fenced or not, and stand there once.
    fn check_replicas(&self, wanted: &[BrokerId]) -> Result<(), Code> {
        let distinct: BTreeSet<&BrokerId> = wanted.iter().collect();
        let known = wanted.iter().all(|one| self.registry.contains_key(one));
        if wanted.is_empty() || distinct.len() != wanted.len() || !known {
            return Err(Code::InvalidReplicaAssignment);
        }
        Ok(())
    }

    fn reassignments(&self) -> Answer {
        let running = self.partitions.iter().filter(|one| one.standing == Existence::Exists && one.state.reassigning());
        let told = |one: &super::state::Partition| Reassigning {
            replicas: one.state.replicas.clone(),
            adding: one.state.adding.clone(),
            removing: one.state.removing.clone(),
        };
        Answer::Reassignments(running.map(|one| (one.id, told(one))).collect())
    }

    fn create_topic(&mut self, wanted: &NewTopic) -> Result<(TopicId, usize), Code> {
        if self.catalogue.topics.values().any(|topic| topic.name == wanted.name) {
            return Err(Code::TopicAlreadyExists);
        }
        let lists = match &wanted.layout {
            Layout::Spread { partitions: 0, .. } => return Err(Code::InvalidPartitions),
            Layout::Spread { partitions, factor } => self.place(*partitions, *factor)?,
            Layout::Given(lists) => {
                lists.iter().try_for_each(|list| self.check_replicas(list))?;
                if lists.iter().any(|list| Some(list.len()) != lists.first().map(Vec::len)) {
                    // "inconsistent replication factor between partitions"
                    return Err(Code::InvalidReplicaAssignment);
                }
                lists.clone()
            }
        };
        if lists.is_empty() {
            return Err(Code::InvalidPartitions);
        }
        let active = |one: &BrokerId| self.registry.get(one).is_some_and(Registered::active);
        if lists.iter().any(|list| !list.iter().any(active)) {
            return Err(match wanted.layout {
                Layout::Spread { .. } => Code::InvalidReplicationFactor,
                Layout::Given(_) => Code::InvalidReplicaAssignment,
            });
        }
        self.topics_made = self.topics_made.saturating_add(1);
        let mut id = [0xee; 16];
        let number = self.topics_made.to_be_bytes();
        id.iter_mut().rev().zip(number.iter().rev()).for_each(|(to, from)| *to = *from);
        let topic = Topic { name: wanted.name.clone(), min_isr: wanted.min_isr, ..Topic::default() };
        let places = self.add_topic(TopicId(id), topic, &lists);
        let states = |place: &Place| self.partition(*place).map(|one| (*place, State::clone(&one.state)));
        let changes: Vec<(Place, State)> = places.iter().filter_map(states).collect();
        let records = changes.len();
        self.append(changes, 1);
        Ok((TopicId(id), records))
    }

    /// Places replicas over the registered brokers, the unfenced ones first.
    fn place(&self, partitions: u32, factor: u16) -> Result<Vec<Vec<BrokerId>>, Code> {
        let of = |fence: Fence| self.registry.iter().filter(move |(_, one)| one.fenced == fence).map(|(id, _)| *id);
        let unfenced: Vec<BrokerId> = of(Fence::Down).collect();
        let brokers = if usize::from(factor) <= unfenced.len() {
            unfenced
        } else {
            unfenced.into_iter().chain(of(Fence::Up)).collect()
        };
        if factor == 0 || brokers.len() < usize::from(factor) {
            return Err(Code::InvalidReplicationFactor);
        }
        Ok(spread(&brokers, partitions, factor))
    }

    fn delete_topic(&mut self, id: TopicId) -> (Answer, usize) {
        // What believes the old shape must be told apart before the topic is gone from it.
        let Some(topic) = self.catalogue.topics.get(&id) else {
            return (Answer::Refused(Code::UnknownTopicId), 0);
        };
        let places = topic.partitions.clone();
        self.pin_views();
        self.catalogue.topics.remove(&id);
        for place in &places {
            self.settle(*place);
            if let Some(partition) = self.partitions.get_mut(place.0) {
                partition.standing = Existence::Deleted;
                partition.flow = Flow::default();
                self.catalogue.places.remove(&partition.id);
            }
        }
        let records = places.len();
        self.append_with(Vec::new(), places, 1);
        (Answer::Done, records)
    }

    fn set_min_isr(&mut self, id: TopicId, min_isr: u16) -> (Answer, usize) {
        if min_isr == 0 {
            return (Answer::Refused(Code::InvalidConfig), 0);
        }
        let Some(topic) = self.catalogue.topics.get(&id) else {
            return (Answer::Refused(Code::UnknownTopicOrPartition), 0);
        };
        let places = topic.partitions.clone();
        self.settle_all(&places);
        self.pin_views();
        if let Some(topic) = self.catalogue.topics.get_mut(&id) {
            topic.min_isr = Some(min_isr);
        }
        // What is eligible was so under the old minimum.
        let cleared = |place: &Place| {
            let state = &self.partition(*place).filter(|one| !one.state.elr.is_empty())?.state;
            let partition_epoch = state.partition_epoch.saturating_add(1);
            Some((*place, State { elr: Vec::new(), partition_epoch, ..State::clone(state) }))
        };
        let changes: Vec<(Place, State)> = places.iter().filter_map(cleared).collect();
        let records = changes.len();
        self.append(changes, 1);
        (Answer::Done, records)
    }
}
