//! The figures of runs: one line of NDJSON each, kept as soon as they are had.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Ground};
use super::{Arm, Breakage};
use crate::lab::LabError;
use crate::lab::client::Recovery;

/// What one run measured; "never" is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) key: String,
    pub(super) kafka: String,
    pub(super) arm: Arm,
    pub(super) fault: Breakage,
    pub(super) partitions: i32,
    pub(super) run: u32,
    watched_ms: u64,
    /// What kind of build the trio's program was; none without a trio.
    pub(super) tanist_build: Option<String>,
    pub(super) cores: usize,
    /// Load of the minute before the run, as the kernel writes it.
    pub(super) load_before: Option<String>,
    /// From sending the oracle's act to its answer; none where it sends none.
    oracle_took_ms: Option<u64>,
    /// What Kafka refused the oracle, if it did.
    pub(super) oracle_refused: Option<String>,
    pub(super) all_worst_ms: Option<u64>,
    all_median_ms: Option<u64>,
    pub(super) one_worst_ms: Option<u64>,
    one_median_ms: Option<u64>,
}

/// What the probe and the oracle gave.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) all: Recovery,
    pub(super) one: Recovery,
    pub(super) acted: Result<Duration, String>,
}

impl Figure {
    pub(super) fn of(cell: &Cell, ground: &Ground, load_before: Option<String>, measured: &Measured) -> Self {
        let sends = cell.arm.oracle() != crate::lab::act::Act::None;
        let took = measured.acted.as_ref().ok().filter(|_| sends);
        Self {
            key: cell.key(&ground.kafka),
            kafka: ground.kafka.clone(),
            arm: cell.arm,
            fault: cell.fault,
            partitions: cell.partitions,
            run: cell.run,
            watched_ms: millis(ground.watch),
            tanist_build: cell.arm.trio().map(|_| ground.build.clone()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            load_before,
            oracle_took_ms: took.copied().map(millis),
            oracle_refused: measured.acted.as_ref().err().cloned(),
            all_worst_ms: measured.all.worst().map(millis),
            all_median_ms: measured.all.median().map(millis),
            one_worst_ms: measured.one.worst().map(millis),
            one_median_ms: measured.one.median().map(millis),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: acks=all {}, acks=1 {}", self.key, text(self.all_worst_ms), text(self.one_worst_ms))?;
        self.oracle_refused.as_ref().map_or(Ok(()), |refused| write!(f, " ({refused})"))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Writes milliseconds as people compare them: seconds with two decimals.
pub(super) fn text(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10))
}

/// All figures by key, and the file that keeps them.
#[derive(Debug)]
pub(super) struct Results {
    figures: BTreeMap<String, Figure>,
    file: File,
}

impl Results {
    /// Reads what former runs kept, and opens the file for more.
    pub(super) fn open(path: &Path) -> Result<Self, LabError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(LabError::file("make", folder))?;
        }
        let kept =
            if path.exists() { fs::read_to_string(path).map_err(LabError::file("read", path))? } else { String::new() };
        let figures = parse(&kept).map_err(|(line, error)| {
            LabError::Usage(format!("{}:{line}: {error}; name another --results", path.display()))
        })?;
        let file = File::options().create(true).append(true).open(path).map_err(LabError::file("open", path))?;
        Ok(Self { figures, file })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.figures.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.figures.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Figure> {
        self.figures.values()
    }

    /// Keeps one run, on disk at once.
    pub(super) fn keep(&mut self, figure: Figure) -> Result<(), LabError> {
        let line = serde_json::to_string(&figure).map_err(|error| LabError::Usage(error.to_string()))?;
        writeln!(self.file, "{line}")
            .and_then(|()| self.file.sync_data())
            .map_err(LabError::file("write", "the results file"))?;
        self.figures.insert(figure.key.clone(), figure);
        Ok(())
    }
}

/// Reads lines of NDJSON; a line that is none is named by its number.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Figure>, (usize, serde_json::Error)> {
    let mut figures = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let figure: Figure = serde_json::from_str(line).map_err(|error| (number + 1, error))?;
        figures.insert(figure.key.clone(), figure);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(run: u32) -> Figure {
        Figure {
            key: format!("4.3.1 stock kill x6 #{run}"),
            kafka: "4.3.1".to_owned(),
            arm: Arm::Stock,
            fault: Breakage::Kill,
            partitions: 6,
            run,
            watched_ms: 30_000,
            tanist_build: None,
            cores: 2,
            load_before: None,
            oracle_took_ms: None,
            oracle_refused: None,
            all_worst_ms: Some(8_500),
            all_median_ms: Some(8_400),
            one_worst_ms: None,
            one_median_ms: None,
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_is_not_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results").join("failover.ndjson");
        let mut results = Results::open(&path).unwrap();
        assert!(!results.has(&figure(1).key));
        results.keep(figure(1)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1, "on disk at once");
        // The process dies here; the next one goes on.
        drop(results);
        let mut again = Results::open(&path).unwrap();
        assert!(again.has(&figure(1).key) && !again.has(&figure(2).key));
        again.keep(figure(2)).unwrap();
        assert_eq!(again.len(), 2);
        let third = Results::open(&path).unwrap();
        assert_eq!(third.all().cloned().collect::<Vec<_>>(), [figure(1), figure(2)]);
    }

    #[test]
    fn a_results_file_with_a_broken_line_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failover.ndjson");
        Results::open(&path).unwrap().keep(figure(1)).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        // A run that was cut off in the middle of its line.
        fs::write(&path, format!("{kept}{}", &kept[..40])).unwrap();
        let error = Results::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("{}:2:", path.display())) && error.contains("--results"), "{error}");
    }
}
