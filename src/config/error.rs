//! What is wrong with settings: place, key, value, reason and the nearest valid key, for every problem at once.

use std::fmt;
use std::path::PathBuf;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `file:line`, or the variable.
    pub place: String,
    /// The key, whole: `act.mode`. Empty where the file is no TOML at this place.
    pub key: String,
    /// The value as written, if there is one.
    pub value: Option<String>,
    /// What is wrong with it, and what is wanted.
    pub reason: String,
    /// The valid key or value that is nearest to what was written.
    pub nearest: Option<String>,
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
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let last = |text: &'a str| text.rsplit('.').next().unwrap_or(text);
    let own = written.rsplit('.').next().unwrap_or(written);
    candidates.into_iter().min_by_key(|candidate| {
        // A right name in a wrong section is as near as a wrong name in the right one.
        let whole = strsim::damerau_levenshtein(written, candidate);
        let tail = strsim::damerau_levenshtein(own, last(candidate)) + 1;
        whole.min(tail)
    })
}
