//! The hand of one process in the pretended world: it re-reads the facts just before it writes, sends once, and says what it
//! did, as production's does.
//!
//! Deliberately a state machine over calls and timers. The rules of the last look (`decide::fit`) and of who is
//! asked first (`control::turn`) are production's own.

mod job;
mod list;
mod order;
mod read;
mod send;
#[cfg(test)]
mod tests;
mod unregister;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::control::event::{Errand, Event, Role, StepResult};
use crate::control::pace::{LEAST, VIEWS};
use crate::control::turn::Turn;
use crate::decide::fit::{avoided, receipt};
use crate::model::ids::{BrokerId, ControllerId, Term};
use crate::model::plan::{Act, Step};
use crate::model::record::{NotSent, Receipt, StepRefusal};

use super::desk::Desk;
use super::kafka::talk::{Answer, Call, Door, Heard, Line, News, Request};
use super::sabotage::Sabotage;
use super::stimulus::Stimulus;
use job::{Applying, Failed, Halfway, Job, Sending, Stage, Work};

/// The hand's lane at every door.
const HAND: u8 = 9;

/// Its lane at a broker that is to be struck off: whether it answers is heard over a line opened now.
const LAST_CALL: u8 = 10;

/// Where the cluster is, for the hand.
#[derive(Debug, Clone)]
pub(in crate::sim) struct HandOptions {
    pub(in crate::sim) brokers: Vec<BrokerId>,
    /// Empty: everything goes through brokers.
    pub(in crate::sim) controllers: Vec<ControllerId>,
    pub(in crate::sim) sabotage: Sabotage,
}

/// The hand of one process.
#[derive(Debug)]
pub(in crate::sim) struct Hand {
    options: HandOptions,
    jobs: BTreeMap<Errand, Job>,
    calls: BTreeMap<Call, Errand>,
    /// Lines that stand, as far as the hand knows.
    open: BTreeSet<Line>,
    /// Who is asked for the next change.
    turn: Turn<Door>,
    /// This node's place in the trio.
    role: Role,
    done: Vec<Event>,
}

impl Hand {
    /// Gives a hand that has opened nothing yet.
    pub(in crate::sim) fn new(options: HandOptions) -> Self {
        Self {
            options,
            jobs: BTreeMap::new(),
            calls: BTreeMap::new(),
            open: BTreeSet::new(),
            turn: Turn::default(),
            role: Role::Leaderless(Term(0)),
            done: Vec::new(),
        }
    }

    /// Applies a step; nothing is sent once the time `within` has passed or the term is over.
    pub(in crate::sim) fn apply(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        step: Step,
        (term, within): (Term, Duration),
    ) {
        let deadline = desk.now().plus(within);
        let act = step.act.clone();
        let applying = Applying {
            step,
            term,
            avoid: avoided(&act),
            heard: Vec::new(),
            ready: Vec::new(),
            done: Vec::new(),
            left_out: Vec::new(),
            halfway: Halfway::NothingSent,
        };
        let stage = Stage::Resting;
        self.jobs.insert(errand, Job { work: Work::Apply(Box::new(applying)), deadline, stage, turn: 0 });
        match act {
            Act::Reorder { .. } | Act::Elect { .. } | Act::Prefer { .. } => self.look_again(desk, errand),
            Act::Fence { .. } if self.options.controllers.is_empty() => self.fail(desk, errand, Failed::Unreachable),
            Act::Fence { .. } => self.send(desk, errand, Sending::Fence),
            Act::Unregister { .. } => self.look_who_is_registered(desk, errand),
        }
    }

    /// Gives what has been done since last asked.
    pub(in crate::sim) fn take_done(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.done)
    }

    /// Gives how many requests are under way.
    pub(in crate::sim) fn under_way(&self) -> usize {
        self.calls.len()
    }

    /// A timer of an errand is over.
    pub(in crate::sim) fn due(&mut self, desk: &mut Desk<'_>, errand: Errand, turn: u32) {
        let Some(job) = self.jobs.get_mut(&errand).filter(|job| job.turn == turn) else { return };
        match std::mem::replace(&mut job.stage, Stage::Resting) {
            Stage::Fresh { asked, answers } => {
                asked.into_values().for_each(|door| self.forget(desk, door));
                self.refreshed(desk, errand, &answers);
            }
            Stage::Listing { round, door, .. } => {
                self.forget(desk, door);
                self.list_next(desk, errand, round);
            }
            Stage::Calling { line, .. } => self.called(desk, errand, line, None),
            Stage::Knocking { what, peers, door, .. } => {
                self.forget(desk, door);
                self.turn.left_unanswered(&door);
                self.try_next(desk, errand, what, peers);
            }
            Stage::Sent { what, peers, door, .. } => {
                self.forget(desk, door);
                self.unanswered(desk, errand, what, (door, peers));
            }
            Stage::Reading { asked, answers, wanted } => {
                asked.into_values().for_each(|door| self.forget(desk, door));
                self.read_in_vain(desk, errand, &answers, wanted);
            }
            Stage::Telling(views) => {
                self.done_with(errand);
                self.done.push(Event::ReadBack { errand, views });
            }
            Stage::Resting => {}
        }
    }

    /// Kafka was heard on one of the hand's lines.
    pub(in crate::sim) fn heard(&mut self, desk: &mut Desk<'_>, heard: Heard) {
        let Heard { line, call, news, .. } = heard;
        match news {
            News::Opened => {
                self.open.insert(line);
                if let Some(errand) = self.calls.remove(&call) {
                    self.opened(desk, errand, call);
                }
            }
            News::Answered { answer, .. } => {
                self.open.insert(line);
                if let Some(errand) = self.calls.remove(&call) {
                    self.answered(desk, errand, call, *answer);
                }
            }
            News::Refused | News::Closed => {
                self.open.remove(&line);
                let broken: Vec<(Errand, Call)> = self
                    .calls
                    .iter()
                    .filter(|(waiting, errand)| **waiting == call || self.waits_on(**errand, **waiting, line))
                    .map(|(waiting, errand)| (*errand, *waiting))
                    .collect();
                for (errand, waiting) in broken {
                    self.calls.remove(&waiting);
                    self.broken(desk, errand, waiting);
                }
            }
            News::Metadata(_) => {}
        }
    }

    /// Tells whether an errand's call is out on this line.
    fn waits_on(&self, errand: Errand, waiting: Call, line: Line) -> bool {
        self.jobs.get(&errand).is_some_and(|job| match &job.stage {
            Stage::Listing { door, call, .. } | Stage::Knocking { door, call, .. } | Stage::Sent { door, call, .. } => {
                (*door, HAND) == (line.to, line.lane) && *call == waiting
            }
            Stage::Fresh { asked, .. } | Stage::Reading { asked, .. } => {
                asked.get(&waiting).is_some_and(|door| (*door, HAND) == (line.to, line.lane))
            }
            // A line that one call has opened is known by that call.
            Stage::Calling { .. } | Stage::Telling(_) | Stage::Resting => false,
        })
    }

    fn answered(&mut self, desk: &mut Desk<'_>, errand: Errand, call: Call, answer: Answer) {
        let Some(job) = self.jobs.get_mut(&errand) else { return };
        match std::mem::replace(&mut job.stage, Stage::Resting) {
            Stage::Fresh { mut asked, mut answers } if asked.contains_key(&call) => {
                let door = asked.remove(&call);
                if let Answer::Metadata(topology) = answer {
                    answers.push(topology);
                    self.hears(errand, door);
                } else if let Some(door) = door {
                    self.forget(desk, door);
                }
                if asked.is_empty() || VIEWS <= answers.len() {
                    return self.refreshed(desk, errand, &answers);
                }
                self.put_back(errand, Stage::Fresh { asked, answers });
            }
            Stage::Listing { round, door, call: waited } if waited == call => {
                self.listed(desk, errand, (round, door), answer);
            }
            Stage::Calling { line, call: waited } if waited == call => self.called(desk, errand, line, Some(answer)),
            Stage::Reading { asked, answers, wanted } if asked.contains_key(&call) => {
                self.read_one(desk, errand, (asked, answers, wanted), (call, answer));
            }
            Stage::Sent { what, peers, door, call: waited } if waited == call => {
                self.heard_back(desk, errand, (what, door, peers), answer);
            }
            other => self.put_back(errand, other),
        }
    }

    /// Gives the brokers that an errand may ask, and who of all has just answered it.
    fn whom(&mut self, errand: Errand) -> (Vec<Door>, Vec<Door>) {
        let whom = self.applying(errand).map(|applying| (applying.avoid.clone(), applying.heard.clone()));
        let (avoid, heard) = whom.unwrap_or_default();
        (self.brokers(&avoid).into_iter().map(Door::Broker).collect(), heard)
    }

    /// Whoever has just answered a look is asked first for what follows.
    fn hears(&mut self, errand: Errand, door: Option<Door>) {
        if let Some(applying) = self.applying(errand) {
            applying.heard.extend(door);
        }
    }

    /// A call will not be answered: its line is gone, or never stood.
    fn broken(&mut self, desk: &mut Desk<'_>, errand: Errand, call: Call) {
        let Some(job) = self.jobs.get_mut(&errand) else { return };
        match std::mem::replace(&mut job.stage, Stage::Resting) {
            Stage::Fresh { mut asked, answers } => {
                asked.remove(&call);
                if asked.is_empty() {
                    return self.refreshed(desk, errand, &answers);
                }
                self.put_back(errand, Stage::Fresh { asked, answers });
            }
            Stage::Reading { mut asked, answers, wanted } => {
                asked.remove(&call);
                if asked.is_empty() {
                    return self.read_in_vain(desk, errand, &answers, wanted);
                }
                self.put_back(errand, Stage::Reading { asked, answers, wanted });
            }
            Stage::Listing { round, call: waited, .. } if waited == call => self.list_next(desk, errand, round),
            Stage::Calling { line, call: waited } if waited == call => self.called(desk, errand, line, None),
            Stage::Knocking { what, peers, door, call: waited } if waited == call => {
                self.turn.left_unanswered(&door);
                self.try_next(desk, errand, what, peers);
            }
            Stage::Sent { what, peers, door, call: waited } if waited == call => {
                self.unanswered(desk, errand, what, (door, peers));
            }
            other => self.put_back(errand, other),
        }
    }

    fn put_back(&mut self, errand: Errand, stage: Stage) {
        if let Some(job) = self.jobs.get_mut(&errand) {
            job.stage = stage;
        }
    }

    fn enter(&mut self, desk: &mut Desk<'_>, errand: Errand, stage: Stage, within: Duration) {
        let Some(job) = self.jobs.get_mut(&errand) else { return };
        job.stage = stage;
        job.turn = job.turn.wrapping_add(1);
        desk.later(within, Stimulus::Hand(errand, job.turn));
    }

    /// Gives the brokers to ask, but for `not`.
    fn brokers(&self, not: &BTreeSet<BrokerId>) -> Vec<BrokerId> {
        self.options.brokers.iter().filter(|id| !not.contains(id)).copied().collect()
    }

    fn ask_shapes(&mut self, desk: &mut Desk<'_>, errand: Errand, brokers: &[BrokerId]) -> BTreeMap<Call, Door> {
        let mut asked = BTreeMap::new();
        for broker in brokers {
            let door = Door::Broker(*broker);
            let call = desk.ask(desk.line(door, HAND), Request::Metadata);
            self.calls.insert(call, errand);
            asked.insert(call, door);
        }
        asked
    }

    /// Gives a line up, unless another errand waits on it: in production that one holds the connection until it is done.
    fn forget(&mut self, desk: &mut Desk<'_>, door: Door) {
        let line = desk.line(door, HAND);
        if self.calls.iter().any(|(call, errand)| self.waits_on(*errand, *call, line)) {
            return;
        }
        self.open.remove(&line);
        desk.close(line);
    }

    fn left(&self, desk: &Desk<'_>, errand: Errand) -> Option<Duration> {
        let job = self.jobs.get(&errand)?;
        let left = job.deadline.since(desk.now());
        (LEAST <= left).then_some(left)
    }

    /// Whoever of those that were asked has not answered is waited for no more.
    fn done_with(&mut self, errand: Errand) {
        self.jobs.remove(&errand);
        self.calls.retain(|_, owner| *owner != errand);
    }

    fn finish(&mut self, errand: Errand, receipt: Receipt, said: Option<String>) {
        self.done_with(errand);
        self.done.push(Event::Applied { errand, result: StepResult { receipt, said } });
    }

    fn fail(&mut self, _desk: &mut Desk<'_>, errand: Errand, why: Failed) {
        let said = Some(format!("{why:?}"));
        let halfway = self.applying(errand).map_or(Halfway::NothingSent, |applying| applying.halfway);
        let why = if halfway == Halfway::Reordered { Failed::Unanswered } else { why };
        let receipt = match why {
            Failed::Stale => Receipt::Refused(StepRefusal::Stale),
            Failed::Refused(why) => Receipt::Refused(why),
            Failed::Unreachable => Receipt::NotSent(NotSent::Unreachable),
            Failed::Unanswered => Receipt::Unanswered,
            Failed::Deposed => Receipt::NotSent(NotSent::Deposed),
            Failed::Expired => Receipt::NotSent(NotSent::Expired),
        };
        self.finish(errand, receipt, said);
    }
}
