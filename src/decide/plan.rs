//! Plan: from a finding to the steps that cure it; leaves no choice to the executor.
//!
//! Deliberately few records: brokers work for each changed one (`kafka.md` §13), so only partitions whose leader matters
//! are reordered before a fence. Deliberately no judgement whether the plan may be carried out: that is the guard's.
//! Why two stages in one plan (2026-11): the echo of its own first step tells dead from cut off, and one commit is saved.

mod choose;
mod collateral;
mod restore;
mod steps;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::choose::{Chosen, Need, Passing, Target, Taste, accepted, at_risk, choose, led_by};
pub use self::restore::is_stable;
use self::restore::{Ripe, restore};
use self::steps::{Change, Moving, Steps, originals};
use super::policy::{Permission, Policy};
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::sha256;
use crate::model::finding::{Finding, FindingKind};
use crate::model::ids::{BrokerEpoch, BrokerId, CaseId, Person};
use crate::model::observation::{ProbeKind, PulseState};
use crate::model::plan::{Act, Class, NativeFate, Origin, OriginalOrder, Plan, PlanDigest, Precondition, Step, When};
use crate::model::record::NoPlan;
use crate::model::snapshot::{Missing, Snapshot};
use crate::model::topology::PartitionSet;

/// Gives the plan that answers a finding.
///
/// Errors: [`NoPlan`] says why there is none.
pub fn plan_for(finding: &Finding, snapshot: &Snapshot, policy: &Policy) -> Result<Plan, NoPlan> {
    match finding.kind {
        FindingKind::LeaderNotServing
        | FindingKind::BrokerCrashed
        | FindingKind::BrokerSilent
        | FindingKind::ClientPathCut => {}
        FindingKind::Recovering
        | FindingKind::BrokerStopped
        | FindingKind::CutOrStalled
        | FindingKind::Zombie
        | FindingKind::Conflict
        | FindingKind::Unknown => return Err(NoPlan::NothingAffected),
    }
    if snapshot.topology.partitions.is_empty() {
        // A cluster without a partition has nothing to save; one that nobody has seen yet may have.
        let unseen = snapshot.missing.contains(&Missing::Topology);
        return Err(if unseen { NoPlan::Blind } else { NoPlan::NothingAffected });
    }
    let load = snapshot.loads.get(&finding.broker).copied().unwrap_or_default();
    if load.leads == 0 && load.in_isr_with_others == 0 {
        return Err(NoPlan::NothingAffected);
    }
    let draft = Draft { finding, snapshot, policy };
    match (draft.place(), draft.fence_epoch()) {
        (Place::Behind, Some(epoch)) => Ok(draft.fence_at_once(epoch)),
        (Place::Untold, Some(epoch)) => draft.in_two_stages(epoch),
        (Place::Behind, None) if load.leads == 0 => draft.unregister(),
        (Place::Level, _) if load.leads == 0 => Err(NoPlan::NothingAffected),
        (Place::Untold, None) if load.leads == 0 => Err(NoPlan::NoFence),
        // What it leads can go nowhere; it still blocks acks=all where it follows.
        (Place::Behind, None) => match draft.elect() {
            Err(NoPlan::NobodyFit(_))
                if 0 < load.in_isr_with_others && policy.act.unregister == Permission::Allowed =>
            {
                draft.unregister()
            }
            elected => elected,
        },
        (Place::Untold, None) | (Place::Level, _) => draft.elect(),
    }
}

/// What is known of the broker's place in the metadata log when the plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Behind,
    Level,
    Untold,
}

/// What a plan is made from.
struct Draft<'a> {
    finding: &'a Finding,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
}

impl<'a> Draft<'a> {
    fn broker(&self) -> BrokerId {
        self.finding.broker
    }

    fn place(&self) -> Place {
        let echo = &self.finding.echo;
        match echo.state {
            PulseState::Behind(_) | PulseState::Missing => Place::Behind,
            PulseState::Level if 0 < echo.beats_since_red => Place::Level,
            PulseState::Level | PulseState::Unknown => Place::Untold,
        }
    }

    /// The life to fence, where a fence is permitted and its condition, the echo, can be heard at all.
    fn fence_epoch(&self) -> Option<BrokerEpoch> {
        let heard = !self.snapshot.is_blind(ProbeKind::Pulse);
        if self.policy.act.fence_heartbeat == Permission::Forbidden || !heard {
            return None;
        }
        self.snapshot.topology.brokers.get(&self.broker())?.epoch
    }

    /// The broker is known to be dead or hung: fence it, after reordering only where Kafka would choose badly.
    fn fence_at_once(&self, epoch: BrokerEpoch) -> Plan {
        let chosen = choose(self.broker(), Taste::KafkasIfGood, self.snapshot, self.policy);
        let (ours, kafkas) = self.split(&chosen);
        let mut steps = self.steps();
        steps.push_changes(When::AtOnce, Moving::Reorder, &all(&ours), &self.moves_expect());
        let fence = steps.push(When::AtOnce, self.fence(epoch), self.fence_expects(epoch));
        self.order_afterwards(&mut steps, &kafkas);
        self.finish(steps, &chosen, Some(fence))
    }

    /// Nothing is known yet but that a leader does not serve: one reorder, whose echo decides between fence and election.
    fn in_two_stages(&self, epoch: BrokerEpoch) -> Result<Plan, NoPlan> {
        let chosen = choose(self.broker(), Taste::KafkasIfGood, self.snapshot, self.policy);
        if chosen.targets.is_empty() {
            return Err(if chosen.nobody.is_empty() { NoPlan::NoFence } else { nobody_fit(&chosen) });
        }
        let (mut ours, mut kafkas) = self.split(&chosen);
        let mut steps = self.steps();
        if ours.is_empty() && !kafkas.is_empty() {
            // Ordinary topics first: should the echo find the broker well, nothing of Kafka's own was touched.
            let echo =
                kafkas.iter().enumerate().min_by_key(|(_, change)| (change.from == change.to, change.kind, change.id));
            let echo = echo.map_or(0, |(index, _)| index);
            ours.push(kafkas.remove(echo));
        }
        // Where the order is right already only an election writes a record that can be heard.
        let reordered: Vec<Change<'_>> = ours.iter().filter(|change| change.from != change.to).cloned().collect();
        let moving = if reordered.is_empty() { Moving::Elect } else { Moving::Reorder };
        let first = if reordered.is_empty() { &ours } else { &reordered };
        steps.push_changes(When::AtOnce, moving, &all(first), &self.moves_expect());
        let fence = steps.push(When::EchoBehind, self.fence(epoch), self.fence_expects(epoch));
        let settled: Vec<Change<'_>> = reordered.iter().cloned().map(Change::settled).collect();
        let elect: Vec<&Change<'_>> = kafkas.iter().chain(&settled).collect();
        steps.push_changes(When::EchoLevelStillRed, Moving::Elect, &elect, &self.moves_expect());
        let back: Vec<Change<'_>> = reordered.into_iter().map(Change::reversed).collect();
        let expects = [Precondition::MovesStand, Precondition::NotReassigning];
        steps.push_changes(When::EchoLevelGreen, Moving::Reorder, &all(&back), &expects);
        self.order_afterwards(&mut steps, &kafkas);
        Ok(self.finish(steps, &chosen, Some(fence)))
    }

    /// Reorder and election of all: the whole cure where only clients are cut off, acks=1 and reads where no fence is
    /// allowed.
    fn elect(&self) -> Result<Plan, NoPlan> {
        let chosen = choose(self.broker(), Taste::Best, self.snapshot, self.policy);
        let changes: Vec<Change<'_>> = chosen.targets.iter().filter_map(|target| self.change(target)).collect();
        if changes.is_empty() {
            return Err(nobody_fit(&chosen));
        }
        let mut steps = self.steps();
        steps.push_changes(When::AtOnce, Moving::Elect, &all(&changes), &self.moves_expect());
        Ok(self.finish(steps, &chosen, None))
    }

    /// It leads nothing any more, but blocks acks=all while it stays in the ISR.
    fn unregister(&self) -> Result<Plan, NoPlan> {
        if self.policy.act.unregister == Permission::Forbidden {
            return Err(NoPlan::NoFence);
        }
        let epoch = self.snapshot.topology.brokers.get(&self.broker()).and_then(|known| known.epoch);
        let mut expects = vec![Precondition::StillRed(self.broker())];
        expects.extend(epoch.map(|epoch| Precondition::EpochIs { broker: self.broker(), epoch }));
        let mut steps = self.steps();
        let step = steps.push(When::AtOnce, Act::Unregister { broker: self.broker(), epoch }, expects);
        Ok(self.finish(steps, &Chosen::default(), Some(step)))
    }

    fn steps(&self) -> Steps {
        Steps::new(self.policy.act.max_partitions_per_request)
    }

    fn fence(&self, epoch: BrokerEpoch) -> Act {
        Act::Fence { broker: self.broker(), epoch }
    }

    fn fence_expects(&self, epoch: BrokerEpoch) -> Vec<Precondition> {
        vec![Precondition::EpochIs { broker: self.broker(), epoch }, Precondition::StillRed(self.broker())]
    }

    fn moves_expect(&self) -> [Precondition; 3] {
        [Precondition::MovesStand, Precondition::NotReassigning, Precondition::StillRed(self.broker())]
    }

    /// Changes that must come before a fence, and those that Kafka's own choice makes unnecessary then.
    fn split<'c>(&self, chosen: &'c Chosen<'a>) -> (Vec<Change<'c>>, Vec<Change<'c>>) {
        let (mut ours, mut kafkas) = (Vec::new(), Vec::new());
        for target in &chosen.targets {
            let Some(change) = self.change(target) else { continue };
            if target.need == Need::Ours { ours.push(change) } else { kafkas.push(change) }
        }
        (ours, kafkas)
    }

    /// None where Kafka would refuse the list and its order is not right already.
    fn change<'c>(&self, target: &'c Target<'a>) -> Option<Change<'c>> {
        let right_already = target.partition.replicas.first() == Some(&target.leader);
        let order = if right_already { &target.partition.replicas } else { &target.order };
        (right_already || accepted(&target.partition.replicas, self.snapshot))
            .then(|| Change::new(target.id, target.kind, target.partition, Cow::Borrowed(order)))
    }

    /// Otherwise `auto.leader.rebalance.enable` gives leadership back within 300 s of the broker's return.
    fn order_afterwards(&self, steps: &mut Steps, changes: &[Change<'_>]) {
        if self.policy.act.order_afterwards == Permission::Allowed {
            let wrong: Vec<&Change<'_>> = changes.iter().filter(|change| change.from != change.to).collect();
            steps.push_changes(When::Afterwards, Moving::Reorder, &wrong, &self.moves_expect());
        }
    }

    fn finish(&self, steps: Steps, chosen: &Chosen<'_>, whole_broker: Option<u16>) -> Plan {
        let steps = steps.finish();
        // A conditional fence is due only once the broker is behind: Kafka would fence it then, too.
        let behind = self.place() == Place::Behind || steps.iter().any(|step| step.when == When::EchoBehind);
        let native = if behind { NativeFate::Same } else { NativeFate::Differs };
        Plan {
            parent: None,
            origin: Origin::Finding { kind: self.finding.kind, broker: self.broker() },
            class: steps.iter().map(|step| step.act.class()).max().unwrap_or(Class::R0),
            undo: originals(led_by(self.broker(), self.snapshot).map(|(id, partition)| (*id, partition))),
            collateral: whole_broker
                .map(|step| collateral::ledger(step, self.broker(), native, self.snapshot))
                .unwrap_or_default(),
            at_risk: at_risk(chosen.targets.iter().map(passing)),
            choices: chosen.choices.clone(),
            steps,
        }
    }
}

fn all<'c, 'a>(changes: &'c [Change<'a>]) -> Vec<&'c Change<'a>> {
    changes.iter().collect()
}

fn passing(target: &Target<'_>) -> Passing {
    Passing { id: target.id, tail: target.tail }
}

fn nobody_fit(chosen: &Chosen<'_>) -> NoPlan {
    let unmoved = chosen.targets.iter().map(|target| target.id);
    NoPlan::NobodyFit(chosen.nobody.iter().copied().chain(unmoved).collect::<PartitionSet>())
}

/// Gives the plan that restores a case's recorded order after `broker` has recovered: one partition first, then batches.
///
/// Errors: [`NoPlan::NothingToRestore`] where the order is back; [`NoPlan::NobodyFit`] where it cannot be yet.
pub fn plan_failback(
    broker: BrokerId,
    of: CaseId,
    undo: &[OriginalOrder],
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, NoPlan> {
    restore(Origin::Failback { broker, of }, Ripe::AllInSync, undo, snapshot, policy)
}

/// Gives the plan that restores a case's recorded order because a person asked for it.
///
/// Errors: as [`plan_failback`].
pub fn plan_undo(
    of: CaseId,
    by: &Person,
    undo: &[OriginalOrder],
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, NoPlan> {
    restore(Origin::Undo { of, by: by.clone() }, Ripe::FirstInSync, undo, snapshot, policy)
}

/// What a digest covers: whatever is done and may be undone, but neither scores nor parents.
#[derive(serde::Serialize)]
struct Covered<'a> {
    origin: &'a Origin,
    class: Class,
    steps: &'a [Step],
    undo: &'a [OriginalOrder],
}

/// Gives the name of a plan: SHA-256 of the canonical form of its origin, class, steps (with preconditions) and undo.
#[must_use]
pub fn digest(plan: &Plan) -> PlanDigest {
    let covered = Covered { origin: &plan.origin, class: plan.class, steps: &plan.steps, undo: &plan.undo };
    // A plan is integers, texts and lists and always has canonical bytes; the error's text only completes the match.
    match to_canonical_bytes(&covered) {
        Ok(bytes) => sha256(&bytes),
        Err(error) => sha256(error.to_string().as_bytes()),
    }
}
