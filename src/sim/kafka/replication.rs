//! Leaders and followers: who can fetch from whom, who is level, and what flows meanwhile.
//!
//! Analytic: a follower that is level stays so and gets whatever is appended, without an event for each fetch.

use std::sync::Arc;
use std::time::Duration;

use super::change::State;
use super::code::Code;
use super::fault::Path;
use super::happening::Chore;
use super::state::{
    Broker, Disk, Following, Gate, Leading, Lost, Partition, Phase, Place, Process, Replica, Route, Waiting,
};
use super::talk::{Acks, Answer};
use super::truth::Refusal;

use super::{Kafka, timing};
use crate::model::ids::BrokerId;
use crate::model::time::Timestamp;

impl Broker {
    /// Tells whether its process works, having read what it should be.
    pub(super) fn works(&self) -> bool {
        self.process == Process::Running && matches!(self.phase, Phase::Up | Phase::Leaving)
    }
}

impl Partition {
    /// Gives up to where every replica that a leader counts as in sync has its log; none where one of them does not fetch.
    pub(super) fn end_in_sync(&self, leader: BrokerId) -> Option<u64> {
        let leading = self.replica(leader).and_then(|replica| Some((replica, replica.leading.as_ref()?)));
        let (own, leading) = leading?;
        let mut common = own.log.end();
        for member in leading.isr.iter().filter(|member| **member != leader) {
            let follower = self.replica(*member).filter(|follower| follower.is_level_with(leader, own))?;
            common = common.min(follower.log.end());
        }
        Some(common)
    }

    /// Gives the replica that a follower should fetch from, if that one leads in the epoch that the follower knows.
    pub(super) fn source_of(&self, follower: &Replica) -> Option<&Replica> {
        let leader = follower.view.leader.filter(|leader| *leader != follower.broker)?;
        let leads = |replica: &&Replica| {
            replica.leading.as_ref().is_some_and(|leading| leading.epoch == follower.view.leader_epoch)
        };
        self.replica(leader).filter(leads)
    }
}

impl Replica {
    /// Tells whether it is a level follower of that leader in its present epoch.
    pub(super) fn is_level_with(&self, leader: BrokerId, leaders: &Self) -> bool {
        let epoch = leaders.leading.as_ref().map(|leading| leading.epoch);
        self.following == Following::Level && self.view.leader == Some(leader) && Some(self.view.leader_epoch) == epoch
    }
}

impl Kafka {
    /// Gives up to where everybody has the log whom a leader waits for, those that it expects in the ISR included; none where
    /// one of them does not get on.
    pub(super) fn common_end(&self, partition: &Partition, leader: BrokerId) -> Option<u64> {
        let common = partition.end_in_sync(leader)?;
        self.waits_until(partition, leader, self.now).is_none().then_some(common)
    }

    /// Plans that level followers get what was appended.
    pub(super) fn plan_replication(&mut self, place: Place, leader: BrokerId) {
        let replica = self.partition_mut(place).and_then(|partition| partition.replica_mut(leader));
        let Some(leading) = replica.and_then(|replica| replica.leading.as_mut()) else { return };
        if !std::mem::replace(&mut leading.replicating, true) {
            let at = self.soon(timing::REPLICATE);
            self.chore(at, leader, Chore::Replicated(place));
        }
    }

    pub(super) fn replicated(&mut self, leader: BrokerId, place: Place) {
        self.settle(place);
        self.hold_back(place, leader);
        if let Some(partition) = self.partition_mut(place) {
            if let Some(leading) = partition.replica_mut(leader).and_then(|replica| replica.leading.as_mut()) {
                leading.replicating = false;
            }
            partition.hand_on(leader);
        }
        self.advance_watermark(place, leader);
    }

    /// Computes what flowed since it was computed last. To be called before anything changes that decides whether it flows.
    pub(super) fn settle(&mut self, place: Place) {
        let now = self.now;
        let Some(partition) = self.partition(place) else { return };
        let (flow, span) = (partition.flow, now.since(partition.flowed_to));
        if flow == super::plan::Flow::default() || span.is_zero() {
            return;
        }
        let serving = self.serving(partition);
        let taken = serving.is_some_and(|(leader, all)| all || self.takes_acks_all(partition, leader));
        let Some(partition) = self.partition_mut(place) else { return };
        partition.flowed_to = now;
        let Some((leader, all)) = serving else { return };
        let committed = if all { part(&mut partition.carried.0, flow.acks_all_per_s, span) } else { 0 };
        let sent = part(&mut partition.carried.1, flow.acks_one_per_s, span);
        if let Some(replica) = partition.replica_mut(leader) {
            // Who waits for a follower that does not fetch has been written by the leader already: from then on it lags.
            let waits = !all && taken && 0 < flow.acks_all_per_s && replica.high_watermark == replica.log.end();
            replica.log.append(committed.saturating_add(sent).saturating_add(u64::from(waits)));
        }
        if !all {
            // Nothing of acks=all is among them but one that waits, and that came first.
            self.acknowledged_alone(place, leader, sent);
        }
        self.hold_back(place, leader);
        let Some(partition) = self.partition_mut(place) else { return };
        partition.hand_on(leader);
        if all {
            let Some(replica) = partition.replica_mut(leader) else { return };
            replica.high_watermark = replica.log.end();
            partition.share(leader);
            if 0 < committed {
                let Some(log) = partition.replica(leader).map(|replica| replica.log.clone()) else { return };
                self.note_acknowledged(place, &log, log.end());
            }
        }
    }

    /// Gives how many of a partition's records are acknowledged with acks=all by now. Only reads: what has flowed since the last event is
    /// counted, and written with the next.
    pub(super) fn acknowledged_by_now(&self, partition: &Partition) -> u64 {
        let known = partition.acked.end();
        let Some((leader, true)) = self.serving(partition) else { return known };
        let mut carried = partition.carried.0;
        let flowed = part(&mut carried, partition.flow.acks_all_per_s, self.now.since(partition.flowed_to));
        let held = partition.replica(leader).map_or(0, |replica| replica.log.end());
        if flowed == 0 { known } else { known.max(held.saturating_add(flowed)) }
    }

    /// Gives the leader that takes clients' records now, and whether acks=all ones as well.
    pub(super) fn serving(&self, partition: &Partition) -> Option<(BrokerId, bool)> {
        self.serving_along(Path::Clients, partition)
    }

    /// The same for whoever comes along another path.
    pub(super) fn serving_along(&self, path: Path, partition: &Partition) -> Option<(BrokerId, bool)> {
        let leader = self.leader_at_work(path, partition)?;
        Some((leader, self.takes_acks_all(partition, leader) && self.common_end(partition, leader).is_some()))
    }

    /// Gives what a client cannot have of a partition at a moment, if nothing happens until then; none where it can have all.
    pub(super) fn refuses(&self, partition: &Partition, at: Timestamp) -> Option<Refusal> {
        let no = |weakest, until| Some(Refusal { partition: partition.id, weakest, until });
        let Some(leader) = self.leader_at_work(Path::Clients, partition) else { return no(Acks::Leader, None) };
        if !self.takes_acks_all(partition, leader) || partition.end_in_sync(leader).is_none() {
            return no(Acks::All, None);
        }
        let until = self.waits_until(partition, leader, at)?;
        no(Acks::All, Some(until))
    }

    /// Gives the leader that takes records from whoever comes along a path.
    fn leader_at_work(&self, path: Path, partition: &Partition) -> Option<BrokerId> {
        let leader = partition.state.leader?;
        let gate = self.passages.get(&Route::Client(leader, path)).map_or(Gate::Open, |one| one.gate);
        let works = |broker: &&Broker| broker.works() && broker.disk != Disk::Blocked;
        self.brokers.get(&leader).filter(works)?;
        let replica = partition.replica(leader)?;
        replica.leading.as_ref().filter(|leading| leading.epoch == partition.state.leader_epoch)?;
        Some(leader).filter(|_| gate == Gate::Open)
    }

    /// Tells whether a leader has enough in sync to take a record that all are to have.
    fn takes_acks_all(&self, partition: &Partition, leader: BrokerId) -> bool {
        partition.replica(leader).is_some_and(|replica| {
            let members = replica.leading.as_ref().map_or(0, |leading| leading.isr.len());
            replica.view.min_isr(self.min_isr(partition)) <= members
        })
    }

    /// A broker learns what a partition is: it leads it, follows another, or has nothing to do with it any more.
    pub(super) fn become_what_it_says(&mut self, place: Place, id: BrokerId, state: &Arc<State>) {
        self.settle(place);
        let hosts = self.partition(place).is_some_and(|partition| partition.replica(id).is_some());
        if !state.replicas.contains(&id) {
            if hosts {
                self.drop_replica(place, id);
            }
            return;
        }
        if !hosts {
            self.host(place, id, state);
        }
        if state.leader == Some(id) {
            return self.lead(place, id, state);
        }
        let now = self.now;
        let Some(replica) = self.partition_mut(place).and_then(|partition| partition.replica_mut(id)) else { return };
        if replica.view.leader_epoch != state.leader_epoch || replica.leading.is_some() {
            replica.stop_following(now);
        }
        replica.view = Arc::clone(state);
        let waiting = replica.leading.take().map(|leading| leading.waiting).unwrap_or_default();
        self.turn_away(waiting);
    }

    /// A broker leads from now on, or hears what the ISR is.
    pub(super) fn lead(&mut self, place: Place, id: BrokerId, state: &Arc<State>) {
        let now = self.now;
        let Some(partition) = self.partition_mut(place) else { return };
        let Some(replica) = partition.replica_mut(id) else { return };
        replica.view = Arc::clone(state);
        match replica.leading.as_mut().filter(|leading| leading.epoch == state.leader_epoch) {
            Some(leading) => leading.hear(state),
            None => {
                let before = replica.leading.take();
                replica.following = Following::Not;
                replica.log.begin(state.leader_epoch);
                let epoch = state.leader_epoch;
                replica.leading = Some(Box::new(Leading::of(state)));
                let log = replica.log.clone();
                // The clock of every follower's lag starts anew; who is not in sync had nothing (`Partition.resetReplicaState`).
                let since = |id: BrokerId| state.isr.contains(&id).then_some(now);
                partition.replicas.iter_mut().for_each(|replica| replica.level_at = since(replica.broker));
                let common = partition.acked.common_with(&log);
                let (acked, id) = (partition.acked.end(), partition.id);
                if common < acked && partition.state.leader_epoch == epoch {
                    partition.acked = partition.acked.cut_to(common);
                    self.lost.push(Lost { partition: id, from: common, to: acked, at: now });
                }
                self.count_gone(place, epoch, &log);
                self.turn_away(before.map(|before| before.waiting).unwrap_or_default());
            }
        }
        self.advance_watermark(place, id);
        self.look_for_outsiders(place, id);
    }

    /// A leader that hears late that a follower left the ISR has been served its fetches all along: the next one shows that it
    /// is level.
    fn look_for_outsiders(&mut self, place: Place, leader: BrokerId) {
        let outsider = self.partition(place).is_some_and(|partition| {
            let Some((own, leading)) = partition.replica(leader).and_then(|own| Some((own, own.leading.as_ref()?)))
            else {
                return false;
            };
            let mut level = partition.replicas.iter().filter(|one| one.is_level_with(leader, own));
            level.any(|one| !leading.isr.contains(&one.broker))
        });
        if outsider {
            self.want_alter(place, leader);
        }
    }

    /// A replica is deleted with its data.
    pub(super) fn drop_replica(&mut self, place: Place, id: BrokerId) {
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.hosted.remove(&place);
            broker.to_alter.remove(&place);
        }
        let Some(partition) = self.partitions.get_mut(place.0) else { return };
        let Some(at) = partition.replicas.iter().position(|replica| replica.broker == id) else { return };
        let replica = partition.replicas.remove(at);
        self.turn_away(replica.leading.map(|leading| leading.waiting).unwrap_or_default());
    }

    fn turn_away(&mut self, waiting: Vec<Waiting>) {
        for waiting in waiting {
            self.answer(waiting.socket, Answer::Refused(Code::NotLeaderOrFollower), timing::PING_WORK);
        }
    }

    pub(super) fn settle_all(&mut self, places: &[Place]) {
        places.iter().for_each(|place| self.settle(*place));
    }
}

impl Leading {
    fn of(state: &State) -> Self {
        let (epoch, partition_epoch) = (state.leader_epoch, state.partition_epoch);
        Self { epoch, partition_epoch, isr: state.isr.clone(), waiting: Vec::new(), replicating: false }
    }

    /// Takes over the ISR of a change in the same epoch, if it is news.
    pub(super) fn hear(&mut self, state: &State) {
        if self.partition_epoch <= state.partition_epoch {
            self.partition_epoch = state.partition_epoch;
            self.isr.clone_from(&state.isr);
        }
    }
}

impl Replica {
    pub(super) fn stop_following(&mut self, now: Timestamp) {
        if self.following == Following::Level {
            self.level_at = Some(now);
        }
        self.following = Following::Not;
    }
}

impl Partition {
    /// Gives level followers what their leader has.
    fn hand_on(&mut self, leader: BrokerId) {
        let Some(at) = self.replicas.iter().position(|replica| replica.broker == leader) else { return };
        // The leader steps aside so that its log can be read while the others' are written.
        let own = self.replicas.swap_remove(at);
        for follower in &mut self.replicas {
            if follower.is_level_with(leader, &own) {
                follower.log.follow(&own.log);
                follower.high_watermark = own.high_watermark;
            }
        }
        self.replicas.push(own);
    }
}

/// Gives the whole records of a stream in a span, and carries the rest over.
pub(super) fn part(carried: &mut u64, per_s: u32, span: Duration) -> u64 {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let all = u64::from(per_s).saturating_mul(micros).saturating_add(*carried);
    *carried = all % timing::MICROS_PER_S;
    all / timing::MICROS_PER_S
}
