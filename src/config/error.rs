//! What is wrong with settings: place, key, value, reason and the nearest valid key, for every problem at once.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the settings file {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no settings file.
    #[error("{} has {bytes} bytes: that is no settings file", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Something in it is wrong.
    #[error("{}", list(problems))]
    Invalid {
        /// Everything that is.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// The key, whole: `act.mode`. Empty where the file is no TOML at this place.
    pub key: String,
    /// The value as written, if there is one.
    pub value: Option<String>,
    /// What is wrong with it, and what is wanted.
    pub reason: String,
    /// The valid key or value that is nearest to what was written.
    pub nearest: Option<String>,
}

/// Where a setting stands; in the order in which problems are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file, at this line.
    Line {
        /// The file, as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// In the file as a whole: what is not set has no line.
    File(String),
    /// In a variable.
    Variable(String),
}

fn as_text<S: Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}

impl ConfigError {
    /// Gives every problem; a file that cannot be read is one.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Invalid { problems } => problems.clone(),
            Self::Unreadable { file, source } => vec![Problem::of_file(file, source.to_string())],
            Self::TooLarge { file, .. } => vec![Problem::of_file(file, self.to_string())],
        }
    }
}

impl Problem {
    fn of_file(file: &Path, reason: String) -> Self {
        let place = Place::File(file.display().to_string());
        Self { place, key: String::new(), value: None, reason, nearest: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::File(file) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; nearest: {nearest}")?;
        }
        Ok(())
    }
}

fn list(problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "1 problem with the settings".to_owned(),
        several => format!("{several} problems with the settings"),
    };
    problems.iter().fold(count, |text, problem| format!("{text}\n  {problem}"))
}

/// Gives the candidate that is nearest to what was written; the first of equals.
///
/// A name that only lacks its end is as near as one with a wrong letter, and another section costs two letters.
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let split = |text: &str| {
        text.split_once('.')
            .map_or((String::new(), text.to_owned()), |(section, key)| (section.to_owned(), key.to_owned()))
    };
    let (section, key) = split(written);
    candidates.into_iter().min_by_key(|candidate| {
        let (other_section, other) = split(candidate);
        let begun = other.starts_with(&key) || key.starts_with(&other);
        let letters = strsim::damerau_levenshtein(&key, &other);
        let name = if begun { letters.min(1) } else { letters };
        let elsewhere = if section == other_section { 0 } else { 2 };
        (name + elsewhere, strsim::damerau_levenshtein(written, candidate))
    })
}
