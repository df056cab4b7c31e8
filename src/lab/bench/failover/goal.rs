//! What the benchmark must reach, row by row, and whether it did. It measures nothing and pools nothing.
//!
//! Why the word is withheld below the runs that were asked for: a "met" of three runs would be believed like one of twenty.

use super::spread::Spread;
use super::{Arm, Breakage};

/// What Tanist may add to its oracle, or to Kafka alone: middle and longest, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    middle_ms: u64,
    longest_ms: u64,
}

/// The runs of one arm with one fault and one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runs {
    pub(super) n: usize,
    pub(super) all: Spread,
    pub(super) one: Spread,
}

/// What a row is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) arm: Arm,
    pub(super) fault: Breakage,
    pub(super) partitions: i32,
    pub(super) own: Runs,
    pub(super) oracle: Option<Runs>,
    pub(super) stock: Option<Runs>,
}

/// The fewest runs of an arm with Tanist that count.
const TANIST_RUNS_MIN: usize = 20;
/// The fewest runs of what it is held against.
const OTHER_RUNS_MIN: usize = 10;

const KILL: Allowance = Allowance { middle_ms: 200, longest_ms: 600 };
const STOP: Allowance = Allowance { middle_ms: 1_200, longest_ms: 2_000 };
const NO_WORSE: Allowance = Allowance { middle_ms: 300, longest_ms: 300 };

/// Says whether a row reached its goal, or why that cannot be said; "-" where it has none.
pub(super) fn verdict(row: &Row) -> String {
    let needs_stock = row.fault == Breakage::Kill;
    match (row.arm, row.fault) {
        (Arm::TanistFence, _) | (Arm::TanistPublic, Breakage::Kill) => {}
        (Arm::TrioDead | Arm::TrioKilled, Breakage::Kill | Breakage::Stop) => return without_trio(row),
        (Arm::TanistPublic, Breakage::Stop)
        | (Arm::Stock | Arm::Tuned | Arm::OraclePublic | Arm::OracleFence, Breakage::Kill | Breakage::Stop) => {
            return "-".to_owned();
        }
    }
    let enough = |runs: Option<Runs>| runs.filter(|runs| OTHER_RUNS_MIN <= runs.n);
    let (oracle, stock) = (enough(row.oracle), enough(row.stock));
    let Some(oracle) = oracle.filter(|_| TANIST_RUNS_MIN <= row.own.n && (stock.is_some() || !needs_stock)) else {
        return "n too small".to_owned();
    };
    said(&missed(row, &oracle, stock.as_ref()))
}

/// Says whether a trio that dies leaves Kafka as good as alone.
fn without_trio(row: &Row) -> String {
    match row.stock.filter(|stock| OTHER_RUNS_MIN <= stock.n && OTHER_RUNS_MIN <= row.own.n) {
        Some(stock) => said(&NO_WORSE.exceeded(&row.own.all, &stock.all, ["p50", "max"])),
        None => "n too small".to_owned(),
    }
}

fn said(missed: &[&str]) -> String {
    if missed.is_empty() { "met".to_owned() } else { format!("missed: {}", missed.join(", ")) }
}

/// Gives the parts of the goal that the row did not reach.
fn missed(row: &Row, oracle: &Runs, stock: Option<&Runs>) -> Vec<&'static str> {
    let mut missed = Vec::new();
    match (row.arm, row.fault) {
        (Arm::TanistFence, Breakage::Kill) => {
            missed.extend(KILL.exceeded(&row.own.all, &oracle.all, ["p50", "max"]));
            let times = stock.and_then(|stock| stock.all.tenths_of(&row.own.all));
            // A middle of 0 ms divides nothing and is sooner than anything.
            if !(row.own.all.middle == Some(0) || times.is_some_and(|tenths| sooner_min(row.partitions) * 10 <= tenths))
            {
                missed.push("times stock");
            }
        }
        (Arm::TanistFence, Breakage::Stop) => missed.extend(STOP.exceeded(&row.own.all, &oracle.all, ["p50", "max"])),
        (Arm::TanistPublic, Breakage::Kill) => {
            missed.extend(KILL.exceeded(&row.own.one, &oracle.one, ["acks=1 p50", "acks=1 max"]));
            if let Some(stock) = stock {
                missed.extend(NO_WORSE.exceeded(&row.own.all, &stock.all, ["acks=all p50", "acks=all max"]));
            }
        }
        (Arm::TanistPublic, Breakage::Stop)
        | (
            Arm::Stock | Arm::Tuned | Arm::OraclePublic | Arm::OracleFence | Arm::TrioDead | Arm::TrioKilled,
            Breakage::Kill | Breakage::Stop,
        ) => {}
    }
    missed
}

/// Gives how many times sooner than stock a fence must be: 500 partitions are mostly the brokers' own work.
fn sooner_min(partitions: i32) -> u64 {
    if partitions <= 6 { 15 } else { 6 }
}

impl Allowance {
    /// Gives the names of those of middle and longest that lie too far beyond.
    fn exceeded(&self, own: &Spread, floor: &Spread, [middle, longest]: [&'static str; 2]) -> Vec<&'static str> {
        let parts = [
            (middle, own.middle, floor.middle, self.middle_ms),
            (longest, own.longest, floor.longest, self.longest_ms),
        ];
        parts.into_iter().filter(|(_, own, floor, more)| !within(*own, *floor, *more)).map(|(name, ..)| name).collect()
    }
}

/// Whether `own` is at most `more_ms` beyond `floor`; "never" is beyond everything but "never".
fn within(own: Option<u64>, floor: Option<u64>, more_ms: u64) -> bool {
    let Some(floor) = floor else { return true };
    own.is_some_and(|own| own <= floor.saturating_add(more_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(n: usize, all: (u64, u64), one: (u64, u64)) -> Runs {
        let spread = |(middle, longest)| Spread { middle: Some(middle), longest: Some(longest) };
        Runs { n, all: spread(all), one: spread(one) }
    }

    /// Judges an arm with these figures of its own against stock 8.5 / 9.0 s and an oracle of 0.3 / 0.4 s.
    fn check(arm: Arm, fault: Breakage, partitions: i32, own: Runs, expected: &str) {
        let oracle = Some(runs(20, (300, 400), (300, 400)));
        let stock = Some(runs(10, (8_500, 9_000), (8_500, 9_000)));
        assert_eq!(verdict(&Row { arm, fault, partitions, own, oracle, stock }), expected);
    }

    #[test]
    fn a_fence_after_a_kill_is_held_against_its_oracle_and_against_stock() {
        let fence = |own, expected| check(Arm::TanistFence, Breakage::Kill, 6, own, expected);
        fence(runs(20, (500, 1_000), (1, 1)), "met");
        fence(runs(20, (501, 1_000), (1, 1)), "missed: p50");
        fence(runs(20, (500, 1_001), (1, 1)), "missed: max");
        fence(runs(20, (600, 1_001), (1, 1)), "missed: p50, max, times stock");
        fence(runs(19, (500, 1_000), (1, 1)), "n too small");
        check(Arm::TanistFence, Breakage::Kill, 500, runs(20, (600, 900), (1, 1)), "missed: p50");
    }

    #[test]
    fn a_stop_may_take_longer_and_needs_no_stock() {
        let own = runs(20, (1_500, 2_400), (1, 1));
        check(Arm::TanistFence, Breakage::Stop, 6, own, "met");
        let oracle = Some(runs(10, (300, 400), (300, 400)));
        let row = Row { arm: Arm::TanistFence, fault: Breakage::Stop, partitions: 6, own, oracle, stock: None };
        assert_eq!(verdict(&row), "met");
        let late = runs(20, (1_501, 2_401), (1, 1));
        check(Arm::TanistFence, Breakage::Stop, 6, late, "missed: p50, max");
    }

    #[test]
    fn public_apis_are_held_to_acks_1_and_must_not_make_acks_all_worse() {
        let public = |own, expected| check(Arm::TanistPublic, Breakage::Kill, 6, own, expected);
        public(runs(20, (8_800, 9_300), (500, 1_000)), "met");
        public(runs(20, (8_801, 9_301), (501, 1_001)), "missed: acks=1 p50, acks=1 max, acks=all p50, acks=all max");
    }

    #[test]
    fn a_trio_that_dies_must_leave_kafka_as_it_is_alone() {
        for (arm, fault) in [(Arm::TrioDead, Breakage::Kill), (Arm::TrioKilled, Breakage::Stop)] {
            check(arm, fault, 6, runs(10, (8_800, 9_300), (1, 1)), "met");
            check(arm, fault, 6, runs(10, (8_801, 9_301), (1, 1)), "missed: p50, max");
            check(arm, fault, 6, runs(9, (1, 1), (1, 1)), "n too small");
        }
    }

    #[test]
    fn never_meets_no_goal_and_arms_without_a_goal_have_none() {
        let never = Runs { n: 20, all: Spread { middle: None, longest: None }, ..runs(20, (1, 1), (1, 1)) };
        check(Arm::TanistFence, Breakage::Kill, 6, never, "missed: p50, max, times stock");
        for arm in [Arm::Stock, Arm::Tuned, Arm::OraclePublic, Arm::OracleFence] {
            check(arm, Breakage::Kill, 6, runs(20, (1, 1), (1, 1)), "-");
        }
        check(Arm::TanistPublic, Breakage::Stop, 6, runs(20, (1, 1), (1, 1)), "-");
    }

    #[test]
    fn what_it_is_held_against_needs_runs_too() {
        let own = runs(20, (400, 500), (400, 500));
        let few = Some(runs(9, (300, 400), (300, 400)));
        let many = Some(runs(10, (8_500, 9_000), (8_500, 9_000)));
        for (oracle, stock) in [(few, many), (many, few), (None, many), (many, None)] {
            let row = Row { arm: Arm::TanistFence, fault: Breakage::Kill, partitions: 6, own, oracle, stock };
            assert_eq!(verdict(&row), "n too small");
        }
    }
}
