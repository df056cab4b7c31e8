//! What a reader knows of its partition: what it was given, and what writers were told; and what of that is missing.

use std::collections::BTreeMap;

use crate::model::ids::{LeaderEpoch, Offset};
use crate::sim::kafka::talk::Fetched;

/// Something that is missing. Epoch and offset name a record: within an epoch one leader writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// A record that was acknowledged with acks=all: the reader has read past it, and something else stood there.
    Acknowledged { at: Offset, by: LeaderEpoch },
    /// A record that the reader had been given.
    Given { at: Offset, by: LeaderEpoch },
    /// Committed records: within an epoch the high watermark went back.
    Committed { by: LeaderEpoch, was: Offset, is: Offset },
}

/// What a reader knows.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// From where on which epoch had written what the reader was given.
    runs: Vec<(Offset, LeaderEpoch)>,
    /// The first offset that it was not given.
    end: Offset,
    /// Of each epoch the newest record that was acknowledged with acks=all, until it is read past.
    acknowledged: BTreeMap<LeaderEpoch, Offset>,
    /// The high watermark that it was told last, and in which epoch.
    committed: Option<(LeaderEpoch, Offset)>,
}

impl Seen {
    /// Gives from where to read: the last record again, so that the answer shows whether it is still there.
    pub(super) fn next(&self) -> Offset {
        Offset(self.end.0.saturating_sub(1))
    }

    /// A writer was told that everybody in sync has this record.
    pub(super) fn acknowledged(&mut self, at: Offset, by: LeaderEpoch) {
        let newest = self.acknowledged.entry(by).or_insert(at);
        *newest = at.max(*newest);
    }

    /// Takes what the leader of this epoch gave from [`Seen::next`] on; gives what is missing.
    pub(super) fn take(&mut self, by: LeaderEpoch, fetched: &Fetched) -> Vec<Lack> {
        let is = fetched.high_watermark;
        let before = self.committed.replace((by, is));
        let went_back = before.filter(|(epoch, was)| *epoch == by && is < *was);
        let mut lacks: Vec<Lack> = went_back.map(|(by, was)| Lack::Committed { by, was, is }).into_iter().collect();
        lacks.extend(self.read_on(fetched));
        lacks.extend(self.read_past());
        lacks
    }

    /// The log ends before what was given: the last of that is gone. Everything is read anew.
    pub(super) fn cut(&mut self) -> Option<Lack> {
        let at = self.next();
        let lack = writer(&self.runs, self.end, at).map(|by| Lack::Given { at, by });
        self.runs.clear();
        self.end = Offset(0);
        lack
    }

    fn read_on(&mut self, fetched: &Fetched) -> Option<Lack> {
        let (_, by) = fetched.epochs.first()?;
        if writer(&self.runs, self.end, self.next()).is_some_and(|given| given != *by) {
            return self.cut();
        }
        let end = self.end;
        self.runs.extend(fetched.epochs.iter().filter(|(at, _)| end <= *at).copied());
        self.end = end.max(fetched.high_watermark);
        None
    }

    fn read_past(&mut self) -> Vec<Lack> {
        let (runs, end) = (&self.runs, self.end);
        let mut lacks = Vec::new();
        self.acknowledged.retain(|by, at| {
            let passed = *at < end;
            if passed && writer(runs, end, *at) != Some(*by) {
                lacks.push(Lack::Acknowledged { at: *at, by: *by });
            }
            !passed
        });
        lacks
    }
}

/// Gives the epoch that wrote what was given of an offset.
fn writer(runs: &[(Offset, LeaderEpoch)], end: Offset, at: Offset) -> Option<LeaderEpoch> {
    let begun = runs.iter().rev().find(|(start, _)| *start <= at)?;
    (at < end).then_some(begun.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `3: 0e0 2e1`: up to offset 3, from 0 on written in e0, from 2 on in e1.
    fn fetched(text: &str) -> Fetched {
        let (end, runs) = text.split_once(':').unwrap();
        let run = |word: &str| {
            let (at, epoch) = word.split_once('e').unwrap();
            (Offset(at.parse().unwrap()), LeaderEpoch(epoch.parse().unwrap()))
        };
        let epochs = runs.split_whitespace().map(run).collect();
        Fetched { high_watermark: Offset(end.parse().unwrap()), epochs, records: Vec::new() }
    }

    /// Gives what is missing when each of these answers, of the epoch that it begins with, has been taken.
    fn lacks(seen: &mut Seen, answers: &[(i32, &str)]) -> Vec<Lack> {
        answers.iter().flat_map(|(by, text)| seen.take(LeaderEpoch(*by), &fetched(text))).collect()
    }

    #[test]
    fn what_is_still_there_is_not_missing() {
        let mut seen = Seen::default();
        seen.acknowledged(Offset(4), LeaderEpoch(0));
        assert_eq!(lacks(&mut seen, &[(0, "0:"), (0, "3: 0e0"), (0, "3: 2e0"), (0, "6: 2e0")]), []);
        assert_eq!(seen.next(), Offset(5));
        // The next leader commits what it has a little later than it leads.
        assert_eq!(lacks(&mut seen, &[(1, "4:"), (1, "8: 5e0 7e1"), (1, "9: 7e1")]), []);
        seen.acknowledged(Offset(8), LeaderEpoch(1));
        seen.acknowledged(Offset(5), LeaderEpoch(0));
        assert_eq!(lacks(&mut seen, &[(1, "9: 8e1")]), []);
    }

    #[test]
    fn a_record_that_was_given_and_is_another_now_is_missing() {
        let mut seen = Seen::default();
        let gone = Lack::Given { at: Offset(5), by: LeaderEpoch(0) };
        assert_eq!(lacks(&mut seen, &[(0, "6: 0e0"), (1, "9: 5e1")]), [gone]);
        assert_eq!(seen.next(), Offset(0), "everything is read anew");
        assert_eq!(lacks(&mut seen, &[(1, "9: 0e0 4e1")]), []);
        assert_eq!(seen.cut(), Some(Lack::Given { at: Offset(8), by: LeaderEpoch(1) }));
        assert_eq!(seen.cut(), None);
    }

    #[test]
    fn a_record_that_was_acknowledged_and_is_another_is_missing_once_it_is_read_past() {
        let mut seen = Seen::default();
        seen.acknowledged(Offset(5), LeaderEpoch(0));
        seen.acknowledged(Offset(3), LeaderEpoch(0));
        assert_eq!(lacks(&mut seen, &[(0, "3: 0e0"), (1, "5: 2e0 4e1")]), []);
        let missing = Lack::Acknowledged { at: Offset(5), by: LeaderEpoch(0) };
        assert_eq!(lacks(&mut seen, &[(1, "6: 4e1"), (1, "7: 5e1")]), [missing]);
    }

    #[test]
    fn the_high_watermark_of_one_epoch_never_goes_back() {
        let back = Lack::Committed { by: LeaderEpoch(0), was: Offset(6), is: Offset(5) };
        assert_eq!(lacks(&mut Seen::default(), &[(0, "6: 0e0"), (0, "5:")]), [back]);
        assert_eq!(lacks(&mut Seen::default(), &[(0, "6: 0e0"), (1, "5:")]), []);
    }
}
