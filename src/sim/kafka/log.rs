//! A replica's log, told by epochs: which leader's epoch wrote which offsets.
//!
//! Within an epoch one leader writes, so that epoch and offset name a record: two logs are equal as far as their epochs are.

use crate::model::ids::LeaderEpoch;

/// A log: where each leader's epoch begins, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Log {
    epochs: Vec<(LeaderEpoch, u64)>,
    end: u64,
}

impl Log {
    /// Gives the first offset that is not in it (LEO).
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Begins a leader's epoch at the end; epochs that wrote nothing leave no trace.
    pub(super) fn begin(&mut self, epoch: LeaderEpoch) {
        self.epochs.retain(|(_, start)| *start < self.end);
        if self.epochs.last().is_none_or(|(last, _)| *last != epoch) {
            self.epochs.push((epoch, self.end));
        }
    }

    /// Appends records in the epoch that began last.
    pub(super) fn append(&mut self, records: u64) {
        self.end = self.end.saturating_add(records);
    }

    /// Gives the epoch that wrote the record at `offset`.
    pub(super) fn epoch_at(&self, offset: u64) -> Option<LeaderEpoch> {
        if self.end <= offset {
            return None;
        }
        self.epochs.iter().rev().find(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch)
    }

    /// Gives the first offset after an epoch's records; none where it wrote nothing here.
    pub(super) fn end_of(&self, epoch: LeaderEpoch) -> Option<u64> {
        let at = self.epochs.iter().position(|(one, _)| *one == epoch)?;
        Some(self.epochs.get(at.saturating_add(1)).map_or(self.end, |(_, start)| *start))
    }

    /// Gives where each epoch's records begin within a range of offsets; what began before the range begins with it.
    pub(super) fn runs(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, LeaderEpoch)> {
        let to = to.min(self.end);
        let ends = self.epochs.iter().skip(1).map(|(_, start)| *start).chain(std::iter::once(self.end));
        let within = self.epochs.iter().zip(ends).filter(move |((_, start), end)| *start < to && from < *end);
        within.filter(move |_| from < to).map(move |((epoch, start), _)| ((*start).max(from), *epoch))
    }

    /// Gives how many records two logs have in common from the start.
    pub(super) fn common_with(&self, other: &Self) -> u64 {
        let shorter = self.end.min(other.end);
        let differing = self.epochs.iter().zip(&other.epochs).find(|(own, others)| own != others);
        let fork = match differing {
            Some(((_, own), (_, others))) => Some((*own).min(*others)),
            // One has an epoch more: there the other one's last epoch went on.
            None if self.epochs.len() < other.epochs.len() => {
                other.epochs.get(self.epochs.len()).map(|(_, start)| *start)
            }
            None => self.epochs.get(other.epochs.len()).map(|(_, start)| *start),
        };
        fork.map_or(shorter, |fork| shorter.min(fork))
    }

    /// Gives the first `end` records of it.
    pub(super) fn cut_to(&self, end: u64) -> Self {
        let end = self.end.min(end);
        Self { epochs: self.epochs.iter().filter(|(_, start)| *start < end).copied().collect(), end }
    }

    /// Makes it equal to the leader's; allocates only where epochs differ.
    pub(super) fn follow(&mut self, leader: &Self) {
        if self.epochs != leader.epochs {
            self.epochs.clone_from(&leader.epochs);
        }
        self.end = leader.end;
    }
}

impl Log {
    /// Makes it equal to the first `end` records of another; allocates only where epochs differ.
    pub(super) fn take_from(&mut self, other: &Self, end: u64) {
        self.follow(other);
        self.end = self.end.min(end);
        self.epochs.retain(|(_, start)| *start < self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Log {
        let mut log = Log::default();
        for word in text.split_whitespace() {
            let (epoch, records) = word.split_once('x').unwrap();
            log.begin(LeaderEpoch(epoch.parse().unwrap()));
            log.append(records.parse().unwrap());
        }
        log
    }

    #[test]
    fn two_logs_are_equal_as_far_as_their_epochs_are() {
        for (one, other, common) in [
            ("0x5", "0x5", 5),
            ("0x5", "0x3", 3),
            ("0x5", "0x3 1x9", 3),
            ("0x3 2x4", "0x3 1x9", 3),
            ("0x3 1x4", "0x3 1x9", 7),
            ("0x5", "0x5 1x0 2x3", 5),
            ("", "0x5", 0),
        ] {
            assert_eq!(log(one).common_with(&log(other)), common, "{one} and {other}");
            assert_eq!(log(other).common_with(&log(one)), common, "{other} and {one}");
        }
    }

    #[test]
    fn a_record_belongs_to_the_epoch_that_wrote_it() {
        let log = log("0x3 2x4");
        assert_eq!((log.epoch_at(2), log.epoch_at(3)), (Some(LeaderEpoch(0)), Some(LeaderEpoch(2))));
        assert_eq!(log.epoch_at(7), None);
        assert_eq!(log.cut_to(2).epoch_at(2), None);
        assert_eq!([0, 1, 2].map(|epoch| log.end_of(LeaderEpoch(epoch))), [Some(3), None, Some(7)]);
    }

    #[test]
    fn a_range_is_told_by_the_epochs_in_it() {
        let log = log("0x3 2x4");
        let runs = |from, to| log.runs(from, to).map(|(at, LeaderEpoch(epoch))| (at, epoch)).collect::<Vec<_>>();
        assert_eq!(runs(0, 7), [(0, 0), (3, 2)]);
        assert_eq!(runs(1, 3), [(1, 0)]);
        assert_eq!(runs(2, 4), [(2, 0), (3, 2)]);
        assert_eq!(runs(5, 99), [(5, 2)]);
        for (from, to) in [(7, 9), (5, 3), (3, 3)] {
            assert_eq!(runs(from, to), [], "{from} to {to}");
        }
    }
}
