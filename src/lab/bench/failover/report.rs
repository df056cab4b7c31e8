//! The table in BENCHMARKS.md, made from the raw lines alone: what was not measured is called so.
//!
//! Kafka's releases and machines have a table each, and another build of Tanist a row of its own: no figure mixes them.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::Table;

use super::figure::Figure;
use super::goal::{Row, Runs, verdict};
use super::spread::Spread;
use super::stand::Data;
use super::{Arm, Breakage, SIZES};
use crate::lab::bench::page;

/// The folder of a release build, which is what figures of Tanist are to be made with.
const RELEASE: &str = "release";

/// What may be pooled: runs on another Kafka or another machine are another table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ground {
    kafka: String,
    settings: Vec<String>,
    data: Data,
    cores: usize,
}

/// Gives the benchmark's section of the page.
pub(super) fn section(figures: &[&Figure]) -> String {
    let mut grounds: BTreeMap<Ground, Vec<&Figure>> = BTreeMap::new();
    for figure in figures {
        let ground = Ground {
            kafka: figure.on.kafka.clone(),
            settings: figure.settings.clone(),
            data: figure.data,
            cores: figure.on.cores,
        };
        grounds.entry(ground).or_default().push(figure);
    }
    if grounds.is_empty() {
        return "No run was kept.".to_owned();
    }
    let sections: Vec<String> = grounds
        .iter()
        .map(|(ground, figures)| format!("{}\n\n{}", circumstances(ground, figures), table(figures)))
        .collect();
    sections.join("\n\n")
}

/// Says on what the runs were made: what a reader must know before he believes a figure.
fn circumstances(ground: &Ground, figures: &[&Figure]) -> String {
    let load = page::load_range(figures);
    let Ground { kafka, settings, data, cores } = ground;
    let data = match data {
        Data::Memory => "in memory",
        Data::Disk => "on a disk",
    };
    let runs = figures.len();
    let set: String = settings.iter().map(|line| format!(" with `{line}`")).collect();
    format!(
        "{runs} runs. Kafka {kafka}{set}, its data {data}; cores: {cores}; load average in the minute before a run: {load}."
    )
}

fn table(figures: &[&Figure]) -> Table {
    let mut table = page::table([
        "fault",
        "partitions",
        "arm",
        "n",
        "acks=all p50 / max",
        "sooner than stock",
        "beyond stock, p50 / max",
        "beyond its oracle, p50 / max",
        "acks=1 p50 / max",
        "beyond its oracle, p50 / max",
        "goal",
    ]);
    for fault in Breakage::ALL {
        for partitions in SIZES {
            for arm in Arm::ALL.into_iter().filter(|arm| arm.takes(partitions)) {
                for build in builds(figures, arm) {
                    table.add_row(row(figures, &Subject { fault, partitions, arm, build }));
                }
            }
        }
    }
    table
}

/// What one row is about.
#[derive(Debug, Clone, Copy)]
struct Subject<'a> {
    fault: Breakage,
    partitions: i32,
    arm: Arm,
    /// What kind of build the trio's program was; none without a trio.
    build: Option<&'a str>,
}

impl Subject<'_> {
    fn name(&self) -> String {
        match self.build {
            None | Some(RELEASE) => self.arm.name().to_owned(),
            Some(other) => format!("{} ({other} build)", self.arm.name()),
        }
    }

    /// Gives the runs of this row, and their spreads if there are any.
    fn runs(&self, figures: &[&Figure]) -> Option<Runs> {
        let Self { fault, partitions, arm, build } = *self;
        let mine = figures.iter().filter(move |one| {
            (one.arm, one.fault, one.partitions, one.on.tanist_build.as_deref()) == (arm, fault, partitions, build)
        });
        let runs: Vec<&Figure> = mine.copied().collect();
        let all = Spread::of(runs.iter().map(|one| one.all_worst_ms))?;
        let one = Spread::of(runs.iter().map(|one| one.one_worst_ms))?;
        Some(Runs { n: runs.len(), all, one })
    }
}

/// Gives the builds that an arm was measured with: a slow build must not pass for a slow Tanist.
fn builds<'a>(figures: &[&'a Figure], arm: Arm) -> BTreeSet<Option<&'a str>> {
    if arm.trio().is_none() {
        return BTreeSet::from([None]);
    }
    let measured = figures.iter().filter(|one| one.arm == arm).map(|one| one.on.tanist_build.as_deref());
    measured.chain([Some(RELEASE)]).collect()
}

fn row(figures: &[&Figure], subject: &Subject<'_>) -> Vec<String> {
    let Subject { fault, partitions, arm, build } = *subject;
    let other = |arm: Arm| Subject { arm, build: None, ..*subject }.runs(figures);
    let own = subject.runs(figures);
    let n = own.map_or(0, |own| own.n);
    let head = [fault.kind().to_string(), partitions.to_string(), subject.name(), n.to_string()];
    let Some(own) = own else {
        let rest = ["not measured", "-", "-", "-", "-", "-", "-"];
        return head.into_iter().chain(rest.map(str::to_owned)).collect();
    };
    let stock = other(Arm::Stock);
    let elsewhere = stock.filter(|_| arm != Arm::Stock);
    let oracle = arm.floor().and_then(other);
    let goal = if build.is_none_or(|build| build == RELEASE) {
        verdict(&Row { arm, fault, partitions, own, oracle, stock })
    } else {
        "no release build".to_owned()
    };
    let tail = [
        own.all.to_string(),
        elsewhere.and_then(|stock| stock.all.tenths_of(&own.all)).map_or_else(dash, times),
        elsewhere.map_or_else(dash, |stock| own.all.beyond(&stock.all)),
        oracle.map_or_else(dash, |oracle| own.all.beyond(&oracle.all)),
        own.one.to_string(),
        oracle.map_or_else(dash, |oracle| own.one.beyond(&oracle.one)),
        goal,
    ];
    head.into_iter().chain(tail).collect()
}

fn times(tenths: u64) -> String {
    format!("{}.{} x", tenths / 10, tenths % 10)
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::results::parse;

    fn line(kafka: &str, arm: &str, run: u32, all: &str) -> String {
        let (arm, word) = arm.split_once(' ').unwrap_or((arm, ""));
        let build = if word.is_empty() { "null".to_owned() } else { format!("{word:?}") };
        format!(
            r#"{{"key":"{kafka} {arm} {word} {run}","kafka":"{kafka}","data":"memory","arm":"{arm}","fault":"kill","partitions":6,"run":{run},"runs_before":0,"watched_ms":30000,"tanist_build":{build},"cores":2,"load_before":"9.50","oracle_took_ms":null,"oracle_refused":null,"all_worst_ms":{all},"all_median_ms":1,"one_worst_ms":500,"one_median_ms":1}}"#
        )
    }

    /// Gives the report on these lines.
    fn report(lines: &[String]) -> String {
        let figures = parse::<Figure>(&lines.join("\n")).unwrap();
        section(&figures.values().collect::<Vec<_>>())
    }

    /// Gives the cells of every row about `arm` after a kill.
    fn rows(text: &str, arm: &str) -> Vec<Vec<String>> {
        let cells = |line: &str| {
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let rows = text.lines().map(cells);
        rows.filter(|row| row.len() == 11 && row[0] == "kill" && row[1] == "6" && row[2] == arm).collect()
    }

    #[test]
    fn the_table_says_what_was_measured_and_what_was_not() {
        let text = report(&[
            line("4.3.1", "stock", 1, "8500"),
            line("4.3.1", "stock", 2, "8700"),
            line("4.3.1", "tanist-fence release", 1, "500"),
            line("4.3.1", "tanist-fence release", 2, "900"),
            line("4.3.1", "tanist-fence release", 3, "null"),
            line("4.3.1", "oracle-fence", 1, "300"),
        ]);
        assert_eq!(rows(&text, "stock")[0][3..5], ["2", "8.50 s / 8.70 s"]);
        let tanist = [
            "3",
            "0.90 s / never",
            "9.4 x",
            "-7.60 s / -",
            "+0.60 s / -",
            "0.50 s / 0.50 s",
            "+0.00 s / +0.00 s",
            "n too small",
        ];
        assert_eq!(rows(&text, "tanist-fence")[0][3..], tanist);
        assert_eq!(rows(&text, "tuned")[0][3..5], ["0", "not measured"]);
        assert!(text.starts_with(
            "6 runs. Kafka 4.3.1, its data in memory; cores: 2; load average in the minute before a run: 9.50 to 9.50"
        ));
    }

    #[test]
    fn releases_of_kafka_and_builds_of_tanist_are_never_pooled() {
        let text = report(&[
            line("4.3.1", "stock", 1, "8500"),
            line("3.9.1", "stock", 1, "9900"),
            line("4.3.1", "tanist-fence release", 1, "500"),
            line("4.3.1", "tanist-fence debug", 1, "2000"),
        ]);
        let stock: Vec<String> = rows(&text, "stock").iter().map(|row| row[3..5].join(": ")).collect();
        assert_eq!(stock, ["1: 9.90 s / 9.90 s", "1: 8.50 s / 8.50 s"]);
        // One row in each release's table.
        let fence: Vec<String> = rows(&text, "tanist-fence").iter().map(|row| row[3..5].join(": ")).collect();
        assert_eq!(fence, ["0: not measured", "1: 0.50 s / 0.50 s"]);
        let slow = rows(&text, "tanist-fence (debug build)");
        assert_eq!(slow.len(), 1);
        assert_eq!((slow[0][4].as_str(), slow[0][10].as_str()), ("2.00 s / 2.00 s", "no release build"));
        assert_eq!(report(&[]), "No run was kept.");
    }

    #[test]
    fn a_goal_is_met_or_missed_once_there_are_runs_enough() {
        let many = |arm: &str, n: u32, all: &str| (1..=n).map(|run| line("4.3.1", arm, run, all)).collect::<Vec<_>>();
        let against = [many("stock", 10, "9000"), many("oracle-fence", 20, "300")].concat();
        let goal = |all: &str| {
            let text = report(&[against.clone(), many("tanist-fence release", 20, all)].concat());
            rows(&text, "tanist-fence")[0][10].clone()
        };
        assert_eq!(goal("500"), "met");
        assert_eq!(goal("501"), "missed: p50");
        assert_eq!(goal("null"), "missed: p50, max, times stock");
    }
}
