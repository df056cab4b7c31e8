//! What a record can be found by, read off the record itself: which brokers and partitions it is about.
//!
//! A follow-up of a case (an outcome, an approval, an opinion) is found by its case; only what names brokers or partitions
//! for the first time is indexed by them, or 10,000 partitions would stand in the index once per record.
//!
//! It deliberately judges nothing: `why` asks for a partition, takes the cases that it finds, and reads those whole.

use std::collections::BTreeSet;

use super::layout::IndexKeys;
use crate::model::ids::{BrokerId, CaseId, PartitionId, RecordIndex};
use crate::model::plan::{Act, Move, Origin, Plan};
use crate::model::record::{Attention, Body, Decision, Record};

impl IndexKeys {
    /// Gives what the record of this number can be found by.
    #[must_use]
    pub fn of(index: RecordIndex, record: &Record) -> Self {
        let mut about = About::default();
        about.body(&record.body);
        // The record that opens a case is the case's name.
        let opened = matches!(record.body, Body::Opened(_)).then_some(CaseId(index.0));
        Self {
            case: record.case.or(opened),
            brokers: about.brokers,
            partitions: about.partitions,
            at: record.at,
            wall_ms: record.wall_ms,
        }
    }
}

#[derive(Default)]
struct About {
    brokers: BTreeSet<BrokerId>,
    partitions: BTreeSet<PartitionId>,
}

impl About {
    fn body(&mut self, body: &Body) {
        match body {
            Body::Opened(finding) | Body::Reclassified { to: finding, .. } => self.brokers.extend([finding.broker]),
            Body::Decided(decision) => self.decision(decision),
            Body::Attention { what: Attention::Finding { broker, .. } | Attention::Zombie { broker, .. } } => {
                self.brokers.extend([*broker]);
            }
            Body::Attention {
                what:
                    Attention::UnknownOutcome { .. }
                    | Attention::PlanFailed { .. }
                    | Attention::ApprovalWanted { .. }
                    | Attention::AuditRebuilt { .. },
            }
            | Body::Founded { .. }
            | Body::Led
            | Body::HandedOver { .. }
            | Body::PolicyIs { .. }
            | Body::StillHeld { .. }
            | Body::Continued { .. }
            | Body::Outcome(_)
            | Body::Opinion(_)
            | Body::Approved { .. }
            | Body::Rejected { .. }
            | Body::Withdrawn { .. }
            | Body::Paused { .. }
            | Body::Resumed { .. }
            | Body::PauseFile { .. }
            | Body::Acknowledged { .. }
            | Body::Closed { .. } => {}
        }
    }

    fn decision(&mut self, decision: &Decision) {
        self.brokers.extend(decision.finding.iter().map(|finding| finding.broker));
        if let Some(plan) = &decision.plan {
            self.plan(plan);
        }
    }

    fn plan(&mut self, plan: &Plan) {
        match &plan.origin {
            Origin::Finding { broker, .. } | Origin::Failback { broker, .. } => self.brokers.extend([*broker]),
            Origin::Undo { .. } => {}
        }
        for step in &plan.steps {
            match &step.act {
                Act::Reorder { moves } | Act::Elect { moves } | Act::Prefer { moves } => {
                    moves.iter().for_each(|one| self.one_move(one));
                }
                Act::Fence { broker, .. } | Act::Unregister { broker, .. } => self.brokers.extend([*broker]),
            }
        }
        for choice in &plan.choices {
            // Those that were not chosen as well: "why not broker 3".
            self.brokers.extend(choice.candidates.iter().map(|candidate| candidate.broker));
            self.partitions.extend(choice.partitions.iter());
        }
        for order in &plan.undo {
            self.partitions.extend(order.partitions.iter());
        }
    }

    fn one_move(&mut self, one: &Move) {
        self.brokers.extend(one.leader);
        self.brokers.extend(one.to.first());
        self.partitions.extend(one.partitions.iter());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::canon::to_canonical_bytes;
    use crate::model::ids::{Digest, LeaderEpoch, NodeId, Term, TopicId};
    use crate::model::plan::{Class, Step, When};
    use crate::model::record::RECORD_VERSION;
    use crate::model::time::LogTime;

    fn record(case: Option<CaseId>, body: Body) -> Record {
        let (by, term, policy) = (NodeId(1), Term(2), Digest([3; 32]));
        Record { version: RECORD_VERSION, at: LogTime(4), wall_ms: 5, by, term, policy, case, body }
    }

    #[test]
    fn a_follow_up_is_found_by_case_and_time_alone() {
        let keys = IndexKeys::of(RecordIndex(9), &record(Some(CaseId(7)), Body::Led));
        let wanted = IndexKeys { case: Some(CaseId(7)), at: LogTime(4), wall_ms: 5, ..IndexKeys::default() };
        assert_eq!(keys, wanted);
    }

    #[test]
    fn a_plan_is_found_by_every_broker_and_partition_it_names() {
        let topic = TopicId([1; 16]);
        let partitions: BTreeSet<PartitionId> = [4, 5, 9].map(|number| PartitionId { topic, number }).into();
        let elect = Move {
            partitions: partitions.iter().copied().collect(),
            leader: Some(BrokerId(1)),
            leader_epoch: LeaderEpoch(3),
            from: vec![BrokerId(1), BrokerId(2), BrokerId(4)],
            to: vec![BrokerId(2), BrokerId(1), BrokerId(4)],
        };
        let step = Step { number: 1, when: When::AtOnce, act: Act::Elect { moves: vec![elect] }, expects: Vec::new() };
        let plan = Plan {
            parent: None,
            origin: Origin::Failback { broker: BrokerId(7), of: CaseId(3) },
            class: Class::R1,
            steps: vec![step],
            undo: Vec::new(),
            collateral: Vec::new(),
            at_risk: Vec::new(),
            choices: Vec::new(),
        };
        assert!(to_canonical_bytes(&plan).is_ok());
        let mut about = About::default();
        about.plan(&plan);
        assert_eq!(about.brokers, BTreeSet::from([BrokerId(1), BrokerId(2), BrokerId(7)]));
        assert_eq!(about.partitions, partitions);
    }
}
