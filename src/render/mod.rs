//! Model to text for people: tables, timelines, explanations; command line, page and transcripts share it.
//!
//! Deliberately pure: width and colour are arguments, times come from records, and nothing here decides anything. Whatever
//! a user of the Kafka cluster named (topics, racks) is escaped before it reaches a terminal.

mod answer;
mod blind;
mod history;
pub mod machine;
mod plans;
mod sentences;
mod status;
mod timeline;
mod why;
mod words;

pub use answer::answer;
pub use blind::unseen;
pub use history::warning;
pub use why::{MINUTE_MS, Read, moment_ms, why};

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Units: columns of the terminal.
    pub width: u16,
    /// Whether lights are coloured.
    pub colour: Colour,
}

/// Whether text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// None: files, pipes, records.
    Plain,
    /// Terminals.
    Ansi,
}

impl Style {
    /// Gives the style of text that goes to no terminal.
    #[must_use]
    pub fn plain(width: u16) -> Self {
        Self { width, colour: Colour::Plain }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
