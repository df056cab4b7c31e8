//! The policy: every number of `judgement.md` §1-§3 with its unit, default, range and the argument for its value.
//!
//! Deliberately no reading of files: `config` fills it in. Deliberately no float: ratios are permille.
//! Why one flat map of settings (2026-11): records hold it in full, and its digest names the policy of each record; made
//! from the serialised form, it cannot forget a field.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::check::PolicyError;
use super::settings::{flatten, unflatten};
use crate::model::canon::to_canonical_bytes;
use crate::model::chain::sha256;
use crate::model::ids::{BrokerId, Digest};
pub use crate::model::operator::view::Mode;
use crate::model::time::millis;

/// Everything that can change a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What follows from a plan that the guard allows.
    pub mode: Mode,
    /// What may be done, and how much at once.
    pub act: ActPolicy,
    /// When something is wrong.
    pub detect: DetectPolicy,
    /// Who is to lead.
    pub score: ScorePolicy,
    /// When a plan is held.
    pub guard: GuardPolicy,
}

/// Whether something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Never.
    #[default]
    Forbidden,
    /// When the rules ask for it.
    Allowed,
}

/// What may be done, and how much at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActPolicy {
    /// Whether a broker may be fenced by a heartbeat in its name. Needs the controller listener and CLUSTER_ACTION, and is
    /// no public API: opt-in.
    pub fence_heartbeat: Permission,
    /// Whether a broker may be unregistered. A live one becomes a zombie until restarted: opt-in.
    pub unregister: Permission,
    /// Acts of class R2 that mode `auto` may send without a person, by name (`Unregister`). None by default: costly.
    pub auto_r2: BTreeSet<String>,
    /// How long after its commit an intent's first step may be sent. Shorter than the shortest election timeout of the
    /// trio (1 s), so that a deposed leader cannot send after its successor has begun.
    #[serde(with = "millis", rename = "valid_for_ms")]
    pub valid_for: Duration,
    /// Partitions in one request. Kafka refuses above 10,000 resulting records; a reorder and an election are two, and a
    /// fifth of the limit leaves room and keeps the controller's event queue responsive.
    pub max_partitions_per_request: u32,
    /// Partitions in one batch of a failback, after the first single one. A few: each batch is verified before the next.
    pub failback_batch: u32,
    /// How long a broker must be green before it leads again. Longer than a crash loop's usual period.
    #[serde(with = "millis", rename = "failback_after_ms")]
    pub failback_after: Duration,
    /// How long an offer to a person stands. The facts it was made on are older after that.
    #[serde(with = "millis", rename = "approval_expires_ms")]
    pub approval_expires: Duration,
    /// Whether the order is put right after a fence, so that Kafka's own rebalance (300 s) does not give leadership back.
    pub order_afterwards: Permission,
    /// How much better (weighted permille) our candidate must be than Kafka's own next in line to be worth one more record
    /// per partition: 500 partitions cost 1.26 s fenced alone and 1.64 s with reorder and election before (`kafka.md` §13).
    /// Above what load and rack together weigh (273): an uneven load alone is no reason to stay without leaders longer;
    /// below what a lag beyond the limit weighs (545), which is.
    pub kafka_choice_margin_permille: u32,
    /// How long the echo of the first step is waited for. Three NoOps (500 ms each) of the metadata log: one of them is seen
    /// even where the echo itself was lost.
    #[serde(with = "millis", rename = "echo_wait_ms")]
    pub echo_wait: Duration,
    /// How long, once the echo says level, progress (P6, twice) is waited for before the leadership is moved without it.
    #[serde(with = "millis", rename = "progress_wait_ms")]
    pub progress_wait: Duration,
}

/// When something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectPolicy {
    /// How often a broker is pinged (P1), and the trio decides. Four a second stay far below what a broker notices.
    #[serde(with = "millis", rename = "ping_interval_ms")]
    pub ping_interval: Duration,
    /// Yellow from this many permille of the usual gap between two answers.
    pub yellow_permille: u32,
    /// The shortest silence that is red: a pause of a healthy JVM rarely lasts longer.
    #[serde(with = "millis", rename = "tau_min_ms")]
    pub tau_min: Duration,
    /// Red not before this many ping intervals: lost packets come in ones and twos.
    pub tau_intervals: u32,
    /// Red not before this many permille of the usual gap.
    pub tau_gap_permille: u32,
    /// The shortest silence that is red where the broker is behind in the metadata log as well.
    #[serde(with = "millis", rename = "tau_behind_ms")]
    pub tau_behind: Duration,
    /// The longest silence that the stall tail may ask for: beyond it Kafka's own session (9 s) is no slower than we.
    #[serde(with = "millis", rename = "tau_max_ms")]
    pub tau_max: Duration,
    /// The silence from which a pause that ended well counts towards the broker's stall tail.
    #[serde(with = "millis", rename = "stall_from_ms")]
    pub stall_from: Duration,
    /// Stalls needed before the tail is believed: fewer fit anything.
    pub stalls_min: u32,
    /// One needless act per cluster is accepted in this time (the false-act budget).
    #[serde(with = "millis", rename = "false_act_period_ms")]
    pub false_act_period: Duration,
    /// How long a broker must answer before it is green again.
    #[serde(with = "millis", rename = "green_after_ms")]
    pub green_after: Duration,
    /// Own timers later than this make the node doubt itself.
    #[serde(with = "millis", rename = "own_timer_lag_ms")]
    pub own_timer_lag: Duration,
    /// An own fsync longer than this makes the node doubt itself.
    #[serde(with = "millis", rename = "own_fsync_ms")]
    pub own_fsync: Duration,
    /// Doubt (0-8) from which the node abstains.
    pub abstain_from: u8,
    /// Reports older than this do not count. Two report intervals.
    #[serde(with = "millis", rename = "report_age_max_ms")]
    pub report_age_max: Duration,
    /// A broker is behind if it lacks what another had reached this long ago. A live one is level within 60 ms, and none was behind
    /// in two samples running, 30 ms apart, with six busy loops on two cores either (`kafka.md` §13): 90 ms are three.
    #[serde(with = "millis", rename = "pulse_lead_ms")]
    pub pulse_lead: Duration,
    /// Beats of the metadata log that must pass after a change of the active controller before its word counts.
    pub pulse_beats_trusted: u32,
    /// A pulse older than this says nothing. Eight readings, so that one broker that hangs while asked does not blind us.
    #[serde(with = "millis", rename = "pulse_age_max_ms")]
    pub pulse_age_max: Duration,
    /// Records behind from which a broker that answers is warned about: four NoOps, two seconds of an idle cluster.
    pub cut_or_stalled_behind_min: u64,
    /// How long nodes may contradict each other, or too few see enough, before that is a finding of its own.
    #[serde(with = "millis", rename = "patience_ms")]
    pub patience: Duration,
}

/// Who is to lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScorePolicy {
    /// The operator's promotion rules; a broker without one is neutral.
    pub promotion: BTreeMap<BrokerId, PromotionRule>,
    /// The lag that is worth 1000 permille. Two brokers' log ends may be read 5 s apart; a busy partition gains tens of
    /// thousands of records in that time, which is no lag.
    pub lag_records_max: u64,
    /// The lag in bytes that is worth 1000 permille: about ten seconds of a follower that catches up at 100 MB/s. What a
    /// partition gains between two readings, 5 s apart at 20 MB/s, is a tenth of it.
    pub lag_bytes_max: u64,
    /// The lag in time that is worth 1000 permille: Kafka itself takes a replica for out of sync after 30 s by default.
    #[serde(with = "millis", rename = "lag_time_max_ms")]
    pub lag_time_max: Duration,
    /// The excess over an even share, of leaders and of bytes a second, that is worth 1000 permille.
    pub load_excess_max_permille: u32,
    /// The weight of the lag: it is time without acks=all, and acks=1 records lost.
    pub lag_weight: u32,
    /// The weight of the leaders per rack: a rack fails as a whole, rarely.
    pub rack_weight: u32,
    /// The weight of the leaders per broker: an overloaded broker is the next finding.
    pub load_weight: u32,
    /// The weight of ill health: one node that sees it late is a hint.
    pub health_weight: u32,
    /// Parts are rounded down to multiples of this: noise below it changes no choice, and equal scores share one record.
    pub step_permille: u32,
    /// The most leaders a target may hold; a bound against a mistake of ours, far above what brokers are run with.
    pub leaders_max: u32,
}

/// The operator's rule for a broker as a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromotionRule {
    /// Rather this one.
    Prefer,
    /// No wish.
    Neutral,
    /// Rather another.
    PreferNot,
    /// Never.
    Never,
}

/// When a plan is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardPolicy {
    /// Brokers in maintenance: nothing is done about them, nobody is to lead there, and their absence alarms nobody.
    pub maintenance: BTreeSet<BrokerId>,
    /// The oldest shape of the cluster to act on. Five readings of P2.
    #[serde(with = "millis", rename = "topology_age_max_ms")]
    pub topology_age_max: Duration,
    /// The oldest log end of a candidate. Two readings at the slowest pace of P6 (5 s), and one late.
    #[serde(with = "millis", rename = "log_end_age_max_ms")]
    pub log_end_age_max: Duration,
    /// The share of brokers that may be red at once; never less than one.
    pub blast_radius_permille: u32,
    /// No second act on a broker for this long.
    #[serde(with = "millis", rename = "broker_cool_down_ms")]
    pub broker_cool_down: Duration,
    /// No second act of class R2 in the cluster for this long.
    #[serde(with = "millis", rename = "cluster_cool_down_ms")]
    pub cluster_cool_down: Duration,
    /// A broker that lost leadership by our act is no target for this long.
    #[serde(with = "millis", rename = "demoted_for_ms")]
    pub demoted_for: Duration,
    /// The most acks=1 records of one topic that moving a live leader may drop, as the log ends were last read. Two brokers'
    /// log ends may be read 5 s apart: a topic that gains two million records a second still passes.
    pub at_risk_records_max: u64,
}

impl Default for ActPolicy {
    fn default() -> Self {
        Self {
            fence_heartbeat: Permission::Forbidden,
            unregister: Permission::Forbidden,
            auto_r2: BTreeSet::new(),
            valid_for: Duration::from_millis(800),
            max_partitions_per_request: 2000,
            failback_batch: 50,
            failback_after: Duration::from_secs(300),
            approval_expires: Duration::from_secs(600),
            order_afterwards: Permission::Allowed,
            kafka_choice_margin_permille: 300,
            echo_wait: Duration::from_millis(1500),
            progress_wait: Duration::from_millis(500),
        }
    }
}

impl Default for DetectPolicy {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_millis(250),
            yellow_permille: 1500,
            tau_min: Duration::from_secs(1),
            tau_intervals: 4,
            tau_gap_permille: 3000,
            tau_behind: Duration::from_millis(500),
            tau_max: Duration::from_secs(6),
            stall_from: Duration::from_millis(400),
            stalls_min: 10,
            false_act_period: Duration::from_secs(30 * 24 * 3600),
            green_after: Duration::from_secs(10),
            own_timer_lag: Duration::from_millis(100),
            own_fsync: Duration::from_millis(200),
            abstain_from: 4,
            report_age_max: Duration::from_millis(500),
            pulse_lead: Duration::from_millis(90),
            pulse_beats_trusted: 2,
            pulse_age_max: Duration::from_secs(2),
            cut_or_stalled_behind_min: 4,
            patience: Duration::from_secs(1),
        }
    }
}

impl Default for ScorePolicy {
    fn default() -> Self {
        Self {
            promotion: BTreeMap::new(),
            lag_records_max: 100_000,
            lag_bytes_max: 1_000_000_000,
            lag_time_max: Duration::from_secs(30),
            load_excess_max_permille: 500,
            lag_weight: 6,
            rack_weight: 1,
            load_weight: 2,
            health_weight: 2,
            step_permille: 100,
            leaders_max: 200_000,
        }
    }
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            maintenance: BTreeSet::new(),
            topology_age_max: Duration::from_secs(5),
            log_end_age_max: Duration::from_secs(12),
            blast_radius_permille: 340,
            broker_cool_down: Duration::from_secs(300),
            cluster_cool_down: Duration::from_secs(1800),
            demoted_for: Duration::from_secs(300),
            at_risk_records_max: 10_000_000,
        }
    }
}

impl Policy {
    /// Gives every setting by its dotted key, each value as JSON text: what the record `PolicyIs` holds.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        flatten(self)
    }

    /// Reads back what [`Policy::settings`] gave.
    ///
    /// Errors: [`PolicyError::Unreadable`] for a key or value that this version does not know.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        unflatten(settings).map_err(|why| PolicyError::Unreadable { why })
    }

    /// Gives the SHA-256 of the canonical settings: the name of this policy in each record.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // A map of strings always has canonical bytes; the error's text only completes the match.
        match to_canonical_bytes(&self.settings()) {
            Ok(bytes) => sha256(&bytes),
            Err(error) => sha256(error.to_string().as_bytes()),
        }
    }
}

impl ActPolicy {
    /// Tells whether mode `auto` may send this act of class R2 without a person.
    #[must_use]
    pub fn auto_sends(&self, act: &str) -> bool {
        self.auto_r2.contains(act)
    }
}
