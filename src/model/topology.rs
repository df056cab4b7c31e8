//! The cluster's shape: who is registered, who leads what, who is in sync.
//!
//! Deliberately no health: that a broker is listed here says nothing about whether it serves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{BrokerEpoch, BrokerId, ClusterId, LeaderEpoch, Offset, PartitionId, Rack, TopicId};

/// The shape of one Kafka cluster, as some source told it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topology {
    /// The cluster's own id.
    pub cluster: ClusterId,
    /// How far the metadata log had been read, where the source knows.
    pub metadata_offset: Option<Offset>,
    /// Every broker that is registered (and, where the source cannot tell, every one that is named).
    pub brokers: BTreeMap<BrokerId, Registration>,
    /// The topics by id.
    pub topics: BTreeMap<TopicId, Topic>,
    /// Every partition.
    pub partitions: BTreeMap<PartitionId, Partition>,
}

/// What the cluster says of one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its failure domain.
    pub rack: Option<Rack>,
    /// Its life; known to the observer of the metadata log only.
    pub epoch: Option<BrokerEpoch>,
    /// Where it stands with the active controller.
    pub standing: Standing,
}

/// Where a broker stands with the active controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Registered and unfenced.
    Active,
    /// Registered and fenced: leads nothing, in no ISR that has another member.
    Fenced,
    /// In controlled shutdown.
    ShuttingDown,
    /// Named in replica lists but not registered.
    Unregistered,
    /// The source cannot tell.
    Unknown,
}

/// A topic's name and the settings that decide whether its partitions serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name: for people; never part of a decision, never in a prompt.
    pub name: String,
    /// Kafka's own (`__consumer_offsets`, `__transaction_state`).
    pub internal: bool,
    /// Its effective `min.insync.replicas` (before Kafka caps it at the replication factor), where known.
    pub min_isr: Option<u16>,
}

/// One partition's assignment and leadership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its leader; none while leaderless.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The replicas in the controller's order; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: BTreeSet<BrokerId>,
    /// The eligible leader replicas (KIP-966), where the feature is on.
    pub elr: BTreeSet<BrokerId>,
    /// Whether a reassignment is in flight.
    pub reassigning: bool,
}

#[cfg(test)]
impl Partition {
    /// Gives it as it is where this was so before: another leader leads in another epoch.
    #[must_use]
    pub(crate) fn after(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before.filter(|before| before.leader != self.leader) {
            self.leader_epoch = self.leader_epoch.max(LeaderEpoch(before.leader_epoch.0 + 1));
        }
        self
    }
}

/// A set of partitions, kept small on paper: per topic the runs of consecutive numbers.
///
/// In memory the runs of all topics are one list in order: a plan holds tens of thousands.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PartitionSet(Vec<(TopicId, Run)>);

/// Consecutive partition numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run(pub i32, pub i32);

impl Topology {
    /// Gives every partition in order, with its topic; both maps are walked once.
    pub fn walk(&self) -> impl Iterator<Item = (&PartitionId, &Partition, Option<&Topic>)> {
        let mut topics = self.topics.iter().peekable();
        self.partitions.iter().map(move |(id, partition)| {
            while topics.next_if(|(topic, _)| **topic < id.topic).is_some() {}
            let topic = topics.peek().filter(|(topic, _)| **topic == id.topic).map(|(_, topic)| *topic);
            (id, partition, topic)
        })
    }

    /// Gives who hosts which of these partitions, or of all where none is named, each broker's in order.
    #[must_use]
    pub fn hosted(&self, only: &BTreeSet<PartitionId>) -> BTreeMap<BrokerId, Vec<PartitionId>> {
        let mut hosted: BTreeMap<BrokerId, Vec<PartitionId>> = BTreeMap::new();
        let mut take = |id: &PartitionId, partition: &Partition| {
            partition.replicas.iter().for_each(|broker| hosted.entry(*broker).or_default().push(*id));
        };
        if only.is_empty() {
            self.partitions.iter().for_each(|(id, partition)| take(id, partition));
        } else {
            only.iter().filter_map(|id| Some((id, self.partitions.get(id)?))).for_each(|(id, one)| take(id, one));
        }
        hosted
    }
}

impl PartitionSet {
    /// Gives the partitions in order.
    pub fn iter(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.0.iter().flat_map(|(topic, run)| (run.0..=run.1).map(move |number| PartitionId { topic: *topic, number }))
    }

    /// Gives how many partitions the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, run)| usize::try_from(i64::from(run.1) - i64::from(run.0) + 1).unwrap_or(0)).sum()
    }

    /// Tells whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Tells whether the set holds `partition`.
    #[must_use]
    pub fn contains(&self, partition: &PartitionId) -> bool {
        let from = self.0.partition_point(|(topic, _)| *topic < partition.topic);
        let of_topic = self.0.iter().skip(from).take_while(|(topic, _)| *topic == partition.topic);
        of_topic.into_iter().any(|(_, run)| run.0 <= partition.number && partition.number <= run.1)
    }

    /// Gives each topic with its runs.
    fn topics(&self) -> impl Iterator<Item = (&TopicId, RunsOf<'_>)> {
        let topics = self.0.chunk_by(|(one, _), (next, _)| one == next);
        topics.filter_map(|of_topic| of_topic.first().map(|(topic, _)| (topic, RunsOf(of_topic))))
    }
}

impl FromIterator<PartitionId> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = PartitionId>>(partitions: I) -> Self {
        // A sorted list rather than a set: sets of tens of thousands are made for each plan, mostly in order already.
        let mut sorted: Vec<PartitionId> = partitions.into_iter().collect();
        if !sorted.is_sorted() {
            sorted.sort_unstable();
        }
        let mut runs: Vec<(TopicId, Run)> = Vec::with_capacity(sorted.len());
        for PartitionId { topic, number } in sorted {
            match runs.last_mut() {
                Some((last, run)) if *last == topic && i64::from(number) <= i64::from(run.1) + 1 => run.1 = number,
                Some(_) | None => runs.push((topic, Run(number, number))),
            }
        }
        runs.shrink_to_fit();
        Self(runs)
    }
}

/// By topic, then by the topic's runs: a topic with fewer runs comes first.
impl Ord for PartitionSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.topics().map(|(_, runs)| runs.0).cmp(other.topics().map(|(_, runs)| runs.0))
    }
}

impl PartialOrd for PartitionSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for PartitionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.topics())
    }
}

impl<'de> Deserialize<'de> for PartitionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let topics = BTreeMap::<TopicId, Vec<Run>>::deserialize(deserializer)?;
        Ok(Self(topics.into_iter().flat_map(|(topic, runs)| runs.into_iter().map(move |run| (topic, run))).collect()))
    }
}

impl fmt::Debug for PartitionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics: BTreeMap<_, _> = self.topics().collect();
        f.debug_tuple("PartitionSet").field(&topics).finish()
    }
}

/// The runs of one topic.
struct RunsOf<'a>(&'a [(TopicId, Run)]);

impl Serialize for RunsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(_, run)| run))
    }
}

impl fmt::Debug for RunsOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, run)| run)).finish()
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Fenced => "fenced",
            Self::ShuttingDown => "shutting down",
            Self::Unregistered => "unregistered",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_partitions_is_written_as_runs_and_read_back() {
        let topic = TopicId([1; 16]);
        let numbers = [5, 0, 1, 2, 9, 6];
        let set: PartitionSet = numbers.iter().map(|&number| PartitionId { topic, number }).collect();
        assert_eq!(serde_json::to_string(&set).unwrap(), format!("{{\"{topic}\":[[0,2],[5,6],[9,9]]}}"));
        assert_eq!(set.iter().map(|p| p.number).collect::<Vec<_>>(), [0, 1, 2, 5, 6, 9]);
        assert_eq!(set.len(), 6);
        assert!(set.contains(&PartitionId { topic, number: 6 }));
        assert!(!set.contains(&PartitionId { topic, number: 7 }));
        let again: PartitionSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
        assert_eq!(again, set);
    }

    #[test]
    fn sets_compare_topic_by_topic() {
        let set = |partitions: &[(u8, i32)]| -> PartitionSet {
            partitions
                .iter()
                .map(|(topic, number)| PartitionId { topic: TopicId([*topic; 16]), number: *number })
                .collect()
        };
        let sets =
            [set(&[]), set(&[(1, 0)]), set(&[(1, 0), (2, 0)]), set(&[(1, 0), (1, 5)]), set(&[(1, 1)]), set(&[(2, 0)])];
        for (place, one) in sets.iter().enumerate() {
            for (other_place, other) in sets.iter().enumerate() {
                assert_eq!(one.cmp(other), place.cmp(&other_place), "{one:?} against {other:?}");
            }
        }
    }

    #[test]
    fn who_hosts_what_is_told_of_those_named_or_of_all() {
        let topic = TopicId([1; 16]);
        let id = |number| PartitionId { topic, number };
        let list = |brokers: &[i32]| Partition {
            leader: None,
            leader_epoch: LeaderEpoch(0),
            replicas: brokers.iter().map(|id| BrokerId(*id)).collect(),
            isr: BTreeSet::new(),
            elr: BTreeSet::new(),
            reassigning: false,
        };
        let partitions = [(id(0), list(&[2, 1])), (id(1), list(&[3])), (id(2), list(&[1, 3]))];
        let topology = Topology { partitions: partitions.into_iter().collect(), ..Topology::default() };
        let told = |only: &[PartitionId]| format!("{:?}", topology.hosted(&only.iter().copied().collect()));
        let all = BTreeMap::from([
            (BrokerId(1), vec![id(0), id(2)]),
            (BrokerId(2), vec![id(0)]),
            (BrokerId(3), vec![id(1), id(2)]),
        ]);
        assert_eq!(told(&[]), format!("{all:?}"));
        let named = BTreeMap::from([(BrokerId(1), vec![id(2)]), (BrokerId(3), vec![id(2)])]);
        assert_eq!(told(&[id(2), id(7)]), format!("{named:?}"), "one that is gone is hosted by nobody");
    }
}
