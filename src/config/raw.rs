//! A setting as it was written, before anybody knows what it should be: its form, its text and its place.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::error::Place;

/// One setting as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Where.
    pub(super) place: Place,
    /// As written, for errors.
    pub(super) shown: String,
    /// Its form.
    pub(super) raw: Raw,
}

/// The form of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// True or false.
    Bool(bool),
    /// An array.
    List(Vec<Raw>),
    /// A table.
    Map(BTreeMap<String, Raw>),
    /// Bare text of a variable: whoever reads it knows the form.
    Bare(String),
    /// Something that no setting is.
    Other(&'static str),
}

/// Longest value that an error repeats.
///
/// Units: characters.
const SHOWN_CHARS_MAX: usize = 80;

impl Raw {
    /// Gives the form of a parsed TOML value.
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(digits) => i128::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("a number out of all bounds"), Self::Integer),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::of(item.get_ref())).collect()),
            DeValue::Table(table) => Self::Map(
                table.iter().map(|(key, value)| (key.get_ref().to_string(), Self::of(value.get_ref()))).collect(),
            ),
        }
    }

    /// Gives bare text as the array or table that it spells; anything else as it is.
    pub(super) fn structured(&self) -> Self {
        let Self::Bare(text) = self else { return self.clone() };
        let text = text.trim();
        if text.starts_with(['[', '{'])
            && let Ok(value) = DeValue::parse(text)
        {
            return Self::of(value.get_ref());
        }
        Self::List(text.split(',').map(|part| Self::Bare(part.trim().to_owned())).collect())
    }
}

/// Gives what was written, on one line, without control characters, not too long.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.trim().chars().take(SHOWN_CHARS_MAX).flat_map(escaped).collect();
    if SHOWN_CHARS_MAX < text.trim().chars().count() {
        short.push_str("...");
    }
    short
}

fn escaped(letter: char) -> Vec<char> {
    if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }
}
