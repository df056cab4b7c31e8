//! Scenario files: commands and, below each, what it answered. One file is a test, a demo and a page of docs.
//!
//! Replaying a file yields the file, so that there is no second one to orphan.

mod command;
mod course;
mod parse;
mod play;
mod setting;
mod so_far;
#[cfg(test)]
mod tests;
mod timeline;
mod verbs;

use std::time::Duration;

use crate::model::time::Timestamp;
use crate::sim::checks::Violation;
use crate::sim::trace::Trace;
use crate::sim::world::Statistics;

pub use command::{Command, Expectation, Foreign, Ours, Wish};
pub use course::{Comparison, Course};
pub use parse::{Interpreter, ScenarioError};
pub use play::Player;
pub use setting::Setting;

pub(in crate::sim) use command::Span;

/// A scenario that was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// The file with the answers of this run.
    pub text: String,
    /// What did not go as it must, each with its line and command; a violation that nobody expected is among it.
    pub failures: Vec<String>,
    /// The invariant that was violated, if any.
    pub violation: Option<Violation>,
    /// How long the world ran.
    pub span: Duration,
    /// What happened, as one number.
    pub trace: Trace,
    /// How much happened.
    pub statistics: Statistics,
}

/// Plays a scenario from its text.
///
/// Errors: [`ScenarioError`] names line, word and what was expected, before anything runs.
pub fn replay(text: &str) -> Result<Played, ScenarioError> {
    Ok(play_out(&parse::parse(text)?, &mut Player::default()))
}

/// Plays a scenario from its text, and measures what it comes to for those who write; the answers are the same.
///
/// Errors: [`ScenarioError`] names line, word and what was expected, before anything runs.
pub fn measured(text: &str) -> Result<(Played, Option<Course>), ScenarioError> {
    let mut player = Player::measuring();
    let played = play_out(&parse::parse(text)?, &mut player);
    Ok((played, Course::of(&player)))
}

fn play_out(script: &parse::Script, player: &mut Player) -> Played {
    let mut played = String::new();
    let mut failures = Vec::new();
    let mut expected = false;
    for block in &script.blocks {
        let before = player.failures().len();
        played.push_str(&block.above);
        played.push_str(&block.text);
        played.push('\n');
        played.push_str(parse::RULE);
        played.push('\n');
        for line in player.play(&block.command) {
            played.push_str(&line);
            played.push('\n');
        }
        let whys = player.failures().get(before..).unwrap_or_default();
        failures.extend(whys.iter().map(|why| format!("line {}: {:?}: {why}", block.at, block.text)));
        expected |= matches!(block.command, Command::Expect(Expectation::Violation(_)));
    }
    played.push_str(&script.below);
    if let (Some(violation), false) = (player.violation(), expected) {
        failures.push(violation.to_string());
    }
    let (span, trace, statistics) = match player.world() {
        Some(world) => (world.now().since(Timestamp(0)), world.trace(), world.statistics()),
        None => (Duration::ZERO, Trace::default(), Statistics::default()),
    };
    Played { text: played, failures, violation: player.violation().cloned(), span, trace, statistics }
}

/// Gives the commands of a scenario.
///
/// Errors: [`ScenarioError`] names line, word and what was expected.
pub fn commands_of(text: &str) -> Result<Vec<Command>, ScenarioError> {
    Ok(parse::parse(text)?.blocks.into_iter().map(|block| block.command).collect())
}

/// Gives the text of a scenario that plays these commands, its answers still to be written.
#[must_use]
pub fn text_of(title: &str, commands: &[Command]) -> String {
    let mut text = format!("# {title}\n");
    for (place, command) in commands.iter().enumerate() {
        if 0 < place {
            text.push('\n');
        }
        text.push_str(&command.to_string());
        text.push('\n');
    }
    text
}
