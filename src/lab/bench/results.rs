//! The figures of runs: one line of NDJSON each, kept as soon as they are had, so that a benchmark can be stopped and goes on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::page;
use crate::lab::LabError;

/// What one run measured.
pub(super) trait Figure: Serialize + DeserializeOwned {
    /// Gives what tells this run from every other one.
    fn key(&self) -> &str;

    /// Gives what it was measured on.
    fn circumstance(&self) -> &Circumstance;
}

/// What a reader must know of one run before he believes a figure; a part of its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Circumstance {
    pub(super) kafka: String,
    pub(super) cores: usize,
    /// What kind of build Tanist was; none without Tanist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tanist_build: Option<String>,
    /// Load of the minute before the run, as the kernel writes it.
    pub(super) load_before: Option<String>,
}

/// Where a benchmark keeps what it measured.
#[derive(Debug, Args)]
pub(super) struct Kept {
    /// Where each run is kept as a line of JSON; benches/results/<BENCHMARK>.ndjson if left out.
    #[arg(long)]
    results: Option<PathBuf>,
    /// The page whose table is written anew between its markers.
    #[arg(long, default_value = "BENCHMARKS.md")]
    page: PathBuf,
    /// Measure nothing: only write the table.
    #[arg(long)]
    report: bool,
}

impl Kept {
    /// Opens what a benchmark of that name has kept so far.
    pub(super) fn open<F: Figure>(&self, name: &str) -> Result<Results<F>, LabError> {
        Results::open(&self.file(name))
    }

    /// Tells whether anything is to be measured.
    pub(super) fn measures(&self) -> bool {
        !self.report
    }

    /// Writes a benchmark's section of the page anew from all that is kept.
    pub(super) fn write<F: Figure>(
        &self,
        name: &str,
        results: &Results<F>,
        section: impl Fn(&[&F]) -> String,
    ) -> Result<(), LabError> {
        page::write(&self.page, name, &section(&results.all()))?;
        let (page, file) = (self.page.display(), self.file(name));
        println!("{page}: the table is made from {} runs of {}", results.len(), file.display());
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.results.clone().unwrap_or_else(|| PathBuf::from(format!("benches/results/{name}.ndjson")))
    }
}

/// All figures by key, and the file that keeps them.
#[derive(Debug)]
pub(super) struct Results<F> {
    figures: BTreeMap<String, F>,
    file: File,
}

impl<F: Figure> Results<F> {
    /// Reads what former runs kept, and opens the file for more.
    fn open(path: &Path) -> Result<Self, LabError> {
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

    /// Leaves out what has been measured already.
    pub(super) fn unmeasured<C>(&self, cells: Vec<C>, key: impl Fn(&C) -> String) -> Vec<C> {
        cells.into_iter().filter(|cell| !self.figures.contains_key(&key(cell))).collect()
    }

    fn len(&self) -> usize {
        self.figures.len()
    }

    fn all(&self) -> Vec<&F> {
        self.figures.values().collect()
    }

    /// Keeps one run, on disk at once.
    pub(super) fn keep(&mut self, figure: F) -> Result<(), LabError> {
        let line = serde_json::to_string(&figure).map_err(|error| LabError::Usage(error.to_string()))?;
        writeln!(self.file, "{line}")
            .and_then(|()| self.file.sync_data())
            .map_err(LabError::file("write", "the results file"))?;
        self.figures.insert(figure.key().to_owned(), figure);
        Ok(())
    }
}

/// Reads lines of NDJSON; a line that is none is named by its number.
pub(super) fn parse<F: Figure>(text: &str) -> Result<BTreeMap<String, F>, (usize, serde_json::Error)> {
    let mut figures = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let figure: F = serde_json::from_str(line).map_err(|error| (number + 1, error))?;
        figures.insert(figure.key().to_owned(), figure);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Run {
        key: String,
    }

    impl Figure for Run {
        fn key(&self) -> &str {
            &self.key
        }

        fn circumstance(&self) -> &Circumstance {
            unreachable!("nobody asks here")
        }
    }

    fn run(key: &str) -> Run {
        Run { key: key.to_owned() }
    }

    #[test]
    fn a_benchmark_that_was_stopped_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/results.ndjson");
        let cells = || vec!["a", "b", "c"];
        let left = |results: &Results<Run>| results.unmeasured(cells(), |cell| (*cell).to_owned());
        let mut first = Results::open(&file).unwrap();
        assert_eq!(left(&first), cells());
        first.keep(run("b")).unwrap();
        assert_eq!(left(&first), ["a", "c"]);
        drop(first);
        let mut second = Results::open(&file).unwrap();
        assert_eq!((left(&second), second.len()), (vec!["a", "c"], 1));
        second.keep(run("a")).unwrap();
        second.keep(run("c")).unwrap();
        let third = Results::<Run>::open(&file).unwrap();
        assert_eq!((left(&third), third.all()), (Vec::new(), vec![&run("a"), &run("b"), &run("c")]));
    }

    #[test]
    fn a_broken_line_of_results_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.ndjson");
        fs::write(&file, "{\"key\":\"a\"}\nnonsense\n").unwrap();
        let told = Results::<Run>::open(&file).unwrap_err().to_string();
        assert!(told.contains("results.ndjson:2:") && told.contains("--results"), "{told}");
    }
}
