//! The table in BENCHMARKS.md, made from the raw lines alone: what was not measured is called so.

use std::fs;
use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use super::figure::{Figure, Results, text};
use super::{Arm, Breakage, SIZES};
use crate::lab::LabError;

const BEGIN: &str = "<!-- failover: written by tanist-lab bench-failover -->";
const END: &str = "<!-- end of failover -->";

/// Writes the table anew between its markers; everything else on the page stays.
pub(super) fn write(page: &Path, results: &Results) -> Result<(), LabError> {
    let old = fs::read_to_string(page).map_err(LabError::file("read", page))?;
    let figures: Vec<&Figure> = results.all().collect();
    let new = replaced(&old, &section(&figures)).ok_or_else(|| {
        LabError::Usage(format!("{}: the table goes between a line {BEGIN:?} and a line {END:?}", page.display()))
    })?;
    fs::write(page, new).map_err(LabError::file("write", page))
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

fn section(figures: &[&Figure]) -> String {
    format!("{}\n\n{}", circumstances(figures), table(figures))
}

/// Says on what the runs were made: what a reader must know before he believes a figure.
fn circumstances(figures: &[&Figure]) -> String {
    let list = |values: Vec<String>| {
        let mut values = values;
        values.sort();
        values.dedup();
        if values.is_empty() { "-".to_owned() } else { values.join(", ") }
    };
    let kafka = list(figures.iter().map(|one| one.kafka.clone()).collect());
    let cores = list(figures.iter().map(|one| one.cores.to_string()).collect());
    let builds = list(figures.iter().filter_map(|one| one.tanist_build.clone()).collect());
    let mut loads: Vec<&String> = figures.iter().filter_map(|one| one.load_before.as_ref()).collect();
    // Of equal form, so that the longer number is the larger.
    loads.sort_by_key(|load| (load.len(), (*load).clone()));
    let load = match (loads.first(), loads.last()) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "-".to_owned(),
    };
    format!(
        "{} runs. Kafka {kafka}; cores: {cores}; load average in the minute before a run: {load}; build of Tanist: {builds}.",
        figures.len()
    )
}

fn table(figures: &[&Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "fault",
        "partitions",
        "arm",
        "n",
        "acks=all p50 / max",
        "sooner than stock",
        "beyond its oracle, p50 / max",
        "acks=1 p50 / max",
        "beyond its oracle, p50 / max",
    ]);
    for fault in Breakage::ALL {
        for partitions in SIZES {
            for arm in Arm::ALL {
                table.add_row(row(figures, fault, partitions, arm));
            }
        }
    }
    table
}

fn row(figures: &[&Figure], fault: Breakage, partitions: i32, arm: Arm) -> Vec<String> {
    let of = |wanted: Arm| {
        let runs =
            figures.iter().filter(move |one| (one.arm, one.fault, one.partitions) == (wanted, fault, partitions));
        let runs: Vec<&Figure> = runs.copied().collect();
        let all = Spread::of(runs.iter().map(|one| one.all_worst_ms));
        let one = Spread::of(runs.iter().map(|one| one.one_worst_ms));
        (runs, all, one)
    };
    let (runs, all, one) = of(arm);
    let head = [fault.kind().to_string(), partitions.to_string(), arm.name().to_owned(), runs.len().to_string()];
    let (Some(all), Some(one)) = (all, one) else {
        return head.into_iter().chain(["not measured", "-", "-", "-", "-"].map(str::to_owned)).collect();
    };
    let stock = of(Arm::Stock).1;
    let floor = arm.floor().map(of);
    let (floor_all, floor_one) = floor.map_or((None, None), |(_, all, one)| (all, one));
    let tail = [
        all.to_string(),
        stock.filter(|_| arm != Arm::Stock).map_or_else(dash, |stock| times(stock.middle, all.middle)),
        floor_all.map_or_else(dash, |floor| all.beyond(&floor)),
        one.to_string(),
        floor_one.map_or_else(dash, |floor| one.beyond(&floor)),
    ];
    head.into_iter().chain(tail).collect()
}

fn dash() -> String {
    "-".to_owned()
}

/// The middle and the longest of several runs; none is "never".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spread {
    middle: Option<u64>,
    longest: Option<u64>,
}

impl Spread {
    /// Gives the spread of at least one run.
    fn of(worst: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let mut sorted: Vec<Option<u64>> = worst.collect();
        sorted.sort_by_key(|ms| ms.unwrap_or(u64::MAX));
        let middle = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(Self { middle, longest: *sorted.last()? })
    }

    fn beyond(&self, floor: &Self) -> String {
        format!("{} / {}", difference(self.middle, floor.middle), difference(self.longest, floor.longest))
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {}", text(self.middle), text(self.longest))
    }
}

/// Writes how many times as long `long` is, with one decimal, rounded down.
fn times(long: Option<u64>, short: Option<u64>) -> String {
    let tenths = long.zip(short).and_then(|(long, short)| long.saturating_mul(10).checked_div(short));
    tenths.map_or_else(dash, |tenths| format!("{}.{} x", tenths / 10, tenths % 10))
}

fn difference(own: Option<u64>, floor: Option<u64>) -> String {
    let Some((own, floor)) = own.zip(floor) else { return dash() };
    let sign = if floor <= own { "+" } else { "-" };
    format!("{sign}{}", text(Some(own.abs_diff(floor))))
}

#[cfg(test)]
mod tests {
    use super::super::figure::parse;
    use super::*;

    fn line(arm: &str, run: u32, all: &str) -> String {
        format!(
            r#"{{"key":"{arm}{run}","kafka":"4.3.1","arm":"{arm}","fault":"kill","partitions":6,"run":{run},"watched_ms":30000,"tanist_build":null,"cores":2,"load_before":"9.50","oracle_took_ms":null,"oracle_refused":null,"all_worst_ms":{all},"all_median_ms":1,"one_worst_ms":500,"one_median_ms":1}}"#
        )
    }

    #[test]
    fn the_table_says_what_was_measured_and_what_was_not() {
        let lines = [
            line("stock", 1, "8500"),
            line("stock", 2, "8700"),
            line("tanist-fence", 1, "500"),
            line("tanist-fence", 2, "900"),
            line("tanist-fence", 3, "null"),
            line("oracle-fence", 1, "300"),
        ];
        let figures = parse(&lines.join("\n")).unwrap();
        let text = section(&figures.values().collect::<Vec<_>>());
        let row = |arm: &str| {
            let line = text.lines().find(|line| line.contains("kill") && line.contains(arm)).unwrap();
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("stock")[3..5], ["2", "8.50 s / 8.70 s"]);
        let tanist = ["3", "0.90 s / never", "9.4 x", "+0.60 s / -", "0.50 s / 0.50 s", "+0.00 s / +0.00 s"];
        assert_eq!(row("tanist-fence")[3..], tanist);
        assert_eq!(row("tuned")[3..5], ["0", "not measured"]);
        assert!(
            text.starts_with("6 runs. Kafka 4.3.1; cores: 2; load average in the minute before a run: 9.50 to 9.50")
        );
    }

    #[test]
    fn only_what_is_between_the_markers_is_written_anew() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = replaced(&page, "table").unwrap();
        assert_eq!(new, format!("above\n{BEGIN}\n\ntable\n{END}\nbelow\n"));
        assert_eq!(replaced(&new, "table").unwrap(), new);
        assert_eq!(replaced("no markers", "table"), None);
    }

    #[test]
    fn a_broken_line_of_results_is_named() {
        let text = format!("{}\nnonsense", line("stock", 1, "8500"));
        assert_eq!(parse(&text).unwrap_err().0, 2);
    }
}
