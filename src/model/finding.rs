//! Findings: what is wrong, with its evidence and who voted. A finding cannot repair itself.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{BrokerId, Listener, NodeId};
use super::observation::{Blindness, Light, Progress, PulseState};
use super::time::millis;

/// Something wrong with one broker (or `Unknown`), with its evidence and the votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// With whom.
    pub broker: BrokerId,
    /// Over which path it was seen, where it is about a path.
    pub path: Option<Listener>,
    /// What each node said.
    pub votes: BTreeMap<NodeId, Vote>,
    /// What was read of the broker's place in the metadata log, by the leader's belief.
    pub echo: Echo,
    /// Whether clients seem to be served.
    pub progress: Progress,
    /// How many partitions it leads.
    pub leads: u32,
    /// How many brokers are red at once (blast radius).
    pub red_brokers: u32,
    /// How long ago the first confirmed vote turned red.
    #[serde(with = "millis", rename = "red_for_ms")]
    pub red_for: Duration,
}

/// The rows of the classification table (`judgement.md` §1); later parts add rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Restarting or recovering its log: left alone.
    Recovering,
    /// Stopped in good order: leads nothing, in no ISR with others; nothing to do.
    BrokerStopped,
    /// A leader that does not serve, its echo not heard yet: stage one.
    LeaderNotServing,
    /// Refused twice and behind: the process is gone.
    BrokerCrashed,
    /// Silent and behind: host gone, frozen or isolated.
    BrokerSilent,
    /// Silent or refused on the client path, level in the metadata log: only clients are cut off.
    ClientPathCut,
    /// Answers, but is behind, and no canary tells which: cut off from controllers or stalled. Warns.
    CutOrStalled,
    /// Answers, but is not registered: must be restarted.
    Zombie,
    /// The nodes contradict each other: an asymmetric partition or a flap.
    Conflict,
    /// Not enough could be seen.
    Unknown,
}

/// What one node's view counts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// What it says.
    pub says: Say,
    /// How old the report was.
    #[serde(with = "millis", rename = "age_ms")]
    pub age: Duration,
    /// The light it saw; none where no report was had.
    pub light: Option<Light>,
    /// How long that light has stood.
    #[serde(with = "millis", rename = "light_for_ms")]
    pub light_for: Duration,
}

/// What a vote says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// Red.
    Red,
    /// A success sent after the first red: contradicts.
    Serves,
    /// Neither: yellow, recovering, or green without a success sent since.
    Unsure,
    /// Cannot see it.
    Blind(Blindness),
    /// Abstains: its own local health is bad.
    Abstains,
    /// Has no vote on this broker (shares its host).
    NoVote,
    /// Not heard lately.
    NotHeard,
}

/// What the metadata log's pulse says of the broker, fused over the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Level, behind or unknown.
    pub state: PulseState,
    /// Beats since the first red, by the node that heard most.
    pub beats_since_red: u32,
    /// Whether it was behind at any of them.
    pub behind_since_red: bool,
    /// Beats running at which it was level.
    pub level_beats: u32,
}

impl FindingKind {
    /// Gives the name as people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recovering => "Recovering",
            Self::BrokerStopped => "BrokerStopped",
            Self::LeaderNotServing => "LeaderNotServing",
            Self::BrokerCrashed => "BrokerCrashed",
            Self::BrokerSilent => "BrokerSilent",
            Self::ClientPathCut => "ClientPathCut",
            Self::CutOrStalled => "CutOrStalled",
            Self::Zombie => "Zombie",
            Self::Conflict => "Conflict",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
