//! What a scenario came to for those who write, with Tanist and without, as people and as machines read it.
//!
//! Deliberately stands below the timeline and never in the scenario's file: it is measured, not answered.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::decide::policy::Mode;
use crate::sim::meter::{Outage, Toll};
use crate::sim::scenario::Comparison;

/// A row: what, with Tanist, Kafka alone, saved.
type Row = [String; 4];

/// Gives a table, and below it what must be known to read it.
pub(super) fn text(compared: &Comparison) -> String {
    let (with, alone) = (&compared.with_tanist, &compared.kafka_alone);
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    table.set_header(["what it came to", "with Tanist", "Kafka alone", "saved"]);
    table.add_rows(outage("partitions without a leader that serves", &with.leaderless, &alone.leaderless));
    table.add_rows(outage("partitions that took no acks=all", &with.refusing, &alone.refusing));
    if compared.setting.writes != 0 {
        table.add_rows(records(with, alone));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    for note in notes(compared) {
        text.push_str(&note);
        text.push('\n');
    }
    text
}

/// Gives the rows of one kind of outage; where there was none on either side, one says so.
fn outage(what: &str, with: &Outage, alone: &Outage) -> Vec<Row> {
    let mut rows = vec![fewer(what, with.partitions, alone.partitions)];
    if with.partitions.max(alone.partitions) != 0 {
        rows.push(shorter("  the longest of them", with.longest, alone.longest));
        rows.push(shorter("  all of them together", with.together, alone.together));
    }
    if with.lasting.max(alone.lasting) != 0 {
        rows.push(fewer("  still so at the end", with.lasting, alone.lasting));
    }
    rows
}

fn records(with: &Toll, alone: &Toll) -> [Row; 2] {
    let more = difference(with.acknowledged_records, alone.acknowledged_records);
    let (here, there) = (grouped(with.acknowledged_records), grouped(alone.acknowledged_records));
    [
        ["records acknowledged (acks=all)".to_owned(), here, there, signed(more)],
        fewer("  of these lost", with.lost_records, alone.lost_records),
    ]
}

fn fewer(what: &str, with: u64, alone: u64) -> Row {
    [what.to_owned(), grouped(with), grouped(alone), signed(difference(alone, with))]
}

fn shorter(what: &str, with: Duration, alone: Duration) -> Row {
    let saved = if with <= alone {
        seconds(alone.saturating_sub(with))
    } else {
        format!("-{}", seconds(with.saturating_sub(alone)))
    };
    [what.to_owned(), seconds(with), seconds(alone), saved]
}

fn notes(compared: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    if compared.setting.writes == 0 {
        let first = "Nobody writes with acks=all in this world, so that none of it could be lost: that proves nothing.";
        notes.push(format!("{first} With writes=20 in its first line somebody does."));
    }
    let resolution = compared.with_tanist.resolution.as_millis();
    notes.push(format!("Measured to {resolution} ms in the simulated Kafka itself, for clients that know who leads."));
    notes.push("Kafka alone: the same seed, the same faults at the same moments, and nobody acts.".to_owned());
    if compared.asked != 0 {
        notes.push("What people asked of Tanist is left out there.".to_owned());
    }
    if compared.setting.operator.is_some() {
        notes.push("Nobody is on duty there.".to_owned());
    }
    if compared.setting.mode == Mode::Observe {
        notes.push("With Tanist nobody acts here either: mode=observe.".to_owned());
    }
    notes
}

/// Gives the same for machines; of records only where somebody writes.
pub(super) fn json(compared: &Comparison) -> Value {
    let (with, alone, writes) = (&compared.with_tanist, &compared.kafka_alone, compared.setting.writes);
    json!({
        "resolution_ms": millis(with.resolution),
        "writes_per_s": writes,
        "with_tanist": side(with, writes),
        "kafka_alone": side(alone, writes),
        "saved": {
            "without_leader": saved(&with.leaderless, &alone.leaderless),
            "without_acks_all": saved(&with.refusing, &alone.refusing),
            "lost_records": (writes != 0).then(|| difference(alone.lost_records, with.lost_records)),
        },
    })
}

fn side(toll: &Toll, writes: u32) -> Value {
    let spans = |outage: &Outage| {
        json!({
            "partitions": outage.partitions,
            "longest_ms": millis(outage.longest),
            "together_ms": millis(outage.together),
            "lasting": outage.lasting,
        })
    };
    json!({
        "without_leader": spans(&toll.leaderless),
        "without_acks_all": spans(&toll.refusing),
        "acknowledged_records": (writes != 0).then_some(toll.acknowledged_records),
        "lost_records": (writes != 0).then_some(toll.lost_records),
    })
}

fn saved(with: &Outage, alone: &Outage) -> Value {
    json!({
        "longest_ms": difference(millis(alone.longest), millis(with.longest)),
        "together_ms": difference(millis(alone.together), millis(with.together)),
    })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn difference(one: u64, other: u64) -> i64 {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    whole(one).saturating_sub(whole(other))
}

fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, grouped(number.unsigned_abs()))
}

fn seconds(span: Duration) -> String {
    format!("{}.{:03} s", grouped(span.as_secs()), span.subsec_millis())
}

/// Gives a number as `12,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::Setting;

    fn outage_of(partitions: u64, longest_ms: u64, together_ms: u64, lasting: u64) -> Outage {
        let (longest, together) = (Duration::from_millis(longest_ms), Duration::from_millis(together_ms));
        Outage { partitions, longest, together, lasting }
    }

    fn compared(setting: Setting) -> Comparison {
        let resolution = Duration::from_millis(1);
        let with_tanist = Toll {
            leaderless: outage_of(2, 105, 210, 0),
            refusing: outage_of(5, 9_400, 46_000, 0),
            acknowledged_records: 12_000,
            lost_records: 0,
            resolution,
        };
        let kafka_alone = Toll {
            leaderless: outage_of(2, 9_381, 1_234_567, 1),
            refusing: outage_of(5, 9_390, 46_000, 1),
            acknowledged_records: 11_000,
            lost_records: 7,
            resolution,
        };
        Comparison { setting, asked: 0, with_tanist, kafka_alone }
    }

    /// Gives the lines with one blank between words: how wide columns are is the table's business.
    fn words(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn both_runs_stand_side_by_side_with_what_was_saved() {
        let told = text(&compared(Setting { writes: 20, ..Setting::default() }));
        let expected = [
            "what it came to with Tanist Kafka alone saved",
            "partitions without a leader that serves 2 2 0",
            "the longest of them 0.105 s 9.381 s 9.276 s",
            "all of them together 0.210 s 1,234.567 s 1,234.357 s",
            "still so at the end 0 1 1",
            "partitions that took no acks=all 5 5 0",
            "the longest of them 9.400 s 9.390 s -0.010 s",
            "all of them together 46.000 s 46.000 s 0.000 s",
            "still so at the end 0 1 1",
            "records acknowledged (acks=all) 12,000 11,000 1,000",
            "of these lost 0 7 7",
            "Measured to 1 ms in the simulated Kafka itself, for clients that know who leads.",
            "Kafka alone: the same seed, the same faults at the same moments, and nobody acts.",
        ];
        assert_eq!(words(&told), expected, "{told}");
    }

    #[test]
    fn what_is_left_out_where_nobody_acts_is_said_only_where_there_was_something() {
        let last = |asked, operator| {
            let setting = Setting { writes: 20, operator, ..Setting::default() };
            let told = text(&Comparison { asked, ..compared(setting) });
            told.lines()
                .map(str::to_owned)
                .skip_while(|line| !line.starts_with("Kafka alone:"))
                .skip(1)
                .collect::<Vec<_>>()
        };
        let (asked, duty) = ("What people asked of Tanist is left out there.", "Nobody is on duty there.");
        let every = Some(Duration::from_secs(40));
        assert_eq!(last(0, None), Vec::<String>::new());
        assert_eq!(last(0, every), [duty]);
        assert_eq!(last(2, every), [asked, duty]);
        assert_eq!(last(1, None), [asked]);
    }

    #[test]
    fn no_loss_in_a_world_without_writes_is_no_proof_and_says_so() {
        let told = text(&compared(Setting::default()));
        assert!(told.contains("that proves nothing") && !told.contains("lost 0"), "{told}");
        let value = json(&compared(Setting::default()));
        assert_eq!(
            (&value["with_tanist"]["lost_records"], &value["saved"]["lost_records"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn machines_read_the_same() {
        let value = json(&compared(Setting { writes: 20, ..Setting::default() }));
        assert_eq!(value["kafka_alone"]["without_leader"]["longest_ms"], 9_381);
        assert_eq!(value["saved"]["without_leader"]["longest_ms"], 9_276);
        assert_eq!(value["saved"]["without_acks_all"]["longest_ms"], -10);
        assert_eq!(value["with_tanist"]["acknowledged_records"], 12_000);
        assert_eq!(value["saved"]["lost_records"], 7);
    }
}
