//! The tables in BENCHMARKS.md: written between markers; everything else on the page stays as people wrote it.

use std::fs;
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use super::results::{Circumstance, Figure};
use crate::lab::LabError;

/// Writes the section of a benchmark anew between its markers.
pub(super) fn write(page: &Path, name: &str, section: &str) -> Result<(), LabError> {
    let old = fs::read_to_string(page).map_err(LabError::file("read", page))?;
    let new = replaced(&old, name, section).ok_or_else(|| {
        let (begin, end) = markers(name);
        LabError::Usage(format!("{}: the table goes between a line {begin:?} and a line {end:?}", page.display()))
    })?;
    fs::write(page, new).map_err(LabError::file("write", page))
}

fn markers(name: &str) -> (String, String) {
    (format!("<!-- {name}: written by tanist-lab bench-{name} -->"), format!("<!-- end of {name} -->"))
}

fn replaced(page: &str, name: &str, section: &str) -> Option<String> {
    let (begin, end) = markers(name);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{section}\n{end}{after}"))
}

/// Gives an empty table in the form of the page.
pub(super) fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header);
    table
}

/// Says on what the runs were made.
pub(super) fn circumstances<F: Figure>(figures: &[&F]) -> String {
    let runs: Vec<&Circumstance> = figures.iter().map(|one| one.circumstance()).collect();
    let list = |values: Vec<String>| {
        let mut values = values;
        values.sort();
        values.dedup();
        if values.is_empty() { "-".to_owned() } else { values.join(", ") }
    };
    let kafka = list(runs.iter().map(|one| one.kafka.clone()).collect());
    let cores = list(runs.iter().map(|one| one.cores.to_string()).collect());
    let builds = list(runs.iter().filter_map(|one| one.tanist_build.clone()).collect());
    let load = load_range(figures);
    format!(
        "{} runs. Kafka {kafka}; cores: {cores}; load average in the minute before a run: {load}; build of Tanist: {builds}.",
        runs.len()
    )
}

/// Gives the least and the most that the machine was loaded in the minute before a run.
pub(super) fn load_range<F: Figure>(figures: &[&F]) -> String {
    let mut loads: Vec<&str> = figures.iter().filter_map(|one| one.circumstance().load_before.as_deref()).collect();
    // Of equal form, so that the longer number is the larger.
    loads.sort_by_key(|load| (load.len(), *load));
    match (loads.first(), loads.last()) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "-".to_owned(),
    }
}

/// Gives the one in the middle (the lower of two) and the last of several in order.
pub(super) fn middle_and_last<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_unstable();
    let middle = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some((middle, *sorted.last()?))
}

/// Writes milliseconds as people compare them: seconds with two decimals.
pub(super) fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), |ms| format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_written_anew() {
        let (begin, end) = markers("node");
        let page = format!("above\n{begin}\nold\n{end}\nbelow\n");
        let new = replaced(&page, "node", "table").unwrap();
        assert_eq!(new, format!("above\n{begin}\n\ntable\n{end}\nbelow\n"));
        assert_eq!(replaced(&new, "node", "table").unwrap(), new);
        assert_eq!(replaced(&page, "rolling", "table"), None);
        assert_eq!(replaced("no markers", "node", "table"), None);
    }

    #[test]
    fn the_middle_is_the_lower_of_two_and_nothing_has_none() {
        assert_eq!(middle_and_last([3, 1, 2].into_iter()), Some((2, 3)));
        assert_eq!(middle_and_last([4, 1].into_iter()), Some((1, 4)));
        assert_eq!(middle_and_last(std::iter::empty::<u8>()), None);
    }
}
