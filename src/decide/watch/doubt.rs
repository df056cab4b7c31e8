//! Doubt: a node's local health (LHM, after Lifeguard). Whoever runs badly itself sees others as silent.
//!
//! It rises by one for each own timer that fired late, each own fsync that took long, and each second in which more than
//! half of all brokers look red from here; it falls by one per clean second.

use std::time::Duration;

use crate::decide::policy::DetectPolicy;
use crate::model::observation::OwnHealth;
use crate::model::time::Timestamp;

/// The most that a node doubts itself.
const DOUBT_MAX: u8 = 8;

/// The time that must be clean for doubt to fall by one, and at most once per which many red brokers raise it.
const SECOND: Duration = Duration::from_secs(1);

/// A node's doubt in itself, 0 to 8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Doubt {
    level: u8,
    stepped_at: Timestamp,
    many_red_at: Option<Timestamp>,
}

impl Doubt {
    /// Gives the level.
    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// Takes in how well the node runs.
    pub(super) fn note(&mut self, at: Timestamp, own: OwnHealth, policy: &DetectPolicy) {
        if policy.own_timer_lag < own.timer_lag || policy.own_fsync < own.fsync {
            self.rise(at);
        }
    }

    /// Lets time pass, with so many of all brokers red from here.
    pub(super) fn tick(&mut self, now: Timestamp, red: usize, brokers: usize) {
        if brokers < 2 * red {
            if self.many_red_at.is_none_or(|at| SECOND <= now.since(at)) {
                self.many_red_at = Some(now);
                self.rise(now);
            }
            return;
        }
        self.many_red_at = None;
        while 0 < self.level && SECOND <= now.since(self.stepped_at) {
            self.level -= 1;
            self.stepped_at = self.stepped_at.plus(SECOND);
        }
    }

    fn rise(&mut self, at: Timestamp) {
        self.level = (self.level + 1).min(DOUBT_MAX);
        self.stepped_at = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: OwnHealth = OwnHealth { timer_lag: Duration::from_millis(101), fsync: Duration::ZERO };

    fn at(ms: u64) -> Timestamp {
        Timestamp(1000 * ms)
    }

    #[test]
    fn doubt_rises_with_late_timers_and_falls_by_one_per_clean_second() {
        let (mut doubt, policy) = (Doubt::default(), DetectPolicy::default());
        for ms in [0, 100, 200] {
            doubt.note(at(ms), LATE, &policy);
        }
        assert_eq!(doubt.level(), 3);
        doubt.tick(at(1199), 0, 3);
        assert_eq!(doubt.level(), 3);
        doubt.tick(at(1200), 0, 3);
        assert_eq!(doubt.level(), 2);
        doubt.tick(at(9000), 0, 3);
        assert_eq!(doubt.level(), 0);
    }

    #[test]
    fn a_slow_fsync_raises_doubt_and_a_good_one_does_not() {
        let (mut doubt, policy) = (Doubt::default(), DetectPolicy::default());
        doubt.note(at(0), OwnHealth { timer_lag: Duration::ZERO, fsync: Duration::from_millis(200) }, &policy);
        assert_eq!(doubt.level(), 0);
        doubt.note(at(0), OwnHealth { timer_lag: Duration::ZERO, fsync: Duration::from_millis(201) }, &policy);
        assert_eq!(doubt.level(), 1);
    }

    #[test]
    fn more_than_half_of_all_brokers_red_raises_doubt_once_a_second_up_to_eight() {
        let mut doubt = Doubt::default();
        for ms in 0..2500 {
            doubt.tick(at(ms), 2, 3);
        }
        assert_eq!(doubt.level(), 3);
        for ms in 2500..60_000 {
            doubt.tick(at(ms), 2, 3);
        }
        assert_eq!(doubt.level(), 8);
        let mut half = Doubt::default();
        half.tick(at(0), 2, 4);
        assert_eq!(half.level(), 0);
    }
}
