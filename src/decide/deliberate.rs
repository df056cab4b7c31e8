//! Deliberate: detect, plan and guard in one, and again from a record.
//!
//! What a decision does not read is pruned before it is recorded; pruned, it must come out the same.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::detect::{detect, detect_one, is_red};
use super::guard::{guard, too_many_red};
use super::plan::{digest, plan_failback, plan_for, plan_undo};
use super::policy::Policy;
use crate::model::finding::{Finding, FindingKind, Say};
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::plan::{Origin, Plan, PlanDigest};
use crate::model::record::{Decision, DecisionVerdict, Inaction, NoPlan};
use crate::model::ruling::{Objection, Ruling};
use crate::model::snapshot::Snapshot;
use crate::model::topology::Topology;

/// One finding and all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Deliberation {
    /// The finding.
    pub finding: Finding,
    /// The plan that answers it, and its digest.
    pub plan: Option<(Plan, PlanDigest)>,
    /// What the guard says of the plan.
    pub ruling: Option<Ruling>,
    /// Why nothing is done, where nothing is.
    pub inaction: Option<Inaction>,
}

/// Whether a recorded decision comes out the same again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It does.
    Same,
    /// It does not.
    Differs {
        /// In what.
        what: String,
    },
}

/// Decides about every broker that is not plainly well.
#[must_use]
pub fn deliberate(snapshot: &Snapshot, policy: &Policy) -> Vec<Deliberation> {
    detect(snapshot, policy).into_iter().map(|finding| answer(finding, snapshot, policy)).collect()
}

/// Decides about one broker; none where it is plainly well.
#[must_use]
pub fn deliberate_one(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Option<Deliberation> {
    detect_one(broker, snapshot, policy).map(|finding| answer(finding, snapshot, policy))
}

fn answer(finding: Finding, snapshot: &Snapshot, policy: &Policy) -> Deliberation {
    let nothing = |finding, inaction| Deliberation { finding, plan: None, ruling: None, inaction: Some(inaction) };
    let kind = finding.kind;
    match kind {
        FindingKind::Recovering | FindingKind::BrokerStopped | FindingKind::Conflict | FindingKind::Unknown => {
            return nothing(finding, Inaction::NothingToDo(kind));
        }
        FindingKind::CutOrStalled | FindingKind::Zombie => return nothing(finding, Inaction::OnlyWarns(kind)),
        FindingKind::LeaderNotServing
        | FindingKind::BrokerCrashed
        | FindingKind::BrokerSilent
        | FindingKind::ClientPathCut => {}
    }
    // A case keeps its finding until the broker is green, but only a red one is acted on.
    if !is_red(finding.broker, snapshot, policy) {
        let why = undecided(&finding, snapshot, policy)
            .map_or(Inaction::NothingToDo(kind), |held| Inaction::Held(vec![held]));
        return nothing(finding, why);
    }
    let plan = match plan_for(&finding, snapshot, policy) {
        Ok(plan) => plan,
        Err(why) => return nothing(finding, Inaction::NoPlan(why)),
    };
    let ruling = guard(&plan, Some(&finding), snapshot, policy);
    let inaction = match &ruling {
        Ruling::Held(objections) => Some(Inaction::Held(objections.clone())),
        Ruling::Allowed | Ruling::NeedsApproval { .. } => None,
    };
    let digest = digest(&plan);
    Deliberation { finding, plan: Some((plan, digest)), ruling: Some(ruling), inaction }
}

/// Gives what is in the way where a majority might still be red, but nodes abstain: when most brokers are gone every node doubts
/// itself, and silence about that would leave everybody alone with it.
fn undecided(finding: &Finding, snapshot: &Snapshot, policy: &Policy) -> Option<Objection> {
    let say = |said: Say| finding.votes.values().filter(|vote| vote.says == said).count();
    let (red, abstain, needed) = (say(Say::Red), say(Say::Abstains), (finding.votes.len() / 2 + 1).max(2));
    let open = 0 < abstain && needed <= red + abstain && say(Say::Serves) == 0;
    let small = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
    let no_majority = || Objection::NoMajority { votes: small(red), needed: small(needed) };
    open.then(|| too_many_red(snapshot, policy).unwrap_or_else(no_majority))
}

/// Gives the snapshot without the partitions that this decision does not read. What each broker carries stands in the
/// loads, counted over the whole cluster.
#[must_use]
pub fn prune(snapshot: &Snapshot, deliberation: &Deliberation) -> Snapshot {
    let broker = deliberation.finding.broker;
    // Without plan and without a reason that partitions gave, none was read.
    let read = match (&deliberation.plan, &deliberation.inaction) {
        (None, Some(Inaction::NothingToDo(_) | Inaction::OnlyWarns(_))) => BTreeSet::new(),
        (Some(_), _) | (None, _) => touched_by(broker, &snapshot.topology),
    };
    keep(snapshot, read)
}

/// Gives the snapshot without the partitions that a failback or undo plan does not read.
#[must_use]
pub fn prune_to_plan(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
    keep(snapshot, plan.undo.iter().flat_map(|original| original.partitions.iter()).collect())
}

/// Partitions that a broker leads or is in sync for, and one with the most replicas: whether a broker may be unregistered
/// depends on the highest replication factor in use.
fn touched_by(broker: BrokerId, topology: &Topology) -> BTreeSet<PartitionId> {
    let touched = topology.partitions.iter().filter(|(_, partition)| {
        partition.leader == Some(broker) || partition.isr.contains(&broker) || partition.elr.contains(&broker)
    });
    let widest = topology.partitions.iter().max_by_key(|(id, partition)| (partition.replicas.len(), **id));
    touched.chain(widest).map(|(id, _)| *id).collect()
}

fn keep(snapshot: &Snapshot, read: BTreeSet<PartitionId>) -> Snapshot {
    let whole = &snapshot.topology;
    let topics: BTreeSet<_> = read.iter().map(|id| id.topic).collect();
    let topology = Topology {
        cluster: whole.cluster.clone(),
        metadata_offset: whole.metadata_offset,
        brokers: whole.brokers.clone(),
        topics: topics.iter().filter_map(|id| whole.topics.get(id).map(|topic| (*id, topic.clone()))).collect(),
        partitions: read.iter().filter_map(|id| whole.partitions.get(id).map(|known| (*id, known.clone()))).collect(),
    };
    Snapshot {
        topology: Arc::new(topology),
        log_ends: snapshot.log_ends.only(&read),
        records_in: snapshot.records_in.only(&read),
        bytes_in: snapshot.bytes_in.only(&read),
        reassigning: read.intersection(&snapshot.reassigning).copied().collect(),
        taken_at: snapshot.taken_at,
        taken_by: snapshot.taken_by,
        controller: snapshot.controller,
        heard: snapshot.heard.clone(),
        voters: snapshot.voters.clone(),
        topology_age: snapshot.topology_age,
        topology_source: snapshot.topology_source.clone(),
        loads: snapshot.loads.clone(),
        cordoned: snapshot.cordoned.clone(),
        standing: snapshot.standing.clone(),
        missing: snapshot.missing.clone(),
    }
}

/// Decides again from a record and compares.
#[must_use]
pub fn replay(decision: &Decision, policy: &Policy) -> Replayed {
    let again = match &decision.finding {
        Some(finding) => match deliberate_one(finding.broker, &decision.snapshot, policy) {
            Some(again) if again.finding != *finding => {
                return differs("the finding", finding.kind, again.finding.kind);
            }
            Some(again) => (again.plan, again.ruling, again.inaction),
            None => return differs("the finding", finding.kind, "none"),
        },
        None => match &decision.plan {
            Some(plan) => restore_again(plan, &decision.snapshot, policy),
            None => return Replayed::Differs { what: "it holds neither finding nor plan".to_owned() },
        },
    };
    let (plan, ruling, inaction) = again;
    let digest_again = plan.as_ref().map(|(_, digest)| *digest);
    if digest_again != decision.digest || decision.plan.as_ref().map(digest) != decision.digest {
        let short = |digest: &Option<PlanDigest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.short());
        return differs("the plan", short(&decision.digest), short(&digest_again));
    }
    if ruling != decision.ruling {
        return differs("the ruling", format!("{:?}", decision.ruling), format!("{ruling:?}"));
    }
    match (&decision.verdict, inaction) {
        (DecisionVerdict::Nothing(Inaction::TriedEnough), None) => Replayed::Same,
        (DecisionVerdict::Nothing(recorded), again) if again.as_ref() != Some(recorded) => {
            differs("the reason for doing nothing", format!("{recorded:?}"), format!("{again:?}"))
        }
        (DecisionVerdict::Nothing(_), _) => Replayed::Same,
        (DecisionVerdict::Act { .. } | DecisionVerdict::WouldAct | DecisionVerdict::Offer { .. }, None) => {
            Replayed::Same
        }
        (DecisionVerdict::Act { .. } | DecisionVerdict::WouldAct | DecisionVerdict::Offer { .. }, Some(again)) => {
            differs("the verdict", "something is done", format!("{again:?}"))
        }
    }
}

type Again = (Option<(Plan, PlanDigest)>, Option<Ruling>, Option<Inaction>);

/// A failback or undo plans from the recorded order, which its plan carries.
fn restore_again(recorded: &Plan, snapshot: &Snapshot, policy: &Policy) -> Again {
    let planned = match &recorded.origin {
        Origin::Failback { broker, of } => plan_failback(*broker, *of, &recorded.undo, snapshot, policy),
        Origin::Undo { of, by } => plan_undo(*of, by, &recorded.undo, snapshot, policy),
        Origin::Finding { .. } => Err(NoPlan::Blind),
    };
    match planned {
        Err(why) => (None, None, Some(Inaction::NoPlan(why))),
        Ok(plan) => {
            let ruling = guard(&plan, None, snapshot, policy);
            let inaction = match &ruling {
                Ruling::Held(objections) => Some(Inaction::Held(objections.clone())),
                Ruling::Allowed | Ruling::NeedsApproval { .. } => None,
            };
            let digest = digest(&plan);
            (Some((plan, digest)), Some(ruling), inaction)
        }
    }
}

fn differs(what: &str, recorded: impl std::fmt::Display, again: impl std::fmt::Display) -> Replayed {
    Replayed::Differs { what: format!("{what}: recorded {recorded}, decided again {again}") }
}
