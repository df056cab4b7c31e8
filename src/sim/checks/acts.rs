//! What must hold of every act: committed first, once, in time, by a majority, under no pause, and to a replica in sync.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::control::event::{Errand, Kept};
use crate::decide::policy::Mode;
use crate::model::ids::{BrokerId, CaseId, NodeId, Term};
use crate::model::plan::{Intention, Origin, Plan, Step};
use crate::model::record::{Body, Decision, DecisionVerdict, Outcome, Receipt, Record};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;
use crate::sim::kafka::talk::Request;

use super::{Checks, Licence, Scene, Violation};

/// What timers and roundings may add to a licence.
const SLACK: Duration = Duration::from_millis(2);

/// How long nothing must have been wrong with a broker for an act on it to be needless: a session, and being green again.
const CALM_FOR: Duration = Duration::from_secs(25);

/// How long a pause file lies before everybody must know: a look each 250 ms, a report, a commit.
const PAUSE_KNOWN_AFTER: Duration = Duration::from_secs(2);

impl Checks {
    /// A record was kept by a node.
    pub(super) fn kept(&mut self, scene: Scene<'_>, node: NodeId, kept: &Kept) -> Result<(), Violation> {
        let first = self.chained(scene, node, kept)?;
        self.license(scene, node, kept);
        if !first {
            return Ok(());
        }
        self.opened(scene, &kept.record);
        match &kept.record.body {
            Body::Decided(decision) => self.decided(scene, &kept.record, decision),
            Body::Approved { plan, by, .. } => {
                self.approvals.entry(*plan).or_default().insert(by.clone());
                Ok(())
            }
            Body::Outcome(outcome) => self.ended(scene, outcome),
            _ => Ok(()),
        }
    }

    /// The leader's own commit is what lets it send.
    fn license(&mut self, scene: Scene<'_>, node: NodeId, kept: &Kept) {
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
                    let licence = Licence {
                        record,
                        digest,
                        plan: plan.clone(),
                        term,
                        until: until(*valid_for),
                        applied: BTreeSet::new(),
                    };
                    self.licences.entry(node).or_default().push(licence);
                }
            }
            Body::Continued { plan, valid_for, .. } if kept.record.by == node => {
                let all = self.licences.entry(node).or_default();
                for licence in all.iter_mut().filter(|licence| licence.digest == *plan) {
                    licence.until = until(*valid_for);
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
        if scene.policy.mode == Mode::Observe {
            return Err(scene.violation("11", Some(node), "observe-only wants to change Kafka"));
        }
        self.count("S2");
        let (errand, step, term, within) = wanted;
        let licence = self
            .licences
            .entry(node)
            .or_default()
            .iter_mut()
            .find(|one| one.term == term && one.plan.steps.contains(step));
        let Some(licence) = licence else {
            let what = format!("{} of term {term} has no committed intent", step.act.name());
            return Err(scene.violation("S2", Some(node), what));
        };
        if !licence.applied.insert(step.number) {
            let what = format!("step {} of {} is sent a second time", step.number, licence.digest.short());
            return Err(scene.violation("S2", Some(node), what));
        }
        let left = scene.machines.get(&node).map_or(within, |machine| machine.clock.worldly(within));
        if licence.until < scene.now.plus(left) {
            return Err(scene.violation("S2", Some(node), format!("a step may be sent for {within:?}: too long")));
        }
        self.errands.insert((node, errand), (licence.record, step.number));
        self.unpaused(scene, node)
    }

    /// Nothing is sent under a pause: neither one that is committed nor one of a file that everybody knows of.
    fn unpaused(&mut self, scene: Scene<'_>, node: NodeId) -> Result<(), Violation> {
        self.count("S4");
        let state =
            scene.machines.get(&node).and_then(|machine| machine.process.as_ref()).map(|one| one.controller.state());
        if state.is_some_and(|state| state.paused.is_some()) {
            return Err(scene.violation("S4", Some(node), "acts while automation is paused"));
        }
        for (at, since) in &scene.troubles.pause_files {
            let known = PAUSE_KNOWN_AFTER <= scene.now.since(*since);
            let heard = *at == node
                || (scene.net.is_good(*at, node)
                    && scene.machines.get(at).is_some_and(super::Machine::is_well)
                    && PAUSE_KNOWN_AFTER <= scene.now.since(scene.troubles.ours));
            if known && heard {
                return Err(scene.violation("S4", Some(node), format!("acts although {at} has a pause file")));
            }
        }
        Ok(())
    }

    pub(super) fn touches(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        errand: Errand,
        request: &Request,
    ) -> Result<(), Violation> {
        self.count("11");
        if scene.policy.mode == Mode::Observe {
            return Err(scene.violation("11", Some(node), "observe-only changes Kafka"));
        }
        let known = self.errands.get(&(node, errand)).copied();
        let licences = self.licences.get(&node);
        let licence = known.and_then(|(record, _)| licences?.iter().find(|one| one.record == record));
        let Some(licence) = licence else {
            return Err(scene.violation("S2", Some(node), "changes Kafka without a licence"));
        };
        if licence.until < scene.now {
            let late = scene.now.since(licence.until);
            return Err(scene.violation("S1", Some(node), format!("sends {late:?} after its time was over")));
        }
        let newer = self.leading.iter().find(|(other, term)| **other != node && licence.term < **term);
        if let Some((other, term)) = newer {
            let what = format!("sends in term {} while {other} leads term {term}", licence.term);
            return Err(scene.violation("S1", Some(node), what));
        }
        let (term, digest) = (licence.term, licence.digest);
        if let Request::Fence { broker, epoch } = request {
            let meant = licence.plan.steps.iter().any(|step| {
                matches!(step.act, crate::model::plan::Act::Fence { broker: one, epoch: life } if one == *broker && life == *epoch)
            });
            if !meant {
                let what =
                    format!("fences a life of {broker} that plan {} of term {term} does not mean", digest.short());
                return Err(scene.violation("2", Some(node), what));
            }
        }
        Ok(())
    }

    fn decided(&mut self, scene: Scene<'_>, record: &Record, decision: &Decision) -> Result<(), Violation> {
        let DecisionVerdict::Act { .. } = decision.verdict else { return Ok(()) };
        let node = Some(record.by);
        let (Some(plan), Some(digest), Some(case)) = (&decision.plan, decision.digest, record.case) else {
            return Err(scene.violation("14", node, "an act without a plan or a case"));
        };
        if let Some(other) = self.open.keys().next() {
            let what = format!("{} begins while {} is in flight", digest.short(), other.short());
            return Err(scene.violation("S5", node, what));
        }
        self.open.insert(digest, scene.now);
        self.plans.insert(digest, (case, plan.clone()));
        self.permitted(scene, record, decision, plan)?;
        self.in_sync(scene, record.by, &decision.snapshot, plan)?;
        if let Origin::Finding { broker, .. } = &plan.origin {
            self.found_by_a_majority(scene, record.by, &decision.snapshot, *broker)?;
            self.not_too_soon(scene, record, *broker, case)?;
            self.needed(scene, record.by, *broker)?;
        }
        Ok(())
    }

    /// The guard allowed it, or people did; advice adds nothing.
    fn permitted(
        &mut self,
        scene: Scene<'_>,
        record: &Record,
        decision: &Decision,
        plan: &Plan,
    ) -> Result<(), Violation> {
        self.count("S6");
        let digest = decision.digest.unwrap_or_default();
        let have = self.approvals.get(&digest).map_or(0, BTreeSet::len);
        let allowed = match &decision.ruling {
            Some(Ruling::Allowed) => matches!(scene.policy.mode, Mode::Auto) || 0 < have || asked_for(plan),
            Some(Ruling::NeedsApproval { people, .. }) => usize::from(*people) <= have,
            Some(Ruling::Held(_)) | None => false,
        };
        if !allowed {
            let what = format!("{} acts, {have} approval(s), ruling {:?}", digest.short(), decision.ruling);
            return Err(scene.violation("S6", Some(record.by), what));
        }
        self.count("S4");
        if decision.snapshot.standing.paused {
            return Err(scene.violation("S4", Some(record.by), "an intent is decided while automation is paused"));
        }
        if scene.policy.guard.topology_age_max < decision.snapshot.topology_age {
            let what = format!("acts on a picture that is {:?} old", decision.snapshot.topology_age);
            return Err(scene.violation("S4", Some(record.by), what));
        }
        Ok(())
    }

    fn found_by_a_majority(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        snapshot: &Snapshot,
        broker: BrokerId,
    ) -> Result<(), Violation> {
        self.count("S4");
        let detect = &scene.policy.detect;
        let reds = |broker: BrokerId| {
            snapshot
                .heard
                .values()
                .filter(|heard| heard.age <= detect.report_age_max && heard.report.lhm < detect.abstain_from)
                .filter(|heard| !heard.report.no_vote_on.contains(&broker))
                .filter(|heard| heard.report.brokers.get(&broker).is_some_and(|seen| seen.light.is_red()))
                .count()
        };
        if reds(broker) < 2 {
            let what = format!("acts on {broker} with {} fresh red vote(s)", reds(broker));
            return Err(scene.violation("S4", Some(node), what));
        }
        // The record holds those that the decision reads; the cluster has more.
        let all = scene.kafka.truth().registrations().len().max(snapshot.topology.brokers.len());
        let share = all.saturating_mul(usize::try_from(scene.policy.guard.blast_radius_permille).unwrap_or(0)) / 1000;
        let away = &scene.policy.guard.maintenance;
        let red = snapshot.topology.brokers.keys().filter(|id| !away.contains(id) && 2 <= reds(**id)).count();
        if share.max(1) < red {
            return Err(scene.violation("S4", Some(node), format!("acts while {red} brokers are red")));
        }
        Ok(())
    }

    fn not_too_soon(
        &mut self,
        scene: Scene<'_>,
        record: &Record,
        broker: BrokerId,
        case: CaseId,
    ) -> Result<(), Violation> {
        self.count("S5");
        let before = self.last_acts.insert(broker, (record.at, case));
        let Some((at, owner)) = before.filter(|(_, owner)| *owner != case) else { return Ok(()) };
        let since = record.at.since(at);
        if since < scene.policy.guard.broker_cool_down {
            let what = format!("case {case} acts on {broker} {since:?} after case {owner} did");
            return Err(scene.violation("S5", Some(record.by), what));
        }
        Ok(())
    }

    /// Nobody acts on a broker with which nothing is wrong.
    fn needed(&mut self, scene: Scene<'_>, node: NodeId, broker: BrokerId) -> Result<(), Violation> {
        self.count("5");
        let well = scene.kafka.truth().works(broker) && scene.troubles.calm(broker, scene.now, CALM_FOR);
        if well {
            let what = format!("acts on {broker}, with which nothing has been wrong for {CALM_FOR:?}");
            return Err(scene.violation("5", Some(node), what));
        }
        Ok(())
    }

    fn in_sync(&mut self, scene: Scene<'_>, node: NodeId, snapshot: &Snapshot, plan: &Plan) -> Result<(), Violation> {
        for step in plan.steps.iter().filter(|step| step.act.intention() == Intention::OrderAndLeader) {
            for (one, id) in step.act.moves().iter().flat_map(|one| one.partitions.iter().map(move |id| (one, id))) {
                self.count("7");
                let target = one.to.first();
                let fit = snapshot.topology.partitions.get(&id).zip(target).is_some_and(|(partition, target)| {
                    let clean = partition.isr.is_empty() && partition.elr.contains(target);
                    // A failback waits for the ISR as a precondition of its step.
                    partition.isr.contains(target) || clean
                });
                let (mut from, mut to) = (one.from.clone(), one.to.clone());
                from.sort_unstable();
                to.sort_unstable();
                if !fit || from != to {
                    let what = format!("would move {id} to {target:?}, which may not lead it");
                    return Err(scene.violation("7", Some(node), what));
                }
            }
        }
        Ok(())
    }

    /// An intent was closed: what it moved is counted.
    fn ended(&mut self, scene: Scene<'_>, outcome: &Outcome) -> Result<(), Violation> {
        self.open.remove(&outcome.plan);
        let Some((case, plan)) = self.plans.get(&outcome.plan).cloned() else {
            return Err(scene.violation("14", None, format!("{} ends without having begun", outcome.plan.short())));
        };
        for done in &outcome.steps {
            let Receipt::Done { done: partitions, .. } = &done.receipt else { continue };
            let step = plan.steps.iter().find(|step| step.number == done.step);
            let Some(step) = step.filter(|step| step.act.intention() == Intention::OrderAndLeader) else { continue };
            let _ = step;
            for partition in partitions.iter() {
                self.moved(scene, case, &plan.origin, partition)?;
            }
        }
        Ok(())
    }
}

/// A person asked for it by name.
fn asked_for(plan: &Plan) -> bool {
    matches!(plan.origin, Origin::Undo { .. })
}
