//! What the hand looks up before a write, from one broker after the other: who is registered, and what is being reassigned.
//!
//! Deliberately with the same time for each broker, as in production: whether the step still has any is asked before the write.

use crate::control::event::Errand;
use crate::control::pace::RECHECK_FOR;
use crate::control::turn::whom_to_ask;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Door, Request};

use super::job::{List, Round};
use super::{Failed, HAND, Hand, Stage};

impl List {
    fn request(self) -> Request {
        match self {
            Self::Registered => Request::DescribeCluster,
            Self::Reassigning => Request::ListReassignments,
        }
    }
}

impl Hand {
    /// Asks for a list: those that an errand may ask, first whoever has just answered, one after the other until one gives it.
    pub(super) fn look_up(&mut self, desk: &mut Desk<'_>, errand: Errand, list: List) {
        let within = match self.mandate(desk, errand) {
            Ok(left) => left.min(RECHECK_FOR),
            Err(why) => return self.fail(desk, errand, why),
        };
        let (brokers, heard) = self.whom(errand);
        let peers = whom_to_ask(brokers, 0, |door| heard.contains(door)).into();
        self.list_next(desk, errand, Round { list, peers, within });
    }

    pub(super) fn list_next(&mut self, desk: &mut Desk<'_>, errand: Errand, mut round: Round) {
        let Some(door) = round.peers.pop_front() else { return self.fail(desk, errand, Failed::Unreachable) };
        let line = desk.line(door, HAND);
        let call = desk.ask(line, round.list.request());
        self.calls.insert(call, errand);
        let within = round.within;
        self.enter(desk, errand, Stage::Listing { round, door, call }, within);
    }

    /// A broker gave the list, or would not.
    pub(super) fn listed(&mut self, desk: &mut Desk<'_>, errand: Errand, (round, door): (Round, Door), answer: Answer) {
        match (round.list, answer) {
            (List::Registered, Answer::Cluster { registered, includes_fenced }) => {
                self.hears(errand, Some(door));
                self.told_who_is_registered(desk, errand, includes_fenced.then_some(&registered));
            }
            (List::Reassigning, Answer::Reassignments(moving)) => self.leave_to_others(desk, errand, &moving),
            (List::Registered | List::Reassigning, _) => {
                self.forget(desk, door);
                self.list_next(desk, errand, round);
            }
        }
    }
}
