//! What is to happen, in order of time, and in the order of being put there where the time is equal.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::model::time::Timestamp;

/// Things that are to happen, each at its time.
#[derive(Debug)]
pub(in crate::sim) struct Agenda<T> {
    heap: BinaryHeap<Entry<T>>,
    put: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Timestamp,
    place: u64,
    what: T,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), put: 0 }
    }
}

impl<T> Agenda<T> {
    /// Puts something in.
    pub(in crate::sim) fn put(&mut self, at: Timestamp, what: T) {
        self.put = self.put.wrapping_add(1);
        self.heap.push(Entry { at, place: self.put, what });
    }

    /// Tells when the next thing happens.
    pub(in crate::sim) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the next thing.
    pub(in crate::sim) fn take(&mut self) -> Option<(Timestamp, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

// The heap gives the greatest first: the earliest is the greatest.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.place).cmp(&(self.at, self.place))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_the_same_time_comes_in_the_order_of_being_put() {
        let mut agenda = Agenda::default();
        for (at, what) in [(5, "late"), (1, "first"), (1, "second"), (0, "now")] {
            agenda.put(Timestamp(at), what);
        }
        let taken: Vec<_> = std::iter::from_fn(|| agenda.take()).map(|(_, what)| what).collect();
        assert_eq!(taken, ["now", "first", "second", "late"]);
    }
}
