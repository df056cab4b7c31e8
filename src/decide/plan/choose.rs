//! Who leads each partition of a broker at fault, and in which order its replicas then stand.

use std::collections::BTreeMap;

use crate::decide::policy::Policy;
use crate::decide::score::{Burden, Field};
use crate::model::ids::{BrokerId, PartitionId};
use crate::model::observation::LogEnd;
use crate::model::plan::{AtRisk, Candidate, Choice, Score, Verdict};
use crate::model::snapshot::Snapshot;
use crate::model::told::Walk;
use crate::model::topology::{Partition, Standing, Topic};

/// Whether Kafka's own next in line is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taste {
    /// Always our best: every partition is reordered anyway.
    Best,
    /// Kafka's own where ours is not better by more than the margin: it costs one record less.
    KafkasIfGood,
}

/// One partition and who is to lead it.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    pub(super) id: PartitionId,
    pub(super) partition: &'a Partition,
    pub(super) leader: BrokerId,
    /// The order wanted: the new leader first, the broker at fault last.
    pub(super) order: Vec<BrokerId>,
    pub(super) need: Need,
    pub(super) kind: Kind,
    /// How far the old leader's log reaches beyond the new leader's.
    pub(super) tail: Option<u64>,
}

/// Whether Kafka alone would bring the same leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It would.
    Kafkas,
    /// It would not: reorder first.
    Ours,
}

/// Kafka's own topics move as a step of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ordinary,
    Internal,
}

/// Everybody's choice.
#[derive(Debug, Default)]
pub(super) struct Chosen<'a> {
    pub(super) targets: Vec<Target<'a>>,
    pub(super) nobody: Vec<PartitionId>,
    pub(super) choices: Vec<Choice>,
}

/// Gives the partitions that a broker leads, in order.
pub(super) fn led_by(broker: BrokerId, snapshot: &Snapshot) -> impl Iterator<Item = (&PartitionId, &Partition)> {
    snapshot.topology.partitions.iter().filter(move |(_, partition)| partition.leader == Some(broker))
}

/// Chooses a leader for every partition that `broker` leads.
pub(super) fn choose<'a>(broker: BrokerId, taste: Taste, snapshot: &'a Snapshot, policy: &'a Policy) -> Chosen<'a> {
    let mut field = Field::new(broker, snapshot, policy);
    let mut chosen = Chosen::default();
    let mut groups = Groups::default();
    // Walked beside the partitions: looking each up would cost more than scoring it.
    let mut log_ends = snapshot.log_ends.walk();
    let (mut records_in, mut bytes_in) = (snapshot.records_in.walk(), snapshot.bytes_in.walk());
    let (mut ends, mut candidates) = (Vec::new(), Vec::new());
    for (id, partition, topic) in snapshot.topology.walk().filter(|(_, known, _)| known.leader == Some(broker)) {
        ends.clear();
        ends.extend(partition.replicas.iter().filter_map(|broker| Some((*broker, log_ends.next(id, *broker)?))));
        let fastest = |rates: &mut Walk<'_, u64>| {
            partition.replicas.iter().filter_map(|broker| rates.next(id, *broker)).max().unwrap_or(0)
        };
        let kind = kind_of(topic);
        let burden = Burden {
            records: fastest(&mut records_in),
            bytes: fastest(&mut bytes_in),
            coordinates: u64::from(kind == Kind::Internal),
        };
        candidates.clear();
        candidates.extend(field.candidates(id, partition, &ends, burden));
        let kafkas = field.kafka_would(partition);
        let best = best(&candidates);
        let leader = match (taste, best, kafkas.and_then(|kafkas| scored(kafkas, &candidates))) {
            (Taste::KafkasIfGood, Some(best), Some(theirs)) if good_enough(theirs.1, best.1, policy) => Some(theirs.0),
            (_, best, _) => best.map(|(broker, _)| broker),
        };
        groups.add((leader, kafkas), &candidates, *id);
        let Some(leader) = leader else {
            chosen.nobody.push(*id);
            continue;
        };
        field.take(leader, burden);
        chosen.targets.push(Target {
            id: *id,
            partition,
            leader,
            order: reorder(&partition.replicas, leader, broker),
            need: if kafkas == Some(leader) { Need::Kafkas } else { Need::Ours },
            kind,
            tail: tail(&ends, partition.leader, leader),
        });
    }
    chosen.choices = groups.finish();
    chosen
}

/// Partitions with the same choice among the same candidates: there are few kinds, and tens of thousands of each.
#[derive(Debug, Default)]
struct Groups(BTreeMap<Leaders, BTreeMap<Vec<Candidate>, Vec<PartitionId>>>);

/// Who was chosen, and whom Kafka would choose.
type Leaders = (Option<BrokerId>, Option<BrokerId>);

impl Groups {
    fn add(&mut self, chosen: Leaders, candidates: &[Candidate], id: PartitionId) {
        let these = self.0.entry(chosen).or_default();
        match these.get_mut(candidates) {
            Some(ids) => ids.push(id),
            None => {
                these.insert(candidates.to_vec(), vec![id]);
            }
        }
    }

    fn finish(self) -> Vec<Choice> {
        let kinds = self.0.into_iter().flat_map(|(chosen, these)| these.into_iter().map(move |each| (chosen, each)));
        let choice = |((chosen, kafka_would), (candidates, ids)): (_, (Vec<Candidate>, Vec<PartitionId>))| Choice {
            partitions: ids.into_iter().collect(),
            chosen,
            kafka_would,
            candidates,
        };
        kinds.map(choice).collect()
    }
}

/// Tells whether a partition's topic is Kafka's own.
pub(super) fn kind(id: &PartitionId, snapshot: &Snapshot) -> Kind {
    kind_of(snapshot.topology.topics.get(&id.topic))
}

fn kind_of(topic: Option<&Topic>) -> Kind {
    if topic.is_some_and(|topic| topic.internal) { Kind::Internal } else { Kind::Ordinary }
}

/// Tells whether Kafka would accept a list of these replicas: it refuses one that names an unregistered broker, or one whose
/// log dirs are all cordoned, even where nothing but the order changes.
pub(super) fn accepted(replicas: &[BrokerId], snapshot: &Snapshot) -> bool {
    replicas.iter().all(|broker| {
        let known = snapshot.topology.brokers.get(broker);
        let registered = known.is_some_and(|registration| registration.standing != Standing::Unregistered);
        registered && !snapshot.cordoned.contains(broker)
    })
}

/// Gives the acks=1 records that these changes may drop, per topic.
pub(super) fn at_risk(changes: impl Iterator<Item = Passing>) -> Vec<AtRisk> {
    let mut topics: BTreeMap<_, (Vec<PartitionId>, Option<u64>)> = BTreeMap::new();
    for passing in changes {
        let entry = topics.entry(passing.id.topic).or_insert((Vec::new(), Some(0)));
        entry.0.push(passing.id);
        entry.1 = entry.1.zip(passing.tail).map(|(sum, more)| sum.saturating_add(more));
    }
    let of_topic = |(ids, records): (Vec<PartitionId>, _)| AtRisk { partitions: ids.into_iter().collect(), records };
    topics.into_values().map(of_topic).collect()
}

/// A partition that passes from one leader to another, and how far the old one's log reaches beyond the new one's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passing {
    pub(super) id: PartitionId,
    pub(super) tail: Option<u64>,
}

/// How far the old leader's log, as last read, reaches beyond the new leader's.
pub(super) fn tail(ends: &[(BrokerId, LogEnd)], from: Option<BrokerId>, to: BrokerId) -> Option<u64> {
    let end = |of: BrokerId| ends.iter().find(|(broker, _)| *broker == of).map(|(_, end)| end.offset.0);
    Some(end(from?)?.saturating_sub(end(to)?))
}

fn best(candidates: &[Candidate]) -> Option<(BrokerId, Score)> {
    candidates
        .iter()
        .filter_map(|candidate| scored(candidate.broker, std::slice::from_ref(candidate)))
        .min_by_key(|(broker, score)| score.key(*broker))
}

fn scored(broker: BrokerId, candidates: &[Candidate]) -> Option<(BrokerId, Score)> {
    let candidate = candidates.iter().find(|candidate| candidate.broker == broker)?;
    match candidate.verdict {
        Verdict::Score(score) => Some((broker, score)),
        Verdict::Unfit(_) => None,
    }
}

fn good_enough(theirs: Score, best: Score, policy: &Policy) -> bool {
    (theirs.promotion, theirs.shares_failed_rack) == (best.promotion, best.shares_failed_rack)
        && theirs.weighted_permille <= best.weighted_permille + policy.act.kafka_choice_margin_permille
}

/// The new leader first, the broker at fault last, the others as they stand.
fn reorder(replicas: &[BrokerId], leader: BrokerId, at_fault: BrokerId) -> Vec<BrokerId> {
    let others = replicas.iter().copied().filter(|broker| *broker != leader && *broker != at_fault);
    let last = replicas.iter().copied().filter(|broker| *broker == at_fault);
    std::iter::once(leader).chain(others).chain(last).collect()
}
