//! What brokers and controllers answer, and what brokers answer from their own, perhaps stale, view.

use std::sync::Arc;

use super::code::Code;
use super::happening::{Errand, Happening};
use super::plan::Version;
use super::state::{Disk, Phase, Place, Process, Socket};
use super::talk::{Answer, Door, Fenced, LogDirs, Request};
use super::{Kafka, timing};
use crate::model::ids::{BrokerId, ControllerId, Offset, PartitionId};
use crate::model::observation::LogEnd;
use crate::model::topology::Standing;

impl Kafka {
    pub(super) fn process(&self, door: Door) -> Process {
        match door {
            Door::Broker(id) => self.brokers.get(&id).map_or(Process::Dead, |broker| broker.process),
            Door::Controller(id) => self.controllers.get(&id).map_or(Process::Dead, |controller| controller.process),
        }
    }

    /// Tells whether something listens there; a stopped process does, as its kernel accepts.
    pub(super) fn accepts(&self, door: Door) -> bool {
        let listening = match door {
            Door::Broker(id) => {
                self.brokers.get(&id).is_some_and(|broker| matches!(broker.phase, Phase::Up | Phase::Leaving))
            }
            Door::Controller(id) => self.controllers.get(&id).is_some_and(|controller| controller.since.is_some()),
        };
        listening && self.process(door) != Process::Dead
    }

    /// Begins the work on a request that is at its server.
    pub(super) fn begin(&mut self, socket: Socket, request: Request) {
        let Some(line) = self.connections.get(&socket).map(|connection| connection.line) else { return };
        if self.passage(line).denied.is_some_and(|denied| denied.concerns(&request)) {
            let code = if request.is_about_records() {
                Code::TopicAuthorizationFailed
            } else {
                Code::ClusterAuthorizationFailed
            };
            return self.answer(socket, Answer::Refused(code), timing::PING_WORK);
        }
        match line.to {
            Door::Broker(id) => self.begin_at_broker(socket, id, request),
            Door::Controller(id) => self.begin_at_controller(socket, id, request),
        }
    }

    pub(super) fn answer(&mut self, socket: Socket, answer: Answer, work: timing::Range) {
        let done = self.soon_over(socket, work);
        self.at(done, Happening::Worked(socket, Box::new(answer)));
    }

    fn begin_at_broker(&mut self, socket: Socket, id: BrokerId, request: Request) {
        match request {
            Request::ApiVersions => self.answer(socket, Answer::Fine, timing::PING_WORK),
            Request::Metadata => {
                let view = self.view_of(id);
                self.answer(socket, Answer::Metadata(view), timing::LOCAL_WORK);
            }
            Request::DescribeCluster => {
                let answer = self.cluster_seen_by(id);
                self.answer(socket, answer, timing::LOCAL_WORK);
            }
            Request::ListOffsets(partitions) => {
                let answer = self.log_ends(id, &partitions);
                self.answer(socket, answer, timing::LOCAL_WORK);
            }
            Request::DescribeLogDirs => self.log_dirs(socket, id),
            Request::Produce { .. } => self.produce(socket, id),
            Request::Fetch(from) => {
                let answer = self.fetch(id, from);
                self.answer(socket, answer, timing::LOCAL_WORK);
            }
            Request::WhoLeads(partition) => {
                let answer = self.who_leads(id, partition);
                self.answer(socket, answer, timing::LOCAL_WORK);
            }
            // Only controllers know it: an unknown request closes the connection.
            Request::Fence { .. } => self.break_off(socket, timing::ONE_WAY),
            Request::SetRates { broker, .. } if broker != id => {
                // "Unexpected broker id": each broker looks through the settings of its own only.
                self.answer(socket, Answer::Refused(Code::InvalidRequest), timing::PING_WORK);
            }
            Request::DescribeQuorum
            | Request::ListReassignments
            | Request::Reassign { .. }
            | Request::Elect { .. }
            | Request::Unregister(_)
            | Request::CreateTopic(_)
            | Request::DeleteTopic(_)
            | Request::SetRates { .. }
            | Request::SetThrottled { .. }
            | Request::SetMinIsr { .. } => {
                let life = self.brokers.get(&id).map(|broker| broker.life);
                self.send_errand(socket, life.map(|life| (id, life)), request);
            }
        }
    }

    fn begin_at_controller(&mut self, socket: Socket, id: ControllerId, request: Request) {
        if let Some(broker) = self.hangs_with(id).filter(|_| request == Request::DescribeQuorum) {
            return self.wait_for_disk(socket, broker);
        }
        let active = self.active == Some(id);
        match request {
            Request::ApiVersions => self.answer(socket, Answer::Fine, timing::PING_WORK),
            Request::Metadata
            | Request::ListOffsets(_)
            | Request::DescribeLogDirs
            | Request::Produce { .. }
            | Request::Fetch(_)
            | Request::WhoLeads(_) => self.break_off(socket, timing::ONE_WAY),
            Request::DescribeQuorum if !active => {
                self.answer(socket, Answer::Refused(Code::NotLeaderOrFollower), timing::PING_WORK);
            }
            Request::DescribeCluster => {
                let answer = self.cluster_now();
                self.answer(socket, answer, timing::LOCAL_WORK);
            }
            Request::ListReassignments
            | Request::Reassign { .. }
            | Request::Elect { .. }
            | Request::Fence { .. }
            | Request::Unregister(_)
            | Request::CreateTopic(_)
            | Request::DeleteTopic(_)
            | Request::SetRates { .. }
            | Request::SetThrottled { .. }
            | Request::SetMinIsr { .. }
                if !active =>
            {
                self.answer(socket, Answer::Refused(Code::NotController), timing::PING_WORK);
            }
            Request::DescribeQuorum
            | Request::ListReassignments
            | Request::Reassign { .. }
            | Request::Elect { .. }
            | Request::Fence { .. }
            | Request::Unregister(_)
            | Request::CreateTopic(_)
            | Request::DeleteTopic(_)
            | Request::SetRates { .. }
            | Request::SetThrottled { .. }
            | Request::SetMinIsr { .. } => self.send_errand(socket, None, request),
        }
    }

    fn send_errand(&mut self, socket: Socket, via: Option<(BrokerId, super::state::Life)>, request: Request) {
        let until = self.now.plus(timing::FORWARD_FOR);
        self.after(timing::TO_CONTROLLER, Happening::Forwarded(Box::new(Errand { socket, via, request, until })));
    }

    fn cluster_seen_by(&mut self, id: BrokerId) -> Answer {
        let view = self.view_of(id);
        self.cluster_of(&view)
    }

    fn cluster_now(&mut self) -> Answer {
        let shape = self.plain_shape();
        self.cluster_of(&shape)
    }

    fn cluster_of(&self, view: &crate::model::topology::Topology) -> Answer {
        let includes_fenced = self.version != Version::V3_9;
        let registered = view.brokers.iter().filter_map(|(id, registration)| match registration.standing {
            Standing::Active | Standing::ShuttingDown => Some((*id, Fenced::No)),
            Standing::Fenced => includes_fenced.then_some((*id, Fenced::Yes)),
            Standing::Unregistered | Standing::Unknown => None,
        });
        Answer::Cluster { registered: registered.collect(), includes_fenced }
    }

    /// Gives what a broker believes about the cluster.
    pub(super) fn view_of(&mut self, id: BrokerId) -> Arc<crate::model::topology::Topology> {
        match self.brokers.get(&id).and_then(|broker| broker.view.clone()) {
            Some(view) => view,
            None => self.plain_shape(),
        }
    }

    fn log_ends(&mut self, id: BrokerId, wanted: &[PartitionId]) -> Answer {
        if wanted.is_empty() {
            let places = self.hosted(id);
            return Answer::LogEnds(places.into_iter().filter_map(|place| self.log_end(id, place)).collect());
        }
        let end = |partition: &PartitionId| {
            let place = self.place_at(id, *partition);
            let known = place.and_then(|place| self.log_end(id, place));
            known.unwrap_or((*partition, Err(Code::UnknownTopicOrPartition)))
        };
        Answer::LogEnds(wanted.iter().map(end).collect())
    }

    /// Gives the end of a broker's log of a partition, or why it has none; nothing where there is no such partition any more.
    fn log_end(&mut self, id: BrokerId, place: Place) -> Option<(PartitionId, Result<LogEnd, Code>)> {
        self.settle(place);
        let partition = self.partition(place)?;
        let end = partition
            .replica(id)
            .map(|replica| LogEnd { offset: Offset(replica.log.end()), leader_epoch: Some(replica.view.leader_epoch) });
        Some((partition.id, end.ok_or_else(|| self.disowns(id, partition.id))))
    }

    /// Describes log dirs, which asks the file system: a blocked disk lets it wait.
    pub(super) fn log_dirs(&mut self, socket: Socket, id: BrokerId) {
        if self.brokers.get(&id).is_some_and(|broker| broker.disk == Disk::Blocked) {
            return self.wait_for_disk(socket, id);
        }
        let mut dirs = LogDirs::default();
        for place in self.hosted(id) {
            self.settle(place);
            let Some(partition) = self.partition(place) else { continue };
            if let Some(replica) = partition.replica(id) {
                dirs.bytes.insert(partition.id, replica.log.end().saturating_mul(timing::BYTES_PER_RECORD));
            }
        }
        self.answer(socket, Answer::LogDirs(dirs), timing::LOCAL_WORK);
    }

    pub(super) fn wait_for_disk(&mut self, socket: Socket, id: BrokerId) {
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.blocked.push(socket);
        }
    }
}
