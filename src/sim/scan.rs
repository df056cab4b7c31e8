//! Which check finds which sabotage: in which scenario or at which seed, and whether any other check would have.
//!
//! Deliberately writes nothing but a page that it can read again: what the page says is played again in CI.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::decide::policy::Mode;

use super::adviser::Adviser;
use super::checks::{NUMBERS, Violation};
use super::random::RandomPlan;
use super::sabotage::Sabotage;
use super::scenario::{Command, Player, Setting, commands_of};

/// Brokers and partitions of the random worlds.
const BROKERS: u16 = 5;
const PARTITIONS: u32 = 24;

/// Scenarios by their path below the folder of all.
pub type Scenarios = BTreeMap<String, String>;

/// Where a sabotage shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witness {
    /// In this scenario.
    Scenario(String),
    /// In the random world of this seed.
    Seed(u64),
}

/// Whether another check finds the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// Without this check nobody would have noticed.
    Yes,
    /// Another one reports it as well.
    No,
}

/// What finds one sabotage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The sabotage.
    pub sabotage: Sabotage,
    /// The number of the check that reports it.
    pub number: String,
    /// Where.
    pub witness: Witness,
    /// Whether it alone does.
    pub alone: Alone,
    /// The first seed whose random world shows it, and by which check; none of those that were tried does.
    pub random: Option<(u64, String)>,
}

/// A scan: what is played.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The scenarios.
    pub scenarios: Scenarios,
    /// How many seeds, from 1 on.
    pub seeds: u64,
    /// For how long things go wrong in a random world.
    pub span: Duration,
    /// What an earlier scan found: a scenario that still shows it is kept.
    pub known: Vec<Row>,
}

impl Scan {
    /// Gives what finds a sabotage: the scenario that is known to, else the first in which one check alone does, else any, else
    /// a seed.
    #[must_use]
    pub fn row(&self, sabotage: Sabotage) -> Option<Row> {
        let known = self.known.iter().find(|row| row.sabotage == sabotage).map(|row| row.witness.clone());
        let known = known.filter(|witness| matches!(witness, Witness::Scenario(_)));
        let mut best = known.and_then(|witness| self.found_in(sabotage, witness));
        if best.is_none() {
            for name in self.scenarios.keys() {
                let found = self.found_in(sabotage, Witness::Scenario(name.clone()));
                let alone = found.as_ref().is_some_and(|(_, _, alone)| *alone == Alone::Yes);
                best = if alone { found } else { best.or(found) };
                if alone {
                    break;
                }
            }
        }
        let random = (1..=self.seeds)
            .find_map(|seed| Some((seed, self.play(sabotage, &Witness::Seed(seed), None)?.number.to_owned())));
        let (number, witness, alone) = match (best, &random) {
            (Some(best), _) => best,
            (None, Some((seed, number))) => {
                let witness = Witness::Seed(*seed);
                let alone = self.alone(sabotage, &witness, number);
                (number.clone(), witness, alone)
            }
            (None, None) => return None,
        };
        Some(Row { sabotage, number, witness, alone, random })
    }

    fn found_in(&self, sabotage: Sabotage, witness: Witness) -> Option<(String, Witness, Alone)> {
        let found = self.play(sabotage, &witness, None)?;
        let alone = self.alone(sabotage, &witness, found.number);
        Some((found.number.to_owned(), witness, alone))
    }

    fn alone(&self, sabotage: Sabotage, witness: &Witness, number: &str) -> Alone {
        if self.play(sabotage, witness, Some(number)).is_none() { Alone::Yes } else { Alone::No }
    }

    /// Plays a witness with a sabotage, one number muted or none; gives what was reported.
    #[must_use]
    pub fn play(&self, sabotage: Sabotage, witness: &Witness, muted: Option<&str>) -> Option<Violation> {
        self.play_staged(sabotage, sabotage, witness, muted)
    }

    /// Plays a witness as for a sabotage, and without it; gives what was reported.
    #[must_use]
    pub fn play_without(&self, sabotage: Sabotage, witness: &Witness) -> Option<Violation> {
        self.play_staged(sabotage, Sabotage::None, witness, None)
    }

    fn play_staged(
        &self,
        stage: Sabotage,
        sabotage: Sabotage,
        witness: &Witness,
        muted: Option<&str>,
    ) -> Option<Violation> {
        let commands = match witness {
            Witness::Scenario(name) => commands_of(self.scenarios.get(name)?).ok()?,
            Witness::Seed(seed) => {
                let (seed, span) = (*seed, self.span);
                let plan = RandomPlan { seed, span, brokers: BROKERS, partitions: PARTITIONS, sabotage };
                plan.commands(&plan.episodes())
            }
        };
        let mut player = Player::default();
        muted.into_iter().for_each(|number| player.mute(number));
        for command in commands {
            match command {
                Command::World(setting) => {
                    let setting = Setting { sabotage, ..staged(*setting, stage) };
                    let _ = player.act(&Command::World(Box::new(setting)));
                }
                other => {
                    let _ = player.act(&other);
                }
            }
            if player.violation().is_some() {
                break;
            }
        }
        player.violation().cloned()
    }
}

/// Gives the world in which a sabotage can matter at all: an observer must observe, an adviser must be there.
fn staged(setting: Setting, sabotage: Sabotage) -> Setting {
    let advised = |adviser| if setting.adviser == Adviser::Off { adviser } else { setting.adviser };
    match sabotage {
        Sabotage::ObserverActs => Setting { mode: Mode::Observe, ..setting },
        Sabotage::NeedsNoApproval => Setting { mode: Mode::Approve, ..setting },
        Sabotage::HearsYes => Setting { adviser: advised(Adviser::Lies), ..setting },
        Sabotage::NamesInPrompts => Setting { adviser: advised(Adviser::Approves), ..setting },
        _ => setting,
    }
}

/// Gives the page of a scan.
#[must_use]
pub fn page(rows: &[Row]) -> String {
    let mut text = String::from(
        "# Sabotage: what each check is good for\n\n\
         Written by `make sabotage`, never by hand; `tests/sabotage.rs` plays every row again, with the sabotage and without it. \
         A sabotage is a deliberate bug that a test hands to the simulated world; it must be found, and for each invariant there \
         is one that nobody but its check reports: with that check muted, the same run passes.\n\n\
         | sabotage | what is broken | found by | in | only by it | first random seed |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let place = match &row.witness {
            Witness::Scenario(name) => format!("`{name}`"),
            Witness::Seed(seed) => format!("seed {seed}"),
        };
        let alone = if row.alone == Alone::Yes { "yes" } else { "no" };
        let random = row.random.as_ref().map_or_else(|| "-".to_owned(), |(seed, number)| format!("{seed} ({number})"));
        let (name, what, number) = (row.sabotage.name(), row.sabotage.what(), &row.number);
        let _ = writeln!(text, "| `{name}` | {what} | {number} | {place} | {alone} | {random} |");
    }
    text.push_str("\n| invariant | what it says | sabotages that only it reports |\n| --- | --- | --- |\n");
    for (number, says) in NUMBERS {
        let own: Vec<String> = rows
            .iter()
            .filter(|row| row.number == *number && row.alone == Alone::Yes)
            .map(|row| format!("`{}`", row.sabotage.name()))
            .collect();
        let _ =
            writeln!(text, "| {number} | {says} | {} |", if own.is_empty() { "-".to_owned() } else { own.join(", ") });
    }
    text
}

/// Reads the rows of a page back; none where a line of its first table is not as [`page`] writes it.
#[must_use]
pub fn rows(page: &str) -> Option<Vec<Row>> {
    page.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, _, number, place, alone, random] = cells.as_slice() else { return None };
    let witness = match place.strip_prefix("seed ") {
        Some(seed) => Witness::Seed(seed.parse().ok()?),
        None => Witness::Scenario(place.trim_matches('`').to_owned()),
    };
    let random = match random.split_once(' ') {
        Some((seed, number)) => Some((seed.parse().ok()?, number.trim_matches(['(', ')']).to_owned())),
        None => None,
    };
    Some(Row {
        sabotage: name.trim_matches('`').parse().ok()?,
        number: (*number).to_owned(),
        witness,
        alone: if *alone == "yes" { Alone::Yes } else { Alone::No },
        random,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_what_was_written() {
        let row = |sabotage, witness, alone, random| Row { sabotage, number: "S2".to_owned(), witness, alone, random };
        let scenario = Witness::Scenario("crash/leader-killed.scn".to_owned());
        let written = [
            row(Sabotage::ActsTwice, scenario, Alone::Yes, Some((7, "S2".to_owned()))),
            row(Sabotage::NoOutcomes, Witness::Seed(3), Alone::No, None),
        ];
        assert_eq!(rows(&page(&written)).as_deref(), Some(written.as_slice()));
    }
}
