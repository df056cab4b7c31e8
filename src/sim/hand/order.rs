//! A step that moves leaders: the facts are read again, what still fits and nobody else is moving is reordered, then elected.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::event::Errand;
use crate::control::pace::RECHECK_FOR;
use crate::decide::fit::{Checked, Ready, is_patient, merged, sort_moves};
use crate::model::ids::PartitionId;
use crate::model::plan::{Act, Intention, Move};
use crate::model::record::StepRefusal;
use crate::model::topology::Topology;
use crate::sim::desk::Desk;
use crate::sim::kafka::code::Code;
use crate::sim::kafka::talk::Reassigning;
use crate::sim::sabotage::Sabotage;

use super::job::List;
use super::{Applying, Failed, Halfway, Hand, Sending, Stage, Work, receipt};

impl Hand {
    pub(super) fn applying(&mut self, errand: Errand) -> Option<&mut Applying> {
        match &mut self.jobs.get_mut(&errand)?.work {
            Work::Apply(applying) => Some(applying),
            Work::ReadBack => None,
        }
    }

    /// The last look before the write; a saboteur takes the plan's facts for the present ones.
    pub(super) fn look_again(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        if self.options.sabotage != Sabotage::ActsOnOldFacts {
            return self.refresh(desk, errand);
        }
        let Some(applying) = self.applying(errand) else { return };
        applying.ready = applying.step.act.moves().iter().flat_map(as_planned).collect();
        self.begin_writing(desk, errand);
    }

    /// Reads the partitions of the moves again, from brokers that are not to lose them.
    fn refresh(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        let within = match self.mandate(desk, errand) {
            Ok(left) => left.min(RECHECK_FOR),
            Err(why) => return self.fail(desk, errand, why),
        };
        let avoid = self.applying(errand).map(|applying| applying.avoid.clone()).unwrap_or_default();
        let brokers = self.brokers(&avoid);
        if brokers.is_empty() {
            return self.fail(desk, errand, Failed::Unreachable);
        }
        let asked = self.ask_shapes(desk, errand, &brokers);
        self.enter(desk, errand, Stage::Fresh { asked, answers: Vec::new() }, within);
    }

    /// The facts are read again, from two brokers or from one: the newer view of each partition is believed.
    pub(super) fn refreshed(&mut self, desk: &mut Desk<'_>, errand: Errand, answers: &[Arc<Topology>]) {
        if answers.is_empty() {
            return self.fail(desk, errand, Failed::Unreachable);
        }
        let fresh = merged(answers.iter().map(|view| (**view).clone()));
        let Some(applying) = self.applying(errand) else { return };
        let intention = applying.step.act.intention();
        let Checked { ready, already, left_out } = sort_moves(applying.step.act.moves(), intention, &fresh);
        applying.done = already;
        applying.left_out = left_out;
        applying.ready = ready;
        if is_patient(&applying.step) {
            return self.look_up(desk, errand, List::Reassigning);
        }
        self.write_what_fits(desk, errand);
    }

    /// Leaves out the partitions that somebody is reassigning: a new order would cancel that.
    pub(super) fn leave_to_others(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        moving: &BTreeMap<PartitionId, Reassigning>,
    ) {
        let Some(applying) = self.applying(errand) else { return };
        let theirs = applying.ready.iter().map(|one| one.id).filter(|id| moving.contains_key(id));
        applying.left_out.extend(theirs.map(|id| (StepRefusal::Stale, id)));
        applying.ready.retain(|one| !moving.contains_key(&one.id));
        self.write_what_fits(desk, errand);
    }

    /// Goes on to the write, unless nothing of the step fits.
    fn write_what_fits(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        let Some(applying) = self.applying(errand) else { return };
        if applying.ready.is_empty() && applying.done.is_empty() {
            return self.fail(desk, errand, Failed::Stale);
        }
        self.begin_writing(desk, errand);
    }

    /// Reorders what is not in order yet, and elects then.
    fn begin_writing(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        let Some(applying) = self.applying(errand) else { return };
        let unordered = applying.ready.iter().any(|one| !one.ordered);
        if unordered && !matches!(applying.step.act, Act::Prefer { .. }) {
            return self.send(desk, errand, Sending::Reorder);
        }
        self.elect(desk, errand);
    }

    /// After the orders stand: elects, where the step wants that.
    fn elect(&mut self, desk: &mut Desk<'_>, errand: Errand) {
        let Some(applying) = self.applying(errand) else { return };
        let wanted = applying.step.act.intention() == Intention::OrderAndLeader;
        if wanted && !applying.ready.is_empty() {
            return self.send(desk, errand, Sending::Prefer);
        }
        self.complete(errand);
    }

    fn complete(&mut self, errand: Errand) {
        let Some(applying) = self.applying(errand) else { return };
        let standing: Vec<PartitionId> = applying.ready.iter().map(|one| one.id).collect();
        applying.done.extend(standing);
        let receipt = receipt(&applying.done, &applying.left_out);
        self.finish(errand, receipt, None);
    }

    /// Kafka said of each partition whether it was done.
    pub(super) fn outcomes(
        &mut self,
        desk: &mut Desk<'_>,
        errand: Errand,
        what: Sending,
        outcomes: &BTreeMap<PartitionId, Option<Code>>,
    ) {
        if outcomes.values().any(|code| *code == Some(Code::RequestTimedOut)) {
            // What timed out may have had its effect all the same.
            return self.fail(desk, errand, Failed::Unanswered);
        }
        let Some(applying) = self.applying(errand) else { return };
        let fine = |code: Code| what == Sending::Prefer && code == Code::ElectionNotNeeded;
        let refused: Vec<(StepRefusal, PartitionId)> = outcomes
            .iter()
            .filter_map(|(id, code)| Some((refused_with(code.filter(|code| !fine(*code))?), *id)))
            .collect();
        applying.ready.retain(|one| !refused.iter().any(|(_, id)| *id == one.id));
        applying.left_out.extend(refused);
        if what == Sending::Reorder {
            applying.halfway = Halfway::Reordered;
        }
        if what == Sending::Reorder { self.elect(desk, errand) } else { self.complete(errand) }
    }
}

/// Gives the partitions of a move as its plan has them.
fn as_planned(one: &Move) -> Vec<Ready> {
    let ordered = one.from == one.to;
    one.partitions.iter().map(|id| Ready { id, to: one.to.clone(), ordered }).collect()
}

/// Gives what an error code of one partition means for its step.
fn refused_with(code: Code) -> StepRefusal {
    match code {
        Code::PreferredLeaderNotAvailable => StepRefusal::PreferredNotAvailable,
        Code::ClusterAuthorizationFailed | Code::TopicAuthorizationFailed => StepRefusal::Denied,
        Code::UnknownTopicOrPartition => StepRefusal::Stale,
        other => StepRefusal::Kafka(other.number()),
    }
}
