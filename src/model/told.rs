//! What brokers told of their own replicas: one value per partition and broker.
//!
//! Deliberately one sorted list per broker, shared until it changes: a snapshot of 200,000 partitions takes it without
//! copying, and a decision looks up the few partitions that it is about. On paper it is a map per partition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{BrokerId, PartitionId};

/// One broker's list, in the order of its partitions.
pub type Own<T> = Arc<Vec<(PartitionId, T)>>;

/// A value per replica.
#[derive(Clone, PartialEq, Eq)]
pub struct Told<T>(BTreeMap<BrokerId, Own<T>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy> Told<T> {
    /// Takes in one broker's list, in place of what it told before; an empty one says nothing and is left out.
    ///
    /// Contract: the list is in the order of its partitions and names none twice.
    pub fn put(&mut self, broker: BrokerId, own: Own<T>) {
        if own.is_empty() {
            self.0.remove(&broker);
        } else {
            self.0.insert(broker, own);
        }
    }

    /// Tells whether nobody told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives what a broker told of its replica of a partition.
    #[must_use]
    pub fn get(&self, partition: &PartitionId, broker: BrokerId) -> Option<T> {
        find(self.0.get(&broker)?, partition)
    }

    /// Gives what every broker told of its replica of a partition, in the order of brokers.
    pub fn of(&self, partition: PartitionId) -> impl Iterator<Item = (BrokerId, T)> + '_ {
        self.0.iter().filter_map(move |(broker, own)| Some((*broker, find(own, &partition)?)))
    }

    /// Gives the brokers that told anything.
    pub fn brokers(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.0.keys().copied()
    }

    /// Gives the values of these partitions only.
    #[must_use]
    pub fn only(&self, partitions: &BTreeSet<PartitionId>) -> Self {
        let mut kept = Self::default();
        for (broker, own) in &self.0 {
            // Both are in order: gone through side by side.
            let mut rest = own.as_slice();
            let these = partitions.iter().filter_map(|id| Some((*id, advance(&mut rest, id)?)));
            kept.put(*broker, Arc::new(these.collect()));
        }
        kept
    }

    /// Gives a reader for partitions that are asked for in order.
    #[must_use]
    pub fn walk(&self) -> Walk<'_, T> {
        Walk(self.0.iter().map(|(broker, own)| (*broker, own.as_slice())).collect())
    }
}

fn find<T: Copy>(own: &[(PartitionId, T)], partition: &PartitionId) -> Option<T> {
    let place = own.binary_search_by_key(partition, |(id, _)| *id).ok()?;
    own.get(place).map(|(_, value)| *value)
}

/// Reads values of partitions in order: each list is gone through once, whole stretches at a time.
#[derive(Debug, Clone)]
pub struct Walk<'a, T>(BTreeMap<BrokerId, &'a [(PartitionId, T)]>);

impl<T: Copy> Walk<'_, T> {
    /// Gives what a broker told of its replica of a partition.
    ///
    /// Contract: no partition before one that this broker was asked for already.
    pub fn next(&mut self, partition: &PartitionId, broker: BrokerId) -> Option<T> {
        advance(self.0.get_mut(&broker)?, partition)
    }
}

/// Leaves out what comes before a partition, and gives its value.
fn advance<T: Copy>(rest: &mut &[(PartitionId, T)], partition: &PartitionId) -> Option<T> {
    // Doubling the stretch finds a near one at once and a far one in few steps.
    let mut stretch = 1;
    while rest.get(stretch).is_some_and(|(id, _)| id <= partition) {
        stretch *= 2;
    }
    let within = rest.get(..stretch).unwrap_or(rest);
    let passed = within.partition_point(|(id, _)| id < partition);
    *rest = rest.get(passed..).unwrap_or_default();
    rest.first().filter(|(id, _)| id == partition).map(|(_, value)| *value)
}

impl<T: Copy> FromIterator<(PartitionId, BrokerId, T)> for Told<T> {
    /// The last of several values for one replica counts.
    fn from_iter<I: IntoIterator<Item = (PartitionId, BrokerId, T)>>(values: I) -> Self {
        let mut brokers: BTreeMap<BrokerId, BTreeMap<PartitionId, T>> = BTreeMap::new();
        for (partition, broker, value) in values {
            brokers.entry(broker).or_default().insert(partition, value);
        }
        Self(brokers.into_iter().map(|(broker, own)| (broker, Arc::new(own.into_iter().collect()))).collect())
    }
}

impl<T: Copy> Told<T> {
    fn by_partition(&self) -> BTreeMap<PartitionId, BTreeMap<BrokerId, T>> {
        let mut partitions: BTreeMap<PartitionId, BTreeMap<BrokerId, T>> = BTreeMap::new();
        for (broker, own) in &self.0 {
            for (partition, value) in own.iter() {
                partitions.entry(*partition).or_default().insert(*broker, *value);
            }
        }
        partitions
    }
}

impl<T: Copy + Serialize> Serialize for Told<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_partition().serialize(serializer)
    }
}

impl<'de, T: Copy + Deserialize<'de>> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let partitions = BTreeMap::<PartitionId, BTreeMap<BrokerId, T>>::deserialize(deserializer)?;
        let each = |(partition, told): (PartitionId, BTreeMap<BrokerId, T>)| {
            told.into_iter().map(move |(broker, value)| (partition, broker, value))
        };
        Ok(partitions.into_iter().flat_map(each).collect())
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Told<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.by_partition()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ids::TopicId;

    fn id(number: i32) -> PartitionId {
        PartitionId { topic: TopicId([1; 16]), number }
    }

    #[test]
    fn on_paper_it_is_a_map_per_partition() {
        let told: Told<u64> =
            [(id(1), BrokerId(2), 20), (id(0), BrokerId(3), 7), (id(0), BrokerId(2), 5)].into_iter().collect();
        let topic = TopicId([1; 16]);
        let text = format!("{{\"{topic}:0\":{{\"2\":5,\"3\":7}},\"{topic}:1\":{{\"2\":20}}}}");
        assert_eq!(serde_json::to_string(&told).unwrap(), text);
        assert_eq!(serde_json::from_str::<Told<u64>>(&text).unwrap(), told);
        assert_eq!(told.of(id(0)).collect::<Vec<_>>(), [(BrokerId(2), 5), (BrokerId(3), 7)]);
        assert_eq!((told.get(&id(1), BrokerId(2)), told.get(&id(1), BrokerId(3))), (Some(20), None));
    }

    #[test]
    fn a_broker_that_tells_nothing_is_not_named() {
        let mut told: Told<u64> = std::iter::once((id(0), BrokerId(2), 5)).collect();
        assert_eq!(told.only(&BTreeSet::from([id(1)])), Told::default());
        assert_eq!(told.only(&BTreeSet::from([id(-1), id(0), id(1)])), told);
        told.put(BrokerId(2), Arc::default());
        assert_eq!(told.brokers().count(), 0);
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_a_look_up_finds(
            held in prop::collection::btree_set((0_i32..60, 1_i32..4), 0..90),
            asked in prop::collection::btree_set(0_i32..60, 0..60),
        ) {
            let told: Told<i32> =
                held.iter().map(|(number, broker)| (id(*number), BrokerId(*broker), number * 10 + broker)).collect();
            let mut walk = told.walk();
            for number in asked {
                for broker in (1..5).map(BrokerId) {
                    let found = walk.next(&id(number), broker);
                    prop_assert_eq!(found, told.get(&id(number), broker));
                    // Asking again finds the same.
                    prop_assert_eq!(walk.next(&id(number), broker), found);
                }
            }
        }
    }
}
