//! A read-back: the shape of the cluster from two brokers, each one's own view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::control::event::{Errand, Event, Views};
use crate::control::pace::{READ_BACK_REST, READ_BACK_WITHIN};
use crate::model::ids::BrokerId;
use crate::model::topology::Topology;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Answer, Call, Door};

use super::{Hand, Job, Stage, Work};

impl Hand {
    /// Reads the shape of the cluster back from at least two brokers other than `not`.
    pub(in crate::sim) fn read_back(&mut self, desk: &mut Desk<'_>, errand: Errand, not: BTreeSet<BrokerId>) {
        let brokers = self.brokers(&not);
        // A lone survivor is believed: nobody else is left to ask.
        let wanted = brokers.len().clamp(1, 2);
        let deadline = desk.now().plus(READ_BACK_WITHIN);
        let stage = Stage::Resting;
        self.jobs.insert(errand, Job { work: Work::ReadBack, deadline, stage, turn: 0 });
        let asked = self.ask_shapes(desk, errand, &brokers);
        if asked.is_empty() {
            return self.read_in_vain(desk, errand, &[], wanted);
        }
        self.enter(desk, errand, Stage::Reading { asked, answers: Vec::new(), wanted }, READ_BACK_WITHIN);
    }

    pub(super) fn read_one(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        reading: (BTreeMap<Call, Door>, Vec<Arc<Topology>>, usize),
        (call, answer): (Call, Answer),
    ) {
        let (mut asked, mut answers, wanted) = reading;
        let door = asked.remove(&call);
        if let Answer::Metadata(topology) = answer {
            answers.push(topology);
        } else if let Some(door) = door {
            self.forget(desk, door);
        }
        if wanted <= answers.len() {
            self.done_with(errand);
            return self.done.push(Event::ReadBack { errand, views: views(&answers, wanted) });
        }
        if asked.is_empty() {
            return self.read_in_vain(desk, errand, &answers, wanted);
        }
        self.put_back(errand, Stage::Reading { asked, answers, wanted });
    }

    pub(super) fn read_in_vain(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        answers: &[Arc<Topology>],
        wanted: usize,
    ) {
        self.enter(desk, errand, Stage::Telling(views(answers, wanted)), READ_BACK_REST);
    }
}

fn views(answers: &[Arc<Topology>], wanted: usize) -> Views {
    Views { shapes: answers.iter().map(|view| (**view).clone()).collect(), wanted }
}
