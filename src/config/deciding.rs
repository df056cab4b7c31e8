//! The settings that change decisions: every field of the policy, and nothing else. Defaults and bounds are the policy's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::decide::policy::{
    ActPolicy, DetectPolicy, GuardPolicy, Mode, Permission, Policy, PromotionRule, ScorePolicy,
};
use crate::model::ids::BrokerId;

use super::section::{Presence, Reader, Row, Spec, policy_bounds, section};
use super::sections::Settings;
use super::value::Value;

section! {
    /// What the trio may do to Kafka.
    Act in "act" {
        /// What automation may do. observe: everything but the sending, recorded as "would have". approve: every plan
        /// waits for a person. auto: what is reversible in seconds (R1) is sent at once, the rest waits for people.
        "mode" mode: Mode, default Policy::default().mode;
        /// Whether dead and silent brokers may be fenced by a heartbeat in their name with their epoch (R1: a healthy
        /// broker is back in about a second). Needs kafka."bootstrap.controllers" and the right CLUSTER_ACTION; it is no
        /// public API of Kafka.
        "fence.heartbeat" fence_heartbeat: bool, default allowed(Policy::default().act.fence_heartbeat);
        /// Whether dead and silent brokers may be fenced by unregistering them (R2: a broker that lives after all must be
        /// restarted by a person). Needs the right ALTER on the cluster.
        "fence.unregister" fence_unregister: bool, default allowed(Policy::default().act.unregister);
        /// Acts of class R2 (reversible but costly) that mode auto sends without a person: "Unregister" or none.
        "auto_r2" auto_r2: BTreeSet<String>, default Policy::default().act.auto_r2;
        /// How long after its commit the first step of a plan may be sent. Shorter than the shortest election timeout of
        /// the trio (1 s), so that a deposed leader cannot send after its successor has begun.
        "valid_for" valid_for: Duration, default Policy::default().act.valid_for, within "act.valid_for_ms";
        /// Partitions in one request to Kafka.
        "max_partitions_per_request" max_partitions_per_request: u32,
            default Policy::default().act.max_partitions_per_request, within "act.max_partitions_per_request";
        /// Partitions in one batch of a failback, after the first single one; each batch is verified before the next.
        "failback_batch" failback_batch: u32, default Policy::default().act.failback_batch, within "act.failback_batch";
        /// How long a broker must be green before it leads again (the stable period).
        "failback_after" failback_after: Duration,
            default Policy::default().act.failback_after, within "act.failback_after_ms";
        /// How long a plan that waits for people stands.
        "approval_expires" approval_expires: Duration,
            default Policy::default().act.approval_expires, within "act.approval_expires_ms";
        /// Whether the order of replicas is put right after a fence, so that Kafka's own rebalance (every 300 s) does not
        /// give leadership back to the sick broker.
        "order_afterwards" order_afterwards: bool, default allowed(Policy::default().act.order_afterwards);
        /// How much better our candidate must be than Kafka's own next in line to be worth one more record for each
        /// partition: share of the whole score, in 1/1000.
        "kafka_choice_margin_permille" kafka_choice_margin_permille: u32,
            default Policy::default().act.kafka_choice_margin_permille, within "act.kafka_choice_margin_permille";
        /// How long the echo of the first step (is the broker behind in the metadata log?) is waited for.
        "echo_wait" echo_wait: Duration, default Policy::default().act.echo_wait, within "act.echo_wait_ms";
        /// How long, once the echo says that the broker is level, signs that clients are being served are waited for.
        "progress_wait" progress_wait: Duration,
            default Policy::default().act.progress_wait, within "act.progress_wait_ms";
    }
}

section! {
    /// When something is wrong with a broker.
    Detect in "detect" {
        /// How often each broker is pinged, and how often the trio decides.
        "ping_interval" ping_interval: Duration,
            default Policy::default().detect.ping_interval, within "detect.ping_interval_ms";
        /// A broker is yellow (late, asked again at once) after this many times its usual gap between two answers, in 1/1000.
        "yellow_permille" yellow_permille: u32,
            default Policy::default().detect.yellow_permille, within "detect.yellow_permille";
        /// The shortest silence that is red. A pause of a healthy JVM rarely lasts longer.
        "tau_min" tau_min: Duration, default Policy::default().detect.tau_min, within "detect.tau_min_ms";
        /// Not red before this many intervals between pings: lost packets come in ones and twos.
        "tau_intervals" tau_intervals: u32,
            default Policy::default().detect.tau_intervals, within "detect.tau_intervals";
        /// Not red before this many times the usual gap between two answers, in 1/1000.
        "tau_gap_permille" tau_gap_permille: u32,
            default Policy::default().detect.tau_gap_permille, within "detect.tau_gap_permille";
        /// The shortest silence that is red where the broker is behind in the metadata log as well.
        "tau_behind" tau_behind: Duration, default Policy::default().detect.tau_behind, within "detect.tau_behind_ms";
        /// The longest silence that a broker's own history of pauses may ask for before it is red.
        "tau_max" tau_max: Duration, default Policy::default().detect.tau_max, within "detect.tau_max_ms";
        /// A pause of at least this length that ended well counts towards a broker's history of pauses.
        "stall_from" stall_from: Duration, default Policy::default().detect.stall_from, within "detect.stall_from_ms";
        /// Pauses needed before that history is believed.
        "stalls_min" stalls_min: u32, default Policy::default().detect.stalls_min, within "detect.stalls_min";
        /// One needless act in the whole cluster is accepted in this time (the false-act budget).
        "false_act_period" false_act_period: Duration,
            default Policy::default().detect.false_act_period, within "detect.false_act_period_ms";
        /// How long a broker must answer before it is green again.
        "green_after" green_after: Duration,
            default Policy::default().detect.green_after, within "detect.green_after_ms";
        /// A node whose own timers fire later than this doubts itself.
        "own_timer_lag" own_timer_lag: Duration,
            default Policy::default().detect.own_timer_lag, within "detect.own_timer_lag_ms";
        /// A node whose own disk takes longer than this to sync doubts itself.
        "own_fsync" own_fsync: Duration, default Policy::default().detect.own_fsync, within "detect.own_fsync_ms";
        /// A node abstains from this much doubt on (0 none, 8 most).
        "abstain_from" abstain_from: u8, default Policy::default().detect.abstain_from, within "detect.abstain_from";
        /// A node's report that is older does not count.
        "report_age_max" report_age_max: Duration,
            default Policy::default().detect.report_age_max, within "detect.report_age_max_ms";
        /// A broker is behind if it lacks what another had reached in the metadata log this long ago.
        "pulse_lead" pulse_lead: Duration, default Policy::default().detect.pulse_lead, within "detect.pulse_lead_ms";
        /// Beats of the metadata log (two a second) that pass after a change of Kafka's active controller before its word
        /// about brokers counts.
        "pulse_beats_trusted" pulse_beats_trusted: u32,
            default Policy::default().detect.pulse_beats_trusted, within "detect.pulse_beats_trusted";
        /// A reading of the metadata log that is older says nothing.
        "pulse_age_max" pulse_age_max: Duration,
            default Policy::default().detect.pulse_age_max, within "detect.pulse_age_max_ms";
        /// A broker that answers is warned about once it is this many records behind in the metadata log.
        "cut_or_stalled_behind_min" cut_or_stalled_behind_min: u64,
            default Policy::default().detect.cut_or_stalled_behind_min, within "detect.cut_or_stalled_behind_min";
        /// How long nodes may contradict each other, or too few see enough, before that is a finding of its own.
        "patience" patience: Duration, default Policy::default().detect.patience, within "detect.patience_ms";
    }
}

section! {
    /// Who is to lead instead.
    ScoreSection in "score" {
        /// Rules for single brokers as leaders, by id: { 3 = "never", 4 = "prefer" }. A broker without one is neutral.
        "promotion" promotion: BTreeMap<BrokerId, PromotionRule>, default Policy::default().score.promotion;
        /// The lag of a replica, in records, that counts as the worst.
        "lag_records_max" lag_records_max: u64,
            default Policy::default().score.lag_records_max, within "score.lag_records_max";
        /// The lag of a replica, in bytes, that counts as the worst.
        "lag_bytes_max" lag_bytes_max: u64,
            default Policy::default().score.lag_bytes_max, within "score.lag_bytes_max";
        /// The lag of a replica, in time, that counts as the worst.
        "lag_time_max" lag_time_max: Duration,
            default Policy::default().score.lag_time_max, within "score.lag_time_max_ms";
        /// Leaders, or bytes a second, beyond an even share, in 1/1000 of that share, that count as the worst.
        "load_excess_max_permille" load_excess_max_permille: u32,
            default Policy::default().score.load_excess_max_permille, within "score.load_excess_max_permille";
        /// The weight of the lag: it is time without acks=all, and acks=1 records lost. Only ratios of weights count.
        "lag_weight" lag_weight: u32, default Policy::default().score.lag_weight, within "score.lag_weight";
        /// The weight of the leaders in the same rack: a rack fails as a whole, rarely.
        "rack_weight" rack_weight: u32, default Policy::default().score.rack_weight, within "score.rack_weight";
        /// The weight of the leaders on the same broker: an overloaded broker is the next finding.
        "load_weight" load_weight: u32, default Policy::default().score.load_weight, within "score.load_weight";
        /// The weight of ill health: one node that sees a broker late is a hint.
        "health_weight" health_weight: u32,
            default Policy::default().score.health_weight, within "score.health_weight";
        /// Parts of a score are rounded down to multiples of this, in 1/1000: noise below it changes no choice.
        "step_permille" step_permille: u32,
            default Policy::default().score.step_permille, within "score.step_permille";
        /// The most leaders that a target may hold: a bound against mistakes of ours.
        "leaders_max" leaders_max: u32, default Policy::default().score.leaders_max, within "score.leaders_max";
    }
}

section! {
    /// When a plan is held.
    Guard in "guard" {
        /// Brokers in maintenance, by id: nothing is done about them, nobody is to lead there, and their absence counts for
        /// no blast radius. The same on all three nodes.
        "maintenance" maintenance: BTreeSet<BrokerId>, default Policy::default().guard.maintenance;
        /// The oldest picture of the cluster's shape to act on.
        "topology_age_max" topology_age_max: Duration,
            default Policy::default().guard.topology_age_max, within "guard.topology_age_max_ms";
        /// The oldest log end of a candidate to act on.
        "log_end_age_max" log_end_age_max: Duration,
            default Policy::default().guard.log_end_age_max, within "guard.log_end_age_max_ms";
        /// The share of brokers, in 1/1000, that may be red at once; one always may. Beyond it a person is called.
        "blast_radius_permille" blast_radius_permille: u32,
            default Policy::default().guard.blast_radius_permille, within "guard.blast_radius_permille";
        /// No second act on the same broker for this long (the cool-down).
        "broker_cool_down" broker_cool_down: Duration,
            default Policy::default().guard.broker_cool_down, within "guard.broker_cool_down_ms";
        /// No second act of class R2 in the whole cluster for this long.
        "cluster_cool_down" cluster_cool_down: Duration,
            default Policy::default().guard.cluster_cool_down, within "guard.cluster_cool_down_ms";
        /// A broker that lost leadership by an act of ours is no target for this long.
        "demoted_for" demoted_for: Duration,
            default Policy::default().guard.demoted_for, within "guard.demoted_for_ms";
        /// The most records of one topic, written with acks=1, that moving a live leader may drop.
        "at_risk_records_max" at_risk_records_max: u64,
            default Policy::default().guard.at_risk_records_max, within "guard.at_risk_records_max";
    }
}

fn allowed(permission: Permission) -> bool {
    permission == Permission::Allowed
}

fn permission(allowed: &bool) -> Permission {
    if *allowed { Permission::Allowed } else { Permission::Forbidden }
}

impl Settings {
    /// Gives the policy that these settings make: everything that can change a decision.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            mode: self.act.mode,
            act: self.act.policy(),
            detect: self.detect.policy(),
            score: self.score.policy(),
            guard: self.guard.policy(),
        }
    }
}

// Written out field by field, so that a new field of the policy does not compile until it is a setting.

impl Act {
    fn policy(&self) -> ActPolicy {
        ActPolicy {
            fence_heartbeat: permission(&self.fence_heartbeat),
            unregister: permission(&self.fence_unregister),
            auto_r2: self.auto_r2.clone(),
            valid_for: self.valid_for,
            max_partitions_per_request: self.max_partitions_per_request,
            failback_batch: self.failback_batch,
            failback_after: self.failback_after,
            approval_expires: self.approval_expires,
            order_afterwards: permission(&self.order_afterwards),
            kafka_choice_margin_permille: self.kafka_choice_margin_permille,
            echo_wait: self.echo_wait,
            progress_wait: self.progress_wait,
        }
    }
}

impl Detect {
    fn policy(&self) -> DetectPolicy {
        DetectPolicy {
            ping_interval: self.ping_interval,
            yellow_permille: self.yellow_permille,
            tau_min: self.tau_min,
            tau_intervals: self.tau_intervals,
            tau_gap_permille: self.tau_gap_permille,
            tau_behind: self.tau_behind,
            tau_max: self.tau_max,
            stall_from: self.stall_from,
            stalls_min: self.stalls_min,
            false_act_period: self.false_act_period,
            green_after: self.green_after,
            own_timer_lag: self.own_timer_lag,
            own_fsync: self.own_fsync,
            abstain_from: self.abstain_from,
            report_age_max: self.report_age_max,
            pulse_lead: self.pulse_lead,
            pulse_beats_trusted: self.pulse_beats_trusted,
            pulse_age_max: self.pulse_age_max,
            cut_or_stalled_behind_min: self.cut_or_stalled_behind_min,
            patience: self.patience,
        }
    }
}

impl ScoreSection {
    fn policy(&self) -> ScorePolicy {
        ScorePolicy {
            promotion: self.promotion.clone(),
            lag_records_max: self.lag_records_max,
            lag_bytes_max: self.lag_bytes_max,
            lag_time_max: self.lag_time_max,
            load_excess_max_permille: self.load_excess_max_permille,
            lag_weight: self.lag_weight,
            rack_weight: self.rack_weight,
            load_weight: self.load_weight,
            health_weight: self.health_weight,
            step_permille: self.step_permille,
            leaders_max: self.leaders_max,
        }
    }
}

impl Guard {
    fn policy(&self) -> GuardPolicy {
        GuardPolicy {
            maintenance: self.maintenance.clone(),
            topology_age_max: self.topology_age_max,
            log_end_age_max: self.log_end_age_max,
            blast_radius_permille: self.blast_radius_permille,
            broker_cool_down: self.broker_cool_down,
            cluster_cool_down: self.cluster_cool_down,
            demoted_for: self.demoted_for,
            at_risk_records_max: self.at_risk_records_max,
        }
    }
}
