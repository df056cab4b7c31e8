//! What must hold of the chain: nothing is lost on the way from one leader to the next, time runs forwards, no gap shows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::control::event::Kept;
use crate::control::state::State;
use crate::model::chain::Head;
use crate::model::ids::{BrokerId, NodeId, PartitionId};
use crate::model::plan::{Intention, Origin, Plan};
use crate::model::record::{Attention, Body, DecisionVerdict, End, Outcome, Receipt, Record, Stage};
use crate::model::time::LogTime;

use super::{Checks, Scene, Violation};

/// How far log time may be ahead of the true time that has passed: roundings, and clocks that run a little fast.
const AHEAD_MAX: Duration = Duration::from_secs(1);
const FAST_PERMILLE: u32 = 1100;

/// How long a person may have to wait to be told that an outcome is unknown, the trio being well.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

impl Checks {
    /// A record was kept by a node.
    pub(super) fn kept(&mut self, scene: Scene<'_>, node: NodeId, kept: &Kept) -> Result<(), Violation> {
        let first = self.chained(scene, node, kept)?;
        self.license(scene, node, kept);
        if !first {
            return Ok(());
        }
        self.continues(scene, kept)?;
        self.on_time(scene, &kept.record)?;
        self.opened(scene, &kept.record);
        self.remember(scene, &kept.record);
        if kept.record.body == Body::Led {
            // Before it decides anything: what its predecessors left must be known to it.
            self.look_at_ledger(scene, &scene.everybody())?;
        }
        match &kept.record.body {
            Body::PolicyIs { settings } => {
                self.ruled(&kept.record, settings);
                Ok(())
            }
            Body::Decided(decision) => {
                self.decided(scene, &kept.record, decision)?;
                self.begun(scene, &kept.record)
            }
            Body::Opinion(opinion) => self.quoted(scene, &kept.record, opinion),
            Body::Approved { plan, by, .. } => {
                self.approvals.entry(*plan).or_default().insert(by.clone());
                Ok(())
            }
            Body::Outcome(outcome) => self.ended(scene, &kept.record, outcome),
            _ => Ok(()),
        }
    }

    /// Each record follows the one before it, by number and by hash.
    fn continues(&mut self, scene: Scene<'_>, kept: &Kept) -> Result<(), Violation> {
        self.count("14");
        let follows = self.head.extend(&kept.bytes);
        let fits = follows == kept.head;
        self.head = kept.head;
        if fits {
            return Ok(());
        }
        let what = || format!("record {} does not follow the one before it", kept.head.index);
        scene.deny("14", Some(kept.record.by), what)
    }

    /// Log time never goes back, and is never ahead of the time that has passed, whatever the clocks on the wall show.
    fn on_time(&mut self, scene: Scene<'_>, record: &Record) -> Result<(), Violation> {
        self.count("12");
        let (began, first) = *self.began.get_or_insert((scene.now, record.at));
        let passed = scene.now.since(began).saturating_mul(FAST_PERMILLE) / 1000;
        let says = record.at.since(first);
        if passed.saturating_add(AHEAD_MAX) < says {
            let what = || format!("log time says {says:?} have passed, and {passed:?} have");
            scene.deny("12", Some(record.by), what)?;
        }
        let newest = self.newest_at.max(record.at);
        let before = std::mem::replace(&mut self.newest_at, newest);
        if record.at < before {
            return scene.deny("12", Some(record.by), || format!("log time goes back from {before} to {}", record.at));
        }
        Ok(())
    }

    /// Counts again what the trio must not forget.
    fn remember(&mut self, scene: Scene<'_>, record: &Record) {
        match &record.body {
            Body::Paused { .. } => self.paused = Some(record.at),
            Body::Resumed { .. } => self.paused = None,
            Body::Closed { .. } => self.undo.retain(|_, case| Some(*case) != record.case),
            Body::Attention { what: Attention::UnknownOutcome { plan } } => {
                self.told.insert(*plan);
                self.untold.remove(plan);
            }
            Body::Decided(decision) => {
                let (DecisionVerdict::Act { cool_down_until, .. }, Some(plan), Some(case)) =
                    (&decision.verdict, &decision.plan, record.case)
                else {
                    return;
                };
                if let Origin::Finding { broker, .. } = &plan.origin {
                    self.cool_downs.insert(*broker, *cool_down_until);
                    for id in plan.undo.iter().flat_map(|order| order.partitions.iter()) {
                        self.undo.entry(id).or_insert(case);
                    }
                }
            }
            Body::Outcome(outcome) if outcome.end == End::Unknown && !self.told.contains(&outcome.plan) => {
                self.untold.insert(outcome.plan, scene.now);
            }
            _ => {}
        }
    }

    /// An intent was closed: what it moved is counted, and every step has its receipt.
    fn ended(&mut self, scene: Scene<'_>, record: &Record, outcome: &Outcome) -> Result<(), Violation> {
        self.count("14");
        let node = Some(record.by);
        self.open.remove(&outcome.plan);
        let Some((case, plan)) = self.plans.get(&outcome.plan).cloned() else {
            return scene.deny("14", node, || format!("{} ends without having begun", outcome.plan.short()));
        };
        let told: BTreeSet<u16> = outcome.steps.iter().map(|one| one.step).collect();
        if plan.steps.iter().any(|step| !told.contains(&step.number)) {
            scene.deny("14", node, || format!("{} ends, and not every step has a receipt", outcome.plan.short()))?;
        }
        // Whoever reconciles another leader's intent reads back first and has no timeline to show.
        let own = self.licensed_by.get(&outcome.plan) == Some(&(record.by, record.term));
        let verified = outcome.timeline.iter().any(|mark| matches!(mark.stage, Stage::Verified | Stage::VerifiedByOne));
        if own && outcome.end == End::Done && !verified {
            let what = || format!("{} is said to be done, and nothing says how that is known", outcome.plan.short());
            scene.deny("14", node, what)?;
        }
        let gives_back = !matches!(plan.origin, Origin::Finding { .. });
        for (id, step) in done(outcome, &plan) {
            if step == Intention::OrderAndLeader {
                self.moved(scene, case, &plan.origin, id)?;
            }
            if gives_back && matches!(outcome.end, End::Done | End::Partly) {
                self.undo.remove(&id);
            }
        }
        Ok(())
    }

    /// Looks whether those of these nodes that have every record still know what must survive a change of our leader.
    pub(super) fn look_at_ledger(&mut self, scene: Scene<'_>, whose: &[NodeId]) -> Result<(), Violation> {
        let head = self.head;
        for (id, machine) in scene.machines.iter().filter(|(id, _)| whose.contains(id)) {
            let Some(process) = machine.process.as_ref() else { continue };
            let state = process.controller.state();
            if state.head != head || head == Head::GENESIS {
                continue;
            }
            self.count("10");
            if let Some(what) = self.forgotten(state) {
                return scene.deny("10", Some(*id), || what);
            }
        }
        Ok(())
    }

    /// Looks whether a person was told of every outcome that nobody knows.
    pub(super) fn look_at_untold(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let late = self.untold.iter().find(|(_, since)| TOLD_WITHIN < scene.now.since(**since));
        let Some((digest, _)) = late.filter(|_| self.core_well_for(scene, TOLD_WITHIN)) else { return Ok(()) };
        scene.deny("10", None, || format!("the outcome of {} is unknown, and nobody was told", digest.short()))
    }

    fn forgotten(&self, state: &State) -> Option<String> {
        let lost = self.open.keys().find(|digest| !state.intents.contains_key(digest));
        if let Some(digest) = lost {
            return Some(format!("the intent {} is forgotten", digest.short()));
        }
        let runs = |(_, until): &(&BrokerId, &LogTime)| state.last_at < **until;
        let over = self.cool_downs.iter().filter(runs).find(|(broker, _)| !state.cool_downs.contains_key(broker));
        if let Some((broker, _)) = over {
            return Some(format!("the cool-down of {broker} is forgotten"));
        }
        let gone = self.undo.keys().find(|id| !state.first_orders.contains_key(id));
        gone.map(|id| format!("the first order of {id} is forgotten"))
    }

    /// Remembers who may carry an intent out.
    pub(super) fn note_owner(&mut self, kept: &Kept) {
        if let Body::Decided(decision) = &kept.record.body
            && let (DecisionVerdict::Act { .. }, Some(digest)) = (&decision.verdict, decision.digest)
        {
            self.licensed_by.insert(digest, (kept.record.by, kept.record.term));
        }
    }
}

/// Gives the partitions that an outcome says are done, each with what its step was for.
fn done<'a>(outcome: &'a Outcome, plan: &'a Plan) -> impl Iterator<Item = (PartitionId, Intention)> + 'a {
    outcome.steps.iter().flat_map(|one| {
        let step = plan.steps.iter().find(|step| step.number == one.step);
        let partitions = match &one.receipt {
            Receipt::Done { done, .. } => Some(done),
            _ => None,
        };
        let pair = partitions.zip(step);
        pair.into_iter().flat_map(|(set, step)| set.iter().map(move |id| (id, step.act.intention())))
    })
}
