//! Single words and figures: spans, times, partitions, broker lists; escaping and wrapping.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;

use crate::model::ids::{PartitionId, TopicId};
use crate::model::snapshot::Snapshot;
use crate::model::topology::{PartitionSet, Topology};

use super::Style;

/// Most runs of partitions that one line names; the rest is counted.
const RUNS_MAX: usize = 8;

/// Gives text that cannot steer a terminal: control characters and those that reorder or hide text are spelt out.
pub(super) fn escape(text: &str) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().fold(String::new(), |mut safe, letter| {
        if hidden(letter) {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
        safe
    })
}

/// Gives a span in the units that matter at its length.
pub(super) fn span(span: Duration) -> String {
    let ms = span.as_millis();
    let s = span.as_secs();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{}.{:02} s", s, ms % 1000 / 10),
        10_000..60_000 => format!("{}.{} s", s, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", s / 60, s % 60),
        3_600_000..86_400_000 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

/// Gives a span of microseconds in milliseconds, with one digit below 10.
pub(super) fn micros(us: u64) -> String {
    if us < 10_000 { format!("{}.{} ms", us / 1000, us % 1000 / 100) } else { span(Duration::from_micros(us)) }
}

/// Gives a wall time in UTC with milliseconds.
pub(super) fn wall(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| format!("{ms} ms after 1970"), |at| at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

/// Gives a number with its noun, in the plural where it takes one.
pub(super) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        several => format!("{several} {noun}s"),
    }
}

/// Gives "a, b and c".
pub(super) fn and<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Gives items between commas.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// What topics are called; escaped on the way out.
#[derive(Debug, Default, Clone)]
pub(super) struct Names(BTreeMap<TopicId, String>);

impl Names {
    /// Gives the names that a snapshot knows.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self::in_shape(&snapshot.topology)
    }

    /// Gives the names that a shape of the cluster knows.
    pub(super) fn in_shape(topology: &Topology) -> Self {
        Self(topology.topics.iter().map(|(id, topic)| (*id, topic.name.clone())).collect())
    }

    /// Gives names that are known already.
    pub(super) fn from_map(names: &BTreeMap<TopicId, String>) -> Self {
        Self(names.clone())
    }

    /// Adds the names that another source knows.
    pub(super) fn learn(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(id, name)| (*id, name.clone())));
    }

    fn topic(&self, id: &TopicId) -> String {
        // Eight digits tell topics apart on a page; the record's JSON has all.
        self.0.get(id).map_or_else(|| id.to_string().chars().take(8).collect(), |name| escape(name))
    }

    /// Gives the ids that have this name: more than one where a topic was made anew.
    pub(super) fn ids(&self, name: &str) -> BTreeSet<TopicId> {
        self.0.iter().filter(|(_, own)| *own == name).map(|(id, _)| *id).collect()
    }

    /// Gives one partition: `orders-7`.
    pub(super) fn partition(&self, partition: &PartitionId) -> String {
        format!("{}-{}", self.topic(&partition.topic), partition.number)
    }

    /// Gives partitions as runs: `orders-0..4, payments-2`.
    pub(super) fn set(&self, partitions: &PartitionSet) -> String {
        let mut runs: Vec<(TopicId, i32, i32)> = Vec::new();
        for partition in partitions.iter() {
            match runs.last_mut() {
                Some((topic, _, last)) if *topic == partition.topic && *last + 1 == partition.number => *last += 1,
                _ => runs.push((partition.topic, partition.number, partition.number)),
            }
        }
        let left_out: usize =
            runs.iter().skip(RUNS_MAX).map(|(_, from, to)| usize::try_from(to - from + 1).unwrap_or(1)).sum();
        let mut text = list(runs.iter().take(RUNS_MAX).map(|(topic, from, to)| {
            let topic = self.topic(topic);
            if from == to { format!("{topic}-{from}") } else { format!("{topic}-{from}..{to}") }
        }));
        if 0 < left_out {
            text.push_str(&format!(" and {left_out} more"));
        }
        if text.is_empty() { "no partition".to_owned() } else { text }
    }
}

/// Gives a table without lines, as wide as its content needs and no wider than the style allows.
pub(super) fn table(style: Style, head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .force_no_tty()
        .set_width(style.width)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if style.colour == super::Colour::Ansi {
        table.enforce_styling();
    }
    table.set_header(head.iter().map(|word| word.to_uppercase()).collect::<Vec<_>>());
    table
}

/// Gives a table's text without the blanks at the ends of its lines.
pub(super) fn table_text(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end())).collect()
}

/// Breaks a line at blanks so that it fits; what follows is indented as the line is, and two more.
pub(super) fn wrap(line: &str, style: Style) -> String {
    let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
    let width = usize::from(style.width.max(20));
    let mut text = String::new();
    let mut current = indent.clone();
    let mut empty = true;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        if !empty && width < current.chars().count() + 1 + word.chars().count() {
            text.push_str(&current);
            text.push('\n');
            current = format!("{indent}  ");
            empty = true;
        }
        if !empty {
            current.push(' ');
        }
        current.push_str(word);
        empty = false;
    }
    text.push_str(&current);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_units_that_matter() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_234, "1.23 s"),
            (59_900, "59.9 s"),
            (61_000, "1 min 1 s"),
            (7_200_000, "2 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
        assert_eq!(micros(9_990), "9.9 ms");
        assert_eq!(wall(1_795_316_401_007), "2026-11-22 03:00:01.007");
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(escape("a\u{1b}[31m\u{9b}\u{202e}b\u{feff}"), "a\\u{1b}[31m\\u{9b}\\u{202e}b\\u{feff}");
        assert_eq!(escape("orders.v1-ü"), "orders.v1-ü");
    }

    #[test]
    fn partitions_are_told_as_runs_and_many_are_counted() {
        let topic = TopicId([1; 16]);
        let names = Names(BTreeMap::from([(topic, "orders".to_owned())]));
        let set =
            |numbers: &[i32]| numbers.iter().map(|&number| PartitionId { topic, number }).collect::<PartitionSet>();
        assert_eq!(names.set(&set(&[0, 1, 2, 7])), "orders-0..2, orders-7");
        assert_eq!(names.set(&PartitionSet::default()), "no partition");
        let odd: Vec<i32> = (0..20).map(|number| number * 2).collect();
        assert!(names.set(&set(&odd)).ends_with("orders-14 and 12 more"));
        assert_eq!(Names::default().set(&set(&[0])), "01010101-0");
    }

    #[test]
    fn long_lines_break_at_blanks_and_keep_their_indent() {
        let text = wrap("  one two three four five six", Style::plain(20));
        assert_eq!(text, "  one two three four\n    five six\n");
    }
}
