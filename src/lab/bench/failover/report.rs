//! The table in BENCHMARKS.md, made from the raw lines alone: what was not measured is called so.

use std::path::Path;

use comfy_table::Table;

use super::figure::{Figure, text};
use super::{Arm, Breakage, SIZES};
use crate::lab::LabError;
use crate::lab::bench::page::{self, middle_and_last};
use crate::lab::bench::results::Results;

/// Writes the table anew.
pub(super) fn write(page: &Path, results: &Results<Figure>) -> Result<(), LabError> {
    page::write(page, "failover", &section(&results.all()))
}

fn section(figures: &[&Figure]) -> String {
    format!("{}\n\n{}", page::circumstances(figures), table(figures))
}

fn table(figures: &[&Figure]) -> Table {
    let mut table = page::table([
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
        let known = |ms: u64| Some(ms).filter(|ms| *ms < u64::MAX);
        let (middle, longest) = middle_and_last(worst.map(|ms| ms.unwrap_or(u64::MAX)))?;
        Some(Self { middle: known(middle), longest: known(longest) })
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
    use super::*;
    use crate::lab::bench::results::parse;

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
        let figures = parse::<Figure>(&lines.join("\n")).unwrap();
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
}
