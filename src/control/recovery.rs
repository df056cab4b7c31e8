//! After the fault: the recorded order is waited for and given back, and the case ends.
//!
//! Deliberately patient and never silent: a wait is recorded when it begins and while it goes on, and a long one is a person's.

use std::time::Duration;

use crate::decide::guard::guard;
use crate::decide::plan::{digest, is_stable, plan_failback};
use crate::model::finding::{Finding, FindingKind};
use crate::model::ids::CaseId;
use crate::model::plan::{OriginalOrder, PlanDigest};
use crate::model::record::{Attention, Body, Closing, Inaction, NoPlan, Withdrawal};
use crate::model::snapshot::{Missing, Snapshot};
use crate::model::topology::Standing;

use super::considered::Considered;
use super::controller::{Controller, Now};
use super::held::{Held, Say};
use super::lead::CaseRef;
use super::round::Seat;
use super::state::{Case, PutBack};

/// A non-decision that lasted less when its case closes says nothing that the decision itself does not.
const LAST_HELD_MIN: Duration = Duration::from_secs(1);

/// After how many stable periods of waiting for a failback a person is told: one is the rule, two a flap.
const WAITS_MAX: u32 = 3;

/// Tells whether every partition stands as it was recorded.
fn is_back(undo: &[OriginalOrder], snapshot: &Snapshot) -> bool {
    let mut all = undo.iter().flat_map(|original| original.partitions.iter().map(move |id| (id, original)));
    all.all(|(id, original)| {
        let now = snapshot.topology.partitions.get(&id);
        now.is_some_and(|now| now.replicas == original.replicas && now.leader == original.replicas.first().copied())
    })
}

impl Controller {
    /// A broker that is no longer found: give back what was taken from it, then close.
    pub(super) fn consider_recovered(&mut self, now: Now, snapshot: &Snapshot, id: CaseId, case: &Case) {
        if self.state.intents.values().any(|intent| intent.case == id) {
            return;
        }
        let broker = case.finding.broker;
        let undo = self.state.undo_of(id);
        let how = match case.put_back {
            PutBack::Not => Closing::Recovered,
            PutBack::ByFailback => Closing::FailedBack,
            PutBack::ByPerson => Closing::Undone,
        };
        if undo.is_empty() {
            return self.close(id, how);
        }
        if !is_stable(broker, snapshot, &self.options.policy) {
            return self.wait(now, id, case, NoPlan::NotStable);
        }
        let plan = match plan_failback(broker, id, &undo, snapshot, &self.options.policy) {
            Ok(plan) => plan,
            // Somebody else has put it back meanwhile; or it is gone, or theirs, and there is nothing to put back.
            Err(NoPlan::NothingToRestore | NoPlan::NothingAffected) if case.put_back == PutBack::Not => {
                let how = if is_back(&undo, snapshot) { Closing::FailedBack } else { Closing::Recovered };
                return self.close(id, how);
            }
            Err(NoPlan::NothingToRestore | NoPlan::NothingAffected) => return self.close(id, how),
            // Not caught up yet, or not known: the next round asks again.
            Err(why @ (NoPlan::NobodyFit(_) | NoPlan::Blind | NoPlan::NoFence | NoPlan::NotStable)) => {
                return self.wait(now, id, case, why);
            }
        };
        let ruling = guard(&plan, None, snapshot, &self.options.policy);
        let digest = digest(&plan);
        let one = Considered::Restoring { plan, digest, ruling };
        self.decide(now, Seat { at: CaseRef::Is(id), case: Some(case), snapshot }, &one);
    }

    fn close(&mut self, id: CaseId, how: Closing) {
        let unwritten = self.lead.as_mut().and_then(|lead| lead.held.remove(&id)).map(Held::unwritten);
        if let Some((why, rounds, over)) = unwritten.filter(|(_, rounds, over)| 1 < *rounds && LAST_HELD_MIN <= *over) {
            self.write(CaseRef::Is(id), Body::StillHeld { why, rounds, over });
        }
        let offers: Vec<PlanDigest> =
            self.state.offers.iter().filter(|(_, offer)| offer.case == id).map(|(plan, _)| *plan).collect();
        for plan in offers {
            self.write(CaseRef::Is(id), Body::Withdrawn { plan, why: Withdrawal::CaseClosed });
        }
        self.write(CaseRef::Is(id), Body::Closed { how });
    }

    /// Writes down that leadership cannot be given back yet, and tells a person when that lasts.
    fn wait(&mut self, now: Now, id: CaseId, case: &Case, why: NoPlan) {
        self.supersede(CaseRef::Is(id), None);
        let why = Inaction::NoPlan(why);
        let patience = self.options.policy.act.failback_after.saturating_mul(WAITS_MAX);
        let Some(lead) = self.lead.as_mut() else { return };
        let waiting_since = *lead.waits.entry(id).or_insert(now.at);
        let held = lead.held.entry(id).or_insert_with(|| Held::new(now.at, &why));
        let stands = held.says(&why);
        let say = match held.note(now.at, &why, stands) {
            Say::Anew => Some((1, Duration::ZERO)),
            Say::Still { rounds, over } => Some((rounds, over)),
            Say::Nothing => None,
        };
        if let Some((rounds, over)) = say {
            lead.write(CaseRef::Is(id), Body::StillHeld { why: why.clone(), rounds, over });
        }
        if patience <= now.at.since(waiting_since) {
            let what = Attention::Finding { kind: case.finding.kind, broker: case.finding.broker, why };
            self.tell_once(CaseRef::Is(id), Some(id), what);
        }
    }

    /// Tells whether a broker with a case has left for good: not registered, and no partition names it any more. One that
    /// still runs is a zombie, and somebody's to restart.
    pub(super) fn has_left(&self, snapshot: &Snapshot, finding: &Finding) -> bool {
        let known = !snapshot.missing.contains(&Missing::Topology) && !snapshot.topology.partitions.is_empty();
        let standing = snapshot.topology.brokers.get(&finding.broker).map(|registration| registration.standing);
        let replicas = snapshot.loads.get(&finding.broker).map_or(0, |load| load.replicas);
        let registered = standing.is_some_and(|standing| standing != Standing::Unregistered);
        known && !registered && replicas == 0 && finding.kind != FindingKind::Zombie
    }

    pub(super) fn close_unless_in_flight(&mut self, id: CaseId, how: Closing) {
        if !self.state.intents.values().any(|intent| intent.case == id) {
            self.close(id, how);
        }
    }
}
