//! Vantages: how well each node of the trio is placed to lead, as its leader hears of it, and why one lets another lead.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::millis;

/// How well a node is placed to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// Its doubt in itself (LHM, 0 to 8).
    pub lhm: u8,
    /// How long ago it last heard Kafka's active controller the way that changes go; none if never.
    #[serde(with = "millis::option", rename = "way_open_ago_ms")]
    pub way_open_ago: Option<Duration>,
}

/// Why a leader of ours lets another node lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IllPlaced {
    /// It does not reach Kafka's active controller the way that changes go: nothing that it decides could be sent.
    WayClosed,
    /// It doubts itself so much that it has no vote: it sees most brokers red, or runs badly.
    Doubtful,
}
