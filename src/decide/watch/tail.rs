//! The stall tail of one broker: how often, and for how long, it has paused and answered again.
//!
//! Pauses beyond a threshold u are taken as Pareto distributed; Hill's estimate of 1/alpha is the mean of ln(pause/u).
//! With k pauses in the time watched T, pauses beyond tau come k/T * (u/tau)^alpha times per unit of time. Setting the
//! whole cluster's rate to the budget (one per period) gives log2(tau/u) = mean ln(pause/u) * log2(k * brokers * period / T).
//!
//! Deliberately no floats: logarithms are fixed point with 16 fractional bits (Q16), by repeated squaring; the error is
//! below 2^-15, far below that of any fit. Deliberately no histogram: the estimate needs a count, a sum and a time.

use std::time::Duration;

use crate::decide::policy::DetectPolicy;

/// ln 2 in Q16.
const LN_2_Q16: u64 = 45_426;

/// A watch shorter than this says nothing about a rate.
const WATCHED_MIN: Duration = Duration::from_secs(60);

/// What is known of a broker's pauses. Old knowledge fades: beyond one budget period everything is halved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StallTail {
    count: u32,
    log2_sum_q16: u64,
    watched: Duration,
}

impl StallTail {
    /// Takes in a gap between two answers, after which the broker answered on the same connection.
    pub(super) fn note(&mut self, gap: Duration, policy: &DetectPolicy) {
        if policy.tau_max < gap {
            // An outage, not a pause: to act on it was no mistake, and no tau would have waited it out.
            return;
        }
        self.watched = self.watched.saturating_add(gap);
        if policy.stall_from <= gap {
            let excess = log2_q16(micros(gap)).saturating_sub(log2_q16(micros(policy.stall_from)));
            self.count = self.count.saturating_add(1);
            self.log2_sum_q16 = self.log2_sum_q16.saturating_add(excess);
        }
        if policy.false_act_period < self.watched {
            self.watched /= 2;
            self.count /= 2;
            self.log2_sum_q16 /= 2;
        }
    }

    /// Gives how many pauses count.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Tells how long the broker has been watched while it answered.
    pub(super) fn watched(&self) -> Duration {
        self.watched
    }

    /// Gives the shortest silence that keeps the budget; none while too few pauses are known to fit anything.
    pub(super) fn tau(&self, brokers: u64, policy: &DetectPolicy) -> Option<Duration> {
        let mean_ln_q16 = self.mean_ln_q16(policy)?;
        let rate_q16 = self.log2_stalls_per_period_q16(brokers, policy);
        let beyond_q16 = mean_ln_q16.saturating_mul(rate_q16) >> 16;
        let tau = exp2_q16(log2_q16(micros(policy.stall_from)).saturating_add(beyond_q16));
        Some(Duration::from_micros(tau).min(policy.tau_max))
    }

    /// Gives the tail index alpha. Units: permille.
    pub(super) fn index_permille(&self, policy: &DetectPolicy) -> Option<u64> {
        self.mean_ln_q16(policy).map(|mean| (1000 << 16) / mean)
    }

    /// Gives how many pauses beyond `tau` are to be expected of this broker in one budget period. Units: permille of one.
    pub(super) fn expected_permille(&self, tau: Duration, policy: &DetectPolicy) -> u64 {
        let Some(mean_ln_q16) = self.mean_ln_q16(policy) else { return 0 };
        let beyond_q16 = log2_q16(micros(tau)).saturating_sub(log2_q16(micros(policy.stall_from)));
        let rarer_q16 = (beyond_q16 << 16) / mean_ln_q16;
        let often_q16 = self.log2_stalls_per_period_q16(1, policy).saturating_add(log2_q16(1000));
        often_q16.checked_sub(rarer_q16).map_or(0, exp2_q16)
    }

    /// Never zero, so that it may divide.
    fn mean_ln_q16(&self, policy: &DetectPolicy) -> Option<u64> {
        if self.count < policy.stalls_min {
            return None;
        }
        let mean_log2_q16 = self.log2_sum_q16 / u64::from(self.count.max(1));
        Some(((mean_log2_q16 * LN_2_Q16) >> 16).max(1))
    }

    fn log2_stalls_per_period_q16(&self, brokers: u64, policy: &DetectPolicy) -> u64 {
        let watched_s = self.watched.max(WATCHED_MIN).as_secs();
        let stalls = u64::from(self.count).saturating_mul(brokers).saturating_mul(policy.false_act_period.as_secs());
        log2_q16(stalls / watched_s.max(1))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Gives log2 of a value of at least 1, rounded down. Units: Q16.
fn log2_q16(value: u64) -> u64 {
    let value = value.max(1);
    let whole = u64::from(value.ilog2());
    // The mantissa lies in [1, 2) with 31 fractional bits; each squaring yields one more bit of the logarithm.
    let mut mantissa = if whole <= 31 { value << (31 - whole) } else { value >> (whole - 31) };
    let mut log = whole;
    for _ in 0..16 {
        mantissa = (mantissa * mantissa) >> 31;
        log <<= 1;
        if 1 << 32 <= mantissa {
            mantissa >>= 1;
            log |= 1;
        }
    }
    log
}

/// Gives the largest whole number whose [`log2_q16`] does not exceed `log`, at most 2^40 (12 days in microseconds).
fn exp2_q16(log: u64) -> u64 {
    let (mut least, mut beyond) = (1_u64, 1_u64 << 40);
    while 1 < beyond - least {
        let middle = least + (beyond - least) / 2;
        if log2_q16(middle) <= log { least = middle } else { beyond = middle }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> DetectPolicy {
        DetectPolicy::default()
    }

    #[test]
    fn logarithms_are_those_of_the_books() {
        assert_eq!(log2_q16(1), 0);
        assert_eq!(log2_q16(2), 1 << 16);
        assert_eq!(log2_q16(1 << 40), 40 << 16);
        // log2(10) = 3.321928: 217706 in Q16.
        assert!(log2_q16(10).abs_diff(217_706) <= 2, "{}", log2_q16(10));
        assert!(exp2_q16(log2_q16(1_000_000)).abs_diff(1_000_000) <= 20);
    }

    #[test]
    fn too_few_pauses_raise_nothing() {
        let mut tail = StallTail::default();
        for _ in 1..policy().stalls_min {
            tail.note(Duration::from_secs(2), &policy());
        }
        assert_eq!(tail.tau(3, &policy()), None);
        assert_eq!(tail.expected_permille(Duration::from_secs(1), &policy()), 0);
    }

    #[test]
    fn an_outage_is_no_pause() {
        let mut tail = StallTail::default();
        for _ in 0..100 {
            tail.note(policy().tau_max + Duration::from_millis(1), &policy());
        }
        assert_eq!((tail.count(), tail.tau(3, &policy())), (0, None));
    }

    #[test]
    fn rare_short_pauses_keep_tau_low_and_frequent_long_ones_raise_it() {
        let mut calm = StallTail::default();
        let mut wild = StallTail::default();
        for _ in 0..20 {
            // A day without a pause between two of 420 ms; a minute between two of 1.2 s.
            calm.watched += Duration::from_secs(86_400);
            calm.note(Duration::from_millis(420), &policy());
            wild.watched += Duration::from_secs(60);
            wild.note(Duration::from_millis(1200), &policy());
        }
        let calm_tau = calm.tau(3, &policy()).expect("enough pauses");
        let wild_tau = wild.tau(3, &policy()).expect("enough pauses");
        assert!(calm_tau < Duration::from_millis(600), "{calm_tau:?}");
        assert_eq!(wild_tau, policy().tau_max);
    }

    #[test]
    fn at_the_tau_it_asks_for_the_whole_cluster_stays_within_the_budget() {
        let mut tail = StallTail::default();
        for round in 0..40_u64 {
            tail.watched += Duration::from_secs(20_000);
            tail.note(Duration::from_millis(400 + 5 * round), &policy());
        }
        let tau = tail.tau(3, &policy()).expect("enough pauses");
        assert!(tau < policy().tau_max, "{tau:?} is not the cap");
        let of_three = 3 * tail.expected_permille(tau, &policy());
        assert!((900..=1100).contains(&of_three), "{of_three} permille of one");
    }
}
