//! The settings that change decisions: every field of the policy, and nothing else.
//!
//! Each is hashed into every record; `app` turns them into the policy.

use std::time::Duration;

use crate::model::operator::view::Mode;

use super::section::{Presence, Reader, Row, Spec, section};
use super::value::Value;

section! {
    /// What the trio may do to Kafka.
    Act in "act" {
        /// What automation may do. observe: everything but the sending, recorded as "would have". approve: every plan
        /// waits for a person. auto: what is reversible in seconds (R1) is sent at once, the rest waits for people.
        "mode" mode: Mode, default Mode::Observe;
        /// Whether dead and silent brokers may be fenced by a heartbeat in their name with their epoch (R1: a healthy
        /// broker is back in about a second). Needs kafka."bootstrap.controllers" and the right CLUSTER_ACTION.
        "fence.heartbeat" fence_heartbeat: bool, default false;
        /// Whether dead and silent brokers may be fenced by unregistering them (R2: a broker that lives after all must be
        /// restarted by a person). Needs the right ALTER on the cluster.
        "fence.unregister" fence_unregister: bool, default false;
    }
}

section! {
    /// When a broker counts as failed.
    Detect in "detect" {
        /// How often each broker is pinged.
        "ping_every" ping_every: Duration, default Duration::from_millis(250), from Duration::from_millis(50) => Duration::from_secs(10);
    }
}

section! {
    /// Who is to lead instead.
    ScoreSection in "score" {
        /// Weight of the lag.
        "weight_lag" weight_lag: u32, default 400, from 0 => 1000;
    }
}

section! {
    /// What is held back.
    Guard in "guard" {
        /// How many.
        "moves_per_step_max" moves_per_step_max: u32, default 2000, from 1 => 2000;
    }
}
