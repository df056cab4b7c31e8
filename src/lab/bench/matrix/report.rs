//! The table in BENCHMARKS.md: every cell beside what the project started from, and by name those that came out otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::Arm;
use super::figure::Figure;
use super::reference::{Before, ROWS, Row};
use crate::lab::act::Act;
use crate::lab::bench::page::{self, middle_and_last, seconds};

/// One run each, and Kafka's own detection depends on where in a heartbeat's interval of 2 s the fault falls.
const ALIKE_MS: u64 = 1_000;

/// Releases of Kafka and machines have a table each.
pub(super) fn section(figures: &[&Figure]) -> String {
    let mut grounds: BTreeMap<(&str, usize), Vec<&Figure>> = BTreeMap::new();
    for figure in figures {
        grounds.entry((figure.on.kafka.as_str(), figure.on.cores)).or_default().push(figure);
    }
    if grounds.is_empty() {
        return "No run was kept.".to_owned();
    }
    let sections: Vec<String> = grounds.iter().map(|((kafka, cores), figures)| one(kafka, *cores, figures)).collect();
    sections.join("\n\n")
}

fn one(kafka: &str, cores: usize, figures: &[&Figure]) -> String {
    let mut table = page::table([
        "fault on the leader",
        "partitions",
        "Kafka's times",
        "act (delay)",
        "n",
        "acks=all p50 / max",
        "before",
        "acks=1 p50 / max",
        "before",
        "act took, longest",
    ]);
    let mut others = Vec::new();
    for row in &ROWS {
        let runs: Vec<&Figure> = figures.iter().copied().filter(|figure| is_run_of(figure, row)).collect();
        let all = spread(runs.iter().map(|run| run.all_worst_ms));
        let one = spread(runs.iter().map(|run| run.one_worst_ms));
        for (acks, spread, before) in [("all", all, row.all), ("1", one, row.one)] {
            if let Some((middle, _)) = spread.filter(|(middle, _)| !is_alike(*middle, before)) {
                others.push(format!("- {}, acks={acks}: {}, before {}", title(row), seconds(middle), known(before)));
            }
        }
        table.add_row([
            row.breakage.kind().to_string(),
            row.partitions.to_string(),
            row.arm.name().to_owned(),
            act(row),
            runs.len().to_string(),
            shown(all),
            known(row.all),
            shown(one),
            known(row.one),
            took(&runs),
        ]);
    }
    let (runs, load) = (figures.len(), page::load_range(figures));
    let builds: BTreeSet<&str> = figures.iter().map(|figure| figure.lab_build.as_str()).collect();
    let builds = builds.into_iter().collect::<Vec<_>>().join(", ");
    let others = if others.is_empty() { "- none".to_owned() } else { others.join("\n") };
    format!(
        "{runs} runs. Kafka {kafka}; cores: {cores}; load average in the minute before a run: {load}; build of the lab: {builds}.\n\n{table}\n\n\
         Cells whose middle is more than {} from before, or never where it was not, or the other way round:\n\n{others}\n",
        seconds(Some(ALIKE_MS))
    )
}

fn is_run_of(figure: &Figure, row: &Row) -> bool {
    (figure.arm, figure.fault, figure.act) == (row.arm, row.breakage, row.act)
        && (figure.delay_ms, figure.partitions) == (row.delay_ms, row.partitions)
}

fn title(row: &Row) -> String {
    let arm = match row.arm {
        Arm::Stock => "",
        Arm::Tuned => ", tuned",
    };
    format!("{}{arm}, {}, {} partitions", row.breakage.kind(), act(row), row.partitions)
}

fn act(row: &Row) -> String {
    if row.act == Act::None { "none".to_owned() } else { format!("{} ({})", row.act, seconds(Some(row.delay_ms))) }
}

/// Gives the middle and the longest; "never" is longer than anything.
fn spread(worst: impl Iterator<Item = Option<u64>>) -> Option<(Option<u64>, Option<u64>)> {
    let (middle, last) = middle_and_last(worst.map(|ms| ms.unwrap_or(u64::MAX)))?;
    let back = |ms: u64| Some(ms).filter(|ms| *ms < u64::MAX);
    Some((back(middle), back(last)))
}

fn shown(spread: Option<(Option<u64>, Option<u64>)>) -> String {
    spread
        .map_or_else(|| "not measured".to_owned(), |(middle, last)| format!("{} / {}", seconds(middle), seconds(last)))
}

fn known(before: Before) -> String {
    match before {
        Before::Ms(ms) => seconds(Some(ms)),
        Before::Never => seconds(None),
        Before::Unknown => "-".to_owned(),
    }
}

fn is_alike(now: Option<u64>, before: Before) -> bool {
    match (now, before) {
        (Some(now), Before::Ms(before)) => now.abs_diff(before) <= ALIKE_MS,
        (None, Before::Never) | (_, Before::Unknown) => true,
        (None, Before::Ms(_)) | (Some(_), Before::Never) => false,
    }
}

/// Gives the longest that the act took, or what Kafka refused.
fn took(runs: &[&Figure]) -> String {
    let refused = runs.iter().find_map(|run| run.act_refused.clone());
    let longest = runs.iter().filter(|run| run.act != Act::None).filter_map(|run| run.act_took_ms).max();
    refused.or_else(|| longest.map(|ms| seconds(Some(ms)))).unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::results::Circumstance;

    #[test]
    fn a_cell_is_like_before_within_a_second_and_never_is_like_never_only() {
        assert!(is_alike(Some(9_400), Before::Ms(8_500)) && is_alike(Some(7_600), Before::Ms(8_500)));
        assert!(!is_alike(Some(9_600), Before::Ms(8_500)) && !is_alike(None, Before::Ms(8_500)));
        assert!(is_alike(None, Before::Never) && !is_alike(Some(1), Before::Never));
        assert!(is_alike(None, Before::Unknown) && is_alike(Some(1), Before::Unknown));
    }

    #[test]
    fn never_is_longer_than_anything() {
        assert_eq!(spread([None, Some(3), Some(1)].into_iter()), Some((Some(3), None)));
        assert_eq!(spread([None, Some(3), None].into_iter()), Some((None, None)));
        assert_eq!(spread(std::iter::empty()), None);
    }

    #[test]
    fn what_was_not_measured_is_called_so_and_what_came_out_otherwise_is_named() {
        let figure = Figure {
            key: "4.3.1 one".to_owned(),
            on: Circumstance { kafka: "4.3.1".to_owned(), cores: 2, tanist_build: None, load_before: None },
            lab_build: "release".to_owned(),
            arm: Arm::Stock,
            fault: super::super::Breakage::Kill,
            act: Act::None,
            delay_ms: 0,
            partitions: 6,
            run: 1,
            watched_ms: 20_000,
            act_took_ms: Some(0),
            act_refused: None,
            all_worst_ms: Some(8_700),
            all_median_ms: Some(8_700),
            one_worst_ms: None,
            one_median_ms: None,
        };
        let text = section(&[&figure]);
        assert_eq!(text.matches("not measured").count(), (ROWS.len() - 1) * 2, "{text}");
        assert!(text.contains("- kill, none, 6 partitions, acks=1: never, before 8.50 s"), "{text}");
        assert!(!text.contains("acks=all: "), "{text}");
        assert_eq!(section(&[]), "No run was kept.");
    }
}
