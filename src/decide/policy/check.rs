//! Whether a policy makes sense: the range of every number, and settings that contradict each other.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Policy;

/// A setting outside its range, or one that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The value is outside its range.
    #[error("{key} is {value}, which is outside {least} to {most}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: u64,
        /// The least value allowed.
        least: u64,
        /// The greatest value allowed.
        most: u64,
    },
    /// Two settings contradict each other.
    #[error("{key} contradicts {with}: {why}")]
    Contradiction {
        /// One setting.
        key: &'static str,
        /// The other.
        with: &'static str,
        /// Why both cannot stand.
        why: &'static str,
    },
    /// `act.auto_r2` names an act that is not of class R2.
    #[error("act.auto_r2 names {name:?}; the acts of class R2 are: Unregister")]
    NotR2 {
        /// What it names.
        name: String,
    },
    /// Recorded settings are no policy of this version.
    #[error("the settings are no policy of this version: {why}")]
    Unreadable {
        /// What is wrong.
        why: String,
    },
}

impl Policy {
    /// Says whether every value lies in its range and no two contradict each other.
    ///
    /// Errors: the first setting that does not, with its range.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (key, value, range) in self.ranges() {
            if !range.contains(&value) {
                return Err(PolicyError::OutOfRange { key, value, least: *range.start(), most: *range.end() });
            }
        }
        if let Some(name) = self.act.auto_r2.iter().find(|name| *name != "Unregister") {
            return Err(PolicyError::NotR2 { name: name.clone() });
        }
        self.check_order()
    }

    fn check_order(&self) -> Result<(), PolicyError> {
        let (detect, score) = (&self.detect, &self.score);
        let contradiction = |key, with, why| Err(PolicyError::Contradiction { key, with, why });
        if detect.tau_min < detect.tau_behind {
            return contradiction("detect.tau_behind_ms", "detect.tau_min_ms", "more evidence cannot take longer");
        }
        if detect.tau_max < detect.tau_min {
            return contradiction("detect.tau_max_ms", "detect.tau_min_ms", "the most is less than the least");
        }
        if detect.tau_gap_permille <= detect.yellow_permille {
            return contradiction("detect.yellow_permille", "detect.tau_gap_permille", "yellow comes before red");
        }
        if score.lag_weight + score.rack_weight + score.load_weight + score.health_weight == 0 {
            return contradiction("score.lag_weight", "score.load_weight", "all weights are 0: nothing would count");
        }
        Ok(())
    }

    /// Gives key, value and range of each number.
    ///
    /// Units: milliseconds for spans, else as the key's name says.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (act, detect, score, guard) = (&self.act, &self.detect, &self.score, &self.guard);
        const DAY_MS: u64 = 86_400_000;
        vec![
            ("act.valid_for_ms", ms(act.valid_for), 50..=900),
            ("act.max_partitions_per_request", act.max_partitions_per_request.into(), 1..=5000),
            ("act.failback_batch", act.failback_batch.into(), 1..=2000),
            ("act.failback_after_ms", ms(act.failback_after), 1000..=DAY_MS),
            ("act.approval_expires_ms", ms(act.approval_expires), 1000..=DAY_MS),
            ("act.kafka_choice_margin_permille", act.kafka_choice_margin_permille.into(), 0..=1000),
            ("act.echo_wait_ms", ms(act.echo_wait), 200..=10_000),
            ("act.progress_wait_ms", ms(act.progress_wait), 100..=10_000),
            ("detect.ping_interval_ms", ms(detect.ping_interval), 50..=5000),
            ("detect.yellow_permille", detect.yellow_permille.into(), 1100..=10_000),
            ("detect.tau_min_ms", ms(detect.tau_min), 200..=60_000),
            ("detect.tau_intervals", detect.tau_intervals.into(), 2..=100),
            ("detect.tau_gap_permille", detect.tau_gap_permille.into(), 1500..=20_000),
            ("detect.tau_behind_ms", ms(detect.tau_behind), 200..=60_000),
            ("detect.tau_max_ms", ms(detect.tau_max), 500..=120_000),
            ("detect.stall_from_ms", ms(detect.stall_from), 50..=10_000),
            ("detect.stalls_min", detect.stalls_min.into(), 3..=10_000),
            ("detect.false_act_period_ms", ms(detect.false_act_period), DAY_MS..=3650 * DAY_MS),
            ("detect.green_after_ms", ms(detect.green_after), 500..=600_000),
            ("detect.own_timer_lag_ms", ms(detect.own_timer_lag), 5..=10_000),
            ("detect.own_fsync_ms", ms(detect.own_fsync), 5..=10_000),
            ("detect.abstain_from", detect.abstain_from.into(), 1..=8),
            ("detect.report_age_max_ms", ms(detect.report_age_max), 100..=5000),
            ("detect.pulse_lead_ms", ms(detect.pulse_lead), 60..=5000),
            ("detect.pulse_beats_trusted", detect.pulse_beats_trusted.into(), 1..=20),
            ("detect.pulse_age_max_ms", ms(detect.pulse_age_max), 500..=30_000),
            ("detect.cut_or_stalled_behind_min", detect.cut_or_stalled_behind_min, 1..=1_000_000),
            ("detect.patience_ms", ms(detect.patience), 100..=60_000),
            ("score.lag_records_max", score.lag_records_max, 1..=1_000_000_000_000),
            ("score.lag_bytes_max", score.lag_bytes_max, 1..=1_000_000_000_000_000),
            ("score.lag_time_max_ms", ms(score.lag_time_max), 1000..=DAY_MS),
            ("score.load_excess_max_permille", score.load_excess_max_permille.into(), 10..=100_000),
            ("score.lag_weight", score.lag_weight.into(), 0..=100),
            ("score.rack_weight", score.rack_weight.into(), 0..=100),
            ("score.load_weight", score.load_weight.into(), 0..=100),
            ("score.health_weight", score.health_weight.into(), 0..=100),
            ("score.step_permille", score.step_permille.into(), 1..=500),
            ("score.leaders_max", score.leaders_max.into(), 1..=10_000_000),
            ("guard.topology_age_max_ms", ms(guard.topology_age_max), 1000..=60_000),
            ("guard.log_end_age_max_ms", ms(guard.log_end_age_max), 1000..=120_000),
            ("guard.blast_radius_permille", guard.blast_radius_permille.into(), 0..=500),
            ("guard.broker_cool_down_ms", ms(guard.broker_cool_down), 0..=DAY_MS),
            ("guard.cluster_cool_down_ms", ms(guard.cluster_cool_down), 0..=DAY_MS),
            ("guard.demoted_for_ms", ms(guard.demoted_for), 0..=DAY_MS),
            ("guard.at_risk_records_max", guard.at_risk_records_max, 0..=1_000_000_000_000),
        ]
    }
}
