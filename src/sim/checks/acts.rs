//! What must hold of every act: committed first, once, in time, in order, under no pause and by no observer.

use std::time::Duration;

use crate::control::event::Errand;
use crate::decide::policy::Mode;
use crate::model::ids::{NodeId, Term};
use crate::model::plan::{Plan, Step, When};
use crate::model::record::{Body, DecisionVerdict, NotSent, Receipt, Record, StepOutcome};
use crate::sim::kafka::talk::{Call, ElectionKind, Request};

use super::sends::Sending;
use super::{Checks, Licence, Machine, Scene, Violation};

/// What timers and roundings may add to a licence.
const SLACK: Duration = Duration::from_millis(2);

/// How long a pause file lies before everybody must know: a look each 250 ms, a report, a commit.
const PAUSE_KNOWN_AFTER: Duration = Duration::from_secs(2);

/// A write of the hand that may have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) node: NodeId,
    pub(super) errand: Errand,
    pub(super) call: Call,
    pub(super) kind: &'static str,
}

/// Writes that are remembered: those of a few errands, each to every controller.
const WRITTEN_MAX: usize = 256;

impl Checks {
    /// The leader's own commit is what lets it send.
    pub(super) fn license(&mut self, scene: Scene<'_>, node: NodeId, kept: &crate::control::event::Kept) {
        let until = |span: Duration| {
            let own = scene.machines.get(&node).map_or(span, |machine| machine.clock.worldly(span));
            scene.now.plus(own).plus(SLACK)
        };
        match &kept.record.body {
            Body::Decided(decision) => {
                let (DecisionVerdict::Act { valid_for, .. }, Some(plan), Some(digest)) =
                    (&decision.verdict, &decision.plan, decision.digest)
                else {
                    return;
                };
                if kept.record.by == node {
                    let (record, term) = (kept.head.index, kept.record.term);
                    let licence = Licence::new(record, term, until(*valid_for), (digest, plan));
                    self.licences.entry(node).or_default().push(licence);
                }
            }
            Body::Continued { plan, steps, valid_for } if kept.record.by == node => {
                let all = self.licences.entry(node).or_default();
                for licence in all.iter_mut().filter(|licence| licence.digest == *plan) {
                    licence.until = until(*valid_for);
                    licence.confirmed = true;
                    // What was not answered was read back, and every partition of it is as wanted.
                    if let Some(number) = licence.unanswered.filter(|number| is_done(*number, &licence.plan, steps)) {
                        licence.unanswered = None;
                        licence.done.insert(number);
                    }
                }
            }
            Body::Outcome(outcome) => {
                self.licences.entry(node).or_default().retain(|licence| licence.digest != outcome.plan);
            }
            _ => {}
        }
    }

    pub(super) fn applies(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        wanted: (Errand, &Step, Term, Duration),
    ) -> Result<(), Violation> {
        let (errand, step, term, within) = wanted;
        self.count("11");
        if scene.policy.mode == Mode::Observe {
            scene.deny("11", Some(node), || "observe-only wants to change Kafka".to_owned())?;
        }
        self.count("2");
        self.count("3");
        self.count("9");
        let licences = self.licences.entry(node).or_default();
        let licence = licences.iter_mut().find(|one| one.term == term && one.plan.steps.contains(step));
        let Some(licence) = licence else {
            return scene
                .deny("2", Some(node), || format!("{} of term {term} has no committed intent", step.act.name()));
        };
        let left = scene.machines.get(&node).map_or(within, |machine| machine.clock.worldly(within));
        if licence.until < scene.now.plus(left) {
            scene.deny("2", Some(node), || format!("a step may be sent for {within:?}: too long"))?;
        }
        in_turn(licence, step).map_or(Ok(()), |(number, what)| scene.deny(number, Some(node), || what))?;
        let again = !licence.applied.insert(step.number);
        licence.confirmed = false;
        let (record, short) = (licence.record, licence.digest.short());
        self.errands.insert((node, errand), (record, step.number, scene.now));
        self.count("S2");
        if again {
            scene.deny("S2", Some(node), || format!("step {} of {short} is sent a second time", step.number))?;
        }
        self.unpaused(scene, node)
    }

    /// The hand is done with an errand.
    pub(super) fn did(&mut self, node: NodeId, errand: Errand, receipt: &Receipt) {
        let Some((record, step, _)) = self.errands.get(&(node, errand)).copied() else { return };
        let licence = self.licences.entry(node).or_default().iter_mut().find(|one| one.record == record);
        let Some(licence) = licence else { return };
        match receipt {
            Receipt::Done { .. } | Receipt::Skipped | Receipt::NotDue => {
                licence.done.insert(step);
            }
            // Nothing of it was sent: with a further commit it may be.
            Receipt::NotSent(NotSent::Expired) => {
                licence.applied.remove(&step);
            }
            Receipt::Unanswered => licence.unanswered = Some(step),
            Receipt::NotSent(_) | Receipt::Refused(_) | Receipt::NotSeen => {
                licence.failed = Some(step);
            }
        }
    }

    /// Nothing is sent under a pause: neither one that is committed nor one of a file that everybody knows of.
    fn unpaused(&mut self, scene: Scene<'_>, node: NodeId) -> Result<(), Violation> {
        self.count("S4");
        let state =
            scene.machines.get(&node).and_then(|machine| machine.process.as_ref()).map(|one| one.controller.state());
        if state.is_some_and(|state| state.paused.is_some()) {
            scene.deny("S4", Some(node), || "acts while automation is paused".to_owned())?;
        }
        self.count("6");
        for (at, since) in &scene.troubles.pause_files {
            let known = PAUSE_KNOWN_AFTER <= scene.now.since(*since);
            let heard = *at == node
                || (scene.net.is_good(*at, node)
                    && scene.machines.get(at).is_some_and(Machine::is_well)
                    && PAUSE_KNOWN_AFTER <= scene.now.since(scene.troubles.ours));
            if known && heard {
                scene.deny("6", Some(node), || format!("acts although {at} has a pause file"))?;
            }
        }
        Ok(())
    }

    pub(super) fn touches(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        errand: Errand,
        (call, request): (Call, &Request),
    ) -> Result<(), Violation> {
        self.count("11");
        if scene.policy.mode == Mode::Observe {
            scene.deny("11", Some(node), || "observe-only changes Kafka".to_owned())?;
        }
        self.not_again(scene, Written { node, errand, call, kind: kind(request) })?;
        self.count("7");
        if let Request::Elect { kind: ElectionKind::Unclean, .. } = request {
            scene.deny("7", Some(node), || "asks for an unclean election".to_owned())?;
        }
        let known = self.errands.get(&(node, errand)).copied();
        let licences = self.licences.get(&node);
        let licence = known.and_then(|(record, ..)| licences?.iter().find(|one| one.record == record)).cloned();
        self.count("S2");
        let Some((licence, (_, step, since))) = licence.zip(known) else {
            return scene.deny("S2", Some(node), || "changes Kafka without a licence".to_owned());
        };
        self.count("S1");
        if licence.until < scene.now {
            let late = scene.now.since(licence.until);
            scene.deny("S1", Some(node), || format!("sends {late:?} after its time was over"))?;
        }
        let newer = self.leading.iter().find(|(other, term)| **other != node && licence.term < **term);
        if let Some((other, term)) = newer {
            let what = || format!("sends in term {} while {other} leads term {term}", licence.term);
            scene.deny("S1", Some(node), what)?;
        }
        self.sends(scene, node, Sending { request, licence: &licence, step, since })
    }

    /// A request that may have been done is not sent again: it is read back.
    fn not_again(&mut self, scene: Scene<'_>, written: Written) -> Result<(), Violation> {
        self.count("10");
        let same = |one: &&Written| {
            (one.node, one.errand, one.kind) == (written.node, written.errand, written.kind) && one.call != written.call
        };
        let again = self.written.iter().any(|one| same(&one));
        self.written.push_back(written);
        while WRITTEN_MAX < self.written.len() {
            self.written.pop_front();
        }
        if again {
            let what = || format!("sends a {} again that may have been done", written.kind);
            return scene.deny("10", Some(written.node), what);
        }
        Ok(())
    }

    /// A call was turned away: nothing was done by it.
    pub(super) fn turned_away(&mut self, call: Call) {
        self.written.retain(|one| one.call != call);
    }

    /// An intent is noted as it is committed first, by whomever.
    pub(super) fn begun(&mut self, scene: Scene<'_>, record: &Record) -> Result<(), Violation> {
        let Body::Decided(decision) = &record.body else { return Ok(()) };
        let (DecisionVerdict::Act { .. }, Some(plan), Some(digest), Some(case)) =
            (&decision.verdict, &decision.plan, decision.digest, record.case)
        else {
            return Ok(());
        };
        self.count("9");
        if let Some(other) = self.open.keys().next() {
            let what = || format!("{} begins while {} is in flight", digest.short(), other.short());
            scene.deny("9", Some(record.by), what)?;
        }
        self.open.insert(digest, scene.now);
        self.plans.insert(digest, (case, plan.clone()));
        Ok(())
    }
}

/// Tells whether receipts say of a whole step that it is done.
fn is_done(number: u16, plan: &Plan, receipts: &[StepOutcome]) -> bool {
    let step = plan.steps.iter().find(|step| step.number == number);
    let receipt = receipts.iter().find(|one| one.step == number).map(|one| &one.receipt);
    let (Some(step), Some(Receipt::Done { done, .. })) = (step, receipt) else { return false };
    step.act.moves().iter().flat_map(|one| one.partitions.iter()).all(|id| done.contains(&id))
}

/// Tells what is wrong with a step's turn, and by which number.
fn in_turn(licence: &Licence, step: &Step) -> Option<(&'static str, String)> {
    if let Some(failed) = licence.failed.or(licence.unanswered) {
        return Some(("9", format!("step {} follows, although step {failed} failed", step.number)));
    }
    if let Some(out) = licence.applied.iter().find(|one| !licence.done.contains(one) && **one != step.number) {
        return Some(("3", format!("step {} is sent while step {out} is out", step.number)));
    }
    let waits = matches!(step.when, When::AfterPrevious | When::Afterwards);
    if waits && !licence.confirmed && !licence.applied.contains(&step.number) {
        return Some(("3", format!("step {} is sent before what went before it was verified", step.number)));
    }
    let other = match step.when {
        When::EchoBehind => When::EchoLevelStillRed,
        When::EchoLevelStillRed => When::EchoBehind,
        _ => return None,
    };
    let both = licence.plan.steps.iter().any(|one| one.when == other && licence.applied.contains(&one.number));
    both.then(|| ("3", format!("step {} is sent, and the one for the opposite case was", step.number)))
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Reassign { .. } => "reorder",
        Request::Elect { .. } => "election",
        Request::Fence { .. } => "fence",
        Request::Unregister(_) => "unregistration",
        _ => "request",
    }
}
