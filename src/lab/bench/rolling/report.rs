//! The tables in BENCHMARKS.md: quiet windows with and without the trio, and rolling restarts.

use std::collections::BTreeMap;

use comfy_table::Table;

use super::Arm;
use super::figure::{Figure, Latency, ms};
use crate::lab::bench::page::{self, middle_and_last};

/// Gives the benchmark's section of the page.
pub(super) fn section(figures: &[&Figure]) -> String {
    format!("{}\n\n{}\n\n{}", page::circumstances(figures), quiet(figures), rolled(figures))
}

fn name(arm: Arm) -> &'static str {
    match arm {
        Arm::Without => "Kafka alone",
        Arm::With => "with the trio",
    }
}

/// Each arm's windows, and the ratio of the arms within each run beside that of equal windows: the noise.
fn quiet(figures: &[&Figure]) -> Table {
    let mut table = page::table([
        "left alone",
        "windows",
        "records",
        "acks=all p50, middle / most",
        "p99, middle / most",
        "longest",
        "p50 with : without, run by run",
        "p50 of equal windows, larger : smaller, most",
    ]);
    for arm in Arm::ALL {
        let windows: Vec<Latency> = figures
            .iter()
            .flat_map(|one| one.quiet.iter().filter(|quiet| quiet.arm == arm).map(|quiet| quiet.latency))
            .collect();
        let ratios: Vec<String> = figures.iter().filter_map(|one| ratio_of_arms(one)).map(ratio).collect();
        let noise = figures.iter().filter_map(|one| noise(one, arm)).max();
        table.add_row([
            name(arm).to_owned(),
            windows.len().to_string(),
            windows.iter().map(|one| one.records).sum::<usize>().to_string(),
            spread(&windows, |one| one.p50_us),
            spread(&windows, |one| one.p99_us),
            windows.iter().map(|one| one.longest_us).max().map_or_else(dash, ms),
            if arm == Arm::With && !ratios.is_empty() { ratios.join(", ") } else { dash() },
            noise.map_or_else(dash, ratio),
        ]);
    }
    table
}

fn rolled(figures: &[&Figure]) -> Table {
    let mut table = page::table([
        "rolling restart",
        "rounds",
        "restarts",
        "acks=all p50, middle / most",
        "p99, middle / most",
        "longest gap of a partition, middle / most",
        "findings",
        "acts",
        "offers",
        "people told",
        "records lost",
    ]);
    for arm in Arm::ALL {
        let rounds: Vec<_> =
            figures.iter().flat_map(|one| one.rolled.iter().filter(|round| round.arm == arm)).collect();
        let latencies: Vec<Latency> = rounds.iter().map(|round| round.latency).collect();
        let told: Vec<_> = rounds.iter().filter_map(|round| round.told.as_ref()).collect();
        let mut findings: BTreeMap<&str, u32> = BTreeMap::new();
        for (kind, count) in told.iter().flat_map(|told| &told.findings) {
            *findings.entry(kind).or_default() += count;
        }
        let findings: Vec<String> = findings.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let sum = |of: fn(&super::figure::Told) -> u32| {
            if told.is_empty() { dash() } else { told.iter().map(|told| of(told)).sum::<u32>().to_string() }
        };
        table.add_row([
            name(arm).to_owned(),
            rounds.len().to_string(),
            rounds.iter().map(|round| round.restarts).sum::<usize>().to_string(),
            spread(&latencies, |one| one.p50_us),
            spread(&latencies, |one| one.p99_us),
            spread(&latencies, |one| one.gap_us),
            if findings.is_empty() { dash() } else { findings.join(", ") },
            sum(|told| told.acts),
            sum(|told| told.offers),
            sum(|told| told.attentions),
            // Both arms load the same topic, which is read once at the end.
            if arm == Arm::With { figures.iter().map(|one| one.lost).sum::<usize>().to_string() } else { dash() },
        ]);
    }
    table
}

fn dash() -> String {
    "-".to_owned()
}

fn spread(latencies: &[Latency], of: fn(&Latency) -> u64) -> String {
    let spread = middle_and_last(latencies.iter().map(of));
    spread.map_or_else(|| "not measured".to_owned(), |(middle, most)| format!("{} / {}", ms(middle), ms(most)))
}

/// Gives the sum of an arm's window medians in one run, and how many those are.
fn medians(figure: &Figure, arm: Arm) -> Vec<u64> {
    figure.quiet.iter().filter(|quiet| quiet.arm == arm).map(|quiet| quiet.latency.p50_us).collect()
}

/// Units: permille.
fn ratio_of_arms(figure: &Figure) -> Option<u64> {
    let sum = |arm| medians(figure, arm).into_iter().sum::<u64>();
    sum(Arm::With).saturating_mul(1_000).checked_div(sum(Arm::Without))
}

/// How much the windows of one arm differ in one run. Units: permille.
fn noise(figure: &Figure, arm: Arm) -> Option<u64> {
    let medians = medians(figure, arm);
    medians.iter().max()?.saturating_mul(1_000).checked_div(*medians.iter().min()?)
}

fn ratio(permille: u64) -> String {
    format!("{}.{:02}", permille / 1_000, permille % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::results::parse;

    fn line() -> String {
        let latency = |p50: u64| {
            format!(r#"{{"records":4000,"p50_us":{p50},"p99_us":9000,"longest_us":20000,"gap_us":2500000}}"#)
        };
        let quiet = |arm: &str, p50: u64| format!(r#"{{"arm":"{arm}","latency":{}}}"#, latency(p50));
        let rolled = |arm: &str, told: &str| {
            format!(r#"{{"arm":"{arm}","restarts":3,"latency":{},"told":{told}}}"#, latency(3_000))
        };
        let told = r#"{"findings":{"BrokerStopped":3,"Recovering":2},"acts":0,"offers":0,"attentions":0}"#;
        format!(
            r#"{{"key":"a","kafka":"4.3.1","run":1,"window_ms":20000,"tanist_build":"release","cores":2,"load_before":null,"quiet":[{},{},{},{}],"rolled":[{},{}],"lost":0}}"#,
            quiet("without", 2_000),
            quiet("with", 2_100),
            quiet("with", 2_400),
            quiet("without", 2_200),
            rolled("without", "null"),
            rolled("with", told)
        )
    }

    fn row(table: &Table, arm: Arm) -> Vec<String> {
        let text = table.to_string();
        let line = text.lines().find(|line| line.contains(name(arm))).unwrap();
        line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn the_tables_hold_both_arms_against_each_other_and_against_the_noise() {
        let figures = parse::<Figure>(&line()).unwrap();
        let figures: Vec<&Figure> = figures.values().collect();
        let quiet = quiet(&figures);
        assert_eq!(row(&quiet, Arm::With)[3], "2.10 ms / 2.40 ms");
        assert_eq!(row(&quiet, Arm::With)[6..], ["1.07", "1.14"]);
        assert_eq!(row(&quiet, Arm::Without)[6..], ["-", "1.10"]);
        let rolled = rolled(&figures);
        assert_eq!(
            row(&rolled, Arm::With)[5..],
            ["2500.00 ms / 2500.00 ms", "3 BrokerStopped, 2 Recovering", "0", "0", "0", "0"]
        );
        assert_eq!(row(&rolled, Arm::Without)[6..], ["-", "-", "-", "-", "-"]);
    }
}
