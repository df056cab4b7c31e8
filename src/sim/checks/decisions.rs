//! What must hold of every decision: the same again from its record, allowed, found by a majority, to a replica in sync.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::control::event::PeerReport;
use crate::decide::deliberate::{Replayed, replay};
use crate::decide::policy::{Mode, Policy};
use crate::model::advice::{self, Opinion, Settled, Why};
use crate::model::ids::{BrokerId, CaseId, NodeId};
use crate::model::plan::{Act, Class, Intention, Origin, Plan};
use crate::model::record::{Decision, DecisionVerdict, Record};
use crate::model::ruling::Ruling;
use crate::model::snapshot::Snapshot;

use super::{Checks, ECHOES_FOR, Scene, Violation};

/// How long a decision may take to commit and still be about the present.
const COMMITTED_WITHIN: Duration = Duration::from_secs(10);

/// How long ago a node may have said last that a broker is red for that to be a vote: a report's age, its way, and a commit.
const SAID_WITHIN: Duration = Duration::from_secs(3);

impl Checks {
    /// A node has sent a report: what it really says, whoever quotes it.
    pub(in crate::sim) fn said(&mut self, scene: Scene<'_>, node: NodeId, report: &PeerReport) {
        for (broker, _) in report.report.brokers.iter().filter(|(_, seen)| seen.light.is_red()) {
            self.reds.insert((node, *broker), scene.now);
        }
    }

    /// An adviser is asked in these words.
    pub(in crate::sim) fn asked(&mut self, scene: Scene<'_>, node: NodeId, prompt: &str) -> Result<(), Violation> {
        self.count("13");
        let truth = scene.kafka.truth();
        let name = truth.topics().map(|(_, name)| name).find(|name| prompt.contains(name));
        name.map_or(Ok(()), |name| scene.deny("13", Some(node), || format!("the topic's name {name:?} is in a prompt")))
    }

    /// This is what the adviser really says.
    pub(in crate::sim) fn advised(&mut self, case: CaseId, opinion: &Opinion) {
        self.advice.entry(case).or_default().push(opinion.outcome.clone());
    }

    /// Gives all that it said of a case: a leader that is gone and does not know it yet may ask of the same plan as the next one.
    fn said_of(&self, case: Option<CaseId>) -> impl Iterator<Item = &advice::Outcome> {
        case.and_then(|case| self.advice.get(&case)).into_iter().flatten()
    }

    /// An opinion is recorded: what the adviser said, and nothing else.
    pub(super) fn quoted(&mut self, scene: Scene<'_>, record: &Record, opinion: &Opinion) -> Result<(), Violation> {
        self.count("4");
        if self.said_of(record.case).any(|outcome| *outcome == opinion.outcome) {
            return Ok(());
        }
        scene.deny("4", Some(record.by), || "an opinion is recorded that no adviser gave".to_owned())
    }

    pub(super) fn decided(&mut self, scene: Scene<'_>, record: &Record, decision: &Decision) -> Result<(), Violation> {
        let DecisionVerdict::Act { .. } = decision.verdict else {
            return self.comes_out_again(scene, record, decision);
        };
        let node = Some(record.by);
        self.count("14");
        let (Some(plan), Some(_), Some(case)) = (&decision.plan, decision.digest, record.case) else {
            return scene.deny("14", node, || "an act without a plan or a case".to_owned());
        };
        if decision.snapshot.heard.is_empty() || decision.advice.is_none() {
            scene.deny("14", node, || "an act without evidence, or without a word on advice".to_owned())?;
        }
        self.permitted(scene, record, decision, plan)?;
        self.in_sync(scene, record.by, &decision.snapshot, plan)?;
        self.ledger_shows(scene, record.by, &decision.snapshot, plan)?;
        if let Origin::Finding { broker, .. } = &plan.origin {
            self.needed(scene, record, *broker)?;
            self.found_by_a_majority(scene, record.by, &decision.snapshot, *broker)?;
            self.not_too_many(scene, record.by, &decision.snapshot)?;
            self.not_too_soon(scene, record, *broker, case)?;
        }
        self.comes_out_again(scene, record, decision)
    }

    /// Decided again from what the record holds, it is the same.
    fn comes_out_again(&mut self, scene: Scene<'_>, record: &Record, decision: &Decision) -> Result<(), Violation> {
        self.count("1");
        let Some(policy) = self.policies.get(&record.policy) else {
            return scene.deny("1", Some(record.by), || "a decision under a policy that no record holds".to_owned());
        };
        match replay(decision, policy) {
            Replayed::Same => Ok(()),
            Replayed::Differs { what } => {
                scene.deny("1", Some(record.by), || format!("decided again it differs: {what}"))
            }
        }
    }

    /// A policy that records name from here on.
    pub(super) fn ruled(&mut self, record: &Record, settings: &std::collections::BTreeMap<String, String>) {
        if let Ok(policy) = Policy::from_settings(settings) {
            self.policies.insert(record.policy, policy);
        }
    }

    /// The guard allowed it, or people did; advice adds nothing.
    fn permitted(
        &mut self,
        scene: Scene<'_>,
        record: &Record,
        decision: &Decision,
        plan: &Plan,
    ) -> Result<(), Violation> {
        let node = Some(record.by);
        self.count("3");
        if !matches!(decision.ruling, Some(Ruling::Allowed | Ruling::NeedsApproval { .. })) {
            scene.deny("3", node, || format!("acts, and the guard said {:?}", decision.ruling))?;
        }
        self.count("S6");
        let digest = decision.digest.unwrap_or_default();
        let have = self.approvals.get(&digest).map_or(0, BTreeSet::len);
        let asked_for = matches!(plan.origin, Origin::Undo { .. });
        let allowed = match &decision.ruling {
            // That observe-only never acts is another number's.
            Some(Ruling::Allowed) => !matches!(scene.policy.mode, Mode::Approve) || 0 < have || asked_for,
            Some(Ruling::NeedsApproval { people, .. }) => usize::from(*people) <= have,
            Some(Ruling::Held(_)) | None => true,
        };
        if !allowed {
            let what = || format!("{} acts, {have} approval(s), ruling {:?}", digest.short(), decision.ruling);
            scene.deny("S6", node, what)?;
        }
        self.count("4");
        let unheard = |verdict| {
            let says =
                |outcome: &advice::Outcome| matches!(outcome, advice::Outcome::Said(said) if said.verdict == verdict);
            !self.said_of(record.case).any(says)
        };
        let untrue = match decision.advice {
            Some(Settled::Hold(_)) => have == 0 && !asked_for,
            Some(Settled::Proceed(Why::Approved)) => unheard(advice::Verdict::Approve),
            Some(Settled::Proceed(Why::Overridden(verdict))) => unheard(verdict),
            Some(Settled::Proceed(Why::ClassNeedsNone)) => Class::R1 < plan.class,
            Some(Settled::Proceed(_)) | None => false,
        };
        if untrue {
            scene.deny("4", node, || format!("acts on advice that was not given: {:?}", decision.advice))?;
        }
        self.at_a_good_moment(scene, record, &decision.snapshot)
    }

    fn at_a_good_moment(&mut self, scene: Scene<'_>, record: &Record, snapshot: &Snapshot) -> Result<(), Violation> {
        let node = Some(record.by);
        self.count("S4");
        if snapshot.standing.paused || self.paused.is_some_and(|since| since < record.at) {
            scene.deny("S4", node, || "an intent is decided while automation is paused".to_owned())?;
        }
        if scene.policy.guard.topology_age_max < snapshot.topology_age {
            let what = || format!("acts on a picture that is {:?} old", snapshot.topology_age);
            scene.deny("S4", node, what)?;
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
        let reds = reds(scene, snapshot, broker);
        if reds < 2 {
            scene.deny("S4", Some(node), || format!("acts on {broker} with {reds} fresh red vote(s)"))?;
        }
        if scene.policy.guard.maintenance.contains(&broker) {
            scene.deny("S4", Some(node), || format!("acts on {broker}, which is in maintenance"))?;
        }
        // Where all of us are well a report is sent, heard and acted on at once: then each vote was one.
        if scene.machines.values().all(super::Machine::is_well) && SAID_WITHIN <= scene.now.since(scene.troubles.ours) {
            let recent =
                |one: &NodeId| self.reds.get(&(*one, broker)).is_some_and(|at| scene.now.since(*at) <= SAID_WITHIN);
            let really = scene.machines.keys().filter(|one| recent(one)).count();
            if really < 2 {
                scene.deny("S4", Some(node), || format!("acts on {broker}, which {really} of us called red"))?;
            }
        }
        Ok(())
    }

    /// Too many red at once: it is we who are cut off.
    fn not_too_many(&mut self, scene: Scene<'_>, node: NodeId, snapshot: &Snapshot) -> Result<(), Violation> {
        self.count("5");
        // The record holds those that the decision reads; the cluster has more.
        let all = scene.kafka.truth().brokers_registered().max(snapshot.topology.brokers.len());
        let share = all.saturating_mul(usize::try_from(scene.policy.guard.blast_radius_permille).unwrap_or(0)) / 1000;
        let away = &scene.policy.guard.maintenance;
        let ids = snapshot.topology.brokers.keys().filter(|id| !away.contains(id));
        let red = ids.filter(|id| 2 <= reds(scene, snapshot, **id)).count();
        if share.max(1) < red {
            return scene.deny("5", Some(node), || format!("acts while {red} brokers are red"));
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
            let what = || format!("case {case} acts on {broker} {since:?} after case {owner} did");
            scene.deny("S5", Some(record.by), what)?;
        }
        Ok(())
    }

    /// Nobody acts on a broker with which nothing is wrong. What took long to commit was decided when something was; it is looked at
    /// again before anything is sent.
    fn needed(&mut self, scene: Scene<'_>, record: &Record, broker: BrokerId) -> Result<(), Violation> {
        self.count("5");
        let (troubles, now, node) = (scene.troubles, scene.now, record.by);
        let wall_ms = scene.machines.get(&node).map(|machine| machine.clock.wall_ms(now)).unwrap_or_default();
        if COMMITTED_WITHIN < Duration::from_millis(wall_ms.saturating_sub(record.wall_ms)) {
            return Ok(());
        }
        let calm = troubles.calm(broker, now, ECHOES_FOR) || troubles.blip(broker, now, ECHOES_FOR);
        if calm && scene.kafka.truth().works(broker) {
            let what = || format!("acts on {broker}, with which nothing has been wrong for {ECHOES_FOR:?}");
            scene.deny("5", Some(node), what)?;
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
                    let what = || format!("would move {id} to {target:?}, which may not lead it");
                    scene.deny("7", Some(node), what)?;
                }
            }
        }
        Ok(())
    }

    /// The price of taking a broker out stands in the plan, for every partition that it is in sync for.
    fn ledger_shows(
        &mut self,
        scene: Scene<'_>,
        node: NodeId,
        snapshot: &Snapshot,
        plan: &Plan,
    ) -> Result<(), Violation> {
        for step in &plan.steps {
            let (Act::Fence { broker, .. } | Act::Unregister { broker, .. }) = &step.act else { continue };
            self.count("8");
            let shown = |id| plan.collateral.iter().any(|one| one.step == step.number && one.partitions.contains(id));
            let mut held = snapshot.topology.partitions.iter().filter(|(_, one)| one.isr.contains(broker));
            if let Some((id, _)) = held.find(|(id, _)| !shown(id)) {
                let what = || format!("step {} takes {broker} out, and the ledger says nothing of {id}", step.number);
                scene.deny("8", Some(node), what)?;
            }
        }
        Ok(())
    }
}

/// Counts the fresh red votes of nodes that may vote, as a snapshot holds them.
fn reds(scene: Scene<'_>, snapshot: &Snapshot, broker: BrokerId) -> usize {
    let detect = &scene.policy.detect;
    snapshot
        .heard
        .values()
        .filter(|heard| heard.age <= detect.report_age_max && heard.report.lhm < detect.abstain_from)
        .filter(|heard| !heard.report.no_vote_on.contains(&broker))
        .filter(|heard| heard.report.brokers.get(&broker).is_some_and(|seen| seen.light.is_red()))
        .count()
}
