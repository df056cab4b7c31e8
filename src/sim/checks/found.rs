//! How well the trio tells what befalls brokers: in time, late, not at all, or of one that nothing befell.
//!
//! Deliberately no invariant: where several things go wrong at once no bound holds (L2 denies what breaks one where it does). These
//! are the sums with which a soak ends.

use crate::model::finding::FindingKind;
use crate::model::ids::BrokerId;
use crate::model::time::Timestamp;

use super::signs::Doubts;
use super::{Expected, Sign};

/// What became of faults of single brokers that lead something, each by itself, and of findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Faults found for what they are within the bound of their kind, which is that of L2.
    pub right: u64,
    /// Faults found for what they are, but later.
    pub late: u64,
    /// Faults that lasted longer than their bound and were over before they were found.
    pub missed: u64,
    /// Findings that claim something of a broker that nothing had befallen, when all was well with Kafka as a whole and with us.
    pub wrong: u64,
}

/// Faults that have not been found yet, and the sums.
#[derive(Debug, Default)]
pub(super) struct Finds {
    unfound: Vec<(BrokerId, Expected)>,
    pub(super) sums: Found,
}

impl Finds {
    /// A fault begins. What else was to be found of that broker cannot be told from it.
    pub(super) fn struck(&mut self, broker: BrokerId, expected: Expected) {
        self.forget(broker);
        self.unfound.push((broker, expected));
    }

    /// Takes in how much we doubt ourselves.
    pub(super) fn doubted(&mut self, doubts: Doubts) {
        self.unfound.iter_mut().for_each(|(_, expected)| expected.doubted(doubts));
    }

    /// Tells whether nothing is left to be found.
    pub(super) fn is_empty(&self) -> bool {
        self.unfound.is_empty()
    }

    /// Something else befalls a broker, or it cannot be found any more.
    pub(super) fn forget(&mut self, broker: BrokerId) {
        self.unfound.retain(|(of, _)| *of != broker);
    }

    /// The fault of a broker is over.
    pub(super) fn over(&mut self, broker: BrokerId, now: Timestamp) {
        let missed = self.unfound.iter().filter(|(of, expected)| *of == broker && is_late(expected, now)).count();
        self.sums.missed = self.sums.missed.saturating_add(u64::try_from(missed).unwrap_or(u64::MAX));
        self.forget(broker);
    }

    /// A finding is recorded.
    pub(super) fn found(&mut self, broker: BrokerId, kind: FindingKind, now: Timestamp) {
        let is_it = |(of, expected): &(BrokerId, Expected)| {
            *of == broker && last(expected).is_some_and(|sign| sign.kinds.contains(&kind))
        };
        for (_, expected) in self.unfound.extract_if(.., |one| is_it(one)) {
            let sum = if is_late(&expected, now) { &mut self.sums.late } else { &mut self.sums.right };
            *sum = sum.saturating_add(1);
        }
    }

    /// A finding claims something of a broker that nothing has befallen.
    pub(super) fn wrong(&mut self) {
        self.sums.wrong = self.sums.wrong.saturating_add(1);
    }

    /// Forgets whom the controllers have fenced: of a broker that is behind there is nothing left to warn.
    pub(super) fn retain_active(&mut self, is_active: impl Fn(BrokerId) -> bool) {
        let warns = |expected: &Expected| last(expected).is_some_and(|sign| sign.kinds == [FindingKind::CutOrStalled]);
        self.unfound.retain(|(broker, expected)| !warns(expected) || is_active(*broker));
    }
}

/// What it is, after all.
fn last(expected: &Expected) -> Option<&Sign> {
    expected.signs.last()
}

fn is_late(expected: &Expected, now: Timestamp) -> bool {
    last(expected).is_some_and(|sign| expected.began.plus(expected.within(sign)) < now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::signs_of;
    use super::*;
    use crate::sim::kafka::fault::FaultKind;

    const BROKER: BrokerId = BrokerId(1);

    fn killed() -> Finds {
        let mut finds = Finds::default();
        let signs = signs_of(FaultKind::Kill);
        finds.struck(BROKER, Expected { began: Timestamp(0), signs, learnt: Duration::ZERO, doubt: 0 });
        finds
    }

    fn after(ms: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_millis(ms))
    }

    #[test]
    fn a_fault_is_found_in_time_or_late_or_missed_and_once() {
        let mut finds = killed();
        finds.found(BROKER, FindingKind::LeaderNotServing, after(100));
        finds.found(BrokerId(2), FindingKind::BrokerCrashed, after(200));
        assert_eq!(finds.sums, Found::default());
        finds.found(BROKER, FindingKind::BrokerCrashed, after(300));
        finds.found(BROKER, FindingKind::BrokerCrashed, after(9000));
        finds.over(BROKER, after(10_000));
        assert_eq!(finds.sums, Found { right: 1, ..Found::default() });

        let mut finds = killed();
        finds.found(BROKER, FindingKind::BrokerCrashed, after(9000));
        assert_eq!(finds.sums, Found { late: 1, ..Found::default() });

        let mut finds = killed();
        finds.over(BROKER, after(10_000));
        assert_eq!(finds.sums, Found { missed: 1, ..Found::default() });
    }

    #[test]
    fn whoever_doubts_itself_is_late_that_much_later() {
        let mut finds = killed();
        for highest in [0, 2, 1] {
            finds.doubted(Doubts::of(std::iter::once(highest), 4));
        }
        finds.found(BROKER, FindingKind::BrokerCrashed, after(9000));
        assert_eq!(finds.sums, Found { right: 1, ..Found::default() }, "three times three seconds");
        let mut finds = killed();
        finds.doubted(Doubts::of(std::iter::once(2), 4));
        finds.over(BROKER, after(9001));
        assert_eq!(finds.sums, Found { missed: 1, ..Found::default() });
    }

    #[test]
    fn what_is_over_before_its_bound_or_became_something_else_counts_nowhere() {
        let mut finds = killed();
        finds.over(BROKER, after(1000));
        let signs = signs_of(FaultKind::Stop);
        finds.struck(BROKER, Expected { began: after(2000), signs, learnt: Duration::ZERO, doubt: 0 });
        finds.forget(BROKER);
        finds.over(BROKER, after(60_000));
        assert_eq!(finds.sums, Found::default());
    }

    #[test]
    fn nothing_is_left_to_warn_of_a_broker_that_is_fenced() {
        let mut finds = Finds::default();
        let signs = signs_of(FaultKind::DiskFreeze);
        finds.struck(BROKER, Expected { began: Timestamp(0), signs, learnt: Duration::ZERO, doubt: 0 });
        finds.retain_active(|_| false);
        finds.over(BROKER, after(60_000));
        assert_eq!(finds.sums, Found::default());
        let mut finds = killed();
        finds.retain_active(|_| false);
        finds.over(BROKER, after(60_000));
        assert_eq!(finds.sums.missed, 1);
    }
}
