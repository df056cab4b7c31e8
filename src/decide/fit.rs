//! The last look before a write: who is asked for it, which partitions of a step still fit, which are already as wanted, which have
//! moved, and the receipt of all that.
//!
//! Deliberately pure and apart from the hand, so that the simulated one goes by the same rules.

use std::collections::BTreeSet;

use crate::model::ids::{BrokerId, PartitionId};
use crate::model::plan::{Act, Intention, Move, Precondition, Step};
use crate::model::record::{Receipt, StepRefusal};
use crate::model::topology::{Partition, Topology};

/// A partition that may be written.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Which.
    pub id: PartitionId,
    /// Its wanted order.
    pub to: Vec<BrokerId>,
    /// Whether its order is already the wanted one.
    pub ordered: bool,
}

/// The partitions of a step, sorted.
#[derive(Debug, Default)]
pub struct Checked {
    /// May be written.
    pub ready: Vec<Ready>,
    /// Are as wanted.
    pub already: Vec<PartitionId>,
    /// Have moved, by reason.
    pub left_out: Vec<(StepRefusal, PartitionId)>,
}

/// Gives who is not asked about an act: the leaders that are to lose, or whoever is to be struck off. One that is to lead is a good one
/// to ask.
#[must_use]
pub fn avoided(act: &Act) -> BTreeSet<BrokerId> {
    if let Act::Unregister { broker, .. } = act {
        return BTreeSet::from([*broker]);
    }
    let moves = act.moves();
    let leads_after = |broker: BrokerId| moves.iter().any(|one| one.to.first() == Some(&broker));
    moves.iter().filter_map(|one| one.leader).filter(|leader| !leads_after(*leader)).collect()
}

/// Gives the receipt of a step that was sent: what is done, and by reason what was left out or refused.
#[must_use]
pub fn receipt(done: &[PartitionId], left_out: &[(StepRefusal, PartitionId)]) -> Receipt {
    let reasons: BTreeSet<StepRefusal> = left_out.iter().map(|(why, _)| *why).collect();
    let of = |why: StepRefusal| left_out.iter().filter(|(reason, _)| *reason == why).map(|(_, id)| *id).collect();
    Receipt::Done { done: done.iter().copied().collect(), not: reasons.into_iter().map(|why| (why, of(why))).collect() }
}

/// Tells whether a step may take the time to ask who else is at work: while an outage runs, a partition whose replica list has
/// changed is seen by that alone.
#[must_use]
pub fn is_patient(step: &Step) -> bool {
    !step.expects.iter().any(|expected| matches!(expected, Precondition::StillRed(_)))
}

/// Sorts the partitions of the moves by what the fresh facts say.
#[must_use]
pub fn sort_moves(moves: &[Move], intention: Intention, fresh: &Topology) -> Checked {
    let mut checked = Checked::default();
    for one in moves {
        for id in one.partitions.iter() {
            // A partition whose topic has no name cannot be written to.
            let found = fresh.partitions.get(&id).filter(|_| fresh.topics.contains_key(&id.topic));
            let Some(partition) = found else {
                checked.left_out.push((StepRefusal::Stale, id));
                continue;
            };
            match fit(one, intention, partition) {
                Fit::Already => checked.already.push(id),
                Fit::Moved => checked.left_out.push((StepRefusal::Stale, id)),
                Fit::Write { ordered } => checked.ready.push(Ready { id, to: one.to.clone(), ordered }),
            }
        }
    }
    checked
}

enum Fit {
    Already,
    Moved,
    Write { ordered: bool },
}

fn fit(one: &Move, intention: Intention, partition: &Partition) -> Fit {
    let ordered = partition.replicas == one.to;
    let wanted = one.to.first().copied();
    let led = wanted.is_some() && partition.leader == wanted;
    if !one.is_heard_by(partition) {
        return Fit::Moved;
    }
    match intention {
        Intention::Order if ordered => return Fit::Already,
        Intention::OrderAndLeader if ordered && one.is_led_in(partition) => return Fit::Already,
        Intention::Order | Intention::OrderAndLeader | Intention::BrokerOut => {}
    }
    let in_sync = wanted.is_some_and(|wanted| partition.isr.contains(&wanted));
    // An empty ISR leaves the eligible (ELR) members, which Metadata does not tell: the controller itself refuses (80) where
    // the wanted one is not among them.
    let clean = in_sync || partition.isr.is_empty();
    let as_planned = (ordered || partition.replicas == one.from)
        && (partition.leader == one.leader || led || partition.leader.is_none());
    if as_planned && clean { Fit::Write { ordered } } else { Fit::Moved }
}

/// Gives one shape of several: of each partition the view with the higher leader epoch; at equal epochs the first.
#[must_use]
pub fn merged(views: impl IntoIterator<Item = Topology>) -> Topology {
    let mut views = views.into_iter();
    let mut whole = views.next().unwrap_or_default();
    for view in views {
        for (id, partition) in view.partitions {
            let newer = whole.partitions.get(&id).is_none_or(|held| held.leader_epoch < partition.leader_epoch);
            if newer {
                whole.partitions.insert(id, partition);
            }
        }
        whole.topics.extend(view.topics);
        whole.brokers.extend(view.brokers);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{LeaderEpoch, TopicId};
    use crate::model::topology::Topic;

    fn cluster(replicas: [i32; 3], isr: &[i32], leader: i32, epoch: i32) -> Topology {
        let topic = TopicId([1; 16]);
        let mut topology = Topology::default();
        topology.topics.insert(topic, Topic { name: "orders".to_owned(), internal: false, min_isr: None });
        let partition = Partition {
            leader: (0 < leader).then_some(BrokerId(leader)),
            leader_epoch: LeaderEpoch(epoch),
            replicas: replicas.map(BrokerId).to_vec(),
            isr: isr.iter().copied().map(BrokerId).collect(),
            elr: std::collections::BTreeSet::new(),
            reassigning: false,
        };
        topology.partitions.insert(PartitionId { topic, number: 0 }, partition);
        topology
    }

    fn check(intention: Intention, fresh: &Topology) -> String {
        let id = PartitionId { topic: TopicId([1; 16]), number: 0 };
        let one = Move {
            partitions: [id].into_iter().collect(),
            leader: Some(BrokerId(1)),
            leader_epoch: LeaderEpoch(5),
            from: [1, 2, 3].map(BrokerId).to_vec(),
            to: [2, 1, 3].map(BrokerId).to_vec(),
        };
        let sorted = sort_moves(&[one], intention, fresh);
        match (sorted.ready.as_slice(), sorted.already.len(), sorted.left_out.len()) {
            ([ready], 0, 0) if ready.ordered => "elect".to_owned(),
            ([_], 0, 0) => "write".to_owned(),
            ([], 1, 0) => "already".to_owned(),
            ([], 0, 1) => "moved".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn facts_as_planned_are_written() {
        assert_eq!(check(Intention::Order, &cluster([1, 2, 3], &[1, 2, 3], 1, 5)), "write");
        assert_eq!(check(Intention::OrderAndLeader, &cluster([1, 2, 3], &[2], -1, 6)), "write");
    }

    #[test]
    fn a_second_application_changes_nothing() {
        assert_eq!(check(Intention::Order, &cluster([2, 1, 3], &[1, 2, 3], 1, 5)), "already");
        assert_eq!(check(Intention::OrderAndLeader, &cluster([2, 1, 3], &[1, 2, 3], 1, 5)), "elect");
        assert_eq!(check(Intention::OrderAndLeader, &cluster([2, 1, 3], &[2, 3], 2, 6)), "already");
    }

    #[test]
    fn facts_that_moved_are_left_alone() {
        assert_eq!(check(Intention::Order, &cluster([1, 2, 4], &[1, 2], 1, 5)), "moved");
        assert_eq!(check(Intention::Order, &cluster([1, 2, 3], &[1, 2, 3], 3, 6)), "moved");
        assert_eq!(check(Intention::Order, &cluster([1, 2, 3], &[1, 3], 1, 5)), "moved");
        assert_eq!(check(Intention::Order, &cluster([1, 2, 3], &[1, 2, 3], 1, 4)), "moved");
        assert_eq!(check(Intention::Order, &Topology::default()), "moved");
    }

    #[test]
    fn a_view_from_before_the_decision_shows_nothing_to_be_as_wanted() {
        // What is to come back is what was so before: whoever was stopped meanwhile tells just that.
        assert_eq!(check(Intention::Order, &cluster([2, 1, 3], &[1, 2, 3], 2, 4)), "moved");
        assert_eq!(check(Intention::OrderAndLeader, &cluster([2, 1, 3], &[1, 2, 3], 2, 4)), "moved");
        assert_eq!(check(Intention::OrderAndLeader, &cluster([2, 1, 3], &[1, 2, 3], 2, 5)), "elect");
    }
}
