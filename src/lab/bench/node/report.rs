//! The table in BENCHMARKS.md: each figure as the middle and the largest over runs and nodes.

use comfy_table::Table;

use super::Arm;
use super::figure::{Asked, Figure, NodeUse, Place, hundredths};
use crate::lab::bench::page::{self, middle_and_last};

/// Gives the benchmark's section of the page.
pub(super) fn section(figures: &[&Figure]) -> String {
    format!("{}\n\n{}", page::circumstances(figures), table(figures))
}

fn table(figures: &[&Figure]) -> Table {
    let mut table = page::table([
        "looks at",
        "partitions",
        "node",
        "n",
        "resident, p50 / max",
        "of it allocated",
        "peak since start",
        "CPU of one core",
        "requests/s per broker",
        "most in one second",
        "requests/s to the controllers",
    ]);
    let mut sizes: Vec<u32> = figures.iter().map(|one| one.partitions).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for partitions in sizes {
        for arm in Arm::ALL {
            for place in [Place::Leads, Place::Follows] {
                table.add_row(row(figures, (arm, partitions), place));
            }
        }
    }
    table
}

fn row(figures: &[&Figure], (arm, partitions): (Arm, u32), place: Place) -> Vec<String> {
    let runs = || figures.iter().filter(move |one| (one.arm, one.partitions) == (arm, partitions));
    let nodes =
        || runs().flat_map(|one| one.nodes.iter().map(move |node| (*one, node))).filter(|(_, n)| n.place == place);
    let spread = |of: &dyn Fn(&Figure, &NodeUse) -> u64, write: fn(u64) -> String| {
        let spread = middle_and_last(nodes().map(|(run, node)| of(run, node)));
        spread
            .map_or_else(|| "not measured".to_owned(), |(middle, most)| format!("{} / {}", write(middle), write(most)))
    };
    let looks = match arm {
        Arm::Controllers => "brokers and controllers",
        Arm::BrokersOnly => "brokers only",
    };
    let role = match place {
        Place::Leads => "leader",
        Place::Follows => "follower",
    };
    let busiest = |run: &Figure, node: &NodeUse, kind: char, of: fn(&Figure, &Asked) -> u64| {
        node.asked
            .iter()
            .filter(|asked| asked.of.starts_with(kind))
            .map(|asked| of(run, asked))
            .max()
            .unwrap_or_default()
    };
    vec![
        looks.to_owned(),
        partitions.to_string(),
        role.to_owned(),
        nodes().count().to_string(),
        spread(&|_, node| node.resident_kib, mib),
        spread(&|_, node| node.anonymous_kib, mib),
        spread(&|_, node| node.peak_kib, mib),
        spread(&|run, node| run.cpu_permille(node), percent),
        spread(&|run, node| busiest(run, node, 'b', Figure::rate_centi), hundredths),
        spread(&|run, node| busiest(run, node, 'b', |_, asked| asked.most_in_a_second), |most| most.to_string()),
        spread(&|run, node| busiest(run, node, 'k', Figure::rate_centi), hundredths),
    ]
}

/// Writes KiB as MiB with one decimal, rounded up: a limit is not met by rounding.
fn mib(kib: u64) -> String {
    let tenths = kib.saturating_mul(10).div_ceil(1_024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::results::parse;

    fn line(run: u32, resident_kib: u64, cpu_ms: u64, in_all: u64) -> String {
        let node = |id: u8, place: &str, kib: u64| {
            format!(
                r#"{{"id":{id},"place":"{place}","resident_kib":{kib},"peak_kib":{kib},"anonymous_kib":1024,"cpu_ms":{cpu_ms},"asked":[{{"of":"b1","in_all":{in_all},"most_in_a_second":9}},{{"of":"b2","in_all":1,"most_in_a_second":1}},{{"of":"k101","in_all":600,"most_in_a_second":12}}]}}"#
            )
        };
        format!(
            r#"{{"key":"{run}","kafka":"4.3.1","arm":"controllers","partitions":2000,"run":{run},"watched_ms":60000,"tanist_build":"release","cores":2,"load_before":"1.10","nodes":[{},{}]}}"#,
            node(1, "leads", resident_kib),
            node(2, "follows", 20_480)
        )
    }

    #[test]
    fn the_table_shows_the_busiest_broker_and_what_was_not_measured() {
        let lines = [line(1, 40_961, 1_800, 330), line(2, 30_720, 600, 300)];
        let figures = parse::<Figure>(&lines.join("\n")).unwrap();
        let text = table(&figures.values().collect::<Vec<_>>()).to_string();
        let row = |words: [&str; 2]| {
            let line = text.lines().find(|line| words.iter().all(|word| line.contains(word))).unwrap();
            line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let leader = [
            "2",
            "30.0 MiB / 40.1 MiB",
            "1.0 MiB / 1.0 MiB",
            "30.0 MiB / 40.1 MiB",
            "1.0 % / 3.0 %",
            "5.00 / 5.50",
            "9 / 9",
            "10.00 / 10.00",
        ];
        assert_eq!(row(["brokers and", "leader"])[3..], leader);
        assert_eq!(row(["brokers only", "follower"])[3..5], ["0", "not measured"]);
    }
}
