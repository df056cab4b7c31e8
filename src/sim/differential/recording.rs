//! A cell as it is written down: one line of JSON, the same from reality and from the model.
//!
//! Everything is put in relation to the reading before it (epochs are steps, lives are old or new, log ends are level or behind),
//! because two clusters never agree on absolute numbers. Times are coarse classes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::state::State;

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The state.
    pub state: State,
    /// The action.
    pub action: Action,
    /// What was seen, stage by stage.
    pub stages: Vec<Noted>,
}

/// When a reading was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// In trouble, nothing asked yet.
    Before,
    /// What was asked has been answered.
    Acted,
    /// What Kafka does by itself has happened.
    Later,
    /// The trouble is over.
    Returned,
    /// The process of an unregistered broker has been started anew.
    Restarted,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::Acted => "acted",
            Self::Later => "later",
            Self::Returned => "returned",
            Self::Restarted => "restarted",
        })
    }
}

/// What was seen of one cell after one stage. A list or map that would be empty is not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// The stage.
    pub stage: Stage,
    /// Kafka's answers since the stage before: `ok` or an error's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// How long what was awaited took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Class>,
    /// Every state of the partition since the stage before, the present one last; empty if nothing changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The move under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<String>,
    /// Each broker's registration since the stage before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brokers: BTreeMap<String, String>,
    /// Each broker's place in the metadata log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pulse: BTreeMap<String, String>,
    /// Which brokers each broker lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, String>,
    /// What each broker tells about the partition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, String>,
    /// What became of a record with acks=1 at each broker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub one: BTreeMap<String, String>,
    /// What became of a record with acks=all at each broker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub all: BTreeMap<String, String>,
    /// How each broker's replica compares with the leader's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<String, String>,
}

/// A span, coarsely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Within 1 s.
    #[serde(rename = "<1s")]
    Second,
    /// Within 3 s.
    #[serde(rename = "<3s")]
    Seconds,
    /// Within 6 s.
    #[serde(rename = "<6s")]
    TunedSession,
    /// Within 12 s.
    #[serde(rename = "<12s")]
    StockSession,
    /// Longer, but it came.
    #[serde(rename = ">12s")]
    Longer,
    /// It did not come while it was awaited.
    #[serde(rename = "never")]
    Never,
}

impl Class {
    /// Gives the class of a span.
    #[must_use]
    pub fn of(span: Duration) -> Self {
        match span.as_millis() {
            0..1_000 => Self::Second,
            1_000..3_000 => Self::Seconds,
            3_000..6_000 => Self::TunedSession,
            6_000..12_000 => Self::StockSession,
            _ => Self::Longer,
        }
    }

    /// Tells whether two spans may be the same: a span near a border falls on either side of it.
    #[must_use]
    pub fn is_near(self, other: Self) -> bool {
        let place = |class: Self| match class {
            Self::Second => 0_u8,
            Self::Seconds => 1,
            Self::TunedSession => 2,
            Self::StockSession => 3,
            Self::Longer => 4,
            Self::Never => 6,
        };
        place(self).abs_diff(place(other)) <= 1
    }
}

/// Why a text is no recording.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the recording is none")]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub source: serde_json::Error,
}

/// All cells of one Kafka release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// The cells.
    pub lines: BTreeMap<(State, Action), Line>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// Errors: [`BadLine`].
    pub fn read(text: &str) -> Result<Self, BadLine> {
        let mut lines = BTreeMap::new();
        for (number, text) in text.lines().enumerate() {
            let line: Line = serde_json::from_str(text).map_err(|source| BadLine { line: number + 1, source })?;
            lines.insert((line.state, line.action), line);
        }
        Ok(Self { lines })
    }

    /// Writes it: one line per cell, in the order of the table.
    ///
    /// Errors: those of the serializer.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for line in self.lines.values() {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        Ok(text)
    }
}
