//! One request to the active controller (or through a broker): sent once, unless it is certain that nothing was done.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control::event::{Errand, Role};
use crate::control::pace::RECHECK_FOR;
use crate::model::plan::Act;
use crate::model::record::StepRefusal;
use crate::sim::desk::Desk;
use crate::sim::kafka::code::Code;
use crate::sim::kafka::talk::{Answer, Call, Door, ElectionKind, Order, ReplicaCount, Request};
use crate::sim::sabotage::Sabotage;
use crate::sim::stimulus::Note;

use super::{Failed, HAND, Hand, Sending, Stage, Work, receipt};

impl Hand {
    /// This node's place in the trio changed.
    pub(in crate::sim) fn became(&mut self, role: Role) {
        self.role = role;
    }

    /// Tells whether another term has begun since a step was committed.
    fn is_deposed(&self, errand: Errand) -> bool {
        self.jobs.get(&errand).is_some_and(|job| match &job.work {
            Work::Apply(applying) => self.role != Role::Leading(applying.term),
            Work::ReadBack => false,
        })
    }

    /// Gives how long a request may take; production asks so right before each look and each write.
    pub(super) fn mandate(&self, desk: &Desk<'_>, errand: Errand) -> Result<Duration, Failed> {
        if self.is_deposed(errand) {
            return Err(Failed::Deposed);
        }
        let late = (self.options.sabotage == Sabotage::SendsLate).then_some(RECHECK_FOR);
        self.left(desk, errand).or(late).ok_or(Failed::Expired)
    }

    /// Sends a request to the first peer that takes it.
    pub(super) fn send(&mut self, desk: &mut Desk<'_>, errand: Errand, what: Sending) {
        let peers = self.peers(errand);
        self.try_next(desk, errand, what, peers);
    }

    fn peers(&mut self, errand: Errand) -> VecDeque<Door> {
        let (brokers, heard) = self.whom(errand);
        let doors: Vec<Door> = if self.options.controllers.is_empty() {
            brokers
        } else {
            self.options.controllers.iter().copied().map(Door::Controller).collect()
        };
        self.turn.order(doors, &heard).into()
    }

    pub(super) fn try_next(&mut self, desk: &mut Desk<'_>, errand: Errand, what: Sending, mut peers: VecDeque<Door>) {
        let Some(door) = peers.pop_front() else { return self.fail(desk, errand, Failed::Unreachable) };
        let left = match self.mandate(desk, errand) {
            Ok(left) => left,
            Err(why) => return self.fail(desk, errand, why),
        };
        let line = desk.line(door, HAND);
        if self.open.contains(&line) {
            return self.write(desk, errand, what, (door, peers));
        }
        let call = desk.connect(line);
        self.calls.insert(call, errand);
        self.enter(desk, errand, Stage::Knocking { what, peers, door, call }, left.min(RECHECK_FOR));
    }

    pub(super) fn opened(&mut self, desk: &mut Desk<'_>, errand: Errand, call: Call) {
        let Some(job) = self.jobs.get_mut(&errand) else { return };
        match std::mem::replace(&mut job.stage, Stage::Resting) {
            Stage::Knocking { what, peers, door, call: waited } if waited == call => {
                self.write(desk, errand, what, (door, peers));
            }
            other => self.put_back(errand, other),
        }
    }

    /// The last look at the clock and at who leads, and the write.
    fn write(&mut self, desk: &mut Desk<'_>, errand: Errand, what: Sending, peer: (Door, VecDeque<Door>)) {
        let (door, peers) = peer;
        let left = match self.mandate(desk, errand) {
            Ok(left) => left,
            Err(why) => return self.fail(desk, errand, why),
        };
        let Some(request) = self.request(desk, errand, what) else {
            return self.fail(desk, errand, Failed::Unreachable);
        };
        let line = desk.line(door, HAND);
        let call = desk.ask(line, request.clone());
        desk.note(Note::Touches { errand, call, request: Box::new(request) });
        self.calls.insert(call, errand);
        self.enter(desk, errand, Stage::Sent { what, peers, door, call }, left);
    }

    fn request(&mut self, desk: &Desk<'_>, errand: Errand, what: Sending) -> Option<Request> {
        let sabotage = self.options.sabotage;
        let applying = self.applying(errand)?;
        Some(match (what, &applying.step.act) {
            (Sending::Reorder, _) => {
                let unordered = applying.ready.iter().filter(|one| !one.ordered);
                let orders = unordered.map(|one| Order { partition: one.id, replicas: Some(one.to.clone()) }).collect();
                Request::Reassign { orders, count: ReplicaCount::Kept }
            }
            (Sending::Prefer, _) => {
                let partitions = applying.ready.iter().map(|one| one.id).collect();
                let uncleanly = sabotage == Sabotage::ElectsUncleanly;
                let kind = if uncleanly { ElectionKind::Unclean } else { ElectionKind::Preferred };
                Request::Elect { kind, partitions: Some(partitions) }
            }
            (Sending::Fence, Act::Fence { broker, epoch }) => {
                // A saboteur fences whatever life is registered now.
                let newest = || desk.kafka.truth().registration(*broker).map(|one| one.epoch);
                let now = (sabotage == Sabotage::FencesAnyLife).then(newest).flatten();
                Request::Fence { broker: *broker, epoch: now.unwrap_or(*epoch) }
            }
            (Sending::Unregister, Act::Unregister { broker, .. }) => Request::Unregister(*broker),
            (Sending::Fence | Sending::Unregister, _) => return None,
        })
    }

    /// A request that may have had its effect was not answered.
    pub(super) fn unanswered(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        what: Sending,
        (door, peers): (Door, VecDeque<Door>),
    ) {
        self.turn.left_unanswered(&door);
        if self.options.sabotage == Sabotage::ResendsBlindly && !peers.is_empty() {
            return self.try_next(desk, errand, what, peers);
        }
        self.fail(desk, errand, Failed::Unanswered);
    }

    pub(super) fn heard_back(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        sent: (Sending, Door, VecDeque<Door>),
        answer: Answer,
    ) {
        let (what, door, peers) = sent;
        if let Answer::Refused(Code::NotController | Code::NotLeaderOrFollower) = answer {
            self.turn.heard(&door);
            return self.try_next(desk, errand, what, peers);
        }
        if !matches!(answer, Answer::Refused(_)) {
            self.turn.answered(&door);
        }
        match (what, answer) {
            (Sending::Reorder | Sending::Prefer, Answer::Outcomes(outcomes)) => {
                self.outcomes(desk, errand, what, &outcomes);
            }
            (Sending::Fence, Answer::Fenced) | (Sending::Unregister, Answer::Unregistered) => {
                self.finish(errand, receipt(&[], &[]), None);
            }
            (Sending::Fence, Answer::Refused(Code::StaleBrokerEpoch)) => {
                self.fail(desk, errand, Failed::Refused(StepRefusal::NewIncarnation));
            }
            // It is gone already: applying a step twice changes nothing the second time.
            (Sending::Unregister, Answer::Refused(Code::BrokerIdNotRegistered)) => {
                self.finish(errand, receipt(&[], &[]), None);
            }
            (_, Answer::Refused(Code::ClusterAuthorizationFailed | Code::TopicAuthorizationFailed)) => {
                self.fail(desk, errand, Failed::Refused(StepRefusal::Denied));
            }
            // It may have had its effect all the same.
            (_, Answer::Refused(Code::RequestTimedOut)) => self.unanswered(desk, errand, what, (door, peers)),
            (_, Answer::Refused(code)) => {
                self.fail(desk, errand, Failed::Refused(StepRefusal::Kafka(code.number())));
            }
            (_, _) => self.fail(desk, errand, Failed::Unanswered),
        }
    }
}
