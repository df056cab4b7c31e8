//! The figures of runs: one line of NDJSON each, and the table made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::reference;
use crate::lab::LabError;
use crate::lab::act::Act;
use crate::lab::client::Recovery;

/// What one run measured; "never" is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    key: String,
    kafka: String,
    arm: String,
    fault: String,
    act: Act,
    delay_ms: u64,
    partitions: i32,
    run: u32,
    watched_ms: u64,
    /// From sending the act to its answer.
    act_took_ms: Option<u64>,
    /// What Kafka refused, if it did.
    act_refused: Option<String>,
    all_worst_ms: Option<u64>,
    all_median_ms: Option<u64>,
    one_worst_ms: Option<u64>,
    one_median_ms: Option<u64>,
}

impl Figure {
    pub(super) fn of(cell: &Cell, all: &Recovery, one: &Recovery, acted: Result<Duration, String>) -> Self {
        let (act_took_ms, act_refused) = match acted {
            Ok(took) => (Some(millis(took)), None),
            Err(refused) => (None, Some(refused)),
        };
        Self {
            key: cell.key(),
            kafka: cell.kafka.clone(),
            arm: cell.arm.name().to_owned(),
            fault: cell.breakage.kind().to_string(),
            act: cell.act,
            delay_ms: millis(cell.delay),
            partitions: cell.partitions,
            run: cell.run,
            watched_ms: millis(cell.watch),
            act_took_ms,
            act_refused,
            all_worst_ms: all.worst().map(millis),
            all_median_ms: all.median().map(millis),
            one_worst_ms: one.worst().map(millis),
            one_median_ms: one.median().map(millis),
        }
    }

    /// Gives what groups the runs of one cell.
    fn cell(&self) -> (String, String, Act, u64, i32) {
        (self.arm.clone(), self.fault.clone(), self.act, self.delay_ms, self.partitions)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: acks=all {}, acks=1 {}", self.key, text(self.all_worst_ms), text(self.one_worst_ms))?;
        self.act_refused.as_ref().map_or(Ok(()), |refused| write!(f, " ({refused})"))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Writes milliseconds as people compare them: seconds with two decimals.
fn text(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10))
}

/// All figures by key, and the file that keeps them.
#[derive(Debug)]
pub(super) struct Results {
    figures: BTreeMap<String, Figure>,
    file: Option<File>,
}

impl Results {
    /// Reads what a former run kept.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, LabError> {
        let Some(path) = path else {
            return Ok(Self { figures: BTreeMap::new(), file: None });
        };
        let kept =
            if path.exists() { fs::read_to_string(path).map_err(LabError::file("read", path))? } else { String::new() };
        let mut figures = BTreeMap::new();
        for (number, line) in kept.lines().enumerate() {
            let figure: Figure = serde_json::from_str(line).map_err(|error| {
                LabError::Usage(format!("{}:{}: {error}; name another --out", path.display(), number + 1))
            })?;
            figures.insert(figure.key.clone(), figure);
        }
        let file = File::options().create(true).append(true).open(path).map_err(LabError::file("open", path))?;
        Ok(Self { figures, file: Some(file) })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.figures.contains_key(key)
    }

    /// Keeps one run, on disk at once.
    pub(super) fn keep(&mut self, figure: Figure) -> Result<(), LabError> {
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&figure).map_err(|error| LabError::Usage(error.to_string()))?;
            writeln!(file, "{line}")
                .and_then(|()| file.sync_data())
                .map_err(LabError::file("write", "the results file"))?;
        }
        self.figures.insert(figure.key.clone(), figure);
        Ok(())
    }

    /// Gives the table of the asked cells: worst partition of each run, the middle and the longest over the runs.
    pub(super) fn table(&self, asked: &BTreeSet<String>) -> Table {
        let mut cells: BTreeMap<_, Vec<&Figure>> = BTreeMap::new();
        for figure in self.figures.values().filter(|figure| asked.contains(&figure.key)) {
            cells.entry(figure.cell()).or_default().push(figure);
        }
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header([
            "arm",
            "fault on the leader",
            "act (delay)",
            "partitions",
            "n",
            "acks=all p50 / max",
            "before",
            "acks=1 p50 / max",
            "before",
            "act took",
        ]);
        for ((arm, fault, act, delay_ms, partitions), runs) in cells {
            let known = reference::find(&arm, &fault, act, delay_ms, partitions);
            let (all_before, one_before) = known.unwrap_or(("-", "-"));
            let took = runs.iter().filter_map(|run| run.act_took_ms).max();
            let refused = runs.iter().find_map(|run| run.act_refused.clone());
            table.add_row([
                arm,
                fault,
                if act == Act::None { "none".to_owned() } else { format!("{act} ({})", text(Some(delay_ms))) },
                partitions.to_string(),
                runs.len().to_string(),
                spread(runs.iter().map(|run| run.all_worst_ms)),
                all_before.to_owned(),
                spread(runs.iter().map(|run| run.one_worst_ms)),
                one_before.to_owned(),
                refused.unwrap_or_else(|| text(took)),
            ]);
        }
        table
    }
}

fn spread(worst: impl Iterator<Item = Option<u64>>) -> String {
    let mut sorted: Vec<Option<u64>> = worst.collect();
    sorted.sort_by_key(|ms| ms.unwrap_or(u64::MAX));
    let middle = sorted.get(sorted.len().saturating_sub(1) / 2).copied().flatten();
    let longest = sorted.last().copied().flatten();
    if sorted.len() < 2 { text(middle) } else { format!("{} / {}", text(middle), text(longest)) }
}
