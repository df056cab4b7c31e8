//! The middle and the longest of several runs, and how two of them compare. It does not know what was measured.

use crate::lab::bench::page::seconds;

/// The middle and the longest of several runs; none is "never".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) middle: Option<u64>,
    pub(super) longest: Option<u64>,
}

impl Spread {
    /// Gives the spread of at least one run.
    pub(super) fn of(worst: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let mut sorted: Vec<Option<u64>> = worst.collect();
        sorted.sort_by_key(|ms| ms.unwrap_or(u64::MAX));
        let middle = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(Self { middle, longest: *sorted.last()? })
    }

    /// Writes what this has beyond another, middle against middle and longest against longest.
    pub(super) fn beyond(&self, floor: &Self) -> String {
        format!("{} / {}", difference(self.middle, floor.middle), difference(self.longest, floor.longest))
    }

    /// Gives how many times as long as another's middle the own one is, in tenths, rounded down; none where one is "never" or 0.
    pub(super) fn tenths_of(&self, short: &Self) -> Option<u64> {
        let (long, short) = self.middle.zip(short.middle)?;
        long.saturating_mul(10).checked_div(short)
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {}", seconds(self.middle), seconds(self.longest))
    }
}

fn difference(own: Option<u64>, floor: Option<u64>) -> String {
    let Some((own, floor)) = own.zip(floor) else { return "-".to_owned() };
    let sign = if floor <= own { "+" } else { "-" };
    format!("{sign}{}", seconds(Some(own.abs_diff(floor))))
}
