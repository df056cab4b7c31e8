//! Settings: a TOML file and `TANIST__SECTION__KEY` variables over it, checked as a whole before anything starts.
//!
//! One table of keys (`sections`) gives the structs, the reader, the checks of single values and the commented file that
//! `tanist config print` writes. Deliberately no knowledge of adapters: `app` turns settings into their options.

mod deciding;
mod document;
mod error;
pub mod machine;
mod print;
mod raw;
mod rules;
mod section;
pub mod sections;
mod value;

use std::ffi::OsString;
use std::path::Path;

pub use error::{ConfigError, Place, Problem};
pub use print::print;
pub use sections::Settings;
pub use value::HostPort;

use document::Document;
use section::Reader;

/// Largest settings file that is read.
///
/// Units: bytes. A complete file with its comments has about 20 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file of settings and the variables over it.
///
/// Errors: [`ConfigError::Unreadable`] for the file, else [`ConfigError::Invalid`] with every problem at once.
pub fn load(file: &Path, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Settings, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if FILE_BYTES_MAX < length {
        return Err(ConfigError::TooLarge { file: file.to_owned(), bytes: length });
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    parse(&file.display().to_string(), &text, variables)
}

/// Reads settings from text; `name` is what errors call it.
///
/// Errors: [`ConfigError::Invalid`] with every problem at once.
pub fn parse(
    name: &str,
    text: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, ConfigError> {
    let mut document = Document::read(name, text).map_err(|problems| ConfigError::Invalid { problems })?;
    document.override_by(variables);
    let mut reader = Reader::new(document);
    let settings = Settings::read(&mut reader);
    let (mut problems, places) = reader.finish();
    if problems.is_empty() {
        problems = rules::broken(name, &places, &settings);
    } else {
        // Other rules between keys would only repeat what is wrong with one of them.
        problems.extend(rules::no_trio(name, &settings));
    }
    if problems.is_empty() {
        return Ok(settings);
    }
    problems.sort_by(|one, other| one.place.cmp(&other.place));
    Err(ConfigError::Invalid { problems })
}

#[cfg(test)]
mod tests;
