//! The arguments of `tanist simulate`: a scenario file, or a world in which things go wrong by chance.
//!
//! Deliberately plays nothing: `app` has the clock that tells how fast it went.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::demo::Show;
use crate::sim::random::RandomPlan;
use crate::sim::sabotage::Sabotage;

/// The most hours in which things may go wrong. A run that fails is written as a scenario, which takes no more than 1000 days with
/// what it lets pass before and after.
const HOURS_MAX: u64 = 23_990;

/// What is to be simulated.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SimulateArguments {
    /// The scenario to play.
    #[arg(value_name = "FILE", required_unless_present_any = ["random", "sabotages"], conflicts_with_all = ["random", "sabotages"])]
    file: Option<PathBuf>,
    /// Writes the answers into the file, below its commands.
    #[arg(long, conflicts_with_all = ["random", "sabotages"])]
    rewrite: bool,
    /// Leaves out what the scenario came to, and with it the second run, without Tanist, that this takes.
    #[arg(long, conflicts_with_all = ["rewrite", "random", "sabotages"])]
    no_summary: bool,
    /// Lets faults come by chance instead.
    #[arg(long)]
    random: bool,
    /// Where chance comes from.
    #[arg(long, default_value_t = 1, requires = "random", conflicts_with = "file")]
    seed: u64,
    /// How many seeds, one after the other, beginning with that one; stops at the first that fails.
    #[arg(long, default_value_t = 1, conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// For how many simulated minutes things go wrong.
    #[arg(long, default_value_t = 10, conflicts_with_all = ["hours", "file"], value_parser = clap::value_parser!(u64).range(..=HOURS_MAX * 60))]
    minutes: u64,
    /// The same in hours.
    #[arg(long, requires = "random", conflicts_with = "file", value_parser = clap::value_parser!(u64).range(..=HOURS_MAX))]
    hours: Option<u64>,
    /// Brokers.
    #[arg(long, default_value_t = 5, requires = "random", conflicts_with = "file", value_parser = clap::value_parser!(u16).range(1..=400))]
    brokers: u16,
    /// Partitions.
    #[arg(long, default_value_t = 24, requires = "random", conflicts_with = "file", value_parser = clap::value_parser!(u32).range(1..=400_000))]
    partitions: u32,
    /// What is deliberately broken, to see that it is found.
    #[arg(long, default_value = "none", requires = "random", conflicts_with = "file", value_parser = sabotage)]
    sabotage: Sabotage,
    /// Finds out which check reports which deliberate bug: in the scenarios of this folder, and in so many random worlds.
    #[arg(long, value_name = "FOLDER", conflicts_with = "random")]
    sabotages: Option<PathBuf>,
    /// Where the page of that is written.
    #[arg(long, value_name = "FILE", requires = "sabotages")]
    page: Option<PathBuf>,
    /// Where a failing run, shrunk to what it needs, is written as a scenario.
    #[arg(long, requires = "random", value_name = "FILE")]
    save: Option<PathBuf>,
    /// Tells the run of that seed whole, as a scenario with its timeline, whatever becomes of it.
    #[arg(long, requires = "random", conflicts_with_all = ["seeds", "save"])]
    whole: bool,
}

/// What the arguments mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulation {
    /// A scenario is played.
    Scenario {
        /// Its file.
        file: PathBuf,
        /// What becomes of the answers.
        answers: Answers,
    },
    /// A person breaks it from the keyboard, in real time.
    Demo(Show),
    /// Every sabotage is played until a check finds it.
    Sabotages {
        /// The scenarios.
        folder: PathBuf,
        /// How many random worlds.
        seeds: u64,
        /// For how long things go wrong in each.
        span: Duration,
        /// Where the page is written.
        page: Option<PathBuf>,
    },
    /// One run in which things go wrong by chance is told whole.
    Whole {
        /// The world.
        plan: RandomPlan,
    },
    /// Things go wrong by chance.
    Random {
        /// The first world.
        plan: RandomPlan,
        /// How many seeds.
        seeds: u64,
        /// Where a failing run is written.
        save: Option<PathBuf>,
    },
}

/// What becomes of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// They are printed, and below them what it came to, with Tanist and without.
    Printed,
    /// They are printed, and nothing else is played.
    Bare,
    /// They are written into the file.
    Recorded,
}

impl SimulateArguments {
    /// Gives what the arguments mean.
    #[must_use]
    pub fn meant(self) -> Simulation {
        if let Some(file) = self.file {
            let answers = match (self.rewrite, self.no_summary) {
                (true, _) => Answers::Recorded,
                (false, true) => Answers::Bare,
                (false, false) => Answers::Printed,
            };
            return Simulation::Scenario { file, answers };
        }
        let minutes = self.hours.map_or(self.minutes, |hours| hours.saturating_mul(60));
        let span = Duration::from_secs(minutes.saturating_mul(60));
        if let Some(folder) = self.sabotages {
            return Simulation::Sabotages { folder, seeds: self.seeds, span, page: self.page };
        }
        let plan = RandomPlan {
            seed: self.seed,
            span,
            brokers: self.brokers,
            partitions: self.partitions,
            sabotage: self.sabotage,
        };
        if self.whole {
            return Simulation::Whole { plan };
        }
        Simulation::Random { plan, seeds: self.seeds, save: self.save }
    }
}

fn sabotage(text: &str) -> Result<Sabotage, String> {
    if text == "none" { Ok(Sabotage::None) } else { text.parse().map_err(|error| format!("{error}")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::SimulateArguments;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SimulateArguments,
    }

    fn error(words: &str) -> String {
        let line = Line::try_parse_from(words.split(' '));
        line.map(|line| format!("{line:?}")).expect_err("it is refused").to_string()
    }

    #[test]
    fn what_makes_a_random_world_is_refused_where_a_file_says_it() {
        for option in [
            "--seed 3",
            "--seeds 3",
            "--hours 1",
            "--minutes 3",
            "--brokers 3",
            "--partitions 9",
            "--sabotage log-of-one",
        ] {
            let said = error(&format!("simulate {option} x.scn"));
            assert!(said.contains("cannot be used with"), "{option}: {said}");
        }
        Line::try_parse_from(["simulate", "--random", "--seed", "3", "--sabotage", "log-of-one"])
            .expect("a random world");
        Line::try_parse_from(["simulate", "x.scn"]).expect("a scenario");
        Line::try_parse_from(["simulate", "x.scn", "--no-summary"]).expect("its timeline alone");
        assert!(error("simulate x.scn --rewrite --no-summary").contains("cannot be used with"));
    }

    #[test]
    fn a_random_world_runs_no_longer_than_a_scenario_may() {
        for longest in ["--hours 23990", "--minutes 1439400"] {
            let words = format!("simulate --random {longest}");
            Line::try_parse_from(words.split(' ')).expect("a long world");
            let said = error(&format!("{words}0"));
            assert!(said.contains("is not in"), "{longest}: {said}");
        }
    }
}
